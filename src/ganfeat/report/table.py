"""Tables of finished runs: a row per arm, every seed shown, each number under its protocol."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from ganfeat.files import atomic_write
from ganfeat.report.study import Record, Run, Study

HEADINGS = (
    "arm", "seed", "metric", "value", "low", "high", "n", "protocol", "kimg", "commit",
    "processor", "run",
)  # fmt: skip


class Cell(NamedTuple):
    """A number of a run.

    Attributes:
        value: None where it does not apply.
        low, high: 95 % of resamples within the run, None where there are none.
        protocol: a hash of all that the number depends on; other protocols are other columns.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    protocol: str


def cells(record: Record) -> dict[str, Cell]:
    """The numbers of a record, by name."""
    return {
        value["name"]: Cell(
            value["value"], value.get("low"), value.get("high"), value.get("n", 0), protocol(value)
        )
        for value in record["metrics"]
    }


def protocol(value: Mapping[str, Any]) -> str:
    """A short hash of a value's protocol. The seed of the samples is part of it."""
    text = json.dumps(value["protocol"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def write_tables(study: Study, runs: Sequence[Run]) -> tuple[Path, Path]:
    """``results.csv``, one line per number, and ``report.md``; from the records that count."""
    done = {(run.arm, run.seed): run.record() or {} for run in runs if run.state() == "done"}
    states = {(run.arm, run.seed): run.state() for run in runs}
    paths = study.folder / "results.csv", study.folder / "report.md"
    for path, text in zip(paths, (_csv(done), _report(study, done, states)), strict=True):
        with atomic_write(path) as file:
            file.write(text.encode())
    return paths


def _csv(done: Mapping[tuple[str, int], Record]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADINGS)
    for (arm, seed), record in done.items():
        about = (
            record.get("kimg"), record.get("commit"), record.get("machine", {}).get("device"),
            f"{record.get('experiment')}/{record.get('run')}",
        )  # fmt: skip
        for name, cell in cells(record).items():
            writer.writerow([arm, seed, name, *cell, *about])
    return out.getvalue()


def _report(
    study: Study,
    done: Mapping[tuple[str, int], Record],
    states: Mapping[tuple[str, int], str],
) -> str:
    seeds = [seed for seed in study.seeds if any(key[1] == seed for key in done)]
    lines = [
        f"# {study.name}", "", f"**Question.** {study.question}", "",
        f"**Expected, before any run.** {study.expectation}", "",
        f"Made of `runs/*.json` by `python compare.py study={study.name}`; single numbers with "
        "their intervals within a run are in `results.csv`. Arms are compared with "
        f"`{study.baseline}`.", "",
    ]  # fmt: skip
    lines += _summary(study, done, seeds)
    for name in study.metrics:
        lines += _metric(study, name, done, seeds)
    failed = [
        f"- `{arm}`, seed {seed}: {state}"
        for (arm, seed), state in states.items()
        if state in ("failed", "stale", "other start")
    ]
    if failed:
        lines += ["## Not in these tables", "", *failed, ""]
    return "\n".join(lines)


def _summary(
    study: Study, done: Mapping[tuple[str, int], Record], seeds: Sequence[int]
) -> list[str]:
    """All metrics of all arms: means over the seeds, where these share a protocol."""
    lines = [f"| arm | seeds | {' | '.join(study.metrics)} |"]
    lines += ["| --- " * (len(study.metrics) + 2) + "|"]
    for arm in study.arms:
        found = [cells(done[arm, seed]) for seed in seeds if (arm, seed) in done]
        row = []
        for name in study.metrics:
            same = [c[name] for c in found if name in c and c[name].value is not None]
            one = len({cell.protocol for cell in same}) == 1
            row.append(_number(mean(c.value for c in same if c.value is not None)) if one else "")
        if found:
            lines.append(f"| `{arm}` | {len(found)} | {' | '.join(row)} |")
    return [*lines, ""]


def _metric(
    study: Study, name: str, done: Mapping[tuple[str, int], Record], seeds: Sequence[int]
) -> list[str]:
    """One metric: a row per arm, a column per seed, and the difference to the baseline."""
    found = {key: cells(record).get(name) for key, record in done.items()}
    protocols = sorted({cell.protocol for cell in found.values() if cell is not None})
    lines = []
    for which in protocols:
        of_this = f" (protocol {which})" if len(protocols) > 1 else ""
        head = [f"seed {seed}" for seed in seeds] + ["against the baseline"]
        lines += [f"## {name}{of_this}", "", f"| arm | {' | '.join(head)} |"]
        lines += ["| --- " * (len(head) + 1) + "|"]
        numbers = {
            arm: {
                seed: cell.value
                for seed in seeds
                if (cell := found.get((arm, seed))) is not None and cell.protocol == which
            }
            for arm in study.arms
        }
        for arm, of_arm in numbers.items():
            if of_arm:
                row = [_number(of_arm[seed]) if seed in of_arm else "" for seed in seeds]
                compared = arm != study.baseline
                row.append(against(of_arm, numbers[study.baseline]) if compared else "")
                lines.append(f"| `{arm}` | {' | '.join(row)} |")
        lines.append("")
    return lines


def against(ours: Mapping[int, float | None], theirs: Mapping[int, float | None]) -> str:
    """Differences of the seeds that both have, as far as so many can say something.

    One or two: each. Three or four: their mean and range, and how many agree in sign. Five or more:
    the mean with its paired 95 % t interval.
    """
    both = [seed for seed in ours if ours[seed] is not None and theirs.get(seed) is not None]
    found = [ours[seed] - theirs[seed] for seed in both]  # type: ignore[operator]
    if not found:
        return ""
    if len(found) < 3:
        pairs = zip(found, [theirs[seed] for seed in both], strict=True)
        return ", ".join(f"{_signed(d)} ({_percent(d, base)})" for d, base in pairs)
    middle = mean(found)
    agree = max(sum(d > 0 for d in found), sum(d < 0 for d in found))
    text = f"{_signed(middle)}, {agree} of {len(found)} agree"
    if len(found) < 5:
        return f"{text}, {_signed(min(found))} to {_signed(max(found))}"
    half = interval(found)
    return f"{text}, 95 % {_signed(middle - half)} to {_signed(middle + half)}"


def interval(differences: Sequence[float]) -> float:
    """Half the width of the 95 % t interval of their mean."""
    from scipy.stats import t

    n, middle = len(differences), mean(differences)
    deviation = math.sqrt(sum((d - middle) ** 2 for d in differences) / (n - 1))
    return float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)


def side_by_side(results: Mapping[str, Record]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of any results: one column per number and protocol, one row each."""
    columns: dict[tuple[str, str], None] = {}
    for result in results.values():
        columns |= dict.fromkeys((name, c.protocol) for name, c in cells(result).items())
    names = [name for name, _ in columns]
    headings = [f"{name} ({which})" if names.count(name) > 1 else name for name, which in columns]
    rows = []
    for label, result in results.items():
        found = cells(result)
        row = [
            _number(found[name].value) if name in found and found[name].protocol == which else ""
            for name, which in columns
        ]
        rows.append([label, str(result.get("status")), *row])
    return ["run", "status", *headings], rows


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def _percent(difference: float, base: float | None) -> str:
    return f"{100 * difference / abs(base):+.1f} %" if base else "of 0"
