"""The runs of a study and their records, and what is left to be run.

``runs/<arm>-s<seed>.json`` in the study's folder is what the run left (`result.json`), and under
``study`` what it was asked for. An arm and a seed with such a file are finished, on whatever
machine that was.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from ganfeat.files import atomic_write
from ganfeat.report.study import Study
from ganfeat.results import LAST_CHECKPOINT, read_result, unreadable

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """An arm with a seed.

    Attributes:
        study: which it belongs to.
        arm, seed: what it is called.
        command: the overrides that are typed for it.
        result: where the run leaves its result.
        weights: where it leaves its networks.
        kimg: its length.
        start: the run that it starts from.
    """

    study: Study
    arm: str
    seed: int
    command: list[str]
    result: Path
    weights: Path
    kimg: float
    start: "Run | None" = None

    @property
    def name(self) -> str:
        """``<arm>-s<seed>``."""
        return f"{self.arm}-s{self.seed}"

    @property
    def path(self) -> Path:
        """Where its record is."""
        return self.study.folder / "runs" / f"{self.name}.json"

    def __str__(self) -> str:
        return self.name

    def record(self) -> Record | None:
        """Its record as it stands, None where there is none.

        Raises:
            UserError: it cannot be understood, or is of another seed.
        """
        found = read_result(self.path)
        if found is not None and found.get("seed", self.seed) != self.seed:
            raise unreadable(self.path, f"it is of seed {found['seed']}")
        return found

    def state(self) -> str:
        """``done``, or why it is not.

        ``missing``: it was never run to its end; ``failed``: it ended with an error; ``stale``: the
        study asks for something else now; ``other start``: the arm that it starts from is recorded
        with other weights than those it had.
        """
        record = self.record()
        if record is None:
            return "missing"
        asked = record.get("study", {})
        if record.get("status") != "finished":
            return "failed"
        if asked.get("overrides") != self.study.arms[self.arm]:
            return "stale"
        if self.start is not None and not self._begins_with(asked.get("start")):
            return "other start"
        return "done"

    def starts(self) -> Iterator["Run"]:
        """What it starts from, what that starts from, and so on."""
        run = self.start
        while run is not None:
            yield run
            run = run.start

    def begun_elsewhere(self) -> bool:
        """Whether what lies here of this run began with other weights than its start has now."""
        if self.start is None:
            return False
        from ganfeat.loading import read_about

        here = read_result(self.result)
        checkpoint = self.result.parent / LAST_CHECKPOINT
        if here is None and checkpoint.exists():  # killed before it could say anything
            here = read_about(checkpoint)
        return here is not None and not self._begins_with(here.get("start"))

    def _begins_with(self, start: Mapping[str, str] | None) -> bool:
        """Whether its start is recorded with these networks, by hash; it may have more of them."""
        weights = recorded_weights(self.start) if self.start is not None else None
        if not start or not weights:
            return False
        return start.items() <= weights.items()

    def at_hand(self) -> bool:
        """Whether its networks lie here, and are those that it is recorded with."""
        here = read_result(self.result) if self.weights.exists() else None
        return here is not None and here.get("weights") == recorded_weights(self)

    def keep(self, result: Record) -> None:
        """Write its record: the result, what it was asked for, and every value of its config."""
        asked: Record = {"arm": self.arm, "overrides": self.study.arms[self.arm]}
        if self.start is not None:
            asked["start"] = result.get("start")
        record = {"study": asked, **result}
        config = self.result.parent / "config.yaml"
        if config.exists() and result.get("status") == "finished":
            record["config"] = yaml.safe_load(config.read_text())
        with atomic_write(self.path) as file:
            file.write((json.dumps(record, indent=1) + "\n").encode())


def recorded_weights(run: Run) -> Mapping[str, str] | None:
    """Hashes of the networks that a run is recorded with."""
    record = run.record()
    return None if record is None else record.get("weights")


class Plan:
    """What a study comes to: the runs that are wanted, and how long those take that are left.

    Args:
        every: all runs of the study, every start before what starts from it.
        runs: those that are wanted.
        redo: also those that are stale.
    """

    def __init__(self, every: Sequence[Run], runs: Sequence[Run], redo: bool = False) -> None:
        self.every, self.runs, self.redo = list(every), list(runs), redo

    def left(self) -> list[Run]:
        """What is to be run, and the starts that this needs and that are not at hand."""
        wanted = [run for run in self.runs if self.lacks(run)]
        needed = {start for run in wanted for start in run.starts() if not self.ready(start)}
        return [run for run in self.every if run in wanted or run in needed]

    def ready(self, start: Run) -> bool:
        """Whether others can start from it as it is."""
        return start.at_hand() and start.state() == "done"

    def lacks(self, run: Run) -> bool:
        """Whether it has no record that counts, and can be run."""
        stale = [start for start in run.starts() if start.state() == "stale"]
        if self.redo and stale:
            return True
        state = run.state()
        wanted = state in ("missing", "failed", "other start") or (state == "stale" and self.redo)
        return wanted and not stale

    def held_up(self) -> list[Run]:
        """What lacks a record and waits for a start that is stale."""
        return [
            run
            for run in self.runs
            if not self.redo
            and run.state() != "done"
            and any(start.state() == "stale" for start in run.starts())
        ]

    def hours(self, jobs: int) -> float | None:
        """What is left takes about so long; None as long as nothing tells."""
        left = self.left()
        if not left:
            return 0.0
        if not self.finished:
            return None
        free, ends = [0.0] * jobs, dict[Run, float]()
        for run in left:
            ready = ends.get(run.start, 0.0) if run.start is not None else 0.0
            begins = max(free[0], ready)
            ends[run] = begins + self.seconds(run)
            free = sorted([*free[1:], ends[run]])
        return max(ends.values()) / 3600

    @cached_property
    def finished(self) -> list[tuple[str, Record]]:
        """Arms and records of what has come to its end."""
        found = [(run.arm, run.record() or {}) for run in self.every]
        return [(arm, record) for arm, record in found if record.get("status") == "finished"]

    def seconds(self, run: Run) -> float:
        """What a run takes, as records of its arm say, or of all arms where there are none."""
        own = [record for arm, record in self.finished if arm == run.arm]
        known = own or [record for _, record in self.finished]
        images = sum(record.get("kimg") or 0.0 for record in known)
        training = sum(record["seconds"] for record in known) / images if images else 0.0
        return training * run.kimg + sum(map(measuring, known)) / len(known)


def measuring(record: Record) -> float:
    """Seconds that measuring took. Values that were measured together have the same each."""
    return float(sum({value.get("seconds") or 0.0 for value in record.get("metrics", [])}))
