"""The study runner against a command that behaves as `train.py` does, well and badly."""

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganfeat.errors import UserError
from ganfeat.report import runner
from ganfeat.report.cells import number
from ganfeat.report.checks import checks_of
from ganfeat.report.differences import against, interval
from ganfeat.report.plan import Plan, Run
from ganfeat.report.runner import run_all
from ganfeat.report.sections import counted, not_counted, write_tables
from ganfeat.report.study import read_study

PLAIN: dict[str, Any] = {
    "question": "Is it so?",
    "expectation": "Yes.",
    "baseline": "plain",
    "seeds": [0, 1],
    "common": ["a=1"],
    "arms": {"warm": [], "plain": ["init_from=warm"], "more": ["init_from=warm", "b=2"]},
    "metrics": ["fid"],
    "shown": ["plain", "more"],
}

# What a run leaves is told by its overrides: say=fail, say=sleep, weights=<hash>.
TRAIN = """
import json, pathlib, signal, sys, time
given = dict(text.split("=", 1) for text in sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("0.5/1 kimg  30 images/s  0:10 left", flush=True)
if given.get("say") == "fail":
    print("error: it cannot be", flush=True)
    sys.exit(1)
if given.get("say") == "sleep":
    time.sleep(60)
start = pathlib.Path(given["init_from"]).read_text() if "init_from" in given else ""
folder = pathlib.Path(given["folder"])
if (folder / "result.json").exists() and given.get("force") != "true":
    sys.exit(0)
folder.mkdir(parents=True, exist_ok=True)
(folder / "networks").write_text(given.get("weights", "w") + start)
(folder / "a.png").write_bytes(b"p" * 100)
(folder / "b.png").write_bytes(b"p" * 400_000)
value = {"name": "fid", "value": float(given["seed"]) + len(start), "protocol": {"n": 5}}
result = {"status": "finished", "seed": int(given["seed"]), "kimg": 2.0, "seconds": 10.0,
          "start": {"g": start} if start else {},
          "weights": {"g": given.get("weights", "w") + start}, "metrics": [value],
          "pictures": ["a.png", "b.png"], "overrides": sys.argv[1:]}
(folder / "result.json").write_text(json.dumps(result))
with open(folder.parents[1] / "order", "a") as file:
    file.write(folder.name + " ")
"""


class Lab:
    """A study in a folder, and how to run it."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.folder, self.outputs, self.weights = folder / "hsr", folder / "outputs", "w"
        self.say: dict[str, str] = {}
        self.failed: list[str] = []
        self.folder.mkdir()
        self.outputs.mkdir()
        (folder / "train.py").write_text(TRAIN)
        self.train = [sys.executable, str(folder / "train.py")]
        self.write(**more)

    def write(self, **more: Any) -> None:
        (self.folder / "study.yaml").write_text(yaml.safe_dump(PLAIN | more, sort_keys=False))

    def runs(self) -> list[Run]:
        study = read_study(self.folder)
        made: dict[tuple[str, int], Run] = {}
        for seed in study.seeds:
            for arm in [arm for arm in study.arms if seed in study.seeds_of(arm)]:
                settings = f"{zlib.crc32(' '.join(study.arms[arm]).encode())}"
                place = self.outputs / settings / f"{arm}-{seed}"
                start = study.start_of(arm)
                first = made[start, seed] if start else None
                line = [f"folder={place}", f"seed={seed}", f"weights={self.weights}"]
                line += [f"init_from={first.weights}"] if first else []
                line += [f"say={self.say[arm]}"] if arm in self.say else []
                made[arm, seed] = Run(
                    study, arm, seed, line, place / "result.json", place / "networks", 2.0, first
                )
        return list(made.values())

    def run(
        self, jobs: int = 1, redo: bool = False, seeds: Sequence[int] | None = None
    ) -> list[str]:
        """What it ran, in the order in which that ended."""
        order = self.outputs / "order"
        order.unlink(missing_ok=True)
        failed = run_all(self.plan(redo, seeds), jobs, self.outputs / "logs", self.train)
        self.failed = [run.name for run in failed]
        return order.read_text().split() if order.exists() else []

    def plan(self, redo: bool = False, seeds: Sequence[int] | None = None) -> Plan:
        runs = self.runs()
        return Plan(runs, [r for r in runs if seeds is None or r.seed in seeds], redo)

    def states(self) -> dict[str, str]:
        return {run.name: run.state() for run in self.runs()}

    def forget(self, name: str) -> None:
        """Take away what a run has left in ``outputs/``."""
        (place,) = self.outputs.glob(f"*/{name}")
        shutil.rmtree(place)

    def tables(self) -> dict[str, str]:
        """What is written of the records, by the file's name."""
        study, runs = read_study(self.folder), self.runs()
        paths = write_tables(study, counted(runs), not_counted(study, runs))
        return {path.name: path.read_text() for path in paths}

    def report(self) -> str:
        return self.tables()["report.md"]

    def record(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / "runs" / f"{name}.json").read_text()))


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LOOK_EVERY", 0.01)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_missing_is_run_once(lab: Lab, jobs: int) -> None:
    ran = lab.run(jobs)
    assert sorted(ran) == sorted(r.result.parent.name for r in lab.runs())
    for seed in "01":
        assert ran.index(f"warm-{seed}") < min(ran.index(f"{a}-{seed}") for a in ("plain", "more"))
    assert {*lab.states().values()} == {"done"}
    assert lab.run(jobs) == []
    record = lab.record("more-s1")
    assert record["study"] == {
        "arm": "more", "overrides": ["a=1", "init_from=warm", "b=2"], "start": {"g": "w"},
    }  # fmt: skip
    assert record["metrics"][0]["value"] == 2


def test_records_are_enough(lab: Lab) -> None:
    """In a fresh clone there is no ``outputs/``: nothing starts, and the tables come again."""
    lab.run()
    first = lab.tables()
    shutil.rmtree(lab.outputs)
    lab.outputs.mkdir()
    assert lab.run() == []
    assert lab.tables() == first


def test_a_failure_is_recorded_and_the_others_go_on(lab: Lab) -> None:
    lab.say = {"plain": "fail"}
    lab.run()
    assert lab.states()["plain-s0"] == "failed"
    assert lab.record("plain-s0")["error"] == "it cannot be"
    assert lab.states()["more-s1"] == "done"
    lab.say = {}
    assert lab.run() == ["plain-0", "plain-1"]
    assert {*lab.states().values()} == {"done"}


def test_what_starts_from_a_failure_fails(lab: Lab) -> None:
    lab.say = {"warm": "fail"}
    assert lab.run(jobs=2) == []
    assert {*lab.states().values()} == {"failed"}
    assert "warm-s1, where it starts" in lab.record("more-s1")["error"]


def test_a_failure_takes_no_record_away(lab: Lab) -> None:
    lab.run()
    (lab.folder / "runs" / "more-s0.json").unlink()
    lab.forget("warm-0")
    before = lab.record("warm-s0")
    lab.say = {"warm": "fail"}
    assert lab.run() == []
    assert lab.failed == ["warm-s0", "more-s0"]  # also the one that its record stands for
    assert lab.record("warm-s0") == before
    assert lab.states()["plain-s0"] == "done"
    assert lab.record("more-s0")["error"].startswith("warm-s0, where it starts")


def test_an_end_without_a_result_is_a_failure(tmp_path: Path) -> None:
    lab = Lab(tmp_path, arms={"plain": []}, seeds=[0], shown=[])
    (tmp_path / "train.py").write_text("")
    lab.run()
    assert "is not that of a finished run" in lab.record("plain-s0")["error"]


def test_another_question_is_stale_until_asked_for(lab: Lab) -> None:
    lab.run()
    lab.write(arms=PLAIN["arms"] | {"more": ["init_from=warm", "b=3"]})
    assert lab.states() == {
        "warm-s0": "done", "plain-s0": "done", "more-s0": "stale",
        "warm-s1": "done", "plain-s1": "done", "more-s1": "stale",
    }  # fmt: skip
    assert lab.run() == []
    assert "- more-s0: stale" in lab.report()
    assert lab.run(redo=True) == ["more-0", "more-1"]
    assert {*lab.states().values()} == {"done"}


def test_a_start_that_is_gone_is_made_again(lab: Lab) -> None:
    lab.run()
    (lab.folder / "runs" / "more-s0.json").unlink()
    lab.forget("warm-0")
    assert [run.name for run in lab.plan().left()] == ["warm-s0", "more-s0"]
    assert lab.run() == ["warm-0"]  # more-s0 lies there still, and has started from the same
    assert {*lab.states().values()} == {"done"}


def test_another_processor_begins_anew(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Arms of one seed never start from different weights."""
    lab.run()
    (lab.folder / "runs" / "more-s0.json").unlink()
    lab.forget("warm-0")
    lab.weights = "v"
    assert lab.run() == ["warm-0", "plain-0", "more-0"]
    assert lab.record("plain-s0")["weights"] == {"g": "vv"}  # not the finished run from before
    assert "warm-s0 came out with other weights than those recorded" in capsys.readouterr().out
    assert {*lab.states().values()} == {"done"}
    assert lab.record("plain-s0")["study"]["start"] == {"g": "v"}
    assert lab.record("plain-s1")["study"]["start"] == {"g": "w"}


def test_weights_of_another_machine_are_no_start(lab: Lab) -> None:
    """Records came with git, and ``outputs/`` is of a run of one's own."""
    lab.run()
    for name in ("warm-s0", "plain-s0"):
        record = lab.record(name)
        record["weights"] = record["study"]["start"] = {"g": "theirs"}
        (lab.folder / "runs" / f"{name}.json").write_text(json.dumps(record))
    assert lab.states()["plain-s0"] == "done"
    assert lab.states()["more-s0"] == "other start"
    assert lab.run() == []  # all of them lie here, and started from what is here
    assert {*lab.states().values()} == {"done"}
    assert lab.record("plain-s0")["study"]["start"] == {"g": "w"}


def test_a_start_may_have_networks_that_an_arm_has_not(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.run()
    record = lab.record("warm-s0")
    (lab.folder / "runs" / "warm-s0.json").write_text(
        json.dumps(record | {"weights": record["weights"] | {"heads": "h"}})
    )
    assert lab.states()["more-s0"] == "done"
    (lab.folder / "runs" / "more-s0.json").unlink()
    (place,) = lab.outputs.glob("*/more-0")
    result = json.loads((place / "result.json").read_text())
    (place / "result.json").write_text(json.dumps(result | {"start": {"g": "other"}}))
    (lab.folder.parent / "train.py").write_text("")  # leaves what is there
    lab.run()
    assert "more-s0 failed: it began with other weights than warm-s0 has" in capsys.readouterr().out


def test_an_interruption_ends_the_runs_and_records_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, arms={"plain": [], "more": ["b=1"]})
    lab.say = {"plain": "sleep", "more": "sleep"}

    def interrupt() -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, lambda *_: interrupt())
    signal.alarm(2)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            lab.run(jobs=2)
    finally:
        signal.alarm(0)
    assert time.monotonic() - began < 20
    assert {*lab.states().values()} == {"missing"}
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "train.py")], capture_output=True)
    assert left.stdout == b""


def test_runs_end_where_nobody_reads_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`compare.py ... | head`, stopped: the runs must not go on by themselves."""
    lab = Lab(tmp_path, arms={"plain": [], "more": ["b=1"]}, seeds=[0])
    lab.say = {"plain": "sleep", "more": "sleep"}
    printed: list[str] = []

    def nobody(text: str, flush: bool = False) -> None:
        printed.append(text)
        if len(printed) > 1:  # both have begun
            raise BrokenPipeError

    monkeypatch.setattr(runner, "print", nobody, raising=False)
    began = time.monotonic()
    with pytest.raises(BrokenPipeError):
        lab.run(jobs=2)
    assert time.monotonic() - began < 20
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "train.py")], capture_output=True)
    assert left.stdout == b""


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("sys.exit(143)", "was stopped"), ("os.kill(os.getpid(), 15)", "was stopped"),
        ("sys.exit(75)", "is at work in another process"),
    ],
)  # fmt: skip
def test_one_that_somebody_stops_goes_on_later(
    lab: Lab, tmp_path: Path, end: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text(f"import os, sys\n{end}\n")
    lab.run()
    assert {*lab.states().values()} == {"missing"}
    assert f"warm-s0 {why}; it goes on when this is run again" in capsys.readouterr().out
    assert lab.failed == []


def test_what_made_the_records_is_said_of_every_session(tmp_path: Path) -> None:
    lab = Lab(tmp_path, arms={"plain": []}, shown=[])
    lab.run()
    machine = {"device": "Xeon"}
    for seed in (0, 1):
        file = lab.folder / "runs" / f"plain-s{seed}.json"
        record = {**lab.record(file.stem), "commit": "new", "machine": machine}
        file.write_text(json.dumps(record))
    assert "Records of" not in lab.report()
    early = {"commit": "old", "machine": machine, "kimg": 0}
    late = {"commit": "new", "machine": {"device": "Epyc"}, "kimg": 1}
    file.write_text(json.dumps({**record, "sessions": [early, late]}))
    assert "Records of 2 commits: new, old." in lab.report()
    assert "Records of 2 processors: Epyc, Xeon." in lab.report()
    assert "Xeon; Epyc" in lab.report()  # what the arm cost
    unsaid = {"commit": None, "machine": {}, "kimg": 0}  # an older version's
    file.write_text(json.dumps({**record, "sessions": [unsaid, late]}))
    assert "Records of 2 commits: new, unknown." in lab.report()
    assert "Records of 3 processors: Epyc, Xeon, unknown." in lab.report()


def test_one_that_is_killed_says_so(tmp_path: Path) -> None:
    lab = Lab(tmp_path, arms={"plain": []}, seeds=[0], shown=[])
    (tmp_path / "train.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    lab.run()
    assert lab.record("plain-s0")["error"] == "SIGKILL ended it at setting up"


def test_what_has_come_to_its_end_counts_however_it_was_ended(tmp_path: Path) -> None:
    lab = Lab(tmp_path, arms={"plain": []}, seeds=[0], shown=[])
    (tmp_path / "train.py").write_text(TRAIN + "\nimport os\nos.kill(os.getpid(), 9)\n")
    lab.run()
    assert lab.states() == {"plain-s0": "done"}


def test_a_failure_that_is_mended_runs_again(lab: Lab) -> None:
    lab.say = {"more": "fail"}
    lab.run()
    lab.say = {}
    lab.write(arms=PLAIN["arms"] | {"more": ["init_from=warm", "b=3"]})
    assert lab.run() == ["more-0", "more-1"]


def test_a_stale_start_is_not_run_unasked(lab: Lab) -> None:
    lab.run()
    changed = {"warm": ["c=1"], "new": ["init_from=warm", "d=1"]}
    lab.write(arms=PLAIN["arms"] | changed)
    assert lab.run() == []
    assert [run.name for run in lab.plan().held_up()] == ["new-s0", "new-s1"]
    assert len(lab.plan(redo=True).left()) == 8
    assert lab.states()["plain-s0"] == "done"


def test_starts_of_starts_are_made_again(tmp_path: Path) -> None:
    arms = {"warm": [], "plain": ["init_from=warm"], "more": ["init_from=plain"]}
    lab = Lab(tmp_path, arms=arms, seeds=[0])
    lab.run()
    shutil.rmtree(lab.outputs)
    lab.outputs.mkdir()
    (lab.folder / "runs" / "more-s0.json").unlink()
    assert lab.run() == ["warm-0", "plain-0", "more-0"]
    assert {*lab.states().values()} == {"done"}


def test_pictures_of_the_first_seed_are_kept(lab: Lab) -> None:
    lab.run()
    kept = sorted(path.name for path in (lab.folder / "runs").glob("*.png"))
    assert kept == ["more-s0-a.png", "plain-s0-a.png", "warm-s0-a.png"]


def test_an_arm_that_lacks_the_first_seed_keeps_pictures(lab: Lab) -> None:
    lab.write(only={"more": [1]})
    lab.run()
    kept = sorted(path.name for path in (lab.folder / "runs").glob("*.png"))
    assert kept == ["more-s1-a.png", "plain-s0-a.png", "warm-s0-a.png"]


def test_hours_come_from_records(lab: Lab) -> None:
    assert lab.plan().hours(1) is None
    lab.run()
    assert lab.plan().hours(1) == 0
    lab.write(seeds=[0, 1, 2])
    runs = lab.runs()
    seed = [run for run in runs if run.seed == 2]
    assert Plan(runs, seed).hours(1) == pytest.approx(3 * 10 / 3600)
    # The arms wait for what they start from.
    assert Plan(runs, seed).hours(2) == pytest.approx(2 * 10 / 3600)


def test_an_arm_takes_what_it_took_before(lab: Lab) -> None:
    lab.run(seeds=[0])
    record = lab.record("plain-s0")
    (lab.folder / "runs" / "plain-s0.json").write_text(json.dumps(record | {"seconds": 100.0}))
    (lab.folder / "runs" / "more-s0.json").unlink()
    warm, plain, more = (runs := lab.runs())[3:]
    assert Plan(runs, [plain]).hours(1) == pytest.approx((10 + 100) / 3600)
    assert [lab.plan().seconds(run) for run in (warm, plain, more)] == [10, 100, 55]


# Tables.


def test_the_table_has_what_was_measured(lab: Lab) -> None:
    lab.run()
    tables = lab.tables()
    rows = list(csv.DictReader(io.StringIO(tables["results.csv"])))
    assert [(r["arm"], r["seed"], float(r["value"])) for r in rows] == [
        ("warm", "0", 0), ("plain", "0", 1), ("more", "0", 1),
        ("warm", "1", 1), ("plain", "1", 2), ("more", "1", 2),
    ]  # fmt: skip
    text = tables["report.md"]
    assert "| arm | seed 0 | seed 1 | mean | range | against `plain` |" in text
    assert "| `more` | 1 | 2 | 1.5 | 1 to 2 | +0 (+0.0 %), +0 (+0.0 %) |" in text
    assert "| `warm` | 0 | 1 | 0.5 | 0 to 1 | -1 (-100.0 %), -1 (-50.0 %) |" in text


def test_what_had_to_hold_stands_in_the_report(lab: Lab) -> None:
    """A check holds when it does with every seed."""
    lab.write(checks={"L1": "more.fid >= plain.fid", "L2": "plain.fid < 2", "L3": "more.speed > 1"})
    lab.run()
    text = lab.report()
    assert "| L1 | `more.fid >= plain.fid` | yes: 1, 1 | yes: 2, 2 | holds |" in text
    assert "| L2 | `plain.fid < 2` | yes: 1, 2 | no: 2, 2 | does not hold |" in text
    unknown = "| more has no speed | more has no speed | cannot be told |"
    assert f"| L3 | `more.speed > 1` {unknown}" in text


def test_a_check_waits_for_its_seeds(lab: Lab) -> None:
    """Unless those at hand decide it."""
    lab.write(checks={
        "one": "1 of 2 seeds: plain.fid < 2", "both": "plain.fid < 2", "none": "plain.fid > 2",
    })  # fmt: skip
    lab.run(seeds=[0])
    text = lab.report()
    assert "| one | `1 of 2 seeds: plain.fid < 2` | yes: 1, 2 | holds |" in text
    assert (
        "| both | `plain.fid < 2` | yes: 1, 2 | open, 1 of 1 seeds so far; it takes 2 of 2 |"
        in text
    )
    assert "| none | `plain.fid > 2` | no: 1, 2 | does not hold |" in text
    lab.write(checks={"one": "1 of 3 seeds: plain.fid < 2"})
    with pytest.raises(UserError, match="check one wants 1 of 3 seeds; its arms have 2"):
        checks_of(read_study(lab.folder))


def test_arms_that_some_seeds_are_enough_for(lab: Lab) -> None:
    lab.write(only={"more": [1]}, checks={"L1": "more.fid > plain.fid", "L2": "plain.fid < 1.5"})
    assert "more-s0" not in lab.run()
    assert [run.name for run in lab.runs() if run.arm == "more"] == ["more-s1"]
    text = lab.report()
    assert "| L1 | `more.fid > plain.fid` |  | no: 2, 2 | does not hold |" in text
    assert "| `more` |  | 2 |  |  | +0 (+0.0 %) |" in text
    assert "## Not in these tables" not in text
    for only, message in (
        ({"more": [2]}, r"only\.more must be some"),
        ({"less": [0]}, "only=less"),
    ):
        lab.write(only=only)
        with pytest.raises(UserError, match=message):
            read_study(lab.folder)


def test_protocols_never_share_a_column(lab: Lab) -> None:
    lab.run()
    record = lab.record("more-s0")
    record["metrics"][0]["protocol"] = {"n": 6}
    (lab.folder / "runs" / "more-s0.json").write_text(json.dumps(record))
    report = lab.report()
    assert report.count("## fid (protocol ") == 2
    assert "| `more` | 1 (1 of 2 seeds) | 2 (1 of 2 seeds) | 2 |" in report.split("## ")[1]
    # An arm that shares no protocol with the others has a table of its own.
    record = lab.record("more-s1")
    record["metrics"][0]["protocol"] = {"n": 6}
    (lab.folder / "runs" / "more-s1.json").write_text(json.dumps(record))
    tables = lab.report().split("## ")[1].split("| arm |")[1:]
    first, second = sorted(tables, key=lambda text: "`more`" in text)
    assert "`plain`" in first
    assert "`more`" not in first
    assert "`plain`" not in second
    assert "| `more` | 1.5 | 2 |" in second


def test_what_so_many_seeds_can_say() -> None:
    base = dict.fromkeys(range(5), 10.0)
    ours = {0: 11.0, 1: 12.0, 2: 9.0, 3: 13.0, 4: 12.0}

    def of(n: int) -> str:
        return against({s: ours[s] for s in range(n)}, base)

    assert of(2) == "+1 (+10.0 %), +2 (+20.0 %)"
    assert of(3) == "+0.667, 2 of 3 agree, -1 to +2"
    # Differences 1, 2, -1, 3, 2: mean 1.4, deviation 1.5166, t(4) 2.7764: half a width 1.883.
    assert interval([1, 2, -1, 3, 2]) == pytest.approx(1.8830, abs=1e-4)
    assert of(5) == "+1.4, 4 of 5 agree, 95 % -0.483 to +3.28"
    assert against({7: 1.0}, base) == ""


# What cannot be.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "has colour; choose one of"),
        ({"question": 3}, "question must be a str, not 3"),
        ({"baseline": "plane"}, r"baseline=plane is no arm; did you mean plain\?"),
        ({"baseline": ["plain", "plane"]}, r"baseline=plane is no arm; did you mean plain\?"),
        ({"baseline": []}, "baseline must name an arm"),
        ({"metrics": ["fid", "fid"]}, "metrics has fid twice"),
        ({"only": {"plain": [0, 0]}}, r"only.plain must be some of the seeds \[0, 1\]"),
        ({"only": {"plain": [True]}}, r"only.plain must be some of the seeds"),
        ({"only": {"warm": [0]}}, "starts from warm with seed 1, which only.warm leaves out"),
        ({"arms": {}}, "arms has none"),
        ({"headline": {"arms": []}}, "headline.arms has none"),
        ({"headline": {"metrics": ["kid"]}}, "headline.metrics has kid, which metrics has not"),
        ({"baseline": 3}, "baseline must be a str or a list, not 3"),
        ({"headline": {"rows": ["plain"]}}, "headline has rows: arms and metrics are"),
        ({"headline": {"arms": ["plane"]}}, r"headline.arms=plane is no arm; did you mean plain"),
        ({"headline": {"metrics": "fid"}}, "headline.metrics must be a list of texts"),
        ({"varied": {"arms": ["plane"]}}, r"varied.arms=plane is no arm; did you mean plain"),
        ({"varied": {"rows": ["plain"]}}, "varied has rows: arms and metrics are"),
        ({"shown": ["none"]}, "shown=none is no arm"),
        ({"seeds": [0, 0]}, "has one of them twice"),
        ({"seeds": ["a"]}, "seeds must be whole numbers"),
        ({"arms": {"plain": "b=1"}}, r"arms.plain must be a list of texts"),
        ({"common": ["seed=3"]}, "common has seed=3, which the runner sets"),
        ({"common": ["++seed=3"]}, r"common has \+\+seed=3: settings are written key=value"),
        ({"arms": {"plain": [], "../more": ["b=1"]}}, "arm '../more' must be letters"),
        ({"arms": {"plain": [], "more": []}}, "arms plain and more are the same runs"),
        ({"seeds": [2**32]}, "whole numbers below"),
        ({"common": ["device=cpu"]}, "common has device=cpu, which the runner sets"),
        (
            {"arms": {"plain": ["init_from=plian"], "more": []}},
            r"neither an arm nor a file; did you mean pla",
        ),
        (
            {"arms": {"plain": ["init_from=more"], "more": ["init_from=plain"]}},
            "plain from more from plain: no arm comes first",
        ),
    ],
)
def test_bad_studies(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Lab(tmp_path, **change).runs()


def test_no_study(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    with pytest.raises(UserError, match=r"there is no study hsi; did you mean hsr\?"):
        read_study(lab.folder.with_name("hsi"))
    (lab.folder / "study.yaml").write_text("[")
    with pytest.raises(UserError, match="cannot be read"):
        read_study(lab.folder)


def test_no_key_of_a_study_stands_twice(lab: Lab) -> None:
    """The second check of a name, or arm, would silently take the place of the first."""
    whole = (lab.folder / "study.yaml").read_text()
    for twice in ("question: again\n", "more_checks: {a: x > 1, a: x > 0}\n"):
        (lab.folder / "study.yaml").write_text(whole + twice)
        with pytest.raises(UserError, match=r"(question|a) stands twice .*, line \d+"):
            read_study(lab.folder)


def test_a_damaged_record_is_told(lab: Lab) -> None:
    lab.run()
    (lab.folder / "runs" / "more-s0.json").write_text("{")
    with pytest.raises(UserError, match=r"more-s0\.json cannot be read"):
        lab.run()


def test_a_record_of_another_seed_is_none(lab: Lab) -> None:
    lab.run()
    runs = lab.folder / "runs"
    (runs / "more-s1.json").write_text(json.dumps(lab.record("more-s0") | {"seed": 0}))
    with pytest.raises(UserError, match=r"more-s1\.json cannot be read \(it is of seed 0\)"):
        lab.states()


def test_large_numbers_are_written_out() -> None:
    assert against({0: 11465.69, 1: 1.0}, {0: 12699.7, 1: 1.5}) == "-1234 (-9.7 %), -0.5 (-33.3 %)"
    assert number(11465.69) == "11466"


def test_what_is_not_there_is_named(lab: Lab) -> None:
    lab.say = {"more": "fail"}
    lab.run()
    lab.write(seeds=[0, 1, 2], metrics=["fid", "fdi"])
    (lab.folder / "runs" / "old-s0.json").write_text("{}")
    report = lab.report()
    for arm in ("warm", "plain", "more"):
        assert f"- `{arm}`: not run yet with seed 2" in report
    assert "- more-s0: failed (it cannot be)" in report
    assert "- records of what the study no longer asks for: old-s0" in report
    assert "No record has `fdi`." in report
