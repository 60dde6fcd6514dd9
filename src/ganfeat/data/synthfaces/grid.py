"""One picture that shows the data set: random faces, and what each factor does."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganfeat.data.synthfaces.dataset import SynthFaces
from ganfeat.data.synthfaces.factors import FACTORS, Factor
from ganfeat.data.synthfaces.drawing import render
from ganfeat.errors import UserError

STEPS = 7
_LABEL = 190


def steps(spec: Factor) -> Tensor:
    """Seven physical values over a factor's range; a class's number is repeated where needed."""
    if spec.classes:
        return torch.linspace(0, spec.classes - 1, STEPS).round()
    top = spec.high if spec.kind == "continuous" else spec.high * (STEPS - 1) / STEPS
    return torch.linspace(spec.low, top, STEPS)


def tile(images: Tensor, columns: int) -> Image.Image:
    """Images [N,3,R,R] in [-1, 1] -> one picture, row by row."""
    rows = images.split(columns)
    whole = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    return Image.fromarray(whole.add(1).mul(127.5).round().to(torch.uint8).permute(1, 2, 0).numpy())


def picture(split: str, resolution: int, seed: int) -> Image.Image:
    """8 x 8 random faces, and beside them one row per factor with its name."""
    faces = (
        tile(SynthFaces(split, resolution, length=64, seed=seed)[:64]["image"], 8)
        if False
        else tile(
            SynthFaces(split, resolution, length=64, seed=seed).__getitems__(range(64))["image"], 8
        )
    )
    rows = [tile(render({spec.name: steps(spec)}, resolution), STEPS) for spec in FACTORS]
    panels, per = 3, -(-len(FACTORS) // 3)
    wide = _LABEL + STEPS * resolution
    height = max(faces.height, per * max(resolution, 30))
    canvas = Image.new("RGB", (faces.width + panels * wide, height), "white")
    canvas.paste(faces, (0, 0))
    pen = ImageDraw.Draw(canvas)
    for number, (spec, row) in enumerate(zip(FACTORS, rows, strict=True)):
        x = faces.width + number // per * wide
        y = number % per * max(resolution, 30)
        canvas.paste(row, (x + _LABEL, y))
        pen.text((x + 10, y + 4), f"{spec.name}\n{spec.about}"[:60], fill="black")
    return canvas


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `python -m ganfeat.data.synthfaces`."""
    parser = argparse.ArgumentParser(prog="ganfeat.data.synthfaces", description=__doc__)
    parser.add_argument("--grid", metavar="PNG", required=True, help="where the picture goes")
    parser.add_argument("--resolution", type=int, default=64, help="side of a face in pixels")
    parser.add_argument("--split", default="train", help="whose faces to show")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        drawn = picture(given.split, given.resolution, given.seed)
        path = Path(given.grid)
        try:
            drawn.save(path)
        except (OSError, ValueError) as error:
            raise UserError(
                f"cannot write {path}: {error}; expected a picture file in an existing folder; "
                "change --grid"
            ) from error
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{path}: {drawn.width} x {drawn.height}")
    return 0
