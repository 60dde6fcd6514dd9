"""What goes to wandb where it is chosen: runs, values, pictures, weights, tables."""

import importlib.util
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from ganfeat.errors import UserError
from ganfeat.files import expanded
from ganfeat.pictures import frames_of, save_gif
from ganfeat.results import folder_of_run
from ganfeat.training.csv_log import KIMG, CSVLog
from ganfeat.training.record import LOGGER_ID, RunFolder


def wandb_mode(wanted: str) -> str:
    """``online``, ``offline`` or ``off`` for auto, online, offline or off.

    auto is online where a key is set (WANDB_API_KEY, or a login in ~/.netrc), else offline.
    """
    if wanted not in ("auto", "online", "offline", "off"):
        raise UserError(f"logger.wandb={wanted} does not exist: auto, online, offline or off")
    if wanted != "auto":
        return wanted
    netrc = expanded(os.environ.get("NETRC", "~/.netrc"))
    has_key = bool(os.environ.get("WANDB_API_KEY"))
    has_key = has_key or (netrc.exists() and "wandb" in netrc.read_text())
    return "online" if has_key else "offline"


def wandb_logger(mode: str, folder: RunFolder, config: dict[str, Any]) -> Logger:
    """A wandb run that resumes itself and draws everything over kimg.

    Runs that differ in their seed alone are one group; the type of the job is the artefact that it
    makes; tags are the method, the data and what it looks with.
    """
    wandb = _import_wandb()
    from pytorch_lightning.loggers import WandbLogger

    run = _begin(
        wandb, mode, config["logger"]["project"], f"{config['experiment']}/{folder.id}",
        folder.path, folder.logger_id(), config=config,
        group=f"{config['experiment']}/{folder.id.partition('-')[0]}",
        job_type=artefact_of(config), tags=tags_of(config),
    )  # fmt: skip
    run.define_metric(KIMG)
    run.define_metric("*", step_metric=KIMG)
    return WandbLogger(experiment=run)


def open_wandb(mode: str, project: str, name: str, folder: Path) -> None:
    """Open a wandb run for values: that of the training run in ``folder`` where it had one."""
    known = folder / LOGGER_ID
    id_ = known.read_text() if known.is_file() else None
    _begin(_import_wandb(), mode, project, name, folder, id_)


def _begin(
    wandb: Any, mode: str, project: str, name: str, folder: Path, id_: str | None, **more: Any
) -> Any:
    """Open a run of wandb.

    Raises:
        UserError: it does not start.
    """
    try:
        return wandb.init(
            project=project, name=name, id=id_, dir=folder, mode=mode, resume="allow",
            settings=wandb.Settings(silent=True), **more,
        )  # fmt: skip
    except wandb.Error as error:
        raise _no_start(error) from error


def artefact_of(config: Mapping[str, Any]) -> str:
    """What a run makes: generator, encoder or navigator; ``method`` where it is none of ours."""
    package, _, rest = str(config["method"].get("_target_", "")).partition(".")
    return rest.partition(".")[0].removesuffix("s") if package == "ganfeat" else "method"


def tags_of(config: Mapping[str, Any]) -> list[str]:
    """The method, the data, and the network that a method looks with."""
    classes = [config[key].get("_target_", "") for key in ("method", "data")]
    looks = config.get("features") or {}
    names = [name.rpartition(".")[2] for name in classes]
    return [name for name in [*names, str(looks.get("name") or "")] if name]


def log_values(values: list[dict[str, Any]]) -> None:
    """Measured values into the summary of the open wandb run, and a table of them; if one is."""
    if "wandb" not in sys.modules:
        return
    import wandb

    if wandb.run is not None:
        found = [value for value in values if value["value"] is not None]
        wandb.run.summary.update({value["name"]: value["value"] for value in found})
        columns = ("name", "value", "low", "high", "better", "n", "seconds")
        rows = [[value.get(column) for column in columns] for value in found]
        wandb.run.log({"metrics": wandb.Table(columns=list(columns), data=rows)})


def log_pictures(folder: Path, names: Sequence[str]) -> None:
    """Files of a run's folder to the open wandb run, if one is."""
    wandb = sys.modules.get("wandb")
    if names and wandb is not None and wandb.run is not None:
        shown = {name.removesuffix(".png"): wandb.Image(str(folder / name)) for name in names}
        wandb.run.log(shown)


def log_strips(folder: Path, strips: Mapping[str, Mapping[str, int]]) -> None:
    """Pages that play, as moving pictures to the open wandb run, if one is."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None:
        return
    for name, shape in strips.items():
        path = folder / "tasks" / f"{name}.gif"
        save_gif(frames_of(path.with_suffix(".png"), **shape), path)
        wandb.run.log({f"tasks/{name}_moving": wandb.Video(str(path), format="gif")})


def log_weights(folder: RunFolder, about: Mapping[str, Any]) -> None:
    """The weights of a finished run as an artifact of the open wandb run, if one is.

    What it began with and learnt from is in its metadata, and where the server knows it, in its
    lineage.
    """
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None or not folder.config["logger"].get("artifacts", True):
        return
    name = _artifact_name(folder.config["experiment"], folder.id)
    artifact = wandb.Artifact(name, type="model", metadata=dict(about))
    artifact.add_file(str(folder.weights))
    start = folder_of_run(str(folder.config.get("init_from")))
    if start and not wandb.run.offline:
        with suppress(Exception):  # it may have been made without wandb, or in another project
            wandb.run.use_artifact(f"{_artifact_name(start.parent.name, start.name)}:latest")
    wandb.run.log_artifact(artifact)


def log_tables(
    mode: str, project: str, name: str, folder: Path, tables: Mapping[str, Sequence[Sequence[Any]]]
) -> None:
    """A wandb run of its own, of the type ``comparison``, that holds tables.

    Args:
        mode: ``online`` or ``offline``.
        project, name: of the run.
        folder: where wandb keeps its files.
        tables: rows of texts by name, the first of them the headings.
    """
    wandb = _import_wandb()
    folder.mkdir(parents=True, exist_ok=True)
    run = _begin(wandb, mode, project, name, folder, None, job_type="comparison")
    for key, (headings, *rows) in tables.items():
        run.log({key: wandb.Table(columns=[*headings], data=[[*row] for row in rows])})
    run.finish()


def log_references(config: Mapping[str, Any], paths: Sequence[Path]) -> None:
    """Statistics of real images as artifacts that the open wandb run has used, if one is open."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None or not config["logger"].get("artifacts", True):
        return
    for path in paths:
        artifact = wandb.Artifact(path.stem, type="reference")
        artifact.add_file(str(path))
        if wandb.run.offline:  # nobody there knows yet what was used
            wandb.run.log_artifact(artifact)
        else:
            wandb.run.use_artifact(artifact)


def _artifact_name(experiment: str, run: str) -> str:
    return re.sub(r"[^\w.-]", "-", f"{experiment}-{run}")


def _import_wandb() -> Any:
    if importlib.util.find_spec("wandb") is None:
        raise UserError("wandb is not installed: pip install wandb, or logger=csv")
    import wandb

    return wandb


def _no_start(error: Exception) -> UserError:
    return UserError(f"wandb does not start ({str(error).splitlines()[0]}): log in, or logger=csv")


def log_picture(logger: Logger, name: str, path: Path, kimg: float) -> None:
    """Show a picture where the logger can show one."""
    if not isinstance(logger, CSVLog):
        import wandb

        logger.log_metrics({name: wandb.Image(str(path)), KIMG: kimg})  # type: ignore[dict-item]


def finish_wandb() -> None:
    """Close the run, so that the next job of a sweep gets one of its own."""
    if "wandb" in sys.modules:
        import wandb

        wandb.finish()
