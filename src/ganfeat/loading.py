"""One network from what a run leaves: a weights file, a checkpoint or the run's folder."""

import pickle
import textwrap
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ganfeat.errors import UserError
from ganfeat.files import expanded
from ganfeat.networks import (
    AnyPath,
    Network,
    Packed,
    build,
    packed,
    pick,
    read_header,
    read_safetensors,
)
from ganfeat.results import LAST_CHECKPOINT

WEIGHTS = Path(__file__).parent / "weights"  # what ships with the package


def load_network(path: AnyPath, network: str) -> Network:
    """One network of a file, in fp32 on the CPU and in evaluation mode.

    Args:
        path: a safetensors file of ours, a checkpoint, or a run folder (its last checkpoint).
        network: its name there.

    Raises:
        UserError: no such file, another or a damaged one, or one without that network.
    """
    file = find_checkpoint(path)
    with open(file, "rb") as opened:
        read = _from_checkpoint if opened.read(2) == b"PK" else read_safetensors
    return build(read(file, network), f"{network} of {file}")


def read_about(path: AnyPath) -> dict[str, Any]:
    """``data``, ``judge``, ``licence``, ``frozen`` and names of the ``networks`` in a file.

    As far as it says so. ``frozen`` are `weights_of` the networks that it learnt with, ``start``
    hashes of the weights that ``init_from=`` gave it.
    """
    file = find_checkpoint(path)
    with open(file, "rb") as opened:
        start = opened.read(9)
    if start[:2] == b"PK":
        about = read_checkpoint(file)["ganfeat"]
        return {
            **about["config"], "networks": list(about["networks"]),
            "start": about.get("start", {}),
            "licence": about.get("licence", None if about.get("start") else "MIT"),
            "frozen": about.get("frozen_weights", {}),
        }  # fmt: skip
    return {} if start[:1] == b"\x80" and start[8:] != b"{" else read_header(file)


def named_paths(texts: Sequence[str]) -> dict[str, str]:
    """What is given as NAME=PATH, by name.

    Raises:
        UserError: one is given otherwise, or a name twice.
    """
    named: dict[str, str] = {}
    for text in texts:
        name, _, path = text.partition("=")
        if not name or not path:
            raise UserError(f"{text}: give each as NAME=PATH, such as hsr=outputs/...")
        if name in named:
            raise UserError(f"{text}: {name} is given twice")
        named[name] = path
    return named


def find_checkpoint(path: AnyPath) -> Path:
    """The file that ``path`` names: itself, or the last checkpoint of a run folder.

    Raises:
        UserError: there is none.
    """
    if not str(path):
        raise UserError("a path is empty: give a run folder, a checkpoint or a weights file")
    file = expanded(path)
    if file.is_dir():
        file = file / LAST_CHECKPOINT
    if not file.is_file():
        raise UserError(f"{file} does not exist: give a run folder, a checkpoint or a weights file")
    return file


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of a run as plain data on the CPU; ``ganfeat`` in it describes the run.

    Raises:
        UserError: the file is absent, cut off, or of another program.
    """
    file = find_checkpoint(path)
    try:
        with zipfile.ZipFile(file) as whole:
            if (broken := whole.testzip()) is not None:  # torch would not notice
                raise ValueError(f"{broken} has another checksum")
        data = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of any other kind makes readers raise nearly anything
        reason = textwrap.shorten(str(error) or type(error).__name__, 100)
        if isinstance(error, pickle.UnpicklingError):
            reason = "it holds more than plain data"
        if isinstance(error, zipfile.BadZipFile) and "networks" in _about_weights(file):
            raise UserError(
                f"{path} holds weights alone, which no run can go on from: init_from= takes them"
            ) from error
        raise UserError(
            f"{path} is damaged, or no checkpoint of ganfeat ({reason}): give another one, or "
            "delete it to start from the beginning"
        ) from error
    match data:
        case {"ganfeat": {"networks": dict()}, "state_dict": dict()}:
            return dict(data)
    raise UserError(f"{path} is no checkpoint of ganfeat: it does not describe its networks")


def _about_weights(file: Path) -> dict[str, Any]:
    """What a safetensors file of ours says of itself; nothing where it is none."""
    try:
        return read_header(file)
    except UserError:
        return {}


def _from_checkpoint(path: Path, network: str) -> Packed:
    """One network of a checkpoint."""
    data = read_checkpoint(path)
    entry = pick(data["ganfeat"]["networks"], network, path)
    state, prefix = data["state_dict"], entry.get("prefix", f"{network}.")
    tensors = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return packed(entry, tensors, path)
