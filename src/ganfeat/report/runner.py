"""Runs what a study lacks: one ``train.py`` after another, or a few at once, and keeps records."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganfeat.errors import Busy, UserError
from ganfeat.files import atomic_write
from ganfeat.report.plan import Plan, Run, recorded_weights
from ganfeat.results import read_result

LOOK_EVERY = 0.2  # seconds between looks at what is running
SHOW_EVERY = 60.0  # and between lines of progress
LARGEST_PICTURE = 300_000  # bytes
PROGRESS = re.compile(r"\S+ kimg .* left.*$", re.MULTILINE)
TAIL = 20_000  # bytes of a log that are looked at
# By somebody, who will want to go on, or by another process that is at work on the same run.
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM, Busy.exit_code)


def run_all(
    plan: Plan, jobs: int, logs: Path, train: list[str], lock: int | None = None
) -> list[Run]:
    """Run what is left. A run that fails is recorded with its error, and the others go on.

    What starts from a run waits for it. Ctrl-C ends every run with a checkpoint first; the same
    command goes on from there.

    Args:
        plan: what is to be run.
        jobs: how many at once.
        logs: the folder for what they print.
        train: the command that trains, without its overrides.
        lock: the descriptor of a lock that is held as long as a run goes on, even without us.

    Returns:
        The runs that failed, also those that an earlier record stands for.

    Raises:
        UserError: a record cannot be read or written.
    """
    failed: list[Run] = []
    running: list[Process] = []
    ended: dict[Run, bool] = {}  # and whether somebody stopped it
    waiting, shown = plan.left(), time.monotonic()
    try:
        while waiting or running:
            for run in [run for run in waiting if _in_vain(run, ended)]:
                waiting.remove(run)
                ended[run] = run.start is not None and ended[run.start]
                if not ended[run]:
                    keep_failure(run, f"{run.start}, where it starts, did not come to its end")
                    failed.append(run)
            for run in _ready(waiting, running)[: jobs - len(running)]:
                waiting.remove(run)
                try:  # what began with other weights than its start has now is not gone on with
                    again = ["force=true"] if run.begun_elsewhere() else []
                except UserError as error:
                    ended[run] = False
                    keep_failure(run, str(error))
                    failed.append(run)
                    continue
                running.append(Process(run, again, logs, train, lock))
                print(f"{run.name} begins; what it prints: {running[-1].log}", flush=True)
            for process in [p for p in running if p.ended()]:
                running.remove(process)
                ended[process.run] = process.child.returncode in STOPPED
                if not record(process):
                    failed.append(process.run)
                under_way = [*ended, *(p.run for p in running)]
                waiting = [run for run in plan.left() if run not in under_way]
                print(f"{len(running)} running, {len(waiting)} waiting", flush=True)
            if running and time.monotonic() - shown > SHOW_EVERY:
                shown = time.monotonic()
                for process in running:
                    print(f"{process.run.name}: {process.progress()}", flush=True)
            time.sleep(LOOK_EVERY)
        return failed
    finally:
        for process in running:  # before anything is printed: there may be nobody to print to
            process.child.terminate()
        for process in running:
            with suppress(OSError):
                print(f"{process.run.name} is asked to write a checkpoint and end", flush=True)
            process.child.wait()


def _in_vain(run: Run, ended: Mapping[Run, bool]) -> bool:
    """Whether it waits for a run that has failed or was stopped."""
    return run.start is not None and run.start in ended and not run.start.at_hand()


def _ready(waiting: list[Run], running: list["Process"]) -> list[Run]:
    """Those that wait for nothing any more."""
    not_yet = [*waiting, *(process.run for process in running)]
    return [run for run in waiting if run.start is None or run.start not in not_yet]


class Process:
    """A run that is under way.

    Attributes:
        run: which.
        log: the file that holds what it prints.
    """

    def __init__(
        self, run: Run, more: list[str], logs: Path, train: list[str], lock: int | None = None
    ) -> None:
        self.run, self.log = run, logs / f"{run.name}.log"
        logs.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C reaches this process alone, which then stops the runs.
        with open(self.log, "w") as file:
            self.child = subprocess.Popen(
                [*train, *run.command, *more],
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                pass_fds=[] if lock is None else [lock],
            )  # fmt: skip

    def progress(self) -> str:
        """Its last line of progress, with the time left; a launcher may have it run elsewhere."""
        lines = PROGRESS.findall(tail(self.run.result.with_name("train.log")))
        return lines[-1] if lines else "setting up"

    def error(self) -> str:
        """What it said when it failed."""
        code = self.child.returncode
        if code == 0:
            return f"it ended well, but {self.run.result} is not that of a finished run"
        if code < 0:
            return f"{signal.Signals(-code).name} ended it at {self.progress()}"
        lines = [line for line in tail(self.log).splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("error: ")] or lines[-1:]
        return said[-1].removeprefix("error: ") if said else f"exit code {code}"

    def ended(self) -> bool:
        """Whether it has."""
        return self.child.poll() is not None


def tail(path: Path) -> str:
    """The end of a log; nothing where there is none yet."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def record(process: Process) -> bool:
    """Keep what an ended run has left: its result, or its error; nothing where it was stopped.

    Returns:
        False where it failed.
    """
    run = process.run
    try:
        result = read_result(run.result)
        elsewhere = run.begun_elsewhere()  # then this is not the run that was to be made
    except UserError as error:
        keep_failure(run, str(error))
        return False
    if result is None or result.get("status") != "finished" or elsewhere:
        if process.child.returncode in STOPPED:
            busy = process.child.returncode == Busy.exit_code
            why = "is at work in another process" if busy else "was stopped"
            print(f"{run.name} {why}; it goes on when this is run again", flush=True)
            return True
        ended = process.child.returncode == 0 and elsewhere
        keep_failure(
            run, f"it began with other weights than {run.start} has" if ended else process.error()
        )
        return False
    before = recorded_weights(run)
    if before not in (None, {}, result.get("weights")):
        print(
            f"{run.name} came out with other weights than those recorded, as another kind of "
            "processor makes them: what has started from the recorded ones runs again"
        )
    if run.seed == run.study.seeds_of(run.arm)[0]:
        keep_pictures(run, result)
    run.keep(result)
    print(f"{run.name} is done: {run.path}", flush=True)
    return True


def keep_failure(run: Run, error: str) -> None:
    """Record that a run failed, and how; not in the place of one that came to its end."""
    print(f"{run.name} failed: {error}", flush=True)
    if (run.record() or {}).get("status") != "finished":
        run.keep({"status": "failed", "error": error, "seed": run.seed, "metrics": []})


def keep_pictures(run: Run, result: dict[str, Any]) -> None:
    """Copy the pictures that a result names beside its record, in the place of earlier ones."""
    kept = set()
    for name in result.get("pictures", []):
        source = run.result.parent / name
        if not source.is_file():
            continue
        if source.stat().st_size > LARGEST_PICTURE:
            print(f"{source} is left where it is: it has more than {LARGEST_PICTURE // 1000} kB")
            continue
        kept.add(target := run.path.with_name(f"{run.name}-{source.name}"))
        with atomic_write(target) as file, open(source, "rb") as picture:
            shutil.copyfileobj(picture, file)
    for earlier in {*run.path.parent.glob(f"{run.name}-*.png")} - kept:
        earlier.unlink()
