"""What the edits of navigators shift, and in which layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ganfeat.report.edits import SHIFT, Array, likeness, matched, shifts_of
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

LAYERS = {"edit_attention": "length by layer", "edit_effect": "effect by layer"}


def alike(arrays: Sequence[Mapping[str, Any]]) -> str:
    """How alike seeds are, for a title."""
    found = likeness([np.array(one[SHIFT]) for one in arrays])
    return "" if found is None else f"; cosine between seeds {found:.2f}"


def edit_maps(study: Study, done: Mapping[tuple[str, int], Record]) -> Figure | None:
    """A row for each shown arm: its matrix of shifts, and its edits layer by layer.

    Each is the mean over the arm's seeds, once their edits are matched. None where no record has
    such arrays.
    """
    found = {arm: arrays for arm in study.shown if (arrays := shifts_of(arm, done))}
    if not found:
        return None
    first = next(iter(found.values()))[0]
    names, layers = first["shift_attributes"], len(first.get("edit_attention", [[0]])[0])
    tall = len(found) * (0.17 * len(first[SHIFT]) + 0.3) + 1.4
    figure = Figure(figsize=(13, tall), layout="constrained")
    widths = [len(names), layers + 2, layers + 2]
    axes = figure.subplots(len(found), 3, squeeze=False, width_ratios=widths)
    for i, (arm, arrays) in enumerate(found.items()):
        below = i == len(found) - 1
        orders = matched([np.array(one[SHIFT]) for one in arrays])
        shifts = _mean_edits(SHIFT, arrays, [order.of for order in orders])
        most = float(np.abs(shifts).max()) or 1.0
        axis = axes[i, 0]
        axis.imshow(shifts, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
        axis.set_title(f"{arm}: shifts, at most {most:.2f} deviations{alike(arrays)}", fontsize=9)
        axis.set_yticks(range(len(shifts)), range(len(shifts)), fontsize=6)
        axis.set_xticks(range(len(names)), names if below else [], rotation=90, fontsize=7)
        for axis, (key, title) in zip(axes[i, 1:], LAYERS.items(), strict=True):
            if key not in arrays[0]:
                axis.set_axis_off()
                continue
            table = _mean_edits(key, arrays, [order.rows for order in orders])
            axis.imshow(table, cmap="Greys", vmin=0, vmax=1, aspect="auto")
            axis.set_title(title, fontsize=9)
            axis.set_yticks([])
            axis.set_xticks(range(layers), range(layers) if below else [], fontsize=7)
    return figure


def _mean_edits(
    key: str, arrays: Sequence[Mapping[str, Any]], ways: Sequence[Callable[[Array], Array]]
) -> Array:
    """The mean of an array over seeds, each brought to the order of the first."""
    tables = [way(np.array(one[key])) for way, one in zip(ways, arrays, strict=True)]
    return np.mean(tables, axis=0)  # type: ignore[no-any-return]
