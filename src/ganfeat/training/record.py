"""The folder of a run: its name, its lock, its result."""

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganfeat.errors import UserError
from ganfeat.files import atomic_write, expanded, locked
from ganfeat.results import LAST_CHECKPOINT, read_result, unreadable, without_seed

# What a run is does not depend on where, by whom or how often it is computed.
NOT_PART_OF_A_RUN = (
    "seed", "paths", "logger", "launcher", "device", "threads", "jobs", "resume", "force",
    "objective",
)  # fmt: skip
LATER = ("tasks",)  # keys that configs have gained: a run without them keeps its name
LOGGER_ID = ".logger_id"  # a file in the folder
SOURCE = (":(top)src", ":(top)conf", ":(top,glob)*")  # of a commit: both folders, and top files
NOT_PART_OF_THE_TRAINER = ("devices", "workers", "allocator")


def run_id(config: dict[str, Any]) -> str:
    """``<8 hex digits of the config's hash>-s<seed>``: the same command gives the same folder."""
    parts = {
        key: value
        for key, value in config.items()
        if key not in NOT_PART_OF_A_RUN and (value or key not in LATER)
    }
    options = config.get("trainer", {})
    parts["trainer"] = {k: v for k, v in options.items() if k not in NOT_PART_OF_THE_TRAINER}
    if parts.get("init_from"):
        parts["init_from"] = without_seed(str(parts["init_from"]), config["seed"])
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:8]}-s{config['seed']}"


class RunFolder:
    """``outputs/<experiment>/<run id>``, with what a run leaves there."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.id = run_id(config)
        outputs = expanded(config["paths"]["outputs"])
        self.path: Path = outputs / config["experiment"] / self.id
        self.checkpoint = self.path / LAST_CHECKPOINT
        self.weights = self.checkpoint.with_name("networks.safetensors")
        self.samples = self.path / "samples"
        self.failure = self.path / "failure.log"

    def result(self) -> dict[str, Any] | None:
        """The result as it stands, None where there is none yet.

        Raises:
            UserError: it is there and cannot be understood.
        """
        path = self.path / "result.json"
        try:
            result = read_result(path)
            if result is not None and not isinstance(result.get("status"), str):
                raise unreadable(path, "it has no status")
        except UserError as error:
            raise UserError(f"{error}; training starts again with force=true") from error
        return result

    def finished(self) -> dict[str, Any] | None:
        """The result of a run that has come to its end, else None."""
        result = self.result()
        return result if result is not None and result["status"] == "finished" else None

    def weights_header(self, method: Any) -> dict[str, Any]:
        """What a weights file of this run says about where it came from."""
        return {
            "source": {"run": f"{self.config['experiment']}/{self.id}"},
            "start": method.start,
            "licence": method.licence,
            "data": self.config["data"],
            "judge": self.config.get("judge"),
            "frozen": method.frozen_weights(),
        }

    def last_pictures(self) -> list[str]:
        """The newest picture of each name, relative to the folder."""
        newest = {path.name.rpartition("-")[0]: path for path in sorted(self.samples.glob("*.png"))}
        return [f"samples/{path.name}" for path in newest.values()]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock."""
        with locked(self.path):
            yield

    def set_aside(self) -> Path | None:
        """Rename the folder to the first free ``<id>.old<n>``, None where there is none."""
        if not self.path.exists():
            return None
        n = 1
        while (aside := self.path.with_name(f"{self.id}.old{n}")).exists():
            n += 1
        self.path.rename(aside)
        return aside

    def logger_id(self) -> str:
        """A name for loggers: the same when the run is resumed, another when it starts again."""
        file = self.path / LOGGER_ID
        if not file.exists():
            self.write(file.name, f"{self.id}-{secrets.token_hex(4)}")
        return file.read_text()

    def write(self, name: str, text: str) -> None:
        """Write a text file in the folder, whole or not at all."""
        with atomic_write(self.path / name) as file:
            file.write(text.encode())


def commit() -> str | None:
    """The commit of the source that runs, with ``+`` where it was changed; None outside git.

    Files that were never added are a change, too. Only `SOURCE` counts: what studies write below
    ``experiments`` does not make another program of it.
    """
    here = Path(__file__)
    # Installed inside somebody's repository the package is not part of it.
    if _git("ls-files", "--error-unmatch", here.name) is None:
        return None
    found = _git("rev-parse", "--short=12", "HEAD")
    if found is None:
        return None
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", *SOURCE)
    return found.strip() + ("+" if changed != "" else "")


def _git(*words: str) -> str | None:
    """What git says in the folder of this file, None where it fails or is not installed."""
    command = ["git", "--no-optional-locks", "-C", os.fspath(Path(__file__).parent), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout
