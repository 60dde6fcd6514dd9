"""What finished runs come to: a row for each arm, every seed shown, each number by its protocol."""

from collections.abc import Collection, Mapping, Sequence
from statistics import mean
from typing import NamedTuple

from ganfeat.report.cells import Cell, cells, number
from ganfeat.report.differences import against, lower, numbers
from ganfeat.report.document import Entry, Section, Table, table
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

ARROWS = {"lower": " ↓", "higher": " ↑"}
BOLD = (
    "Bold is what no other arm is better than, on the seeds that both have: with one or two on "
    "each, with intervals within runs apart (without such, on each), with three or four on each, "
    "with five or more by the paired 95 % t interval of the difference. Means are over the seeds "
    "that each arm has. One seed is no evidence."
)

Key = tuple[str, int]  # an arm and a seed
Records = Mapping[Key, Record]


class Absent(NamedTuple):
    """What is not in the tables.

    Attributes:
        failed: runs that ended with an error.
        lines: everything that is not there, and why.
    """

    failed: Collection[Key] = ()
    lines: Sequence[str] = ()


class Column(NamedTuple):
    """A metric under a protocol, of some arms.

    Attributes:
        name: of the metric.
        protocol: its hash.
        better: ``lower``, ``higher`` or None.
        arms: the cells of each, by seed; n/a ones have no number.
    """

    name: str
    protocol: str
    better: str | None
    arms: Mapping[str, Mapping[int, Cell]]


def columns(study: Study, done: Records) -> list[Column]:
    """The study's metrics in their order, each once for every protocol that it was measured by."""
    found = [(name, key, cell) for key, record in done.items() for name, cell in cells(record)]
    made = []
    for metric in study.metrics:
        held = [(key, cell) for name, key, cell in found if name == metric]
        for protocol in sorted({cell.protocol for _, cell in held}):
            same = {key: cell for key, cell in held if cell.protocol == protocol}
            arms: dict[str, dict[int, Cell]] = {}
            for arm in study.arms:
                if of_arm := {seed: cell for (a, seed), cell in same.items() if a == arm}:
                    arms[arm] = of_arm
            better = next((cell.better for cell in same.values() if cell.better), None)
            made.append(Column(metric, protocol, better, arms))
    return made


def summary(study: Study, done: Records, failed: Collection[Key] = ()) -> Section:
    """All metrics of all arms: means over the seeds at hand, and how many have failed.

    Arms that no column joins, as they were tried on other data, have a table of their own.
    """
    every = columns(study, done)
    groups = joined(every)
    own = {arm for group in groups for column in group for arm in _numbered(column)}
    shown = {arm for column in every for arm in column.arms} | {arm for arm, _ in failed}
    others = shown - own  # they have no number at all, but n/a or a failure
    parts: list[str | Table] = [
        _means(study, done, failed, group, others if i == 0 else ())
        for i, group in enumerate(groups)
    ]
    if not groups:  # nothing was measured: which runs there are
        parts.append(_means(study, done, failed, [], study.arms))
    if any(column.better for column in every):
        parts.append(BOLD)
    known = {column.name for column in every}
    if absent := [name for name in study.metrics if name not in known]:
        parts.append(f"No record has {', '.join(f'`{name}`' for name in absent)}.")
    return Section("All metrics", parts)


def joined(every: Sequence[Column]) -> list[list[Column]]:
    """Columns in groups: two are of one group where some arm has a number in both."""
    groups: list[list[Column]] = []
    for column in every:
        arms = _numbered(column)
        near = [group for group in groups if arms & {a for c in group for a in _numbered(c)}]
        groups = [group for group in groups if group not in near]
        groups.append([*(c for group in near for c in group), column])
    places = {id(column): i for i, column in enumerate(every)}
    groups = [sorted(group, key=lambda column: places[id(column)]) for group in groups]
    groups = [group for group in groups if any(_numbered(column) for column in group)]
    return sorted(groups, key=lambda group: places[id(group[0])])


def _numbered(column: Column) -> set[str]:
    """The arms that have a number there."""
    return {arm for arm, of in column.arms.items() if any(c.value is not None for c in of.values())}


def _means(
    study: Study, done: Records, failed: Collection[Key], shown: Sequence[Column],
    others: Collection[str],
) -> Table:  # fmt: skip
    """A row for each arm that has a number in one of these columns, and for some others."""
    best = [best_arms(column) for column in shown]
    rows: list[list[str | Entry]] = []
    for arm in study.arms:
        ran = sum((arm, seed) in done for seed in study.seeds)
        lost = sum((arm, seed) in failed for seed in study.seeds)
        if not (
            any(arm in _numbered(column) for column in shown) or (arm in others and ran + lost)
        ):
            continue
        row: list[str | Entry] = [f"`{arm}`"]
        for column, bold in zip(shown, best, strict=True):
            found = numbers(column.arms.get(arm, {}))
            if not found:
                row.append("n/a" if arm in column.arms else "")
                continue
            middle = mean(found.values())
            of = f" ({len(found)} of {ran} seeds)" if len(found) < ran else ""
            row.append(Entry(f"{number(middle)}{of}", middle, arm in bold))
        rows.append([*row, Entry(f"{ran}{f', {lost} failed' if lost else ''}", ran)])
    return table(["arm", *headings(shown), "seeds"], rows)


def headings(shown: Sequence[Column]) -> list[str]:
    """Names with what is better, and the protocol where a name alone would not tell."""
    names = [column.name for column in shown]
    return [
        f"{c.name}{f' ({c.protocol})' if names.count(c.name) > 1 else ''}"
        f"{ARROWS.get(c.better or '', '')}"
        for c in shown
    ]


def best_arms(column: Column) -> set[str]:
    """The arms of a column that no other is better than; none without a direction."""
    found = {arm: of for arm, cells_of in column.arms.items() if (of := numbers(cells_of))}
    if column.better is None or len(found) < 2:
        return set()
    sign = 1.0 if column.better == "lower" else -1.0
    return {
        arm for arm in found
        if not any(lower(column.arms[other], column.arms[arm], sign) for other in found)
    }  # fmt: skip


def by_seed(study: Study, done: Records, failed: Collection[Key] = ()) -> list[Section]:
    """A section for each metric: a row for each arm, every seed, and what the baseline has less."""
    every = columns(study, done)
    keys = [*done, *failed]
    seeds = [seed for seed in study.seeds if any(key[1] == seed for key in keys)]
    several = len(seeds) > 1
    names = [column.name for column in every]
    made = []
    for column in every:
        baseline = baseline_of(study, column)
        base = numbers(column.arms[baseline]) if baseline else {}
        rows: list[list[str | Entry]] = []
        lost = {arm for arm, _ in failed}
        for arm in [arm for arm in study.arms if arm in column.arms or arm in lost]:
            of_arm = column.arms.get(arm, {})
            found = numbers(of_arm)
            row: list[str | Entry] = [f"`{arm}`"]
            row += [
                "failed" if (arm, seed) in failed else _of_seed(of_arm.get(seed)) for seed in seeds
            ]
            if several:
                row += _spread(found)
            if baseline:
                row.append(against(found, base) if arm != baseline else "")
            rows.append(row)
        head = ["arm", *(f"seed {seed}" for seed in seeds)]
        head += ["mean", "range"] if several else []
        head += [f"against `{baseline}`"] if baseline else []
        which = f" (protocol {column.protocol})" if names.count(column.name) > 1 else ""
        title = f"{column.name}{which}{ARROWS.get(column.better or '', '')}"
        made.append(Section(title, [table(head, rows)]))
    return made


def baseline_of(study: Study, column: Column) -> str | None:
    """The first of the study's baselines that has a number there; None where none has."""
    return next((arm for arm in study.baselines if arm in _numbered(column)), None)


def _of_seed(cell: Cell | None) -> str | Entry:
    """A number with its interval within the run."""
    if cell is None:
        return ""
    if cell.value is None or cell.low is None or cell.high is None:
        return Entry(number(cell.value), cell.value)
    return Entry(f"{number(cell.value)} ({number(cell.low)} to {number(cell.high)})", cell.value)


def _spread(found: Mapping[int, float]) -> list[str | Entry]:
    """The mean, and the least and the most."""
    if len(found) < 2:
        return ["", ""]
    middle, values = mean(found.values()), found.values()
    return [Entry(number(middle), middle), f"{number(min(values))} to {number(max(values))}"]
