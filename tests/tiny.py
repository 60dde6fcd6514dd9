"""Runs small enough for tests: the real presets with narrow networks and few images."""

from pathlib import Path
from typing import Any

import torch
import yaml

from ganfeat import backbone
from ganfeat.backbone.navigator import Edits
from ganfeat.config import compose, config_dir
from ganfeat.networks import save_networks, state_hash
from ganfeat.training.run import run

GAN = [
    "backbone.generator.z_dim=16",
    "backbone.generator.w_dim=16",
    "backbone.generator.mapping_layers=2",
    "backbone.generator.channel_base=128",
    "backbone.generator.channel_max=8",
    "backbone.discriminator.channel_base=128",
    "backbone.discriminator.channel_max=8",
    "backbone.discriminator.mbstd_group=2",
    "data.resolution=16",
]
ENCODER = [
    "backbone.network.widths=[8,8,16,16]",
    "backbone.network.dim=48",
    "data.resolution=32",
]
TRAINED = [  # beside the embedded generator, which is small
    "method.depth=18",
    "method.width=8",
    "method.channels=16",
    "data.resolution=32",
]
NAVIGATORS = (
    "contrafeat", "ganspace", "higan", "interfacegan", "latentclr", "random", "sefa", "voynov",
)  # fmt: skip  # of the embedded generator, as it is
COMMON = [
    "batch_size=8",
    "threads=1",
    "device=cpu",
    "logger=csv",
    "metrics=none",
    "tasks=none",
    "metrics@monitor=none",
]


def chosen(preset: str, group: str) -> str:
    """The option that a preset takes in a group of ``conf/``."""
    usual = {
        "backbone": "embedded",
        "data": "synthfaces",
        "method": "stylegan2",
        "features": "none",
    }
    return (usual | _choices(preset))[group]


def _choices(preset: str) -> dict[str, str]:
    """What a preset's list of defaults chooses, that of the preset it builds on included."""
    text = (config_dir() / "experiment" / f"{preset}.yaml").read_text()
    found: dict[str, str] = {}
    for entry in yaml.safe_load(text).get("defaults", []):
        if isinstance(entry, str):
            found |= {} if entry == "_self_" else _choices(entry)
        else:
            found |= {key.removeprefix("override /"): value for key, value in entry.items()}
    return found


def lacks_weights(preset: str) -> bool:
    """Whether it says nowhere which GAN it builds on."""
    return chosen(preset, "backbone") == "trained" and "synthfaces" not in preset


def narrow(preset: str) -> list[str]:
    """What makes the networks of a preset small."""
    backbone = config_dir() / "backbone" / f"{chosen(preset, 'backbone')}.yaml"
    nodes = yaml.safe_load(backbone.read_text())
    if "network" in nodes:
        return ENCODER
    if not nodes:
        return [f"data.resolution={16 if chosen(preset, 'features') == 'none' else 32}"]
    if "weights" in nodes:
        method = chosen(preset, "method")
        if method in NAVIGATORS:
            looks = ["features.size=64"] if chosen(preset, "features") == "alexnet" else []
            sought = ["method.subspace=4"] if method == "contrafeat" else []
            return ["data.resolution=32", "method.semantics=3", *sought, *looks]
        # Eight images leave none for D to pass over.
        less = ["method.adversarial_stride=1"] if method == "ghfeat" else []
        return TRAINED[-1:] if method == "fixed_generator" else [*TRAINED, *less]
    # A frozen network reads maps up to 64 px.
    return GAN if chosen(preset, "features") == "none" else [*GAN, "data.resolution=64"]


def save_navigator(path: Path, count: int) -> Edits:
    """Random edits of the embedded generator, in a file."""
    g = backbone.load("embedded")
    navigator = Edits(
        [str(k) for k in range(count)], g.num_ws, g.w_dim, "embedded", state_hash(g), "tiny"
    )
    navigator.table.copy_(torch.randn(navigator.table.shape))
    save_networks(path, {"navigator": navigator}, {"source": {}, "licence": ""})
    return navigator


def overrides(folder: Path, *more: str, experiment: str = "stylegan2_synthfaces") -> list[str]:
    """A command line for a run in ``folder`` of 16 iterations, with a tick for every one."""
    return [
        f"experiment={experiment}",
        *narrow(experiment),
        *COMMON,
        "total_kimg=0.128",
        "trainer.tick_kimg=0.008",
        "trainer.sample_kimg=0.064",
        "trainer.checkpoint_kimg=0.064",
        f"paths.outputs={folder}",
        *more,
    ]


def train(folder: Path, *more: str, experiment: str = "stylegan2_synthfaces") -> dict[str, Any]:
    """Run it, and give its result."""
    line = overrides(folder, *more, experiment=experiment)
    return run(compose(line), line)


def only(folder: Path, pattern: str) -> Path:
    """The one file below ``folder`` that matches."""
    (found,) = folder.rglob(pattern)
    return found
