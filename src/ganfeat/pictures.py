"""Grids of images as one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganfeat.features import Rebuilder
from ganfeat.features.network import to_uint8
from ganfeat.files import atomic_write

RECONSTRUCTED = 16  # images in a picture of what becomes of them
PALETTE = 256  # colours at most in a picture that is written with a palette
PACE = 120  # milliseconds for a frame


def grid_shape(resolution: int) -> tuple[int, int]:
    """Columns and rows of a sample grid: 8 x 8 up to 128 px, at most 2048 x 1024 px above."""
    if resolution <= 128:
        return 8, 8
    return max(2048 // resolution, 2), max(1024 // resolution, 1)


def image_grid(images: Tensor, columns: int) -> Tensor:
    """``images`` [N,C,H,W] row by row in ``columns`` columns: [C, rows H, columns W]."""
    n, c, h, w = images.shape
    rows = -(-n // columns)
    if rows * columns > n:
        empty = images.new_full([rows * columns - n, c, h, w], -1.0)
        images = torch.cat([images, empty])
    grid = images.reshape(rows, columns, c, h, w).permute(2, 0, 3, 1, 4)
    return grid.reshape(c, rows * h, columns * w)


def enlarged(images: Tensor, scale: int) -> Tensor:
    """Images [N,3,R,R] with every pixel ``scale`` times as wide and high."""
    return images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)


@torch.no_grad()
def reconstructions(network: Rebuilder, data: Any, device: torch.device) -> Tensor:
    """Images of the validation split above what a network makes of them, as one picture."""
    some = data.reference("val", RECONSTRUCTED)
    images = some.__getitems__(range(min(RECONSTRUCTED, len(some))))["image"].to(device)
    return image_grid(torch.cat([images, network.rebuild(images)]), len(images))


def save_pictures(pictures: Mapping[str, Tensor], folder: Path, below: str) -> list[str]:
    """Write pictures [C,H,W] to ``folder/below/<name>.png``; the names from ``below`` on."""
    names = {name: f"{below}/{name}.png" for name in pictures}
    for name, picture in pictures.items():
        save_png(picture, folder / names[name])
    return [*names.values()]


def save_png(image: Tensor, path: Path) -> None:
    """Write ``image`` [C,H,W] in [-1,1], C = 1 or 3, as a PNG file."""
    picture = Image.fromarray(to_uint8(image).permute(1, 2, 0).cpu().numpy().squeeze())
    if picture.mode == "RGB" and picture.getcolors(PALETTE):  # a third of the bytes, nothing lost
        picture = picture.quantize(PALETTE, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with atomic_write(path) as file:
        picture.save(file, format="PNG")


def frames_of(path: Path, rows: int, frames: int) -> list[Tensor]:
    """The frames of a page that plays, [3,H,W] in [-1,1] each, with what stands left of them.

    Args:
        path: a PNG whose right part is a grid of square images.
        rows, frames: how many below and beside each other.
    """
    pixels = np.asarray(Image.open(path).convert("RGB"))
    side = pixels.shape[0] // rows
    left = pixels.shape[1] - frames * side
    page = as_tensor(pixels)
    fixed, moving = page[:, :, :left], page[:, :, left:]
    return [
        torch.cat([fixed, moving[:, :, i * side : (i + 1) * side]], dim=2) for i in range(frames)
    ]


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels [H,W,3] as [3,H,W] in [-1,1], which `to_uint8` makes the same pixels again."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().sub(127.5).div(127.5)


def few_colours(picture: Image.Image) -> Image.Image:
    """A picture with a palette, no colour of which is far from its own.

    Pillow's usual way, median cut, gives up what is small: the red of a mouth becomes a violet.
    Without dithering, which between frames would be movement.
    """
    return picture.quantize(PALETTE, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def save_gif(frames: Sequence[Tensor], path: Path) -> None:
    """Write pictures [3,H,W] in [-1,1] as a GIF that goes there and back for ever."""
    whole = [*frames, *frames[-2:0:-1]]
    first, *others = (
        few_colours(Image.fromarray(to_uint8(frame).permute(1, 2, 0).cpu().numpy()))
        for frame in whole
    )
    with atomic_write(path) as file:
        first.save(file, "GIF", save_all=True, append_images=others, duration=PACE, loop=0)
