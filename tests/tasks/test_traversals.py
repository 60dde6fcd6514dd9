"""Edits of several navigators beside each other."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from ending import refused
from PIL import Image

from ganfeat.metrics.subject import Samples
from ganfeat.pages import GAP, fitted
from ganfeat.pictures import as_tensor
from ganfeat.tasks import traversals

ABOUT = {"attribute": "smile", "sign": -1, "purity": 0.4}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs, of three and two edits, one of which was not asked what its edits do."""
    for name, arrays in {
        "one": {"edit_steps": [1.0, 2.0, 4.0], "edit_names": [ABOUT] * 3},
        "two": {"edit_steps": [0.5, 0.5]},
    }.items():
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        file = tmp_path / name / "checkpoints" / "last.ckpt"
        tiny.save_navigator(file, len(arrays["edit_steps"]))
        result = {"status": "finished", "metrics": [], "arrays": arrays}
        (tmp_path / name / "result.json").write_text(json.dumps(result))
    return tmp_path


def test_images_are_of_the_sample_as_far_as_was_measured(runs: Path) -> None:
    found = traversals.measured(runs / "one")
    assert found.labels == ["0 -smile 40%", "1 -smile 40%", "2 -smile 40%"]
    picture = traversals.column(found, 3, 1.5, 3, 0)
    samples = Samples(found.navigator.generator, seed=0)
    ws = samples.generator.broadcast(samples.w(0))[3:4]
    ends = torch.cat([ws - 1.5 * 4 * found.navigator.edits(ws)[:, 2], ws])
    drawn = fitted(samples.generator.synthesize(ends, noise="const").clamp(-1, 1))
    third, side = picture[:, -64:], 64
    shown = torch.stack([third[:, :, -3 * side : -2 * side], third[:, :, -2 * side : -side]])
    assert float((shown - drawn).abs().mean()) < 0.05  # in few colours


def test_a_column_for_each(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [f"first={runs / 'one'}", f"second={runs / 'two'}", "--frames=4"]
    traversals.main([*line, f"--out={runs / 'out'}"])
    assert "from left to right first, second" in capsys.readouterr().out
    page = as_tensor(np.asarray(Image.open(runs / "out" / "traversals.png").convert("RGB")))
    widths = [
        traversals.column(traversals.measured(runs / name), 0, 2.0, 4, 0).shape[2]
        for name in ("one", "two")
    ]
    assert page.shape == (3, traversals.HEAD + 3 * 64, sum(widths) + 4 * GAP)
    assert page[:, -64:, widths[0] :].min() == 1  # the second has nothing in the third row


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["{}/one"], "give each as NAME=PATH"),
        (["a={}/nowhere"], "does not exist"),
        (["a={}/unmeasured"], "give the folder of a run that has measured them"),
        (["a={}/one", "--sample=64"], "give 0 to 63"),
        (["a={}/one", "--frames=1"], "two ends"),
        (["a={}/one", "--range=0"], "above 0"),
    ],
)
def test_bad_lines(
    runs: Path, capsys: pytest.CaptureFixture[str], line: list[str], said: str
) -> None:
    (runs / "unmeasured" / "checkpoints").mkdir(parents=True)
    tiny.save_navigator(runs / "unmeasured" / "checkpoints" / "last.ckpt", 3)
    refused(traversals.main, [*(x.format(runs) for x in line), f"--out={runs / 'out'}"])
    assert said in capsys.readouterr().err
    assert not (runs / "out").exists()
