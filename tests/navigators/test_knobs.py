"""Every option of the navigators does something, with classes and noise too."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ganfeat import backbone
from ganfeat.backbone.generator import Generator
from ganfeat.encoders.optimise import Optimised
from ganfeat.errors import UserError
from ganfeat.features.embedded import embedded
from ganfeat.navigators.contrafeat import ContraFeat
from ganfeat.navigators.finder import Finder
from ganfeat.navigators.ganspace import GANSpace
from ganfeat.navigators.latentclr import LatentCLR
from ganfeat.navigators.sefa import SeFa
from ganfeat.navigators.voynov import Voynov
from ganfeat.training.codes import random_codes
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

GIVEN = {"weights": "tiny", "resolution": 32, "batch_size": 8, "seed": 0}
CONTRAST = {
    **GIVEN, "features": lambda: embedded("teacher"), "layers": [1, 2, 3], "semantics": 4,
    "subspace": 6,
}  # fmt: skip


@pytest.fixture(autouse=True)
def generator(monkeypatch: pytest.MonkeyPatch) -> Generator:
    """A small generator with three classes and noise."""
    torch.manual_seed(0)
    g = Generator(
        32, z_dim=12, w_dim=12, label_dim=3, mapping_layers=1, channel_base=128, channel_max=8
    ).eval()
    for layer in g._noisy_layers():
        layer.noise_strength.data.fill_(0.3)
    monkeypatch.setattr(backbone, "load_for", lambda *_: g)
    return g


def loss(method: Finder, **draws: int) -> dict[str, float]:
    found = next(method.loss(Step({}, Draws((0, 0, "main"), 8, **draws))))
    return {name: float(value.detach()) for name, value in found.items()}


@pytest.mark.parametrize(
    "option",
    [
        {"similarity": "author"}, {"mask": "depth"}, {"mask": "none"}, {"noise": "random"},
        {"attention": "plain"}, {"attention": "uniform"}, {"pooled": True}, {"layers": [1]},
        {"directions": "free"}, {"directions": "pca"}, {"directions": "sefa"}, {"subspace": 5},
        {"contrast": "prototype"},
    ],
    ids=lambda option: "-".join(map(str, *option.items())),
)  # fmt: skip
def test_options_of_contrafeat(option: dict[str, Any]) -> None:
    usual, other = loss(ContraFeat(**CONTRAST)), loss(ContraFeat(**{**CONTRAST, **option}))
    for name in ("same", "other"):
        assert abs(usual[name] - other[name]) > 1e-4, name
    assert -3 <= other["same"] <= 0 <= other["other"] <= 3


def test_weight_of_diversity() -> None:
    found = {w: loss(ContraFeat(**{**CONTRAST, "diversity": w})) for w in (0.0, 0.1, 10.0)}
    assert "diversity" not in found[0.0]
    assert found[10.0]["diversity"] == pytest.approx(100 * found[0.1]["diversity"])


@pytest.mark.parametrize("contrast", ["binary", "prototype"])
@pytest.mark.parametrize("noise", ["const", "random"])
def test_shares_make_up_the_whole(contrast: str, noise: str) -> None:
    """What two processes see, on average, is what one sees."""
    method = ContraFeat(**{**CONTRAST, "contrast": contrast, "noise": noise})
    whole = loss(method)
    parts = [loss(method, offset=offset, stride=2) for offset in (0, 1)]
    for name, value in whole.items():
        assert sum(part[name] for part in parts) / 2 == pytest.approx(value, abs=1e-4), name


def test_noise_is_the_same_before_and_after() -> None:
    """With noise=const: a step of 0 changes nothing; fresh noise in every image does."""
    for noise, still in (("const", True), ("random", False)):
        method = ContraFeat(**{**CONTRAST, "noise": noise})
        draws = Draws((0, 0, "main"), 8)
        ws = method.start_codes(draws)
        a, b = (method.seen(ws, draws, purpose) for purpose in ("one", "query"))
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True)) is still


@pytest.mark.parametrize(
    "make",
    [
        lambda: LatentCLR(semantics=3, blocks=2, **GIVEN),
        lambda: LatentCLR(semantics=3, directions="subspace", subspace=5, **GIVEN),
        lambda: Voynov(semantics=3, subspace=5, **GIVEN),
        lambda: Voynov(semantics=3, subspace=5, deformator="linear", **GIVEN),
    ],
)
def test_rivals_learn_with_classes(make: Callable[[], Finder]) -> None:
    method = make()
    parameters = method.parameters_of("navigator")
    total = sum(value for value in next(method.loss(Step({}, Draws((0, 0, "main"), 8)))).values())
    gradients = torch.autograd.grad(total, parameters)
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)


def test_all_classes_are_drawn(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    plain = generator.map
    monkeypatch.setattr(generator, "map", lambda z, label: seen.append(label) or plain(z, label))
    random_codes(generator, Draws((0, 0, "main"), 60), 2)
    (labels,) = seen
    assert labels.shape == (120, 3)
    assert labels.sum(dim=1).eq(1).all()
    assert labels.sum(dim=0).min() > 20
    for fit in (GANSpace(semantics=3, **GIVEN), SeFa(semantics=3, **GIVEN)):
        assert torch.isfinite(fit.fit()).all()


def test_what_cannot_be(generator: Generator) -> None:
    for more, message in (
        ({"subspace": 13}, r"method\.subspace=13: choose at most 12, the number of axes of W"),
        (
            {"directions": "pca", "semantics": 13},
            r"method\.semantics=13: choose at most 12, the number of pca directions",
        ),
        ({"directions": "sefa", "attention": "uniform"}, "nothing is left to learn"),
        ({"contrast": "prototype", "mask": "depth"}, "choose layer or none"),
        ({"pooled": True, "mask": "depth"}, "leaves no places to mask"),
        ({"layers": [4]}, "teacher has 4 maps"),
        ({"layers": [1, -3]}, r"method\.layers has 1 twice"),
        ({"features": lambda: Optimised(steps=1)}, "optimised passes no gradient"),
        ({"features": None}, "needs a network to look with"),
    ):
        with pytest.raises(UserError, match=message):
            ContraFeat(**{**CONTRAST, **more})
    generator.use_noise = False
    with pytest.raises(UserError, match="adds no noise"):
        ContraFeat(**{**CONTRAST, "noise": "random"})
