"""Many runs from one command line: what each job leaves, and what is said when all have ended.

Jobs may run in this process, in others or on other machines: they tell of themselves in files of
``<outputs>/multirun/<sweep>/``, which the process that began them reads in the end. What is
finished has a folder of its own and is not run again, so a sweep that is started again does what is
missing.
"""

import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganfeat.errors import UserError
from ganfeat.files import atomic_write, expanded

SWEEP = "GANFEAT_SWEEP"  # the environment variable that tells jobs which sweep they are of
SCRIPT = "GANFEAT_SCRIPT"  # and the file that began it
SHOWN = 4  # numbers of a job in the summary


def begin(line: Sequence[str]) -> float:
    """A sweep begins, with this command line: the same one has the same name. The time is now."""
    os.environ[SWEEP] = hashlib.sha256("\n".join(line).encode()).hexdigest()[:8]
    os.environ[SCRIPT] = os.path.abspath(sys.argv[0])
    return time.time()


def folder(outputs: str) -> Path:
    """Where the jobs of the sweep that has begun tell of themselves."""
    return expanded(outputs) / "multirun" / os.environ.get(SWEEP, "sweep")


def tell(outputs: str, job: int, overrides: Sequence[str], found: Any, error: str | None) -> None:
    """Leave what became of a job.

    Args:
        outputs: ``paths.outputs``.
        job: its number in the sweep.
        overrides: what was typed for it.
        found: the result of a run.
        error: what it said when it failed.
    """
    result = found if isinstance(found, dict) else {}
    told = {
        "overrides": list(overrides), "error": error,
        "run": f"{result['experiment']}/{result['run']}" if "run" in result else None,
        "values": {v["name"]: v["value"] for v in result.get("metrics", [])},
    }  # fmt: skip
    with atomic_write(folder(outputs) / f"{job}.json") as file:
        file.write(json.dumps(told).encode())


def objective_of(found: Any, name: str) -> float:
    """The number that a search goes by.

    Raises:
        UserError: the run has no such number.
    """
    measured = found.get("metrics", []) if isinstance(found, dict) else []
    values = {value["name"]: value["value"] for value in measured}
    value = values.get(name)
    if value is None or not math.isfinite(value):
        there = ", ".join(values) or "nothing: add metrics=quick"
        raise UserError(f"objective={name} was not measured. What was measured: {there}")
    return float(value)


def summary(outputs: str, since: float) -> int:
    """Print a line for each job that has told of itself since the sweep began.

    Returns:
        How many of them have failed.
    """
    paths = [p for p in folder(outputs).glob("*.json") if p.stat().st_mtime >= since - 1]
    jobs = [json.loads(p.read_text()) for p in sorted(paths, key=lambda p: int(p.stem))]
    if not jobs:
        print("no job of this sweep is known here: is a list or range empty?", file=sys.stderr)
        return 0
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shared = set.intersection(*(set(job["overrides"]) for job in jobs)) if len(jobs) > 1 else set()
    names = list(dict.fromkeys(name for job in jobs for name in job["values"]))[:SHOWN]
    table = Table(title=f"{len(jobs)} runs")
    for heading in ("settings", *names, "run"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        own = " ".join(text for text in job["overrides"] if text not in shared)
        values = [_number(job["values"].get(name)) if job["values"] else "" for name in names]
        last = f"failed: {job['error']}" if job["error"] else job["run"] or ""
        table.add_row(Text(own), *values, Text(last, "red" if job["error"] else ""))
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)
    failed = [job["error"] for job in jobs if job["error"] is not None]
    if failed:
        console.print(
            f"{len(failed)} of {len(jobs)} runs have failed; the same command tries them again"
        )
    if len(jobs) == 1 and failed:  # nobody has told yet
        print(f"error: {failed[0]}", file=sys.stderr)
    return len(failed)


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"
