"""What the README and `docs/` show is there, and runs as it stands there."""

import importlib
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
from ganfeat.metrics.measure import Measurement
from ganfeat.report.checks import checks_of
from ganfeat.report.study import read_study

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("experiments/*/*.md"))]
BLOCK = re.compile(r"^```(?:python|yaml)\n# (\S+/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def shown(page: str) -> dict[str, str]:
    """The files that a page shows, by their paths."""
    return dict(BLOCK.findall((DOCS / page).read_text()))


def anchors(page: Path) -> set[str]:
    """What can be linked to on a page: its headings as GitHub spells them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_preset_stands_in_the_table() -> None:
    table = (DOCS / "runs.md").read_text().split("## Presets")[1].split("## Sweeps")[0]
    named = set(re.findall(r"`([a-z0-9_]+)`", table))
    presets = {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}
    assert presets <= named


def test_every_measured_name_is_explained() -> None:
    text = (DOCS / "measuring.md").read_text().split("## Names")[1]
    explained = re.findall(r"`([a-z0-9_]+)`", text)
    starts = {start for kind in measurements() for start in kind.better}
    assert {"fid", "gap", "mixed_fine_colour"} <= starts
    groups = tuple(name for name in explained if name.endswith("_"))  # such as `mixed_`
    for start in starts:
        assert start.startswith(groups) or any(n.startswith(start) for n in explained), start


def measurements() -> list[type[Measurement]]:
    """All metrics and tasks of the package."""
    for name in ("metrics", "tasks"):
        for path in (ROOT / "src" / "ganfeat" / name).glob("[!_]*.py"):
            importlib.import_module(f"ganfeat.{name}.{path.stem}")
    found: list[type[Measurement]] = [Measurement]
    for kind in found:  # grows
        found += [k for k in kind.__subclasses__() if k.__module__.startswith("ganfeat.")]
    return found


def test_the_study_that_is_shown_can_be_read(tmp_path: Path) -> None:
    ((path, text),) = shown("studies.md").items()
    assert path == "experiments/hsr_cats/study.yaml"
    folder = tmp_path / "hsr_cats"
    folder.mkdir()
    (folder / "study.yaml").write_text(text)
    study = read_study(folder)
    assert len(checks_of(study)) == 3
    for overrides in study.arms.values():
        assert compose([text for text in overrides if text != "init_from=warm"])["experiment"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with these files, and no other change."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("train.py", "evaluate.py", "compare.py"):
        shutil.copy(ROOT / name, folder / name)
    for path, text in shown("extending.md").items():
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
    assert [*shown("extending.md")] == [
        "src/ganfeat/navigators/coordinates.py", "conf/method/coordinates.yaml",
        "src/ganfeat/metrics/contrast.py", "conf/metrics/contrast.yaml",
        "src/ganfeat/data/stripes.py", "conf/data/stripes.yaml",
    ]  # fmt: skip
    for path in shown("extending.md"):
        assert not (ROOT / path).exists()


def lines_of(script: str) -> list[list[str]]:
    """What the README and `docs/` type after a command."""
    pages = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    text = "\n".join(page.read_text() for page in pages).replace("\\\n", " ")
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
