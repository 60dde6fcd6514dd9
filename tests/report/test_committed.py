"""The studies that are in git: their tables are what their records say, and nothing is stale."""

import shutil
from pathlib import Path

import pytest

from ganfeat.report.marks import Mark, filled, marked, table_of
from ganfeat.report.sections import counted, not_counted, write_tables
from ganfeat.report.study import Study, read_study
from ganfeat.report.tables import Records
from ganfeat.studies import study_runs

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.yaml"))
PAGES = [
    path
    for path in [EXPERIMENTS.parent / "README.md", *sorted(EXPERIMENTS.glob("*/README.md"))]
    if marked(path.read_text())
]


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_tables_are_what_the_records_say(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(EXPERIMENTS / name, folder)
    study = read_study(folder)
    runs = study_runs(study)
    assert {run.state() for run in runs} <= {"done", "missing"}
    names = {run.path.name for run in runs}
    assert {path.name for path in (folder / "runs").glob("*.json")} <= names
    if not any(run.state() == "done" for run in runs):
        return
    for path in write_tables(study, counted(runs), not_counted(study, runs)):
        assert path.read_text() == (EXPERIMENTS / name / path.name).read_text(), path.name


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.parent.name)
def test_the_tables_of_pages_are_what_the_records_say(page: Path) -> None:
    text = page.read_text()
    found: dict[str, tuple[Study, Records]] = {}
    for _, name in marked(text):
        study = read_study(EXPERIMENTS / name)
        found[name] = study, counted(study_runs(study))
    assert text == filled(text, lambda mark: table_of(mark, *found[mark.study]))


def test_the_readme_tells_of_the_four_studies() -> None:
    marks = marked((EXPERIMENTS.parent / "README.md").read_text())
    names = ["hsr_synthfaces", "hsr_cifar10", "ghfeat_synthfaces", "navigators_synthfaces"]
    assert marks == [Mark("headline", name) for name in names]


def test_there_are_studies() -> None:
    assert STUDIES
    for name in STUDIES:
        read_study(EXPERIMENTS / name)
