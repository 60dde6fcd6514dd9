"""What hidden patches hold, and that nothing of them can be seen."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ganfeat.encoders.masked import PATCH, MaskedImages, contents
from ganfeat.features import SmallNet
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

SMALL: Any = {"widths": (8, 8, 8, 8), "blocks": (0, 0, 0, 0), "dim": 48}


def test_contents_know_neither_the_colour_nor_the_contrast_of_a_patch() -> None:
    images = torch.rand(2, 3, 16, 16)
    found = contents(images, 0.0)
    assert found.shape == (2, 3 * PATCH**2, 4, 4)
    torch.testing.assert_close(found.square().mean(dim=1), torch.ones(2, 4, 4))
    colours = torch.rand(2, 3, 1, 1)
    torch.testing.assert_close(contents(images * 0.3 + colours, 0.0), found)
    patch = images[1, :, 4:8, 8:12]
    by_hand = patch - patch.mean(dim=[1, 2], keepdim=True)
    by_hand = by_hand / by_hand.square().mean().sqrt()
    torch.testing.assert_close(found[1, :, 1, 2].view(3, PATCH, PATCH), by_hand)
    grain = 0.001 * torch.randn(2, 3, 16, 16)
    assert contents(grain, 0.1).abs().max() < 0.1


def test_of_hidden_patches_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    method = MaskedImages(
        SmallNet("net", **SMALL), total_kimg=1, batch_size=6, seed=0, hidden=0.25, width=8
    )
    seen: list[Tensor] = []
    taps = method.network.taps
    monkeypatch.setattr(method.network, "taps", lambda x: seen.append(x) or taps(x))
    images = torch.rand(6, 3, 32, 32) + 0.5
    draws = Draws((0, 0, "main"), 6)
    [losses] = method.loss(Step({"image": images}, draws))
    patches = (seen[0] != 0).all(dim=1).unflatten(1, (8, PATCH)).unflatten(3, (8, PATCH))
    whole, any_ = patches.all(dim=4).all(dim=2), patches.any(dim=4).any(dim=2)
    assert torch.equal(whole, any_)  # a patch is hidden as a whole
    assert (~whole).flatten(1).sum(dim=1).tolist() == [16] * 6
    assert len({tuple(w.flatten().tolist()) for w in whole}) == 6
    shown = (
        whole.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, None].expand(-1, 3, -1, -1)
    )
    assert torch.equal(seen[0][shown], images[shown])
    assert set(losses) == {"hidden", "seen"}
    torch.stack([*losses.values()]).sum().backward()
    assert all(p.grad is not None for p in method.network.parameters())
