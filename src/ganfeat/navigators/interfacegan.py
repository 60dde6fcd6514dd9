"""InterFaceGAN (Shen et al., TPAMI 2020, arXiv:2005.09635): normals of linear boundaries."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ganfeat.errors import UserError
from ganfeat.navigators.boundaries import Array, Boundary, Estimator, conditional
from ganfeat.navigators.supervised import Supervised


class InterFaceGAN(Supervised):
    """Edits along the normals of boundaries in W, in all layers, as long as w usually varies.

    Of the attributes those are edited whose boundaries say most of the images that are not
    confident. Boundaries in Z are fitted beside them.

    Args:
        estimator: how a boundary is fitted, see `fit`. The paper's is ``svm``; ``least_squares``
            is nearer to the truth where scores are noisy.
        conditions: attributes whose normals are projected out of all others.
        given: as in `Supervised`.
    """

    def __init__(
        self, *, estimator: Estimator = "svm", conditions: Sequence[str] = (), **given: Any
    ) -> None:
        super().__init__("interfacegan", 0, **given)
        self.estimator, self.conditions = estimator, list(conditions)
        if unknown := [name for name in conditions if name not in self.attributes]:
            raise UserError(
                f"method.conditions has {unknown[0]}, which is not among method.attributes: "
                f"{', '.join(self.attributes)}"
            )

    def fit_to_scores(self) -> None:
        """What is edited, from boundaries in W."""
        fitted = self.in_both_spaces["w"]
        normals = self.conditioned(np.stack([b.normal for b in fitted]))
        said = np.array([boundary.rest for boundary in fitted])
        chosen = np.argsort(-said, kind="stable")[: len(self.navigator.labels)].tolist()
        self.settle(chosen, self.in_all_layers(torch.from_numpy(normals[chosen]).float()))

    @cached_property
    def in_both_spaces(self) -> dict[str, list[Boundary]]:
        """Boundaries in Z and in W, once everything is scored."""
        codes = zip("zw", self.latents(), strict=True)
        return {space: self.boundaries(some, self.estimator) for space, some in codes}

    def conditioned(self, normals: Array) -> Array:
        """Normals [A,D] without those of the conditions; conditions stay as they are."""
        at = [self.attributes.index(name) for name in self.conditions]
        if not at:
            return normals
        rows = [n if i in at else conditional(n, normals[at]) for i, n in enumerate(normals)]
        return np.stack(rows)

    def findings(self) -> Mapping[str, Any]:
        """How well boundaries divide, and how far they are from right angles, in both spaces."""
        found: dict[str, Any] = {"boundary_attributes": self.attributes}
        for space, boundaries in self.in_both_spaces.items():
            normals = np.stack([b.normal for b in boundaries])
            found |= {
                f"boundary_confident_{space}": [b.confident for b in boundaries],
                f"boundary_rest_{space}": [b.rest for b in boundaries],
                f"boundary_cosines_{space}": (normals @ normals.T).round(4).tolist(),
            }
        return found
