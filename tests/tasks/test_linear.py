"""Ridge regressions against the textbook, and what is chosen on validation images."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from ganfeat.data.synthfaces import FACTORS
from ganfeat.features.small import Column
from ganfeat.tasks.linear import (
    STRENGTHS,
    Linear,
    Standard,
    as_table,
    as_targets,
    best_level,
    choose,
    widths,
)

RNG = np.random.default_rng(0)


def data(n: int = 300, width: int = 12, targets: int = 3):
    x = RNG.normal(size=(n, width)) @ RNG.normal(size=(width, width)) + 3
    y = x @ RNG.normal(size=(width, targets)) + RNG.normal(size=(n, targets))
    return x, y


def test_it_is_ridge_regression_on_standardised_numbers() -> None:
    x, y = data()
    seen = data()[0]
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    for strength, (said,) in zip(STRENGTHS, Linear(x).read(y, seen), strict=True):
        theirs = Ridge(alpha=strength * len(x)).fit((x - mean) / deviation, y)
        expected = theirs.predict(((seen - mean) / deviation).clip(-10, 10))
        np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-4)


def test_less_images_than_numbers() -> None:
    x, y = data(20, 30)
    seen = data(50, 30)[0]
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    place = ((seen - x.mean(axis=0)) / x.std(axis=0)).clip(-10, 10)
    for strength, (said,) in zip(STRENGTHS, Linear(x).read(y, seen), strict=True):
        expected = Ridge(alpha=strength * len(x), solver="svd").fit(standard, y).predict(place)
        np.testing.assert_allclose(said, expected, rtol=1e-3, atol=1e-3)


def test_of_the_principal_components_only_the_first() -> None:
    x, y = data()
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    _, _, rows = np.linalg.svd(standard, full_matrices=False)
    few = standard @ rows[:4].T
    (said,) = Linear(x, most=4).read(y, x)[3]
    expected = Ridge(alpha=STRENGTHS[3] * len(x)).fit(few, y).predict(few)
    np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-4)


def test_a_number_that_never_changes_says_nothing() -> None:
    x, y = data()
    constant = np.concatenate([x, np.full([len(x), 1], 7.0)], axis=1)
    for ours, without in zip(Linear(constant).read(y, constant), Linear(x).read(y, x), strict=True):
        np.testing.assert_allclose(ours[0], without[0], atol=1e-6)


def test_val_chooses_and_test_reports() -> None:
    """The strength is the best on val, whatever would have been on test."""
    x, y = data(40, 30, 1)
    val, test = data(200, 30, 1)[0], data(100, 30, 1)[0]
    truth = {"val": val[:, :1], "test": test[:, :1]}

    def score(said, part):
        return -float(np.square(said - truth[part]).mean())

    chosen = choose(Linear(x), y, val, test, score)
    tried = dict(zip(STRENGTHS, Linear(x).read(y, val, test), strict=True))
    assert chosen.strength == max(tried, key=lambda s: score(tried[s][0], "val"))
    np.testing.assert_array_equal(chosen.predicted, tried[chosen.strength][1])
    assert chosen.test == score(chosen.predicted, "test")
    assert best_level({"a": chosen._replace(val=0), "b": chosen._replace(val=1)}) == "b"


def test_a_table_becomes_targets_and_back() -> None:
    columns = [Column(f.name, f.kind, f.classes) for f in FACTORS]
    table = np.stack(
        [
            RNG.integers(max(c.classes, 2), size=50)
            if c.kind in ("binary", "categorical")
            else RNG.uniform(-1, 1, 50) * (np.pi if c.kind == "circular" else 1)
            for c in columns
        ],
        axis=1,
    )
    targets = as_targets(table, columns)
    assert targets.shape[1] == sum(widths(columns))
    np.testing.assert_allclose(as_table(targets, columns), table, atol=1e-9)
    assert as_table(targets * 0.1 + 0.01, columns)[:, -1] == pytest.approx(
        table[:, -1] * 0.1 + 0.01
    )


def test_what_hardly_ever_varies_outweighs_nothing() -> None:
    known = np.zeros((10_000, 2))
    known[:, 0] = np.random.default_rng(0).normal(size=10_000)
    known[0, 1] = 1e-3  # such as a rare colour of a histogram
    far = Standard(known)(np.array([[1.0, 1.0]]))
    assert far[0, 0] == pytest.approx(1, abs=0.05)
    assert far[0, 1] == 10
