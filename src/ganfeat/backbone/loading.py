"""One network of a GAN from whatever holds it: a file of ours, a run, an official pickle."""

from typing import Literal, overload

from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.official import read_official
from ganfeat.loading import WEIGHTS, find_checkpoint, load_network
from ganfeat.networks import AnyPath, Network

EMBEDDED = "embedded"  # in place of a path
FACES = WEIGHTS / "stylegan2_synthfaces.safetensors"
FACES_D = WEIGHTS / "stylegan2_synthfaces_d.safetensors"


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
            folder (its last checkpoint); ``embedded`` is the generator of faces in the package.
        network: ``g_ema`` (the average that makes the best images), ``g`` or ``d``.

    Raises:
        UserError: no such file, another or a damaged one, or one without that network.
    """
    if path == EMBEDDED:
        path = FACES_D if network == "d" else FACES
    file = find_checkpoint(path)
    with open(file, "rb") as opened:
        start = opened.read(9)
    if start[:1] == b"\x80" and start[8:] != b"{":  # with it, a safetensors header of that size
        return read_official(file, network)
    return load_network(file, network)
