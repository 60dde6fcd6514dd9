"""Reconstructions whose errors are known."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from judges import SIZE, Pixels
from torch import Tensor
from torch.nn import functional as F

from ganfeat.data import ImageDataset, SynthFaces
from ganfeat.errors import UserError
from ganfeat.metrics.reconstruction import pixel_errors, reconstruction
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge

N = 100


def measured(rebuild: Any, n: int = N, length: int = 200) -> dict[str, Any]:
    references = References(SynthFaces("test", SIZE, length))
    found = reconstruction(rebuild, Judge(Pixels(), Pixels()), references, n)
    assert all(v.n == n and v.protocol["data"] for v in found.values)
    return {value.name: value.value for value in found.values}


def test_a_perfect_reconstruction() -> None:
    found = measured(lambda images: images)
    perfect = {"mse100": 0, "psnr100": 106.02, "ssim100": 1, "distance100_pixels": 0}
    assert found == pytest.approx({**perfect, "rfid100_pixels": 0}, abs=1e-2)


def test_errors_of_a_known_size() -> None:
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 32, 32, generator=rng) - 0.5
    sign = torch.randint(0, 2, images.shape, generator=rng) * 2 - 1
    mse, psnr, ssim = pixel_errors(images, images + 0.1 * sign)
    torch.testing.assert_close(mse, torch.full([8], 0.01), rtol=1e-4, atol=0)
    torch.testing.assert_close(psnr, torch.full([8], 10 * math.log10(4 / 0.01)), rtol=1e-4, atol=0)
    assert ((ssim > 0) & (ssim < 1)).all()
    flat = torch.full([1, 3, 32, 32], 0.5)
    _, _, brighter = pixel_errors(flat, flat - 0.5)
    c1 = (0.01 * 2) ** 2  # equation 13 with two constant images: (2 a b + c) / (a^2 + b^2 + c)
    assert float(brighter) == pytest.approx(c1 / (0.25 + c1), rel=1e-3)


def test_everything_gets_worse_with_blur() -> None:
    def blurred(images: Tensor, side: int) -> Tensor:
        return F.interpolate(F.avg_pool2d(images, side), scale_factor=side)

    worse = [measured(lambda images, s=side: blurred(images, s)) for side in (2, 4, 8)]
    for name in worse[0]:
        series = [found[name] for found in worse]
        falls = name.startswith(("psnr", "ssim"))
        # The vectors are averages over 4 px: they cannot see what is lost below.
        series = series[1:] if name.startswith("rfid") else series
        assert series == sorted(series, reverse=falls)
        assert abs(series[0] - series[-1]) > 0.01


def test_values_outside_are_clamped() -> None:
    assert measured(lambda images: images * 1e6)["mse100"] <= 4


def test_few_images_have_no_distance_of_distributions() -> None:
    found = measured(lambda images: -images, n=40)
    assert found["mse40"] > 0.1
    assert found["rfid40_pixels"] is None


def test_what_cannot_be_measured(photographs: Path) -> None:
    references = References(ImageDataset(str(photographs), 16))
    with pytest.raises(UserError, match="reconstructions of 100 images: there are 24"):
        reconstruction(lambda images: images, Judge(Pixels(), Pixels()), references, 100)
    with pytest.raises(UserError, match="a reconstruction is not finite for 64 of 64"):
        measured(lambda images: images / 0)
