"""Boundaries against the authors' arrays, and against an attribute that is known to be linear."""

import json
from pathlib import Path

import numpy as np
import parity
import pytest
import tiny
import torch

from ganfeat.backbone.navigator import Edits
from ganfeat.errors import UserError
from ganfeat.features.embedded import embedded
from ganfeat.loading import load_network
from ganfeat.navigators.boundaries import conditional, fit, split, without
from ganfeat.navigators.higan import HiGAN, block
from ganfeat.navigators.interfacegan import InterFaceGAN
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

GIVEN = {
    "weights": "embedded", "resolution": 32, "batch_size": 50, "seed": 0,
    "features": lambda: embedded("scorer"), "columns": embedded("scorer").columns,
}  # fmt: skip


def arrays() -> dict[str, np.ndarray]:
    return parity.load("methods/navigators")


@pytest.mark.parametrize(("name", "each"), [("ratio0.25", 100), ("num50", 50), ("ratio0.02", 8)])
def test_svm_against_the_authors_arrays(name: str, each: int) -> None:
    a = arrays()
    wanted = {k.removeprefix(f"ifg.out.{name}."): v for k, v in a.items() if f".{name}." in k}
    codes, scores = a["ifg.in.codes"].astype(float), a["ifg.in.scores"].astype(float)
    parts = split(scores, each, np.random.RandomState(int(a["ifg.in.numpy_seed"])))
    for found, rows in (
        (parts.much, "train_pos"), (parts.little, "train_neg"), (parts.held_much, "val_pos"),
        (parts.held_little, "val_neg"), (parts.rest, "remaining"),
    ):  # fmt: skip
        assert np.array_equal(found, wanted[rows])
    assert parts.threshold == pytest.approx(float(wanted["remaining_threshold"]))
    found = fit(codes, scores, parts, "svm")
    assert found.normal @ wanted["boundary"][0] > 0.9999
    length = np.linalg.norm(wanted["svm_coef"])
    assert found.intercept == pytest.approx(wanted["svm_intercept"][0] / length, abs=2e-3)
    assert found.confident == pytest.approx(float(wanted["acc_validation"]), abs=1e-6)
    assert found.rest == pytest.approx(float(wanted["acc_remaining"]), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_conditions_against_the_authors_arrays(count: int) -> None:
    a = arrays()
    normals = a["proj.in.normals"].astype(float)
    found = conditional(normals[0], normals[1 : 1 + count])
    np.testing.assert_allclose(found, a[f"proj.out.cond{count}"][0], atol=1e-4)
    np.testing.assert_allclose(normals[1 : 1 + count] @ found, 0, atol=1e-12)


def test_distances_against_the_authors_arrays() -> None:
    """Absolute ones are where what a code had along the normal is taken out; ours are relative."""
    a = arrays()
    normal, z = a["proj.in.normals"][:1].astype(float), a["lerp.in.z"].astype(float)
    found = without(z, normal) + np.linspace(-3, 3, 10)[:, None] * normal
    np.testing.assert_allclose(found, a["lerp.out.z_absolute"], atol=1e-4)
    navigator = Edits(["normal"], 4, 16)
    navigator.table.copy_(torch.from_numpy(normal)[:, None])
    ways = navigator.along(torch.from_numpy(a["lerp.in.wplus"]), torch.tensor([2.0]), 5)
    np.testing.assert_allclose(ways[0, 0], a["lerp.out.wplus_relative"], atol=1e-4)


@pytest.mark.parametrize(
    ("estimator", "cosine"), [("svm", 0.948), ("mean", 0.986), ("least_squares", 0.999)]
)
def test_a_noisy_linear_attribute(estimator: str, cosine: float) -> None:
    """A row of the notes' calibration table: 50,000 codes, 5,000 an end, noise of 0.5."""
    rng = np.random.RandomState(0)
    codes, normal = rng.randn(50_000, 512), np.eye(512)[0]
    scores = codes @ normal + 0.5 * rng.randn(50_000)
    found = fit(codes, scores, split(scores, 5000, rng), estimator)  # type: ignore[arg-type]
    assert found.normal @ normal == pytest.approx(cosine, abs=0.01)
    assert found.confident > 0.98
    if estimator == "svm":
        assert found.rest == pytest.approx(0.780, abs=0.02)


def test_boundaries_in_less_dimensions() -> None:
    """Without noise, of 64 numbers: 20,000 codes, 400 an end."""
    rng = np.random.RandomState(0)
    codes = rng.randn(20_000, 64)
    scores = codes[:, 0]
    parts = split(scores, 400, rng)
    for estimator, cosine in (("svm", 0.999), ("mean", 0.993), ("least_squares", 1.0)):
        assert fit(codes, scores, parts, estimator).normal[0] == pytest.approx(cosine, abs=5e-3)


def test_what_is_no_boundary() -> None:
    codes, scores = np.random.RandomState(0).randn(100, 4), np.arange(100.0)
    for each in (0, 1, 50):
        with pytest.raises(UserError, match="no basis for a boundary"):
            split(scores, each, np.random.RandomState(0))
    parts = split(scores, 20, np.random.RandomState(0))
    with pytest.raises(UserError, match="do not depend on the code"):
        fit(np.ones_like(codes), scores, parts, "mean")
    with pytest.raises(UserError, match="nothing is left"):
        conditional(np.eye(4)[0], np.eye(4)[:2])


# The methods, on the embedded generator.


def run(method, iterations: int) -> None:
    """As training runs them, without Lightning."""
    for i in range(iterations):
        method.iteration = i
        for _ in method.fitted(Step({}, Draws((0, i, "fit"), method.batch_size))):
            pass
        method.end_iteration()


def test_interfacegan_finds_a_known_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that are linear in w: their normals are known."""
    method = InterFaceGAN(
        total_kimg=2, semantics=2, attributes=["glasses", "smile", "yaw"], confident=0.1,
        estimator="least_squares", **GIVEN,
    )  # fmt: skip
    g = method.generator
    known = torch.linalg.qr(torch.randn(g.w_dim, 3))[0].T
    monkeypatch.setattr(method, "score", lambda ws: ws[:, 0] @ known.T + torch.tensor([0, 0, 9.0]))
    run(method, method.iterations)
    chosen = method.chosen.tolist()
    assert method.navigator.labels == [method.attributes[i] for i in chosen]
    for row, i in zip(method.navigator.table, chosen, strict=True):
        assert torch.equal(row[0], row[-1])
        assert float(row[0] @ known[i] / row[0].norm()) > 0.999
    found = method.findings()
    assert min(found["boundary_rest_w"]) > 0.9
    assert np.array(found["boundary_cosines_z"]).shape == (3, 3)
    assert min(found["boundary_rest_w"]) > max(found["boundary_rest_z"])


def test_conditions_are_projected_out(monkeypatch: pytest.MonkeyPatch) -> None:
    method = InterFaceGAN(
        total_kimg=1, semantics=2, attributes=["glasses", "smile"], confident=0.1,
        conditions=["smile"], **GIVEN,
    )  # fmt: skip
    monkeypatch.setattr(method, "score", lambda ws: ws[:, 0, :2] + ws[:, 0, 1:3])
    run(method, method.iterations)
    edits = dict(zip(method.navigator.labels, method.navigator.table[:, 0], strict=True))
    cosine = torch.cosine_similarity(edits["glasses"], edits["smile"], dim=0)
    assert float(cosine) == pytest.approx(0, abs=1e-5)


def test_higan_finds_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three attributes, each read from other layers; a fourth that nothing moves is left out."""
    method = HiGAN(
        total_kimg=4, rescored=100, probed=100, semantics=3, confident=0.1,
        attributes=["glasses", "smile", "yaw", "roll"], **GIVEN,
    )  # fmt: skip
    g = method.generator
    known = torch.linalg.qr(torch.randn(g.w_dim, 3))[0].T
    groups = ((0, 1), (2, 5), (7, 7))

    def score(ws: torch.Tensor) -> torch.Tensor:
        read = [ws[:, a : b + 1].mean(dim=1) @ v for (a, b), v in zip(groups, known, strict=True)]
        return torch.stack([*read, torch.randn(len(ws))], dim=1)

    monkeypatch.setattr(method, "score", score)
    run(method, method.iterations)
    assert sorted(method.chosen.tolist()) == [0, 1, 2]
    for row, i in zip(method.navigator.table, method.chosen.tolist(), strict=True):
        inside = row.norm(dim=1) > 0
        assert inside.nonzero().flatten().tolist() == [*range(groups[i][0], groups[i][1] + 1)]
        assert float(row[inside][0].norm()) == pytest.approx(method.length, rel=1e-4)
    found = method.findings()
    assert len(found["higan_chance"]) == 4
    assert np.array(found["higan_layers"]).shape == (3, g.num_ws)


def test_a_block_of_layers() -> None:
    gains = torch.tensor([0.9, 0.1, 0.6, 1.0, 0.5, 0.2, 0.8])
    assert block(gains).tolist() == [0, 0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("method", ["interfacegan", "higan"])
def test_a_run_that_was_stopped_while_it_was_measured(tmp_path: Path, method: str) -> None:
    """What edits are called came to light in it; the same command goes on all the same."""
    line = [
        f"method={method}", "method.confident=0.25", "total_kimg=0.048",
        *(["method.rescored=8", "method.probed=8"] if method == "higan" else []),
    ]  # fmt: skip
    once = tiny.train(tmp_path, *line, experiment="navigator_synthfaces")
    file = tiny.only(tmp_path, "result.json")
    file.write_text(json.dumps({**once, "status": "interrupted"}))
    again = tiny.train(tmp_path, *line, experiment="navigator_synthfaces")
    assert again["status"] == "finished"
    assert again["weights"] == once["weights"]
    key = "boundary_rest_w" if method == "interfacegan" else "higan_layers"
    assert again["arrays"][key] == once["arrays"][key]
    labels = load_network(tiny.only(tmp_path, "networks.safetensors"), "navigator").labels
    assert set(labels) < set(embedded("scorer").attributes)


def test_codes_follow_from_the_seed() -> None:
    """What is scored in shares is what one process scores."""
    whole, parts = (InterFaceGAN(total_kimg=0.1, semantics=2, confident=0.1, **GIVEN) for _ in "ab")
    whole.look(Draws((0, 0, "fit"), 50))
    for offset in (0, 1):
        parts.look(Draws((0, 0, "fit"), 50, offset=offset, stride=2))
    torch.testing.assert_close(whole.scores, parts.scores, atol=1e-4, rtol=1e-4)
    _, w = whole.latents()
    g = whole.generator
    again = whole.score(g.broadcast(torch.from_numpy(w[:50]).float()))
    torch.testing.assert_close(again, whole.scores[:50], atol=1e-4, rtol=1e-4)


def test_what_cannot_be() -> None:
    for more, message in (
        ({"features": None}, "is fitted on the scores of attributes"),
        ({"features": lambda: embedded("teacher")}, "teacher, which scores none"),
        ({"columns": None}, "scorer reads factors that these data do not have"),
        ({"attributes": ["hunger"]}, "has hunger: scorer scores yaw"),
        (
            {"semantics": 40},
            "method.semantics=40: choose at most 34, the number of attributes to score with scorer",
        ),
        ({"attributes": ["smile", "yaw", "smile"]}, "method.attributes has smile twice"),
        ({"total_kimg": 0.05}, "1 confident codes at each end of 50"),
        ({"conditions": ["hunger"]}, "method.conditions has hunger"),
    ):
        given = {**GIVEN, "total_kimg": 1, **more}
        with pytest.raises(UserError, match=message):
            InterFaceGAN(**given)
    with pytest.raises(UserError, match="leaves nothing to score: 2000 start codes"):
        HiGAN(total_kimg=2, **GIVEN)
