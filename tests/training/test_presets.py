"""What every method and every preset must do, found by looking into ``conf/``."""

import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import official
import pytest
import tiny

from ganfeat.config import config_dir
from ganfeat.errors import Interrupted
from ganfeat.training.method import Method

PRESETS = sorted(path.stem for path in (config_dir() / "experiment").glob("*.yaml"))
METHODS = sorted(path.stem for path in (config_dir() / "method").glob("*.yaml"))


# What methods need beside `tiny.narrow` to be run on 32 start codes.
FEW = {
    "interfacegan": ["method.confident=0.25"],
    "higan": ["method.confident=0.25", "method.rescored=8", "method.probed=8"],
}

Teachers = Callable[[str], Path]
EMBEDDED = (
    "none",
    "teacher",
    "teacher_cifar10",
    "optimised",
)  # `features` that need no file from elsewhere


def line_for(preset: str, photographs: Path, teachers: Teachers, labels: bool = False) -> list[str]:
    """What a preset needs to run in a test."""
    features = tiny.chosen(preset, "features")
    teacher = [] if features in EMBEDDED else [f"features.path={teachers(features)}"]
    if tiny.lacks_weights(preset):
        pickle = photographs.with_name(f"gan-{labels}.pkl")
        if not pickle.exists():
            official.write(pickle, official.networks(int(labels) * 3, 32))
        teacher.append(f"backbone.weights={pickle}")
    if tiny.chosen(preset, "method") == "from_edits":
        file = photographs.with_name("navigator.safetensors")
        tiny.save_navigator(file, 10)
        teacher.append(f"method.navigator={file}")
    if tiny.chosen(preset, "data") != "images":
        return teacher
    needed = labels or tiny.chosen(preset, "method") == "classification"
    data = [f"data.path={photographs}", "data.part=all", f"data.labels={str(needed).lower()}"]
    return teacher + data


def losses(folder: Path) -> list[dict[str, str]]:
    """What was logged at every tick, but for times and memory."""
    with tiny.only(folder, "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        {key: value for key, value in row.items() if not key.startswith("progress/")}
        for row in rows
    ]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_resumes(
    method: str,
    tmp_path: Path,
    photographs: Path,
    teachers: Teachers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of GH-Feat that is check S13 (methods/ghfeat.md)."""
    presets = [preset for preset in PRESETS if tiny.chosen(preset, "method") == method]
    presets += ["navigator_synthfaces"] if method in tiny.NAVIGATORS else []
    assert presets, f"method {method} needs a preset"
    preset = min(presets, key=lambda name: ("synth" not in name, name))
    line = ["total_kimg=0.032", *line_for(preset, photographs, teachers), f"method={method}"]
    line += FEW.get(method, [])
    whole = tiny.train(tmp_path / "whole", *line, experiment=preset)
    untouched = Method.training_step

    def stop(self: Method, *given: Any) -> None:
        untouched(self, *given)
        if self.iteration == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Method, "training_step", stop)
        with pytest.raises(Interrupted):
            tiny.train(tmp_path / "parts", *line, experiment=preset)
    resumed = tiny.train(tmp_path / "parts", *line, experiment=preset)
    assert resumed["weights"] == whole["weights"] != {}
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole") != []


ON_PHOTOGRAPHS = [name for name in PRESETS if tiny.chosen(name, "data") == "images"]
CASES = [(name, False) for name in PRESETS] + [(name, True) for name in ON_PHOTOGRAPHS]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "labels"), CASES)
def test_every_preset_steps_twice(
    name: str, labels: bool, tmp_path: Path, photographs: Path, teachers: Teachers
) -> None:
    line = ["total_kimg=0.016", *line_for(name, photographs, teachers, labels)]
    result = tiny.train(tmp_path, *line, experiment=name)
    assert result["kimg"] == 0.016
    if tiny.chosen(name, "method") in ("stylegan2", "hsr"):
        assert list(tmp_path.rglob("samples-00000.016.png"))
