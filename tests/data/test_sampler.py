"""The endless sampler: order, ranks, resume."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from ganfeat.data.sampler import InfiniteSampler
from ganfeat.errors import UserError


def batches(count: int, *args: int, **options: int) -> list[list[int]]:
    return list(islice(InfiniteSampler(*args, **options), count))


@pytest.mark.parametrize("length", [1, 3, 8, 10, 100])
def test_every_epoch_visits_everything_once(length: int) -> None:
    flat = np.array(batches(100, length, 8, 0)).flatten()
    epochs = flat[: len(flat) // length * length].reshape(-1, length)
    assert (np.sort(epochs) == np.arange(length)).all()
    if length == 100:
        assert len({tuple(epoch) for epoch in epochs}) == len(epochs)
        assert (epochs[0] != np.arange(length)).any()


def test_the_order_is_of_the_seed() -> None:
    assert batches(20, 50, 8, 1) == batches(20, 50, 8, 1)
    assert batches(20, 50, 8, 1) != batches(20, 50, 8, 2)
    # For good: what a run saw must not depend on the version of numpy.
    assert batches(2, 10, 5, 7) == [[0, 1, 5, 7, 6], [9, 4, 3, 2, 8]]


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 40),
    share=st.integers(1, 6),
    ranks=st.integers(1, 4),
    start=st.integers(0, 200),
)
def test_ranks_share_the_batches_of_one_process(
    length: int, share: int, ranks: int, start: int
) -> None:
    size = share * ranks
    whole = batches(10, length, size, 3, start)
    for rank in range(ranks):
        part = batches(10, length, size, 3, start, rank, ranks)
        assert part == [batch[rank::ranks] for batch in whole]


@pytest.mark.parametrize("length", [3, 50])
def test_the_start_resumes_exactly(length: int) -> None:
    flat = np.array(batches(30, length, 8, 0)).flatten()
    for start in (8, 80, 13):  # also when the batch size was another one before
        resumed = np.array(batches(10, length, 8, 0, start=start)).flatten()
        assert (resumed == flat[start : start + 80]).all()


def test_a_batch_that_ranks_cannot_share() -> None:
    with pytest.raises(UserError, match="batch_size 32 cannot be shared by 3 processes"):
        InfiniteSampler(10, 32, 0, world_size=3)
    with pytest.raises(UserError, match="batch_size 0"):
        InfiniteSampler(10, 0, 0)


class Indices(Dataset[torch.Tensor]):
    """Gives the indices that it is asked for."""

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_keep_the_order(workers: int) -> None:
    loader = DataLoader(
        Indices(), batch_sampler=InfiniteSampler(20, 8, 0, start=16), num_workers=workers
    )
    got = [batch.tolist() for batch in islice(loader, 10)]
    assert got == batches(10, 20, 8, 0, start=16)
