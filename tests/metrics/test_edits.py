"""What edits do: gap and coverage in closed form, known steps, and a navigator as a whole."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from ganfeat import backbone
from ganfeat.backbone.navigator import Edits
from ganfeat.data import SynthFaces
from ganfeat.errors import UserError
from ganfeat.examiner import Examiner
from ganfeat.features.embedded import embedded
from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edit_layers import EditLayers, shares
from ganfeat.metrics.edit_linearity import EditLinearity
from ganfeat.metrics.edited import calibrate
from ganfeat.metrics.identity_kept import IdentityKept
from ganfeat.metrics.real_edits import RealEdits, agreement
from ganfeat.metrics.shift import AttributeShift, coverage, gap, named, summed_up
from ganfeat.metrics.subject import Judge, Looks
from ganfeat.networks import state_hash


def test_gap_and_coverage_of_what_is_known() -> None:
    """Check U11."""
    identity = np.eye(5)
    assert (gap(identity), coverage(identity)) == (1, 5)
    same = np.tile(identity[1], (5, 1))
    assert (gap(same), coverage(same)) == (1, 1)
    assert gap(np.ones([5, 5])) == 0
    row = np.array([[2.0, 8.0, 6.0]])
    assert gap(row) == pytest.approx(0.25)
    assert gap(np.zeros([1, 3])) == 0
    assert coverage(identity, np.array([True, False, True, False, False])) == 2
    stacked = np.stack([identity, same])
    np.testing.assert_array_equal(coverage(stacked), [5, 1])


def test_what_is_noise_counts_for_nothing() -> None:
    means = np.array([[3.0, 0.1], [0.02, -0.5]])
    found = summed_up(means, np.array([1.0, 10.0]), np.array([True, False]))
    assert float(found.gap) == pytest.approx(((3 - 0.1) / 3 + (0.5 - 0.02) / 0.5) / 2)
    assert float(found.gap_z) == pytest.approx((3 - 0.01) / 3 / 2)
    assert (float(found.coverage), float(found.coverage_z)) == (2, 1)
    assert named(np.array([0.5, -1.5]), ["a", "b"]) == {
        "attribute": "b", "sign": -1, "purity": 0.75
    }  # fmt: skip


def test_steps_are_where_the_change_is_what_is_wanted() -> None:
    """Change grows as the square of the step; the last edit can change nothing much."""
    slopes = torch.tensor([1.0, 4.0, 1e-6])
    found = calibrate(lambda steps: slopes * steps.square(), 0.25, torch.ones(3))
    torch.testing.assert_close(found.steps[:2], torch.tensor([0.5, 0.25]), rtol=0.02, atol=0)
    assert found.reached.tolist() == [True, True, False]
    assert float(found.steps[2]) == 6
    torch.testing.assert_close(found.changes[:2], torch.full([2], 0.25), rtol=0.04, atol=0)


def test_shares_of_layers() -> None:
    rows = shares(np.array([[1.0, 3.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.25, 0.75], [0.5, 0.5]])


def test_angles_go_the_short_way_round() -> None:
    judge = embedded("factornet")
    reads = Attributes(judge)
    assert reads.names[-1] == "background_hue"
    assert "hair_style" not in reads.names
    before, after = torch.zeros(1, len(reads.names)), torch.zeros(1, len(reads.names))
    before[0, -1], after[0, -1] = 3.0, -3.0
    assert float(reads.change(before, after)[0, -1]) == pytest.approx(2 * np.pi - 6)
    images = SynthFaces("test", 32).__getitems__(list(range(8)))["image"]
    looks = Looks(images, torch.arange(8), Judge(judge, judge, judge))
    table = judge.factors(images)
    hue = [c.name for c in judge.columns].index("background_hue")
    torch.testing.assert_close(reads.read(looks)[:, -1] % (2 * torch.pi), table[:, hue])
    same = reads.plain.index("smile")
    torch.testing.assert_close(reads.read(looks)[:, same], judge.scores(images)["smile"][:, 0])


def test_agreement_of_samples_and_real_images() -> None:
    """Two edits: the first moves the second thing, the second moves nothing for certain."""
    own = np.zeros([4, 2, 2])
    own[:, 0] = [[0.5, -0.2], [0.5, -0.3], [0.4, -0.2], [0.6, -0.3]]
    own[:, 1, 0] = [1, -1, 1, -1]
    real = np.zeros([3, 2, 2])
    real[:, 0, 1] = [-1, 1, -0.1]
    agree, counts, most = agreement(own, np.array([10.0, 1.0]), real)
    assert most[0] == 1
    assert counts.tolist() == [True, False]
    assert agree[:, 0].tolist() == [1, 0, 1]


def test_latents_are_not_sought_by_the_judge() -> None:
    judge = embedded("factornet")
    g = backbone.load("embedded")
    navigator = Edits(["a", "b"], g.num_ws, g.w_dim, "embedded", state_hash(g), "edits")

    class Four(SynthFaces):
        def reference(self, part: str, n: int, extras: Iterable[str] = ()) -> "Four":
            return super().reference(part, min(n, 4), extras)

    data = Four("test", 32)
    for looks, n, message in (
        (judge, 4, "shares weights with the judge's factornet"),
        (embedded("teacher"), 5, r"metrics\.real\.n=5: there are 4 images"),
    ):
        measurements = {"real": RealEdits(looks, n=n)}
        examiner = Examiner(Judge(judge, judge, judge), measurements, "cpu", None)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=message):
            examiner.check(navigator, data)


def test_what_is_not_fitted_is_not_measured() -> None:
    """All numbers would be perfect."""
    g = backbone.load("embedded")
    navigator = Edits(["a", "b"], g.num_ws, g.w_dim, "embedded", state_hash(g), "edits")
    judge = embedded("factornet")
    examiner = Examiner(Judge(judge, judge, judge), {"shift": AttributeShift(4)}, "cpu", None)  # type: ignore[arg-type]
    data = SynthFaces("test", 32)
    examiner.check(navigator, data)  # as before training
    with pytest.raises(UserError, match="edits is not fitted yet"):
        examiner.examine(navigator, data, show=False)


@pytest.mark.slow
def test_an_edit_of_one_layer_is_found_there() -> None:
    """Edits that act in one layer alone, and one that does nothing."""
    g = backbone.load("embedded")
    hash_ = state_hash(g)
    navigator = Edits(["early", "late", "none"], g.num_ws, g.w_dim, "embedded", hash_, "edits")
    direction = torch.randn(g.w_dim, generator=torch.Generator().manual_seed(0))
    navigator.table[0, 1], navigator.table[1, 5] = direction, direction
    judge = embedded("factornet")
    measurements = {
        "shift": AttributeShift(40), "identity": IdentityKept(24),
        "linearity": EditLinearity(4), "layers": EditLayers(24),
        "real": RealEdits(embedded("teacher"), n=6, steps=60),
    }  # fmt: skip
    examiner = Examiner(Judge(judge, judge, judge), measurements, "cpu", None)  # type: ignore[arg-type]
    data = SynthFaces("test", 32)
    examiner.check(navigator, data)
    found = examiner.examine(navigator, data, show=False)
    values = {value.name: value.value for value in found.values}
    assert values["moving40_factornet"] == 2
    assert found.arrays["kept_identity"][2] == pytest.approx(1)
    assert 0 < found.arrays["kept_identity"][0] < 1
    assert found.arrays["als_edits"][2] == pytest.approx(0, abs=1e-6)
    assert found.arrays["als_edits"][0] > 0
    attention, effect = (np.array(found.arrays[f"edit_{k}"]) for k in ("attention", "effect"))
    for rows in (attention, effect):
        assert rows[0, 1] == pytest.approx(1, abs=1e-4)
        assert rows[1, 5] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(found.arrays["edit_changes"][:2], 0.25, rtol=0.1)
    assert found.arrays["edit_changes"][2] == pytest.approx(0, abs=1e-6)
    assert found.arrays["edit_reached"] == [True, True, False]
    # Of the images that are inverted, edits that do something do it too.
    assert values["inverted_gain6"] > 5
    assert values["real_agree6_factornet"] > 0.6
    assert {*found.pictures} == {"shift", "edit_attention", "edit_effect", "inverted", "traversals"}
    again = examiner.examine(navigator, data, show=False)
    assert [v.value for v in again.values] == [v.value for v in found.values]
