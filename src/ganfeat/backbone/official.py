"""NVIDIA's StyleGAN2-ADA networks, as their pickles hold them, to ours.

Nothing in a pickle is executed (`ganfeat.backbone.unpickle`). ``w_avg`` and noise images are kept.
Whatever is not understood is refused by name: an argument, a class, an entry of the state dict, a
shape, a filter other than [1,3,3,1].
"""

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.unpickle import Record, StoredTensor, read_pickle
from ganfeat.errors import UserError
from ganfeat.networks import Network, Packed, build, pick

LICENCE = (
    "Weights that NVIDIA publishes are under the NVIDIA Source Code License: "
    "non-commercial use only. Others: see where the pickle came from."
)


class Fixed(NamedTuple):
    """An argument that our networks do not have: only this value can be converted."""

    value: Any


# Official argument -> ours, or `Fixed`, or None for one that changes nothing in fp32 (the header
# keeps it); a dict stands for an argument that holds arguments.
_LAYER = {"activation": Fixed("lrelu"), "resample_filter": Fixed([1, 3, 3, 1])}
_SHARED = {"c_dim": "label_dim", "img_resolution": "resolution", "img_channels": "image_channels"}
_WIDTHS = {
    "channel_base": "channel_base",
    "channel_max": "channel_max",
    "architecture": "architecture",
    "conv_clamp": "conv_clamp",
    "num_fp16_res": None,
}
_MAPPING = {
    "num_layers": "mapping_layers",
    "activation": Fixed("lrelu"),
    "lr_multiplier": Fixed(0.01),
    "embed_features": Fixed(None),
    "layer_features": Fixed(None),
}
_GENERATOR: dict[str, Any] = {
    "z_dim": "z_dim",
    **_SHARED,
    "w_dim": "w_dim",
    "mapping_kwargs": {**_MAPPING, "w_avg_beta": Fixed(0.995)},
    "synthesis_kwargs": {
        **_WIDTHS,
        **_LAYER,
        "kernel_size": Fixed(3),
        "use_noise": Fixed(True),
        "fp16_channels_last": None,
    },
}
_DISCRIMINATOR: dict[str, Any] = {
    **_SHARED,
    **_WIDTHS,
    "cmap_dim": "cmap_dim",
    "mapping_kwargs": _MAPPING,
    "block_kwargs": {**_LAYER, "fp16_channels_last": None, "freeze_layers": None},
    "epilogue_kwargs": {
        "mbstd_group_size": "mbstd_group",
        "mbstd_num_channels": "mbstd_channels",
        "activation": Fixed("lrelu"),
    },
}
_CLASSES: dict[str, type[Network]] = {"Generator": Generator, "Discriminator": Discriminator}
_ARGUMENTS = {"Generator": _GENERATOR, "Discriminator": _DISCRIMINATOR}
_NO_DEFAULT = {"Generator": ("z_dim", "w_dim", *_SHARED), "Discriminator": tuple(_SHARED)}
_TYPES: dict[str, Any] = {
    "architecture": str,
    "conv_clamp": int | float | None,
    "cmap_dim": int | None,
}  # of our arguments; the others are whole numbers

_NETWORKS = {"G": ("g", "Generator"), "D": ("d", "Discriminator"), "G_ema": ("g_ema", "Generator")}
_OTHER_KEYS = {"augment_pipe", "training_set_kwargs"}
_PARTS = {
    "SynthesisNetwork",
    "SynthesisBlock",
    "SynthesisLayer",
    "ToRGBLayer",
    "MappingNetwork",
    "FullyConnectedLayer",
    "Conv2dLayer",
    "DiscriminatorBlock",
    "DiscriminatorEpilogue",
    "MinibatchStdLayer",
}


def read_official(path: Path, network: str) -> Network:
    """One network (``g``, ``d`` or ``g_ema``) of an official pickle; nothing is written."""
    return build_record(pick(read_records(path), network, path), f"{network} of {path}")


def read_records(path: Path) -> dict[str, Record]:
    """The three networks of a pickle under our names."""
    data = read_pickle(path)
    if not isinstance(data, dict) or not data.keys() >= _NETWORKS.keys():
        held = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise UserError(f"{path} lacks the networks G, D and G_ema; it holds: {held}")
    unknown = data.keys() - _NETWORKS.keys() - _OTHER_KEYS
    if unknown:
        raise UserError(f"{path} holds the unknown {', '.join(sorted(map(str, unknown)))}")
    for name, (_, kind) in _NETWORKS.items():
        if _class_name(data[name]) != kind:
            raise UserError(f"{name} of {path} is a {_class_name(data[name])}, expected a {kind}")
    return {ours: data[name] for name, (ours, _) in _NETWORKS.items()}


def _class_name(item: Any) -> str:
    return item.class_name if isinstance(item, Record) else type(item).__name__


def build_record(record: Record, where: str) -> Network:
    """An official network as ours."""
    config, tensors = _config(record, where), _tensors(record, where)
    return build(Packed(_CLASSES[record.class_name], config, tensors), where)


def _config(record: Record, where: str) -> dict[str, Any]:
    """Our constructor's arguments."""
    given = record.state.get("_init_kwargs")
    if not isinstance(given, dict) or record.state.get("_init_args") != ():
        raise UserError(f"{where} was not made from named arguments, as the official code does")
    missing = [name for name in _NO_DEFAULT[record.class_name] if name not in given]
    if missing:
        raise UserError(f"{where} does not say its {', '.join(missing)}")
    return _translate(given, _ARGUMENTS[record.class_name], where)


def _translate(given: Mapping[str, Any], words: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Official arguments in our words; one without a counterpart is refused by name."""
    config: dict[str, Any] = {}
    for name, value in given.items():
        word = words.get(name, Fixed(NotImplemented))
        if isinstance(word, dict) and isinstance(value, dict):
            config |= _translate(value, word, f"{where}: {name}")
        elif isinstance(word, str) and isinstance(value, _TYPES.get(word, int)):
            config[word] = value
        elif not (isinstance(value, int) if word is None else Fixed(value) == word):
            shown = reprlib.repr(value)
            raise UserError(f"{where}: {name}={shown} has no counterpart in our networks")
    return config


def _tensors(network: Record, where: str) -> dict[str, Tensor]:
    """The state dict, without the FIR filters, which are constants here."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    waiting = [("", network)]
    while waiting:
        prefix, record = waiting.pop()
        if id(record) in seen:
            raise UserError(f"{where}: {prefix[:-1]} stands in it twice")
        seen.add(id(record))
        for name, value in _members(record, ("_parameters", "_buffers"), where).items():
            found[f"{prefix}{name}"] = _tensor(value, f"{where}: {prefix}{name}")
        for name, part in _members(record, ("_modules",), where).items():
            if not isinstance(part, Record) or part.class_name not in _PARTS:
                raise UserError(
                    f"{where}: {prefix}{name} is a {_class_name(part)}, no part of StyleGAN2-ADA"
                )
            waiting.append((f"{prefix}{name}.", part))
    return {name: value for name, value in found.items() if not _is_filter(name, value, where)}


def _tensor(value: Any, where: str) -> Tensor:
    """One entry of the state dict."""
    if not isinstance(value, StoredTensor):
        raise UserError(f"{where} is no tensor")
    try:
        return value.tensor()
    except ValueError as error:
        raise UserError(f"{where} {error}") from error


def _members(record: Record, groups: Sequence[str], where: str) -> dict[str, Any]:
    """What a module holds in these groups, without the empty places."""
    members: dict[str, Any] = {}
    for group in groups:
        held = record.state.get(group)
        if not isinstance(held, dict):
            raise UserError(f"{where}: a {record.class_name} in it has no {group}")
        members |= {str(name): value for name, value in held.items() if value is not None}
    return members


def _is_filter(name: str, value: Tensor, where: str) -> bool:
    """Whether this is a FIR filter, which then has to be the one that our networks use."""
    if name.rpartition(".")[2] != "resample_filter":
        return False
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    ours = taps.outer(taps)
    if value.shape != ours.shape or not torch.allclose(value.float(), ours, rtol=0, atol=1e-6):
        raise UserError(f"{where}: {name} is not [1,3,3,1], the only filter of our networks")
    return True
