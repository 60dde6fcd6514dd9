"""One run, from a resolved config to a result: `run` is what ``train.py`` calls."""

import json
import logging
import math
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.loggers import Logger

from ganfeat.backbone.weights import save_networks, state_hash
from ganfeat.build import build
from ganfeat.data import DataModule
from ganfeat.errors import Interrupted, UserError
from ganfeat.files import disk_full
from ganfeat.training import machine
from ganfeat.training.callbacks import Checkpoints, Clock, Pictures, Snapshots, Ticks
from ganfeat.training.checkpoint import (
    AtomicCheckpoints,
    check_same_networks,
    find_checkpoint,
    initialise,
    read_checkpoint,
)
from ganfeat.training.distributed import Processes
from ganfeat.training.loggers import CSVLog, wandb_logger, wandb_mode
from ganfeat.training.logs import logged
from ganfeat.training.method import Method
from ganfeat.training.record import RunFolder, commit

log = logging.getLogger("ganfeat")

Config = dict[str, Any]
BF16_RESOLUTIONS = 4


def run(config: Config, overrides: list[str]) -> Config:
    """Train, and leave the run's folder with its result.

    A finished run prints its result and changes nothing; an unfinished one goes on.

    Args:
        config: the resolved config as plain data.
        overrides: what was typed, for the record.

    Returns:
        What ``result.json`` holds.

    Raises:
        UserError: whatever the person who typed the command can mend.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint was written.
    """
    folder = RunFolder(config)
    main_process = int(os.environ.get("LOCAL_RANK", 0)) == 0
    if not main_process:
        return _train(config, folder, {})
    if config["force"] and (aside := folder.set_aside()):
        print(f"the earlier run is now {aside}", file=sys.stderr)
    if folder.finished():
        result = folder.result()
        assert result is not None
        print(f"{folder.path} is finished; force=true starts again\n{json.dumps(result, indent=1)}")
        return result
    device = machine.pick_device(config["device"])
    with folder.open(), logged(folder.path / "train.log"):
        record = {
            "run": folder.id,
            "experiment": config["experiment"],
            "overrides": overrides,
            "seed": config["seed"],
            "commit": commit(),
            "machine": machine.describe(device),
        }
        return _train(config, folder, record)


def _train(config: Config, folder: RunFolder, record: Config) -> Config:
    """Train to the end or the interruption, and write the record of either."""
    clock = Clock()
    status: Config = {"status": "failed", "error": None}
    trainer: Trainer | None = None
    try:
        device = machine.pick_device(config["device"])
        options = config["trainer"]
        machine.prepare(device, threads=config["threads"], allocator=options["allocator"])
        data = _data(config)
        method = _method(config, data, device)
        checkpoints = Checkpoints(folder.checkpoint, options["checkpoint_kimg"])
        trainer = _trainer(config, folder, device, clock, checkpoints)
        start = _starting_point(config, folder, method, trainer)
        trainer.fit(method, datamodule=data, ckpt_path=start, weights_only=True)
        if checkpoints.stopped_by:
            raise _interruption(checkpoints.stopped_by, folder)
        if trainer.is_global_zero:
            record["weights"] = _save_weights(method, folder, config)
        status["status"] = "finished"
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
        status["status"] = "interrupted"
        raise Interrupted("stopped while it was setting up; the same command goes on") from None
    except Interrupted:
        status["status"] = "interrupted"
        raise
    except Exception as error:
        status["error"] = _one_line(error)
        if disk_full(error) and not isinstance(error, UserError):
            raise UserError(
                f"disk full: {folder.path} needs more room; once there is, the same command goes on"
            ) from error
        raise
    finally:
        result = _result(config, record, status, clock, trainer)
        if record:
            folder.write_result(result)
    log.info("finished: %s", folder.path / "result.json")
    return result


def _data(config: Config) -> DataModule:
    """The data module of the run."""
    dataset = build(config["data"])
    return DataModule(
        dataset, config["batch_size"], seed=config["seed"], workers=config["trainer"]["workers"]
    )


def _method(config: Config, data: DataModule, device: str) -> Method:
    """The method with its networks, made for the data."""
    if config["precision"] not in ("fp32", "bf16"):
        raise UserError(f"precision={config['precision']} does not exist: choose fp32 or bf16")
    bf16 = config["precision"] == "bf16"
    if bf16 and not machine.has_fast_bf16(device):
        log.warning("precision=bf16: this machine has no fast bf16; fp32 is likely faster here")
    seed_everything(config["seed"], verbose=False)
    dataset: Any = data.dataset
    networks = {
        name: build(
            node,
            resolution=dataset.resolution,
            label_dim=dataset.label_dim,
            num_bf16_res=BF16_RESOLUTIONS if bf16 else 0,
        )
        for name, node in config["backbone"].items()
    }
    method: Method = build(
        config["method"], **networks, batch_size=config["batch_size"], seed=config["seed"]
    )
    method.accumulate = config["trainer"]["accumulate"]
    method.run_config = config
    if config["init_from"]:
        initialise(method, config["init_from"])
    return method


def _starting_point(
    config: Config, folder: RunFolder, method: Method, trainer: Trainer
) -> Path | None:
    """The checkpoint to resume from, checked against this run; None for a fresh start."""
    resume = str(config["resume"])
    if resume in ("auto", "never"):
        if not folder.checkpoint.exists():
            return None
        if resume == "never":
            raise UserError(
                f"{folder.path} holds an unfinished run: resume=auto goes on with it, force=true "
                "starts again"
            )
    path = folder.checkpoint if resume == "auto" else find_checkpoint(resume)
    checkpoint = read_checkpoint(path)
    check_same_networks(checkpoint["ganfeat"], method, path)
    kimg = checkpoint["global_step"] * config["batch_size"] / 1000
    for logger in trainer.loggers:
        if isinstance(logger, CSVLog) and trainer.is_global_zero:
            logger.resume_at(kimg)
    log.info("resuming from %s at %.1f kimg", path, kimg)
    return path


def _trainer(
    config: Config, folder: RunFolder, device: str, clock: Clock, checkpoints: Checkpoints
) -> Trainer:
    """Lightning's trainer, stripped of what the callbacks here do."""
    options = config["trainer"]
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    many = options["devices"] > 1
    callbacks: list[Callback] = [
        Ticks(clock, options["tick_kimg"], device),
        Pictures(folder.samples, options["sample_kimg"]),
    ]
    if options["snapshot_kimg"]:
        header = _header(config, folder)
        callbacks += [Snapshots(folder.checkpoint.parent, options["snapshot_kimg"], header)]
    return Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=options["devices"],
        strategy=Processes() if many else "auto",
        plugins=[AtomicCheckpoints()],
        logger=_loggers(config, folder),
        callbacks=[*callbacks, checkpoints, clock],
        max_steps=math.ceil(config["total_kimg"] * 1000 / config["batch_size"]),
        min_epochs=0,
        max_epochs=-1,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        log_every_n_steps=1,
        default_root_dir=folder.path,
    )


def _loggers(config: Config, folder: RunFolder) -> list[Logger]:
    """CSV always; wandb as chosen."""
    loggers: list[Logger] = [CSVLog(folder.path / "metrics.csv")]
    mode = wandb_mode(config["logger"]["wandb"])
    if mode != "off":
        loggers.append(wandb_logger(mode, config["logger"]["project"], folder.path, config))
    return loggers


def _save_weights(method: Method, folder: RunFolder, config: Config) -> dict[str, str]:
    """Write the run's networks; their hashes."""
    networks: Any = method.networks()
    save_networks(folder.weights, networks, _header(config, folder))
    return {name: state_hash(network) for name, network in networks.items()}


def _header(config: Config, folder: RunFolder) -> Config:
    """What a weights file says about where it came from."""
    return {"source": {"run": f"{config['experiment']}/{folder.id}"}, "licence": "MIT"}


def _result(
    config: Config, record: Config, status: Config, clock: Clock, trainer: Trainer | None
) -> Config:
    """The record of a run as ``result.json`` holds it."""
    seconds, images = clock.totals["seconds"], clock.totals["images"]
    steps = trainer.global_step if trainer is not None else 0
    return {
        **record,
        "kimg": steps * config["batch_size"] / 1000,
        "seconds": round(seconds, 1),
        "images_per_s": round(images / seconds, 2) if seconds else None,
        "data_wait": round(clock.totals["waited"] / seconds, 4) if seconds else None,
        "peak_memory": machine.peak_memory(machine_device(trainer)),
        "weights": record.get("weights", {}),
        **status,
        "metrics": [],
        "arrays": {},
        "pictures": [],
    }


def machine_device(trainer: Trainer | None) -> str:
    """``cpu`` or ``cuda``: where the run was computed."""
    return "cpu" if trainer is None else trainer.strategy.root_device.type


def _interruption(number: int, folder: RunFolder) -> Interrupted:
    name = signal.Signals(number).name
    return Interrupted(
        f"{name}: checkpoint written to {folder.checkpoint}; the same command goes on",
        exit_code=128 + number,
    )


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")
