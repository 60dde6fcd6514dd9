"""What an offline run of wandb holds of each kind of run, read back from its files."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import wandb_files
from PIL import Image

from ganfeat.config import compose
from ganfeat.exams import exams
from ganfeat.training.run import run
from ganfeat.training.wandb_log import log_tables

FEW = {
    "stylegan2_synthfaces": [
        "metrics=quick", "metrics.fid.n=300", "metrics.ppl=null", "metrics.als=null",
        "metrics.diversity.n=8", "data.resolution=32",
    ],
    "ghfeat_synthfaces": [
        "method.adversarial_stride=1", "tasks=few", "tasks.reconstruction_few.n=16",
    ],
    "contrafeat_synthfaces": [
        "metrics=edits", "metrics.shift.n=4", "metrics.identity=null", "metrics.linearity=null",
        "metrics.layers=null",
    ],
}  # fmt: skip
MADE = {
    "stylegan2_synthfaces": ("generator", ["StyleGAN2", "SynthFaces"], "g_ema", "paths", 11),
    "ghfeat_synthfaces": ("encoder", ["GHFeat", "SynthFaces", "teacher"], "encoder_ema", "", 0),
    "contrafeat_synthfaces": (
        "navigator", ["ContraFeat", "SynthFaces", "teacher"], "navigator", "traversals", 7,
    ),
}  # fmt: skip


def trained(folder: Path, experiment: str) -> tuple[dict[str, Any], wandb_files.Read]:
    """The result of a tiny run that logs to wandb, and what wandb has left of it."""
    gone = ("logger=", "metrics=", "tasks=")
    given = tiny.overrides(folder, "total_kimg=0.032", experiment=experiment)
    line = [text for text in given if not text.startswith(gone)] + FEW[experiment]
    line += ["logger=wandb", "logger.wandb=offline", "trainer.sample_kimg=0.016"]
    result = run(compose(line), line, exams)
    (left,) = folder.glob("*/*/wandb/offline-run-*")
    return result, wandb_files.read(left)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", MADE)
def test_an_offline_run_has_what_the_dashboard_shows(tmp_path: Path, experiment: str) -> None:
    result, found = trained(tmp_path, experiment)
    kind, tags, network, plays, frames = MADE[experiment]
    # What runs are grouped and found by.
    assert found.run.run_group == f"{experiment}/{result['run'].partition('-')[0]}"
    assert found.run.job_type == kind
    assert [*found.run.tags] == tags
    assert found.config["experiment"] == experiment
    assert found.config["seed"] == 0
    assert found.config["method"]["_target_"].endswith(tags[0])
    # Series over kimg.
    assert found.defined["progress/kimg"] == ""
    assert found.defined["*"] == "progress/kimg"
    series = [row for row in found.history if any(key.startswith("loss/") for key in row)]
    assert [row["progress/kimg"] for row in series] == [0.008, 0.016, 0.024, 0.032]
    # Numbers.
    values = {v["name"]: v["value"] for v in result["metrics"] if v["value"] is not None}
    assert values
    assert {name: found.summary[name] for name in values} == pytest.approx(values)
    shown = {key: value for row in found.history for key, value in row.items()}
    assert shown["metrics/_type"] == "table-file"
    rows = json.loads((found.files / shown["metrics/path"]).read_text())
    assert rows["columns"][0] == "name"
    assert [row[0] for row in rows["data"]] == [*values]
    # Pictures, still and moving.
    for name in result["pictures"]:
        if name.startswith("tasks/"):
            assert (found.files / shown[f"{name.removesuffix('.png')}/path"]).is_file()
    assert any(key.startswith("pictures/") for key in shown)
    if plays:
        assert shown[f"tasks/{plays}_moving/_type"] == "video-file"
        gif = Image.open(found.files / shown[f"tasks/{plays}_moving/path"])
        assert gif.n_frames == 2 * frames - 2
    # What real images look like, as it was measured with.
    references = [a for a in found.artifacts if a.type == "reference"]
    compared = any(name.startswith("fid") for name in values)
    assert [a.name.partition("-")[0] for a in references] == ["factornet"] * compared
    # The weights, and where they are from.
    (artifact,) = [a for a in found.artifacts if a.type == "model"]
    assert artifact.name == f"{experiment}-{result['run']}"
    about = json.loads(artifact.metadata)
    assert about["source"] == {"run": f"{experiment}/{result['run']}"}
    assert [entry.path for entry in artifact.manifest.contents] == ["networks.safetensors"]
    assert network in result["weights"]


def test_a_comparison_is_a_run_of_its_own(tmp_path: Path) -> None:
    table = [["arm", "fid ↓"], ["`plain`", "12.5"], ["`hsr`", "11"]]
    log_tables("offline", "ganfeat", "compare/hsr", tmp_path / "new", {"comparison": table})
    (left,) = tmp_path.glob("new/wandb/offline-run-*")
    found = wandb_files.read(left)
    assert found.run.job_type == "comparison"
    assert found.run.display_name == "compare/hsr"
    (row,) = [row for row in found.history if "comparison/path" in row]
    kept = json.loads((found.files / row["comparison/path"]).read_text())
    assert [kept["columns"], *kept["data"]] == table


@pytest.mark.slow
def test_weights_stay_here_where_nobody_wants_them_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        FEW, "stylegan2_synthfaces", [*FEW["stylegan2_synthfaces"], "logger.artifacts=false"]
    )
    _, found = trained(tmp_path, "stylegan2_synthfaces")
    assert [a for a in found.artifacts if a.type in ("model", "reference")] == []
