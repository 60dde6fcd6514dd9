"""PPL against how unlike samples are."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ganfeat.report.cells import cells
from ganfeat.report.figures.panels import legend_below
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

PPL, GUARD = "ppl2_wend_", "diversity"  # how the names of the two values begin
PER_DISTANCE = "_per_distance"  # another value, whose name begins as PPL's does


def ppl_and_diversity(study: Study, done: Mapping[tuple[str, int], Record]) -> Figure | None:
    """PPL against the distance of random samples: it falls when these become alike.

    A point is a run; a line through the origin has the baseline's ratio, along which nothing is
    gained. None where fewer than two arms have both, or their protocols differ.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    protocols: set[tuple[str, ...]] = set()
    for (arm, _), record in done.items():
        ppl, spread = (
            [
                (cell.value, cell.protocol)
                for name, cell in dict(cells(record)).items()
                if name.startswith(start) and PER_DISTANCE not in name and cell.value is not None
            ]
            for start in (PPL, GUARD)
        )
        if ppl and spread:
            points.setdefault(arm, []).append((spread[0][0], ppl[0][0]))
            protocols.add((spread[0][1], ppl[0][1]))
    if len(protocols) != 1 or len(points) < 2:  # there is nothing to compare
        return None
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axis = figure.subplots()
    for i, (arm, found) in enumerate(points.items()):
        x, y = np.array(found).T
        axis.scatter(x, y, s=40, marker="osD^vP*X"[i % 8], label=arm)
    if baseline := next((arm for arm in study.baselines if arm in points), None):
        base = np.mean(points[baseline], axis=0)
        ends = np.array(axis.get_xlim())
        axis.plot(ends, ends * base[1] / base[0], color="grey", linewidth=0.8, zorder=0,
                  label=f"the ratio of {baseline}")  # fmt: skip
        axis.set_xlim(*ends)
    axis.set_xlabel("mean distance of random samples (the guard)")
    axis.set_ylabel("PPL, W, end")
    legend_below(figure, *axis.get_legend_handles_labels())
    return figure
