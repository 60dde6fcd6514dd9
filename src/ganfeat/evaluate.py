"""What ``evaluate.py`` does: measure a run or a file, and write it into a result."""

import json
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ganfeat import backbone
from ganfeat.backbone import BuiltOn, Generator
from ganfeat.backbone.loading import EMBEDDED, embedded_file
from ganfeat.backbone.navigator import Navigator
from ganfeat.build import build
from ganfeat.errors import UserError
from ganfeat.examiner import Examiner
from ganfeat.exams import (
    all_measurements,
    asked_for,
    check_apart,
    make_judge,
    print_table,
)
from ganfeat.files import atomic_write, expanded, locked
from ganfeat.loading import find_checkpoint, load_network, read_about
from ganfeat.metrics.measure import Result
from ganfeat.networks import state_hash
from ganfeat.pictures import save_pictures
from ganfeat.processes import joined, rank
from ganfeat.results import LAST_CHECKPOINT, read_result
from ganfeat.training import machine
from ganfeat.training.wandb_log import (
    finish_wandb,
    log_pictures,
    log_references,
    log_strips,
    log_values,
    open_wandb,
    wandb_mode,
)

log = logging.getLogger(__name__)

Config = dict[str, Any]


def run(config: Config, overrides: list[str]) -> Config:
    """Measure what ``run=`` or ``checkpoint=`` names, and write it into a result.

    Args:
        config: the resolved config as plain data.
        overrides: what was typed.

    Returns:
        What ``result.json`` holds afterwards.

    Raises:
        UserError: whatever the person who typed the command can mend.
    """
    path, target = _source(config)
    find_checkpoint(path)
    with locked(target.parent) if rank() == 0 else nullcontext():
        return _measured(config, overrides, path, target)


def _measured(config: Config, overrides: list[str], path: Path, target: Path) -> Config:
    header = read_about(find_checkpoint(path))
    data, judge = (config.get(key) or header.get(key) for key in ("data", "judge"))
    if data is None or judge is None:
        raise UserError(
            f"{path} does not say what to compare with: add data=synthfaces, or data=images "
            "data.path=FOLDER_OR_ZIP"
        )
    for key, node in (("data", data), ("judge", judge)):
        if not isinstance(node, Mapping):
            raise UserError(f"{path} has a damaged header: its {key} is {node}; add {key}=NAME")
    # Tasks alone are asked for by tasks=: the usual metrics are those of generators.
    alone = config["tasks"] and not _typed(overrides, "metrics")
    measurements = all_measurements({} if alone else config["metrics"], config["tasks"])
    if not measurements:
        raise UserError(
            "there is nothing to measure: choose metrics=quick, standard or paper, or tasks=all"
        )
    looks = [node.get("teacher") for node in config["metrics"].values() if node]
    if config["features"] and config["features"] not in looks:
        raise UserError(
            "features= is for metrics=hsr_paper, which asks what that network sees in G's maps; "
            "features@judge.embedding= and its like say what measures"
        )
    device = machine.pick_device(config["device"])
    machine.prepare(device, config["threads"], "auto")
    held = header.get("networks", ())
    kind = next((name for name in ("encoder_ema", "navigator") if name in held), None)
    artefact = load_network(path, kind) if kind else backbone.load(path)
    if config["generator"]:
        if not isinstance(artefact, BuiltOn):
            raise UserError(f"{path} has no generator beside it: leave out generator=")
        artefact.find_generator(config["generator"])
    if isinstance(artefact, Generator):
        if data.get("resolution") != artefact.resolution and _typed(overrides, "data.resolution"):
            raise UserError(
                f"{path} makes images of {artefact.resolution} px: data.resolution="
                f"{data['resolution']} does not fit; leave it out"
            )
        data = {**data, "resolution": artefact.resolution}
    elif isinstance(artefact, Navigator):
        data = {**data, "resolution": artefact.generator.resolution}
    elif hasattr(artefact, "resolution") and not _typed(overrides, "data.resolution"):
        data = {**data, "resolution": artefact.resolution}
    if not isinstance(artefact, Generator | Navigator):
        for key in ("seed", "psi"):
            if _typed(overrides, key):
                raise UserError(f"{key}= is of a generator's samples, and {path} has none")
    dataset = build(data)
    cache = expanded(config["paths"]["outputs"]) / "cache"
    networks = make_judge(judge, measurements)
    if networks is not None:
        check_apart(networks, header.get("frozen", {}))
    examiner = Examiner(networks, measurements, device, cache, config["refresh"])
    examiner.check(artefact, dataset, asked_for(overrides, "metrics"))
    earlier, weights = read_result(target) or {}, state_hash(artefact)
    if config["run"]:
        earlier = {**_of_weights(earlier, weights), "measured": weights}
    else:
        _check_source(target, earlier, weights)
        earlier |= {"source": str(path), "weights": weights}
    with joined(device):
        found = examiner.examine(artefact, dataset, seed=config["seed"], psi=config["psi"])
    if rank() > 0:
        return {}
    pictures = save_pictures(found.pictures, target.parent, "tasks")
    result = merged(earlier, found)
    result["pictures"] = [*dict.fromkeys([*result.get("pictures", []), *pictures])]
    if broken := getattr(dataset, "broken", []):
        result["broken_images"] = sorted({*broken, *result.get("broken_images", [])})
    with atomic_write(target) as file:
        file.write((json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
    print_table(found.values)
    if (mode := wandb_mode(config["logger"]["wandb"])) != "off":
        open_wandb(
            mode, config["logger"]["project"], f"evaluate/{target.parent.name}", target.parent
        )
        log_values([value.plain() for value in found.values])
        log_pictures(target.parent, pictures)
        log_strips(target.parent, found.arrays.get("strips", {}))
        log_references(config, sorted(examiner.used))
        finish_wandb()
    print(f"written to {target}")
    return result


def _typed(overrides: list[str], key: str) -> bool:
    typed = [text.partition("=")[0] for text in overrides]
    return any(name == key or name.startswith(f"{key}.") for name in typed)


def _source(config: Config) -> tuple[Path, Path]:
    """What is measured, and where the result goes."""
    folder, checkpoint = config["run"], config["checkpoint"]
    if bool(folder) == bool(checkpoint):
        raise UserError("what is to be measured? give run=FOLDER or checkpoint=FILE, one of them")
    if folder:
        path = expanded(folder)
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path} is no run folder: it holds no config.yaml")
        if not (path / "result.json").is_file():
            raise UserError(
                f"{path} has no result yet to add to: let the run end, or measure its checkpoint "
                f"with checkpoint={path / LAST_CHECKPOINT}"
            )
        weights = path / "checkpoints" / "networks.safetensors"
        return weights if weights.is_file() else path, path / "result.json"
    outputs = expanded(config["paths"]["outputs"]) / "evaluate"
    if checkpoint in EMBEDDED:
        return embedded_file(checkpoint), outputs / checkpoint / "result.json"
    path = expanded(checkpoint)
    of_a_run = [path.parents[1].name] if path.parent.name == LAST_CHECKPOINT.parent.name else []
    return path, outputs / "-".join([*of_a_run, path.stem]) / "result.json"


def merged(result: Config, found: Result) -> Config:
    """A result with new values in it: those of the same name and protocol are replaced.

    So are ``n/a`` rows, and arrays of the same name: of each, the newest is kept. A warning tells
    where a network of the same name had other weights before.
    """
    new = [value.plain() for value in found.values]
    replaced = {_identity(value) for value in new}
    _compare_weights(result.get("metrics", []), new)
    kept = [
        value
        for value in result.get("metrics", [])
        if value["value"] is not None and _identity(value) not in replaced
    ]
    arrays = {**result.get("arrays", {}), **found.arrays}
    return {**result, "metrics": kept + new, "arrays": arrays}


def _of_weights(result: Config, weights: str) -> Config:
    """A run's result without what was measured of other weights: the run has gone on since."""
    held = result.get("weights") or {}
    names = ("g_ema", "encoder_ema", "navigator")
    found = (held[name] for name in names if held.get(name))
    known = {result.get("measured") or next(found, None)}
    if known == {weights} or not result.get("metrics"):
        return result
    log.warning(
        "%d values were measured of other weights: they are left out", len(result["metrics"])
    )
    pictures = [name for name in result.get("pictures", []) if not name.startswith("tasks/")]
    return {**result, "metrics": [], "arrays": {}, "pictures": pictures}


def _check_source(target: Path, earlier: Config, weights: str) -> None:
    """Refuse to put what is measured now beside what was measured of other weights."""
    if earlier and earlier.get("weights") != weights:
        raise UserError(
            f"{target} is about other weights ({earlier.get('source')}): move its folder away, or "
            "give these weights a file name of their own"
        )


def _compare_weights(before: list[Config], now: list[Config]) -> None:
    hashes = {
        (value["name"], network): about["weights"]
        for value in before
        for network, about in value["protocol"].get("networks", {}).items()
    }
    for value in now:
        for network, about in value["protocol"].get("networks", {}).items():
            earlier = hashes.get((value["name"], network), about["weights"])
            if earlier != about["weights"]:
                log.warning(
                    "%s was measured before with other weights of %s (%s, now %s): do not compare",
                    value["name"], network, earlier[:8], about["weights"][:8],
                )  # fmt: skip


def _identity(value: Mapping[str, Any]) -> str:
    return json.dumps([value["name"], value["protocol"]], sort_keys=True)
