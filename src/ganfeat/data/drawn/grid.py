"""One picture that shows a data set: random images, and beside them what each factor does."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganfeat.data.drawn.factors import Factor
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.files import atomic_write

STEPS, SIDE = 7, 8
_LABEL, _PANELS, _GAP = 215, 3, 8

Picture = Callable[[str, int, int], Image.Image]  # of split, resolution and seed


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


def grid(images: Tensor, rows: Sequence[tuple[Factor, Tensor]]) -> Image.Image:
    """64 random images as 8 x 8, then one labelled row of 7 steps per factor, in three panels."""
    resolution = images.shape[-1]
    random = tile(images, SIDE)
    pitch = max(resolution, 32) + 2
    panel, per_panel = _LABEL + STEPS * resolution + _GAP, -(-len(rows) // _PANELS)
    size = (random.width + _PANELS * panel, max(random.height, per_panel * pitch))
    canvas = Image.new("RGB", size, "white")
    canvas.paste(random, (0, 0))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for number, (spec, row) in enumerate(rows):
        x = random.width + number // per_panel * panel
        y = number % per_panel * pitch
        canvas.paste(tile(row, STEPS), (x + _LABEL, y))
        middle = y + resolution // 2
        pen.text((x + _GAP, middle - 14), spec.name, fill="black", font=font)
        pen.text((x + _GAP, middle + 1), spec.about, fill="gray", font=ImageFont.load_default(10))
    return canvas


def command(module: str, picture: Picture, arguments: Sequence[str] | None = None) -> None:
    """The command `python -m <module> --grid out.png`."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=__doc__)
    parser.add_argument("--grid", metavar="PNG", required=True, help="where the picture goes")
    parser.add_argument("--resolution", type=int, default=64, help="side of an image in pixels")
    parser.add_argument("--split", default="train", help="whose images to show")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other images")
    given = parser.parse_args(arguments)
    with told():
        path = Path(given.grid)
        kind = _kind(path)
        drawn = picture(given.split, given.resolution, given.seed)
        with atomic_write(path) as file:
            drawn.save(file, format=kind)
    print(f"{given.grid}: {drawn.width} x {drawn.height}")


def _kind(path: Path) -> str:
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UserError(f"{path} is no name of a picture: give --grid one such as out.png")
    return kind
