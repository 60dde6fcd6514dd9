"""Attribute classifiers in TorchScript."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganfeat.errors import UserError
from ganfeat.features.attributes import ScriptedAttributes


class Brightness(nn.Module):
    """Two logits: how bright, how red, of images of 8 px."""

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (3, 8, 8)
        return torch.stack([images.mean(dim=[1, 2, 3]), images[:, 0].mean(dim=[1, 2])], dim=1)


@pytest.fixture(name="file")
def scripted(tmp_path: Path) -> str:
    path = tmp_path / "attributes.pt"
    torch.jit.script(Brightness()).save(path)
    return str(path)


def test_scores_by_name(file: str) -> None:
    network = ScriptedAttributes(file, ["bright", "red"], size=8)
    images = torch.linspace(-1, 1, 4)[:, None, None, None].expand(4, 3, 32, 32).clone()
    images[:, 0] = 1
    scores = network.scores(images)
    assert list(scores) == network.attributes == ["bright", "red"]
    torch.testing.assert_close(scores["bright"][:, 0], images.mean(dim=[1, 2, 3]))
    torch.testing.assert_close(scores["red"], torch.ones(4, 1))
    twice = ScriptedAttributes(file, ["bright", "red"], size=8, std=[0.25] * 3).scores(images)
    torch.testing.assert_close(twice["bright"], 2 * scores["bright"])


def test_what_is_refused(file: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gives \[2, 2\] for 2 images; 3 attributes are named"):
        ScriptedAttributes(file, ["a", "b", "c"], size=8).scores(torch.zeros(2, 3, 8, 8))
    with pytest.raises(UserError, match="there are no attribute classifiers at"):
        ScriptedAttributes(str(tmp_path / "absent.pt"), ["a"])
    pickled = tmp_path / "pickled.pt"
    torch.save(Brightness(), pickled)
    with pytest.raises(UserError, match="is no TorchScript file"):
        ScriptedAttributes(str(pickled), ["a", "b"])
    text = tmp_path / "text.pt"
    text.write_text("no archive")
    with pytest.raises(UserError, match="is no TorchScript file"):
        ScriptedAttributes(str(text), ["a"])
