"""One run, from a resolved config to a result: `run` is what ``train.py`` calls."""

import contextlib
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml

from ganfeat.errors import Interrupted, UserError
from ganfeat.files import disk_full
from ganfeat.networks import check_finite, save_networks, state_hash
from ganfeat.pictures import save_pictures
from ganfeat.processes import rank
from ganfeat.training import machine
from ganfeat.training.callbacks import Clock
from ganfeat.training.csv_log import CSVLog
from ganfeat.training.distributed import check_others
from ganfeat.training.logs import logged
from ganfeat.training.record import RunFolder, commit
from ganfeat.training.setup import (
    Config,
    Exams,
    make_data,
    make_method,
    make_trainer,
    starting_point,
)
from ganfeat.training.wandb_log import (
    finish_wandb,
    log_pictures,
    log_references,
    log_strips,
    log_values,
    log_weights,
)

log = logging.getLogger(__name__)


def run(
    config: Config,
    overrides: list[str],
    exams: Callable[..., Exams] | None = None,
) -> Config:
    """Train, and leave the run's folder with its result.

    A finished run prints its result and changes nothing; an unfinished one goes on.

    Args:
        config: the resolved config as plain data.
        overrides: what was typed, for the record.
        exams: gives what measures, from the config, what was typed, the device, the network to be
            measured, the data, and the networks that the method looks with. It is called before
            training begins, so that what is missing is told at once.

    Returns:
        What ``result.json`` holds; nothing in the processes that Lightning starts beside this one.

    Raises:
        UserError: whatever the person who typed the command can mend.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint was written.
    """
    folder = RunFolder(config)
    finished = None if config["force"] else folder.finished()
    if finished is not None:
        print(f"{folder.path} is finished; force=true starts again")
        shown = {key: value for key, value in finished.items() if key != "arrays"}  # thousands
        print(json.dumps(shown, indent=1))
        return finished
    device = machine.pick_device(config["device"], config["trainer"]["devices"])
    machine.prepare(device, config["threads"], config["trainer"]["allocator"])
    exams = partial(exams, config, overrides, device) if exams else None
    if rank() > 0:  # the first process keeps the record; this one ends as it does
        with contextlib.suppress(Interrupted):
            _train(config, folder, device, Outcome(), exams)
        return {}
    with folder.locked():
        if config["force"]:
            make_data(config)  # where that fails, the earlier run stays in its place
        if config["force"] and (aside := folder.set_aside()):
            print(f"the earlier run is now {aside}", file=sys.stderr)
        folder.failure.unlink(missing_ok=True)  # an earlier session's
        folder.write("config.yaml", yaml.safe_dump(config, sort_keys=False))
        about = {
            "run": folder.id,
            "experiment": config["experiment"],
            "overrides": overrides,
            "seed": config["seed"],
            "commit": commit(),
            "machine": machine.describe(device),
        }
        with logged(folder.path / "train.log"):
            return _recorded(config, folder, device, about, exams)


@dataclass
class Outcome:
    """What there is to record, as far as the run came.

    Attributes:
        clock: counts images and seconds.
        start: hashes of the networks that ``init_from=`` gave.
        weights: hashes of the networks that were saved.
        broken_images: names of the images that could not be read.
        session: the commit and the machine that are at work now.
        sessions: those of every session whose training is in the weights, and the kimg at which
            each began; ``resume`` is the other run that it went on from.
        metrics, arrays, pictures: what was measured at the end; of pictures the files' names.
    """

    clock: Clock = field(default_factory=Clock)
    start: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    broken_images: set[str] = field(default_factory=set)
    session: Config = field(default_factory=dict)
    sessions: list[Config] = field(default_factory=list)
    metrics: list[Config] = field(default_factory=list)
    arrays: Config = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)


def _recorded(config: Config, folder: RunFolder, device: str, about: Config, exams: Any) -> Config:
    """Train, and write how it ended, however it ended."""
    earlier = folder.result() or {}
    outcome = Outcome(
        broken_images=set(earlier.get("broken_images", [])),
        session={key: about[key] for key in ("commit", "machine")},
    )
    status, error = "failed", None
    try:
        _train(config, folder, device, outcome, exams)
        status = "finished"
    except Interrupted:
        status = "interrupted"
        raise
    except Exception as failure:
        error = _one_line(failure)
        raise
    finally:
        totals = outcome.clock.totals
        seconds, images = totals["seconds"], totals["images"]
        result = {
            **about,
            **({"sessions": outcome.sessions} if len(outcome.sessions) > 1 else {}),
            "kimg": images / 1000,
            "seconds": round(seconds, 1),
            "images_per_s": round(images / seconds, 2) if seconds else None,
            "data_wait": round(totals["waited"] / seconds, 4) if seconds else None,
            "peak_memory": machine.peak_memory(),
            "broken_images": sorted(outcome.broken_images),
            "start": outcome.start,
            "weights": outcome.weights,
            "status": status,
            "error": error,
            "metrics": outcome.metrics,
            "arrays": {**CSVLog(folder.path / "metrics.csv").curves(), **outcome.arrays},
            "pictures": [*folder.last_pictures(), *outcome.pictures],
        }
        if images > 0 or not earlier:  # else what an earlier session did would be lost
            folder.write("result.json", json.dumps(result, indent=1) + "\n")
    log.info("finished: %s", folder.path / "result.json")
    return result


def _train(config: Config, folder: RunFolder, device: str, outcome: Outcome, exams: Any) -> None:
    """Train to the end, save the weights and measure."""
    data, method = None, None
    try:
        data = make_data(config)
        method = make_method(config, data, device)
        ready = exams(method.artefact(), data.dataset, method.frozen()) if exams else Exams()
        method.sessions = [{**outcome.session, "kimg": 0.0}]
        start, kimg = starting_point(config, folder, method)
        method.sessions[-1]["kimg"] = kimg
        trainer, checkpoints = make_trainer(
            config, folder, device, outcome.clock, kimg, ready.monitor
        )
        trainer.fit(method, datamodule=data, ckpt_path=start, weights_only=True)
        if checkpoints.stopped_by:
            raise _interruption(checkpoints.stopped_by, folder, forced=config["force"])
        if not trainer.is_global_zero:
            return
        networks = method.networks()
        check_finite(networks)
        save_networks(folder.weights, networks, folder.weights_header(method))
        outcome.weights = {name: state_hash(network) for name, network in networks.items()}
        outcome.arrays = dict(method.to(device).findings())  # Lightning has brought it to the CPU
        if ready.final is not None:
            with _told_that_trained(folder, forced=config["force"]):
                found = ready.final(method.artefact(), data.dataset)
            outcome.metrics = found.values
            outcome.arrays |= found.arrays
            log_values(outcome.metrics)
            outcome.pictures = save_pictures(found.pictures, folder.path, "tasks")
            log_pictures(folder.path, outcome.pictures)
            log_strips(folder.path, outcome.arrays.get("strips", {}))
            log_references(config, found.references)
        log_weights(folder, folder.weights_header(method))
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
        raise Interrupted("stopped while it was setting up; the same command goes on") from None
    except Exception as error:
        if isinstance(error, UserError):
            raise
        if rank() == 0:
            check_others(folder.failure)
        if disk_full(error):
            raise UserError(
                f"disk full: {folder.path} needs more room; once there is, the same command goes on"
            ) from error
        if isinstance(error, FileNotFoundError) and not folder.path.exists():
            raise UserError(f"{folder.path} was deleted while the run was writing to it") from error
        raise
    finally:
        if method is not None:
            outcome.start, outcome.sessions = method.start, method.sessions
        if data is not None:
            outcome.broken_images |= set(getattr(data.dataset, "broken", []))
        finish_wandb()


@contextlib.contextmanager
def _told_that_trained(folder: RunFolder, *, forced: bool) -> Iterator[None]:
    """Where measuring is stopped, the message says that the training itself is done."""
    try:
        yield
    except Interrupted as stopped:
        raise Interrupted(
            f"stopped while measuring: the trained weights are {folder.weights}; "
            f"{_same_command(forced)} measures them without training again",
            stopped.exit_code,
        ) from None


def _same_command(forced: bool) -> str:
    """What goes on with a run; with force=true it would begin anew."""
    return "the same command without force=true" if forced else "the same command"


def _interruption(number: int, folder: RunFolder, *, forced: bool) -> Interrupted:
    name = signal.Signals(number).name
    return Interrupted(
        f"{name}: checkpoint written to {folder.checkpoint}; {_same_command(forced)} goes on",
        exit_code=128 + number,
    )


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")
