"""What is written of runs side by side: ``results.csv``, ``report.md``, ``tables.tex``, figures.

Everything comes from records alone, and the same records make the same bytes.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ganfeat.files import atomic_write
from ganfeat.report.cells import cells
from ganfeat.report.checks import verdicts
from ganfeat.report.cost import cost
from ganfeat.report.document import Section, Table, latex, markdown
from ganfeat.report.edits import boundaries, layers_of_attributes, likeness_of_seeds
from ganfeat.report.plan import Run
from ganfeat.report.study import Study
from ganfeat.report.tables import Absent, Records, by_seed, summary
from ganfeat.results import sessions_of

HEADINGS = (
    "arm", "seed", "metric", "value", "low", "high", "n", "protocol", "better", "kimg", "commit",
    "processor", "run",
)  # fmt: skip


def write_tables(study: Study, done: Records, absent: Absent) -> list[Path]:
    """``results.csv``, one line per number, ``report.md`` and ``tables.tex``.

    Args:
        study: what they are of.
        done: the records that count.
        absent: what is not in them.
    """
    texts = {
        "results.csv": _csv(done),
        "report.md": report(study, done, absent),
        "tables.tex": _latex(summary(study, done, absent.failed)),
    }
    paths = [study.folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        with atomic_write(path) as file:
            file.write(text.encode())
    return paths


def counted(runs: Sequence[Run]) -> Records:
    """The records of a study that count."""
    return {(run.arm, run.seed): run.record() or {} for run in runs if run.state() == "done"}


def report(study: Study, done: Records, absent: Absent) -> str:
    """The whole report in Markdown."""
    lines = [f"# {study.name}", "", *(f"{text}\n" for text in introduction(study, done))]
    return "\n".join([*lines, *(markdown(part) for part in sections(study, done, absent))])


def introduction(study: Study, done: Records) -> list[str]:
    """What a study asks, and how these numbers came about."""
    if not study.question:
        return origin(done)
    return [
        f"**Question.** {study.question}",
        f"**Expected, before any run.** {study.expectation}",
        f"Made of `runs/*.json` by `python compare.py study={study.name}`; all numbers with their "
        f"intervals are in `results.csv`. Arms are compared with {_named(study.baselines)}.",
        *origin(done),
    ]


def _named(baselines: Sequence[str]) -> str:
    names = ", ".join(f"`{arm}`" for arm in baselines)
    return names if len(baselines) == 1 else f"the first of {names} that has the number"


def sections(study: Study, done: Records, absent: Absent) -> list[Section]:
    """All that is said in tables."""
    seeds = [seed for seed in study.seeds if any(key[1] == seed for key in done)]
    found = [summary(study, done, absent.failed), *verdicts(study, done, seeds)]
    found += by_seed(study, done, absent.failed)
    found += [*likeness_of_seeds(study, done), *boundaries(done)]
    found += [*layers_of_attributes(study, done), cost(study, done)]
    if absent.lines:
        listed = "\n".join(f"- {text}" for text in absent.lines)
        found.append(Section("Not in these tables", [listed]))
    return found


UNSAID = "unknown"  # of a session that an older version began


def origin(done: Records) -> list[str]:
    """What made the records, where it is not the same for all."""
    sessions = [session for record in done.values() for session in sessions_of(record)]
    found = {
        "commits": {str(one.get("commit") or UNSAID) for one in sessions},
        "processors": {str(one.get("machine", {}).get("device") or UNSAID) for one in sessions},
    }
    return [
        f"Records of {len(names)} {what}: {', '.join(sorted(names))}."
        for what, names in found.items()
        if len(names) > 1
    ]


def not_counted(study: Study, runs: Sequence[Run]) -> Absent:
    """What of a study is not in the tables, and why."""
    lines = []
    missing: dict[str, list[str]] = {}
    for run in runs:
        state = run.state()
        if state == "missing":
            missing.setdefault(run.arm, []).append(str(run.seed))
        elif state != "done":
            error = " ".join(str((run.record() or {}).get("error") or "").split())
            lines.append(f"{run.name}: {state}{f' ({error})' if error else ''}")
    for arm, seeds in missing.items():
        lines.append(f"`{arm}`: not run yet with seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}")
    known = {run.path.name for run in runs}
    others = [path.stem for path in sorted((study.folder / "runs").glob("*.json"))]
    if unknown := [name for name in others if f"{name}.json" not in known]:
        lines.append(f"records of what the study no longer asks for: {', '.join(unknown)}")
    failed = {(run.arm, run.seed) for run in runs if run.state() == "failed"}
    return Absent(failed, lines)


def _csv(done: Records) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADINGS)
    for (arm, seed), record in done.items():
        about = (
            record.get("kimg"), record.get("commit"), record.get("machine", {}).get("device"),
            f"{record.get('experiment')}/{record.get('run')}",
        )  # fmt: skip
        for name, cell in cells(record):
            writer.writerow([arm, seed, name, *cell, *about])
    return out.getvalue()


def _latex(section: Section) -> str:
    """The tables of a section, for a paper that loads booktabs."""
    tables = [latex(part) for part in section.parts if isinstance(part, Table)]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *tables])
