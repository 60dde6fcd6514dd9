"""Checks of a study: what can be said, and what comes of it."""

from typing import Any

import pytest

from ganfeat.errors import UserError
from ganfeat.report.checks import Check

ARMS = ["ghfeat", "pixels"]


def record(values: dict[str, float | None], arrays: dict[str, Any] | None = None) -> dict[str, Any]:
    metrics = [{"name": k, "value": v, "protocol": {}} for k, v in values.items()]
    return {"metrics": metrics, "arrays": arrays or {}}


RECORDS = {
    "ghfeat": record(
        {"mse": 0.1, "vote": 0.7, "best": 0.705, "none": None},
        {"factors": {"yaw": 0.9, "roll": 0.8, "hue": 0.2}, "levels": {"b4": {"yaw": 1}}},
    ),
    "pixels": record({"mse": 0.3, "zero": 0}, {"factors": {"yaw": 0.5, "roll": 0.85, "hue": 0.1}}),
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("ghfeat.mse < 0.2", True),
        ("ghfeat.mse < 0.5 * pixels.mse", True),
        ("ghfeat.mse < 0.3 * pixels.mse", False),
        ("ghfeat.vote >= ghfeat.best - 0.01", True),
        ("ghfeat.vote >= ghfeat.best - 0.001", False),
        ("0 < ghfeat.mse / pixels.mse < 0.4", True),
        ("0.35 < ghfeat.mse / pixels.mse < 0.4", False),
        ("-ghfeat.mse > -(pixels.mse + 0)", True),
        ("ghfeat.factors > pixels.factors", False),
        ('ghfeat.factors["yaw", "hue"] > pixels.factors["yaw", "hue"]', True),
        ('ghfeat.factors["hue"] < 0.3', True),
        ("share(ghfeat.factors >= pixels.factors) >= 0.66", True),
        ("share(ghfeat.factors >= pixels.factors) >= 0.67", False),
        ("ghfeat.factors - pixels.factors > -0.06", True),
        ("ghfeat.mse / pixels.zero < 1", False),
        ("ghfeat.none > 0", None),
        ("ghfeat.speed > 0", None),
        ('ghfeat.factors["pitch"] > 0', None),
        ('ghfeat.factors["yaw"] > pixels.factors', None),
        ('ghfeat.mse["yaw"] > 0', None),
        ("ghfeat.levels > 0", None),
        ("ghfeat.vote / (ghfeat.best - pixels.zero) < 1", True),
        ("ghfeat.mse / (ghfeat.mse - ghfeat.mse) < 1", False),
    ],
)  # fmt: skip
def test_what_holds(text: str, holds: bool | None) -> None:
    assert Check("L", text, ARMS).verdict(RECORDS).holds is holds


def test_ends_of_intervals() -> None:
    ours, theirs = record({"gap": 0.5}), record({"gap": 0.4})
    ours["metrics"][0] |= {"low": 0.45, "high": 0.55}
    theirs["metrics"][0] |= {"low": 0.3, "high": 0.47}
    records = {"ghfeat": ours, "pixels": theirs}
    for text, holds in (
        ("low(ghfeat.gap) > high(pixels.gap)", False),
        ("low(ghfeat.gap) > pixels.gap", True),
        ("high(ghfeat.gap) - low(ghfeat.gap) < 0.11", True),
        ("low(ghfeat.mse) > 0", None),
    ):
        check = Check("G4", text, ARMS)
        assert check.verdict(records).holds is holds
        assert check.arms <= {*ARMS}
        assert check.arms
    assert Check("G4", "low(ghfeat.mse) > 0", ARMS).verdict(RECORDS).numbers == (
        "ghfeat has no interval of mse"
    )


def test_the_numbers_are_shown() -> None:
    assert Check("L", "ghfeat.mse < 0.5 * pixels.mse", ARMS).verdict(RECORDS).numbers == "0.1, 0.15"
    said = Check("L", 'ghfeat.factors["yaw"] > 0.5', ARMS).verdict(RECORDS)
    assert said.numbers == "[yaw 0.9], 0.5"
    many = {"ghfeat": record({}, {"spreads": {f"f{i}": i / 10 for i in range(1, 12)}})}
    said = Check("L", "ghfeat.spreads > 0", ARMS).verdict(many)
    assert said.numbers == "[f1 0.1 to f11 1.1, 11 items], 0"
    assert Check("L", "ghfeat.mse < 1", ARMS).verdict({}).numbers == "no record of ghfeat"
    assert Check("L", "ghfeat.speed < 1", ARMS).verdict(RECORDS).numbers == "ghfeat has no speed"


def test_arms_with_hyphens() -> None:
    arms = ["no-pl", "hsr-no-pl", "hsr"]
    found = {arm: record({"ppl": float(i)}) for i, arm in enumerate(arms)}
    check = Check("S7", "hsr-no-pl.ppl - no-pl.ppl < hsr.ppl-no-pl.ppl", arms)
    assert check.arms == {*arms}
    assert check.verdict(found) == (True, "1, 2")
    assert Check("S7", "no-pl.ppl < 1", arms).verdict({}).numbers == "no record of no-pl"
    with pytest.raises(UserError, match="two arms differ in signs alone"):
        Check("S7", "a-b.x < 1", ["a-b", "a_b"])


def test_numbers_of_different_protocols_are_not_compared() -> None:
    other = record({"mse": 0.3})
    other["metrics"][0]["protocol"] = {"n": 6}
    said = Check("L", "ghfeat.mse < pixels.mse", ARMS).verdict({**RECORDS, "pixels": other})
    assert said == (None, "ghfeat and pixels measured mse by different protocols")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghfet.mse < 1", "there is no arm ghfet; there are ghfeat, pixels"),
        ("ghfeat.mse", "it compares nothing"),
        ("1 < 2", "names no arm"),
        ("ghfeat.mse <", "cannot be read"),
        ("ghfeat.mse == 1", "Eq is none of <, <=, > and >="),
        ("mse < 1", "mse is neither a number, nor one of a record"),
        ("ghfeat.mse.real < 1", "neither a number"),
        ("__import__('os').system('x') < 1", "neither a number"),
        ("max(ghfeat.mse, 1) < 1", "neither a number"),
        ("ghfeat.mse ** 2 < 1", "neither a number"),
        ("'a' < 1", "neither a number"),
        ("low(ghfeat.mse * 2) < 1", "neither a number"),
        ("share(ghfeat.mse) < 1", "neither a number"),
        ("share(0 < ghfeat.factors < 1) > 0.5", "nor the share of one comparison"),
        ("ghfeat.factors[x] < 1", "must be names"),
        ("ghfeat.factors[5] < 1", r"\[5\] must be names, such as"),
        ("ghfeat.factors[()] < 1", "must be names"),
        ("ghfeat.mse" + " + 1" * 5000 + " < 1", "cannot be read"),
        ('ghfeat.factors["yaw"] > max(ghfeat.mse, 1)', "neither a number"),
        ("1 / (ghfeat.mse - pixels.mse) > max(ghfeat.mse, 1)", "neither a number"),
    ],
)
def test_what_cannot_be_said(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Check("L", text, ARMS)
