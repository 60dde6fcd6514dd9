"""The LightningDataModule: endless training batches from any dataset of whole batches."""

import os
import signal
import threading
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Literal, Protocol

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from ganfeat.data.images import ImageDataset
from ganfeat.data.sampler import InfiniteSampler
from ganfeat.errors import UserError

Batch = dict[str, torch.Tensor]
DRAWN_AT_ONCE = 2**16  # pixels; a small batch costs more per image


class BatchDataset(Protocol):
    """What `DataModule` needs: a length, and batches by a list of indices."""

    resolution: int
    label_dim: int
    name: str

    def __len__(self) -> int: ...

    def __getitems__(self, indices: list[int]) -> Batch:
        """`image`, float32 [N, 3, R, R] in [-1, 1], and what else the dataset has."""

    def reference(self, part: str, n: int) -> "BatchDataset":
        """The real images that generated ones are compared with."""

    def facts(self) -> dict[str, Any]:
        """What networks and methods are made for: `resolution`, `label_dim` and what else."""

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the data, as plain values."""


class DataModule(pl.LightningDataModule):
    """Training batches in an order that follows from the seed and the images seen.

    Args:
        dataset: an `ImageDataset`, `SynthFaces`, or alike.
        batch_size: images of a batch, all processes together.
        seed: of the order.
        workers: processes that load an `ImageDataset`. "auto": none on a CPU, where they would
            only take its cores from training; on a GPU one per core, 8 at most. SynthFaces are
            rendered on the trainer's device, in its process.
    """

    def __init__(
        self,
        dataset: BatchDataset,
        batch_size: int,
        seed: int = 0,
        workers: int | Literal["auto"] = "auto",
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.workers = workers

    def train_dataloader(self) -> "Loader | Drawing":
        """Endless batches from where the trainer stands (without one: from the beginning).

        Raises:
            UserError: the processes cannot share `batch_size` equally.
        """
        trainer, device = self.trainer, torch.device("cpu")
        rank, world_size, start = 0, 1, 0
        if trainer is not None:
            device = trainer.strategy.root_device
            rank, world_size = trainer.global_rank, trainer.world_size
            start = trainer.global_step * self.batch_size  # it ticks once per batch
        sampler = InfiniteSampler(
            len(self.dataset), self.batch_size, self.seed, start, rank, world_size
        )
        if isinstance(self.dataset, ImageDataset):
            return Loader(self.dataset, sampler, self._workers_for(device), device)
        return Drawing(self.dataset, sampler, device)

    def _workers_for(self, device: torch.device) -> int:
        cores = os.cpu_count() or 1
        if isinstance(self.workers, int):
            if self.workers > 8 * cores:
                raise UserError(
                    f"trainer.workers={self.workers}, but this machine has {cores} cores: use "
                    "auto, or a number near that"
                )
            return self.workers
        if self.workers != "auto":
            raise UserError(f"trainer.workers={self.workers}: it must be a number, or auto")
        return min(8, cores) if device.type == "cuda" else 0


class Drawing:
    """Batches of a dataset that draws, where small ones are drawn several at once.

    Args:
        dataset: gives whole batches; if it has a `device`, it draws there.
        sampler: gives lists of indices.
        device: where the batches will be used.
    """

    def __init__(
        self, dataset: BatchDataset, sampler: InfiniteSampler, device: torch.device
    ) -> None:
        if hasattr(dataset, "device"):
            dataset.device = device
        self.dataset, self._lists = dataset, sampler

    def __iter__(self) -> Iterator[Batch]:
        lists = iter(self._lists)
        for first in lists:
            more = DRAWN_AT_ONCE // (len(first) * self.dataset.resolution**2) - 1
            several = [first, *islice(lists, max(more, 0))]
            drawn = self.dataset.__getitems__(list(chain.from_iterable(several)))
            sizes = [len(indices) for indices in several]
            shares = {name: torch.split(values, sizes) for name, values in drawn.items()}
            for i in range(len(several)):
                yield {name: share[i] for name, share in shares.items()}


class Loader:
    """A `DataLoader` over files whose errors are those of the dataset.

    No subclass: Lightning would take that apart and put it together again with a sampler of its
    own under DDP. Torch wraps what a worker raises into its traceback, so a `UserError` travels in
    the place of a batch and is raised here.

    Args:
        dataset: gives whole batches.
        sampler: gives lists of indices.
        workers: number of worker processes.
        device: where the batches will be used; for a GPU they are pinned.
    """

    def __init__(
        self, dataset: ImageDataset, sampler: InfiniteSampler, workers: int, device: torch.device
    ) -> None:
        self.dataset = dataset
        self.loader: DataLoader[Batch] = DataLoader(
            _Careful(dataset),  # type: ignore[arg-type]
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=_as_it_is,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else each pass would draw from the global one
        )

    def __iter__(self) -> Iterator[Batch]:
        batches = _start(self.loader)
        try:
            while True:
                batch = _next(batches)
                self.dataset.report()
                if isinstance(batch, UserError):
                    raise batch
                yield batch
        finally:
            # At once: where the garbage collector finds it, torch waits for each worker in vain.
            del batches


def _next(batches: Iterator[Batch | UserError]) -> Batch | UserError:
    try:
        return next(batches)
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A worker is gone: in torch's words, or by a connection that was cut short.
        if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
            raise
        raise UserError(
            f"a process that loads data died ({str(error).strip()}): most often memory ran out; "
            "use fewer, trainer.workers=0 for none"
        ) from error


def _start(loader: DataLoader[Batch]) -> Iterator[Batch | UserError]:
    """Iterate without torch's SIGCHLD handler.

    That raises wherever the main process happens to be when a worker dies. Without it, asking for
    the next batch raises, within five seconds. Another `DataLoader` may have set it before.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    if getattr(handler, "__module__", "").startswith("torch."):
        handler = signal.SIG_DFL
    batches: Any = iter(loader)
    if hasattr(batches, "_workers_done_event"):
        batches._workers_done_event = _DoneEvent(batches._workers_done_event)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, handler)
    return batches  # type: ignore[no-any-return]


class _DoneEvent:
    """Torch's word to its workers that they may end, on the side of the process that says it.

    A worker that was killed may hold the lock of the event. Torch would wait for that for ever, and
    nobody would learn that it was killed.
    """

    def __init__(self, event: Any) -> None:
        self.event, self.said = event, False

    def is_set(self) -> bool:
        """Whether it was said."""
        return self.said

    def set(self) -> None:
        """Say it, and wait a second for the lock; torch ends workers that have not heard it."""
        self.said = True
        thread = threading.Thread(target=self.event.set, daemon=True)
        thread.start()
        thread.join(1)


class _Careful:
    """The dataset, with a `UserError` returned instead of raised."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def __getitems__(self, indices: list[int]) -> Batch | UserError:
        try:
            return self.dataset.__getitems__(indices)
        except UserError as error:
            return error


def _as_it_is(batch: Any) -> Any:
    return batch
