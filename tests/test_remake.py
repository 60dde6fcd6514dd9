"""``python -m ganfeat.remake``: tables of studies and of the README, from records alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganfeat.errors import UserError
from ganfeat.remake import remake

STUDY: dict[str, Any] = {
    "question": "Which?", "expectation": "None.", "baseline": "plain", "seeds": [0],
    "common": ["experiment=navigator_synthfaces"], "shown": [], "metrics": ["gap"],
    "arms": {"plain": ["method=random"], "more": ["method=sefa"]},
    "headline": {"arms": ["more"], "metrics": ["gap"]},
}  # fmt: skip
README = "Before\n<!-- headline of one: written -->\nold\n<!-- end -->\nafter\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "experiments" / "one"
    (folder / "runs").mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    for arm, value in (("plain", 0.25), ("more", 0.5)):
        metric = {"name": "gap", "value": value, "protocol": {}, "better": "higher"}
        asked = {"arm": arm, "overrides": [*STUDY["common"], *STUDY["arms"][arm]]}
        record = {"study": asked, "status": "finished", "seed": 0, "metrics": [metric]}
        (folder / "runs" / f"{arm}-s0.json").write_text(json.dumps(record))
    (tmp_path / "README.md").write_text(README)
    return tmp_path


def test_tables_are_made_of_records(root: Path) -> None:
    written = [str(path.relative_to(root)) for path in remake(root)]
    names = ["results.csv", "report.md", "tables.tex"]
    assert written == [*(f"experiments/one/{name}" for name in names), "README.md"]
    lines = (root / "README.md").read_text().splitlines()
    assert lines[0] == "Before"
    assert lines[3:6] == ["| arm | gap ↑ | seeds |", "| --- | --- | --- |", "| `more` | 0.5 | 1 |"]
    assert lines[-1] == "after"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    remake(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_marks_of_no_study(root: Path) -> None:
    (root / "README.md").write_text(README.replace("of one", "of two"))
    with pytest.raises(UserError, match="headline of two is marked, which is no study"):
        remake(root)


def test_pages_of_studies_have_tables_too(root: Path) -> None:
    page = root / "experiments" / "one" / "README.md"
    page.write_text("<!-- checks of one: x -->\n<!-- end -->\n")
    study = STUDY | {"checks": {"S1": "more.gap > plain.gap"}}
    page.with_name("study.yaml").write_text(yaml.safe_dump(study))
    assert remake(root)[-1] == page
    heading, _, row = page.read_text().splitlines()[2:5]
    assert heading == "| check | must hold | seed 0 | verdict |"
    assert row == "| S1 | `more.gap > plain.gap` | yes: 0.5, 0.25 | holds |"
    page.write_text("<!-- checks of one: x -->\n")
    with pytest.raises(UserError, match=r"one.README.md: the mark checks of one has no end"):
        remake(root)


def test_elsewhere(root: Path) -> None:
    with pytest.raises(UserError, match=r"there is no study in .*: go to the folder of compare"):
        remake(root / "experiments")
    (root / "README.md").unlink()
    with pytest.raises(UserError, match=r"README.md, where tables are to go, cannot be read"):
        remake(root)
