"""What the README shows runs as it stands there: files of one's own, dropped into place."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from ganfeat.config import compose

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^```(?:python|yaml)\n# ((?:src|conf)/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def shown() -> dict[str, str]:
    """The files that the README shows, by their paths."""
    return dict(BLOCK.findall((ROOT / "README.md").read_text()))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with these files, and no other change."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("train.py", "evaluate.py", "compare.py"):
        shutil.copy(ROOT / name, folder / name)
    for path, text in shown().items():
        (folder / path).write_text(text)
    return folder


def typed(tree: Path, *line: str) -> str:
    """What a command prints in the checkout."""
    env = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *line], cwd=tree, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_three_files_of_ones_own_are_shown() -> None:
    assert [*shown()] == [
        "src/ganfeat/navigators/coordinates.py", "conf/method/coordinates.yaml",
        "src/ganfeat/metrics/contrast.py", "conf/metrics/contrast.yaml",
        "src/ganfeat/data/stripes.py", "conf/data/stripes.yaml",
    ]  # fmt: skip
    for path in shown():
        assert not (ROOT / path).exists()


def lines_of(script: str) -> list[list[str]]:
    """What the README types after a command."""
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    start = f"python {script} "
    found = [line.strip() for line in text.splitlines() if line.strip().startswith(start)]
    return [shlex.split(line, comments=True)[2:] for line in found]


@pytest.mark.parametrize("typed", lines_of("train.py"), ids=" ".join)
def test_every_run_that_is_shown_composes(typed: list[str]) -> None:
    given = [text.split(",")[0] for text in typed if text not in ("-m", "--help", "--cfg", "job")]
    config = compose([text for text in given if not text.startswith(("hydra", "sweep="))])
    assert config["experiment"]


@pytest.mark.parametrize("typed", lines_of("evaluate.py"), ids=" ".join)
def test_every_evaluation_that_is_shown_composes(typed: list[str]) -> None:
    assert compose(typed, "evaluate")


def test_every_study_that_is_shown_is_there() -> None:
    lines = lines_of("compare.py")
    named = [compose(line, "compare")["study"] for line in lines]
    assert len(lines) >= 5
    assert all((ROOT / "experiments" / name / "study.yaml").is_file() for name in named if name)


@pytest.mark.slow
def test_a_method_is_trained_measured_compared_and_exported(tree: Path) -> None:
    few = [
        "logger=csv", "threads=1", "metrics.shift.n=8", "metrics.identity=null",
        "metrics.linearity=null", "metrics.layers=null", "metrics@monitor=none",
    ]  # fmt: skip
    for method in ("coordinates", "random"):
        typed(tree, "train.py", "experiment=navigator_synthfaces", f"method={method}", *few)
    results = [json.loads(p.read_text()) for p in tree.glob("outputs/navigator*/*/result.json")]
    assert [r["status"] for r in results] == ["finished"] * 2
    table = typed(tree, "compare.py", "runs=outputs/navigator_synthfaces/*")
    assert "navigator_synthfaces method=coordinates" in table
    assert "gap_z8_factornet" in table
    report = tree / "outputs" / "compare" / "runs" / "report.html"
    assert "traversals of navigator_synthfaces method=coordinates" in report.read_text()
    assert "coordinates" in typed(tree, "-m", "ganfeat", "list", "method")
    (run,) = [
        p.parent
        for p in tree.glob("outputs/navigator*/*/result.json")
        if "method=coordinates" in json.loads(p.read_text())["overrides"]
    ]
    typed(tree, "-m", "ganfeat.export", str(run), "out.safetensors")
    code = "import ganfeat; print(ganfeat.load('out.safetensors').labels[:2])"
    assert typed(tree, "-c", code).strip() == "['w0', 'w1']"


@pytest.mark.slow
def test_a_metric_is_measured(tree: Path) -> None:
    typed(tree, "evaluate.py", "checkpoint=embedded", "metrics=contrast", "metrics.contrast.n=64",
          "logger=csv", "threads=1")  # fmt: skip
    (path,) = tree.glob("outputs/evaluate/*/result.json")
    (value,) = json.loads(path.read_text())["metrics"]
    assert value["name"] == "contrast64"
    assert 0.1 < value["low"] < value["value"] < value["high"] < 1


@pytest.mark.slow
def test_data_are_trained_on(tree: Path) -> None:
    line = tiny.overrides(Path("outputs"), "total_kimg=0.016", "data=stripes")
    typed(tree, "train.py", *line)
    (path,) = tree.glob("outputs/stylegan2_synthfaces/*/result.json")
    assert json.loads(path.read_text())["status"] == "finished"
