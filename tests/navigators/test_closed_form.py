"""Navigators that nothing trains, against eigenproblems solved by others."""

import numpy as np
import parity
import pytest
import torch

from ganfeat import backbone
from ganfeat.errors import UserError
from ganfeat.navigators.finder import everywhere
from ganfeat.navigators.ganspace import GANSpace
from ganfeat.navigators.latents import axes
from ganfeat.navigators.random import Random
from ganfeat.navigators.sefa import SeFa, factors, factors_of

GIVEN = {"weights": "embedded", "resolution": 32, "batch_size": 4, "seed": 0}


def arrays() -> dict[str, torch.Tensor]:
    return {k: torch.as_tensor(v) for k, v in parity.load("methods/navigators").items()}


def agree(found, directions: torch.Tensor, eigenvalues: torch.Tensor) -> None:
    """Sorted alike; directions of isolated eigenvalues up to their sign."""
    order = eigenvalues.argsort(descending=True)
    wanted = eigenvalues[order].float()
    torch.testing.assert_close(found.eigenvalues, wanted, rtol=1e-4, atol=1e-4)
    cosines = (found.directions * directions[order].float()).sum(dim=1).abs()
    gaps = torch.full_like(wanted, torch.inf)
    steps = wanted[:-1] - wanted[1:]
    gaps[:-1], gaps[1:] = steps, torch.minimum(gaps[1:], steps)
    isolated = (gaps > 1e-3) & (wanted > 1e-3)
    assert int(isolated.sum()) >= 6
    assert float(cosines[isolated].min()) > 0.999


@pytest.mark.parametrize("which", ["all", "first2", "last"])
def test_sefa_against_the_authors_arrays(which: str) -> None:
    a = arrays()
    layers = a[f"sefa.out.{which}.layers"].tolist()
    found = factors_of([a[f"sefa.in.affine.{i}"].float() for i in layers])
    agree(found, a[f"sefa.out.{which}.directions"], a[f"sefa.out.{which}.eigenvalues"])


def test_sefa_leaves_out_all_torgb_but_the_last() -> None:
    a = arrays()
    names = [k for k in a if k.startswith("sefa_ada.in.")]
    kept = [a[k] for k in names if "torgb" not in k or "b32" in k]
    found = factors_of([x.float() for x in kept])
    agree(found, a["sefa_ada.out.directions"], a["sefa_ada.out.eigenvalues"])


def test_sefa_of_a_generator() -> None:
    """Check U12: the eigenproblem by numpy, and what an edit is."""
    method = SeFa(semantics=10, **GIVEN)
    g = method.generator
    rows = [
        g.synthesis.get_submodule(f"{name}.affine").weight.detach().double().numpy()
        for name in g.style_names
        if "torgb" not in name or name == "b32.torgb"
    ]
    whole = np.concatenate([x / np.linalg.norm(x, axis=1, keepdims=True) for x in rows])
    _, singular, directions = np.linalg.svd(whole, full_matrices=False)
    found = factors(g)
    np.testing.assert_allclose(found.eigenvalues.numpy(), singular**2, rtol=1e-4)
    assert bool((found.eigenvalues.diff() <= 0).all())
    identity = torch.eye(len(found.directions))
    torch.testing.assert_close(found.directions @ found.directions.T, identity, atol=1e-5, rtol=0)
    np.testing.assert_allclose(
        np.abs((found.directions.numpy()[:10] * directions[:10]).sum(axis=1)), 1, atol=1e-4
    )
    table = method.fit()
    length = axes(g, 0).unit
    expected = everywhere(found.directions[:10], g.num_ws)
    torch.testing.assert_close(table / length, expected, rtol=1e-2, atol=1e-4)


def test_axes_are_principal() -> None:
    g = backbone.load("embedded").requires_grad_(False)
    found = axes(g, 0, 20_000)
    w = g.map(torch.randn(20_000, g.z_dim, generator=torch.Generator().manual_seed(9)))
    places = (w - found.mean) @ found.directions.T
    torch.testing.assert_close(places.std(dim=0)[:20], found.deviations[:20], rtol=0.05, atol=0)
    correlation = torch.corrcoef(places[:, :20].T) - torch.eye(20)
    assert float(correlation.abs().max()) < 0.05
    assert found.unit == pytest.approx(float(w.var(dim=0).mean().sqrt()), rel=0.02)
    table = GANSpace(semantics=3, **GIVEN).fit()
    torch.testing.assert_close(table[:, 0].norm(dim=1), found.deviations[:3], rtol=0.03, atol=0)


def test_random_directions_differ_with_the_seed_alone() -> None:
    one, again = (Random(semantics=4, **GIVEN).fit() for _ in range(2))
    other = Random(semantics=4, **(GIVEN | {"seed": 1})).fit()
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    rows = one[:, 3] / one[:, 3].norm(dim=1, keepdim=True)
    torch.testing.assert_close(rows @ rows.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", [GANSpace, Random, SeFa])
def test_more_than_there_are(method: type) -> None:
    with pytest.raises(UserError, match=r"method.semantics=129: choose at most 128, the number of"):
        method(semantics=129, **GIVEN)
