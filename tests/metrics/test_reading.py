"""How well networks read images, by networks whose errors are known."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganfeat.data import SynthFaces
from ganfeat.errors import UserError
from ganfeat.features import ClassNet, FactorNet
from ganfeat.features.small import Column
from ganfeat.metrics.evaluation import evaluate_network
from ganfeat.metrics.reading import ClassReading, FactorReading, factor_scores
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
    data = SynthFaces("judge", 32, 10, extras=EXTRAS)
    network = Knowing(data.reference("test", 150), error)
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


def test_what_has_no_factors_is_refused() -> None:
    network = FactorNet("factornet", COLUMNS, **SMALL)
    with pytest.raises(UserError, match=r"with data.extras=\[factors,landmarks,visible\]"):
        FactorReading(8).result(network, References(SynthFaces("test", 32, 8)), no_bar)
    with pytest.raises(UserError, match="takes a ClassNet"):
        ClassReading(8).result(network, References(SynthFaces("test", 32, 8)), no_bar)


def no_bar(name: str, total: int) -> Any:
    return lambda n: None


class Photographs:
    """Twenty images of one colour, whose class is 1 where they are bright."""

    label_dim, resolution = 2, 32

    def __len__(self) -> int:
        return 20

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        bright = torch.tensor([i % 4 == 0 for i in indices]).float()
        images = (bright * 2 - 1)[:, None, None, None].expand(-1, 3, 32, 32)
        return {"image": images, "label": torch.stack([1 - bright, bright], dim=1)}

    def reference(self, part: str, n: int) -> "Photographs":
        return self

    def fingerprint(self) -> dict[str, Any]:
        return {"name": "photographs"}


class Dull(ClassNet):
    """Calls everything class 0."""

    def logits(self, images: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(images), -1)


class Bright(Dull):
    """Sees which images are bright."""

    def logits(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=[1, 2, 3])
        return torch.stack([-mean, mean], dim=1)


@pytest.mark.parametrize(("kind", "accuracy"), [(Dull, 0.75), (Bright, 1.0)])
def test_classes_of_photographs(kind: type[Dull], accuracy: float) -> None:
    network = kind("classnet", 2, **SMALL)
    [value] = evaluate_network(
        network, References(Photographs()), {"c": ClassReading(50)}, show=False
    ).values
    assert value.name == "accuracy20_classnet"  # there are no more
    assert value.value == accuracy
    assert value.low <= accuracy <= value.high
