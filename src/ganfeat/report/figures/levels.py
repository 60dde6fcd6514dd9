"""What the levels of an encoder know."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ganfeat.report.figures.panels import legend_below
from ganfeat.report.plan import Record
from ganfeat.report.study import Study
from ganfeat.report.tables import ARROWS

LEVELS, BEST = "levels/", "_best"  # beginnings and ends of the names of arrays, by level
MOST = 6  # lines of an array; of more no panels are drawn


def level_curves(study: Study, done: Mapping[tuple[str, int], Record]) -> Figure | None:
    """What each level is good for: a panel for each line of each array ``levels/...``.

    A curve is the mean over a shown arm's seeds. Shown arms with other levels than the first are a
    dashed line, at the level that they chose. None where no record has such arrays.
    """
    shown = {
        arm: [r["arrays"] for (other, _), r in done.items() if other == arm and r.get("arrays")]
        for arm in study.shown
    }
    lines = {arm: _level_lines(arrays) for arm, arrays in shown.items() if arrays}
    first = next((of_arm for of_arm in lines.values() if of_arm), None)
    if first is None:
        return None
    panels = list(first)
    rows = -(-len(panels) // 3)
    figure = Figure(figsize=(12, 2.6 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for panel, axis in zip(panels, axes.flat, strict=False):
        levels = list(first[panel].by_level)
        for i, (arm, of_arm) in enumerate(lines.items()):
            if panel not in of_arm:
                continue
            by_level, chosen = of_arm[panel]
            if list(by_level) == levels:
                axis.plot(range(len(levels)), list(by_level.values()), "o-", color=f"C{i}",
                          label=arm, markersize=3)  # fmt: skip
            elif chosen is not None:
                axis.axhline(chosen, color=f"C{i}", linestyle="--", linewidth=1, label=arm)
        axis.set_xticks(range(len(levels)), levels, rotation=90, fontsize=6)
        axis.set_title(f"{panel}{better_of(panel, done)}", fontsize=8)
        axis.tick_params(labelsize=7)
    handles = {
        label: handle
        for axis in axes.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    legend_below(figure, [*handles.values()], [*handles])
    return figure


def better_of(panel: str, done: Mapping[tuple[str, int], Record]) -> str:
    """An arrow to what is better of ``panel``, where records have a value named after it."""
    start = panel.replace(": ", "_")
    values = [value for record in done.values() for value in record.get("metrics", [])]
    found = {v.get("better") for v in values if v["name"].startswith(start)} - {None}
    return ARROWS[found.pop()] if len(found) == 1 else ""


class LevelLine(NamedTuple):
    """One line of an array ``levels/...``.

    Attributes:
        by_level: numbers by level, coarse to fine.
        chosen: that of the level that was chosen on ``val``, where one was.
    """

    by_level: dict[str, float]
    chosen: float | None


def _level_lines(arrays: Sequence[Mapping[str, Any]]) -> dict[str, LevelLine]:
    """Means over runs of the lines that all have, by panel: ``array`` or ``array: line``."""
    found = [_lines_of(one) for one in arrays]
    return {
        panel: LevelLine(
            {
                level: float(np.mean([one[panel].by_level[level] for one in found]))
                for level in line.by_level
            },
            None
            if any(one[panel].chosen is None for one in found)
            else float(np.mean([one[panel].chosen for one in found])),
        )
        for panel, line in found[0].items()
        if all(panel in one and list(one[panel].by_level) == list(line.by_level) for one in found)
    }


def _lines_of(arrays: Mapping[str, Any]) -> dict[str, LevelLine]:
    """The lines of one run. Arrays have ``{level: number}``, or ``{line: {level: number}}``.

    Of these, ``{line: number}`` without ``levels/`` has the numbers of the chosen levels.
    """
    panels = {}
    for name, array in arrays.items():
        title = name.removeprefix(LEVELS)
        if title == name or not isinstance(array, dict) or name.endswith(BEST):
            continue
        nested = all(isinstance(item, dict) for item in array.values())
        if nested and len(array) > MOST:
            continue
        for line, by_level in array.items() if nested else [("", array)]:
            if nested:
                chosen = arrays.get(title, {}).get(line)
            else:
                alone = next(iter(by_level)) if len(by_level) == 1 else None
                chosen = by_level.get(arrays.get(f"{name}{BEST}", alone))
            panels[f"{title}: {line}" if line else title] = LevelLine(by_level, chosen)
    return panels
