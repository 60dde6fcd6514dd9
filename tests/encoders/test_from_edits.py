"""The encoder that says how far along edits an image is."""

from pathlib import Path

import pytest
import tiny
import torch

from ganfeat.encoders.from_edits import EditNet, FromEdits
from ganfeat.errors import UserError
from ganfeat.features.embedded import embedded
from ganfeat.networks import save_networks, state_hash
from ganfeat.training.codes import random_codes
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

SMALL = {"widths": (8, 8, 16, 16), "dim": 48, "places": 4}
REST = {"total_kimg": 1, "batch_size": 16, "seed": 0, "resolution": 32}


@pytest.fixture
def method(tmp_path: Path) -> FromEdits:
    file = tmp_path / "navigator.safetensors"
    tiny.save_navigator(file, 2)
    return FromEdits(EditNet("edits", 2, **SMALL), navigator=str(file), **REST)


def test_it_does_not_learn_from_nothing(tmp_path: Path) -> None:
    navigator = tiny.save_navigator(tmp_path / "navigator.safetensors", 2)
    navigator.table.zero_()
    save_networks(tmp_path / "navigator.safetensors", {"navigator": navigator}, {"source": {}})
    with pytest.raises(UserError, match="tiny is not fitted yet"):
        FromEdits(
            EditNet("edits", 2, **SMALL), navigator=str(tmp_path / "navigator.safetensors"), **REST
        )


def test_it_learns_how_far(method: FromEdits) -> None:
    """Of the images of one batch, until it knows them; the frozen networks stay as they are."""
    draws = Draws((0, 0, "main"), 16)
    optimizer = torch.optim.Adam(method.network.parameters(), lr=3e-3)
    before = {name: state_hash(network) for name, network in method.frozen().items()}
    losses = []
    for _ in range(80):
        (loss,) = next(method.loss(Step({}, draws))).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.5
    assert losses[-1] < 0.2 * losses[0]
    assert before == {name: state_hash(network) for name, network in method.frozen().items()}
    assert all(p.grad is None for network in method.frozen().values() for p in network.parameters())


def test_knowing_nothing_costs_one(method: FromEdits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are even in [-1,1], of which 0 is the best guess."""
    monkeypatch.setattr(method.network, "embed", lambda images: torch.zeros(len(images), 2))
    (loss,) = next(method.loss(Step({}, Draws((0, 0, "main"), 512)))).values()
    assert float(loss) == pytest.approx(1, abs=0.1)


def test_a_step_is_as_long_as_it_says(method: FromEdits, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 1 moves w by ``reach`` usual deviations in the layer that the edit moves most.

    Images that are moved along both edits are still less unlike samples than other samples are.
    """
    navigator = method.frozen()["navigator"]
    g = navigator.generator
    w = g.map(torch.randn(5000, g.z_dim))
    moved = (method.unit[:, None, None] * navigator.table).norm(dim=2).amax(dim=1)
    usual = w.std(dim=0).square().mean().sqrt()
    torch.testing.assert_close(moved / usual, torch.full([2], 3.0), rtol=0.05, atol=0)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(
        method.network, "embed", lambda images: seen.append(images) or torch.zeros(len(images), 2)
    )
    next(method.loss(Step({}, Draws((0, 0, "main"), 64))))
    ws = g.broadcast(random_codes(g, Draws((0, 0, "main"), 64))[1][:, 0])
    own, looks = g.synthesize(ws).clamp(-1, 1), embedded("factornet")
    far = looks.distance(seen[0], own).mean() / looks.distance(own, own.roll(1, dims=0)).mean()
    assert 0.05 < float(far) < 0.7


def test_its_only_level(method: FromEdits) -> None:
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    assert {k: v.shape for k, v in method.network.encode(images).items()} == {"edits": (3, 2)}
    assert torch.equal(method.network.encode(images)["edits"], method.network.embed(images))
    assert torch.equal(method.network.look(images)[0], method.network.embed(images))


def test_what_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "navigator.safetensors"
    tiny.save_navigator(file, 2)
    with pytest.raises(UserError, match=r"has 2 edits: set backbone\.network\.edits=2"):
        FromEdits(EditNet("edits", 3, **SMALL), navigator=str(file), **REST)
    with pytest.raises(UserError, match="edits images of 32 px"):
        FromEdits(EditNet("edits", 2, **SMALL), navigator=str(file), **{**REST, "resolution": 64})
    with pytest.raises(UserError, match="does not exist"):
        FromEdits(EditNet("edits", 2, **SMALL), navigator=str(tmp_path / "nix"), **REST)
