"""Paths in W as pictures."""

from pathlib import Path

import pytest
import torch
from ending import refused
from PIL import Image

from ganfeat.backbone import Generator
from ganfeat.errors import UserError
from ganfeat.metrics.als import OfPaths
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.subject import Samples
from ganfeat.tasks import smoothness


def generator(resolution: int = 32) -> Generator:
    torch.manual_seed(0)
    return Generator(
        resolution, z_dim=8, w_dim=8, mapping_layers=2, channel_base=128, channel_max=8
    ).eval()


def test_paths_are_those_of_als() -> None:
    """With 11 frames, these are the images that ALS looks at."""
    g = generator()
    subject = Subject(Samples(g), None, None)  # type: ignore[arg-type]
    theirs = OfPaths(3).frames(subject, 0, slice(0, 3)).view(3, 11, 3, 32, 32)
    torch.testing.assert_close(Samples(g).paths(3, 11), theirs)


def test_strips_lie_path_by_path() -> None:
    a, b = torch.zeros(2, 3, 3, 8, 8), torch.ones(2, 3, 3, 8, 8) / 2
    a[1] = -1
    picture = smoothness.strips([a, b], 2)
    assert picture.shape == (3, 4 * 16 + smoothness.GAP, 3 * 16)
    firsts = [picture[0, y, 0].item() for y in (0, 16, 32, 36, 52)]
    assert firsts == [0, 0.5, 1, -1, 0.5]


def test_pictures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["one=embedded", "two=embedded", f"--out={tmp_path}", "--paths=3", "--frames=4"]
    smoothness.main(line)
    strips, gif = Image.open(tmp_path / "strips.png"), Image.open(tmp_path / "paths.gif")
    assert strips.size == (4 * 64, 6 * 64 + 2 * smoothness.GAP)
    assert gif.size == (3 * 64, 2 * 64)
    assert gif.n_frames == 6  # 4 there and 2 back
    assert "one, two" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["embedded"], "give each as NAME=PATH"),
        (["one=nowhere"], "nowhere"),
        (["one=embedded", "one=embedded"], "one is given twice"),
        (["one=embedded", "--paths=65"], "give 1 to 64"),
        (["one=embedded", "--frames=1"], "two ends"),
    ],
)
def test_bad_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: list[str], said: str
) -> None:
    refused(smoothness.main, [*line, f"--out={tmp_path}"])
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_generators_of_one_size(tmp_path: Path) -> None:
    both = {"a": generator(), "b": generator(16)}
    with pytest.raises(UserError, match="one resolution"):
        smoothness.show(both, tmp_path, 2, 3, 0)
