"""Networks that know how they were built, out to safetensors files, and in again.

A file of ours holds networks under prefixes, for a GAN ``g.``, ``d.`` and ``g_ema.``. Its metadata
have one key, ``ganfeat``: a JSON object with the format's version, each network's class and config,
where the weights came from, and under which licence.
"""

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ganfeat.build import locate
from ganfeat.errors import UserError
from ganfeat.files import atomic_write

T = TypeVar("T")
N = TypeVar("N", bound="Network")
AnyPath = str | os.PathLike[str]

FORMAT = 1


class Network(nn.Module):
    """A module that can be written to a file and built again from it.

    Attributes:
        config: the constructor's arguments as plain data, without those of precision;
            ``type(network)(**network.config)`` is the same network with other weights.
    """

    config: dict[str, Any]

    @classmethod
    def arguments(cls, given: Mapping[str, Any], but: Collection[str] = ()) -> dict[str, Any]:
        """Those of ``given``, the constructor's ``locals()``, that are its arguments."""
        names = inspect.signature(cls.__init__).parameters
        return {name: given[name] for name in names if name not in ("self", *but)}


class Packed(NamedTuple):
    """A network as plain data: its class, its arguments, its state dict and a hash of that."""

    kind: type[Network]
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    state: str | None = None  # older files do not say


def save_networks(
    path: AnyPath, networks: Mapping[str, Network], header: Mapping[str, Any]
) -> None:
    """Write networks by their names to a safetensors file, whole or not at all.

    ``header`` is plain data about them (source, licence); class, config and a hash of the numbers
    are added here.
    """
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    described = {
        name: {**entry, "state": state_hash(networks[name])}
        for name, entry in describe(networks).items()
    }
    text = json.dumps({**header, "format": FORMAT, "networks": described})
    with atomic_write(path) as file:
        file.write(to_bytes(tensors, {"ganfeat": text}))


def check_finite(networks: Mapping[str, nn.Module]) -> None:
    """Refuse networks with numbers that are not finite.

    Raises:
        UserError: the first such tensor, by name.
    """
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            if not torch.isfinite(value).all():
                raise UserError(
                    f"{name}.{key} is not finite: nothing is saved, the last checkpoint stays"
                )


def describe(networks: Mapping[str, Network]) -> dict[str, Any]:
    """Class name and constructor arguments of each network, as plain data."""
    return {
        name: {"class": class_name(network), "config": network.config}
        for name, network in networks.items()
    }


def class_name(thing: object) -> str:
    """Module and name of its class, as files and records have it."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def read_header(path: AnyPath) -> dict[str, Any]:
    """What a safetensors file of ours says about its networks."""
    with _open(Path(path)) as (_, header):
        return header


def state_hash(module: nn.Module) -> str:
    """`tensors_hash` of the state dict. Noise images and ``w_avg`` count; the config does not."""
    return tensors_hash(module.state_dict())


def weights_of(network: Network) -> set[str]:
    """A short hash of each tensor that is too large to be equal to another's by chance."""
    return {tensors_hash({"": p})[:16] for p in network.parameters() if p.ndim > 1}


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes, sorted by name.

    The same on every device and in every memory layout.
    """
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def build(packed: Packed, where: str) -> Network:
    """The network of ``packed``, in fp32 and evaluation mode; every name and shape must fit.

    Raises:
        UserError: what does not fit, by name; ``where`` says in which file.
    """
    with torch.random.fork_rng(devices=[]):  # the random start is overwritten: it costs no draw
        with torch.device("meta"):  # nor memory, before the shapes are known to fit
            expected = _blank(packed, where).state_dict()
        _check_state(packed.tensors, expected, where)
        if packed.state not in (None, tensors_hash(packed.tensors)):
            raise UserError(
                f"{where} is damaged: it holds other numbers than were written. Restore it"
            )
        network = _blank(packed, where)
    if torch.get_default_device().type != "meta":  # there, as part of another network, it is blank
        network.load_state_dict(packed.tensors)
    return network.eval()


def fresh_copy(network: N) -> N:
    """The same network in fp32 and evaluation mode, without gradients."""
    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    copy = build(Packed(type(network), network.config, state), f"a {type(network).__name__}")
    return copy.requires_grad_(False)  # type: ignore[return-value]


def pick(networks: Mapping[str, T], network: str, path: Path) -> T:
    """The entry called ``network``, or a `UserError` that lists what there is."""
    if network not in networks:
        held = ", ".join(networks) or "none"
        raise UserError(
            f"{path} holds no network {network!r}, which is needed here; it holds: {held}"
        )
    return networks[network]


def _blank(packed: Packed, where: str) -> Network:
    """The network with random weights."""
    try:
        return packed.kind(**packed.config)
    except (UserError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{where} has a config that cannot be built: {reason}") from error


def _check_state(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Refuse, by name, whatever is missing, unknown, of another shape or not fp32."""
    for what, names in (
        ("holds the unknown", found.keys() - expected.keys()),
        ("lacks", expected.keys() - found.keys()),
    ):
        if names:
            shown = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
            raise UserError(f"{where} {what} {shown}")
    for name, value in found.items():
        if value.shape != expected[name].shape or value.dtype != torch.float32:
            raise UserError(
                f"{where}: {name} is {value.dtype} {list(value.shape)}, "
                f"expected torch.float32 {list(expected[name].shape)}"
            )


def read_safetensors(path: Path, network: str) -> Packed:
    """One network of a file that `save_networks` wrote."""
    with _open(path) as (file, header):
        entry = pick(header["networks"], network, path)
        keys = [key for key in file.keys() if key.startswith(f"{network}.")]  # noqa: SIM118
        tensors = {key.partition(".")[2]: file.get_tensor(key) for key in keys}
    return packed(entry, tensors, path)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A safetensors file of ours and its header."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("ganfeat", "null"))
            match header:
                case {"format": int(version), "networks": dict()} if version <= FORMAT:
                    yield file, header
                case {"format": int(version)}:
                    raise UserError(f"{path} has format {version}: a newer ganfeat wrote it")
                case _:
                    raise UserError(f"{path} is not a file of ganfeat: no header in its metadata")
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path} is cut off or of another kind ({error}): expected a safetensors file of "
            "ganfeat, a checkpoint or a StyleGAN2-ADA pickle"
        ) from error


def packed(entry: Any, tensors: dict[str, Tensor], path: Path) -> Packed:
    """A network as a header describes it."""
    match entry:
        case {"class": str(kind), "config": dict(config)}:
            return Packed(_class(kind, path), config, tensors, entry.get("state"))
    raise UserError(f"{path} describes a network without class and config: its header is damaged")


def _class(name: str, path: Path) -> type[Network]:
    """The class of a header: one of ours, or one that the running program has imported."""
    module = name.rpartition(".")[0]
    if module.partition(".")[0] == "ganfeat" or module in sys.modules:
        found = locate(name)
        if isinstance(found, type) and issubclass(found, Network):
            return found
    raise UserError(f"{path} holds a {name}, which is no network that this program knows")
