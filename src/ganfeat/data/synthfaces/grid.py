"""The picture of random faces and of what each factor does."""

from collections.abc import Sequence

from PIL import Image

from ganfeat.data.drawn.grid import SIDE, command, grid, steps
from ganfeat.data.synthfaces.dataset import SynthFaces
from ganfeat.data.synthfaces.drawing import render
from ganfeat.data.synthfaces.factors import FACTORS


def picture(split: str, resolution: int, seed: int) -> Image.Image:
    """8 x 8 random faces, and one row per factor with all else neutral."""
    data = SynthFaces(split, resolution, length=SIDE * SIDE, seed=seed)
    rows = [(spec, render({spec.name: steps(spec)}, resolution)) for spec in FACTORS]
    return grid(data.__getitems__(range(SIDE * SIDE))["image"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m ganfeat.data.synthfaces`."""
    command("ganfeat.data.synthfaces", picture, arguments)
