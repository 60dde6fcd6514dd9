"""Checkpoints: whole or absent, plain data, read without executing anything."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from ganfeat import backbone
from ganfeat.backbone.loading import EMBEDDED, embedded_file
from ganfeat.build import keys, nearest
from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.loading import read_about, read_checkpoint
from ganfeat.networks import Network, class_name, pick, state_hash
from ganfeat.training.record import NOT_PART_OF_A_RUN

FORMAT = 1
log = logging.getLogger(__name__)

# What may differ between a checkpoint's run and the one that resumes from it.
MAY_DIFFER = {*NOT_PART_OF_A_RUN} - {"seed"} | {
    "experiment", "total_kimg", "trainer", "init_from", "metrics", "tasks", "monitor", "judge",
}  # fmt: skip


class AtomicCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside their place and renamed when whole."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint``; a full disk leaves the previous one as it was."""
        with atomic_write(Path(path)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint as plain data."""
        return read_checkpoint(Path(path))


def check_resumable(path: Path, method: Any, config: dict[str, Any]) -> float:
    """The kimg of a checkpoint that this run can go on from.

    Raises:
        UserError: no such file, a damaged one, or one of another run; names the first difference.
    """
    checkpoint = read_checkpoint(path)
    match checkpoint:
        case {
            "ganfeat": {"method": str(), "config": dict(), "terms": dict()},
            "optimizer_states": list(),
            "callbacks": dict(),
            "loops": dict(),
            "global_step": int(),
        }:
            about = checkpoint["ganfeat"]
        case _:
            raise UserError(f"{path} cannot be resumed from: parts of it are missing")
    if about.get("format", 0) > FORMAT:
        raise UserError(
            f"{path} has checkpoint format {about['format']}, this version reads up to {FORMAT}: "
            "update ganfeat"
        )
    name = class_name(method)
    if about["method"] != name:
        raise UserError(f"{path} is of the method {about['method']}, this run is {name}")
    for key, network in method.networks().items():
        size = pick(about["networks"], key, path).get("config", {})
        check_same_size(network, size, f"network {key} of {path}")
    for key, network in method.frozen().items():
        if about.get("frozen", {}).get(key) != (here := state_hash(network)):
            raise UserError(
                f"{path} looked with other weights of {key} than these ({here[:8]}): restore them, "
                "or start again with force=true"
            )
    if (listed := about.get("listed")) and listed != method.listed:
        raise UserError(
            f"{path} was trained on other files than those that {config['data']['path']} has now: "
            "restore them, or start again with force=true"
        )
    theirs, ours = (
        {key: value for key, value in keys(of).items() if not isinstance(value, dict)}
        for of in (about["config"], config)
    )
    for key in sorted(theirs.keys() | ours.keys()):
        if key.split(".")[0] not in MAY_DIFFER and theirs.get(key) != ours.get(key):
            raise UserError(
                f"{path} was made with {key}={theirs.get(key)}, this run has {key}={ours.get(key)}"
                ": use the same, or init_from= to take the weights alone"
            )
    held = {name: value.shape for name, value in checkpoint["state_dict"].items()}
    needed = {name: value.shape for name, value in method.state_dict().items()}
    if wrong := sorted(name for name in held.keys() | needed if held.get(name) != needed.get(name)):
        raise UserError(f"{path} does not fit: {wrong[0]} is missing in one, or of another shape")
    return float(checkpoint["global_step"] * config["batch_size"] / 1000)


def check_same_size(network: Network, theirs: dict[str, Any], where: str) -> None:
    """Refuse weights of a network that was built with other arguments."""
    for field, ours in network.config.items():
        # A place is no size, and what edits are called comes to light in training.
        if field not in ("weights", "labels") and theirs.get(field) != ours:
            raise UserError(
                f"{where} has {field}={theirs.get(field)}, this run has {field}={ours}: choose the "
                "same data, backbone and method"
            )


def initialise(
    networks: dict[str, Network], path: str, added: Collection[str] = ()
) -> dict[str, str]:
    """``init_from=``: weights of a run, a checkpoint, a weights file, an official pickle, or of one
    of the `EMBEDDED` GANs.

    Nothing else is taken: optimisers, counters, schedules and running means start anew. Networks
    that are ``added`` start anew where the file holds none of that name; all others must be there,
    with every weight.

    Returns:
        Hashes of what was loaded, by name.
    """
    if path in EMBEDDED and "g" not in networks:
        raise UserError(
            f"init_from={path} gives a GAN's G and D, and this method trains "
            f"{', '.join(networks)}: what it learns with is backbone.weights={path}"
        )
    if path not in EMBEDDED and not Path(path).exists() and (near := nearest(path, EMBEDDED)):
        raise UserError(f"init_from={path} does not exist; did you mean {near}?")
    file = embedded_file(path) if path in EMBEDDED else path
    held, taken = read_about(file).get("networks", ()), {}
    for name, network in networks.items():
        if name in added and name not in held:
            log.info("init_from: %s holds no %s, which start anew", path, name)
            continue
        loaded = backbone.load(path, name)
        check_same_size(network, loaded.config, f"network {name} of {path}")
        network.load_state_dict(loaded.state_dict())
        taken[name] = state_hash(loaded)
    return taken
