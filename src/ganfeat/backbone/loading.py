"""One network of a GAN from whatever holds it: a file of ours, a run, an official pickle."""

from typing import Literal, overload

from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.official import read_official
from ganfeat.loading import find_checkpoint, load_network
from ganfeat.networks import AnyPath, Network


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
    file = find_checkpoint(path)
    with open(file, "rb") as opened:
        start = opened.read(9)
    if start[:1] == b"\x80" and start[8:] != b"{":  # with it, a safetensors header of that size
        return read_official(file, network)
    return load_network(file, network)
