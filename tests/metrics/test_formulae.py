"""The formulae of the metrics against reference arrays and closed forms."""

import numpy as np
import parity
import pytest
import torch

from ganfeat.errors import UserError
from ganfeat.metrics.als import deviations, linearity
from ganfeat.metrics.frechet import Gaussian, Moments, frechet_distance
from ganfeat.metrics.inception_score import SplitScore
from ganfeat.metrics.kid import kernel_distance, subsets
from ganfeat.metrics.ppl import keep_middle, slerp
from ganfeat.metrics.precision_recall import precision_recall


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return parity.load("metrics")


def gaussian(vectors: torch.Tensor, batch: int = 64) -> Gaussian:
    moments = Moments(vectors.shape[1])
    for part in vectors.split(batch):
        moments.update(part)
    return moments.compute()


# Frechet distance.


def test_moments_and_fid(arrays):
    found = {}
    for name in ("real", "gen"):
        found[name] = gaussian(torch.from_numpy(arrays[f"feat_{name}"]))
        np.testing.assert_allclose(found[name].mean, arrays[f"mu_{name}"], rtol=1e-6)
        np.testing.assert_allclose(found[name].covariance, arrays[f"sigma_{name}"], rtol=1e-6)
    assert frechet_distance(found["gen"], found["real"]) == pytest.approx(arrays["fid"], rel=1e-4)


def test_closed_form_of_commuting_gaussians():
    a, b = torch.tensor([4.0, 9.0]).double(), torch.tensor([1.0, 25.0]).double()
    mean = torch.tensor([1.0, 2.0]).double()
    distance = frechet_distance(
        Gaussian(mean, a.diag(), 10), Gaussian(torch.zeros(2).double(), b.diag(), 10)
    )
    assert distance == pytest.approx(5 + (2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-12)


def test_identical_sets_and_rank_one_covariances():
    one = torch.randn(50, 8).double()
    line = torch.randn(50, 1).double() * torch.arange(8).double()
    assert abs(frechet_distance(gaussian(one), gaussian(one))) < 1e-10
    assert abs(frechet_distance(gaussian(line), gaussian(line))) < 1e-4  # no full rank, no NaN


def test_the_divisor_of_the_covariance():
    g = gaussian(torch.randn(100, 4))
    assert g.unbiased().covariance.trace() / g.covariance.trace() == pytest.approx(100 / 99)


def test_vectors_that_are_not_finite_are_named():
    vectors = torch.zeros(5, 3)
    vectors[2, 1] = torch.nan
    with pytest.raises(UserError, match="not finite for 1 of 5 images"):
        Moments(3).update(vectors)
    with pytest.raises(UserError, match="two feature vectors"):
        gaussian(torch.zeros(1, 3))


# KID.


def test_kid(arrays):
    pairs = list(zip(arrays["kid_idx_gen"], arrays["kid_idx_real"], strict=True))
    generated, real = (torch.from_numpy(arrays[f"feat_{n}"]) for n in ("gen", "real"))
    expected = pytest.approx(arrays["kid_seed11_subsets20_size200"], rel=1e-4)
    assert kernel_distance(generated, real, pairs) == expected
    drawn = subsets(len(generated), len(real), 20, 200, seed=11)
    for ours, theirs in zip(drawn, pairs, strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Precision and recall.


def test_precision_recall(arrays):
    found = precision_recall(*(torch.from_numpy(arrays[f"feat_{n}"]) for n in ("gen", "real")))
    assert found.precise.float().mean() == pytest.approx(arrays["pr_k3_precision"], abs=0.01)
    assert found.recalled.float().mean() == pytest.approx(arrays["pr_k3_recall"], abs=0.01)


def test_dropped_modes_lower_recall_and_outliers_precision():
    rng = torch.Generator().manual_seed(0)
    blob = lambda n, at: at + torch.randn(n, 4, generator=rng)  # noqa: E731
    real = torch.cat([blob(300, 0), blob(300, 50)])
    dropped = precision_recall(blob(600, 0), real)
    assert dropped.precise.float().mean() > 0.9
    assert 0.4 < dropped.recalled.float().mean() < 0.52
    strays = precision_recall(torch.cat([blob(300, 0), blob(200, 50), blob(100, 500)]), real)
    assert 0.7 < strays.precise.float().mean() < 5 / 6
    assert strays.recalled.float().mean() > 0.9


def test_a_set_lies_in_its_own_manifold():
    vectors = torch.randn(100, 6)
    found = precision_recall(vectors, vectors)
    assert bool(found.precise.all())
    assert bool(found.recalled.all())


# Inception score.


def test_inception_score(arrays):
    probabilities = torch.from_numpy(arrays["is_probs"])
    score = SplitScore(10, len(probabilities))
    for numbers in torch.randperm(len(probabilities)).split(64):
        score.update(probabilities[numbers], numbers)
    mean, std = score.compute()
    assert float(mean) == pytest.approx(arrays["is_mean"], rel=1e-5)
    assert float(std) == pytest.approx(arrays["is_std"], rel=1e-5)


def test_inception_score_of_certain_and_of_clueless_networks():
    for probabilities, expected in (
        (torch.eye(4).repeat(10, 1), 4),
        (torch.full([40, 4], 0.25), 1),
    ):
        score = SplitScore(4, 40, splits=2)
        score.update(probabilities, torch.arange(40))
        assert [float(x) for x in score.compute()] == pytest.approx([expected, 0])


# PPL.


def test_percentiles(arrays):
    kept = keep_middle(arrays["ppl_dist"])
    assert (kept.min(), kept.max()) == (arrays["ppl_lo"], arrays["ppl_hi"])
    assert kept.mean() == pytest.approx(arrays["ppl"], rel=1e-6)
    assert keep_middle(np.arange(100)).mean() == 49.5  # C12 of the notes on HSR


def test_slerp(arrays):
    a, b, t = (torch.from_numpy(arrays[f"slerp_{n}"]) for n in "abt")
    np.testing.assert_allclose(slerp(a, b, t), arrays["slerp_out"], atol=1e-6)


# ALS.


def test_als_of_the_authors_code():
    arrays = parity.load("methods/als")
    found = linearity(arrays["in.logits"])
    delta = deviations(arrays["in.logits"])
    for ours, theirs in (
        (delta, "delta"),
        (found.curve, "m"),
        (found.spread, "s"),
        (found.score, "als"),
        (found.score.mean(), "als_mean"),
        (np.square(found.spread).sum(axis=0), "als_std"),
        (found.area, "area"),
        (np.abs(delta).mean(axis=(1, 2)), "path_mean_abs_delta"),
    ):
        np.testing.assert_allclose(ours, arrays[f"out.{theirs}"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("curve", "sigma", "score", "area", "mean"),
    [
        (lambda t: t, None, 0, 0, 0),
        (lambda t: t**2, 0.328329, 3.091837, 0.502545, 0.456859),
        (lambda t: (t >= 0.5).astype(float), 0.497930, 3.428333, 0.502079, 0.456435),
        (lambda t: 1 / (1 + np.exp(-12 * (t - 0.5))), 0.417655, 1.323100, 0.313914, 0.285376),
    ],
)
def test_the_table_of_the_notes(curve, sigma, score, area, mean):
    logits = curve(np.linspace(0, 1, 11))[None, :, None]
    found = linearity(logits)
    if sigma is not None:
        assert logits.std() == pytest.approx(sigma, abs=1e-6)
    assert found.score == pytest.approx([score], abs=1e-6)
    assert found.area == pytest.approx([area], abs=1e-6)
    assert found.mean == pytest.approx([mean], abs=1e-6)


def test_als_is_scale_free_unless_sigma_is_shared():
    logits = np.random.default_rng(0).normal(size=[20, 11, 3])
    found = linearity(logits).score
    np.testing.assert_allclose(linearity(-3 * logits + 5).score, found)
    np.testing.assert_allclose(linearity(logits[:, ::-1]).score, found)
    shared = logits.std(axis=(0, 1))
    np.testing.assert_allclose(linearity(logits / 10, shared).score, found / 100)


def test_als_squares_after_the_mean_over_paths():
    logits = np.zeros([2, 3, 1])
    logits[:, 1, 0] = [1, 3]
    assert linearity(logits, np.ones(1)).score == pytest.approx([4])


def test_an_attribute_that_never_changes_is_linear():
    assert linearity(np.ones([4, 11, 1])).score == [0]
