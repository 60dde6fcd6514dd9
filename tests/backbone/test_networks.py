"""The networks' own contract: sizes, latent spaces, noise, taps, precision."""

import pytest
import torch
from torch import Tensor

from ganfeat.backbone import Discriminator, Generator
from ganfeat.errors import UserError

ARCHITECTURES = ("skip", "resnet", "orig")
SMALL = {"channel_base": 256, "channel_max": 16}


def generator(resolution: int = 32, **options: object) -> Generator:
    torch.manual_seed(0)
    g = Generator(resolution, z_dim=12, w_dim=10, mapping_layers=2, **{**SMALL, **options})
    with torch.no_grad():
        for name, parameter in g.named_parameters():
            if "noise_strength" in name:
                parameter.fill_(0.3)
        g.w_avg.normal_()
    return g.eval()


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes_are_the_published_ones() -> None:
    with torch.device("meta"):
        g, d = Generator(256, channel_base=16384), Discriminator(256, channel_base=16384)
        assert (count(g), count(d)) == (24_767_458, 24_001_089)
        large = Generator(1024)
        styles = large.styles(torch.empty(1, large.num_ws, 512))
        assert (len(styles), sum(s.shape[1] for s in styles.values())) == (26, 9088)
        assert g.num_ws == 14
        embedded = {"channel_base": 2048, "channel_max": 128}
        g = Generator(32, z_dim=128, w_dim=128, mapping_layers=4, **embedded)
        assert (count(g), count(Discriminator(32, **embedded))) == (1_083_219, 1_153_473)


@pytest.mark.parametrize("label_dim", [0, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("resolution", [16, 64, 1024])
def test_every_shape(resolution: int, architecture: str, label_dim: int) -> None:
    options = {"label_dim": label_dim, "architecture": architecture, **SMALL}
    with torch.device("meta"):
        g = Generator(resolution, z_dim=8, w_dim=9, **options)
        d = Discriminator(resolution, **options)
        label = torch.empty(4, label_dim) if label_dim else None
        ws = g.broadcast(g.map(torch.empty(4, 8), label))
        assert ws.shape == (4, g.num_ws, 9)
        sizes = [2**i for i in range(2, resolution.bit_length())]
        images, maps = g.synthesize(ws, taps=sizes)
        assert images.shape == (4, 3, resolution, resolution)
        width = {r: min(max(256 // r, 1), 16) for r in sizes}
        assert {r: x.shape for r, x in maps.items()} == {r: (4, width[r], r, r) for r in sizes}
        logits, maps = d(images, label, taps=sizes)
        assert logits.shape == (4, 1)
        assert {r: x.shape for r, x in maps.items()} == {r: (4, width[r], r, r) for r in sizes}
        assert Generator(**g.config).config == g.config
        assert Discriminator(**d.config).config == d.config


@pytest.mark.parametrize("resolution", [8, 24, 2048, 0])
def test_resolutions_that_cannot_be(resolution: int) -> None:
    for network in (Generator, Discriminator):
        with pytest.raises(UserError, match=f"resolution {resolution} .* power of two from 16"):
            network(resolution)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_style_space_is_exact_and_full(architecture: str) -> None:
    g = generator(architecture=architecture)
    ws = torch.randn(2, g.num_ws, 10)
    styles = g.styles(ws)
    assert list(styles) == g.style_names
    assert torch.equal(g.synthesize(styles=styles), g.synthesize(ws))
    base = g.synthesize(ws)
    for name in styles:  # nothing in S is without effect
        changed = {**styles, name: styles[name] + 0.5}
        assert (g.synthesize(styles=changed) - base).abs().max() > 1e-3, name


def test_each_latent_reaches_its_layers_only() -> None:
    g = generator()
    ws = torch.randn(1, g.num_ws, 10)
    base = g.styles(ws)
    reached = []
    for i in range(g.num_ws):
        moved = ws.clone()
        moved[:, i] += 1
        styles = g.styles(moved)
        reached.append([name for name in styles if not torch.equal(styles[name], base[name])])
    assert reached == [
        ["b4.conv1"], ["b4.torgb", "b8.conv0"], ["b8.conv1"], ["b8.torgb", "b16.conv0"],
        ["b16.conv1"], ["b16.torgb", "b32.conv0"], ["b32.conv1"], ["b32.torgb"],
    ]  # fmt: skip


def test_noise_modes() -> None:
    g, ws = generator(), torch.randn(2, 8, 10)
    const = g.synthesize(ws)
    assert torch.equal(const, g.synthesize(ws, noise="const"))
    assert not torch.equal(const, g.synthesize(ws, noise="none"))
    assert not torch.equal(g.synthesize(ws, noise="random"), g.synthesize(ws, noise="random"))
    stored = [layer.noise_const for _, block in g.synthesis.blocks() for _, layer in block.layers()]
    assert torch.equal(const, g.synthesize(ws, noise=stored))
    rng = [torch.Generator().manual_seed(5) for _ in range(2)]
    drawn = [g.draw_noise(2, r) for r in rng]
    assert torch.equal(g.synthesize(ws, noise=drawn[0]), g.synthesize(ws, noise=drawn[1]))
    with pytest.raises(ValueError, match="7 noise images are needed, got 2"):
        g.synthesize(ws, noise=drawn[0][:2])
    with pytest.raises(ValueError, match="const, random, none"):
        g.synthesize(ws, noise="constant")  # type: ignore[arg-type]


def test_without_noise_the_image_depends_on_ws_alone() -> None:
    g, ws = generator(use_noise=False), torch.randn(2, 8, 10)
    assert not any("noise" in name for name in g.state_dict())
    for noise in ("const", "random", "none", g.draw_noise(2)):
        assert torch.equal(g.synthesize(ws, noise=noise), g.synthesize(ws))
    with pytest.raises(ValueError, match="0 noise images are needed, got 1"):
        g.synthesize(ws, noise=[torch.randn(4, 4)])
    noisy = generator()
    noisy.load_state_dict(g.state_dict(), strict=False)
    torch.testing.assert_close(noisy.synthesize(ws, noise="none"), g.synthesize(ws))
    assert not torch.allclose(noisy.synthesize(ws), g.synthesize(ws))


def test_truncation_goes_to_the_mean() -> None:
    g, z = generator(), torch.randn(3, 12)
    mean = g.synthesize(g.broadcast(g.w_avg[None]))
    torch.testing.assert_close(g(z, psi=0.0), mean.expand(3, -1, -1, -1))
    w = g.map(z)
    half = g.truncate(w, 0.5)
    torch.testing.assert_close(half, (w + g.w_avg) / 2)
    ws = g.truncate(g.broadcast(w), 0.5, cutoff=2)
    torch.testing.assert_close(ws[:, 1], half)
    torch.testing.assert_close(ws[:, 2], w)


def test_a_label_is_needed_where_the_network_has_classes() -> None:
    g = generator(label_dim=4)
    with pytest.raises(ValueError, match="labels of 4 columns are needed, got none"):
        g(torch.randn(2, 12))
    with pytest.raises(ValueError, match="labels of 4 columns are needed, got 3 columns"):
        g(torch.randn(2, 12), torch.zeros(2, 3))


def test_taps_that_are_not_there() -> None:
    g, d = generator(), Discriminator(32, **SMALL)
    with pytest.raises(ValueError, match=r"no block at \[64\] px"):
        g.synthesize(torch.randn(1, 8, 10), taps=[64])
    with pytest.raises(ValueError, match=r"no maps of \[64\] px"):
        d(torch.randn(1, 3, 32, 32), taps=[64])
    with pytest.raises(ValueError, match="takes 32 px images, got 16x16"):
        d(torch.randn(1, 3, 16, 16))


def test_groups_of_the_stddev_are_strided() -> None:
    d = Discriminator(16, mbstd_group=2, **SMALL)
    images = torch.randn(4, 3, 16, 16)
    images[2] = images[0]
    images[3] = images[1]
    alike = d(images)
    alone = d(images[[0, 2]])
    torch.testing.assert_close(alike[[0, 2]], alone)
    with pytest.raises(UserError, match="3 images do not divide into groups of 2"):
        d(images[:3])


def relative(a: Tensor, b: Tensor) -> float:
    return float(((a.float() - b.float()).norm() / b.float().norm()).detach())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bf16_in_the_highest_resolutions_only(architecture: str) -> None:
    g = generator(64, architecture=architecture)
    half = generator(64, architecture=architecture, num_bf16_res=2)
    half.load_state_dict(g.state_dict())
    ws = torch.randn(2, g.num_ws, 10)
    image, maps = half.synthesize(ws, taps=[4, 16, 32, 64])
    assert image.dtype == torch.float32
    assert [x.dtype for x in maps.values()] == [torch.float32] * 2 + [torch.bfloat16] * 2
    assert 0 < relative(image, g.synthesize(ws)) < 1e-2
    options = {"architecture": architecture, "channel_base": 256, "channel_max": 16}
    d, half_d = Discriminator(64, **options), Discriminator(64, num_bf16_res=4, **options)
    half_d.load_state_dict(d.state_dict())
    logits, maps = half_d(image, taps=[4, 64])
    assert logits.dtype == torch.float32
    assert maps[64].dtype == maps[4].dtype == torch.bfloat16
    full, full_maps = d(image, taps=[4, 64])
    assert 0 < relative(maps[64], full_maps[64]) < 5e-3
    assert 0 < relative(maps[4], full_maps[4]) < 2e-2
    # Logits of a fresh network lie near 0, where a relative error says nothing: the map before
    # them has the size of 1.
    assert (logits - full).abs().max() < 1e-2


def test_the_same_number_in_double_precision() -> None:
    g = generator().double()
    z = torch.randn(2, 12, dtype=torch.float64)
    assert g(z).dtype == torch.float64
    torch.testing.assert_close(g(z).float(), g.float()(z.float()), atol=1e-4, rtol=1e-4)
