"""This process among those that compute together what one would: ranks, sums, averages."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_utilities.core.rank_zero import rank_zero_only
from torch import Tensor, distributed

from ganfeat.errors import UserError


def rank() -> int:
    """The number of this process, also before there is a process group; 0 where it is alone."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def world_size() -> int:
    """Number of processes, 1 without a process group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def joined(device: str) -> Iterator[None]:
    """The processes that torchrun started as one group, for as long as this is open.

    Raises:
        UserError: something else started several, which cannot find each other.
    """
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if rank() > 0 and not (several and "MASTER_ADDR" in os.environ):
        raise UserError("several processes were started that do not know each other: use torchrun")
    if not several:
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over processes, without a gradient; it replaces ``value``."""
    if world_size() > 1:
        distributed.all_reduce(value)
    return value


def all_agree(answer: bool, device: torch.device | str = "cpu") -> bool:
    """Whether the answer is yes in every process."""
    return int(sum_over_processes(torch.tensor(int(answer), device=device))) == world_size()


class _MeanOverProcesses(torch.autograd.Function):
    """Average a tensor over processes, forward and backward."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return sum_over_processes(value.clone()) / world_size()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return sum_over_processes(gradients[0].clone()) / world_size()


def mean_over_processes(value: Tensor) -> Tensor:
    """Average over processes, differentiable for gradients that are averaged afterwards."""
    if world_size() == 1:
        return value
    return _MeanOverProcesses.apply(value)  # type: ignore[no-any-return,no-untyped-call]


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its average over processes."""
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = sum_over_processes(torch.cat([g.flatten() for g in gradients])) / world_size()
    averages = flat.split_with_sizes([g.numel() for g in gradients])
    for gradient, average in zip(gradients, averages, strict=True):
        gradient.copy_(average.view_as(gradient))
