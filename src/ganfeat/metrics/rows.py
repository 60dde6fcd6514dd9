"""Numbers of many images, gathered from all processes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from ganfeat.errors import UserError


class Rows(Metric):
    """Rows of numbers with a place for each, so that their order does not depend on processes.

    Args:
        n: number of rows.
        width: numbers in a row.
        what: one of them, for the message where it is not finite.
    """

    full_state_update = False
    rows: Tensor
    filled: Tensor

    def __init__(self, n: int, *width: int, what: str) -> None:
        super().__init__()
        self.what = what
        self.add_state("rows", torch.zeros(n, *width, dtype=torch.float32), dist_reduce_fx="sum")
        self.add_state("filled", torch.zeros(n, dtype=torch.int32), dist_reduce_fx="sum")

    def update(self, rows: Tensor, numbers: Tensor) -> None:
        """Put rows [N,*width] where ``numbers`` [N] say; those beyond the end are left out.

        Raises:
            UserError: one of them is not finite.
        """
        rows, numbers = finite(rows, self.what), numbers.to(rows.device)
        fits = numbers < len(self.rows)
        self.rows[numbers[fits]] = rows[fits].to(self.rows.dtype)
        self.filled[numbers[fits]] += 1

    def compute(self) -> Tensor:
        """All rows [n,*width]; torchmetrics makes a single number of [1]."""
        if not bool((self.filled == 1).all()):
            raise RuntimeError(f"{int((self.filled != 1).sum())} rows were not filled once")
        return self.rows

    def single(self) -> NDArray[np.float32]:
        """The same in numpy, as it is held."""
        return np.asarray(self.compute().reshape(self.rows.shape).cpu())

    def numpy(self) -> NDArray[np.float64]:
        """The same for statistics."""
        return self.single().astype(np.float64)


def finite(values: Tensor, what: str) -> Tensor:
    """``values`` [N,...], or a `UserError` that says how many of them are not finite."""
    bad = ~torch.isfinite(values.reshape(len(values), -1)).all(dim=1)
    if bad.any():
        raise UserError(
            f"{what} is not finite for {int(bad.sum())} of {len(values)} images: the network or "
            "the images are broken; nothing is averaged over them"
        )
    return values
