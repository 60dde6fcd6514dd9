"""SeFa (Shen and Zhou, CVPR 2021, arXiv:2007.06600): the directions that layers weigh most.

Its weights are those that turn a latent into styles; nothing is sampled and nothing trained.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganfeat.backbone import Generator
from ganfeat.navigators.finder import Fitted, check_count
from ganfeat.ranges import Several


class Factors(NamedTuple):
    """Eigenvectors of what styles' weights have in common.

    Attributes:
        directions: unit vectors [D,D] as rows, the largest eigenvalue first.
        eigenvalues: [D].
    """

    directions: Tensor
    eigenvalues: Tensor


@torch.no_grad()
def factors(generator: Generator) -> Factors:
    """Those of all convolutions and of the last ToRGB.

    The others' ToRGB share their latent with a convolution, and the authors leave them out.
    """
    names = generator.style_names
    kept = [name for name in names if not name.endswith("torgb") or name == names[-1]]
    layers = [generator.synthesis.get_submodule(f"{name}.affine") for name in kept]
    return factors_of([layer.get_parameter("weight") for layer in layers])


def factors_of(weights: list[Tensor]) -> Factors:
    """Those of weights [channels,D], each channel's scaled to length 1."""
    rows = torch.cat(weights).double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    eigenvalues, columns = torch.linalg.eigh(rows.T @ rows)
    found = columns.T.flip(0)
    largest = found.gather(1, found.abs().argmax(dim=1, keepdim=True))
    return Factors((found * largest.sign()).float(), eigenvalues.flip(0).float())


class SeFa(Fitted):
    """The first K factors, in all layers; a step is as long as w's numbers usually vary.

    Args:
        semantics: edits K.
        given: as in `Finder`.
    """

    def __init__(self, *, semantics: Several = 30, **given: Any) -> None:
        super().__init__(**given)
        check_count(semantics, self.generator.w_dim, "factors of the layers' weights")
        self.navigator = self.blank([str(k) for k in range(semantics)], "sefa")

    def fit(self) -> Tensor:
        """The factors, as long as w usually is from its mean."""
        return self.in_all_layers(factors(self.generator).directions[: len(self.navigator.labels)])
