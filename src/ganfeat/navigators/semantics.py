"""What is learnt of an edit: a direction in W, and how much of it each layer gets."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.backbone.navigator import Navigator
from ganfeat.navigators.finder import Finder, check_count
from ganfeat.navigators.sefa import factors
from ganfeat.ranges import Count, Several
from ganfeat.seeds import seeded

Attention = Literal["smooth", "plain", "uniform"]
Kind = Literal["subspace", "free", "pca", "sefa"]

KERNEL = (-0.5, 0.0, -0.5)  # exponents -x^2/2 of a smoothing over three layers


class Semantics(Navigator):
    """Directions in W, and for each an attention over layers.

    Args:
        count: edits K.
        num_ws: layers L of the generator.
        w_dim: numbers D in a latent.
        axes: unit vectors in whose span directions are sought, or which they are where ``frozen``;
            None where they are free.
        frozen: whether directions are the axes.
        attention: ``smooth`` is a softmax over layers, smoothed over three of them, ``plain`` a
            softmax, ``uniform`` gives all layers the same.
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
        w_dim: Count,
        axes: int | None = None,
        frozen: bool = False,
        attention: Attention = "smooth",
        weights: str = "",
        generator_hash: str = "",
        name: str = "contrafeat",
    ) -> None:
        super().__init__()
        self.config = Semantics.arguments(locals())
        self.labels = [str(k) for k in range(count)]
        self.name, self.weights, self.taught_by = name, weights, generator_hash
        self.num_ws, self.kind = num_ws, attention
        if axes is not None:
            self.register_buffer("basis", torch.zeros(axes, w_dim))
        if not frozen:
            self.coordinates = nn.Parameter(torch.randn(count, axes or w_dim))
        if attention != "uniform":
            self.logits = nn.Parameter(torch.randn(count, num_ws))
        self.register_buffer("unit", torch.ones([]))

    def directions(self) -> Tensor:
        """[K,D], the root of the mean square of each 1."""
        rows = self.coordinates if hasattr(self, "coordinates") else self.basis
        if hasattr(self, "coordinates") and hasattr(self, "basis"):
            rows = rows @ self.basis
        return rows * (rows.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()

    def attention(self) -> Tensor:
        """How much of an edit each layer gets, [K,L]."""
        if self.kind == "uniform":
            return self.unit.new_full([len(self.labels), self.num_ws], 1 / self.num_ws)
        shares = self.logits.softmax(dim=1)
        return smoothed(shares) if self.kind == "smooth" else shares

    def table(self) -> Tensor:
        """The edits [K,L,D], which are the same wherever they begin.

        A direction's numbers are as large as those of w usually are, apart from their mean.
        """
        return self.unit * self.attention()[:, :, None] * self.directions()[:, None]

    def edits(self, ws: Tensor) -> Tensor:
        """The table, for every one of them."""
        return self.table().expand(len(ws), -1, -1, -1)


def smoothed(shares: Tensor) -> Tensor:
    """Shares [K,L] blurred along layers by a Gaussian of three, reflected at the ends.

    What a row adds up to changes where it has much at an end.
    """
    weights = torch.tensor(KERNEL, device=shares.device).softmax(dim=0)
    padded = F.pad(shares[:, None], (1, 1), mode="reflect")
    found: Tensor = F.conv1d(padded, weights[None, None])[:, 0]
    return found


def begun(
    finder: Finder, count: int, kind: Kind, subspace: int | None, attention: Attention, name: str
) -> Semantics:
    """Edits of the finder's generator before they have learnt anything.

    Args:
        finder: holds the generator and the seed.
        count: edits K.
        kind: ``subspace`` seeks directions in the span of W's first principal axes, ``free``
            everywhere; ``pca`` and ``sefa`` are those vectors.
        subspace: how many axes; needed for that kind alone.
        attention: as in `Semantics`.
        name: as metrics name them.

    Raises:
        UserError: there are not so many directions or axes.
    """
    g, frozen, axes = finder.generator, kind in ("pca", "sefa"), finder.axes
    if frozen:
        check_count(count, g.w_dim, f"{kind} directions in W")
    match kind:
        case "free":
            rows = None
        case "subspace":
            assert subspace is not None
            check_count(subspace, g.w_dim, "axes of W", "subspace")
            rows = axes.directions[:subspace]
        case "pca":
            rows = axes.directions[:count]
        case "sefa":
            rows = factors(g).directions[:count]
    with seeded(finder.seed, "navigator"):
        found = Semantics(
            count,
            axes=None if rows is None else len(rows),
            frozen=frozen,
            attention=attention,
            name=name,
            **finder.built_on(),
        )
    if rows is not None:
        found.basis.copy_(rows)
    found.unit.fill_(axes.unit)
    found.attach(g)
    return found
