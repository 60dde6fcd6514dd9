"""What measures a generator: after training, while it trains, and by ``evaluate.py``."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ganfeat import backbone
from ganfeat.backbone import Generator
from ganfeat.backbone.loading import EMBEDDED, FACES
from ganfeat.build import build
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.files import atomic_write
from ganfeat.loading import find_checkpoint, load_network, read_about
from ganfeat.metrics.evaluation import evaluate, evaluate_network
from ganfeat.metrics.measure import OfNetwork, Result, Subject
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge, Samples
from ganfeat.metrics.value import Value
from ganfeat.networks import Network
from ganfeat.processes import rank, world_size
from ganfeat.training import machine
from ganfeat.training.loggers import finish_wandb, log_values, open_wandb, wandb_mode
from ganfeat.training.setup import Exam, Exams

log = logging.getLogger(__name__)

Config = dict[str, Any]


class Examiner:
    """The judge and the measurements of a config, ready before anything is trained.

    Args:
        judge: node of each network: `embedding`, `perceptual`, `attributes`.
        metrics: node of each measurement, by name.
        device: where everything runs.
        cache: the folder for reference statistics.
        refresh: compute them anew.

    Raises:
        UserError: the weights of a network are missing.
    """

    def __init__(
        self,
        judge: Mapping[str, Any],
        metrics: Mapping[str, Any],
        device: str,
        cache: Path,
        refresh: bool = False,
    ) -> None:
        self.measurements: dict[str, Any] = {k: build(v) for k, v in metrics.items()}
        networks = all(isinstance(m, OfNetwork) for m in self.measurements.values())
        self.judge = None if networks else make_judge(judge, device)
        self.device, self.cache, self.refresh = device, cache, refresh

    def check(self, artefact: Network) -> None:
        """Refuse measurements of another kind of network than this one."""
        generates = isinstance(artefact, Generator)
        for name, measurement in self.measurements.items():
            if isinstance(measurement, OfNetwork) == generates:
                kinds = ["networks that look at images", "generators"]
                measured, this = kinds if generates else kinds[::-1]
                raise UserError(
                    f"the metric {name} is for {measured}, and this is one of the {this}: choose "
                    "metrics=quick, standard or paper for generators, factors or classes for others"
                )

    @torch.no_grad()
    def examine(
        self,
        artefact: Network,
        data: Any,
        *,
        part: str = "test",
        seed: int = 0,
        psi: float = 1.0,
        show: bool = True,
    ) -> Result:
        """Measure a network against ``data``; see `References` for ``part``."""
        self.check(artefact)
        references = References(
            data,
            part,
            cache=self.cache,
            refresh=self.refresh,
            device=self.device,
            rank=rank(),
            ranks=world_size(),
        )
        artefact = artefact.to(self.device).eval()
        if isinstance(artefact, Features):
            return evaluate_network(artefact, references, self.measurements, show)
        assert isinstance(artefact, Generator)
        assert self.judge is not None
        labels = data.all_labels() if artefact.label_dim else None
        samples = Samples(artefact, labels, seed, psi)
        subject = Subject(samples, self.judge, references, rank(), world_size())
        return evaluate(subject, self.measurements, show)


def make_judge(nodes: Mapping[str, Any], device: str) -> Judge:
    """The networks of a judge; parts that are the same network share it."""
    built: dict[str, Features | None] = {}
    for node in nodes.values():
        key = json.dumps(node, sort_keys=True)
        if key not in built:
            built[key] = build(node).to(device) if node else None
    found: Any = {part: built[json.dumps(node, sort_keys=True)] for part, node in nodes.items()}
    return Judge(**found)


def exams(config: Config, device: str, artefact: Network) -> Exams:
    """What measures a training run with this config: while it goes on, and at its end.

    Raises:
        UserError: the judge is not there, or a metric is for another kind of network.
    """
    cache = Path(config["paths"]["outputs"]).expanduser() / "cache"

    def exam(metrics: Config, part: str, show: bool) -> Exam | None:
        if not metrics:
            return None
        try:
            ready = Examiner(config["judge"], metrics, device, cache)
        except UserError as error:
            raise UserError(
                f"{error}; metrics=none metrics@monitor=none trains without measuring"
            ) from error
        ready.check(artefact)

        def measure(trained: Any, data: Any) -> tuple[list[Config], Config]:
            found = ready.examine(trained, data, part=part, seed=config["seed"], show=show)
            if show:
                print_table(found.values)
            return [value.plain() for value in found.values], dict(found.arrays)

        return measure

    return Exams(exam(config["monitor"], "val", False), exam(config["metrics"], "test", True))


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
    about = read_about(find_checkpoint(path))
    data, judge = (config.get(key) or about.get(key) for key in ("data", "judge"))
    if data is None or judge is None:
        raise UserError(
            f"{path} does not say what to compare with: add data=synthfaces, or data=images "
            "data.path=FOLDER_OR_ZIP"
        )
    if not config["metrics"]:
        raise UserError("there is nothing to measure: choose metrics=quick, standard or paper")
    device = machine.pick_device(config["device"])
    machine.prepare(device, config["threads"], "auto")
    encoder = "encoder_ema" in about.get("networks", ())
    artefact = load_network(path, "encoder_ema") if encoder else backbone.load(path)
    if isinstance(artefact, Generator):
        data = {**data, "resolution": artefact.resolution}
    dataset = build(data)
    cache = Path(config["paths"]["outputs"]).expanduser() / "cache"
    examiner = Examiner(judge, config["metrics"], device, cache, config["refresh"])
    for name in _asked_for(overrides) if examiner.judge else ():
        if not examiner.measurements[name].applies(examiner.judge):
            raise UserError(f"{name} cannot be measured here: the judge has no factors")
    found = examiner.examine(artefact, dataset, seed=config["seed"], psi=config["psi"])
    result = merged(target, found, source=str(path))
    print_table(found.values)
    if (mode := wandb_mode(config["logger"]["wandb"])) != "off":
        open_wandb(
            mode, config["logger"]["project"], f"evaluate/{target.parent.name}", target.parent
        )
        log_values([value.plain() for value in found.values])
        finish_wandb()
    print(f"written to {target}")
    return result


def _asked_for(overrides: list[str]) -> list[str]:
    """Metrics whose settings were typed."""
    parts = [text.partition("=")[0].split(".") for text in overrides]
    return [part[1] for part in parts if part[0] == "metrics" and len(part) > 1]


def _source(config: Config) -> tuple[Path, Path]:
    """What is measured, and where the result goes."""
    folder, checkpoint = config["run"], config["checkpoint"]
    if (folder is None) == (checkpoint is None):
        raise UserError("what is to be measured? give run=FOLDER or checkpoint=FILE, one of them")
    if folder is not None:
        path = Path(folder).expanduser()
        if not (path / "config.yaml").is_file():
            raise UserError(f"{path} is no run folder: it holds no config.yaml")
        weights = path / "checkpoints" / "networks.safetensors"
        return weights if weights.is_file() else path, path / "result.json"
    outputs = Path(config["paths"]["outputs"]).expanduser() / "evaluate"
    if checkpoint == EMBEDDED:
        return FACES, outputs / "embedded" / "result.json"
    path = Path(checkpoint).expanduser()
    return path, outputs / path.stem / "result.json"


def merged(target: Path, found: Result, **about: Any) -> Config:
    """Write values into a result: those of the same name and protocol are replaced.

    A warning tells where a network of the same name had other weights before.
    """
    result: Config = dict(about)
    if target.is_file():
        result |= json.loads(target.read_text())
    new = [value.plain() for value in found.values]
    replaced = {_identity(value) for value in new}
    _compare_weights(result.get("metrics", []), new)
    kept = [value for value in result.get("metrics", []) if _identity(value) not in replaced]
    result["metrics"] = kept + new
    result["arrays"] = {**result.get("arrays", {}), **found.arrays}
    with atomic_write(target) as file:
        file.write((json.dumps(result, indent=1, allow_nan=False) + "\n").encode())
    return result


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


def print_table(values: list[Value]) -> None:
    """A table of values, their intervals, counts, times and networks."""
    table = Table()
    for heading in ("metric", "value", "95 % within the run", "n", "seconds", "network"):
        table.add_column(heading, justify="left" if heading in ("metric", "network") else "right")
    for v in values:
        networks = ", ".join(
            f"{name} {about['weights'][:8]}"
            for name, about in v.protocol.get("networks", {}).items()
        )
        between = "" if v.low is None or v.high is None else f"{v.low:.4g} to {v.high:.4g}"
        number = "n/a" if v.value is None else f"{v.value:.5g}"
        table.add_row(v.name, number, between, str(v.n or ""), f"{v.seconds:.1f}", networks)
    Console().print(table)
