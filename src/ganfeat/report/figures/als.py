"""Where attributes bend along paths in W."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ganfeat.report.figures.panels import few_ticks, legend_below
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

CURVES = "als_shared"  # whose curves are drawn: those with a sigma that all arms share
COLUMNS = 6


def als_curves(study: Study, done: Mapping[tuple[str, int], Record]) -> Figure | None:
    """How far each attribute is from a straight line along a path, with its spread over paths.

    A line is the mean over a shown arm's seeds; the band is one standard deviation over paths to
    either side, down to 0. None where no record has curves.
    """
    arms = {
        arm: arrays
        for arm in study.shown
        if (
            arrays := [
                record["arrays"]
                for (other, _), record in done.items()
                if other == arm and f"{CURVES}_curve" in record.get("arrays", {})
            ]
        )
    }
    names = _common([found["als_attributes"] for arrays in arms.values() for found in arrays])
    if not names:
        return None
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(12, 1.5 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for name, axis in zip(names, axes.flat, strict=False):
        for arm, arrays in arms.items():
            curve = _mean(arrays, f"{CURVES}_curve", name)
            spread = _mean(arrays, f"{CURVES}_spread", name)
            t = np.linspace(0, 1, len(curve))
            (line,) = axis.plot(t, curve, label=arm, linewidth=1.2)
            low, high = np.maximum(curve - spread, 0), curve + spread
            axis.fill_between(t, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axis.set_title(name, fontsize=8, pad=2)
        axis.set_ylim(bottom=0)
        axis.set_xticks([0, 0.5, 1], [])
        few_ticks(axis)
    for axis in axes.flat[: len(names)][-COLUMNS:]:  # the lowest of each column
        axis.set_xticklabels(["start", "", "end"])
    seeds = sorted({seed for arm, seed in done if arm in arms})
    figure.suptitle(
        "Deviation from a straight line along a path in W, in standard deviations of real images; "
        f"mean and spread over paths; seeds {', '.join(map(str, seeds))}", fontsize=9,
    )  # fmt: skip
    handles, labels = axes.flat[0].get_legend_handles_labels()
    legend_below(figure, handles, labels)
    return figure


def _common(lists: Sequence[Sequence[str]]) -> list[str]:
    """What all of them have, in the order of the first."""
    return [name for name in lists[0] if all(name in other for other in lists)] if lists else []


def _mean(arrays: Sequence[Mapping[str, Any]], key: str, name: str) -> NDArray[np.float64]:
    """The mean over runs of the row of ``key`` that belongs to an attribute."""
    rows = [found[key][found["als_attributes"].index(name)] for found in arrays]
    mean: NDArray[np.float64] = np.mean(rows, axis=0)
    return mean
