"""Several processes that compute what one would.

Lightning starts the processes and gives them ranks. Its DDP wrapper is left out: it hooks into
one backward pass per forward, while a GAN phase has several, some of them twice differentiated.
Instead the gradients of a phase are averaged once, in one flat all-reduce, before its step.
"""

import os
import signal

from pytorch_lightning.strategies import DDPStrategy
from torch import distributed


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
