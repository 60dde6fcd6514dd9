"""One network from whatever holds it: a weights file, a checkpoint, a run, an official pickle."""

from pathlib import Path
from typing import Literal, overload

import torch

from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.official import read_official
from ganfeat.backbone.weights import (
    AnyPath,
    Network,
    Packed,
    build,
    packed,
    pick,
    read_safetensors,
)
from ganfeat.errors import UserError

LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")  # inside a run folder
_CHECKPOINT_PREFIX = {"g": "generator.", "d": "discriminator.", "g_ema": "ema."}


@overload
def load(path: AnyPath, network: Literal["g", "g_ema"] = "g_ema") -> Generator: ...
@overload
def load(path: AnyPath, network: Literal["d"]) -> Discriminator: ...
@overload
def load(path: AnyPath, network: str) -> Network: ...
def load(path: AnyPath, network: str = "g_ema") -> Network:
    """One network of a file, in fp32 on the CPU and in evaluation mode.

    Args:
        path: a safetensors file of ours, an official StyleGAN2-ADA pickle, a checkpoint, or a run
            folder (its last checkpoint).
        network: ``g_ema`` (the average that makes the best images), ``g`` or ``d``.

    Raises:
        UserError: no such file, another or a damaged one, or one without that network.
    """
    file = _find(path)
    with open(file, "rb") as opened:
        start = opened.read(9)
    if start[:1] == b"\x80" and start[8:] != b"{":  # with it, a safetensors header of that size
        return read_official(file, network)
    read = _read_checkpoint if start[:2] == b"PK" else read_safetensors
    return build(read(file, network), f"{network} of {file}")


def _find(path: AnyPath) -> Path:
    """The file behind what `load` was given: the one place that knows folders and names."""
    file = Path(path)
    if file.is_dir():
        file = file / LAST_CHECKPOINT
    if not file.is_file():
        raise UserError(f"{file} does not exist: there are no weights to load")
    return file


def _read_checkpoint(path: Path, network: str) -> Packed:
    """One network of a Lightning checkpoint, which describes them under the key ``ganfeat``."""
    try:
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        networks, state = dict(data["ganfeat"]["networks"]), dict(data["state_dict"])
    except Exception as error:  # a damaged file can raise anything
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is damaged, or no checkpoint of ganfeat ({reason})") from error
    entry, prefix = pick(networks, network, path), _CHECKPOINT_PREFIX[network]
    tensors = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return packed(entry, tensors, path)
