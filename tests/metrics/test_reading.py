"""How well networks read images, by networks whose errors are known."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganfeat.data import ImageDataset, SynthFaces
from ganfeat.data.synthrooms import SynthRooms
from ganfeat.errors import UserError
from ganfeat.features import ClassNet, FactorNet, SmallNet
from ganfeat.features.embedded import embedded
from ganfeat.features.small import Column
from ganfeat.loading import WEIGHTS
from ganfeat.metrics.evaluation import evaluate_network
from ganfeat.metrics.progress import silent
from ganfeat.metrics.reading import (
    ClassReading,
    FactorReading,
    LinearReading,
    LocalReading,
    at_points,
    factor_scores,
    linear_reading,
)
from ganfeat.metrics.reference import References

COLUMNS = SynthFaces().facts()["columns"]
SMALL: Any = {"widths": (8, 8, 8, 8), "blocks": (0, 0, 0, 0), "dim": 48}
EXTRAS = ["factors", "landmarks", "visible"]


def score(kind: str, predicted: Any, truth: Any) -> float:
    column = Column("x", kind, int(np.max(truth)) + 1)
    tables = (np.asarray(x, dtype=np.float64)[:, None] for x in (predicted, truth))
    return factor_scores(*tables, [column])["x"]


def test_scores_are_one_for_the_truth_and_zero_for_a_guess() -> None:
    rng = np.random.default_rng(0)
    truths = {
        "continuous": rng.uniform(-1, 1, 2000),
        "circular": rng.uniform(0, 2 * np.pi, 2000),
        "binary": rng.integers(0, 2, 2000),
        "categorical": rng.integers(0, 4, 2000),
    }
    for kind, truth in truths.items():
        assert score(kind, truth, truth) == pytest.approx(1)
        constant = np.full(2000, truth.mean() if kind == "continuous" else 1)
        assert score(kind, constant, truth) == pytest.approx(0, abs=0.05)


def test_scores_of_known_errors() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, 100_000)
    noisy = truth + rng.normal(size=truth.shape) * 0.1
    assert score("continuous", noisy, truth) == pytest.approx(1 - 0.01 * 3, abs=2e-3)
    angle = rng.uniform(0, 2 * np.pi, 100_000)
    assert score("circular", angle + 0.5, angle) == pytest.approx(np.cos(0.5), abs=5e-3)
    rare = (rng.random(100_000) < 0.1).astype(float)
    half = np.where(rng.random(100_000) < 0.5, rare, 0)  # finds one half of the rare class
    assert score("binary", half, rare) == pytest.approx(2 * (0.75 - 0.5), abs=0.02)


class Knowing(FactorNet):
    """Gives the truth of the images in their order, all of it shifted by ``error``."""

    def __init__(self, data: SynthFaces, error: float = 0.0) -> None:
        super().__init__("knowing", COLUMNS, **SMALL)
        self.batch, self.error, self.seen = data.__getitems__(range(len(data))), error, 0

    def embed(self, images: Tensor) -> Tensor:
        numbers = torch.arange(self.seen, self.seen + len(images))
        self.seen += len(images)
        return numbers[:, None]

    def table(self, vectors: Tensor) -> Tensor:
        return self.batch["factors"][vectors[:, 0]] + self.error

    def points(self, vectors: Tensor, side: int) -> tuple[Tensor, Tensor]:
        shift = torch.tensor([3.0, 4.0]) * self.error
        rows = vectors[:, 0]
        return self.batch["landmarks"][rows] + shift, self.batch["visible"][rows]


@pytest.mark.parametrize("error", [0.0, 0.2])
def test_factors_of_drawn_images(error: float) -> None:
    data = SynthFaces("judge", 32, 10)
    network = Knowing(data.reference("test", 150, EXTRAS), error)
    found = evaluate_network(network, References(data), {"f": FactorReading(150)}, show=False)
    reading, landmarks = found.values
    assert (reading.name, landmarks.name) == ("reading150_knowing", "landmarks150_knowing")
    assert landmarks.value == pytest.approx(5 * error, abs=1e-5)
    assert reading.protocol["data"]["split"] == "test"
    scores = found.arrays["reading"]
    assert list(scores) == [name for name, *_ in COLUMNS]
    assert reading.value == pytest.approx(np.mean(list(scores.values())))
    if error:
        assert scores["yaw"] == pytest.approx(1 - 0.04 * 3, abs=0.05)
    else:
        assert scores == pytest.approx(dict.fromkeys(scores, 1.0), abs=1e-6)


def test_what_has_no_factors_is_refused(photographs: Path) -> None:
    images = References(ImageDataset(photographs, 16))
    network = FactorNet("factornet", COLUMNS, **SMALL)
    for metric in (FactorReading(8), LinearReading(8)):
        with pytest.raises(UserError, match="these data have no factors to be read"):
            evaluate_network(network, images, {"m": metric}, show=False)
    faces = References(SynthFaces("test", 32, 8))
    with pytest.raises(UserError, match="metrics=linear says"):
        FactorReading(8).check(SmallNet("net", **SMALL), faces)
    with pytest.raises(UserError, match="takes a ClassNet"):
        ClassReading(8).check(network, faces)
    fewer = FactorNet("factornet", COLUMNS[:5], **SMALL)
    with pytest.raises(UserError, match="other factors than these data have"):
        FactorReading(8).check(fewer, faces)


def no_bar(name: str, total: int) -> Any:
    return lambda n: None


class Encoded(SmallNet):
    """Gives all that is true of the images of two parts, in their order, mixed, and noise."""

    def __init__(self, data: SynthFaces, n: int, noise: float) -> None:
        super().__init__("encoded", **SMALL)
        batches = [data.reference(p, n, ["factors"]).__getitems__(range(n)) for p in PARTS]
        table = torch.cat([batch["factors"] for batch in batches])
        numbers = []
        for values, (_, kind, classes) in zip(table.unbind(1), COLUMNS, strict=True):
            if kind == "circular":
                numbers += [values.cos(), values.sin()]
            elif kind == "categorical":
                numbers += list(torch.eye(classes)[values.long()].unbind(1))
            else:
                numbers.append(values)
        truth = torch.stack(numbers, dim=1)
        rng = torch.Generator().manual_seed(0)
        mixed = truth @ torch.randn(truth.shape[1], 128, generator=rng)
        self.vectors = mixed + noise * torch.randn(mixed.shape, generator=rng)
        self.seen = 0

    def width(self, side: int, device: Any) -> int:
        return self.vectors.shape[1]

    def embed(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return self.vectors[self.seen - len(images) : self.seen]


PARTS = ("train", "test")


def test_fewer_images_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are read, and the name says how many they are."""
    data = SynthFaces("judge", 32, 10)
    network, encoded = Knowing(data.reference("test", 150, EXTRAS), 0.0), Encoded(data, 150, 0.0)
    whole = data.reference
    monkeypatch.setattr(data, "reference", lambda part, n, extras=(): whole(part, 150, extras))
    for judge, metric in ((network, FactorReading(400)), (encoded, LinearReading(400))):
        found = evaluate_network(judge, References(data), {"m": metric}, show=False)
        assert [value.n for value in found.values] == [150] * len(found.values)
        assert "150_" in found.values[0].name


def test_what_a_linear_map_reads() -> None:
    data = SynthFaces("judge", 32, 10)
    readings = {}
    for noise in (0.0, 1e6):
        network = Encoded(data, 600, noise)
        found = evaluate_network(network, References(data), {"l": LinearReading(600)}, show=False)
        readings[noise] = found.arrays["linear_reading"]
        [value] = found.values
        assert value.name == "linear600_encoded"
        assert value.value == pytest.approx(np.mean(list(readings[noise].values())))
    for name, kind, _ in COLUMNS:
        assert readings[0.0][name] > (0.97 if kind in ("continuous", "circular") else 0.8), name
        assert readings[1e6][name] < 0.15, name


def test_a_map_at_points() -> None:
    line = (torch.arange(8) + 0.5) * 4 - 16  # where the middles of 8 positions are in 32 px
    maps = torch.stack([line.expand(8, 8), line[:, None].expand(8, 8)])[None]
    points = torch.tensor([[[10.0, 20.0], [16.0, 5.0]]])
    found = at_points(maps, points, torch.zeros(1, 3, 32, 32)).view(2, 2)
    torch.testing.assert_close(found, (points[0] - 16).T)


class Placed(SmallNet):
    """Its second map says how wide the smile is, where the mouth is, and nothing elsewhere."""

    def __init__(self, data: SynthFaces, n: int) -> None:
        super().__init__("placed", **SMALL)
        self.smile = [c[0] for c in COLUMNS].index("smile")
        self.known = torch.cat(
            [data.reference(p, n, ["factors"]).__getitems__(range(n))["factors"] for p in PARTS]
        )
        self.marks = torch.cat(
            [data.reference(p, n, ["landmarks"]).__getitems__(range(n))["landmarks"] for p in PARTS]
        )
        self.seen = 0

    def taps(self, images: Tensor) -> list[Tensor]:
        mine = slice(self.seen, self.seen + len(images))
        self.seen += len(images)
        x, y = (self.marks[mine, 6] / 4).floor().clamp(0, 7).long().unbind(1)
        maps = torch.zeros(len(images), 1, 8, 8)
        for i in range(len(images)):  # the place and its neighbours, between which is interpolated
            rows, columns = slice(max(y[i] - 1, 0), y[i] + 2), slice(max(x[i] - 1, 0), x[i] + 2)
            maps[i, 0, rows, columns] = self.known[mine, self.smile][i]
        return [maps, torch.zeros(len(images), 1, 4, 4)]


def test_what_a_map_says_at_its_place_is_read_there() -> None:
    data = SynthFaces("test", 32, 400)
    metric = LocalReading(400)
    found = evaluate_network(Placed(data, 400), References(data), {"l": metric}, show=False)
    assert found.values[0].name == "local400_placed"
    scores = found.arrays["local_reading"]
    assert scores["smile"] > 0.95
    assert max(v for k, v in scores.items() if k != "smile") < 0.4


class Photographs:
    """Twenty images of one colour, whose class is 1 where they are bright."""

    label_dim, resolution = 2, 32

    def __len__(self) -> int:
        return 20

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        bright = torch.tensor([i % 4 == 0 for i in indices]).float()
        images = (bright * 2 - 1)[:, None, None, None].expand(-1, 3, 32, 32)
        return {"image": images, "label": torch.stack([1 - bright, bright], dim=1)}

    def reference(self, part: str, n: int, extras: Sequence[str] = ()) -> "Photographs":
        return self

    def version(self) -> str:
        return ""

    def fingerprint(self) -> dict[str, Any]:
        return {"name": "photographs"}


class Dull(ClassNet):
    """Calls everything class 0."""

    def embed(self, images: Tensor) -> Tensor:
        return images.mean(dim=[1, 2, 3])[:, None]

    def classify(self, vectors: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(vectors), -1)


class Bright(Dull):
    """Sees which images are bright."""

    def classify(self, vectors: Tensor) -> Tensor:
        return torch.cat([-vectors, vectors], dim=1)


@pytest.mark.parametrize(("kind", "accuracy"), [(Dull, 0.75), (Bright, 1.0)])
def test_classes_of_photographs(kind: type[Dull], accuracy: float) -> None:
    network = kind("classnet", 2, **SMALL)
    [value] = evaluate_network(
        network, References(Photographs()), {"c": ClassReading(50)}, show=False
    ).values
    assert value.name == "accuracy20_classnet"  # there are no more
    assert value.value == accuracy
    assert value.low <= accuracy <= value.high


def test_a_factor_counts_where_it_means_something() -> None:
    """A bed's place is known where there is a bed, and nowhere else."""
    rng = np.random.default_rng(0)
    columns = [Column("bed", "binary", 2), Column("bed_place", "continuous", 0, "bed")]
    bed = rng.integers(2, size=400).astype(float)
    place = rng.uniform(-1, 1, 400)
    truth = np.stack([bed, place], axis=1)
    said = np.stack([bed, np.where(bed > 0, place, 5.0)], axis=1)
    assert factor_scores(said, truth, columns) == {"bed": 1, "bed_place": 1}
    seen = np.stack([bed, bed * place], axis=1)  # what a picture shows
    read = linear_reading(seen[:200], truth[:200], seen[200:], columns, 1e-6)
    scores = factor_scores(read, truth[200:], columns)
    assert scores["bed_place"] == pytest.approx(1, abs=1e-3)
    always = [columns[0], columns[1]._replace(needs="")]
    read = linear_reading(seen[:200], truth[:200], seen[200:], always, 1e-6)
    assert factor_scores(read, truth[200:], always)["bed_place"] < 0.7


@pytest.mark.parametrize(
    ("name", "data"), [("factornet", SynthFaces), ("scorer", SynthFaces), ("roomnet", SynthRooms)]
)
def test_shipped_networks_read_what_their_cards_say(name: str, data: Any) -> None:
    card = (WEIGHTS / f"{name}.md").read_text()
    (said,) = re.findall(rf"reading10k_{name} \| ([0-9.]+)", card)
    references = References(data("test", 32))
    (found, _) = FactorReading(1000).result(embedded(name), references, silent).values
    assert found.value == pytest.approx(float(said), abs=0.02)
