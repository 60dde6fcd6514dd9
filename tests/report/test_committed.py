"""The studies that are in git: their tables are what their records say, and nothing is stale."""

import shutil
from pathlib import Path

import pytest

from ganfeat.compare import study_runs
from ganfeat.report.headline import filled, headline, marked
from ganfeat.report.sections import counted, not_counted, write_tables
from ganfeat.report.study import read_study

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.yaml"))


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


def test_the_tables_of_the_readme_are_what_the_records_say() -> None:
    text = (EXPERIMENTS.parent / "README.md").read_text()
    assert marked(text) == ["hsr_synthfaces", "ghfeat_synthfaces", "navigators_synthfaces"]

    def table(name: str) -> str:
        study = read_study(EXPERIMENTS / name)
        return headline(study, counted(study_runs(study)))

    assert "| seeds |" in table("hsr_synthfaces")
    assert text == filled(text, table)


def test_there_are_studies() -> None:
    assert STUDIES
    for name in STUDIES:
        read_study(EXPERIMENTS / name)
