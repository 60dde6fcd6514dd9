"""The small networks: shapes, what they give, and their way to a file and back."""

from pathlib import Path

import pytest
import torch

from ganfeat.errors import UserError
from ganfeat.features import ClassNet, FactorNet, SmallNet
from ganfeat.features.blocks import FAINT, QUANTILES, Glances, Standard, faintness
from ganfeat.features.embedded import embedded
from ganfeat.features.network import area, standardise, unit_difference
from ganfeat.features.small import Column, decode
from ganfeat.networks import save_networks

COLUMNS = [
    ["a", "continuous", 0],
    ["b", "binary", 2],
    ["c", "categorical", 3],
    ["d", "circular", 0],
]
NARROW = {"widths": (8, 8, 16, 16), "dim": 12}


def images(n: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_four_stages_of_maps_and_a_vector() -> None:
    net = SmallNet("teacher", **NARROW)
    assert [m.shape[1:] for m in net.taps(images())] == [
        (8, 32, 32),
        (8, 16, 16),
        (16, 8, 8),
        (16, 4, 4),
    ]
    assert net.embed(images()).shape == (3, 12)


def test_an_image_does_not_depend_on_its_batch() -> None:
    net = SmallNet("teacher", **NARROW).eval()
    together = net.embed(images(5))
    alone = torch.cat([net.embed(x[None]) for x in images(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_larger_images_are_averaged_and_others_refused() -> None:
    net = SmallNet("teacher", **NARROW).eval()
    large = images(2, 32).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(net.embed(large), net.embed(images(2, 32)), atol=1e-5, rtol=1e-5)
    for size in (16, 48):
        with pytest.raises(UserError, match=f"teacher looks at 32 px.*{size}x{size} px do not fit"):
            net.embed(images(1, size))


def test_the_embedded_networks_stay_below_five_megabytes() -> None:
    columns = [[f"f{i}", "continuous", 0] for i in range(60)]
    for net in (FactorNet("factornet", columns), SmallNet("teacher"), ClassNet("cifarnet", 10)):
        assert sum(p.numel() for p in net.parameters()) * 4 < 5e6


def test_numbers_are_standard_by_what_was_seen_in_training() -> None:
    rng = torch.Generator().manual_seed(0)
    seen = 5 + torch.tensor([0.1, 3.0]) * torch.randn(20, 64, 2, generator=rng)
    standard = Standard(2)
    for batch in seen:
        standard(batch)
    torch.testing.assert_close(standard.mean, seen.mean(dim=[0, 1]))
    standard.eval()
    out = torch.stack([standard(batch) for batch in seen])
    torch.testing.assert_close(out.mean(dim=[0, 1]), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(out.std(dim=[0, 1]), torch.ones(2), rtol=0, atol=0.01)
    assert torch.equal(standard(seen[0])[3:5], standard(seen[0][3:5]))
    assert int(standard.batches) == 20


def test_faintness_is_that_of_the_grain_and_not_of_edges() -> None:
    rng = torch.Generator().manual_seed(0)
    grain = 0.1 * torch.randn(4, 3, 128, 128, generator=rng)
    found = faintness(grain)
    normal = torch.distributions.Normal(0.0, 0.1)
    expected = [normal.icdf(torch.tensor(0.5 + q / 2)).item() + FAINT for q in QUANTILES]
    torch.testing.assert_close(10**found, torch.tensor([expected] * 4), rtol=0.05, atol=0)
    grain[:, :, 60:] += 1  # an edge
    torch.testing.assert_close(10 ** faintness(grain), 10**found, rtol=0.05, atol=0)
    assert faintness(torch.zeros(1, 3, 32, 32))[0].tolist() == pytest.approx([-3] * 4)


def test_a_window_moves_with_the_place() -> None:
    glances = Glances(channels=1, fine=1, places=1, side=16)
    with torch.no_grad():
        glances.where.weight.fill_(1e4)  # looks at the brightest position
        finest, maps = torch.zeros(2, 1, 32, 32), torch.zeros(2, 1, 16, 16)
        maps[0, 0, 4, 6] = maps[1, 0, 9, 5] = 1
        finest[0, 0, 8, 13] = finest[1, 0, 18, 11] = 1  # the same pixel beside either
        positions, contents = glances([maps], finest)
    torch.testing.assert_close((positions[:, 0] + 1) * 8 - 0.5, torch.tensor([[6.0, 4], [5, 9]]))
    torch.testing.assert_close(contents[0], contents[1], rtol=1e-4, atol=1e-5)


def test_factors_are_decoded_as_the_table_has_them() -> None:
    column = lambda kind, classes=0: Column("x", kind, classes)  # noqa: E731
    assert decode(torch.tensor([[0.3], [7.0]]), column("continuous")).tolist() == pytest.approx(
        [0.3, 1]
    )
    assert decode(torch.tensor([[-0.1], [2.0]]), column("binary")).tolist() == [0, 1]
    assert decode(torch.tensor([[1.0, 5, 2]]), column("categorical", 3)).tolist() == [1]
    angles = torch.tensor([0.1, 3.0, 6.2])
    raw = torch.stack([angles.cos(), angles.sin()], dim=1) * 0.4
    torch.testing.assert_close(decode(raw, column("circular")), angles)


def test_a_factor_net_reads_factors_scores_and_landmarks() -> None:
    net = FactorNet("factornet", COLUMNS, landmarks=4, **NARROW)
    table = net.factors(images())
    assert table.shape == (3, 4)
    assert {name: s.shape[1] for name, s in net.scores(images()).items()} == {
        "a": 1,
        "b": 1,
        "c": 3,
        "d": 2,
    }
    small, seen = net.landmarks(images())
    large, _ = net.landmarks(images().repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert (small.shape, seen.shape, seen.dtype) == ((3, 4, 2), (3, 4), torch.bool)
    torch.testing.assert_close(large, 2 * small, atol=1e-3, rtol=1e-4)


def test_a_glance_sees_what_is_at_the_place_where_it_looks() -> None:
    glances = Glances(channels=2, fine=1, places=1, side=8)
    with torch.no_grad():
        for conv, weights in ((glances.where, [100.0, 0.0]), (glances.what, [0.0, 1.0])):
            conv.weight.copy_(torch.tensor(weights).view(1, 2, 1, 1))
            conv.bias.zero_()
    maps = torch.rand(3, 2, 8, 8)
    places = [(0, 0), (5, 2), (7, 7)]  # x, y
    for one, (x, y) in zip(maps, places, strict=True):
        one[0, y, x] = 2
    positions, contents = glances([maps], torch.zeros(3, 1, 32, 32))
    expected = (torch.tensor(places) + 0.5) / 4 - 1
    torch.testing.assert_close(positions[:, 0], expected)
    torch.testing.assert_close(
        contents[:, 0], torch.stack([m[1, y, x] for m, (x, y) in zip(maps, places, strict=True)])
    )
    with pytest.raises(UserError, match="must look at 10 landmarks: places=4 are less"):
        FactorNet("factornet", COLUMNS, places=4)


def test_a_factor_is_read_from_its_own_numbers_alone() -> None:
    net = FactorNet("factornet", COLUMNS, landmarks=4, widths=(8, 8, 16, 16), dim=22)  # own: 4
    vectors = torch.zeros(1, 22, requires_grad=True)
    scores, points = net.read(vectors)
    for i, score in enumerate([*scores, points]):
        (gradient,) = torch.autograd.grad(score.sum(), vectors, retain_graph=True)
        read = gradient[0].nonzero().flatten().tolist()
        assert read == (list(range(4 * i, 4 * i + 4)) if i < 4 else list(range(16, 22)))
    with pytest.raises(UserError, match="dim=4 numbers are too few for 4 factors"):
        FactorNet("factornet", COLUMNS, dim=4)


def test_perceptual_distance() -> None:
    net = SmallNet("teacher", **NARROW)
    a, b = images(3), images(6)[3:]
    assert net.distance(a, a).abs().max() < 1e-6
    torch.testing.assert_close(net.distance(a, b), net.distance(b, a))
    parallel, across = torch.tensor([[[[2.0]], [[0.0]]]]), torch.tensor([[[[0.0]], [[5.0]]]])
    assert unit_difference(parallel, across).item() == pytest.approx(2)
    assert unit_difference(parallel, across, torch.tensor([3.0, 0.5])).item() == pytest.approx(3.5)


def test_preprocessing_in_closed_form() -> None:
    x = images(1, 4)
    assert torch.equal(area(x, 4, "n"), x)
    torch.testing.assert_close(area(x, 1, "n")[..., 0, 0], x.mean(dim=[2, 3]))
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    expected = ((x + 1) / 2 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(standardise(x, mean, std), expected)


def test_to_a_file_and_back(tmp_path: Path) -> None:
    net = FactorNet("factornet", COLUMNS, **NARROW).eval()
    save_networks(tmp_path / "n.safetensors", {"encoder_ema": net}, {})
    loaded = embedded("factornet", str(tmp_path / "n.safetensors"))
    assert isinstance(loaded, FactorNet)
    assert loaded.name == "factornet"
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert torch.equal(loaded.factors(images()), net.factors(images()))


def test_what_does_not_ship_is_said() -> None:
    with pytest.raises(UserError, match="the package holds no network 'fishnet'"):
        embedded("fishnet")


@pytest.mark.parametrize(
    "wrong", [{"widths": (8, 8, 8)}, {"widths": (8, 8, 8, 12)}, {"blocks": (1,)}]
)
def test_impossible_sizes(wrong: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UserError, match="four of each are needed"):
        SmallNet("teacher", **wrong)


def test_a_class_net_needs_classes() -> None:
    with pytest.raises(UserError, match=r"data\.labels=true"):
        ClassNet("cifarnet")
    net = ClassNet("cifarnet", 7, **NARROW)
    assert net.classify(net.embed(images())).shape == (3, 7)
