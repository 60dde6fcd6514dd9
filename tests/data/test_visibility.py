"""Which factors can be seen."""

import dataclasses

import pytest

from ganfeat.data.synthfaces import NAMES, factor
from ganfeat.data.synthfaces import visibility as seen


def test_every_factor_can_be_seen_at_32_px_and_grain_least() -> None:
    levels = seen.visibility(32)
    assert list(levels) == list(NAMES)
    assert all(level > seen.VISIBLE for level in levels.values())
    assert min(levels, key=lambda name: levels[name]) == "camera_grain"
    assert max(levels, key=lambda name: levels[name]) == "hair_colour"


def test_a_factor_that_acts_by_less_than_two_levels_is_not_visible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smile = factor("smile")
    narrow = dataclasses.replace(smile, low=0.5, high=0.5001)
    monkeypatch.setattr(seen, "FACTORS", [factor("gaze"), narrow])
    levels = seen.visibility(16, faces=20)
    assert levels["smile"] < seen.VISIBLE < levels["gaze"]
