"""One picture that shows the data set: random faces, and beside them what each factor does."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganfeat.data.synthfaces.dataset import SynthFaces
from ganfeat.data.synthfaces.drawing import check_resolution, render
from ganfeat.data.synthfaces.factors import FACTORS, Factor
from ganfeat.errors import UserError
from ganfeat.files import atomic_write

STEPS, SIDE = 7, 8
_LABEL, _PANELS, _GAP = 215, 3, 8


def steps(spec: Factor) -> Tensor:
    """Seven physical values over a factor's range; fewer classes come round again."""
    if spec.classes:
        return torch.arange(STEPS) % spec.classes
    last = spec.high if spec.kind == "continuous" else spec.high * (STEPS - 1) / STEPS
    return torch.linspace(spec.low, last, STEPS, dtype=torch.float64)


def tile(images: Tensor, columns: int) -> Image.Image:
    """Images [N,3,R,R] in [-1, 1] -> one picture, row by row."""
    rows = [torch.cat(list(row), 2) for row in torch.split(images, columns)]
    pixels = torch.cat(rows, 1).add(1).mul(127.5).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def picture(split: str, resolution: int, seed: int) -> Image.Image:
    """8 x 8 random faces, then one labelled row of 7 steps per factor, in three panels."""
    check_resolution(resolution)
    data = SynthFaces(split, resolution, length=SIDE * SIDE, seed=seed)
    faces = tile(data.__getitems__(range(SIDE * SIDE))["image"], SIDE)
    pitch = max(resolution, 32) + 2
    panel, per_panel = _LABEL + STEPS * resolution + _GAP, -(-len(FACTORS) // _PANELS)
    size = (faces.width + _PANELS * panel, max(faces.height, per_panel * pitch))
    canvas = Image.new("RGB", size, "white")
    canvas.paste(faces, (0, 0))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for number, spec in enumerate(FACTORS):
        x = faces.width + number // per_panel * panel
        y = number % per_panel * pitch
        canvas.paste(tile(render({spec.name: steps(spec)}, resolution), STEPS), (x + _LABEL, y))
        middle = y + resolution // 2
        pen.text((x + _GAP, middle - 14), spec.name, fill="black", font=font)
        pen.text((x + _GAP, middle + 1), spec.about, fill="gray", font=ImageFont.load_default(10))
    return canvas


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `python -m ganfeat.data.synthfaces`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ganfeat.data.synthfaces", description=__doc__)
    parser.add_argument("--grid", metavar="PNG", required=True, help="where the picture goes")
    parser.add_argument("--resolution", type=int, default=64, help="side of a face in pixels")
    parser.add_argument("--split", default="train", help="whose faces to show")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other people")
    given = parser.parse_args(arguments)
    try:
        drawn = picture(given.split, given.resolution, given.seed)
        _save(drawn, Path(given.grid))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{given.grid}: {drawn.width} x {drawn.height}")
    return 0


def _save(drawn: Image.Image, path: Path) -> None:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UserError(f"{path} is no name of a picture: give --grid one such as out.png")
    with atomic_write(path) as file:
        drawn.save(file, format=kind)
