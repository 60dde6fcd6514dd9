"""GH-Feat's network against the authors' port, the paper's sizes and its own promises."""

from collections.abc import Mapping

import parity
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.encoders.ghfeat import GHFeatNet
from ganfeat.encoders.ghfeat.network import Alignment, Pyramid, head, on_grid
from ganfeat.encoders.ghfeat.resnet import ResNet
from ganfeat.errors import UserError

MAPS = ("res4", "res5", "res6")  # the finest first


def arrays() -> dict[str, Tensor]:
    return {k: torch.as_tensor(v) for k, v in parity.load("methods/ghfeat_port").items()}


def close(got: Tensor | None, want: Tensor, bound: float = 2e-5) -> None:
    """Within a share of the largest entry."""
    assert got is not None
    assert got.shape == want.shape
    assert (got - want).abs().max() <= bound * want.abs().max()


def theirs(module: nn.Module, a: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, str]:
    """Fill a module; names of its parameters -> theirs."""
    found = {}
    for own, _ in module.named_parameters():
        part, rest = own.split(".", 1)
        found[own] = f"{names[part]}.{rest}"
    module.load_state_dict({own: a[f"in.{name}"] for own, name in found.items()})
    return found


def test_pyramid_and_alignment() -> None:
    a = arrays()
    pyramid, align = Pyramid([6, 8, 10], 7), Alignment(3, 7, 5)
    names = {"lateral": "fpn.lateral_layers", "smooth": "fpn.feature_layers"}
    parameters = {
        pyramid: theirs(pyramid, a, names),
        align: theirs(align, a, {"convs": "sam.fusion_layers"}),
    }
    maps = [a[f"in.{m}"].requires_grad_() for m in MAPS]
    seen = pyramid(maps)
    aligned = align(seen)
    for i, m in enumerate(MAPS):
        close(seen[i], a[f"out.fpn.{m}"])
        close(aligned[i], a[f"out.sam.{m}"])
        close(on_grid(seen)[i], a[f"out.nosam.{m}"])
    loss = [(x * a[f"in.grad_weight.{m}"]).sum() for x, m in zip(aligned, MAPS, strict=True)]
    torch.stack(loss).sum().backward()
    for x, m in zip(maps, MAPS, strict=True):
        close(x.grad, a[f"out.grad.{m}"], 1e-4)
    for module, named in parameters.items():
        for own, name in named.items():
            close(module.get_parameter(own).grad, a[f"out.grad.{name}"], 1e-4)


def test_heads() -> None:
    a = arrays()
    h = head(5, 12)
    h.load_state_dict(
        {"1.weight": a["in.head.fc.weight"], "1.bias": a["in.head.fc.bias"]}
        | {
            f"2.{k}": a[f"in.head.norm.{k}"]
            for k in ("weight", "bias", "running_mean", "running_var")
        }
        | {"2.num_batches_tracked": torch.tensor(0)}
    )
    close(h.eval()(a["in.head_input"]), a["out.head_eval"])
    close(h.train()(a["in.head_input"]), a["out.head_train"])
    close(h[2].running_mean, a["out.head_running_mean_after"])
    close(h[2].running_var, a["out.head_running_var_after"])


def test_who_hears_of_which_map() -> None:
    """Check S5: the deepest map reaches all three, the finest only itself; none is added twice."""
    torch.manual_seed(0)
    pyramid, align = Pyramid([6, 8, 10], 7), Alignment(3, 7, 5)
    maps = [torch.randn(2, c, r, r) for c, r in ((6, 16), (8, 8), (10, 4))]
    before = align(pyramid(maps))
    for i, changes in enumerate(([True, False, False], [True, True, False], [True, True, True])):
        others = [x + (j == i) for j, x in enumerate(maps)]
        after = align(pyramid(others))
        assert [not torch.equal(x, y) for x, y in zip(before, after, strict=True)] == changes
    seen = on_grid(pyramid(maps))
    torch.testing.assert_close(before[2], align.convs[2](seen[2]))
    torch.testing.assert_close(before[0], align.convs[0](seen[0]) + before[2])


# The paper's network, of which only the sizes are looked at.

WIDTHS = {4: 1024, 8: 1024, 16: 1024, 32: 1024, 64: 512, 128: 256, 256: 128}  # StyleGAN1's rows
STYLEGAN1 = [[f"b{r}.{i}", r, width] for r, width in WIDTHS.items() for i in (0, 1)]


def count(module: nn.Module | None) -> float:
    assert module is not None
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_sizes_of_the_paper() -> None:
    with torch.device("meta"):
        e = GHFeatNet(256, STYLEGAN1)
        maps = e.taps(torch.zeros(1, 3, 256, 256))
        seen = e.pyramid(maps)
        levels = e.encode(torch.zeros(2, 3, 256, 256))
    assert [m.shape[1:] for m in maps] == [(1024, 16, 16), (2048, 8, 8), (2048, 4, 4)]
    assert [m.shape[1:] for m in seen] == [(512, 16, 16), (512, 8, 8), (512, 4, 4)]
    assert {name: x.shape for name, x in levels.items()} == {n: (2, w) for n, _, w in STYLEGAN1}
    said = {i: h[1].out_features for i, h in e.heads.items()}
    assert said == {"0": 1792, "1": 4096, "2": 4096}
    extra = count(e.backbone.stages[-1])
    assert extra == pytest.approx(8.7, abs=0.05)
    assert count(e.backbone) - extra == pytest.approx(23.5, abs=0.05)
    assert count(e.pyramid) == pytest.approx(30.7, abs=0.05)
    assert count(e.align) == pytest.approx(7.1, abs=0.05)
    assert count(e.heads) == pytest.approx(81.8, abs=0.05)
    assert count(e) == pytest.approx(151.8, abs=0.1)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_every_depth_gives_three_maps(depth: int) -> None:
    with torch.device("meta"):
        net = ResNet(256, depth, 64)
        maps = net(torch.zeros(1, 3, 256, 256))
    assert [m.shape[-1] for m in maps] == [16, 8, 4]
    assert [m.shape[1] for m in maps] == net.channels == [
        *([256, 512] if depth < 50 else [1024, 2048]), 2048
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("resolution", "sides"),
    [(16, [16, 8, 4]), (32, [16, 8, 4]), (64, [16, 8, 4]), (128, [16, 8, 4]), (512, [32, 16, 8])],
)
def test_every_resolution_gives_three_maps(resolution: int, sides: list[int]) -> None:
    with torch.device("meta"):
        maps = ResNet(resolution, 18, 8)(torch.zeros(1, 3, resolution, resolution))
    assert [m.shape[-1] for m in maps] == sides


def test_a_depth_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="depth=19 does not exist: choose one of 18, 34, 50, 101"):
        ResNet(32, 19, 8)


# A small one.

LEVELS = [["b4.conv1", 4, 5], ["b8.conv0", 8, 4], ["b16.conv0", 16, 3], ["b32.torgb", 32, 2]]


def small(**options: bool) -> GHFeatNet:
    torch.manual_seed(0)
    return GHFeatNet(32, LEVELS, depth=18, width=8, channels=16, **options)


def test_levels_come_from_the_map_of_their_size() -> None:
    e = small(align=False).eval()
    images = torch.randn(2, 3, 32, 32)
    before = e.encode(images)
    assert {name: x.shape for name, x in before.items()} == {n: (2, w) for n, _, w in LEVELS}
    for i, changed in ((0, {"b32.torgb"}), (1, {"b16.conv0"}), (2, {"b4.conv1", "b8.conv0"})):
        with torch.no_grad():
            e.heads[str(i)][1].bias.add_(1)
        after = e.encode(images)
        assert {n for n in before if not torch.equal(before[n], after[n])} == changed
        before = after


def test_levels_keep_their_order() -> None:
    turned = GHFeatNet(32, LEVELS[::-1], depth=18, width=8, channels=16)
    assert [*turned.encode(torch.randn(2, 3, 32, 32))] == [n for n, _, _ in LEVELS[::-1]]


def test_codes_start_standardised() -> None:
    """Check S11."""
    torch.manual_seed(0)
    e = GHFeatNet(
        32, LEVELS, depth=18, width=16, channels=128
    )  # fewer: the norm's 1e-5 would count
    codes = e.train().codes(torch.randn(64, 3, 32, 32))
    assert codes.mean(dim=0).abs().max() < 1e-5
    assert (codes.std(dim=0, correction=0) - 1).abs().max() < 0.05


def test_codes_are_far_from_the_mean_by_deviations() -> None:
    e = small()
    rows = torch.randn(1000, 14) * torch.arange(1, 15) + 3
    e.standardise(e.by_level(rows))
    codes = torch.randn(6, 14)
    styles = torch.cat([*e.styles(codes).values()], dim=1)
    torch.testing.assert_close(styles, rows.mean(dim=0) + rows.std(dim=0) * codes)
    assert [*e.styles(codes)] == [name for name, _, _ in LEVELS]


def test_evaluation_knows_no_other_image() -> None:
    """Check S7, and that running statistics are what evaluation goes by."""
    e = small()
    images = torch.randn(16, 3, 32, 32)
    for _ in range(3):
        e.train().codes(images)
    e.eval()
    assert torch.equal(e.codes(images), e.codes(images))
    torch.testing.assert_close(e.codes(images)[:1], e.codes(images[:1]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (32, 16), (4, 4)])
def test_images_of_another_size(shape: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="made for a generator of 32x32 px"):
        small().encode(torch.zeros(1, 3, *shape))


def test_without_alignment_maps_are_only_averaged() -> None:
    e = small(align=False).eval()
    images = torch.randn(2, 3, 32, 32)
    finest = F.adaptive_avg_pool2d(e.pyramid(e.taps(images))[0], 4)
    torch.testing.assert_close(e.heads["0"](finest), e.encode(images)["b32.torgb"])
