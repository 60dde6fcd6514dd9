"""The warp against the reference wavelet, plain filters on a padded image, and the compiler."""

import parity
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganfeat.backbone.filters import downsample2d, upsample2d
from ganfeat.training.augment import AugmentPipe, inverse_geometry
from ganfeat.training.warp import SYM6, warp


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def random_inverse(size: int) -> Tensor:
    """Four random transforms [4, 3, 3]."""
    pipe = AugmentPipe.preset("geom")
    draws = pipe.draw(4, torch.Generator().manual_seed(3))
    return inverse_geometry(pipe.amounts(1.0, draws), size)


def test_filter_is_the_reference_wavelet_and_orthogonal() -> None:
    taps = torch.tensor(SYM6, dtype=torch.float64)
    for shift in range(0, 12, 2):
        product = (taps[shift:] * taps[: 12 - shift]).sum().item()
        assert product == pytest.approx(0.5 if shift == 0 else 0, abs=1e-12)
    reference = torch.from_numpy(parity.load("ada_augment")["Hz_geom"])
    torch.testing.assert_close(taps.float(), reference, atol=1e-7, rtol=0)


def warp_by_filters(x: Tensor, inverse: Tensor) -> Tensor:
    """The same with a padded image, `upfirdn2d` and PyTorch's `grid_sample`."""
    size, taps = x.shape[-1], torch.tensor(SYM6)
    fine = upsample2d(F.pad(x, [size - 1] * 4, mode="reflect"), taps)
    k = torch.arange(-6, 2 * size + 6) / 2 - (size - 1) / 2  # pixels wanted, from the centre
    yy, xx = torch.meshgrid(k, k, indexing="ij")
    wanted = torch.stack([xx, yy, torch.ones_like(xx)], dim=-1)
    found = torch.einsum("nij,hwj->nhwi", inverse, wanted)[..., :2]
    index = 2 * (found + (size - 1) / 2 + size - 1)
    grid = (2 * index + 1) / fine.shape[-1] - 1
    warped = F.grid_sample(fine, grid, align_corners=False)
    return downsample2d(warped, taps, padding=-6, flip=True)


def test_warp_agrees_with_filters_on_a_padded_image(images: Tensor) -> None:
    inverse = random_inverse(16)
    truth = warp_by_filters(images, inverse)
    torch.testing.assert_close(warp(images, inverse), truth, atol=1e-4, rtol=0)


def test_far_away_the_image_goes_on_by_reflection(images: Tensor) -> None:
    """A reflected image repeats after 2 (16 - 1) pixels; the reference is black there."""
    inverse = torch.eye(3).repeat(4, 1, 1)
    inverse[:, 0, 2], inverse[:, 1, 2] = 30, -60
    torch.testing.assert_close(warp(images, inverse), images, atol=1e-4, rtol=0)


def test_trains_after_a_first_use_in_inference_mode() -> None:
    x = torch.rand(4, 3, 24, 24, requires_grad=True)
    with torch.inference_mode():
        warp(x, random_inverse(24))
    warp(x, random_inverse(24)).sum().backward()
    assert x.grad is not None


@pytest.mark.slow
def test_r1_survives_the_compiler(images: Tensor) -> None:
    """Functional gradients in a compiled graph; traced naively the second derivative is lost."""
    inverse = random_inverse(16)
    weight = torch.randn(8, 768, requires_grad=True)

    def penalty(images: Tensor, weight: Tensor) -> Tensor:
        def score(x: Tensor) -> Tensor:
            return (warp(x, inverse).flatten(1) @ weight.T).tanh().sum()

        return torch.func.grad(score)(images).square().sum()

    compiled = torch.compile(penalty, backend="aot_eager", fullgraph=True)
    (ours,) = torch.autograd.grad(compiled(images, weight), weight)
    (eager,) = torch.autograd.grad(penalty(images, weight), weight)
    torch.testing.assert_close(ours, eager)
