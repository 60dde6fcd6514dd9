"""Which factors can be seen."""

import dataclasses

import pytest

from ganfeat.data import SynthFaces
from ganfeat.data.drawn.visibility import VISIBLE, visibility
from ganfeat.data.synthfaces import NAMES, factor


@pytest.mark.slow
def test_every_factor_can_be_seen_at_32_px_and_grain_least() -> None:
    levels = visibility(SynthFaces("test", 32))
    assert list(levels) == list(NAMES)
    assert all(level > VISIBLE for level in levels.values())
    assert min(levels, key=lambda name: levels[name]) == "camera_grain"
    assert max(levels, key=lambda name: levels[name]) == "hair_colour"


def test_a_factor_that_acts_by_less_than_two_levels_is_not_visible() -> None:
    narrow = dataclasses.replace(factor("smile"), low=0.5, high=0.5001)
    levels = visibility(SynthFaces("test", 16), [factor("gaze"), narrow], n=20)
    assert levels["smile"] < VISIBLE < levels["gaze"]
