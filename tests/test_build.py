"""Objects from plain dicts: nesting, what the run supplies, defaults written out, errors."""

import sys
from types import ModuleType
from typing import Any, Literal

import pytest

from ganfeat.build import build, defaults, fill, nearest
from ganfeat.errors import UserError
from ganfeat.ranges import fits


class Loss:
    def __init__(self, weight: float = 1.0, scales: tuple[int, ...] = (1, 2)) -> None:
        self.weight, self.scales = weight, scales


class Trainee:
    def __init__(
        self,
        network: object,
        *,
        resolution: int,
        lr: float = 0.1,
        steps: int = 3,
        mode: str | None = None,
        workers: int | Literal["auto"] = "auto",
        label_dim: int = 0,
        losses: Any = (),
        made_by: object = object,
    ) -> None:
        self.given = {k: v for k, v in locals().items() if k != "self"}


def double(x: int, times: int = 2) -> int:
    return x * times


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("toys")
    module.Loss, module.Trainee, module.double = Loss, Trainee, double  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toys", module)


def test_nodes_inside_dicts_and_lists_are_built_first():
    node = {
        "_target_": "toys.Trainee",
        "network": {"_target_": "toys.Loss", "weight": 2.0},
        "losses": [{"name": {"_target_": "toys.Loss"}}, 5],
        "lr": 0.5,
    }
    given = build(node, resolution=32, unknown_to_it=1).given
    assert given["network"].weight == 2.0
    assert given["losses"][0]["name"].scales == (1, 2)
    assert (given["losses"][1], given["lr"], given["resolution"]) == (5, 0.5, 32)


def test_functions_are_targets_too():
    assert build({"_target_": "toys.double", "x": 4}) == 8


def test_what_the_run_supplies_stays_at_the_outer_node():
    given = build({"_target_": "toys.Trainee", "network": {"_target_": "toys.Loss"}},
                  resolution=32, weight=7.0).given  # fmt: skip
    assert given["network"].weight == 1.0


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "toys.Trainee", "netwrk": 1}, "netwrk of Trainee; did you mean network?"),
        ({"_target_": "toys.Trainee", "resolution": 64}, "resolution of Trainee follows from"),
        ({"_target_": "toys.Trainee"}, "Trainee needs network"),
        ({"_target_": "toys.Traine"}, "there is no 'Traine' in 'toys'"),
        ({"_target_": "tois.Trainee"}, "there is no module tois"),
        ({"_target_": "Trainee"}, "Trainee"),
        ({"_target_": "toys.number"}, "is no class or function"),
        ({"_target_": "toys.Loss", "zzz": 1}, "choose one of: scales, weight"),
    ],
)
def test_errors_of_build(node: dict[str, Any], message: str):
    with pytest.raises(UserError) as error:
        build(node, resolution=32)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_module_that_fails_to_import_is_no_typing_error(tmp_path, monkeypatch):
    (tmp_path / "broken_toys.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError):
        build({"_target_": "broken_toys.Loss"})


def test_defaults_are_plain_data_and_leave_out_what_the_run_knows():
    assert defaults("toys.Trainee") == {
        "lr": 0.1, "steps": 3, "mode": None, "workers": "auto", "losses": [],
    }  # fmt: skip
    assert defaults("toys.Loss")["scales"] == [1, 2]


def test_fill_records_every_default_at_every_depth_and_changes_nothing_else():
    config = {
        "seed": 1,
        "method": {"_target_": "toys.Trainee", "lr": 3, "losses": [{"_target_": "toys.Loss"}]},
        "part": {"loss": {"_target_": "toys.Loss", "weight": 0.5}},
    }
    filled = fill(config)
    assert filled["seed"] == 1
    assert filled["method"]["steps"] == 3
    assert filled["method"]["losses"][0]["weight"] == 1.0
    assert filled["part"]["loss"] == {"_target_": "toys.Loss", "weight": 0.5, "scales": [1, 2]}
    assert "label_dim" not in filled["method"]
    assert "steps" not in config["method"]
    assert fill(filled) == filled


def test_whole_numbers_become_floats_where_the_signature_says_so():
    lr = fill({"_target_": "toys.Trainee", "lr": 3})["lr"]
    assert (lr, type(lr)) == (3.0, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stps": 1}, "there is no key method.stps; did you mean method.steps?"),
        ({"label_dim": 10}, "there is no key method.label_dim"),
        ({"lr": "fast"}, "method.lr must be float, not 'fast'"),
        ({"steps": 2.5}, "method.steps must be int, not 2.5"),
        ({"steps": True}, "method.steps must be int, not True"),
        ({"mode": 1}, "method.mode must be str or null, not 1"),
    ],
)
def test_errors_of_fill_name_the_key(values: dict[str, Any], message: str):
    with pytest.raises(UserError) as error:
        fill({"method": {"_target_": "toys.Trainee", **values}})
    assert message in str(error.value)


def test_values_that_are_still_missing_or_of_richer_types_are_let_through():
    filled = fill({"_target_": "toys.Trainee", "lr": "???", "workers": 4, "losses": {"a": 1}})
    assert (filled["lr"], filled["workers"], filled["losses"]) == ("???", 4, {"a": 1})


def test_what_stands_for_another_value_is_let_through():
    assert fits("${seed}", int, "count") == "${seed}"
    with pytest.raises(UserError, match="count must be int, not 'seed'"):
        fits("seed", int, "count")


def test_nearest():
    assert nearest("r1_gama", ["lr", "r1_gamma", "pl_weight"]) == "r1_gamma"
    assert nearest("qqq", ["lr", "r1_gamma"]) is None


class Parent:
    """Has two settings."""

    def __init__(self, size: int = 3, *, speed: float = 1.0) -> None:
        self.size, self.speed = size, speed


class Child(Parent):
    """Has one of its own, another default, and passes on the rest."""

    def __init__(self, colour: str = "red", size: int = 4, **rest: Any) -> None:
        super().__init__(size, **rest)
        self.colour = colour


def test_what_a_constructor_passes_on_can_be_set_too() -> None:
    node = {"_target_": f"{__name__}.Child", "speed": 2}
    assert fill(node) == {**node, "speed": 2.0, "colour": "red", "size": 4}
    assert build(fill(node)).speed == 2.0
    with pytest.raises(UserError, match="did you mean speed"):
        fill({"_target_": f"{__name__}.Child", "sped": 2})
