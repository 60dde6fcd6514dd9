"""The helper that says whether training goes forward, against closed forms."""

import frechet
import numpy as np
import pytest
import torch


def test_distance_of_two_gaussians() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=[200_000, 3])
    b = rng.normal(size=[200_000, 3]) * [1, 2, 3] + [0.5, 0, 0]
    # |mean|^2 + sum (s1 - s2)^2 for diagonal covariances
    assert frechet.frechet_distance(a, b) == pytest.approx(0.25 + 1 + 4, rel=0.02)
    assert frechet.frechet_distance(a, a) == pytest.approx(0, abs=1e-8)


def test_features_are_area_averages() -> None:
    image = torch.full([1, 3, 32, 32], -1.0)
    image[0, 0, :4, :4] = 1.0
    row = frechet.features(image)[0]
    assert row.shape == (192,)
    assert row[0] == 1
    assert row.sum() == 1
