"""An artefact in one file, and back in one line."""

import json
import shutil
from pathlib import Path

import official
import pytest
import tiny
import torch

import ganfeat
from ganfeat import backbone
from ganfeat.backbone import Generator
from ganfeat.backbone.loading import NOT_SAID, licence_of
from ganfeat.backbone.navigator import Navigator
from ganfeat.encoders.ghfeat import GHFeatNet
from ganfeat.errors import UserError
from ganfeat.export import export, main
from ganfeat.networks import read_header, save_networks
from ganfeat.training.record import RunFolder


def run_of(folder: Path, experiment: str, *more: str) -> Path:
    """The folder of a finished tiny run."""
    line = tiny.overrides(folder, "total_kimg=0.016", *more, experiment=experiment)
    tiny.run(tiny.compose(line), line)
    return RunFolder(tiny.compose(line)).path


def test_a_navigator_needs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = backbone.load("embedded")
    save_networks(tmp_path / "mine.safetensors", {"g_ema": own}, {"licence": "for nobody"})
    run = run_of(
        tmp_path / "outputs", "navigator_synthfaces", "method=sefa",
        f"backbone.weights={tmp_path / 'mine.safetensors'}",
    )  # fmt: skip
    before = ganfeat.load(run)
    assert isinstance(before, Navigator)
    out = tmp_path / "edits.safetensors"
    main([str(run), str(out)])
    said = capsys.readouterr().out
    assert "Licence of the weights: for nobody" in said
    assert f'ganfeat.load("{out}")' in said
    shutil.rmtree(tmp_path / "outputs")
    (tmp_path / "mine.safetensors").unlink()
    found = ganfeat.load(out)
    assert isinstance(found, Navigator)
    ws = found.generator.broadcast(torch.randn(2, 128))
    torch.testing.assert_close(found.edits(ws), before.edits(ws))
    drawn = found.generator.synthesize(ws + found.edits(ws)[:, 0])
    torch.testing.assert_close(drawn, own.synthesize(ws + before.edits(ws)[:, 0]))
    assert isinstance(backbone.load(out), Generator)
    header = read_header(out)
    assert header["config"]["method"]["_target_"].endswith("SeFa")
    assert header["licence"] == "for nobody"
    assert header["card"].startswith("# navigator_synthfaces/")


def test_an_encoder_draws(tmp_path: Path) -> None:
    run = run_of(tmp_path / "outputs", "ghfeat_synthfaces", "method.adversarial_stride=1")
    before = ganfeat.load(run)
    assert isinstance(before, GHFeatNet)
    export(run, tmp_path / "a.safetensors")
    found = ganfeat.load(tmp_path / "a.safetensors")
    assert isinstance(found, GHFeatNet)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(found.rebuild(images), before.rebuild(images))
    assert read_header(tmp_path / "a.safetensors")["networks"].keys() == {"encoder_ema", "g_ema"}


def test_a_generator(tmp_path: Path) -> None:
    run = run_of(tmp_path / "outputs", "stylegan2_synthfaces")
    header = export(run, tmp_path / "g.safetensors")
    found = ganfeat.load(tmp_path / "g.safetensors")
    assert isinstance(found, Generator)
    torch.testing.assert_close(found.w_avg, backbone.load(run).w_avg)
    assert header["licence"] == "MIT"
    assert isinstance(ganfeat.load("embedded"), Generator)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no result\.json"):
        export(tmp_path, tmp_path / "a.safetensors")
    run = run_of(tmp_path / "outputs", "stylegan2_synthfaces")
    with pytest.raises(UserError, match="what is written is a safetensors file"):
        export(run, tmp_path / "a.pt")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        export(run, tmp_path / "file" / "a.safetensors")
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "status": "interrupted"}))
    with pytest.raises(UserError, match="is interrupted: run its training to the end"):
        export(run, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="nowhere does not exist"):
        ganfeat.load("nowhere")
    save_networks(tmp_path / "d.safetensors", {"d": backbone.load("embedded", "d")}, {})
    with pytest.raises(UserError, match="holds no generator, encoder or navigator; it holds: d"):
        ganfeat.load(tmp_path / "d.safetensors")


def test_licences() -> None:
    for name in ("embedded", "embedded_rooms", "untrained"):
        assert licence_of(name) == "MIT"


def test_what_begins_with_an_official_pickle_keeps_its_licence(tmp_path: Path) -> None:
    pickle = official.write(tmp_path / "ffhq.pkl", official.networks())
    licence = licence_of(pickle)
    assert "non-commercial" in licence
    like = ["backbone.generator.z_dim=6", "backbone.generator.w_dim=5"]
    like += [f"backbone.{name}.conv_clamp=256" for name in ("generator", "discriminator")]
    like += ["backbone.generator.use_noise=true", "backbone.discriminator.mapping_layers=8"]
    begun = [*like, f"init_from={pickle}"]
    run = run_of(tmp_path / "outputs", "stylegan2_synthfaces", *begun)
    weights = run / "checkpoints" / "networks.safetensors"
    assert [licence_of(file) for file in (run, weights)] == [licence, licence]
    assert export(run, tmp_path / "g.safetensors")["licence"] == licence
    for name, more in {"again": f"init_from={weights}", "on": f"resume={run}"}.items():
        line = [*like, more, "total_kimg=0.024"]
        later = run_of(tmp_path / name, "stylegan2_synthfaces", *line)
        assert licence_of(later / "checkpoints" / "networks.safetensors") == licence
    # A run of before this was written down says MIT.
    header = read_header(weights)
    old = {key: header[key] for key in ("source", "data")}
    save_networks(weights, {"g_ema": backbone.load(weights)}, {**old, "licence": "MIT"})
    assert licence_of(weights) == licence
    pickle.unlink()
    assert licence_of(weights) == NOT_SAID
