"""Weights and cards of the package, made from finished runs."""

import json
import shlex
from pathlib import Path

import pytest
import tiny

from ganfeat import backbone
from ganfeat.config import compose
from ganfeat.data.synthfaces import NAMES
from ganfeat.errors import UserError
from ganfeat.evaluate import exams
from ganfeat.features import FactorNet
from ganfeat.features.embedded import embedded
from ganfeat.loading import load_network
from ganfeat.networks import state_hash
from ganfeat.ship import main, ship
from ganfeat.training.run import run


def test_an_encoder_and_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = tiny.overrides(
        tmp_path, "total_kimg=0.016", "metrics.reading.n=64", experiment="factornet_synthfaces"
    )
    result = run(compose(line), line, exams)
    folder = tiny.only(tmp_path, "result.json").parent
    weights = tmp_path / "weights"
    files = [path.name for path in ship(folder, weights)]
    assert files == ["factornet.safetensors", "factornet.md"]
    monkeypatch.setattr("ganfeat.features.embedded.WEIGHTS", weights)
    network = embedded("factornet")
    assert isinstance(network, FactorNet)
    assert state_hash(network) == result["weights"]["encoder_ema"]
    card = (weights / "factornet.md").read_text()
    assert f"`python train.py {shlex.join(line)}`, seed 0" in card
    assert "reading64_factornet" in card
    scores = result["arrays"]["reading"]
    assert all(f"| {name} | {scores[name]:.3f} |" in card for name in NAMES)
    assert "**Misses**: 37 of 37 visible factors are below 0.9" in card  # after eight images


def test_a_gan_in_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.train(tmp_path, "total_kimg=0.016")
    folder = tiny.only(tmp_path, "result.json").parent
    weights = tmp_path / "weights"
    assert main([str(folder), "--folder", str(weights)]) == 0
    for name, file in (("g_ema", "FACES"), ("d", "FACES_D")):
        path = weights / f"stylegan2_synthfaces{'_d' * (name == 'd')}.safetensors"
        monkeypatch.setattr(f"ganfeat.backbone.loading.{file}", path)
        mine, theirs = backbone.load("embedded", name), load_network(folder, name)
        assert state_hash(mine) == state_hash(theirs)
    assert "# stylegan2_synthfaces\n" in (weights / "stylegan2_synthfaces.md").read_text()


def test_what_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.train(tmp_path, "total_kimg=0.016")
    folder = tiny.only(tmp_path, "result.json").parent
    monkeypatch.setattr("ganfeat.ship.LARGEST", 1000)
    with pytest.raises(UserError, match=r"stylegan2_synthfaces.safetensors has .* MB of numbers"):
        ship(folder, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "status": "interrupted"}))
    assert main([str(folder)]) == 1
    assert "only what a finished run trained is shipped" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"holds no result\.json"):
        ship(tmp_path)
