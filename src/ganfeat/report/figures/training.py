"""How losses and scores went while arms were trained."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ganfeat.report.figures.panels import few_ticks, legend_below
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

KIMG = "progress/kimg"
LEFT_OUT = ("progress/", "gradient/")  # what says nothing about what was learnt
COLUMNS = 4


def training_curves(study: Study, done: Mapping[tuple[str, int], Record]) -> Figure | None:
    """A panel for each loss and score that a shown arm has, over kimg: every seed a thin line.

    None where no record has curves.
    """
    shown = {
        arm: [
            record["arrays"]
            for (other, _), record in done.items()
            if other == arm and len(record.get("arrays", {}).get(KIMG, [])) > 1
        ]
        for arm in study.shown
    }
    shown = {arm: arrays for arm, arrays in shown.items() if arrays}
    panels = dict.fromkeys(
        name for arrays in shown.values() for one in arrays for name in _curves(one)
    )
    if not panels:
        return None
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(12, 1.9 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis in axes.flat[: len(panels)][-axes.shape[1] :]:  # the lowest of each column
        axis.set_xlabel("kimg", fontsize=7, labelpad=1)
    handles: dict[str, Artist] = {}
    for name, axis in zip(panels, axes.flat, strict=False):
        for i, (arm, arrays) in enumerate(shown.items()):
            for one in arrays:
                if name in one:
                    values = np.array(one[name], dtype=float)  # None becomes nan, and is left out
                    held = np.isfinite(values)
                    kimg = np.array(one[KIMG], dtype=float)
                    (line,) = axis.plot(
                        kimg[held], values[held], color=f"C{i % 10}", linewidth=0.9, alpha=0.8
                    )
                    handles.setdefault(arm, line)
        axis.set_title(name, fontsize=8, pad=2)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        few_ticks(axis)
    legend_below(figure, [*handles.values()], [*handles])
    return figure


def _curves(arrays: Mapping[str, Any]) -> list[str]:
    """The names of the arrays that belong to ticks."""
    ticks = len(arrays[KIMG])
    return [
        name
        for name, values in arrays.items()
        if "/" in name
        and not name.startswith(LEFT_OUT)
        and isinstance(values, list)
        and len(values) == ticks
    ]
