"""Where numbers go: a CSV file always, wandb where it is chosen."""

import csv
import importlib.util
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.training.record import LOGGER_ID, RunFolder

KIMG = "progress/kimg"


class CSVLog(Logger):
    """``metrics.csv``: one row per tick, appended at once; a new column rewrites the file.

    On resume the rows after the checkpoint are dropped, so that no tick appears twice.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.exists():
            self.rows = _read(path)

    @property
    def name(self) -> str:
        """Lightning's name of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """There is one."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The config is a file of its own."""

    def resume_at(self, kimg: float) -> None:
        """Forget rows after ``kimg``."""
        self.rows = [row for row in self.rows if float(row[KIMG]) <= kimg + 1e-6]
        self._rewrite()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row."""
        row = {name: f"{value:.8g}" for name, value in metrics.items()}
        known = self.columns()
        self.rows.append(row)
        if not set(row) <= set(known):
            self._rewrite()
        else:
            with open(self.path, "a", newline="") as file:
                csv.DictWriter(file, known).writerow(row)

    def curves(self, points: int = 200) -> dict[str, list[float | None]]:
        """Every column as numbers, thinned evenly to at most so many rows; None where empty."""
        step = -(-len(self.rows) // points) or 1
        rows = self.rows[::-1][::step][::-1]  # the last row always
        return {
            name: [float(row[name]) if row.get(name) else None for row in rows]
            for name in self.columns()
        }

    def columns(self) -> list[str]:
        """The columns so far, kimg first."""
        names = {name for row in self.rows for name in row}
        return sorted(names, key=lambda name: (name != KIMG, name))

    def _rewrite(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns())
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic_write(self.path) as file:
            file.write(text.getvalue().encode())


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of a log, but for one that was cut off."""
    try:
        with open(path, newline="") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]
        for row in rows:
            for value in row.values():
                float(value or 0)
            row[KIMG]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is no log of ours ({error}): delete it to go on") from error
    return rows


def wandb_mode(wanted: str) -> str:
    """``online``, ``offline`` or ``off`` for auto, online, offline or off.

    auto is online where a key is set (WANDB_API_KEY, or a login in ~/.netrc), else offline.
    """
    if wanted not in ("auto", "online", "offline", "off"):
        raise UserError(f"logger.wandb={wanted} does not exist: auto, online, offline or off")
    if wanted != "auto":
        return wanted
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    has_key = bool(os.environ.get("WANDB_API_KEY"))
    has_key = has_key or (netrc.exists() and "wandb" in netrc.read_text())
    return "online" if has_key else "offline"


def wandb_logger(mode: str, folder: RunFolder, config: dict[str, Any]) -> Logger:
    """A wandb run that resumes itself and draws everything over kimg."""
    wandb = _import_wandb()
    from pytorch_lightning.loggers import WandbLogger

    logger = WandbLogger(
        name=f"{config['experiment']}/{folder.id}",
        id=folder.logger_id(),
        project=config["logger"]["project"],
        save_dir=folder.path,
        offline=mode == "offline",
        config=config,
        resume="allow",
        settings={"silent": True},
    )
    try:
        logger.experiment.define_metric(KIMG)
    except wandb.Error as error:
        raise _no_start(error) from error
    logger.experiment.define_metric("*", step_metric=KIMG)
    return logger


def open_wandb(mode: str, project: str, name: str, folder: Path) -> None:
    """Open a wandb run for values: that of the training run in ``folder`` where it had one."""
    wandb = _import_wandb()
    known = folder / LOGGER_ID
    try:
        wandb.init(
            project=project,
            name=name,
            id=known.read_text() if known.is_file() else None,
            dir=folder,
            mode=mode,
            resume="allow",
            settings=wandb.Settings(silent=True),
        )
    except wandb.Error as error:
        raise _no_start(error) from error


def log_values(values: list[dict[str, Any]]) -> None:
    """Measured values into the summary of the open wandb run, and a table of them; if one is."""
    if "wandb" not in sys.modules:
        return
    import wandb

    if wandb.run is not None:
        found = [value for value in values if value["value"] is not None]
        wandb.run.summary.update({value["name"]: value["value"] for value in found})
        columns = ("name", "value", "low", "high", "n", "seconds")
        rows = [[value[column] for column in columns] for value in found]
        wandb.run.log({"metrics": wandb.Table(columns=list(columns), data=rows)})


def log_pictures(folder: Path, names: Sequence[str]) -> None:
    """Files of a run's folder to the open wandb run, if one is."""
    wandb = sys.modules.get("wandb")
    if names and wandb is not None and wandb.run is not None:
        shown = {name.removesuffix(".png"): wandb.Image(str(folder / name)) for name in names}
        wandb.run.log(shown)


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
