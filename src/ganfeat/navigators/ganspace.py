"""GANSpace (Harkonen et al., NeurIPS 2020, arXiv:2004.02546): the principal axes of W."""

from typing import Any

from torch import Tensor

from ganfeat.navigators.finder import Fitted, check_count, everywhere
from ganfeat.ranges import Several


class GANSpace(Fitted):
    """The first K axes, in all layers; a step is a deviation of W along that axis.

    The authors choose layers by hand; nobody does here.

    Args:
        semantics: edits K.
        given: as in `Finder`.
    """

    def __init__(self, *, semantics: Several = 30, **given: Any) -> None:
        super().__init__(**given)
        check_count(semantics, self.generator.w_dim, "axes of W")
        self.navigator = self.blank([str(k) for k in range(semantics)], "ganspace")

    def fit(self) -> Tensor:
        """The axes."""
        axes, count = self.axes, len(self.navigator.labels)
        rows = axes.deviations[:count, None] * axes.directions[:count]
        return everywhere(rows, self.generator.num_ws)
