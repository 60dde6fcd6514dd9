"""Weights and cards of the package, made from finished runs."""

import json
import shlex
from functools import partial
from pathlib import Path

import pytest
import tiny
from ending import refused

from ganfeat import backbone
from ganfeat.config import compose
from ganfeat.data.drawn.visibility import visibility
from ganfeat.data.synthfaces import NAMES
from ganfeat.errors import UserError
from ganfeat.exams import exams
from ganfeat.features import FactorNet
from ganfeat.features.embedded import embedded
from ganfeat.loading import load_network
from ganfeat.networks import state_hash
from ganfeat.ship import Part, card_of, main, ship
from ganfeat.training.run import run


def test_an_encoder_and_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = tiny.overrides(
        tmp_path,
        "total_kimg=0.016",
        "metrics=factors",
        "metrics.reading.n=64",
        experiment="factornet_synthfaces",
    )
    result = run(compose(line), line, exams)
    folder = tiny.only(tmp_path, "result.json").parent
    weights = tmp_path / "weights"
    monkeypatch.setattr("ganfeat.ship.visibility", partial(visibility, n=50))
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
    assert "- Trained on `SynthFaces` with " in card
    assert "- Licence MIT\n" in card
    assert "split=judge" in card
    assert "| 64 | 64 of test |" in card
    assert all(f"| {name} | {scores[name]:.3f} |" in card for name in NAMES)
    assert "**Misses**: 37 of 37 visible factors are below 0.9" in card  # after eight images


def test_a_gan_in_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.train(tmp_path, "total_kimg=0.016")
    folder = tiny.only(tmp_path, "result.json").parent
    weights = tmp_path / "weights"
    main([str(folder), "--folder", str(weights)])
    monkeypatch.setattr("ganfeat.backbone.loading.WEIGHTS", weights)
    for name in ("g_ema", "d"):
        mine, theirs = backbone.load("embedded", name), load_network(folder, name)
        assert state_hash(mine) == state_hash(theirs)
    assert "# stylegan2_synthfaces\n" in (weights / "stylegan2_synthfaces.md").read_text()


DATA = {"_target_": "ganfeat.data.SynthFaces", "resolution": 64, "split": "train"}


def test_the_card_of_a_generator_names_what_it_misses() -> None:
    values = {"fid10k_x": 3.0, "fid10k_flat_x": 10.0, "recall10k_x": 0.6}
    rest = {"low": None, "high": None, "n": 1, "protocol": {}}
    arrays = {
        "coverage_spread_ratios": {"yaw": 0.7, "pitch": 1.1},
        "coverage_class_shares": {
            "hat": [[0.9, 0.1], [0.5, 0.5]],
            "beard": [[0.6, 0.4], [0.5, 0.5]],
        },
    }
    metrics = [{"name": name, "value": value, **rest} for name, value in values.items()]
    result = {
        "overrides": ["a=b"], "seed": 0, "kimg": 1.0, "seconds": 1.0, "commit": "c",
        "machine": {"device": "d", "cores": 2, "torch": "t"}, "metrics": metrics, "arrays": arrays,
    }  # fmt: skip
    part = Part("g.safetensors", "g_ema", FactorNet("n", [["a", "binary", 2]]))
    misses = [
        line for line in card_of(result, [part], {"data": DATA}).splitlines() if "**Miss**" in line
    ]
    assert misses == [
        "- **Miss**: yaw varies 0.70 times as much as in the data",
        "- **Miss**: hat 1 has 10.0% of the samples and 50.0% of the data",
        "- **Miss**: the distance is 0.30 of that of flat images, not a quarter",
    ]
    assert "- Licence unknown: ask" in card_of(result, [part], {"data": DATA})
    official = {"data": DATA, "licence": "of NVIDIA"}
    assert "- Licence of NVIDIA\n" in card_of(result, [part], official)
    better = {"fid10k_x": 2.0, "fid10k_flat_x": 10.0, "recall10k_x": 0.4}
    for value in metrics:
        value["value"] = better[str(value["name"])]
    arrays["coverage_spread_ratios"]["yaw"] = 0.9
    arrays["coverage_class_shares"]["hat"][0] = [0.7, 0.3]
    assert "- **Miss**: recall is 0.40, not above 0.5" in card_of(result, [part], {"data": DATA})
    metrics[2]["value"] = 0.7
    assert "It misses none of these." in card_of(result, [part], {"data": DATA})


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
    refused(main, [str(folder)])
    assert "only what a finished run trained is shipped" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"holds no result\.json"):
        ship(tmp_path)
