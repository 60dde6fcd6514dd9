"""What happens around the iterations: ticks, pictures, checkpoints, interruption."""

import logging
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganfeat.ending import stop_signals
from ganfeat.errors import Interrupted
from ganfeat.networks import save_networks
from ganfeat.pictures import save_png
from ganfeat.training.csv_log import KIMG, MONITOR
from ganfeat.training.machine import peak_memory
from ganfeat.training.method import Method
from ganfeat.training.record import RunFolder
from ganfeat.training.wandb_log import log_picture

log = logging.getLogger(__name__)


def kimg_done(trainer: Trainer, method: Method) -> float:
    """Thousands of images that the run has seen."""
    return trainer.global_step * method.batch_size / 1000


class Every:
    """Fires when the count of images passes a multiple of ``kimg``."""

    def __init__(self, kimg: float) -> None:
        self.images = kimg * 1000

    def due(self, trainer: Trainer, method: Method) -> bool:
        """Whether the iteration that just ended passed a multiple, or was the last one."""
        done = trainer.global_step * method.batch_size
        passed = done // self.images > (done - method.batch_size) // self.images
        return passed or trainer.global_step >= trainer.max_steps


class Clock(Callback):
    """Seconds of training, and of waiting for data within them, over all sessions of a run.

    It stands last in the list, so that nothing but the loader works between its two hooks.
    """

    def __init__(self) -> None:
        self.totals = {"seconds": 0.0, "waited": 0.0, "images": 0.0}
        self._ended: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Start counting."""
        self._ended = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """A batch has arrived."""
        assert self._ended is not None
        self.totals["images"] += pl_module.batch_size
        self.totals["waited"] += time.perf_counter() - self._ended

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """A batch is done, ticks, pictures and checkpoints included."""
        self.totals = self.reading()
        self._ended = time.perf_counter()

    def leave_out(self, seconds: float) -> None:
        """Do not count the last ``seconds``."""
        self.totals["seconds"] -= seconds

    def reading(self) -> dict[str, float]:
        """The totals, up to this moment."""
        assert self._ended is not None
        seconds = self.totals["seconds"] + time.perf_counter() - self._ended
        return {**self.totals, "seconds": seconds}

    def state_dict(self) -> dict[str, float]:
        """For the checkpoint."""
        return self.reading()

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """From the checkpoint."""
        self.totals = dict(state_dict)


class Ticks(Callback):
    """At every tick: one line in the log and one row in the loggers; between them a bar."""

    def __init__(self, clock: Clock, kimg: float) -> None:
        self.clock, self.every = clock, Every(kimg)
        self.bar: Progress | None = None
        self._last = dict(clock.totals)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Show the bar in the first process, where somebody looks."""
        self._last = dict(self.clock.totals)
        if not trainer.is_global_zero:
            return
        self.bar = Progress(
            TextColumn("{task.completed:.2f}/{task.total:g} kimg"),
            BarColumn(),
            TextColumn("{task.fields[speed]:.1f} images/s"),
            TimeRemainingColumn(),
        )
        self.bar.disable = not self.bar.console.is_terminal
        total = trainer.max_steps * pl_module.batch_size / 1000
        task = self.bar.add_task("", total=total, speed=0.0)
        self.bar.update(task, completed=kimg_done(trainer, pl_module))
        self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Move the bar; at a tick write what was measured since the last."""
        reading = self.clock.reading()
        spent = {name: value - self._last[name] for name, value in reading.items()}
        speed = spent["images"] / max(spent["seconds"], 1e-9)
        if self.bar is not None:
            done = kimg_done(trainer, pl_module)
            self.bar.update(self.bar.task_ids[0], completed=done, speed=speed)
        if self.every.due(trainer, pl_module):
            self._tick(trainer, pl_module, speed)
            self._last = reading

    def _tick(self, trainer: Trainer, method: Method, speed: float) -> None:
        method.terms.check()
        values = method.terms.drain()
        if not trainer.is_global_zero:
            return
        done, total = kimg_done(trainer, method), trainer.max_steps * method.batch_size / 1000
        memory = peak_memory() / 2**30
        row = {KIMG: done, "progress/images_per_s": speed, "progress/memory_gib": memory}
        row.update(method.scalars())
        for logger in trainer.loggers:
            logger.log_metrics({**row, **values}, step=trainer.global_step)
        left = (total - done) * 1000 / max(speed, 1e-9)
        terms = "  ".join(
            f"{name.removeprefix('loss/')} {value:.3g}"
            for name, value in values.items()
            if name.startswith("loss/")
        )
        log.info(
            "%.4g/%g kimg  %.1f images/s  %s left  %.1f GiB  %s",
            done, total, speed, duration(left), memory, terms,
        )  # fmt: skip

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.stop()

    def on_exception(self, trainer: Trainer, *_: Any) -> None:
        """Close the bar, so that the error stands on a line of its own."""
        if self.bar is not None:
            self.bar.stop()


class Pictures(Callback):
    """Writes the method's pictures before the first iteration and at an interval."""

    def __init__(self, folder: Path, kimg: float) -> None:
        self.folder, self.every = folder, Every(kimg)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """How it looks before training."""
        if trainer.global_step == 0:
            self._save(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """How it looks now."""
        if self.every.due(trainer, pl_module):
            self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, method: Method) -> None:
        if not trainer.is_global_zero:
            return
        for name, picture in method.pictures().items():
            path = self.folder / f"{name}-{kimg_done(trainer, method):09.3f}.png"
            save_png(picture, path)
            for logger in trainer.loggers:
                log_picture(logger, f"pictures/{name}", path, kimg_done(trainer, method))


class Snapshots(Callback):
    """Keeps the networks, without the rest of a checkpoint, at an interval."""

    def __init__(self, folder: RunFolder, kimg: float) -> None:
        self.folder, self.every = folder, Every(kimg)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Write ``networks-<kimg>.safetensors``."""
        if self.every.due(trainer, pl_module) and trainer.is_global_zero:
            pl_module.terms.check()
            name = f"networks-{kimg_done(trainer, pl_module):09.3f}.safetensors"
            path = self.folder.checkpoint.with_name(name)
            save_networks(path, pl_module.networks(), self.folder.weights_header(pl_module))


class Monitor(Callback):
    """Measures at an interval, and keeps the networks whose FID is the lowest.

    All processes measure together; the time is not training's.
    """

    def __init__(self, folder: RunFolder, kimg: float, exam: Any, clock: Clock) -> None:
        self.folder, self.every, self.exam, self.clock = folder, Every(kimg), exam, clock
        self.best = float("inf")
        self.path = folder.checkpoint.with_name("networks-best.safetensors")

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Measure where it is due."""
        if not self.every.due(trainer, pl_module):
            return
        began = time.perf_counter()
        measured = self.exam(pl_module.artefact(), trainer.datamodule.dataset)  # type: ignore[attr-defined]
        kimg = kimg_done(trainer, pl_module)
        found = {
            value["name"]: value["value"] for value in measured.values if value["value"] is not None
        }
        if trainer.is_global_zero:
            log.info("%s", "  ".join(f"{name} {value:.4g}" for name, value in found.items()))
        for logger in trainer.loggers:
            logger.log_metrics({KIMG: kimg, **{f"{MONITOR}{k}": v for k, v in found.items()}})
        fid = next((value for name, value in found.items() if name.startswith("fid")), None)
        if fid is not None and fid < self.best:
            self.best = fid
            if trainer.is_global_zero:
                save_networks(
                    self.path, pl_module.networks(), self.folder.weights_header(pl_module)
                )
        self.clock.leave_out(time.perf_counter() - began)

    def state_dict(self) -> dict[str, float]:
        """For the checkpoint."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """From the checkpoint, unless it is another run's, whose best networks are not here."""
        if self.path.exists():
            self.best = state_dict["best"]


class Checkpoints(Callback):
    """Saves ``last.ckpt`` at an interval, at the end, and when the run is interrupted.

    The `stop_signals` let the iteration finish; a second one stops at once.
    """

    def __init__(self, path: Path, kimg: float) -> None:
        self.path, self.every = path, Every(kimg)
        self.signal: int | None = None
        self.stopped_by: int | None = None
        self._previous: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Take the signals over, from Lightning too: it would drop the iteration."""
        for number in stop_signals():
            self._previous[number] = signal.signal(number, self._notice)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise Interrupted("stopped at once; the same command goes on from the last checkpoint")
        self.signal = number
        log.info("stopping after this iteration; once more to stop at once, without a checkpoint")

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Save where it is due; stop where a signal came, in all processes alike."""
        stop = self.signal is not None
        if trainer.world_size > 1:  # asking the others waits for the device: not every iteration
            ask = trainer.global_step % 4 == 0
            stop = ask and trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop or self.every.due(trainer, pl_module):
            pl_module.terms.check()
            trainer.save_checkpoint(self.path)
        if stop and trainer.global_step < trainer.max_steps:
            self.stopped_by = self.signal or signal.SIGTERM
            trainer.should_stop = True

    def _release(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back; one that came in the last iteration stops the run here."""
        self._release()
        self.stopped_by = self.stopped_by or self.signal

    def on_exception(self, trainer: Trainer, *_: Any) -> None:
        """Give the signals back."""
        self._release()


def duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
