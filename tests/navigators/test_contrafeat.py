"""ContraFeat's training: on the embedded generator, and on one whose edits are known."""

from collections.abc import Collection
from functools import cache

import numpy as np
import pytest
import torch
from linear_faces import FACTORS, VECTORS, Convolutions, LinearFaces
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from ganfeat import backbone
from ganfeat.errors import UserError
from ganfeat.features.embedded import embedded
from ganfeat.metrics.shift import coverage, gap
from ganfeat.navigators.contrafeat import ContraFeat
from ganfeat.navigators.finder import everywhere
from ganfeat.networks import state_hash
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

CONTRASTS = ("binary", "prototype")
TERMS = ("same", "other", "diversity")


def losses(method: ContraFeat, iteration: int) -> dict[str, Tensor]:
    draws = Draws((method.seed, iteration, "main"), method.batch_size)
    (found,) = method.loss(Step({}, draws))
    return found


def update(method: ContraFeat, count: int, terms: Collection[str] = TERMS) -> ContraFeat:
    """So many updates, by these terms of the loss."""
    parameters = method.parameters_of("navigator")
    optimizer = method.optimizer(parameters, 1.0)
    for i in range(count):
        found = losses(method, i)
        optimizer.zero_grad()
        torch.stack([found[term] for term in terms]).sum().backward()
        optimizer.step()
    return method


def on_embedded(**more: object) -> ContraFeat:
    given = {
        "weights": "embedded", "resolution": 32, "batch_size": 4, "seed": 0, "semantics": 3,
        "subspace": 10, "features": lambda: embedded("teacher"), "layers": [1, 2, 3],
    }  # fmt: skip
    return ContraFeat(**(given | more))


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_only_what_is_learnt_changes(contrast: str) -> None:
    """Check U9."""
    method = on_embedded(contrast=contrast)
    before = {name: state_hash(network) for name, network in method.frozen().items()}
    update(method, 20)
    names = ["navigator.coordinates", "navigator.logits"]
    names += ["prototypes.images"] if contrast == "prototype" else []
    parameters = [method.get_parameter(name) for name in names]
    assert len(parameters) == len(method.parameters_of("navigator"))
    found = losses(method, 20)
    for term in ("same", "other"):
        for gradient in torch.autograd.grad(found[term], parameters, retain_graph=True):
            assert float(gradient.abs().max()) > 0
    assert {name: state_hash(network) for name, network in method.frozen().items()} == before
    for network in method.frozen().values():
        assert all(parameter.grad is None for parameter in network.parameters())


def test_a_map_of_one_pixel() -> None:
    """Check U10."""
    given = {"features": lambda: Convolutions(4, 4, 4, 4, 4), "layers": [4]}
    with pytest.raises(UserError, match=r"map 4 of convolutions has one pixel .* leave it out of"):
        on_embedded(**given)
    found = losses(on_embedded(**given, pooled=True), 0)
    assert float(found["same"].detach()) < 0


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_seed_says_all(contrast: str) -> None:
    """Check U13."""
    one, again, other = (
        update(on_embedded(contrast=contrast, seed=seed), 10).navigator.table()
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


# Where everything is known. Thresholds are those of methods/contrafeat.md, section 10. Of the seeds
# 0 to 5 number 4 misses S2 (binary 0.88, prototype 0.895, where 5 factors are found), and number 3
# misses S4 (binary: 4 factors are left).


@cache
def learnt(contrast: str, *terms: str, seed: int = 0) -> ContraFeat:
    """As many edits as there are factors, free in direction and layers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone, "load_for", lambda *_: LinearFaces())
        method = ContraFeat(
            weights="", resolution=24, batch_size=16, seed=seed, semantics=FACTORS,
            features=lambda: Convolutions(16, 32, 64, 64), layers=[2, 3], contrast=contrast,
            directions="free", attention="plain",
        )  # fmt: skip
    return update(method, 800, terms or TERMS)


@torch.no_grad()
def shifts(table: Tensor) -> NDArray[np.float64]:
    """What edits [K,L,D] do to the factors: sizes of mean changes [K,J]."""
    faces = LinearFaces()
    rng = torch.Generator().manual_seed(0)
    ws = faces.broadcast(torch.randn(1000, faces.w_dim, generator=rng))
    moves = [(faces.factors(ws + e) - faces.factors(ws - e)).mean(dim=0) for e in table]
    return torch.stack(moves).abs().double().numpy()


def matched(method: ContraFeat) -> tuple[Tensor, Tensor]:
    """The layer and the vector of the factor that each edit stands for, [K] each."""
    rows = shifts(method.navigator.table())
    rows /= rows.max(axis=1, keepdims=True)
    _, factors = linear_sum_assignment(rows, maximize=True)
    return torch.tensor(factors // VECTORS), torch.tensor(factors % VECTORS)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_attention_finds_the_layer(contrast: str) -> None:
    """Check S1."""
    method = learnt(contrast)
    layers, _ = matched(method)
    mass = method.navigator.attention().gather(1, layers[:, None])
    assert float((mass > 0.8).float().mean()) >= 0.75


@pytest.mark.slow
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_directions_are_the_true_ones(contrast: str) -> None:
    """Check S2."""
    method = learnt(contrast)
    _, vectors = matched(method)
    true = LinearFaces().vectors[vectors]
    cosines = F.cosine_similarity(method.navigator.directions().detach(), true).abs()
    assert float(cosines.mean()) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_each_edit_moves_a_factor_of_its_own(contrast: str) -> None:
    """Check S3."""
    found = shifts(learnt(contrast).navigator.table())
    assert coverage(found) >= FACTORS - 1
    assert gap(found) > 0.7


def test_random_directions_move_several_factors() -> None:
    """The control of check S3: as many directions, in all layers. These read alike, so it is 0."""
    rng = torch.Generator().manual_seed(0)
    directions = torch.randn(FACTORS, LinearFaces().w_dim, generator=rng)
    assert gap(shifts(everywhere(directions, LinearFaces().num_ws))) < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_consistency_alone_finds_the_same_again_and_again(contrast: str) -> None:
    """Check S4."""
    assert coverage(shifts(learnt(contrast, "same").navigator.table())) <= FACTORS / 2
