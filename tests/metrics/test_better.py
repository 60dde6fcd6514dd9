"""What is better of a value, lower or higher: every measurement says, and records hold it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganfeat.build import locate
from ganfeat.config import config_dir
from ganfeat.metrics.value import direction

ROOT = Path(__file__).parents[2]


def targets(node: Any) -> Iterator[str]:
    """Every ``_target_`` of a list of measurements, but for networks inside them."""
    for value in node.values() if isinstance(node, dict) else ():
        if isinstance(value, dict) and "_target_" in value:
            yield value["_target_"]


FILES = [p for group in ("metrics", "tasks") for p in (config_dir() / group).glob("*.yaml")]
TARGETS = sorted({t for path in FILES for t in targets(yaml.safe_load(path.read_text()) or {})})


def test_the_longest_beginning_counts() -> None:
    better = {"redraw": "lower", "redraw_real": None, "own": "higher"}
    assert direction("redraw1k_factornet", better) == "lower"
    assert direction("redraw_real1k_factornet", better) is None
    assert direction("own_face2k", better) == "higher"
    assert direction("something", better) is None


@pytest.mark.parametrize("target", TARGETS)
def test_every_measurement_says(target: str) -> None:
    better = locate(target).better  # type: ignore[attr-defined]
    assert better
    assert {*better.values()} <= {"lower", "higher", None}


def test_records_of_studies_hold_it() -> None:
    """Of a sample of names that tables mark, as the literature has it."""
    known = {
        "fid10k_factornet": "lower", "ppl2_wend_factornet": "lower",
        "recall10k_factornet": "higher",
        "als_shared_factornet": "lower", "als_shared_drawn_factornet": None,
        "diversity10k_factornet": None, "landmarks10k": "lower", "verification_best": "higher",
        "segmentation5": "higher", "face_mse5k": "lower", "gap_z1k_factornet": "higher",
        "coverage_z1k_factornet": "higher", "kept_identity500_factornet": "higher",
        "coverage_spread10k_factornet": "lower", "als_edits100_factornet": "lower",
    }  # fmt: skip
    seen = set()
    for study in ("hsr_synthfaces", "ghfeat_synthfaces", "navigators_synthfaces"):
        for path in (ROOT / "experiments" / study / "runs").glob("*.json"):
            for value in json.loads(path.read_text())["metrics"]:
                if value["name"] in known and value["value"] is not None:
                    assert value["better"] == known[value["name"]], (path.name, value["name"])
                    seen.add(value["name"])
    assert seen == known.keys()
