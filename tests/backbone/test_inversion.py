"""Latents of given images, where it is known which ones draw them."""

import math

import pytest
import torch

from ganfeat import backbone
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.inversion import invert, middle, rate, regularity
from ganfeat.features.embedded import embedded


@pytest.fixture(scope="module")
def noisy() -> Generator:
    """A small generator that adds noise."""
    torch.manual_seed(0)
    g = Generator(16, z_dim=8, w_dim=8, mapping_layers=1, channel_base=64, channel_max=8).eval()
    for layer in g._noisy_layers():
        layer.noise_strength.data.fill_(0.1)
    return g.requires_grad_(False)


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(4 / (a - b).square().mean(dim=[1, 2, 3]))


def test_own_samples_are_found_again() -> None:
    """Of the embedded generator; far better than the mean latent, and better still with time."""
    g, looks = backbone.load("embedded"), embedded("teacher")
    images = g(torch.randn(3, g.z_dim)).detach().clamp(-1, 1)
    mean = g.synthesize(g.broadcast(g.w_avg[None]))
    short, long = (invert(g, images, looks.distance, steps) for steps in (30, 150))
    found = [psnr(g.synthesize(x.ws), images) for x in (short, long)]
    assert (found[1] > psnr(mean, images) + 8).all()
    assert (found[1] > found[0]).all()
    assert long.noise == []
    assert long.ws.shape == (3, 8, 128)


def test_images_do_not_depend_on_each_other(noisy: Generator) -> None:
    images = noisy(torch.randn(2, 8)).detach()
    together, alone = invert(noisy, images, None, 20), invert(noisy, images[1:], None, 20)
    torch.testing.assert_close(together.ws[1:], alone.ws, rtol=1e-3, atol=1e-3)
    for a, b in zip(together.noise, alone.noise, strict=True):
        torch.testing.assert_close(a[1:], b, rtol=1e-2, atol=1e-2)


def test_noise_stays_noise(noisy: Generator) -> None:
    """Mean 0 and deviation 1 in every image; without neighbours that are alike."""
    images = noisy(torch.randn(2, 8)).detach()
    found = invert(noisy, images, None, 60)
    assert len(found.noise) == len(noisy._noisy_layers())
    for x in found.noise:
        torch.testing.assert_close(x.mean(dim=[1, 2, 3]), torch.zeros(2), atol=1e-4, rtol=0)
        torch.testing.assert_close(x.square().mean(dim=[1, 2, 3]), torch.ones(2))
    assert float(regularity(found.noise[-1]).max()) < 0.02


def test_generator_learns_nothing(noisy: Generator) -> None:
    before = {k: v.clone() for k, v in noisy.state_dict().items()}
    invert(noisy, torch.zeros(1, 3, 16, 16), None, 3)
    assert all(torch.equal(v, before[k]) for k, v in noisy.state_dict().items())
    assert all(p.grad is None for p in noisy.parameters())


def test_classes_have_a_mean_too() -> None:
    g = Generator(
        16, z_dim=8, w_dim=8, label_dim=3, mapping_layers=1, channel_base=64, channel_max=8
    )
    mean, spread = middle(g, 0)
    assert mean.shape == (1, 1, 8)
    assert spread > 0


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(i / 100) for i in range(100)]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(0.2)
    assert set(rates[5:75]) == {1.0}
    assert rates[75:] == sorted(rates[75:], reverse=True)
    assert rates[-1] == pytest.approx(0.5 - 0.5 * math.cos(0.04 * math.pi))


def test_what_is_regular() -> None:
    """Stripes are, at the first scale; what is smooth is, at all; white noise hardly."""
    white = torch.randn(1, 1, 64, 64)
    smooth = torch.ones(1, 1, 64, 64)
    stripes = torch.tensor([1.0, -1.0]).repeat(32).expand(1, 1, 64, 64)
    assert float(regularity(white)) < 0.01
    assert float(regularity(smooth)) == pytest.approx(2 * 4)  # sides of 64, 32, 16 and 8
    assert float(regularity(stripes)) == pytest.approx(2)
