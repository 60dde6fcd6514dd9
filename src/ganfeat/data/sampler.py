"""Endless shuffled batches whose position is a number of images."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from ganfeat.errors import UserError


class InfiniteSampler(Sampler[list[int]]):
    """A batch sampler without end, the same for any number of ranks and workers.

    Epoch after epoch is shuffled and laid end to end, so batches cross epochs and a dataset may
    be smaller than a batch. Position p is item p mod length of epoch p // length, whose order
    follows from (seed, epoch) alone: to resume, the number of images seen is enough.

    Args:
        length: number of items.
        batch_size: images of a batch, all ranks together.
        seed: of the order.
        start: images seen already.
        rank: takes samples rank, rank + world_size, ... of each batch.
        world_size: number of ranks.

    Raises:
        UserError: the ranks cannot share a batch equally.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise UserError(
                f"batch_size {batch_size} cannot be shared by {world_size} processes: "
                f"it is the total, expected a multiple of {world_size}"
            )
        if length < 1:
            raise UserError("there are no images to draw from: the data are empty")
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.start = start
        self.rank = rank
        self.world_size = world_size

    def __iter__(self) -> Iterator[list[int]]:
        current, order = -1, np.empty(0, dtype=np.int64)
        first = self.start
        while True:
            batch = []
            for position in range(first + self.rank, first + self.batch_size, self.world_size):
                epoch, item = divmod(position, self.length)
                if epoch != current:
                    current, order = epoch, self._order(epoch)
                batch.append(int(order[item]))
            yield batch
            first += self.batch_size

    def _order(self, epoch: int) -> np.ndarray[Any, Any]:
        # RandomState, as numpy promises that its numbers never change; Generator's may.
        return np.random.RandomState([self.seed, epoch]).permutation(self.length)
