"""Pictures of what tasks do: curves over levels, and rows of images with their names."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganfeat.features.network import to_uint8
from ganfeat.pictures import enlarged, image_grid

SHOWN = 11  # images in a row
SIDE = 64  # px to which smaller images are enlarged
LABEL = 110  # px for the name of a row
GAP = 4  # px between groups of rows


def curves(
    values: Mapping[str, Mapping[str, float]],
    what: str,
    title: str,
    marks: Mapping[str, float] | None = None,
) -> Tensor:
    """A line for each of ``values``, over levels from coarse to fine: [3,H,W] in [-1,1].

    Args:
        values: by the name of the line and by level.
        what: the numbers mean, for the axis.
        title: of the picture.
        marks: levels of comparison across the whole width, by name.
    """
    levels = list(next(iter(values.values())))
    figure = Figure(figsize=(max(4.5, 0.55 * len(levels) + 2.0), 3.4), dpi=100, layout="tight")
    axes = figure.subplots()
    for name, line in values.items():
        axes.plot(range(len(levels)), [line[level] for level in levels], "o-", label=name)
    for name, mark in (marks or {}).items():
        axes.axhline(mark, linestyle="--", color="gray", linewidth=1)
        axes.annotate(name, (len(levels) - 1, mark), ha="right", va="bottom", color="gray")
    axes.set_xticks(range(len(levels)), levels, rotation=60, ha="right")
    axes.set_ylabel(what)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if len(values) > 1:
        axes.legend(frameon=False, fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return as_tensor(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]


def sheet(*groups: Mapping[str, Tensor]) -> Tensor:
    """Rows of images [N,3,R,R] with their names before them, in groups: [3,H,W] in [-1,1].

    Of each row the first images are shown.
    """
    side = next(iter(groups[0].values())).shape[-1]
    scale = max(1, SIDE // side)
    pitch = side * scale
    count = max(min(len(images), SHOWN) for group in groups for images in group.values())
    height = sum(len(group) for group in groups) * pitch + GAP * (len(groups) - 1)
    page = Image.new("RGB", (LABEL + count * pitch, height), "white")
    pen, y = ImageDraw.Draw(page), 0
    for group in groups:
        for name, images in group.items():
            row = image_grid(enlarged(images[:SHOWN].cpu(), scale), len(images[:SHOWN]))
            page.paste(Image.fromarray(to_uint8(row).permute(1, 2, 0).numpy()), (LABEL, y))
            place = (LABEL - 6, y + pitch / 2)
            pen.text(place, name, fill="black", anchor="rm", font=ImageFont.load_default(12))
            y += pitch
        y += GAP
    return as_tensor(np.asarray(page))


def sheets(name: str, *groups: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The `sheet` of groups by its name; none where a process has no images to show."""
    return {name: sheet(*groups)} if groups and all(groups) else {}


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels [H,W,3] as [3,H,W] in [-1,1], which `to_uint8` makes the same pixels again."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().sub(127.5).div(127.5)
