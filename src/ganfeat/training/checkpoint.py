"""Checkpoints: whole or absent, plain data, read without executing anything."""

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from torch import nn

from ganfeat.errors import UserError
from ganfeat.files import atomic_write

FORMAT = 1


class AtomicCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside their place and renamed when whole."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint``; a full disk leaves the previous one as it was."""
        with atomic_write(Path(path)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of this project on the CPU.

    Raises:
        UserError: the file is absent, truncated, of another program or of a newer format.
    """
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: give a run folder or a .ckpt file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(
            f"{path} is truncated or no checkpoint ({reason}): use another one, or start again "
            "with force=true"
        ) from None
    about = checkpoint.get("ganfeat") if isinstance(checkpoint, dict) else None
    if about is None:
        raise UserError(f"{path} is no checkpoint of GANFeat: it has no description of its run")
    if about["format"] > FORMAT:
        raise UserError(
            f"{path} has checkpoint format {about['format']}, this version reads up to {FORMAT}: "
            "update ganfeat"
        )
    return dict(checkpoint)


def find_checkpoint(path: str) -> Path:
    """The checkpoint that ``path`` names: a .ckpt file, or a run folder's last one."""
    given = Path(path)
    return given / "checkpoints" / "last.ckpt" if given.is_dir() else given


def check_same_networks(about: dict[str, Any], method: Any, path: Path) -> None:
    """Refuse a checkpoint whose method or networks are not those of this run.

    Raises:
        UserError: names the first difference.
    """
    name = f"{type(method).__module__}.{type(method).__qualname__}"
    if about["method"] != name:
        raise UserError(f"{path} is of the method {about['method']}, this run is {name}")
    for key, network in method.networks().items():
        theirs, ours = about["networks"][key]["config"], network.config
        for field in ours:
            if field != "num_bf16_res" and theirs.get(field) != ours[field]:
                raise UserError(
                    f"{path} has {field}={theirs.get(field)} in network {key}, this run has "
                    f"{field}={ours[field]}: choose the same data and backbone"
                )


def initialise(method: nn.Module, path: str) -> None:
    """``init_from=``: take the weights of a checkpoint, and nothing else.

    Optimisers, counters and schedules start anew.
    """
    file = find_checkpoint(path)
    checkpoint = read_checkpoint(file)
    check_same_networks(checkpoint["ganfeat"], method, file)
    method.load_state_dict(checkpoint["state_dict"])
