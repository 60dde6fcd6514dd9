"""One network of a GAN from whatever holds it: a file of ours, a run, an official pickle."""

from pathlib import Path
from typing import Any, Literal, overload

import yaml

from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.official import LICENCE, read_official
from ganfeat.errors import UserError
from ganfeat.loading import WEIGHTS, find_checkpoint, load_network, read_about
from ganfeat.networks import AnyPath, Network
from ganfeat.seeds import seeded

EMBEDDED = {"embedded": "stylegan2_synthfaces", "embedded_rooms": "stylegan2_synthrooms"}
"""GANs in the package, of drawn faces and of drawn bedrooms: names in place of a path."""
NOT_SAID = "unknown: ask whoever published the weights"
UNTRAINED = "untrained"
"""In place of a path: a GAN of the size of ``embedded`` that has learnt nothing, for controls."""


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
            folder (its last checkpoint), one of `EMBEDDED`, or `UNTRAINED`.
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


def load_for(weights: str, resolution: int, num_bf16_res: int = 0) -> Generator:
    """The generator of a file, for data of this size.

    Raises:
        UserError: there is none, or it makes images of another size.
    """
    found = load(weights, num_bf16_res=num_bf16_res)
    if found.resolution != resolution:
        raise UserError(
            f"{weights} holds a generator of {found.resolution} px, and the data have "
            f"{resolution} px: set data.resolution={found.resolution}, or other weights"
        )
    return found


def embedded_file(name: str, network: str = "g_ema") -> Path:
    """The file in the package that holds a network of one of `EMBEDDED`."""
    return WEIGHTS / f"{EMBEDDED[name]}{'_d' if network == 'd' else ''}.safetensors"


def licence_of(weights: AnyPath) -> str:
    """The licence of the weights that `load` reads from here.

    Raises:
        UserError: no such file, or a damaged one.
    """
    if weights == UNTRAINED:
        return "MIT"
    file = embedded_file(str(weights)) if str(weights) in EMBEDDED else find_checkpoint(weights)
    about = read_about(file)
    if "networks" not in about:
        return LICENCE
    if began := _began_unsaid(file, about):
        try:
            return licence_of(began)
        except UserError:  # it is no longer there
            return NOT_SAID
    return str(about.get("licence") or NOT_SAID)


def _began_unsaid(file: Path, about: dict[str, Any]) -> str | None:
    """What an older run began with. Its file says MIT whatever that was."""
    if "start" in about:  # newer, or a checkpoint
        return None if about.get("licence") else about.get("init_from")
    config = file.parent.parent / "config.yaml"
    if "run" not in (about.get("source") or {}) or not config.is_file():
        return None
    found: str | None = yaml.safe_load(config.read_text()).get("init_from")
    return found


def _read(path: AnyPath, network: str) -> Network:
    if path == UNTRAINED:
        like = _read("embedded", network)
        with seeded(0, UNTRAINED, network):
            return type(like)(**like.config).eval()
    if path in EMBEDDED:
        path = embedded_file(str(path), network)
        network = "g_ema" if network == "g" else network  # the average is all that was kept of it
    file = find_checkpoint(path)
    with open(file, "rb") as opened:
        start = opened.read(9)
    if start[:1] == b"\x80" and start[8:] != b"{":  # with it, a safetensors header of that size
        return read_official(file, network)
    return load_network(file, network)
