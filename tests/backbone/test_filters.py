"""upfirdn2d against the reference arrays, a definition-by-loops and finite differences."""

import math
from typing import Any

import numpy as np
import parity
import pytest
import torch
from torch import Tensor

from ganfeat.backbone.filters import (
    downsample2d,
    filter2d,
    setup_filter,
    upfirdn2d,
    upsample2d,
)

CASES: dict[str, dict[str, Any]] = {
    "up2_upsample": {"up": 2, "padding": (2, 1, 2, 1), "gain": 4},
    "down2": {"down": 2, "padding": 1},
    "pad_only": {"padding": (2, 1, 3, 0)},
    "neg_pad": {"up": 2, "padding": (5, -1, 4, -2), "gain": 0.7},
    "up3down2": {"up": 3, "down": 2, "padding": 4, "gain": 2},
    "upxy": {"up": (2, 1), "down": (1, 2), "padding": (3, 2, 4, 4)},
    "flip": {"up": 2, "padding": 4, "flip": True},
}
FILTERS = {"f1331": "filter_1331", "fasym": "filter_asym_3x5", "fsep9": "filter_sep_9"}


def tensors(name: str) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in parity.load(name).items()}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FILTERS)
def test_agrees_with_the_reference_and_so_does_its_gradient(name: str, case: str) -> None:
    ref = tensors("upfirdn2d")
    x = ref["x"].requires_grad_()
    y = upfirdn2d(x, ref[FILTERS[name]], **CASES[case])
    torch.testing.assert_close(y, ref[f"{name}_{case}.y"], atol=1e-5, rtol=0)
    ramp = torch.linspace(-1, 1, y.numel()).view(y.shape)
    (gx,) = torch.autograd.grad((y * ramp).sum(), x)
    torch.testing.assert_close(gx, ref[f"{name}_{case}.gx"], atol=1e-5, rtol=0)


def test_convenience_forms_agree_with_the_reference() -> None:
    ref = tensors("upfirdn2d")
    x, f = ref["x"], setup_filter([1, 3, 3, 1])
    torch.testing.assert_close(f, ref["filter_1331"])
    torch.testing.assert_close(upsample2d(x, f), ref["upsample2d_1331.y"], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        downsample2d(x[:, :, :8, :6], f), ref["downsample2d_1331.y"], atol=1e-5, rtol=0
    )
    torch.testing.assert_close(filter2d(x, f), ref["filter2d_1331.y"], atol=1e-5, rtol=0)


def by_definition(x: Tensor, f: Tensor, up: int, down: int, pad: int) -> Tensor:
    """y[i, j] = sum over the kernel, written with loops over a zero-inserted, padded image."""
    n, c, h, w = x.shape
    grid = np.zeros((n, c, h * up + 2 * pad, w * up + 2 * pad))
    grid[:, :, pad : pad + h * up : up, pad : pad + w * up : up] = x.numpy()
    kh, kw = f.shape
    mirrored = f.numpy()[::-1, ::-1]
    rows = range(0, grid.shape[2] - kh + 1, down)
    columns = range(0, grid.shape[3] - kw + 1, down)
    y = np.zeros((n, c, len(rows), len(columns)))
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            window = grid[:, :, top : top + kh, left : left + kw]
            y[:, :, i, j] = (window * mirrored).sum(axis=(2, 3))
    return torch.from_numpy(y)


@pytest.mark.parametrize(("up", "down", "pad"), [(1, 1, 2), (2, 1, 3), (1, 3, 2), (3, 2, 4)])
def test_agrees_with_the_definition(up: int, down: int, pad: int) -> None:
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    f = torch.randn(3, 4, dtype=torch.float64)
    y = upfirdn2d(x, f, up=up, down=down, padding=pad)
    torch.testing.assert_close(y, by_definition(x, f, up, down, pad))


@pytest.mark.parametrize("case", ["down2", "up3down2", "neg_pad"])
def test_has_first_and_second_derivatives(case: str) -> None:
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    f = torch.randn(4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: upfirdn2d(x, f, **CASES[case]) ** 2, [x])
    assert torch.autograd.gradgradcheck(lambda x: upfirdn2d(x, f, **CASES[case]) ** 2, [x])


def test_a_constant_image_stays_constant_away_from_the_border() -> None:
    x, f = torch.full((1, 1, 8, 8), 0.5), setup_filter([1, 3, 3, 1])
    for y in (upsample2d(x, f), downsample2d(x, f), filter2d(x, f)):
        inner = y[:, :, 2:-2, 2:-2] if y.shape[-1] > 4 else y[:, :, 1:-1, 1:-1]
        torch.testing.assert_close(inner, torch.full_like(inner, 0.5))
    assert upsample2d(x, f).shape == (1, 1, 16, 16)
    assert downsample2d(x, f).shape == (1, 1, 4, 4)
    assert upsample2d(x, f, up=(2, 1)).shape == (1, 1, 8, 16)


def test_setup_filter_is_normalised_and_separable_from_eight_taps_on() -> None:
    long, short = setup_filter(range(1, 9)), setup_filter([1.0, 2.0, 5.0])
    assert long.shape == (8,)
    assert short.shape == (3, 3)
    assert math.isclose(long.sum().item(), 1.0, rel_tol=1e-6)
    torch.testing.assert_close(short[0], torch.tensor([1.0, 2.0, 5.0]) / 64)
    assert setup_filter([1.0, 3.0], normalize=False, flip=True)[0, 0] == 9
    torch.testing.assert_close(setup_filter(range(1, 9), gain=4.0), long * 2)
    with pytest.raises(ValueError, match="1 or 2 axes"):
        setup_filter([])
