"""Supervised and self-supervised encoders: their losses at known points, and whole tiny runs."""

import math
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import parity
import pytest
import tiny
import torch

from ganfeat.config import compose
from ganfeat.data import SynthFaces, SynthRooms
from ganfeat.encoders.encoder import Encoder
from ganfeat.encoders.supervised import (
    PARTS,
    FactorRegression,
    Parts,
    factor_loss,
    parts_loss,
)
from ganfeat.errors import Interrupted, UserError
from ganfeat.exams import exams
from ganfeat.features import ClassNet, FactorNet, SmallNet
from ganfeat.features.blocks import Standard
from ganfeat.features.embedded import embedded
from ganfeat.features.small import Column
from ganfeat.training.run import run

TINY = ["batch_size=8", "total_kimg=0.032", "threads=1", "device=cpu", "logger=csv"]
NARROW = ["backbone.network.widths=[8,8,16,16]", "backbone.network.dim=48"]


def train(folder: Path, experiment: str, *more: str) -> dict[str, Any]:
    line = [f"experiment={experiment}", *TINY, *NARROW, f"paths.outputs={folder}", *more]
    return run(compose(line), line)


@pytest.mark.parametrize(
    ("kind", "classes", "truth", "perfect", "clueless"),
    [
        ("continuous", 0, [0.5, -1.0], [[0.5], [-1.0]], None),
        ("binary", 2, [0.0, 1.0], [[-90.0], [90.0]], [[0.0], [0.0]]),
        ("categorical", 4, [2.0, 0.0], [[0, 0, 90.0, 0], [90.0, 0, 0, 0]], [[0.0] * 4] * 2),
        ("circular", 0, [0.0, math.pi / 2], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]] * 2),
    ],
)
def test_a_factor_costs_nothing_when_known_and_one_when_not(
    kind: str, classes: int, truth: Any, perfect: Any, clueless: Any
) -> None:
    column = Column("x", kind, classes)
    loss = lambda scores: factor_loss(torch.tensor(scores), torch.tensor(truth), column).item()  # noqa: E731
    assert loss(perfect) == pytest.approx(0, abs=1e-6)
    if clueless is not None:
        assert loss(clueless) == pytest.approx(1, rel=1e-5)


def test_a_uniform_factor_costs_one_when_its_mean_is_guessed() -> None:
    truth = torch.linspace(-1, 1, 10_001)
    loss = factor_loss(torch.zeros(10_001, 1), truth, Column("x", "continuous", 0))
    assert loss.item() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("kind", ["continuous", "binary", "categorical", "circular"])
def test_where_a_factor_means_nothing_it_costs_nothing(kind: str) -> None:
    column = Column("bed_place", kind, 2, "bed")
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn(6, column.width, generator=rng)
    truth = torch.tensor([0.0, 1, 1, 0, 1, 0])
    there = torch.tensor([1.0, 0, 1, 1, 0, 0])
    some = factor_loss(scores[there > 0], truth[there > 0], column)
    torch.testing.assert_close(factor_loss(scores, truth, column, there), some)
    assert factor_loss(scores, truth, column, torch.zeros(6)) == 0


def test_parts_cost_the_same_however_many_pixels_they_fill() -> None:
    truth = torch.zeros(2, 64, 64, dtype=torch.uint8)
    truth[:, :, 62:] = 3  # one column in 32
    logits = torch.zeros(2, PARTS, 32, 32)
    assert parts_loss(logits, truth).item() == pytest.approx(1, rel=1e-5)
    logits[:, 0] = 90  # right but for the small part
    assert parts_loss(logits, truth).item() == pytest.approx(90 / 2 / math.log(PARTS), rel=1e-5)
    logits[:, 3, :, 31], logits[:, 0, :, 31] = 90, 0
    assert parts_loss(logits, truth).item() == pytest.approx(0, abs=1e-6)


def test_parts_are_named_where_they_are() -> None:
    parts = Parts([8, 8, 8, 8], 2)
    maps = [torch.zeros(1, 8, side, side) for side in (32, 16, 8, 4)]
    still = parts(maps)
    maps[1][0, 0, 3, 5] = 1
    moved = (parts(maps) - still).abs().sum(dim=1)[0]
    assert {tuple(p) for p in moved.nonzero().tolist()} == {(6, 10), (6, 11), (7, 10), (7, 11)}


def test_the_learning_rate_rises_and_falls() -> None:
    encoder = SimpleNamespace(batch_size=100, warmup_kimg=1.0, total_kimg=10.0)
    rate = lambda images: Encoder.schedule(SimpleNamespace(**vars(encoder), images_seen=images))  # type: ignore[arg-type]  # noqa: E731
    assert rate(0) == pytest.approx(0.1)
    assert rate(900) == pytest.approx((1 + math.cos(0.09 * math.pi)) / 2)
    assert rate(5000) == pytest.approx(0.5)
    assert rate(10_000) == pytest.approx(0)


@pytest.mark.parametrize(
    ("experiment", "kind"),
    [
        ("factornet_synthfaces", FactorNet),
        ("scorer_synthfaces", FactorNet),
        ("teacher_synthfaces", SmallNet),
    ],
)
def test_a_run_leaves_a_network_that_loads(tmp_path: Path, experiment: str, kind: type) -> None:
    result = train(tmp_path, experiment)
    folder = next(tmp_path.glob(f"{experiment}/*-s*/"))
    assert result["status"] == "finished"
    found = embedded("any", str(folder))
    weights = embedded("any", str(folder / "checkpoints/networks.safetensors"))
    assert type(found) is kind
    assert found.name == experiment.partition("_")[0]
    images = SynthFaces("val", 32).__getitems__(range(4))["image"]
    assert torch.equal(found.embed(images), weights.embed(images))


def test_rooms_are_learnt_with_what_is_known_of_them(tmp_path: Path) -> None:
    """No people, corners for landmarks; metrics count a bed's place where there is a bed."""
    line = tiny.overrides(
        tmp_path, "total_kimg=0.016", "metrics=factors", "metrics.reading.n=64",
        "backbone.network.places=8", experiment="roomnet_synthrooms",
    )  # fmt: skip
    result = run(compose(line), line, exams)
    assert [v["name"] for v in result["metrics"]] == ["reading64_roomnet", "layout64_roomnet"]
    assert {*result["arrays"]["reading"]} == {*SynthRooms().table.names}
    found: Any = embedded("any", str(tiny.only(tmp_path, "result.json").parent))
    needs = {column.name: column.needs for column in found.columns if column.needs}
    assert needs["bed_place"] == "bed"
    assert needs["curtain_hue"] == "window"
    assert "bed_place" not in found.attributes
    assert "bed" in found.attributes
    with pytest.raises(UserError, match=r"no layout.*data\.extras=\[factors,layout,mask\]"):
        tiny.train(tmp_path / "b", "data.extras=[factors,mask]", experiment="roomnet_synthrooms")


def test_cifarnet_learns_from_labels(tmp_path: Path) -> None:
    path = parity.shared("data/cifar10-test.zip")
    train(tmp_path, "cifarnet_cifar10", f"data.path={path}")
    found = embedded("cifarnet", str(next(tmp_path.glob("cifarnet_cifar10/*-s*/"))))
    assert isinstance(found, ClassNet)
    assert found.classes == 10
    with pytest.raises(UserError, match=r"data\.labels=true"):
        train(tmp_path, "cifarnet_cifar10", f"data.path={path}", "data.labels=false")


def test_factors_need_drawn_images_and_their_truth(tmp_path: Path, photographs: Path) -> None:
    with pytest.raises(UserError, match=r"identity.*data\.extras=\[factors"):
        train(tmp_path, "factornet_synthfaces", "data.extras=[factors]")


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "a", "factornet_synthfaces")
    untouched = FactorRegression.loss

    def loss(self: FactorRegression, step: Any) -> Any:
        if self.iteration == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        yield from untouched(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(FactorRegression, "loss", loss)
        with pytest.raises(Interrupted):
            train(tmp_path / "b", "factornet_synthfaces")
    assert train(tmp_path / "b", "factornet_synthfaces")["weights"] == whole["weights"]


def test_running_means_stand_still_in_the_last_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[int] = []
    untouched = Standard.update

    def update(self: Standard, x: torch.Tensor) -> None:
        moved.append(len(x))
        untouched(self, x)

    monkeypatch.setattr(Standard, "update", update)
    train(tmp_path, "factornet_synthfaces", "total_kimg=0.168")
    assert moved == [8] * 19  # of 21 iterations
