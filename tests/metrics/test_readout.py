"""Readers of G's maps where it is known how much there is to be read."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.errors import UserError
from ganfeat.features import FactorNet, Features
from ganfeat.features.small import Column
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.reading import factor_scores
from ganfeat.metrics.readout import Explained, FactorProbe, moving
from ganfeat.metrics.subject import Judge, Samples

SHARED = 3  # channels that the image shows


class Painter(nn.Module):
    """A generator: three channels of its 8 px map are the image, enlarged; the others are its own.

    What it hides from its maps makes the fourth part of the image's sides.
    """

    resolution, z_dim, label_dim, use_noise = 32, 6 * 64, 0, False

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("w_avg", torch.zeros(self.z_dim))
        self.synthesis = SimpleNamespace(resolutions=[4, 8, 16, 32])

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return z

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        return w

    def broadcast(self, w: Tensor) -> Tensor:
        return w

    def draw_noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        return []

    def synthesize(self, ws: Tensor, noise: Any, taps: Sequence[int]) -> tuple[Tensor, Any]:
        seen, hidden = ws.unflatten(1, (6, 8, 8)).split(SHARED, dim=1)
        image = torch.cat([seen[:, :2], hidden[:, :1]], dim=1) / 6
        scales = self.scale * torch.tensor([1.0, 100.0, 0.01])[:, None, None]
        maps = {8: seen * scales, 16: F.interpolate(seen, scale_factor=2)}
        return F.interpolate(image, scale_factor=4), {tap: maps[tap] for tap in taps}


class Window(Features):
    """A network that sees some colours of the image, at 8 and at 4 px."""

    name = "window"

    def __init__(self, colours: Sequence[int]) -> None:
        super().__init__()
        self.colours = list(colours)
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)

    def taps(self, images: Tensor) -> list[Tensor]:
        x = images[:, self.colours]
        return [F.avg_pool2d(x, 4), F.avg_pool2d(x, 8)]


def subject(generator: nn.Module, judge: Any = None) -> Subject:
    samples = Samples(generator)  # type: ignore[arg-type]
    real = SimpleNamespace(device="cpu", protocol=lambda *networks, **more: more)
    return Subject(samples, judge, real)  # type: ignore[arg-type]


def explained(teacher: Features, generator: nn.Module, **options: Any) -> dict[str, float]:
    options = {"images": 12_800, "held_out": 640, "width": 32, "normalise": False} | options
    measured = Explained(teacher, **options)
    measured.check(subject(generator))
    values = measured.result(subject(generator), lambda n: None).values
    return {v.name: v.value for v in values if v.value is not None}


def test_what_is_in_the_map_is_explained() -> None:
    found = explained(Window([0, 1]), Painter(), taps=[8, 16])
    assert [*found] == ["explained_b8_window", "explained_b16_window"]
    assert min(found.values()) > 0.97


def test_what_is_not_in_the_map_is_not() -> None:
    (found,) = explained(Window([2]), Painter(), taps=[8]).values()
    assert -0.05 < found < 0.01


def test_half_of_it_is_half() -> None:
    """A channel that is in the map and one that is not vary as much."""
    (found,) = explained(Window([0, 2]), Painter(), taps=[8]).values()
    assert found == pytest.approx(0.5, abs=0.03)


def test_the_scale_of_maps_says_nothing() -> None:
    found = [
        explained(Window([0]), Painter(scale), taps=[8])["explained_b8_window"]
        for scale in (1.0, 1000.0)
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_where_things_always_are_is_worth_nothing() -> None:
    class Always(Window):
        def taps(self, images: Tensor) -> list[Tensor]:
            ramp = torch.linspace(0, 100, 4).expand(4, 4)
            return [maps + ramp for maps in super().taps(images)[1:]]

    (found,) = explained(Always([2]), Painter(), taps=[8]).values()
    assert found < 0.01


class Reader(FactorNet):
    """A judge whose two factors are colours of the image."""

    def __init__(self) -> None:
        super().__init__("reader", [["shown", "continuous", 0], ["hidden", "binary", 2]])

    def factors(self, images: Tensor) -> Tensor:
        shown, hidden = images[:, 0].mean(dim=[1, 2]), images[:, 2].mean(dim=[1, 2])
        return torch.stack([shown, (hidden > 0).float()], dim=1)


def test_factors_that_lie_in_the_map_are_read() -> None:
    reader = Reader()
    measured = FactorProbe(taps=[8], images=2000, held_out=640)
    of = subject(Painter(), Judge(reader, reader, reader))
    values, arrays, _ = measured.result(of, lambda n: None)
    scores = arrays["probe_b8"]
    assert scores["shown"] > 0.99
    assert abs(scores["hidden"]) < 0.15
    assert values[0].name == "probe_b8_reader"
    assert values[0].value == pytest.approx(sum(scores.values()) / 2)
    assert values[0].n == 640


def test_only_what_differs_can_be_read() -> None:
    columns = [
        Column("hat", "binary", 2), Column("tilt", "continuous", 0, needs="hat"),
        Column("glasses", "binary", 2), Column("tint", "continuous", 0, needs="glasses"),
        Column("yaw", "continuous", 0), Column("still", "continuous", 0),
    ]  # fmt: skip
    rows = np.random.default_rng(0).uniform(-1, 1, [50, 6])
    rows[:, 0], rows[:, 2], rows[:, 5] = 1, 0, 0.5  # always a hat, never glasses
    moves, kept = moving(np.split(rows, [30]), columns)
    assert moves.tolist() == [False, True, False, False, True, False]
    assert kept == [Column("tilt", "continuous", 0), columns[4]]
    rows[:, 2] = np.arange(50) % 2
    moves, kept = moving(np.split(rows, [30]), columns)
    assert kept[1:] == columns[2:5]
    assert set(factor_scores(rows[:, moves], rows[:, moves], kept).values()) == {1.0}


def test_probes_need_a_judge_of_factors() -> None:
    assert not FactorProbe().applies(Judge(Window([0]), Window([0])))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"taps": [8, 64]}, "taps has 64, but this generator has maps of 4, 8, 16, 32 px"),
        ({"taps": [8], "layers": [-3]}, "layers has -3, but window has 2 maps"),
        ({"taps": [8], "layers": [-1, -2]}, r"each of the taps \[8\] needs a map"),
        ({"taps": []}, "give one resolution or more"),
    ],
)
def test_what_cannot_be_read(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        explained(Window([0]), Painter(), **options)


def test_samples_to_be_tried_on_are_others_than_those_to_learn_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    untouched = Explained.of_block

    def of_block(self: Explained, samples: Samples, block: int) -> Any:
        looked.append(block)
        return untouched(self, samples, block)

    monkeypatch.setattr(Explained, "of_block", of_block)
    with torch.no_grad():
        explained(Window([0]), Painter(), taps=[8], images=100, held_out=100)
    assert looked == [0, 0, 1, 2, 3]  # the first for the heads' sizes


def test_a_sample_is_foretold_by_itself() -> None:
    """Not by what else is in its batch."""
    measured = Explained(Window([0]), taps=[8], images=640, held_out=64)
    of = subject(Painter())
    trained = measured.learnt(of, lambda n: None)[8]
    maps, _ = measured.of_block(of.samples, 50)
    torch.testing.assert_close(trained(maps[8])[:5], trained(maps[8][:5]))
