"""Pairs of faces in the manner of LFW: the same person, or one who looks alike.

300 times two people are made up who have the same hair style and nearly the same skin tone and hair
colour, and differ in all else that makes a person. In each fold there are 30 such couples; ten
pairs of each couple show one of them twice, ten show both. No two images are the same, and what is
not part of a person is drawn anew for each: colours alone decide nothing.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.data.drawn.factors import Array
from ganfeat.data.drawn.sampling import Keys, key, uniforms
from ganfeat.data.synthfaces.drawing import draw
from ganfeat.data.synthfaces.factors import FACTORS, TABLE
from ganfeat.data.synthfaces.sampling import SPLITS

FOLDS = {"test": 10, "val": 3}
COUPLES, EACH = 30, 10  # couples in a fold; pairs of a couple of either kind
NEAR = 0.1  # of the range, by which look-alikes may differ
ALIKE = ("skin_tone", "hair_colour")
_PERSON, _IMAGE = 3, 4  # as the split's own draws are 1 and 2


class Pairs:
    """Pairs of faces: 6,000 to report on, in ten folds, and 1,800 to choose on, in three.

    Args:
        resolution: of the images.
        part: ``test`` or ``val``, which share nobody.
        seed: of the people and the images.
        device: where they are drawn.

    Attributes:
        same: whether a pair shows one person, [P].
        folds: the fold of each pair, [P].
        groups: its couple, [P].
    """

    def __init__(
        self,
        resolution: int,
        part: str = "test",
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.resolution, self.part, self.seed, self.device = resolution, part, seed, device
        number = np.arange(FOLDS[part] * COUPLES * 2 * EACH)
        self.groups: NDArray[np.int64] = number // (2 * EACH)
        self.same: NDArray[np.bool_] = number % (2 * EACH) < EACH
        self.folds: NDArray[np.int64] = self.groups // COUPLES
        # Of the pairs that show one person, every second shows the couple's other one.
        self.first = np.where(self.same, number % 2, 0)
        self.second = np.where(self.same, number % 2, 1)

    def images(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Both images [N,3,R,R] of these pairs."""
        rows = np.asarray(numbers)
        first, second = (
            self._drawn(self.groups[rows], who[rows], 2 * rows + i)
            for i, who in enumerate((self.first, self.second))
        )
        return first, second

    def _drawn(self, couple: Array, who: Array, image: Array) -> Tensor:
        values, person_key, image_key = self.faces(couple, who, image)
        device = torch.device(self.device)
        return draw(values, self.resolution, device, person_key, image_key, ())["image"]

    def faces(self, couple: Array, who: Array, image: Array) -> tuple[Array, Keys, Keys]:
        """Physical factors [F,N] and keys of the images with these numbers."""
        code = SPLITS[self.part].code
        person_key = key(self.seed, code, _PERSON, couple, who)
        image_key = key(self.seed, code, _IMAGE, image)
        own = uniforms(person_key, len(FACTORS))
        couples = uniforms(key(self.seed, code, _PERSON, couple, 2), len(FACTORS))
        style = TABLE.column["hair_style"]
        own[style] = couples[style]
        for name in ALIKE:  # both within a window of the range that is the couple's
            own[TABLE.column[name]] = (
                couples[TABLE.column[name]] * (1 - NEAR) + own[TABLE.column[name]] * NEAR
            )
        fixed = np.array([[spec.level == "identity"] for spec in FACTORS])
        return (
            TABLE.values(np.where(fixed, own, uniforms(image_key, len(FACTORS)))),
            person_key,
            image_key,
        )

    def fingerprint(self) -> dict[str, Any]:
        """What identifies them."""
        return {
            "name": "synthfaces", "part": self.part, "pairs": len(self.same), "seed": self.seed
        }  # fmt: skip
