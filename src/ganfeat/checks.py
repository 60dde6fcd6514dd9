"""What a config must be, told to whoever typed it: plain dicts in, `UserError` out."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from ganfeat.build import dotted, keys, nearest, suggest
from ganfeat.errors import UserError
from ganfeat.ranges import Count, Natural, Positive, Range, Seed, fits

TYPES: dict[str, Any] = {
    "seed": Seed,
    "total_kimg": Positive,
    "batch_size": Count,
    "precision": str,
    "device": str,
    "threads": Count | None,
    "resume": str,
    "init_from": str | None,
    "force": bool,
    "objective": str | None,
    "backbone.weights": str,
    "trainer.devices": Count,
    "trainer.accumulate": Count,
    "trainer.tick_kimg": Positive,
    "trainer.sample_kimg": Positive,
    "trainer.checkpoint_kimg": Positive,
    "trainer.monitor_kimg": Positive,
    "trainer.snapshot_kimg": Positive | None,
    "trainer.workers": Natural | Literal["auto"],
    "trainer.allocator": str,
    "logger.wandb": str,  # YAML reads a bare `off` as false
    "paths.outputs": str,
    "run": str | None,
    "checkpoint": str | None,
    "generator": str | None,
    "psi": Annotated[float, Range(-10, 10)],
    "refresh": bool,
    "study": str | None,
    "runs": str | None,
    "seeds": Seed | list[Seed] | None,
    "jobs": Count,
    "plan": bool,
}
"""Of the settings that are no keywords of a class, what they must be."""


def right_key(key: str, known: Collection[str]) -> str:
    """What was probably meant by ``key``: its name at the right place, or a name like it."""
    parent, _, name = key.rpartition(".")
    top = key.partition(".")[0]
    if parent and top in known and not any(k.startswith(f"{top}.") for k in known):
        return f"it belongs to a choice that is not made: add {top}=NAME"
    siblings = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    depth = key.count(".") if siblings and parent else 9  # a known parent: not far below it
    if elsewhere := [k for k in known if k.rpartition(".")[2] == name and k.count(".") <= depth]:
        return f"did you mean {min(elsewhere, key=lambda k: (k.count('.'), k))}?"
    if near := nearest(name, siblings):
        return f"did you mean {dotted(parent, near)}?"
    if siblings:
        names = sorted(name for name in siblings if name != "_target_")
        return f"{parent or 'the config'} has {', '.join(names)}"
    return suggest(key, known)


def check_preset(config: dict[str, Any], base: dict[str, Any], key: str = "") -> None:
    """Refuses keys that only the preset has; those of a class are held against its signature."""
    for name, value in config.items():
        path = dotted(key, name)
        if name not in base:
            hint = suggest(name, base, key) if base else f"choose another {key} than none"
            raise UserError(f"the preset sets {path}, which does not exist; {hint}")
        if isinstance(value, dict) and isinstance(base[name], dict) and "_target_" not in value:
            check_preset(value, base[name], path)


def check_values(config: dict[str, Any]) -> None:
    """Holds the settings that no signature knows against `TYPES`, in place."""
    for key, kind in TYPES.items():
        parent, _, name = key.rpartition(".")
        node = config.get(parent) if parent else config
        if isinstance(node, dict) and name in node:
            node[name] = fits(node[name], kind, key)
    if not config["paths"]["outputs"]:
        raise UserError("paths.outputs is empty: give a folder")
    if config.get("init_from") == "":
        raise UserError("init_from is empty: give a run, a checkpoint or a weights file, or null")


def check_missing(config: dict[str, Any], experiment: str | None) -> None:
    """Says what a config still needs, and how to come by it."""
    for key, value in keys(config).items():
        if value == "???":
            needs = f"{experiment or 'this'} needs {key}"
            if key != "data.path":
                raise UserError(f"{needs}: add {key}=VALUE")
            if "benchmarks" in config["data"]["_target_"]:
                raise UserError(f"{needs}: the folder of the benchmark, as its authors hand it out")
            resolution = config["data"].get("resolution") or 256
            raise UserError(
                f"{needs}, a folder or zip of images: make one with `python -m ganfeat.data.prepare"
                f" SRC DST.zip --resolution {resolution}` and add data.path=DST.zip"
            )
