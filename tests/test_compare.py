"""``compare.py`` with real runs of a tiny study, as somebody types it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml

import ganfeat.compare
import ganfeat.studies
from ganfeat.config import compose
from ganfeat.errors import UserError
from ganfeat.report.study import read_study

ROOT = Path(__file__).parents[1]
STUDY: dict[str, Any] = {
    "question": "Does it run?",
    "expectation": "It does.",
    "baseline": "baseline",
    "seeds": [3, 4],
    "common": [
        text
        for text in tiny.overrides(Path("unused"), experiment="hsr_synthfaces")
        if not text.startswith(("paths.", "device", "threads", "total_kimg", "trainer.sample_kimg"))
    ]
    + ["trainer.sample_kimg=0.016", "data.resolution=32"],
    "arms": {
        "warm": ["total_kimg=0.032", "method.weight=0"],
        "baseline": ["total_kimg=0.016", "init_from=warm", "method.weight=0"],
        "hsr": ["total_kimg=0.016", "init_from=warm", "method.taps=[8,16]"],
        "wrong": ["total_kimg=0.016", "init_from=warm", "method.taps=[8,128]"],
    },
    "metrics": ["fid10k_factornet"],
    "shown": ["baseline", "hsr"],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """``study.yaml`` of the study ``tiny``, in a folder where ``compare.py`` can be typed."""
    path = tmp_path / "experiments" / "tiny" / "study.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    (tmp_path / "train.py").symlink_to(ROOT / "train.py")
    return path


def compare(folder: Path, *line: str, code: int = 0) -> str:
    """What it prints in this folder."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "compare.py"), *line],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_a_study(tmp_path: Path) -> None:
    plan = compare(tmp_path, "study=tiny", "plan=true", "seeds=3")
    assert "4 of 4 runs are left" in plan
    assert not (tmp_path / "outputs").exists()
    assert "2 of 2 runs are left" in compare(
        tmp_path, "study=tiny", "plan=true", "seeds=3", "arms=[warm,wrong]"
    )
    said = compare(tmp_path, "study=tiny", "seeds=3", "jobs=2", code=1)
    assert "1 of 4 runs have failed (wrong-s3)" in said
    assert "wrong-s3 failed: method.taps has 128, but a generator of 32 px" in said
    records = tmp_path / "experiments" / "tiny" / "runs"
    found = {path.stem: json.loads(path.read_text()) for path in records.glob("*.json")}
    assert sorted(found) == ["baseline-s3", "hsr-s3", "warm-s3", "wrong-s3"]
    for name in ("baseline-s3", "hsr-s3"):
        assert found[name]["study"]["start"] == found["warm-s3"]["weights"]
        assert found[name]["machine"]["threads"] == 1
    assert {path.suffix for path in records.iterdir()} == {".json", ".png"}
    # In a fresh clone: nothing but what failed is left.
    subprocess.run(["rm", "-r", tmp_path / "outputs"], check=True)
    plan = compare(tmp_path, "study=tiny", "seeds=3", "plan=true")
    assert "2 of 4 runs are left" in plan
    assert "made again" in plan
    assert "warm-s3" in plan
    # The command that a record names makes the same run.
    line = found["warm-s3"]["overrides"]
    subprocess.run(
        [sys.executable, "train.py", *line], cwd=tmp_path, check=True, capture_output=True
    )
    made = tiny.only(tmp_path, f"outputs/*/{found['warm-s3']['run']}/result.json")
    assert json.loads(made.read_text())["weights"] == found["warm-s3"]["weights"]
    table = compare(tmp_path, "runs=outputs/hsr_synthfaces/*")
    assert "hsr_synthfaces" in table
    page = tmp_path / "outputs" / "compare" / "runs" / "report.html"
    assert f"hsr_synthfaces/{found['warm-s3']['run']}" in page.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_a_launcher_runs_a_study(tmp_path: Path) -> None:
    line = [
        "study=tiny", "seeds=3", "arms=[warm,baseline,wrong]", "jobs=2",
        "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5",
    ]  # fmt: skip
    said = compare(tmp_path, *line, code=1)
    assert "wrong-s3 failed: method.taps has 128, but a generator of 32 px" in said
    records = tmp_path / "experiments" / "tiny" / "runs"
    found = {path.stem: json.loads(path.read_text()) for path in records.glob("*.json")}
    assert found["baseline-s3"]["study"]["start"] == found["warm-s3"]["weights"]
    assert "device=auto" in found["warm-s3"]["overrides"]  # what runs it knows what it has
    assert [*(tmp_path / "outputs" / "multirun").glob("**/*_log.out")]  # it was submitit
    again = compare(tmp_path, *line[:2], "arms=[warm,baseline]", *line[3:])
    assert "0 of 2 runs are left" in again


@pytest.mark.parametrize(
    ("device", "threads"), [("cpu", ["threads=1"]), ("auto", ["threads=1"]), ("cuda", [])]
)
def test_runs_on_a_cpu_have_one_thread(study: Path, device: str, threads: list[str]) -> None:
    """Also where a launcher sends them elsewhere, and ``auto`` may come to a CPU there."""
    found = read_study(study.parent)
    for run, like in zip(
        ganfeat.studies.study_runs(found, device=device), ganfeat.studies.study_runs(found),
        strict=True,
    ):  # fmt: skip
        assert [text for text in run.command if text.startswith("threads=")] == threads
        assert run.result == like.result  # its id does not depend on them


@pytest.mark.slow
def test_ctrl_c_ends_the_runs_with_a_checkpoint(tmp_path: Path, study: Path) -> None:
    arms = {"warm": ["total_kimg=2", "method.weight=0"], "baseline": ["total_kimg=0.008"]}
    study.write_text(
        yaml.safe_dump(STUDY | {"arms": arms, "seeds": [3], "shown": []}, sort_keys=False)
    )
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "compare.py"), "study=tiny"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    log = tmp_path / "outputs" / "compare" / "tiny" / "warm-s3.log"
    until = time.monotonic() + 120
    while time.monotonic() < until and not (log.exists() and "kimg" in log.read_text()):
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "checkpoint written" in log.read_text()
    assert not (study.parent / "runs").exists()
    assert tiny.only(tmp_path, "outputs/*/*/checkpoints/last.ckpt")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "0"}, {"overrides": "abc"}, {"overrides": [["a"]]}, {"machine": None},
        {"pictures": [3]}, {"seconds": "a"},
        {"metrics": [{"name": [], "value": 1, "protocol": {}}]},
        {"metrics": [{"name": "fid", "value": "x", "protocol": {}}]},
    ],
    ids=str,
)  # fmt: skip
def test_results_of_others_cost_nobody_his_table(
    tmp_path: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"status": "finished", "seed": 0, "experiment": "hsr", "overrides": [], "metrics": []}
    for name, result in {"good": good, "bad": good | change, "other": {"a": 1}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(result))
    found = ganfeat.compare.found_results(str(tmp_path / "*"))
    assert [*found] == [str(tmp_path / "good" / "result.json")]
    assert capsys.readouterr().err.count("it is no result of ours") == 2


def test_empty_choices(study: Path) -> None:
    found = read_study(study.parent)
    with pytest.raises(UserError, match=r"seeds=\[\] chooses none: the study tiny has \["):
        ganfeat.studies.chosen_seeds(found, [])
    with pytest.raises(UserError, match=r"arms=\[\] chooses none: the study has warm"):
        ganfeat.studies.chosen_arms(found, [])


def test_arms_that_come_to_the_same_run(study: Path) -> None:
    arms = {"warm": ["method.weight=0"], "twin": ["method.weight=0", "method.pl_weight=2"]}
    study.write_text(
        yaml.safe_dump(STUDY | {"arms": arms, "baseline": "warm", "shown": []}, sort_keys=False)
    )
    with pytest.raises(UserError, match="warm-s3 and twin-s3 come to the same run"):
        ganfeat.studies.study_runs(read_study(study.parent))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "give study=NAME or runs='PATTERN'"),
        (["study=tiny", "runs=x"], "one of them"),
        (["study=tinny"], r"there is no study tinny; did you mean tiny\?"),
        (["study=tiny", "seeds=7"], r"seeds=7: the study tiny has \[3, 4\]"),
        (["study=tiny", "arms=wram"], r"arms=wram is no arm; did you mean warm\?"),
        (["runs=nowhere/*"], r"runs=nowhere/\* finds no result.json"),
        (["study=tiny", "jobs=0"], "jobs must be at least 1"),
    ],
)
@pytest.mark.usefixtures("study")
def test_bad_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        ganfeat.compare.run(compose(line, "compare"), line)


def test_a_typing_error_is_told_without_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "compare.py"), "runs=nowhere/*"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    *imports, said = done.stderr.splitlines()
    assert said.startswith("error: runs=nowhere/* finds no result.json")
    names = {line.rpartition("|")[2].strip() for line in imports}
    assert "ganfeat.compare" in names
    assert not names & {"torch", "matplotlib"}


def test_a_check_that_cannot_be_read_is_told_before_anything_runs(
    tmp_path: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.write_text(yaml.safe_dump(STUDY | {"checks": {"S3": "hrs.fid < baseline.fid"}}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="check S3: there is no arm hrs"):
        ganfeat.compare.run(compose(["study=tiny"], "compare"), ["study=tiny"])
    assert not (tmp_path / "outputs").exists()


def test_a_mistake_in_an_arm_is_told_before_anything_runs(
    tmp_path: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = STUDY["arms"] | {"hsr": ["total_kimg=0.016", "method.weigt=1"]}
    study.write_text(yaml.safe_dump(STUDY | {"arms": arms}, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"arm hsr: .* method.weigt; did you mean method.weight\?"):
        ganfeat.compare.run(compose(["study=tiny"], "compare"), ["study=tiny"])
    assert not (tmp_path / "outputs").exists()
