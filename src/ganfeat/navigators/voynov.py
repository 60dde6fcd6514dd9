"""Voynov and Babenko (ICML 2020, arXiv:2002.03754): directions that a network can tell apart.

It sees an image before and after an edit, and says which edit it was and how far it went. Formulae
and constants are those of the released code (methods/contrafeat.md, section 8), in W.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from torchvision.models import resnet18

from ganfeat.backbone.navigator import Navigator
from ganfeat.errors import UserError
from ganfeat.features.blocks import norm
from ganfeat.navigators.finder import Finder, check_count, everywhere
from ganfeat.networks import Network
from ganfeat.ranges import Count, LearningRate, NotNegative, Positive, Several
from ganfeat.seeds import seeded
from ganfeat.training.method import Losses, Phase, Step

Deformator = Literal["ortho", "projective", "linear"]
Reconstructor = Literal["auto", "lenet", "resnet18"]

SMALL = 64  # px, up to which ``auto`` takes the small reconstructor


class Deformed(Navigator):
    """Directions that a matrix makes of the numbers of edits.

    Args:
        count: edits K.
        num_ws: layers L of the generator.
        axes: unit vectors n, in whose span directions lie.
        w_dim: numbers D in a latent.
        deformator: ``ortho`` is an orthogonal matrix, ``linear`` any;
            ``projective`` also shifts by a bias, and gives the result the length of what came in.
        weights: where the generator is.
        generator_hash: of its weights and noise images.
        name: as metrics name it.
    """

    basis: Tensor
    unit: Tensor

    def __init__(
        self,
        count: Several,
        num_ws: Count,
        axes: Count,
        w_dim: Count,
        deformator: Deformator = "ortho",
        weights: str = "",
        generator_hash: str = "",
        name: str = "voynov",
    ) -> None:
        super().__init__()
        self.config = Deformed.arguments(locals())
        self.labels = [str(k) for k in range(count)]
        self.name, self.weights, self.taught_by = name, weights, generator_hash
        self.num_ws, self.kind = num_ws, deformator
        if deformator == "ortho":
            self.skew = nn.Parameter(torch.randn(axes, axes))
        else:
            self.matrix = nn.Parameter(torch.randn(axes, count) * axes**-0.5)
        if deformator == "projective":
            self.bias = nn.Parameter(torch.zeros(axes))
        self.register_buffer("basis", torch.zeros(axes, w_dim))
        self.register_buffer("unit", torch.ones([]))

    def deform(self, shifts: Tensor) -> Tensor:
        """How far along each edit [N,K], to how far along each axis [N,n]."""
        if self.kind == "ortho":
            return shifts @ rotation(self.skew)[:, : shifts.shape[1]].T
        return stretched(shifts, self.matrix, getattr(self, "bias", None))

    def moves(self, shifts: Tensor) -> Tensor:
        """The same in W, where a unit is how far w usually is from its mean: [N,D]."""
        found: Tensor = self.unit * self.deform(shifts) @ self.basis
        return found

    def edits(self, ws: Tensor) -> Tensor:
        """A unit of each edit, wherever it begins.

        With the bias of ``projective`` a longer step of training is not so many of these: both ends
        lean to the side of the bias.
        """
        count = len(self.labels)
        rows = self.moves(torch.eye(count, device=self.unit.device))
        return everywhere(rows, self.num_ws).expand(len(ws), -1, -1, -1)


def rotation(half: Tensor) -> Tensor:
    """An orthogonal matrix of any square one."""
    found: Tensor = torch.linalg.matrix_exp(half - half.T)
    return found


def stretched(shifts: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    """Shifts [N,K] through a matrix [n,K]; where there is a bias [n], as long as they were."""
    if bias is None:
        return shifts @ matrix.T
    lengths: Tensor = torch.linalg.vector_norm(shifts, dim=1, keepdim=True)
    return lengths * F.normalize(shifts @ matrix.T + bias, dim=1)


class Telling(Network):
    """Sees two images and says which edit lies between them, and how long it is.

    Group norm stands where the released networks have batch norm, so that what it says does not
    depend on how many processes share a batch.

    Args:
        count: edits K.
        kind: ``lenet`` or ``resnet18``.
    """

    def __init__(self, count: Several, kind: Literal["lenet", "resnet18"]) -> None:
        super().__init__()
        self.config = Telling.arguments(locals())
        if kind == "resnet18":
            self.body: nn.Module = resnet18(norm_layer=norm, num_classes=512)
            self.body.conv1 = nn.Conv2d(6, 64, 7, 2, 3, bias=False)
        else:
            self.body = nn.Sequential(
                *(part for a, b in ((6, 32), (32, 64), (64, 128)) for part in (
                    nn.Conv2d(a, b, 5, padding=2), norm(b), nn.ReLU(), nn.MaxPool2d(2))),
                nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128 * 16, 512),
            )  # fmt: skip
        self.which, self.how_far = nn.Linear(512, count), nn.Linear(512, 1)

    def forward(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N,3,R,R] twice to logits [N,K] and lengths [N]."""
        seen = F.relu(self.body(torch.cat([before, after], dim=1)))
        return self.which(seen), self.how_far(seen)[:, 0]


class Voynov(Finder):
    """Trains directions and the network that tells them apart.

    Args:
        semantics: edits K.
        subspace: directions lie in the span of so many of W's first principal axes.
        deformator: as in `Deformed`.
        reconstructor: the network; ``auto`` is ``lenet`` up to 64 px.
        reach: of steps, in usual deviations of w, to both sides.
        least: length of the shortest.
        length_weight: of saying how long a step is.
        lr: of Adam, for both.
        given: as in `Finder`.
    """

    navigator: Deformed

    def __init__(
        self,
        *,
        semantics: Several = 30,
        subspace: Count = 100,
        deformator: Deformator = "ortho",
        reconstructor: Reconstructor = "auto",
        reach: Positive = 6.0,
        least: NotNegative = 0.5,
        length_weight: NotNegative = 0.25,
        lr: LearningRate = 1e-4,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        g, axes = self.generator, self.axes
        check_count(subspace, g.w_dim, "axes of W", "subspace")
        check_count(semantics, subspace, "axes to find directions in (method.subspace)")
        if least > reach:
            raise UserError(f"method.least={least:g} must be at most method.reach={reach:g}")
        self.reach, self.least, self.length_weight, self.lr = reach, least, length_weight, lr
        kind = reconstructor
        if kind == "auto":
            kind = "lenet" if g.resolution <= SMALL else "resnet18"
        with seeded(self.seed, "navigator"):
            self.navigator = Deformed(
                semantics, axes=subspace, deformator=deformator, **self.built_on()
            )
            self.telling = Telling(semantics, kind)
        self.navigator.basis.copy_(axes.directions[:subspace])
        self.navigator.unit.fill_(axes.unit)
        self.navigator.attach(g)

    def phases(self) -> list[Phase]:
        """One."""
        return [Phase("main", "navigator", self.loss)]

    def parameters_of(self, network: str) -> list[nn.Parameter]:
        """Both learn together."""
        return [*super().parameters_of(network), *self.telling.parameters()]

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """Adam."""
        return Adam(parameters, lr=self.lr, foreach=True)

    def networks(self) -> dict[str, Network]:
        """``navigator``, and ``reconstructor``."""
        return {**super().networks(), "reconstructor": self.telling}

    def loss(self, step: Step) -> Losses:
        """Which edit it was, and how long."""
        draws, g = step.draws, self.generator
        w = self.random_w(draws, 1)[:, 0]
        which = draws.randint("edit", len(self.navigator.labels))
        lengths = steps(draws.rand("length"), self.reach, self.least)
        shifts = lengths[:, None] * F.one_hot(which, len(self.navigator.labels))
        with torch.no_grad():
            before = g.synthesize(g.broadcast(w))
        after = g.synthesize(g.broadcast(w + self.navigator.moves(shifts)))
        logits, said = self.telling(before.float(), after.float())
        self.terms.add("accuracy", (logits.argmax(dim=1) == which).float().mean())
        yield {
            "which": F.cross_entropy(logits, which),
            "length": self.length_weight * F.l1_loss(said, lengths),
        }


def steps(uniform: Tensor, reach: float, least: float) -> Tensor:
    """Numbers [N] in [0,1) as steps to both sides; shorter ones than ``least`` are that long."""
    found = reach * (2 * uniform - 1)
    sides = torch.where(found < 0, -1.0, 1.0)
    return torch.where(found.abs() < least, least * sides, found)
