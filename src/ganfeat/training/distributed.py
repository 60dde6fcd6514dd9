"""Several processes that compute what one would.

Lightning starts the processes and gives them ranks. Its DDP wrapper is left out: it hooks into
one backward pass per forward, while a GAN phase has several, some of them twice differentiated.
Instead the gradients of a phase are averaged once, in one flat all-reduce, before its step.
"""

import os
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning_fabric.plugins import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed

from ganfeat.errors import UserError


class Processes(DDPStrategy):
    """Lightning's DDP strategy without the DistributedDataParallel wrapper.

    Args:
        failure: the file in which a process that fails, other than the first, says why: the first
            keeps the record, and notices no more than that the other has gone.
    """

    def __init__(self, failure: Path) -> None:
        super().__init__()
        self.failure = failure

    def configure_ddp(self) -> None:
        """Leave the module unwrapped."""

    def on_exception(self, exception: BaseException) -> None:
        """The first process ends the others, which would wait for it for ever; these say why."""
        super().on_exception(exception)
        if not self.is_global_zero:
            self._say_why(exception)
            return
        launcher: Any = self.launcher
        ended = [*launcher.procs]
        launcher.procs.clear()  # else Lightning's observer sees them end, and kills this one too
        for process in ended:
            process.kill()
        for process in ended:
            process.wait()

    def _say_why(self, exception: BaseException) -> None:
        """Before the others learn of it, and fail in their turn: only the first is written down."""
        if self.failure.exists():
            return
        what = f"{type(exception).__name__}: {exception}".splitlines()[0]
        trace = "".join(traceback.format_exception(exception))
        with suppress(OSError):  # the disk may be what has failed
            self.failure.write_text(
                f"process {self.global_rank} failed: {what}\n{trace}", encoding="utf-8"
            )

    def teardown(self) -> None:
        """Leave nothing behind that the next job of a sweep would take for its own."""
        super().teardown()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        if self.is_global_zero:
            os.environ.pop("LOCAL_RANK", None)


def environments() -> list[ClusterEnvironment]:
    """What makes Lightning start the processes itself where SLURM has started a single task.

    By itself it takes that task for one of several processes, and refuses to go on without the
    others. What torchrun has started, or srun with a task for each process, it finds out.
    """
    one_task = os.environ.get("SLURM_NTASKS") == "1" and not TorchElasticEnvironment.detect()
    return [LightningEnvironment()] if one_task else []


def check_others(failure: Path) -> None:
    """Tell of another process that failed, where there is one: what came after is its doing.

    Raises:
        UserError: with what that process said.
    """
    if failure.exists():
        first = failure.read_text(encoding="utf-8").splitlines()[0]
        raise UserError(f"{first} ({failure} has the rest)")
