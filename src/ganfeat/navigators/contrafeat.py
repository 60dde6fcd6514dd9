"""ContraFeat (Zhu, Xu, Tao, AAAI 2023, arXiv:2212.07277): edits found by contrasting changes.

An edit should change any two images alike, and different edits differently, as a frozen network
sees it. Which layers an edit acts on is learnt with its direction. The paper's body was not at
hand: formulae are those of the author's research code (methods/contrafeat.md), and where that has a
slip the clean form is the default.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ganfeat.backbone.generator import Noise
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.navigators.contrast import (
    Alike,
    Form,
    Mask,
    against,
    compared,
    diversity,
    tables,
)
from ganfeat.navigators.finder import Finder
from ganfeat.navigators.latents import mixed
from ganfeat.navigators.looking import Looking
from ganfeat.navigators.semantics import Attention, Kind, Semantics, begun
from ganfeat.networks import Network
from ganfeat.ranges import Count, Items, LearningRate, NotNegative, Range, Several
from ganfeat.seeds import seed_of, seeded
from ganfeat.training.draws import Draws
from ganfeat.training.method import Losses, Phase, Step, adam

SEGMENTS = 2  # of layers in a start code, each of another w
BETAS = (0.0, 0.99)
FAINT = 0.01  # deviation of a prototype's pixels at the start, before tanh
HELD_OUT = 16  # start codes on which the contrast is watched
SIDES = ("minus", "plus")


class Prototypes(Network):
    """An image for each edit, whose features stand for the change that the edit makes.

    Args:
        count: edits K.
        resolution: of the images.
    """

    def __init__(self, count: Several, resolution: Count) -> None:
        super().__init__()
        self.config = Prototypes.arguments(locals())
        self.images = nn.Parameter(FAINT * torch.randn(count, 3, resolution, resolution))

    def forward(self) -> Tensor:
        """The images [K,3,R,R] in (-1,1)."""
        return self.images.tanh()


class ContraFeat(Finder):
    """Trains `Semantics`; in the ``prototype`` variant with an image for each edit beside it.

    ``binary``: the first half of the start codes are edited with i, the second half with the same
    step of i, and with another of j; changes of the first two should be alike, the first and the
    third not. ``prototype``: changes along an edit, half a step to both sides, should be like the
    features of its prototype and unlike those of the others. Both get ``diversity`` times the sum
    of squared cosines between edits. Steps are even in [-1, 1].

    Args:
        weights, resolution, batch_size, seed, num_bf16_res: as in `Finder`.
        features: makes the network whose maps are contrasted.
        contrast: ``binary`` or ``prototype``.
        semantics: edits K.
        directions: ``subspace`` seeks them in the span of W's first principal axes, ``free``
            everywhere; ``pca`` and ``sefa`` are those vectors, and only layers are learnt.
        subspace: how many axes.
        attention: as in `Semantics`.
        layers: which of the network's maps, 0 the finest; None for all.
        similarity: ``clean`` weighs squared cosines with the mask, ``author`` with its square.
        mask: where changes count: ``layer``, ``depth`` or ``none``, see `masks`.
        pooled: contrast the means of maps, which have no places.
        noise: of the generator: ``const`` is its stored one, ``random`` another in every image.
        diversity: weight of that loss.
        lr: of Adam.
    """

    navigator: Semantics
    at_first: Tensor

    def __init__(
        self,
        *,
        weights: str,
        resolution: int,
        batch_size: int,
        seed: int,
        num_bf16_res: int = 0,
        features: Callable[[], Features] | None = None,
        contrast: Literal["binary", "prototype"] = "binary",
        semantics: Several = 30,
        directions: Kind = "subspace",
        subspace: Count = 100,
        attention: Attention = "smooth",
        layers: Annotated[Sequence[Annotated[int, Range(-64, 63)]], Items(1)] | None = None,
        similarity: Form = "clean",
        mask: Mask = "layer",
        pooled: bool = False,
        noise: Literal["const", "random"] = "const",
        diversity: NotNegative = 0.1,
        lr: LearningRate = 0.05,
    ) -> None:
        super().__init__(
            weights, resolution, batch_size=batch_size, seed=seed, num_bf16_res=num_bf16_res
        )
        if features is None:
            raise UserError("ContraFeat needs a network to look with, such as features=teacher")
        if contrast == "prototype" and mask == "depth":
            raise UserError("method.mask=depth is for method.contrast=binary: choose layer or none")
        if noise == "random" and not self.generator.use_noise:
            raise UserError(
                f"method.noise=random changes nothing: {self.weights} adds no noise to its images"
            )
        if pooled and mask == "depth":
            raise UserError("method.pooled=true leaves no places to mask: method.mask=depth cannot")
        self.looks = Looking(features(), layers, pooled, resolution)
        self._frozen["features"] = self.looks.network
        self.similarity, self.mask = similarity, "none" if pooled else mask
        self.noise, self.diversity, self.lr = noise, diversity, lr
        if directions in ("pca", "sefa") and attention == "uniform":
            raise UserError(
                f"method.directions={directions} method.attention=uniform: nothing is left to "
                "learn; method=ganspace and method=sefa are these"
            )
        self.navigator = begun(self, semantics, directions, subspace, attention, "contrafeat")
        self.prototypes: Prototypes | None = None
        if contrast == "prototype":
            with seeded(seed, "prototypes"):
                self.prototypes = Prototypes(semantics, resolution)
        self.register_buffer("at_first", torch.full([2], float("nan")))

    def phases(self) -> list[Phase]:
        """One."""
        return [Phase("main", "navigator", self.loss)]

    def parameters_of(self, network: str) -> list[nn.Parameter]:
        """Prototypes learn with the navigator."""
        found = super().parameters_of(network)
        return found + ([] if self.prototypes is None else list(self.prototypes.parameters()))

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """Adam."""
        return adam(parameters, self.lr, BETAS, ratio)

    def networks(self) -> dict[str, Network]:
        """``navigator``, and ``prototypes`` where there are some."""
        more = {} if self.prototypes is None else {"prototypes": self.prototypes}
        return {**super().networks(), **more}

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimisers, once it is known that shares of a batch hold whole pairs."""
        half, parts = self.batch_size // 2, self.trainer.world_size * self.accumulate
        if self.prototypes is None and (self.batch_size % 2 or half == 0 or half % parts):
            raise UserError(
                f"method.contrast=binary pairs start codes half a batch apart: {self.batch_size} "
                f"of them in {parts} shares do not hold such pairs; choose another batch_size, "
                "trainer.devices or trainer.accumulate"
            )
        return super().configure_optimizers()

    def on_fit_start(self) -> None:
        """What the contrast is before anything is learnt, to compare with."""
        super().on_fit_start()
        if torch.isnan(self.at_first).any():
            held = self.held_out()
            self.at_first.copy_(torch.stack([held.same.mean(), held.other.mean()]))

    def loss(self, step: Step) -> Losses:
        """Contrast and diversity, in one backward pass."""
        table = self.navigator.table()
        found = (self.binary if self.prototypes is None else self.prototype)(step.draws, table)
        losses = {"same": -found.same, "other": found.other}
        if self.diversity > 0:
            losses["diversity"] = self.diversity * diversity(table)
        yield losses

    def start_codes(self, draws: Draws) -> Tensor:
        """Our share of start codes, ws [n,L,D]."""
        return mixed(self.random_w(draws, SEGMENTS), self.generator.num_ws)

    def binary(self, draws: Draws, table: Tensor) -> Alike:
        """Of pairs of images, changes by the same edit, and by two (methods/contrafeat.md, 4.1)."""
        ws = self.start_codes(draws)
        one, two = ws.chunk(2)
        half, count = len(one), len(table)
        i = draws.randint("edit", count)[:half]
        j = (i + 1 + draws.randint("other", count - 1)[:half]) % count  # any but i
        steps = 2 * draws.rand("steps", 2)[:half] - 1
        own, others = steps[:, 0, None, None], steps[:, 1, None, None]
        edited = torch.cat([one + own * table[i], two + own * table[i], two + others * table[j]])
        with torch.no_grad():
            before = self.seen(ws, draws, "one", "two")
        after = self.seen(edited, draws, "query", "same", "other")
        changes = [
            [a - b for a, b in zip(x.chunk(3), (*y.chunk(2), y[half:]), strict=True)]
            for x, y in zip(after, before, strict=True)
        ]
        query, same, other = ([layer[part] for layer in changes] for part in range(3))
        return compared(query, same, other, self.mask, self.similarity)

    def prototype(self, draws: Draws, table: Tensor) -> Alike:
        """Of changes to both sides, and prototypes (methods/contrafeat.md, 4.2)."""
        assert self.prototypes is not None
        ws = self.start_codes(draws)
        which = draws.randint("edit", len(table))
        move = (draws.rand("steps") - 0.5)[:, None, None] * table[which]
        minus, plus = zip(
            *(x.chunk(2) for x in self.seen(torch.cat([ws - move, ws + move]), draws, *SIDES)),
            strict=True,
        )
        changes = [b - a for a, b in zip(minus, plus, strict=True)]
        stand = [
            F.interpolate(x, change.shape[-2:], mode="bilinear", align_corners=False)
            for x, change in zip(self.looks.maps(self.prototypes()), changes, strict=True)
        ]
        return against(changes, stand, which, self.mask, self.similarity)

    def seen(self, ws: Tensor, draws: Draws | None = None, *purposes: str) -> list[Tensor]:
        """The maps of what the generator makes of ``ws``; of equal parts for these purposes."""
        noise: Noise = "const"
        if self.noise == "random" and draws is not None:
            size = len(ws) // len(purposes)
            parts = [self._random_noise(draws, purpose, size) for purpose in purposes]
            noise = [torch.cat(layer) for layer in zip(*parts, strict=True)]
        return self.looks.maps(self.generator.synthesize(ws, noise=noise))

    def _random_noise(self, draws: Draws, purpose: str, size: int) -> list[Tensor]:
        whole = self.generator.draw_noise(draws.n, draws.rng(f"noise {purpose}"))
        return [draws.share(x)[:size] for x in whole]

    @torch.no_grad()
    def held_out(self) -> Alike:
        """The contrast of start codes that are never trained on: [K] each.

        Each image is changed by every edit, by half a unit to both sides; changes of neighbouring
        images are compared.
        """
        draws = Draws((seed_of(self.seed, "held out"), 0, "held out"), HELD_OUT, device=self.device)
        ws, table = self.start_codes(draws), self.navigator.table()
        changes = []
        for one in ws:
            minus, plus = (self.seen(one + sign / 2 * table) for sign in (-1, 1))
            changes.append([b - a for a, b in zip(minus, plus, strict=True)])
        pairs = zip(changes, [*changes[1:], changes[0]], strict=True)
        each = [tables(one, two, self.mask, self.similarity).sum(dim=0) for one, two in pairs]
        found = torch.stack(each).mean(dim=0)
        same = found.diagonal()
        return Alike(same, (found.sum(dim=1) - same) / (len(table) - 1))

    def scalars(self) -> Mapping[str, float]:
        """The contrast on held-out codes, and how many edits are told from the others there."""
        return {f"held_out/{name}": value for name, value in self._held_out().items()}

    def findings(self) -> Mapping[str, Any]:
        """The same at the end, and the contrast before anything was learnt."""
        same, other = self.at_first.tolist()
        return {
            "held_out": self._held_out(),
            "held_out_at_first": {"same": same, "other": other, "margin": same - other},
        }

    def _held_out(self) -> dict[str, float]:
        same, other = self.held_out()
        return {
            "same": float(same.mean()),
            "other": float(other.mean()),
            "margin": float((same - other).mean()),
            "told_apart": float((same > other).float().mean()),
        }
