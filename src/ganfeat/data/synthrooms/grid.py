"""The picture of random rooms of both families and of what each factor does."""

from collections.abc import Sequence

from PIL import Image

from ganfeat.data.drawn.grid import SIDE, command, grid, steps
from ganfeat.data.synthrooms.dataset import SynthRooms
from ganfeat.data.synthrooms.drawing import render
from ganfeat.data.synthrooms.factors import FAMILIES
from ganfeat.data.synthrooms.sampling import SPLITS


def picture(split: str, resolution: int, seed: int) -> Image.Image:
    """8 x 8 random bedrooms and one row per factor with all else neutral; below, the kitchens.

    Kitchens are those of `test` where they have no such split.
    """
    parts = []
    for family, table in FAMILIES.items():
        whose = split if family == "bedroom" or split in SPLITS[family] else "test"
        data = SynthRooms(whose, resolution, SIDE * SIDE, seed, family=family)
        rows = [
            (spec, render({spec.name: steps(spec)}, resolution, family)) for spec in table.factors
        ]
        parts.append(grid(data.__getitems__(range(SIDE * SIDE))["image"], rows))
    canvas = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)), "white")
    canvas.paste(parts[0], (0, 0))
    canvas.paste(parts[1], (0, parts[0].height))
    return canvas


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m ganfeat.data.synthrooms`."""
    command("ganfeat.data.synthrooms", picture, arguments)
