"""ADA's augmentations against the reference arrays, hand-made truths and second implementations."""

import math
from collections.abc import Callable

import parity
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.training.augment import (
    GATES,
    NORMAL,
    UNIFORM,
    AugmentPipe,
    colour_matrix,
    inverse_geometry,
)

SINGLE = [*AugmentPipe.__dataclass_fields__]
BGC = AugmentPipe.preset("bgc")


def draws_with(n: int, uniform: float = 0.5, normal: float = 0.0, **columns: float) -> Tensor:
    """Draws in which everything happens, by the given amounts."""
    draws = torch.zeros(n, len(GATES + UNIFORM + NORMAL))
    _, u, z = draws.split([len(GATES), len(UNIFORM), len(NORMAL)], dim=1)
    u[:], z[:] = uniform, normal
    for name, value in columns.items():
        (u if name in UNIFORM else z)[:, (UNIFORM if name in UNIFORM else NORMAL).index(name)] = (
            value
        )
    return draws


def smooth_images(n: int, size: int) -> Tensor:
    """Low-frequency colour images [n, 3, size, size] without symmetries."""
    rng = torch.Generator().manual_seed(1)
    coarse = torch.rand(n, 3, 4, 4, generator=rng) * 2 - 1
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("q", [0.2, 0.75])
@pytest.mark.parametrize("name", [*SINGLE, "bgc", "bgc_gray"])
def test_agrees_with_the_reference(name: str, q: float) -> None:
    ref = {key: torch.from_numpy(value) for key, value in parity.load("ada_augment").items()}
    pipe = AugmentPipe(**{name: 1}) if name in SINGLE else BGC
    # At a percentile the reference lacks a factor sqrt(2) in normals and the second rotation.
    normal = torch.erfinv(torch.tensor(2 * q - 1)).item()
    draws = draws_with(2, q, normal, post_rotate=0.5)
    y = pipe(ref["x_gray" if "gray" in name else "x"], 1.0, draws)
    torch.testing.assert_close(y, ref[f"{name}_q{q}.y"], atol=1e-4, rtol=0)


# --- truths known by hand ---


def test_integer_translation_moves_the_reflected_image(images: Tensor) -> None:
    # 2 u - 1 = 1/2 and -1: by 1/16 of 16 pixels to the right and by 2 pixels up.
    y = AugmentPipe(xint=1)(images, 1.0, draws_with(4, xint_x=0.75, xint_y=0.0))
    moved = F.pad(images, [1, 0, 0, 2], mode="reflect")[:, :, 2:, :16]
    torch.testing.assert_close(y, moved, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "columns", "truth"),
    [
        ("xflip", {"xflip": 0.9}, lambda x: x.flip(3)),
        ("rotate90", {"rotate90": 0.3}, lambda x: x.rot90(1, [2, 3])),
        ("rotate90", {"rotate90": 0.6}, lambda x: x.rot90(2, [2, 3])),
        ("rotate90", {"rotate90": 0.9}, lambda x: x.rot90(3, [2, 3])),
        ("rotate", {"rotate": 0.75}, lambda x: x.rot90(1, [2, 3])),
        ("rotate", {"rotate": 0.5, "post_rotate": 0.25}, lambda x: x.rot90(3, [2, 3])),
        ("xfrac", {"xfrac_x": 0.5, "xfrac_y": 0}, lambda x: F.pad(x, [2, 0, 0, 0], "reflect")),
    ],
)
def test_geometry_that_maps_pixels_to_pixels(
    name: str, columns: dict[str, float], truth: Callable[[Tensor], Tensor]
) -> None:
    """Up to the wavelet, which lets a little of the finest detail through to its mirror image."""
    x = smooth_images(2, 32)
    y = AugmentPipe(**{name: 1})(x, 1.0, draws_with(2, **columns))
    torch.testing.assert_close(y, truth(x)[:, :, :, :32], atol=0.04, rtol=0)


def test_scaling_up_shows_the_centre_larger() -> None:
    x = smooth_images(2, 32)
    y = AugmentPipe(scale=1)(x, 1.0, draws_with(2, scale=5))  # 2^(0.2 * 5): twice as large
    zoomed = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
    torch.testing.assert_close(y, zoomed[:, :, 16:48, 16:48], atol=0.04, rtol=0)


@pytest.mark.parametrize(
    ("name", "columns", "truth"),
    [
        ("brightness", {"brightness": 1.5}, lambda x: x + 0.3),
        ("contrast", {"contrast": 2.0}, lambda x: 2 * x),
        ("lumaflip", {"lumaflip": 0.7}, lambda x: x - 2 * x.mean(1, keepdim=True)),
        ("lumaflip", {"lumaflip": 0.3}, lambda x: x),
        ("hue", {"hue": 5 / 6}, lambda x: x.roll(1, 1)),
        ("saturation", {"saturation": 1.0}, lambda x: 2 * x - x.mean(1, keepdim=True)),
        ("saturation", {"saturation": -99.0}, lambda x: x.mean(1, keepdim=True).expand(x.shape)),
    ],
)
def test_colour_in_closed_form(
    images: Tensor, name: str, columns: dict[str, float], truth: Callable[[Tensor], Tensor]
) -> None:
    y = AugmentPipe(**{name: 1})(images, 1.0, draws_with(4, **columns))
    torch.testing.assert_close(y, truth(images), atol=1e-5, rtol=0)


# --- second implementations ---


def test_colour_agrees_with_the_product_of_the_papers_matrices() -> None:
    amounts = BGC.amounts(1.0, BGC.draw(16, torch.Generator().manual_seed(0)))
    matrix, offset = colour_matrix(amounts)
    v = torch.tensor([1.0, 1, 1, 0]) / math.sqrt(3)
    along, eye, rgb = torch.outer(v, v), torch.eye(4), torch.diag(torch.tensor([1.0, 1, 1, 0]))
    cross = torch.tensor([[0.0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]])
    for i in range(16):
        a = {name: values[i] for name, values in amounts.items()}
        c = eye.clone()
        c[:3, 3] = a["brightness"]
        c = torch.diag(torch.tensor([a["log2_contrast"].exp2()] * 3 + [1.0])) @ c
        c = (eye - 2 * a["lumaflip"] * along) @ c
        around = a["hue"].cos() * (rgb - along) + a["hue"].sin() / math.sqrt(3) * cross
        c = (along + around + eye - rgb) @ c
        c = (along + (rgb - along) * a["log2_saturation"].exp2() + eye - rgb) @ c
        torch.testing.assert_close(c[:3, :3], matrix[i], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(c[:3, 3:], offset[i].expand(3, 1), atol=1e-5, rtol=1e-5)


def test_geometry_agrees_with_the_inverse_of_the_papers_product() -> None:
    amounts = BGC.amounts(1.0, BGC.draw(16, torch.Generator().manual_seed(0)))
    inverse = inverse_geometry(amounts, 32)

    def rotate(angle: Tensor) -> Tensor:
        cos, sin = angle.cos(), angle.sin()
        return torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])

    def shift(x: Tensor, y: Tensor) -> Tensor:
        return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1]])

    for i in range(16):
        a = {name: values[i] for name, values in amounts.items()}
        scale, aniso = a["log2_scale"].exp2(), a["log2_aniso"].exp2()
        g = torch.diag(torch.tensor([1 - 2 * a["xflip"], 1, 1]))
        g = rotate(-math.pi / 2 * a["quarters"]) @ g
        g = shift((a["xint_x"] * 32).round(), (a["xint_y"] * 32).round()) @ g
        g = torch.diag(torch.tensor([scale, scale, 1])) @ g
        g = rotate(-a["rotate"]) @ g
        g = torch.diag(torch.tensor([aniso, 1 / aniso, 1])) @ g
        g = rotate(-a["post_rotate"]) @ g
        g = shift(a["xfrac_x"] * 32, a["xfrac_y"] * 32) @ g
        torch.testing.assert_close(g @ inverse[i], torch.eye(3), atol=1e-5, rtol=0)


# --- chances and draws ---


def test_everything_happens_with_its_probability_and_spread() -> None:
    n, p = 20_000, 0.3
    pipe = AugmentPipe(**dict.fromkeys(SINGLE, 1) | {"scale": 0.5, "hue": 0})
    amounts = pipe.amounts(p, pipe.draw(n, torch.Generator().manual_seed(0)))

    def check(happened: Tensor, probability: float) -> None:
        spread = math.sqrt(n * probability * (1 - probability))
        assert abs(happened.sum().item() - n * probability) <= 4 * spread

    either = (amounts["rotate"] != 0) | (amounts["post_rotate"] != 0)
    check(either, p)
    check(amounts["rotate"] != 0, 1 - math.sqrt(1 - p))
    # Half of the flips and a quarter of the turns are by nothing.
    expected = {"xflip": p / 2, "lumaflip": p / 2, "quarters": p * 3 / 4, "log2_scale": p / 2}
    for name in [*amounts.keys() - {"rotate", "post_rotate"}]:
        check(amounts[name] != 0, 0 if name == "hue" else expected.get(name, p))
    stds = {"log2_scale": 0.2, "log2_aniso": 0.2, "xfrac_x": 0.125, "xfrac_y": 0.125}
    stds |= {"brightness": 0.2, "log2_contrast": 0.5, "log2_saturation": 1.0}
    stds |= {"xint_x": 0.125 / math.sqrt(3), "rotate": math.pi / math.sqrt(3)}
    for name, std in stds.items():
        values = amounts[name][amounts[name] != 0]
        assert values.std().item() == pytest.approx(std, rel=0.06)
        assert values.mean().item() == pytest.approx(0, abs=0.06 * std + 3 * std / 50)
    assert amounts["xint_x"].abs().max() <= 0.125
    assert {*amounts["quarters"].tolist()} == {0, 1, 2, 3}


def test_transforms_are_independent_of_each_other() -> None:
    amounts = BGC.amounts(0.5, BGC.draw(20_000, torch.Generator().manual_seed(1)))
    del amounts["xint_y"], amounts["xfrac_y"]  # these share the dice of x
    happened = torch.stack([(values != 0).float() for values in amounts.values()])
    correlation = torch.corrcoef(happened) - torch.eye(len(happened))
    assert correlation.abs().max() < 0.04


def test_draws_depend_on_the_generator_alone() -> None:
    one = BGC.draw(8, torch.Generator().manual_seed(5))
    assert torch.equal(one, AugmentPipe(hue=0.5).draw(8, torch.Generator().manual_seed(5)))
    assert not torch.equal(one, BGC.draw(8, torch.Generator().manual_seed(6)))


def test_two_shares_of_a_batch_equal_the_whole(images: Tensor) -> None:
    draws = BGC.draw(4, torch.Generator().manual_seed(2))
    whole = BGC(images, 0.7, draws)
    for share in (slice(0, None, 2), slice(1, None, 2)):
        part = BGC(images[share], 0.7, draws[share])
        torch.testing.assert_close(part, whole[share], atol=1e-6, rtol=0)


def test_p_may_be_a_tensor(images: Tensor) -> None:
    draws = BGC.draw(4, torch.Generator().manual_seed(2))
    assert torch.equal(BGC(images, torch.tensor(0.7), draws), BGC(images, 0.7, draws))


# --- identity, formats, errors ---


def test_nothing_happens_at_p_zero(images: Tensor) -> None:
    draws = BGC.draw(4)
    assert BGC(images, 0.0, draws) is images
    torch.testing.assert_close(BGC(images, torch.tensor(0.0), draws), images, atol=1e-5, rtol=0)
    assert torch.equal(AugmentPipe()(images, 1.0, draws), images)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_memory_format_and_dtype(
    images: Tensor, dtype: torch.dtype, memory_format: torch.memory_format
) -> None:
    x = images.to(dtype=dtype, memory_format=memory_format)
    y = BGC(x, 1.0, BGC.draw(4))
    assert y.is_contiguous(memory_format=memory_format)
    assert y.dtype == dtype


def test_autocast_does_not_round_the_images(images: Tensor) -> None:
    draws = BGC.draw(4, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = BGC(images, 1.0, draws)
    assert torch.equal(y, BGC(images, 1.0, draws))


def test_presets_and_errors(images: Tensor) -> None:
    assert AugmentPipe(**dict.fromkeys(SINGLE, 1)) == BGC
    assert AugmentPipe.preset("blit") == AugmentPipe(xflip=1, rotate90=1, xint=1)
    with pytest.raises(UserError, match="bgcfnc"):
        AugmentPipe.preset("bgcfnc")
    with pytest.raises(ValueError, match="4 images need as many"):
        BGC(images, 0.5, BGC.draw(3))
    with pytest.raises(ValueError, match="square"):
        BGC(images[:, :, :8], 0.5, BGC.draw(4))
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        BGC(images[:, :2], 0.5, BGC.draw(4))


# --- derivatives ---


@pytest.mark.parametrize("channels", [1, 3])
def test_has_first_and_second_derivatives(channels: int) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(2, channels, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    draws = BGC.draw(2, rng)
    assert torch.autograd.gradcheck(lambda x: BGC(x, 1.0, draws).tanh(), [x])
    assert torch.autograd.gradgradcheck(lambda x: BGC(x, 1.0, draws).tanh(), [x])


def test_r1_agrees_with_a_dense_matrix() -> None:
    """A whole R1 step, the augmentation once as a program and once as y = A x + b."""
    rng = torch.Generator().manual_seed(4)
    draws = BGC.draw(1, rng)
    x = torch.randn(1, 3, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 48, generator=rng, dtype=torch.float64, requires_grad=True)
    basis = torch.eye(49, 48, dtype=torch.float64).view(49, 3, 4, 4)  # the last one is black
    columns = BGC(basis, 1.0, draws.expand(49, -1)).flatten(1)
    matrix, offset = (columns[:48] - columns[48]).T, columns[48]

    def penalty(augmented: Tensor) -> Tensor:
        (grad,) = torch.autograd.grad((weight @ augmented).tanh().sum(), x, create_graph=True)
        return grad.square().sum()

    ours = torch.autograd.grad(penalty(BGC(x, 1.0, draws).flatten()), [weight, x])
    dense = torch.autograd.grad(penalty(matrix @ x.flatten() + offset), [weight, x])
    torch.testing.assert_close(ours, dense)
