"""Numbers of many images, gathered from all processes."""

import torch
from torch import Tensor
from torchmetrics import Metric


class Rows(Metric):
    """Rows of numbers with a place for each, so that their order does not depend on processes.

    Args:
        n: number of rows.
        width: numbers in a row.
    """

    full_state_update = False
    rows: Tensor
    filled: Tensor

    def __init__(self, n: int, *width: int) -> None:
        super().__init__()
        self.add_state("rows", torch.zeros(n, *width, dtype=torch.float32), dist_reduce_fx="sum")
        self.add_state("filled", torch.zeros(n, dtype=torch.int32), dist_reduce_fx="sum")

    def update(self, rows: Tensor, numbers: Tensor) -> None:
        """Put rows [N,*width] where ``numbers`` [N] say; those beyond the end are left out."""
        numbers = numbers.to(rows.device)
        fits = numbers < len(self.rows)
        self.rows[numbers[fits]] = rows[fits].to(self.rows.dtype)
        self.filled[numbers[fits]] += 1

    def compute(self) -> Tensor:
        """All rows [n,*width], on the CPU."""
        if not bool((self.filled == 1).all()):
            raise RuntimeError(f"{int((self.filled != 1).sum())} rows were not filled once")
        return self.rows.cpu()
