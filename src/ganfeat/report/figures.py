"""Figures of a study, from its records alone: what levels know, where attributes bend, PPL."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ganfeat.files import atomic_write
from ganfeat.report.cells import cells
from ganfeat.report.edits import SHIFT, Array, likeness, matched, shifts_of
from ganfeat.report.plan import Record, Run
from ganfeat.report.study import Study

CURVES = "als_shared"  # whose curves are drawn: those with a sigma that all arms share
COLUMNS = 6
PPL, GUARD = "ppl2_wend_", "diversity"  # how the names of the two values begin
PER_DISTANCE = "_per_distance"  # another value, whose name begins as PPL's does
LEVELS, BEST = "levels/", "_best"  # beginnings and ends of the names of arrays, by level
LAYERS = {"edit_attention": "length by layer", "edit_effect": "effect by layer"}
MOST = 6  # lines of an array; of more no panels are drawn


def draw(study: Study, runs: Sequence[Run]) -> list[Path]:
    """``als.png``, ``ppl.png``, ``levels.png`` and ``edits.png``, as far as records go."""
    done = {(run.arm, run.seed): run.record() or {} for run in runs if run.state() == "done"}
    made = {
        "als.png": als_curves(study, done), "ppl.png": ppl_and_diversity(study, done),
        "levels.png": level_curves(study, done), "edits.png": edit_maps(study, done),
    }  # fmt: skip
    paths = []
    for name, figure in made.items():
        path = study.folder / name
        if figure is None:  # and none of earlier records either
            path.unlink(missing_ok=True)
        else:
            paths.append(path)
            save(figure, path)
    return paths


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that is the same whenever the figure is."""
    buffer = io.BytesIO()
    with mpl.rc_context({"font.size": 8}):
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


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
    axes = figure.subplots(rows, COLUMNS, sharex=True, squeeze=False)
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
        axis.tick_params(labelsize=7)
    seeds = sorted({seed for arm, seed in done if arm in arms})
    figure.suptitle(
        "Deviation from a straight line along a path in W, in standard deviations of real images; "
        f"mean and spread over paths; seeds {', '.join(map(str, seeds))}", fontsize=9,
    )  # fmt: skip
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    return figure


def _common(lists: Sequence[Sequence[str]]) -> list[str]:
    """What all of them have, in the order of the first."""
    return [name for name in lists[0] if all(name in other for other in lists)] if lists else []


def _mean(arrays: Sequence[Mapping[str, Any]], key: str, name: str) -> NDArray[np.float64]:
    """The mean over runs of the row of ``key`` that belongs to an attribute."""
    rows = [found[key][found["als_attributes"].index(name)] for found in arrays]
    mean: NDArray[np.float64] = np.mean(rows, axis=0)
    return mean


def ppl_and_diversity(study: Study, done: Mapping[tuple[str, int], Record]) -> Figure | None:
    """PPL against the distance of random samples: it falls when these become alike.

    A point is a run; a line through the origin has the baseline's ratio, along which nothing is
    gained. None where no record has both, or their protocols differ.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    protocols: set[tuple[str, ...]] = set()
    for (arm, _), record in done.items():
        ppl, spread = (
            [
                (cell.value, cell.protocol)
                for name, cell in cells(record).items()
                if name.startswith(start) and PER_DISTANCE not in name and cell.value is not None
            ]
            for start in (PPL, GUARD)
        )
        if ppl and spread:
            points.setdefault(arm, []).append((spread[0][0], ppl[0][0]))
            protocols.add((spread[0][1], ppl[0][1]))
    if len(protocols) != 1:  # nothing to draw, or what cannot be compared
        return None
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axis = figure.subplots()
    for i, (arm, found) in enumerate(points.items()):
        x, y = np.array(found).T
        axis.scatter(x, y, s=40, marker="osD^vP*X"[i % 8], label=arm)
    if study.baseline in points:
        base = np.mean(points[study.baseline], axis=0)
        ends = np.array(axis.get_xlim())
        axis.plot(ends, ends * base[1] / base[0], color="grey", linewidth=0.8, zorder=0,
                  label=f"the ratio of {study.baseline}")  # fmt: skip
        axis.set_xlim(*ends)
    axis.set_xlabel("mean distance of random samples (the guard)")
    axis.set_ylabel("PPL, W, end")
    axis.legend(fontsize=8)
    return figure


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
        axis.set_title(panel, fontsize=8)
        axis.tick_params(labelsize=7)
    handles = {
        label: handle
        for axis in axes.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=len(handles), fontsize=9
    )
    return figure


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
