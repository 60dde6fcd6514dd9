"""The data module: order under a trainer and with workers, and what their errors look like."""

import gc
import logging
import math
import multiprocessing
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pictures import files, folder, zipped
from torch.utils.data import DataLoader

import ganfeat
from ganfeat.data import DataModule, ImageDataset, InfiniteSampler, SynthFaces
from ganfeat.errors import UserError

NAMES = [f"{i:03}.png" for i in range(40)]


class Indices:
    """A dataset whose images say which ones they are."""

    resolution, label_dim, name = 1, 0, "indices"

    def __len__(self) -> int:
        return 20

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {"image": torch.tensor(indices)}

    def fingerprint(self) -> dict[str, Any]:
        return {}


def trainer(step: int = 0, rank: int = 0, ranks: int = 1, device: str = "cpu") -> SimpleNamespace:
    """As much of a trainer as the module looks at."""
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(global_step=step, global_rank=rank, world_size=ranks, strategy=strategy)


def photographs(path: Path, **broken: bytes) -> ImageDataset:
    content = files(NAMES) | {f"{name[1:]}.png": data for name, data in broken.items()}
    return ImageDataset(zipped(path / "a.zip", content), 16)


def first(module: DataModule, count: int) -> list[dict[str, torch.Tensor]]:
    return list(islice(module.train_dataloader(), count))


def expected(count: int, start: int = 0, rank: int = 0, ranks: int = 1) -> list[list[int]]:
    return list(islice(InfiniteSampler(20, 8, 5, start, rank, ranks), count))


# Order.


def test_without_a_trainer_it_starts_at_the_beginning() -> None:
    got = first(DataModule(Indices(), 8, seed=5), 6)
    assert [batch["image"].tolist() for batch in got] == expected(6)


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_and_resume_come_from_the_trainer(rank: int) -> None:
    module = DataModule(Indices(), 8, seed=5)
    module.trainer = trainer(step=3, rank=rank, ranks=2)
    got = [batch["image"].tolist() for batch in first(module, 6)]
    assert got == expected(6, 24, rank, 2)


def test_a_batch_that_the_ranks_cannot_share() -> None:
    module = DataModule(Indices(), 8)
    module.trainer = trainer(ranks=3)
    with pytest.raises(UserError, match="batch_size 8 cannot be shared by 3"):
        module.train_dataloader()


class Recorder(pl.LightningModule):
    """One optimiser step per batch; keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []

    def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.seen.append(batch["image"].tolist())
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def test_lightning_resumes_where_it_stopped(tmp_path: Path) -> None:
    quiet = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    quiet |= {"enable_checkpointing": False, "enable_model_summary": False}
    one, two = Recorder(), Recorder()
    first_run = pl.Trainer(max_steps=4, **quiet)
    first_run.fit(one, DataModule(Indices(), 8, seed=5))
    first_run.save_checkpoint(tmp_path / "a.ckpt")
    pl.Trainer(max_steps=9, **quiet).fit(
        two, DataModule(Indices(), 8, seed=5), ckpt_path=tmp_path / "a.ckpt"
    )
    assert one.seen + two.seen == expected(9)


def test_workers_give_the_same_batches(tmp_path: Path) -> None:
    data = photographs(tmp_path)
    data[0]  # opens the zip before the fork
    alone = first(DataModule(data, 8, seed=5), 12)
    together = first(DataModule(data, 8, seed=5, workers=2), 12)
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(a["image"], b["image"])


SPAWN = """
import multiprocessing, sys
from itertools import islice
from ganfeat.data import DataModule, ImageDataset
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    data = ImageDataset(sys.argv[1], 16)
    data[0]
    batches = [list(islice(DataModule(data, 8, workers=w).train_dataloader(), 6)) for w in (0, 2)]
    assert all((a["image"] == b["image"]).all() for a, b in zip(*batches))
    assert data.broken == ["007.png"]
    data = ImageDataset(sys.argv[1], 16)
    list(islice(DataModule(data, 8, workers=2).train_dataloader(), 6))
    assert data.broken == ["007.png"]
"""


@pytest.mark.slow  # a spawned process imports torch
def test_spawned_workers_too(tmp_path: Path) -> None:
    photographs(tmp_path, _007=b"broken")
    (tmp_path / "script.py").write_text(SPAWN)
    command = [sys.executable, "script.py", "a.zip"]
    env = os.environ | {"PYTHONPATH": str(Path(ganfeat.__file__).parents[1])}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("007.png") == 2  # once per dataset


def test_loading_draws_nothing_from_the_global_generator(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    first(DataModule(photographs(tmp_path), 8, workers=1), 3)
    assert torch.equal(torch.get_rng_state(), before)


# Where it loads.


@pytest.mark.parametrize(
    ("workers", "device", "count"),
    [("auto", "cpu", 0), ("auto", "cuda", min(8, os.cpu_count() or 1)), (2, "cpu", 2)],
)
def test_workers_for_photographs(tmp_path: Path, workers: Any, device: str, count: int) -> None:
    module = DataModule(photographs(tmp_path), 8, workers=workers)
    module.trainer = trainer(device=device)
    loader = module.train_dataloader().loader
    assert loader.num_workers == count
    assert loader.pin_memory == (device == "cuda")


def test_more_workers_than_the_machine_can_bear(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trainer.workers=100000, but this machine has"):
        DataModule(photographs(tmp_path), 8, workers=100_000).train_dataloader()


def test_synthfaces_are_rendered_by_the_trainers_process() -> None:
    faces = SynthFaces("train", 32)
    module = DataModule(faces, 4, workers=2)
    module.trainer = trainer(device="cuda:1")
    module.train_dataloader()
    assert faces.device == torch.device("cuda:1")
    module.trainer = trainer()
    [batch] = first(module, 1)
    assert batch["image"].shape == (4, 3, 32, 32)


@pytest.mark.parametrize(("resolution", "at_once"), [(32, 8), (64, 2), (128, 1)])
def test_small_batches_are_drawn_several_at_once(
    resolution: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = SynthFaces("train", resolution, length=24, extras=["factors", "mask"])
    expected = [
        faces.__getitems__(indices) for indices in islice(InfiniteSampler(24, 8, seed=3), 9)
    ]
    calls = []
    untouched = SynthFaces.__getitems__

    def counted(self: SynthFaces, indices: list[int]) -> Any:
        calls.append(len(indices))
        return untouched(self, indices)

    monkeypatch.setattr(SynthFaces, "__getitems__", counted)
    batches = first(DataModule(faces, 8, seed=3), 9)
    assert calls == [8 * at_once] * math.ceil(9 / at_once)
    for batch, other in zip(batches, expected, strict=True):
        assert batch.keys() == other.keys() == {"image", "factors", "mask"}
        assert all(torch.equal(batch[name], other[name]) for name in batch)


# Errors.


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_images_reach_the_log(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    module = DataModule(photographs(tmp_path, _007=b"broken"), 8, workers=workers)
    first(module, 15)
    assert module.dataset.broken == ["007.png"]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "007.png" in record.getMessage()
    assert "no image, or of a format" in record.getMessage()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_wrong_size_is_said_once(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = ImageDataset(folder(tmp_path, files(NAMES, 32)), 16)
    first(DataModule(data, 8, workers=workers), 10)
    [record] = caplog.records
    assert "32x32" in record.getMessage()


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_broken_images_stop_with_one_line(tmp_path: Path, workers: int) -> None:
    data = photographs(tmp_path, _007=b"broken", _011=b"broken")
    with pytest.raises(UserError, match=r"2 of 40 images cannot be read.*007.png, 011.png") as e:
        first(DataModule(data, 8, workers=workers), 10)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("torchs_handler", [False, True])
def test_a_worker_that_is_killed(tmp_path: Path, torchs_handler: bool) -> None:
    if torchs_handler:  # as a DataLoader that is not ours leaves it
        list(DataLoader([0], num_workers=1))  # type: ignore[arg-type]
    others = multiprocessing.active_children()
    batches = iter(DataModule(photographs(tmp_path), 8, workers=1).train_dataloader())
    next(batches)
    for worker in set(multiprocessing.active_children()) - set(others):
        worker.kill()
    with pytest.raises(UserError, match=r"a process that loads data died.*trainer.workers=0") as e:
        list(batches)  # what it had sent still arrives
    assert "\n" not in str(e.value)


@pytest.mark.slow
def test_a_worker_that_is_killed_with_a_lock_in_its_hand(tmp_path: Path) -> None:
    others = multiprocessing.active_children()
    batches = iter(DataModule(photographs(tmp_path), 8, workers=2).train_dataloader())
    next(batches)
    of_torch = batches.gi_frame.f_locals["batches"]  # type: ignore[attr-defined]
    of_torch._workers_done_event.event._cond.acquire()  # as a worker does that looks whether to end
    workers = set(multiprocessing.active_children()) - set(others)
    next(iter(workers)).kill()
    signal.alarm(60)  # where it waits, this ends it
    with pytest.raises(UserError, match="a process that loads data died"):
        list(batches)
    del batches, of_torch
    gc.collect()
    signal.alarm(0)
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def test_other_errors_stay_what_they_are() -> None:
    class Faulty(Indices):
        def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
            raise RuntimeError("a mistake in the program")

    with pytest.raises(RuntimeError, match="a mistake in the program"):
        first(DataModule(Faulty(), 8), 1)
