"""The saved view of wandb: its panels are what runs log."""

import json
from pathlib import Path

import pytest

from ganfeat.report.dashboard import build, main

pytest.importorskip("wandb_workspaces")
RECORDS = [
    {
        "status": "finished",
        "metrics": [{"name": "fid", "value": 3.0, "protocol": {}}],
        "arrays": {"loss/G/hsr": [1.0], "progress/kimg": [0.0],
                   "strips": {"paths": {"rows": 1, "frames": 2}}},
        "pictures": ["samples/samples-00001.000.png", "tasks/paths.png"],
    },
    {"status": "finished", "metrics": [{"name": "gap", "value": 1.0}, {"name": "fid", "value": 1}]},
]  # fmt: skip


def test_panels_are_what_runs_log() -> None:
    view = build("us", "ganfeat", "GANFeat", RECORDS)
    sections = {section.name: section.panels for section in view.sections}
    assert [panel.metrics for panel in sections["Numbers"]] == [["fid"], ["gap"]]
    assert {panel.groupby for panel in sections["Numbers"]} == {"group"}
    assert [panel.media_keys for panel in sections["Pictures"]] == [
        ["pictures/samples"], ["tasks/paths"], ["tasks/paths_moving"],
    ]  # fmt: skip
    assert [panel.title for panel in sections["Losses"]] == ["loss/G/hsr"]
    assert "Scores of D" not in sections  # nobody has any
    assert view.settings.x_axis == "progress/kimg"
    assert view.project == "ganfeat"


def test_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        main(["--project=x", f"--runs={tmp_path}/*"])
    assert "finds no finished run" in capsys.readouterr().err
    (tmp_path / "statistics.safetensors").touch()  # outputs/*/* finds what is cached, too
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text(json.dumps(RECORDS[0]))
    from wandb_workspaces.workspaces import Workspace

    def no_network(self: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(Workspace, "save", no_network)
    with pytest.raises(SystemExit):
        main(["--project=x", f"--runs={tmp_path}/*"])
    assert "cannot be saved (no route): it needs the network" in capsys.readouterr().err
