"""What each level is worth, drawn as a picture."""

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor


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
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    pixels = torch.from_numpy(drawn[..., :3].copy())
    return pixels.permute(2, 0, 1).float().div(127.5).sub(1)
