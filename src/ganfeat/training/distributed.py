"""Several processes that compute what one would.

Lightning starts the processes and gives them ranks. Its DDP wrapper is left out: it hooks into
one backward pass per forward, while a GAN phase has several, some of them twice differentiated.
Instead the gradients of a phase are averaged once, in one flat all-reduce, before its step.
"""

import os
import signal
from collections.abc import Iterable
from typing import Any

import torch
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, distributed


class Processes(DDPStrategy):
    """Lightning's DDP strategy without the DistributedDataParallel wrapper."""

    def configure_ddp(self) -> None:
        """Leave the module unwrapped."""

    def on_exception(self, exception: BaseException) -> None:
        """End the other processes: they would wait for this one for ever."""
        super().on_exception(exception)
        if self.is_global_zero and self.launcher is not None:
            self.launcher.kill(signal.SIGKILL)

    def teardown(self) -> None:
        """Leave nothing behind that the next job of a sweep would take for its own."""
        super().teardown()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        if self.is_global_zero:
            os.environ.pop("LOCAL_RANK", None)


def rank() -> int:
    """The number of this process, also before there is a process group; 0 where it is alone."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def world_size() -> int:
    """Number of processes, 1 without a process group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over processes, without a gradient; it replaces ``value``."""
    if world_size() > 1:
        distributed.all_reduce(value)
    return value


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
