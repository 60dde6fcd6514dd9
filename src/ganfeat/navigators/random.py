"""Random directions: what any other navigator must beat."""

from typing import Any

import torch
from torch import Tensor

from ganfeat.navigators.finder import Fitted, check_count
from ganfeat.ranges import Several
from ganfeat.seeds import seed_of


class Random(Fitted):
    """K orthonormal directions in W, in all layers, as long as w usually is from its mean.

    Args:
        semantics: edits K.
        given: as in `Finder`.
    """

    def __init__(self, *, semantics: Several = 30, **given: Any) -> None:
        super().__init__(**given)
        check_count(semantics, self.generator.w_dim, "directions at right angles in W")
        self.navigator = self.blank([str(k) for k in range(semantics)], "random")

    def fit(self) -> Tensor:
        """The directions, another draw for each seed."""
        rng = torch.Generator().manual_seed(seed_of(self.seed, "directions"))
        width, count = self.generator.w_dim, len(self.navigator.labels)
        columns, _ = torch.linalg.qr(torch.randn(width, count, generator=rng))
        return self.in_all_layers(columns.T)
