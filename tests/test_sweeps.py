"""Sweeps: what jobs tell, what is searched by, and that nothing is done twice."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny

from ganfeat import sweeps
from ganfeat.config import check, config_dir
from ganfeat.errors import UserError

ROOT = Path(__file__).parents[1]
RESULT: dict[str, Any] = {
    "experiment": "hsr", "run": "0a-s0",
    "metrics": [{"name": "fid", "value": 3.25}, {"name": "kid", "value": None}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sweeps.SWEEP, "test")


def test_what_a_search_goes_by() -> None:
    assert sweeps.objective_of(RESULT, "fid") == 3.25
    for name in ("kid", "ppl"):
        with pytest.raises(UserError, match=f"objective={name} was not measured.*fid, kid"):
            sweeps.objective_of(RESULT, name)
    with pytest.raises(UserError, match="add metrics=quick"):
        sweeps.objective_of({"metrics": []}, "fid")


def test_jobs_tell_of_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    since = sweeps.begin(["seed=0,1"])
    sweeps.tell(str(tmp_path), 0, ["experiment=hsr", "seed=0"], RESULT, None)
    sweeps.tell(str(tmp_path), 10, ["experiment=hsr", "seed=1"], None, "it broke")
    assert sweeps.summary(str(tmp_path), since) == 1
    lines = capsys.readouterr().out
    assert "2 runs" in lines
    first, second = (line for line in lines.splitlines() if "seed=" in line)
    assert "seed=0" in first
    assert "3.25" in first
    assert "hsr/0a-s0" in first
    assert "failed: it broke" in second
    assert "experiment=hsr" not in lines  # all of them have it
    assert "1 of 2 runs have failed" in lines


def test_another_sweep_is_not_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweeps.begin(["seed=0,1"])
    sweeps.tell(str(tmp_path), 0, ["seed=0"], RESULT, None)
    since = sweeps.begin(["seed=2,3"])
    assert sweeps.summary(str(tmp_path), since) == 0
    since = sweeps.begin(["seed=0,1"])
    assert sweeps.summary(str(tmp_path), since + 60) == 0  # nor of what an earlier one has left
    assert capsys.readouterr().out == ""


def test_a_sweep_is_no_run() -> None:
    with pytest.raises(UserError, match="sweep=seeds stands for many runs: add -m"):
        check(["experiment=hsr_synthfaces", "sweep=seeds"])
    with pytest.raises(UserError, match="there is no sweep seds; did you mean seeds"):
        check(["experiment=hsr_synthfaces", "sweep=seds"], sweep=True)


def train(folder: Path, *line: str, code: int = 0, script: Path = ROOT / "train.py") -> str:
    """What a sweep prints in this folder."""
    env = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), *line, "-m"],
        cwd=folder, capture_output=True, text=True, timeout=400, env=env,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def grid(*more: str) -> list[str]:
    """Runs of seconds, in the folder where they are typed."""
    given = tiny.overrides(Path("outputs"), "total_kimg=0.016")
    return [*given, "trainer.sample_kimg=1", *more]


def results(folder: Path) -> dict[str, tuple[int, str]]:
    """When each run's result was written, and how it ended."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns, json.loads(path.read_text())["status"],
        )
        for path in folder.glob("outputs/*/*/result.json")
    }  # fmt: skip


def needs(module: str) -> None:
    if importlib.util.find_spec(f"hydra_plugins.{module}") is None:
        message = f"{module} is not installed: pip install -e '.[sweep]'"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_grid_is_run_once(tmp_path: Path, launcher: str) -> None:
    """With jobs in other processes: complete runs, a table, and nothing is done twice."""
    needs(f"hydra_{launcher.partition('_')[0]}_launcher")
    line = grid(f"hydra/launcher={launcher}", "seed=0,1", "method.r1_gamma=1,3")
    line += ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    said = train(tmp_path, *line)
    first = results(tmp_path)
    assert [status for _, status in first.values()] == ["finished"] * 4
    assert "4 runs" in said
    assert said.count("seed=1 method.r1_gamma=3") == 1
    again = train(tmp_path, *line)
    assert results(tmp_path) == first
    assert "4 runs" in again
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


@pytest.mark.slow
def test_failures_stand_in_the_summary(tmp_path: Path) -> None:
    said = train(tmp_path, *grid("method.r1_gamma=1,-1"), code=1)
    assert "method.r1_gamma=-1" in said
    assert "1 of 2 runs have failed; the same command tries them again" in said
    assert "failed: method.r1_gamma must be at least 0" in said


@pytest.mark.slow
def test_a_sweep_without_jobs(tmp_path: Path) -> None:
    said = train(tmp_path, *grid("seed=range(3,1)"), code=0)
    assert "no job of this sweep is known here: is a list or range empty?" in said


@pytest.mark.slow
def test_joblib_and_several_processes_of_a_run(tmp_path: Path) -> None:
    needs("hydra_joblib_launcher")
    line = grid("hydra/launcher=joblib", "trainer.devices=2", "seed=0,1")
    said = train(tmp_path, *line, code=1)
    assert "Use trainer.devices=1, or hydra/launcher=submitit_local" in said
    assert not list(tmp_path.glob("outputs/stylegan2*"))


@pytest.mark.slow
def test_submitit_and_several_processes_of_a_run(tmp_path: Path) -> None:
    needs("hydra_submitit_launcher")
    train(tmp_path, *grid("hydra/launcher=submitit_local", "trainer.devices=2"))
    assert [status for _, status in results(tmp_path).values()] == ["finished"]
    (said,) = tmp_path.rglob("*_log.err")
    assert "MEMBER: 2/2" in said.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("again", [3, 0])
def test_a_job_at_its_time_limit(tmp_path: Path, again: int) -> None:
    """It leaves a checkpoint; it goes on where submitit may send it in again, else with the sweep.

    Submitit takes the signal for the time limit in the last ten minutes, which are all of them.
    """
    needs("hydra_submitit_launcher")
    script = tmp_path / "limited.py"
    script.write_text(
        "from ganfeat.entry import entry_point\n"
        "def train(config, overrides):\n"
        "    import os, signal\n"
        "    from ganfeat.generators.stylegan2 import StyleGAN2\n"
        "    from ganfeat.training.run import run\n"
        "    def limit(self):\n"
        "        if self.iteration == 0:\n"
        "            os.kill(os.getpid(), signal.SIGUSR2)\n"
        "    StyleGAN2.end_iteration = limit\n"
        "    return run(config, overrides)\n"
        "if __name__ == '__main__':\n"
        "    from submitit.local.local import LocalExecutor\n"
        "    begin = LocalExecutor.__init__\n"
        f"    begin.__defaults__ = ({again}, *begin.__defaults__[1:])  # max_num_timeout\n"
        "    entry_point('train', train)\n"
    )
    line = grid("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10")
    if again == 0:
        said = train(tmp_path, *line, code=1, script=script)
        assert "failed: SIGUSR2: checkpoint written" in said
        ((_, status),) = results(tmp_path).values()
        assert status == "interrupted"
    train(tmp_path, *line, script=script)
    ((_, status),) = results(tmp_path).values()
    assert status == "finished"


@pytest.mark.slow
def test_a_search_needs_a_goal_before_it_trains(tmp_path: Path) -> None:
    needs("hydra_optuna_sweeper")
    line = grid("hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "hydra.sweeper.n_jobs=1")
    said = train(tmp_path, *line, code=1)
    assert "hydra/sweeper=optuna searches for the best value of a number" in said
    assert not results(tmp_path)


@pytest.mark.slow
def test_a_search_proposes_the_same_again(tmp_path: Path) -> None:
    """Trials whose run is finished tell their value at once."""
    needs("hydra_optuna_sweeper")
    own = [
        text for text in tiny.overrides(Path("outputs"), "total_kimg=0.016",
                                        experiment="contrafeat_synthfaces")
        if not text.startswith(("metrics=", "method.subspace"))
    ]  # fmt: skip
    line = [
        *own, "sweep=contrafeat_search", "hydra.sweeper.n_trials=3", "trainer.sample_kimg=1",
        "metrics.shift.n=4", "metrics.identity=null", "metrics.linearity=null",
        "metrics.layers=null", "objective=gap_z4_factornet",
    ]  # fmt: skip
    said = train(tmp_path, *line)
    first = results(tmp_path)
    assert len(first) == 3
    assert "gap_z4_factornet" in said
    train(tmp_path, *line)
    assert results(tmp_path) == first


def test_sweeps_of_ours_name_what_there_is() -> None:
    """Their keys are keys of the presets that they are for."""
    for path in (config_dir() / "sweep").glob("*.yaml"):
        preset = f"{path.stem.split('_')[0]}_synthfaces"
        if (config_dir() / "experiment" / f"{preset}.yaml").exists():
            import yaml

            plain = yaml.safe_load(path.read_text())
            keys = [key.removeprefix("++") for key in plain["hydra"]["sweeper"]["params"]]
            assert check([f"experiment={preset}", *(f"{key}=1" for key in keys)])
