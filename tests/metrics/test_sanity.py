"""Metrics against the truth: drawn faces that are blurred, narrowed, mixed up or blended.

The judge is the one that ships. 2,000 images a side, in the split that it never saw.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ganfeat.data import SynthFaces
from ganfeat.data.synthfaces import FACTORS, NAMES
from ganfeat.data.synthfaces.drawing import render
from ganfeat.data.synthfaces.factors import denormalise
from ganfeat.features import FactorNet
from ganfeat.features.embedded import embedded
from ganfeat.metrics.als import linearity, scores_of
from ganfeat.metrics.frechet import Moments, frechet_distance
from ganfeat.metrics.precision_recall import precision_recall
from ganfeat.metrics.redraw import misfit

N = 2000
pytestmark = pytest.mark.slow


@cache
def judge() -> FactorNet:
    network = embedded("factornet")
    assert isinstance(network, FactorNet)
    return network


@cache
def faces() -> tuple[Tensor, Tensor]:
    """Images and factor tables: the first N, and N more."""
    data = SynthFaces("test", 32, 2 * N, extras=["factors"])
    batch = data.__getitems__(range(2 * N))
    return batch["image"], batch["factors"]


def vectors(images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([judge().embed(part) for part in images.split(250)])


@cache
def real() -> tuple[Tensor, Tensor]:
    both = vectors(faces()[0])
    return both[:N], both[N:]


def distance(a: Tensor, b: Tensor) -> float:
    gaussians = []
    for side in (a, b):
        moments = Moments(side.shape[1])
        moments.update(side)
        gaussians.append(moments.compute())
    return frechet_distance(*gaussians)


def test_the_distance_of_two_halves_is_that_of_any_two_draws() -> None:
    both = torch.cat(real())
    rng = np.random.default_rng(0)
    floor = []
    for _ in range(8):
        order = rng.permutation(2 * N)
        floor.append(distance(both[order[:N]], both[order[N:]]))
    halves = distance(*real())
    assert halves == pytest.approx(np.mean(floor), rel=0.25)
    blurred = distance(real()[0], vectors(gaussian_blur(faces()[0][N:], 5, [0.5, 0.5])))
    assert blurred > 3 * halves


def alike(share: float) -> Tensor:
    """Faces whose hair has the same colour in ``share`` of the images, grain and all."""
    table = faces()[1][N:].clone()
    table[: int(share * N), NAMES.index("hair_colour")] = 0
    keys = np.arange(N)
    drawn = render(denormalise(table), 32, person_key=keys, image_key=keys)
    assert isinstance(drawn, Tensor)
    return drawn


WORSE: dict[str, list[Callable[[Tensor], Tensor]]] = {
    "blur": [lambda x, s=s: gaussian_blur(x, 7, [s, s]) for s in (0.4, 0.6, 1.0, 2.0)],
    "noise": [
        lambda x, s=s: x + s * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        for s in (0.05, 0.1, 0.2, 0.4)
    ],
    "hair of one colour": [lambda _, s=s: alike(s) for s in (0.0, 0.3, 0.6, 1.0)],
}


@pytest.mark.parametrize("kind", WORSE)
def test_the_distance_grows_with_what_is_wrong(kind: str) -> None:
    series = [distance(real()[0], vectors(change(faces()[0][N:]))) for change in WORSE[kind]]
    assert series == sorted(series)
    assert series[-1] > 2 * series[0]


def test_recall_sees_dropped_modes_and_precision_sees_outliers() -> None:
    images, table = faces()
    generated = real()[1]

    def shares(some: Tensor) -> tuple[float, float]:
        found = precision_recall(some, real()[0])
        return float(found.precise.float().mean()), float(found.recalled.float().mean())

    precision, recall = shares(generated)
    hatted = generated[table[N:, NAMES.index("hat")] == 1]
    dropped = shares(hatted[torch.arange(N) % len(hatted)])
    assert dropped[1] < recall - 0.1
    assert abs(dropped[0] - precision) < 0.1
    mixed = images[N:].clone()
    mixed[: N // 3] = mixed[: N // 3].flip(2)  # upside down
    outliers = shares(vectors(mixed))
    assert outliers[0] < precision - 0.1
    assert outliers[1] > recall - 0.1


WARPS: list[Callable[[Tensor], Tensor]] = [lambda t: t, lambda t: t**3, lambda t: (t > 0.5).float()]


def paths(names: list[str], warp: Callable[[Tensor], Tensor], count: int = 60) -> Any:
    """Scores [P,11,C] along lines between these factors of two faces, all else equal."""
    _, table = faces()
    lines = torch.tensor([name in names for name in NAMES])
    t = warp(torch.linspace(0, 1, 11))[:, None]
    ends = zip(table[:count], table[count : 2 * count], strict=True)
    frames = [torch.where(lines, torch.lerp(a, b, t), a.expand(11, -1)) for a, b in ends]
    with torch.no_grad():
        scores = [scores_of(judge(), SynthFaces.redraw(f, 32), names) for f in frames]
    return torch.stack(scores).double().numpy()


@pytest.mark.parametrize("name", ["yaw", "skin_tone", "hair_colour", "mouth_width", "smile"])
def test_als_of_a_straight_factor_is_at_the_floor_and_rises_when_it_is_warped(name: str) -> None:
    sigma = paths([name], WARPS[0]).std(axis=(0, 1))
    straight, bent, jumping = (
        float(linearity(paths([name], warp), sigma).score[0]) for warp in WARPS
    )
    assert straight < 0.1
    assert 10 * straight < bent < jumping


def test_als_of_all_factors_at_once_rises_when_they_are_warped() -> None:
    names = [f.name for f in FACTORS if f.kind == "continuous"]
    sigma = paths(names, WARPS[0]).std(axis=(0, 1))
    scores = [linearity(paths(names, warp), sigma).score for warp in WARPS]
    for warped in scores[1:]:
        assert 2 * scores[0].mean() < warped.mean()
        assert (scores[0] < warped).mean() > 0.8  # a factor that is hard to read need not rise


def test_the_unnatural_share_of_drawings_is_one_in_a_hundred_and_blends_are_seen() -> None:
    images, _ = faces()
    with torch.no_grad():
        known, other = (misfit(half, judge(), SynthFaces.redraw) for half in images.split(N))
        a, b = images[: N // 2], images[N : N + N // 2]
        blends = misfit((a + b) / 2, judge(), SynthFaces.redraw)
    threshold = np.percentile(known, 99)
    assert 0.004 < float((other > threshold).float().mean()) < 0.02
    assert float((blends > threshold).float().mean()) > 0.3
