"""Figures from records, against what the records say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganfeat.report import figures
from ganfeat.report.study import Study

STUDY = Study(
    Path("x"), "", "", ["plain"], [0, 1], {"plain": [], "more": [], "third": []}, [],
    ["plain", "more"],
)  # fmt: skip


def record(ppl: float, diversity: float, curves: dict[str, list[float]]) -> dict[str, Any]:
    names = {
        "ppl2_wend_per_distance_judge": 99.0,
        "ppl2_wend_judge": ppl,
        "diversity10k_judge": diversity,
    }
    return {
        "metrics": [{"name": k, "value": v, "protocol": {}} for k, v in names.items()],
        "arrays": {
            "als_attributes": list(curves),
            "als_shared_curve": list(curves.values()),
            "als_shared_spread": [[0.1] * 3] * len(curves),
        },
    }


DONE = {
    ("plain", 0): record(50, 2.0, {"smile": [0, 1, 0], "yaw": [0, 2, 0]}),
    ("plain", 1): record(60, 2.0, {"smile": [0, 3, 0], "yaw": [0, 2, 0]}),
    ("more", 0): record(40, 1.5, {"yaw": [0, 5, 0], "smile": [0, 4, 0], "age": [0, 1, 0]}),
    ("third", 0): record(30, 1.0, {"smile": [0, 9, 0]}),
}


def test_curves_are_means_over_seeds_of_the_arms_shown() -> None:
    figure = figures.als_curves(STUDY, DONE)
    assert figure is not None
    drawn = [axis for axis in figure.axes if axis.has_data()]
    assert [axis.get_title() for axis in drawn] == ["smile", "yaw"]
    lines = {line.get_label(): line.get_ydata() for line in drawn[0].lines}
    assert {k: list(v) for k, v in lines.items()} == {"plain": [0, 2, 0], "more": [0, 4, 0]}
    band = drawn[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0, pytest.approx(2.1))


def leveled(yaw: float, found: dict[str, float], best: str) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "levels/groups": {"geometry": {level: x * yaw for level, x in found.items()}},
        "groups": {"geometry": yaw * found[best]},
        "levels/identity": found, "levels/identity_best": best,
        "levels/factors": {f"f{i}": found for i in range(9)}, "other": {"a": 1.0},
    }  # fmt: skip
    metric = {"name": "identity10k", "value": 0.5, "protocol": {}, "better": "higher"}
    return {"metrics": [metric], "arrays": arrays}


def test_curves_over_levels() -> None:
    """Of the arms shown; one with other levels is a line across."""
    done = {
        ("plain", 0): leveled(1, {"b4": 0.1, "b8": 0.3}, "b8"),
        ("plain", 1): leveled(1, {"b4": 0.3, "b8": 0.5}, "b4"),
        ("more", 0): leveled(2, {"pixels": 0.2}, "pixels"),
        ("third", 0): leveled(1, {"b4": 9.0, "b8": 9.0}, "b4"),
    }
    figure = figures.level_curves(STUDY, done)
    assert figure is not None
    panels = {axis.get_title(): axis for axis in figure.axes if axis.has_data()}
    assert [*panels] == ["groups: geometry", "identity ↑"]
    curve, across = panels["groups: geometry"].lines
    assert curve.get_ydata() == pytest.approx([0.2, 0.4])
    assert [*across.get_ydata()] == [0.4, 0.4]
    assert figures.level_curves(STUDY, DONE) is None


def test_points_are_runs_and_the_line_has_the_ratio_of_the_baseline() -> None:
    figure = figures.ppl_and_diversity(STUDY, DONE)
    assert figure is not None
    (axis,) = figure.axes
    points = {c.get_label(): c.get_offsets().tolist() for c in axis.collections}
    assert points == {"plain": [[2, 50], [2, 60]], "more": [[1.5, 40]], "third": [[1, 30]]}
    x, y = axis.lines[0].get_data()
    assert np.allclose(np.array(y) / np.array(x), 27.5)


def test_nothing_is_drawn_of_nothing() -> None:
    bare = {("plain", 0): {"metrics": [], "arrays": {}}}
    assert figures.als_curves(STUDY, bare) is None
    assert figures.ppl_and_diversity(STUDY, bare) is None


def test_the_seeds_of_one_arm_are_no_comparison() -> None:
    alone = {key: record for key, record in DONE.items() if key[0] == "plain"}
    assert len(alone) == 2
    assert figures.ppl_and_diversity(STUDY, alone) is None


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        figure = figures.als_curves(STUDY, DONE)
        assert figure is not None
        figures.save(figure, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
