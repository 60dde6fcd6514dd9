"""Tables of finished runs: a row per arm, every seed shown, each number under its protocol."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from ganfeat.files import atomic_write
from ganfeat.report.cells import cells, number
from ganfeat.report.checks import verdicts
from ganfeat.report.edits import boundary_lines, likeness_lines
from ganfeat.report.plan import Record, Run
from ganfeat.report.study import Study

HEADINGS = (
    "arm", "seed", "metric", "value", "low", "high", "n", "protocol", "kimg", "commit",
    "processor", "run",
)  # fmt: skip

Records = Mapping[tuple[str, int], Record]


def write_tables(study: Study, runs: Sequence[Run]) -> tuple[Path, Path]:
    """``results.csv``, one line per number, and ``report.md``; from the records that count."""
    done = {(run.arm, run.seed): run.record() or {} for run in runs if run.state() == "done"}
    paths = study.folder / "results.csv", study.folder / "report.md"
    for path, text in zip(paths, (_csv(done), _report(study, done, runs)), strict=True):
        with atomic_write(path) as file:
            file.write(text.encode())
    return paths


def _csv(done: Records) -> str:
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


def _report(study: Study, done: Records, runs: Sequence[Run]) -> str:
    seeds = [seed for seed in study.seeds if any(key[1] == seed for key in done)]
    lines = [
        f"# {study.name}", "", f"**Question.** {study.question}", "",
        f"**Expected, before any run.** {study.expectation}", "",
        f"Made of `runs/*.json` by `python compare.py study={study.name}`; single numbers with "
        "their intervals within a run are in `results.csv`. Arms are compared with "
        f"`{study.baseline}`.", "", *_origin(done), "",
    ]  # fmt: skip
    lines += _summary(study, done, seeds)
    for name in study.metrics:
        lines += _metric(study, name, done, seeds)
    lines += likeness_lines(study, done) + boundary_lines(done)
    return "\n".join(lines + verdicts(study, done, seeds) + _absent(study, runs))


def _origin(done: Records) -> list[str]:
    """What made the records, where it is not the same for all."""
    found = {
        "commits": {str(r.get("commit")) for r in done.values()},
        "processors": {str(r.get("machine", {}).get("device")) for r in done.values()},
    }
    return [
        f"Records of {len(names)} {what}: {', '.join(sorted(names))}."
        for what, names in found.items()
        if len(names) > 1
    ]


def _absent(study: Study, runs: Sequence[Run]) -> list[str]:
    """What is not in the tables, and why."""
    lines = []
    missing = [run.name for run in runs if run.state() == "missing"]
    if missing:
        lines.append(f"- not run yet: {', '.join(missing)}")
    for run in runs:
        if (state := run.state()) not in ("done", "missing"):
            error = (run.record() or {}).get("error")
            lines.append(f"- {run.name}: {state}{f' ({error})' if error else ''}")
    known = {run.path.name for run in runs}
    others = [path.stem for path in sorted((study.folder / "runs").glob("*.json"))]
    if unknown := [name for name in others if f"{name}.json" not in known]:
        lines.append(f"- records of what the study no longer asks for: {', '.join(unknown)}")
    return ["## Not in these tables", "", *lines, ""] if lines else []


def _summary(study: Study, done: Records, seeds: Sequence[int]) -> list[str]:
    """All metrics of all arms: means over seeds, a column for each metric and protocol."""
    found = {key: cells(record) for key, record in done.items()}
    columns = []
    for name in study.metrics:
        protocols = {c[name].protocol for c in found.values() if name in c}
        columns += [(name, which) for which in sorted(protocols)] or [(name, "")]
    names = [name for name, _ in columns]
    headings = [f"{n} ({which})" if names.count(n) > 1 else n for n, which in columns]
    lines = [f"| arm | {' | '.join(headings)} |", "| --- " * (len(columns) + 1) + "|"]
    for arm in study.arms:
        if not any((arm, seed) in done for seed in seeds):
            continue
        row = []
        for name, which in columns:
            held = [found[arm, seed].get(name) for seed in seeds if (arm, seed) in done]
            same = [cell.value for cell in held if cell is not None and cell.protocol == which]
            numbers = [value for value in same if value is not None]
            of = f" ({len(numbers)} of {len(seeds)} seeds)" if len(numbers) < len(seeds) else ""
            row.append(f"{number(mean(numbers))}{of}" if numbers else "n/a" if same else "")
        lines.append(f"| `{arm}` | {' | '.join(row)} |")
    absent = [name for name, which in columns if not which]
    return [*lines, "", *[f"No record has {name}.\n" for name in absent]]


def _metric(study: Study, name: str, done: Records, seeds: Sequence[int]) -> list[str]:
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
                row = [number(of_arm[seed]) if seed in of_arm else "" for seed in seeds]
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
    pairs = [
        (own, base)
        for seed, own in ours.items()
        if own is not None and (base := theirs.get(seed)) is not None
    ]
    found = [own - base for own, base in pairs]
    if not found:
        return ""
    if len(found) < 3:
        return ", ".join(f"{_signed(a - b)} ({_percent(a - b, b)})" for a, b in pairs)
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

    n = len(differences)
    return float(t.ppf(0.975, n - 1)) * stdev(differences) / math.sqrt(n)


def side_by_side(results: Mapping[str, Record]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of any results: one column per number and protocol, one row each.

    A row begins with the run and with the settings that not all of them have.
    """
    columns: dict[tuple[str, str], None] = {}
    for result in results.values():
        columns |= dict.fromkeys((name, c.protocol) for name, c in cells(result).items())
    names = [name for name, _ in columns]
    headings = [f"{name} ({which})" if names.count(name) > 1 else name for name, which in columns]
    settings = [result.get("overrides") or [] for result in results.values()]
    shared = set(settings[0]).intersection(*settings) if settings else set()
    rows = []
    for (path, result), typed in zip(results.items(), settings, strict=True):
        found = cells(result)
        row = [
            number(found[name].value) if name in found and found[name].protocol == which else ""
            for name, which in columns
        ]
        own = " ".join(text for text in typed if text not in shared)
        rows.append([_run_name(path, result), own, str(result.get("status")), *row])
    return ["run", "settings", "status", *headings], rows


def _run_name(path: str, result: Record) -> str:
    """The run's own name, or where its record lies."""
    return f"{result['experiment']}/{result['run']}" if "run" in result else path


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) < 1e3 else f"{value:+.0f}"


def _percent(difference: float, base: float | None) -> str:
    return f"{100 * difference / abs(base):+.1f} %" if base else "of 0"
