"""Pictures of what was measured: curves, heat maps, rows of images with their names."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from ganfeat.features.network import to_uint8
from ganfeat.pictures import as_tensor, enlarged, few_colours, image_grid

SHOWN = 11  # images in a row
SIDE = 64  # px to which smaller images are enlarged
LARGEST = 128  # px to which frames are averaged that are larger
LABEL = 110  # px for the name of a row
GAP = 4  # px between groups of rows
BAR = 7  # px for a layer


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
    return drawn(figure)


def drawn(figure: Figure) -> Tensor:
    """A figure as a picture [3,H,W] in [-1,1]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return as_tensor(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]


def heat_map(
    values: ArrayLike, rows: Sequence[str], columns: Sequence[str], what: str, title: str
) -> Tensor:
    """Numbers [R,C] as colours, with the scale beside them: [3,H,W] in [-1,1].

    Where some are negative the scale is even on both sides of 0, which is white.
    """
    table = np.asarray(values, dtype=float)
    size = (2.4 + 0.24 * len(columns), 1.6 + 0.24 * len(rows))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    axes = figure.subplots()
    most = float(np.abs(table).max()) or 1.0
    signed = bool((table < 0).any())
    image = axes.imshow(
        table, cmap="RdBu_r" if signed else "Greys", vmin=-most if signed else 0, vmax=most
    )
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label=what)
    return drawn(figure)


def traversals(strips: Tensor, shares: Tensor, names: Sequence[str]) -> Tensor:
    """What edits do, a row for each: its name, how much each layer gets, and images along it.

    Args:
        strips: images [K,T,3,R,R] in [-1,1].
        shares: of layers, [K,L], from the first at the left.
        names: of the edits.

    Returns:
        [3,H,W] in [-1,1], of few colours: images of one edit are nearly the same, and the page is
        kept with every record.
    """
    count, frames = strips.shape[:2]
    frame = fitted(strips.flatten(0, 1).cpu())
    shown = frame.view(count, frames, *frame.shape[1:])
    pitch, bars = shown.shape[-1], BAR * shares.shape[1]
    font = ImageFont.load_default(12)
    label = int(max(font.getlength(name) for name in names)) + 3 * GAP
    left = label + bars + 2 * GAP
    page = Image.new("RGB", (left + frames * pitch, count * pitch), "white")
    pen = ImageDraw.Draw(page)
    top = float(shares.max()) or 1.0
    for k, (strip, row, name) in enumerate(zip(shown, shares.tolist(), names, strict=True)):
        y = k * pitch
        grid = image_grid(strip, frames)
        page.paste(Image.fromarray(to_uint8(grid).permute(1, 2, 0).numpy()), (left, y))
        pen.text((label - 2 * GAP, y + pitch / 2), name, fill="black", anchor="rm", font=font)
        foot = y + pitch - GAP
        pen.line((label, foot, label + bars, foot), fill="gray")
        for i, share in enumerate(row):
            height = share / top * (pitch - 2 * GAP)
            x = label + i * BAR
            pen.rectangle((x, foot - height, x + BAR - 2, foot), fill="black")
    return in_few_colours(page)


def paths(strips: Tensor) -> Tensor:
    """Images along paths [P,T,3,R,R] in [-1,1], a row for each: [3,H,W].

    In all their colours: a palette for several images at once would show as patches.
    """
    return image_grid(fitted(strips.flatten(0, 1).cpu()), strips.shape[1])


def fitted(images: Tensor) -> Tensor:
    """Frames [N,3,R,R] of a page: small ones enlarged, large ones averaged."""
    side = images.shape[-1]
    if side > LARGEST:
        return F.interpolate(images, (LARGEST, LARGEST), mode="area")
    return enlarged(images, max(1, SIDE // side))


def in_few_colours(page: Image.Image) -> Tensor:
    """A page [3,H,W] in [-1,1] that takes a third of the room."""
    return as_tensor(np.asarray(few_colours(page).convert("RGB")))


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
