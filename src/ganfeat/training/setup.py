"""From a resolved config to the parts of a run: data, method, trainer, starting point."""

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.loggers import Logger
from torch import Tensor

from ganfeat.backbone.loading import licence_of
from ganfeat.build import build, locate, signature
from ganfeat.data import DataModule
from ganfeat.errors import UserError
from ganfeat.loading import find_checkpoint, read_checkpoint
from ganfeat.processes import rank
from ganfeat.training import machine
from ganfeat.training.callbacks import Checkpoints, Clock, Monitor, Pictures, Snapshots, Ticks
from ganfeat.training.checkpoint import AtomicCheckpoints, check_resumable, initialise
from ganfeat.training.csv_log import CSVLog
from ganfeat.training.distributed import Processes, environments
from ganfeat.training.method import Method
from ganfeat.training.record import RunFolder
from ganfeat.training.wandb_log import wandb_logger, wandb_mode

log = logging.getLogger(__name__)

Config = dict[str, Any]


class Found(NamedTuple):
    """What was measured: values and arrays as plain data, pictures [3,H,W] by name.

    ``references`` are the files of statistics of real images that it was measured with.
    """

    values: list[Config]
    arrays: Config
    pictures: dict[str, Tensor]
    references: Sequence[Path] = ()


Exam = Callable[[Any, Any], Found]
"""From what a method made and its dataset to what was found."""


class Exams(NamedTuple):
    """What measures a run, None where nothing does."""

    monitor: Exam | None = None
    final: Exam | None = None


BF16_RESOLUTIONS = 4


def make_data(config: Config) -> DataModule:
    """The data module of the run."""
    dataset = build(config["data"])
    return DataModule(
        dataset, config["batch_size"], seed=config["seed"], workers=config["trainer"]["workers"]
    )


def make_method(config: Config, data: DataModule, device: str) -> Method:
    """The method with its networks, made for the data."""
    if config["precision"] not in ("fp32", "bf16"):
        raise UserError(f"precision={config['precision']} does not exist: choose fp32 or bf16")
    bf16 = config["precision"] == "bf16"
    nodes = [config["method"], *(n for n in config["backbone"].values() if isinstance(n, dict))]
    if bf16 and not any("num_bf16_res" in signature(locate(n["_target_"])) for n in nodes):
        raise UserError("precision=bf16: nothing in this method can run in it: leave it out")
    if bf16 and not machine.has_fast_bf16(device):
        log.warning("precision=bf16: this machine has no fast bf16; fp32 is likely faster here")
    seed_everything(config["seed"], verbose=False)
    facts = data.dataset.facts()
    bf16_res = BF16_RESOLUTIONS if bf16 else 0
    networks: dict[str, Any] = {
        name: build(node, **facts, num_bf16_res=bf16_res) if isinstance(node, dict) else node
        for name, node in config["backbone"].items()
    }
    run = {key: config[key] for key in ("batch_size", "seed", "total_kimg", "init_from")}
    if config["features"]:
        if "features" not in signature(locate(config["method"]["_target_"])):
            raise UserError("this method looks with no frozen network: leave features= out")
        networks["features"] = partial(build, config["features"])
    method: Method = build(config["method"], **networks, **facts, **run, num_bf16_res=bf16_res)
    method.accumulate = config["trainer"]["accumulate"]
    method.run_config = config
    method.listed = data.dataset.fingerprint().get("list_sha256")
    return method


def starting_point(config: Config, folder: RunFolder, method: Method) -> tuple[Path | None, float]:
    """The checkpoint to go on from and its kimg; for a fresh start None, after ``init_from``.

    Raises:
        UserError: the checkpoint is damaged or of another run, or ``resume=never`` forbids it.
    """
    resume = config["resume"]
    given = resume not in ("auto", "never")
    if given and config["init_from"]:
        raise UserError("resume= goes on with all of a run, init_from= takes weights: give one")
    path = find_checkpoint(resume) if given else None
    if folder.checkpoint.exists():
        if resume == "never":
            raise UserError(
                f"{folder.path} holds an unfinished run: resume=auto goes on with it, force=true "
                "starts again"
            )
        own = path is None or path.samefile(folder.checkpoint)
        if not own and not _began_at(folder.checkpoint, resume):
            raise UserError(
                f"{folder.path} holds an unfinished run that did not begin at {resume}: "
                "resume=auto goes on with it, force=true sets it aside"
            )
        path = folder.checkpoint  # this run's own is further on than the one it resumed from
    if path is None:
        if config["init_from"]:
            method.start = initialise(method.networks(), config["init_from"], method.added())
            if method.start:
                method.licence = licence_of(config["init_from"])
        return None, 0.0
    kimg = check_resumable(path, method, config)
    if kimg > config["total_kimg"] + config["batch_size"] / 1000:
        raise UserError(
            f"{path} has seen {kimg:g} kimg, more than total_kimg={config['total_kimg']:g}: train "
            "longer, or resume from an earlier checkpoint"
        )
    log.info("resuming from %s at %.4g kimg", path, kimg)
    if path != folder.checkpoint:
        method.sessions[-1]["resume"] = resume
    return path, kimg


def _began_at(checkpoint: Path, resume: str) -> bool:
    """Whether a session of this checkpoint's run went on from what ``resume=`` names."""
    sessions = read_checkpoint(checkpoint)["ganfeat"].get("sessions", [])
    return any(session.get("resume") == resume for session in sessions)


def make_trainer(
    config: Config, folder: RunFolder, device: str, clock: Clock, kimg: float, monitor: Exam | None
) -> tuple[Trainer, Checkpoints]:
    """Lightning's trainer, without what the callbacks here do; and the one that can stop it.

    ``kimg`` is where the run starts; ``monitor`` measures while it goes on.
    """
    options = config["trainer"]
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    many = options["devices"] > 1
    checkpoints = Checkpoints(folder.checkpoint, options["checkpoint_kimg"])
    callbacks: list[Callback] = [
        Ticks(clock, options["tick_kimg"]),
        Pictures(folder.samples, options["sample_kimg"]),
    ]
    if monitor is not None:
        callbacks += [Monitor(folder, options["monitor_kimg"], monitor, clock)]
    if options["snapshot_kimg"]:
        callbacks += [Snapshots(folder, options["snapshot_kimg"])]
    trainer = Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=options["devices"],
        strategy=Processes(folder.failure) if many else "auto",
        plugins=[AtomicCheckpoints(), *environments()],
        logger=_loggers(config, folder, kimg),
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
    return trainer, checkpoints


def _loggers(config: Config, folder: RunFolder, kimg: float) -> list[Logger]:
    """CSV always; wandb as chosen. Only the first process writes."""
    if rank() > 0:
        return []
    table = CSVLog(folder.path / "metrics.csv")
    table.resume_at(kimg)
    loggers: list[Logger] = [table]
    mode = wandb_mode(config["logger"]["wandb"])
    if mode != "off":
        loggers.append(wandb_logger(mode, folder, config))
    return loggers
