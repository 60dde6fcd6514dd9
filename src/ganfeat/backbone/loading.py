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
def load(
    path: AnyPath, network: Literal["g", "g_ema"] = "g_ema", num_bf16_res: int = 0
) -> Generator: ...
@overload
def load(path: AnyPath, network: Literal["d"], num_bf16_res: int = 0) -> Discriminator: ...
@overload
def load(path: AnyPath, network: str, num_bf16_res: int = 0) -> Network: ...
def load(path: AnyPath, network: str = "g_ema", num_bf16_res: int = 0) -> Network:
    """One network of a file, on the CPU and in evaluation mode.

    Args:
        path: a safetensors file of ours, an official StyleGAN2-ADA pickle, a checkpoint, or a run
            folder (its last checkpoint); ``embedded`` is the generator of faces in the package.
        network: ``g_ema`` (the average that makes the best images), ``g`` or ``d``.
        num_bf16_res: how many of its highest resolutions run in bfloat16.

    Raises:
        UserError: no such file, another or a damaged one, or one without that network.
    """
    found = _read(path, network)
    if num_bf16_res == 0:
        return found
    other = type(found)(**found.config, num_bf16_res=num_bf16_res)
    other.load_state_dict(found.state_dict())
    return other.eval()


def _read(path: AnyPath, network: str) -> Network:
    if path == EMBEDDED:
        path = FACES_D if network == "d" else FACES
    file = find_checkpoint(path)
    with open(file, "rb") as opened:
        start = opened.read(9)
    if start[:1] == b"\x80" and start[8:] != b"{":  # with it, a safetensors header of that size
        return read_official(file, network)
    return load_network(file, network)
