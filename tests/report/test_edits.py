"""Edits of several seeds, matched."""

import numpy as np
import pytest

from ganfeat.report.edits import (
    boundaries,
    layers_of_attributes,
    likeness,
    likeness_of_seeds,
    match,
    matched,
)
from ganfeat.report.figures import edit_maps
from ganfeat.report.study import Study

SHIFTS = np.array([[3.0, 0.1, 0.0], [0.0, -2.0, 0.2], [0.1, 0.0, 1.0]])


def turned(noise: float = 0.0) -> np.ndarray:
    """The same edits in another order, two of them to the other side."""
    rng = np.random.default_rng(0)
    return np.stack([-SHIFTS[1], SHIFTS[2], -SHIFTS[0]]) + noise * rng.standard_normal([3, 3])


def test_order_and_sign_are_found() -> None:
    found = match(SHIFTS, turned())
    assert found.places.tolist() == [2, 0, 1]
    assert found.signs.tolist() == [-1, -1, 1]
    np.testing.assert_allclose(found.of(turned()), SHIFTS)
    layers = np.arange(6).reshape(3, 2)
    assert found.rows(layers).tolist() == [[4, 5], [0, 1], [2, 3]]
    first, again = matched([SHIFTS, turned(0.01)])
    assert first.places.tolist() == [0, 1, 2]
    np.testing.assert_allclose(again.of(turned(0.01)), SHIFTS, atol=0.05)


def test_how_alike_seeds_are() -> None:
    assert likeness([SHIFTS]) is None
    assert likeness([SHIFTS, turned()]) == pytest.approx(1)
    one = np.array([[1.0, 0.0]])
    assert likeness([one, np.array([[1.0, 1.0]])]) == pytest.approx(0.5**0.5)
    assert likeness([one, one, np.array([[0.0, 1.0]])]) == pytest.approx(1 / 3)
    assert likeness([one, np.zeros([1, 2])]) == 0


def study(tmp_path) -> Study:
    return Study(tmp_path, "", "", "a", [0, 1], {"a": [], "b": []}, [], ["a", "b"])


def test_a_row_for_each_arm(tmp_path) -> None:
    names = ["x", "y", "z"]
    layers = {key: np.eye(3).tolist() for key in ("edit_attention", "edit_effect")}
    done = {
        ("a", 0): {"arrays": {"shift": SHIFTS.tolist(), "shift_attributes": names, **layers}},
        ("a", 1): {"arrays": {"shift": turned().tolist(), "shift_attributes": names, **layers}},
        ("b", 0): {"arrays": {"shift": SHIFTS.tolist(), "shift_attributes": names}},
    }
    figure = edit_maps(study(tmp_path), done)
    assert figure is not None
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[0] == "a: shifts, at most 3.00 deviations; cosine between seeds 1.00"
    assert titles[3] == "b: shifts, at most 3.00 deviations"
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), SHIFTS)
    mean = (np.eye(3) + np.eye(3)[[2, 0, 1]]) / 2
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), mean)
    assert not figure.axes[4].images
    labels = [text.get_text() for text in figure.axes[3].get_xticklabels()]
    assert labels == names
    (section,) = likeness_of_seeds(study(tmp_path), done)
    assert [[entry.text for entry in row] for row in section.parts[1].rows] == [["`a`", "1.000"]]


def test_nothing_where_there_are_no_edits(tmp_path) -> None:
    assert edit_maps(study(tmp_path), {("a", 0): {"arrays": {}}}) is None
    assert likeness_of_seeds(study(tmp_path), {("a", 0): {}}) == []


def test_boundaries_have_a_table() -> None:
    arrays = {"boundary_attributes": ["x", "y"]}
    for space, cosine in (("z", 0.5), ("w", -0.1)):
        arrays |= {
            f"boundary_confident_{space}": [1.0, 0.9],
            f"boundary_rest_{space}": [0.8, 0.6],
            f"boundary_cosines_{space}": [[1.0, cosine], [cosine, 1.0]],
        }
    (section,) = boundaries({("a", 0): {"arrays": {}}, ("b", 2): {"arrays": arrays}})
    assert [[entry.text for entry in row] for row in section.parts[1].rows] == [
        ["`b`", "2", "z", "0.950", "0.700", "0.500"],
        ["`b`", "2", "w", "0.950", "0.700", "0.100"],
    ]
    assert boundaries({("a", 0): {"arrays": {}}}) == []


def test_layers_of_attributes_have_a_table(tmp_path) -> None:
    """Rows of a record are those attributes that are raised most; seeds may edit others."""
    names = ["x", "y", "z"]
    one = {
        "higan_attributes": names, "higan_raised": [0.1, 0.9, 0.5],
        "higan_layers": [[0.0, 0.8], [0.4, 0.1]],
    }  # fmt: skip
    other = {**one, "higan_raised": [0.7, 0.9, 0.5], "higan_layers": [[0.1, 0.6], [0.3, 0.0]]}
    done = {("a", 0): {"arrays": one}, ("a", 1): {"arrays": other}, ("b", 0): {"arrays": {}}}
    (section,) = layers_of_attributes(study(tmp_path), done)
    assert section.title == "Layers of attributes: a"
    assert [[entry.text for entry in row] for row in section.parts[1].rows] == [
        ["x", "1", "0.30", "0.00"],
        ["z", "1", "0.40", "0.10"],
        ["y", "2", "0.05", "0.70"],
    ]
