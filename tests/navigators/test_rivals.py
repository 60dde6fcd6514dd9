"""LatentCLR and Voynov against the authors' arrays, and against edits that are known."""

import parity
import pytest
import torch

from ganfeat.errors import UserError
from ganfeat.navigators.latentclr import LatentCLR, contrast, divergences
from ganfeat.navigators.semantics import Semantics
from ganfeat.navigators.voynov import Deformed, Telling, Voynov, rotation, steps, stretched
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

GIVEN = {"weights": "embedded", "resolution": 32, "batch_size": 4, "seed": 0}
BOUND = {"rtol": 2e-5, "atol": 2e-5}
FORMS = [("absolute", "mean"), ("absolute", "sum"), ("signed", "mean"), ("signed", "sum")]


def arrays(part: str) -> dict[str, torch.Tensor]:
    loaded = parity.load("methods/navigators")
    start = f"{part}."
    return {
        k.removeprefix(start): torch.as_tensor(v) for k, v in loaded.items() if k.startswith(start)
    }


def short(similarity: str) -> str:
    return {"absolute": "abs", "signed": "signed"}[similarity]


# LatentCLR.


@pytest.mark.parametrize(("similarity", "average"), FORMS)
def test_contrast_against_the_authors_arrays(similarity: str, average: str) -> None:
    a = arrays("lclr")
    changes = a["in.divergence_given"].clone().requires_grad_(True)
    loss, right = contrast(changes, 4, similarity, average)  # type: ignore[arg-type]
    name = f"out.{short(similarity)}_{average}"
    torch.testing.assert_close(loss, a[f"{name}.loss"], **BOUND)
    assert float(right) == float(a[f"{name}.acc"])
    loss.backward()
    torch.testing.assert_close(changes.grad, a[f"{name}.grad"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("similarity", ["absolute", "signed"])
def test_from_maps_against_the_authors_arrays(similarity: str) -> None:
    a = arrays("lclr")
    after = a["in.feat_shifted"].clone().requires_grad_(True)
    changes = divergences([a["in.feat_orig"]], [after])
    torch.testing.assert_close(changes, a["out.divergence"], **BOUND)
    loss, right = contrast(changes, 4, similarity, "mean")  # type: ignore[arg-type]
    name = f"out.from_features_{short(similarity)}_mean"
    torch.testing.assert_close(loss, a[f"{name}.loss"], **BOUND)
    assert float(right) == float(a[f"{name}.acc"])
    loss.backward()
    torch.testing.assert_close(after.grad, a[f"{name}.grad_shifted"], rtol=1e-4, atol=1e-4)


def test_global_directions_against_the_authors_arrays() -> None:
    """Codes shifted by 0.1 along directions of length 1, by direction first."""
    a = arrays("lclr")
    navigator = Semantics(4, 1, 16, attention="uniform")
    with torch.no_grad():
        navigator.coordinates.copy_(a["in.params"])
    moves = 0.1 * 16**-0.5 * navigator.edits(a["in.z"][:, None])[:, :, 0]  # [N,K,D]
    found = (a["in.z"][:, None] + moves).swapaxes(0, 1).flatten(0, 1)
    torch.testing.assert_close(found, a["out.z_shifted"], **BOUND)


def test_length_of_an_edit() -> None:
    """So many usual deviations of w, in every layer."""
    method = LatentCLR(semantics=3, step=2.0, **GIVEN)
    seen = []
    method.generator.maps = lambda ws, count: (
        seen.append(ws)
        or [  # type: ignore[method-assign]
            ws.flatten(1) + 0 * method.navigator.coordinates.sum()
        ]
    )
    next(method.loss(Step({}, Draws((0, 0, "main"), 4))))
    before, after = seen
    moves = after.view(3, 4, *before.shape[1:]) - before
    torch.testing.assert_close(
        moves.norm(dim=3), torch.full(moves.shape[:3], 2.0) * method.navigator.unit,
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip


def test_maps_are_those_of_the_whole_image() -> None:
    g = LatentCLR(semantics=3, **GIVEN).generator
    ws = g.broadcast(g.map(torch.randn(2, g.z_dim)))
    _, taps = g.synthesize(ws, taps=(4, 8, 16))
    for found, wanted in zip(g.maps(ws, 3), taps.values(), strict=True):
        assert torch.equal(found, wanted)


# Voynov and Babenko.


def test_steps_against_the_authors_arrays() -> None:
    a = arrays("voy")
    found = steps(a["in.uniform01"], 6.0, 0.5)
    torch.testing.assert_close(found, a["out.shift"], rtol=0, atol=1e-6)
    where = torch.zeros_like(a["out.z_shift"])
    where[torch.arange(12), a["in.k"]] = found
    torch.testing.assert_close(where, a["out.z_shift"], rtol=0, atol=1e-6)


def test_losses_against_the_authors_arrays() -> None:
    a = arrays("voy")
    logits, said = (a[f"in.{k}"].clone().requires_grad_(True) for k in ("logits", "shift_pred"))

    class Told(torch.nn.Module):
        def forward(self, before: torch.Tensor, after: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return logits, said

    method = Voynov(semantics=7, subspace=9, **{**GIVEN, "batch_size": 12})
    method.telling = Told()  # type: ignore[assignment]

    class Given(Draws):
        def randint(self, purpose: str, high: int, *shape: int) -> torch.Tensor:
            return a["in.k"]

        def rand(self, purpose: str, *shape: int) -> torch.Tensor:
            return a["in.uniform01"]

    losses = next(method.loss(Step({}, Given((0, 0, "main"), 12))))
    torch.testing.assert_close(losses["which"], a["out.label_loss"], **BOUND)
    torch.testing.assert_close(losses["length"], a["out.shift_loss"], **BOUND)
    torch.testing.assert_close(sum(losses.values()), a["out.total"], **BOUND)
    sum(losses.values()).backward()
    torch.testing.assert_close(logits.grad, a["out.grad.logits"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(said.grad, a["out.grad.shift_pred"], rtol=1e-4, atol=1e-6)
    assert method.terms.drain()["accuracy"] == pytest.approx(float(a["out.accuracy"]))


def test_deformators_against_the_authors_arrays() -> None:
    """Their start at the identity (``deform_*_init_W``) is not built: released runs are random."""
    a = arrays("voy")
    given, matrix, bias = (a[f"in.deform_{k}"] for k in ("input", "W", "b"))
    torch.testing.assert_close(
        stretched(given, matrix, None) + bias, a["out.deform_linear"], **BOUND
    )
    torch.testing.assert_close(stretched(given, matrix, bias), a["out.deform_projective"], **BOUND)
    turned = a["out.z_shift"] @ rotation(a["in.ortho_half_log"]).T
    torch.testing.assert_close(turned, a["out.deform_ortho"], **BOUND)


@pytest.mark.parametrize("deformator", ["ortho", "projective", "linear"])
def test_edits_are_what_is_trained(deformator: str) -> None:
    """A unit of an edit, in all layers, within the span of the axes."""
    found = Deformed(3, 8, axes=5, w_dim=12, deformator=deformator)  # type: ignore[arg-type]
    found.basis.copy_(torch.linalg.qr(torch.randn(12, 5))[0].T)
    found.unit.fill_(2.0)
    rows = found.edits(torch.zeros(2, 8, 12))
    assert rows.shape == (2, 3, 8, 12)
    torch.testing.assert_close(rows[1, :, 7], found.moves(torch.eye(3)))
    inside = rows[0, :, 0] @ found.basis.T @ found.basis
    torch.testing.assert_close(inside, rows[0, :, 0])
    if deformator != "linear":
        torch.testing.assert_close(rows[0, :, 0].norm(dim=1), torch.full([3], 2.0))
    if deformator == "ortho":
        torch.testing.assert_close(rows[0, :, 0] @ rows[0, :, 0].T, 4 * torch.eye(3))


@pytest.mark.parametrize(("kind", "side"), [("lenet", 32), ("resnet18", 64)])
def test_telling(kind: str, side: int) -> None:
    """One image more in the batch changes nothing; what differs between the images does."""
    network = Telling(5, kind)  # type: ignore[arg-type]
    before, after = torch.randn(2, 3, 3, side, side)
    logits, lengths = network(before, after)
    assert (logits.shape, lengths.shape) == ((3, 5), (3,))
    torch.testing.assert_close(network(before[:2], after[:2])[0], logits[:2], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(after, before)[0], logits)


def test_what_cannot_be() -> None:
    for make, more, message in (
        (LatentCLR, {"blocks": 5}, "method.blocks=5: embedded has 4 blocks"),
        (LatentCLR, {"directions": "subspace", "subspace": 129}, "method.subspace=129: choose at"),
        (LatentCLR, {"directions": "subspace"}, "go together: directions=subspace, subspace=null"),
        (LatentCLR, {"subspace": 5}, "go together: directions=free, subspace=5"),
        (Voynov, {"subspace": 129}, "method.subspace=129: choose at most 128, the number of axes"),
        (Voynov, {"semantics": 9, "subspace": 8}, "method.semantics=9: choose at most 8"),
        (Voynov, {"subspace": 40, "reach": 0.2}, "method.least=0.5 must be at most"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message.replace(".", r"\.")):
            make(**{**GIVEN, **more})
