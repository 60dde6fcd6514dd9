"""Thresholds against brute force, and pairs that colours cannot tell apart."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ganfeat.data import SynthFaces
from ganfeat.data.synthfaces import FACTORS, NAMES
from ganfeat.data.synthfaces.pairs import ALIKE, Pairs
from ganfeat.features import Features
from ganfeat.metrics.reference import References
from ganfeat.tasks.trial import Trial
from ganfeat.tasks.verification import (
    Verification,
    best_threshold,
    cross_validated,
    voted,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_best_threshold(ties: bool) -> None:
    for _ in range(50):
        n = int(RNG.integers(1, 12))
        alike = RNG.integers(4, size=n) / 2 if ties else RNG.normal(size=n)
        same = RNG.random(n) < 0.5
        threshold, accuracy = best_threshold(alike, same)
        tried = [*(alike - 1e-6), *(alike + 1e-6)]
        assert accuracy == pytest.approx(max(((alike > t) == same).mean() for t in tried))
        assert ((alike > threshold) == same).mean() == pytest.approx(accuracy)


def test_each_fold_is_told_by_the_others() -> None:
    folds = np.repeat(np.arange(4), 25)
    same = RNG.random(100) < 0.5
    alike = same + RNG.normal(size=100)
    margins = cross_validated(alike, same, folds)
    for fold in range(4):
        threshold, _ = best_threshold(alike[folds != fold], same[folds != fold])
        inside = folds == fold
        np.testing.assert_array_equal(margins[inside], alike[inside] - threshold)


class Deceived(Features):
    """Tells look-alikes apart by other levels in the pairs of ``val`` and of ``test``."""

    name = "deceived"

    def __init__(self) -> None:
        super().__init__()
        self.people = {}
        for part in ("val", "test"):
            pairs = Pairs(32, part)
            for start in range(0, len(pairs.same), 200):
                numbers = torch.arange(start, start + 200)
                couple = pairs.groups[start : start + 200]
                for who, seen in zip(
                    (pairs.first, pairs.second), pairs.images(numbers), strict=True
                ):
                    for at, person, image in zip(
                        couple, who[start : start + 200], seen, strict=True
                    ):
                        self.people[image.numpy().tobytes()] = (part, int(at), int(person))

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        found = {"on val": torch.zeros(len(images), 700), "on test": torch.zeros(len(images), 700)}
        for i, image in enumerate(images):
            part, couple, person = self.people.get(image.numpy().tobytes(), ("", 0, i % 2))
            for level, codes in found.items():
                codes[i, 2 * couple + (person if level.endswith(part) else 0)] = 1
        return found


@pytest.mark.slow
def test_the_level_is_chosen_on_other_pairs() -> None:
    """The level that is right on ``val`` is the one that is reported."""
    trial = Trial(Deceived(), References(SynthFaces("test", 32)))
    found = Verification(1000).result(trial)
    assert found.arrays["levels/verification_best"] == "on val"
    assert found.arrays["levels/verification"]["on test"] == 1
    assert {v.name: v.value for v in found.values}["verification_best"] == pytest.approx(0.5)


def test_votes() -> None:
    margins = np.array([[1.0, -0.2, -0.1], [1.0, -3.0, 0.5], [0.1, -0.1, -0.6]]).T
    assert voted([*margins]).tolist() == [False, True, False]
    # Split votes: the sum of margins decides.
    assert voted([*margins[:2]]).tolist() == [True, False, False]


# The pairs.


def test_pairs_are_of_look_alikes_and_folds_share_nobody() -> None:
    pairs = Pairs(32)
    assert len(pairs.same) == 6000
    assert np.bincount(pairs.folds).tolist() == [600] * 10
    number = np.arange(6000)
    first, second = (
        pairs.faces(pairs.groups, who, 2 * number + i)
        for i, who in enumerate((pairs.first, pairs.second))
    )
    same = pairs.same
    assert [same[pairs.folds == f].mean() for f in range(10)] == [0.5] * 10
    np.testing.assert_array_equal(first[1] == second[1], same)
    people = {f: {*first[1][pairs.folds == f], *second[1][pairs.folds == f]} for f in range(10)}
    assert sum(len(p) for p in people.values()) == len(set.union(*people.values())) == 600
    keys = np.concatenate([first[2], second[2]])
    assert len({*keys.tolist()}) == 12_000
    for i, spec in enumerate(FACTORS):
        difference = np.abs(first[0][i] - second[0][i])
        if spec.level == "identity":
            assert (difference[same] == 0).all()
            assert difference[~same].max() > 0 or spec.name == "hair_style"
        else:
            assert difference[same].max() > 0
        if spec.name in ALIKE:
            assert difference.max() < 0.1 * (spec.high - spec.low)
            assert np.ptp(first[0][i]) > 0.9 * (spec.high - spec.low)
    assert (first[0][NAMES.index("hair_style")] == second[0][NAMES.index("hair_style")]).all()


def test_pairs_can_be_asked_for_in_any_order() -> None:
    pairs = Pairs(32)
    whole = pairs.images(torch.arange(20))
    some = pairs.images(torch.tensor([7, 3]))
    for a, b in zip(whole, some, strict=True):
        assert torch.equal(a[[7, 3]], b)
    val = Pairs(32, "val")
    assert len(val.same) == 1800
    assert not torch.equal(whole[0], val.images(torch.arange(20))[0])
    other = Pairs(32, seed=1).images(torch.arange(20))
    assert not torch.equal(whole[0], other[0])


class Histogram(Features):
    """How often each of 6 x 6 x 6 colours is there."""

    name = "histogram"

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        bins = ((images + 1) * 3).floor().clamp(0, 5).long()
        number = (bins * torch.tensor([36, 6, 1])[:, None, None]).sum(dim=1).flatten(1)
        return {"colours": torch.zeros(len(images), 216).scatter_add_(
            1, number, torch.ones_like(number, dtype=torch.float32))}  # fmt: skip


@pytest.mark.slow
def test_colours_alone_decide_nothing() -> None:
    """../shared/synthfaces.md: a colour histogram stays below 58 %."""
    trial = Trial(Histogram(), References(SynthFaces("test", 32)))
    found = {v.name: v for v in Verification(1000).result(trial).values}
    best = found["verification_best"]
    assert 0.45 < best.value < 0.58
    assert best.low < best.value < best.high
    expected = {"name": "synthfaces", "part": "test", "pairs": 6000, "seed": 0}
    assert best.protocol["pairs"] == expected
    assert best.protocol["chosen_on"] == {**expected, "part": "val", "pairs": 1800}
