"""One run, from a resolved config to a result: `run` is what ``train.py`` calls."""

import contextlib
import json
import logging
import signal
import sys

import yaml

from ganfeat.errors import Interrupted, UserError
from ganfeat.files import disk_full
from ganfeat.networks import save_networks, state_hash
from ganfeat.training import machine
from ganfeat.training.callbacks import Clock
from ganfeat.training.distributed import rank
from ganfeat.training.loggers import CSVLog, finish_wandb
from ganfeat.training.logs import logged
from ganfeat.training.record import RunFolder, commit
from ganfeat.training.setup import Config, make_data, make_method, make_trainer, starting_point

log = logging.getLogger(__name__)


def run(config: Config, overrides: list[str]) -> Config:
    """Train, and leave the run's folder with its result.

    A finished run prints its result and changes nothing; an unfinished one goes on.

    Args:
        config: the resolved config as plain data.
        overrides: what was typed, for the record.

    Returns:
        What ``result.json`` holds; nothing in the processes that Lightning starts beside this one.

    Raises:
        UserError: whatever the person who typed the command can mend.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint was written.
    """
    folder = RunFolder(config)
    finished = folder.finished()
    if finished is not None and not config["force"]:
        print(f"{folder.path} is finished; force=true starts again")
        print(json.dumps(finished, indent=1))
        return finished
    device = machine.pick_device(config["device"], config["trainer"]["devices"])
    machine.prepare(device, config["threads"], config["trainer"]["allocator"])
    if rank() > 0:  # the first process keeps the record; this one ends as it does
        with contextlib.suppress(Interrupted):
            _train(config, folder, device, Clock())
        return {}
    with folder.locked():
        if config["force"] and (aside := folder.set_aside()):
            print(f"the earlier run is now {aside}", file=sys.stderr)
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
            return _recorded(config, folder, device, about)


def _recorded(config: Config, folder: RunFolder, device: str, about: Config) -> Config:
    """Train, and write how it ended, however it ended."""
    clock = Clock()
    weights: dict[str, str] = {}
    status, error = "failed", None
    try:
        weights = _train(config, folder, device, clock)
        status = "finished"
    except Interrupted:
        status = "interrupted"
        raise
    except Exception as failure:
        error = _one_line(failure)
        raise
    finally:
        seconds, images = clock.totals["seconds"], clock.totals["images"]
        result = {
            **about,
            "kimg": images / 1000,
            "seconds": round(seconds, 1),
            "images_per_s": round(images / seconds, 2) if seconds else None,
            "data_wait": round(clock.totals["waited"] / seconds, 4) if seconds else None,
            "peak_memory": machine.peak_memory(),
            "weights": weights,
            "status": status,
            "error": error,
            "metrics": [],
            "arrays": CSVLog(folder.path / "metrics.csv").curves(),
            "pictures": folder.last_pictures(),
        }
        if images > 0 or folder.result() is None:  # else what an earlier session did would be lost
            folder.write("result.json", json.dumps(result, indent=1) + "\n")
    log.info("finished: %s", folder.path / "result.json")
    return result


def _train(config: Config, folder: RunFolder, device: str, clock: Clock) -> dict[str, str]:
    """Train to the end; the hashes of the weights that were saved."""
    try:
        data = make_data(config)
        method = make_method(config, data, device)
        start, kimg = starting_point(config, folder, method)
        trainer, checkpoints = make_trainer(config, folder, device, clock, kimg)
        trainer.fit(method, datamodule=data, ckpt_path=start, weights_only=True)
        if checkpoints.stopped_by:
            raise _interruption(checkpoints.stopped_by, folder, forced=config["force"])
        if not trainer.is_global_zero:
            return {}
        networks = method.networks()
        save_networks(folder.weights, networks, folder.weights_header())
        return {name: state_hash(network) for name, network in networks.items()}
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
        raise Interrupted("stopped while it was setting up; the same command goes on") from None
    except Exception as error:
        if disk_full(error) and not isinstance(error, UserError):
            raise UserError(
                f"disk full: {folder.path} needs more room; once there is, the same command goes on"
            ) from error
        raise
    finally:
        finish_wandb()


def _interruption(number: int, folder: RunFolder, *, forced: bool) -> Interrupted:
    name = signal.Signals(number).name
    command = "the same command without force=true" if forced else "the same command"
    return Interrupted(
        f"{name}: checkpoint written to {folder.checkpoint}; {command} goes on",
        exit_code=128 + number,
    )


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")
