"""Pickles with the structure of the official StyleGAN2-ADA files, made from networks of ours."""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from ganfeat.backbone import Discriminator, Generator

FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
CLASSES = {
    "synthesis": "SynthesisNetwork",
    "mapping": "MappingNetwork",
    "torgb": "ToRGBLayer",
    "mbstd": "MinibatchStdLayer",
    **dict.fromkeys(["affine", "embed", "fc", "out"], "FullyConnectedLayer"),
    **dict.fromkeys(["skip", "fromrgb", "conv"], "Conv2dLayer"),
}
WITH_FILTER = ("SynthesisBlock", "SynthesisLayer", "Conv2dLayer", "DiscriminatorBlock")


class Persistent:
    """An object of a persistent class: a call of the official function with a dict."""

    def __init__(self, class_name: str, state: dict[str, Any], module_src: str = "") -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": module_src,
            "class_name": class_name,
            "state": state,
        }

    @property
    def state(self) -> dict[str, Any]:
        return self.meta["state"]

    def __reduce__(self) -> Any:
        return _reconstruct_persistent_obj, (self.meta,), None


class EasyDict(dict[str, Any]):
    pass


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    """Stands for the official function, of which a pickle holds the name alone."""


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
EasyDict.__module__ = "dnnlib.util"


@contextmanager
def official_modules() -> Iterator[None]:
    """The official modules' names, for as long as something is pickled."""
    modules = {
        name: ModuleType(name)
        for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util")
    }
    modules["torch_utils.persistence"].__dict__["_reconstruct_persistent_obj"] = (
        _reconstruct_persistent_obj
    )
    modules["dnnlib.util"].__dict__["EasyDict"] = EasyDict
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


def dumps(data: Any, protocol: int = 3) -> bytes:
    """A pickle, in the protocol of the release files."""
    with official_modules():
        return pickle.dumps(data, protocol)


def class_of(name: str, parent: str) -> str:
    """The official class of the module ``name`` inside a ``parent``."""
    if name[0] == "b" and name[1:].isdigit():
        if parent == "SynthesisNetwork":
            return "SynthesisBlock"
        return "DiscriminatorEpilogue" if name == "b4" else "DiscriminatorBlock"
    if parent == "SynthesisBlock" and name.startswith("conv"):
        return "SynthesisLayer"
    return CLASSES[name.rstrip("0123456789")]


def record(module: nn.Module, class_name: str) -> Persistent:
    """A network of ours as its official counterpart is stored."""
    buffers = {k: v for k, v in module._buffers.items() if k != "fir"}
    if class_name in WITH_FILTER:
        buffers["resample_filter"] = FILTER.clone()
    parts = {
        name: record(part, class_of(name, class_name)) for name, part in module.named_children()
    }
    if class_name == "DiscriminatorEpilogue":
        parts["mbstd"] = record(nn.Module(), "MinibatchStdLayer")
    state = {
        "training": False,
        "_parameters": OrderedDict(module._parameters),
        "_buffers": OrderedDict(buffers),
        "_non_persistent_buffers_set": set(),
        "_modules": OrderedDict(parts),
        "weight_gain": np.float64(0.5),
        "_init_args": (),
        "_init_kwargs": {},
    }
    return Persistent(class_name, state)


def network(module: Generator | Discriminator) -> Persistent:
    """A whole network of ours, with its official arguments."""
    config = module.config
    common = {
        "c_dim": config["label_dim"],
        "img_resolution": config["resolution"],
        "img_channels": config["image_channels"],
    }
    widths = {key: config[key] for key in ("channel_base", "channel_max", "conv_clamp")}
    widths |= {"architecture": config["architecture"], "num_fp16_res": 4}
    mapping = EasyDict(num_layers=config["mapping_layers"])
    if isinstance(module, Generator):
        dims = {"z_dim": config["z_dim"], "w_dim": config["w_dim"]}
        kwargs = {**dims, **common, "mapping_kwargs": mapping, "synthesis_kwargs": widths}
    else:
        epilogue = EasyDict(mbstd_group_size=config["mbstd_group"])
        kwargs = {**common, **widths, "mapping_kwargs": mapping, "epilogue_kwargs": epilogue}
        kwargs |= {"block_kwargs": EasyDict(freeze_layers=0)}
    stored = record(module, type(module).__name__)
    stored.state["_init_kwargs"] = EasyDict(kwargs)
    return stored


def randomised(module: nn.Module, seed: int) -> nn.Module:
    """Every parameter and buffer away from its start, so that none can be lost unseen."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.state_dict().values():
            value.add_(torch.randn(value.shape, generator=rng), alpha=0.3)
    return module.eval()


def networks(label_dim: int = 0, resolution: int = 16, **overrides: Any) -> dict[str, Any]:
    """Small G, D and G_ema of ours, all different."""
    width = {"channel_base": 128, "channel_max": 8, "conv_clamp": 256, "label_dim": label_dim}
    width |= overrides
    g = {"z_dim": 6, "w_dim": 5, "mapping_layers": 2, **width}
    return {
        "G": randomised(Generator(resolution, **g), 1),
        "D": randomised(Discriminator(resolution, mbstd_group=2, **width), 2),
        "G_ema": randomised(Generator(resolution, **g), 3),
    }


def write(
    path: Path,
    modules: dict[str, Any],
    change: Callable[[dict[str, Any]], object] = lambda data: None,
) -> Path:
    """An official pickle of the networks at ``path``, after ``change`` of its content."""
    data: dict[str, Any] = {name: network(module) for name, module in modules.items()}
    data["augment_pipe"] = None
    data["training_set_kwargs"] = EasyDict(path="x.zip", use_labels=False)
    change(data)
    path.write_bytes(dumps(data))
    return path
