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
from ganfeat.metrics.evaluation import check, evaluate, evaluate_network
from ganfeat.metrics.measure import OfNetwork, Result, Subject
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge, Samples
from ganfeat.metrics.value import Value
from ganfeat.networks import Network, fresh_copy, state_hash
from ganfeat.processes import joined, rank, world_size
from ganfeat.training import machine
from ganfeat.training.loggers import finish_wandb, log_values, open_wandb, wandb_mode
from ganfeat.training.setup import Exam, Exams

log = logging.getLogger(__name__)

Config = dict[str, Any]


class Examiner:
    """The judge and the measurements of a config, ready before anything is trained.

    Args:
        judge: what measures generators; None where networks are measured.
        measurements: by name.
        device: where everything runs.
        cache: the folder for reference statistics.
        refresh: compute them anew.
    """

    def __init__(
        self,
        judge: Judge | None,
        measurements: Mapping[str, Any],
        device: str,
        cache: Path,
        refresh: bool = False,
    ) -> None:
        self.judge, self.measurements = judge, measurements
        self.device, self.cache, self.refresh = device, cache, refresh

    def check(self, artefact: Network, data: Any) -> None:
        """Refuse what cannot be measured, as far as that is known before it begins.

        Raises:
            UserError: a measurement is for another kind of network, or there are too few images for
                it, or of a size that the judge cannot look at.
        """
        generates = isinstance(artefact, Generator)
        for name, measurement in self.measurements.items():
            if isinstance(measurement, OfNetwork) == generates:
                kinds = ["networks that look at images", "generators"]
                measured, this = kinds if generates else kinds[::-1]
                raise UserError(
                    f"the metric {name} is for {measured}, and this is one of the {this}: choose "
                    "metrics=quick, standard or paper for generators, factors, linear or classes "
                    "for others"
                )
        if isinstance(artefact, Generator):
            check(self.subject(artefact, data, device="cpu"), self.measurements)

    @torch.no_grad()
    def examine(self, artefact: Network, data: Any, *, show: bool = True, **how: Any) -> Result:
        """Measure a network against ``data``, in full precision whatever it is trained in.

        Args:
            artefact: a generator, or a network that looks at images.
            data: the dataset of the run.
            show: a progress bar with the time left.
            how: arguments of `subject`.
        """
        artefact = fresh_copy(artefact).to(self.device)
        with machine.full_precision():
            if isinstance(artefact, Features):
                references = self.references(data, **how)
                return evaluate_network(artefact, references, self.measurements, show)
            assert isinstance(artefact, Generator)
            return evaluate(self.subject(artefact, data, **how), self.measurements, show)

    def subject(
        self,
        generator: Generator,
        data: Any,
        part: str = "test",
        seed: int = 0,
        psi: float = 1.0,
        device: str | None = None,
    ) -> Subject:
        """What is measured: ``part`` of the data, the seed of the samples, and their truncation."""
        assert self.judge is not None
        labels = None
        if generator.label_dim:
            if data.label_dim != generator.label_dim:
                raise UserError(
                    f"this generator is told classes of {generator.label_dim}, and the data have "
                    f"{data.label_dim}: give the data that it was trained on, with data.labels=true"
                )
            labels = data.all_labels()
        samples = Samples(generator, labels, seed, psi)
        references = self.references(data, part, device)
        judge = self.judge.of(data).to(references.device)
        return Subject(samples, judge, references, rank(), world_size())

    def references(
        self, data: Any, part: str = "test", device: str | None = None, **_: Any
    ) -> References:
        """The real images."""
        return References(
            data,
            part,
            cache=self.cache,
            refresh=self.refresh,
            device=device or self.device,
            rank=rank(),
            ranks=world_size(),
        )


def build_all(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Measurements from their nodes; those that are null are left out."""
    return {name: build(node) for name, node in metrics.items() if node}


def make_judge(nodes: Mapping[str, Any], measurements: Mapping[str, Any]) -> Judge | None:
    """The networks of a judge, None where nothing needs them.

    Parts that are the same network share it.

    Raises:
        UserError: the weights of a network are missing.
    """
    if all(isinstance(m, OfNetwork) for m in measurements.values()):
        return None
    built: dict[str, Features | None] = {}
    for node in nodes.values():
        key = json.dumps(node, sort_keys=True)
        if key not in built:
            built[key] = build(node) if node else None
    found: Any = {part: built[json.dumps(node, sort_keys=True)] for part, node in nodes.items()}
    return Judge(**found)


def exams(config: Config, device: str, artefact: Network, data: Any) -> Exams:
    """What measures a training run with this config: while it goes on, and at its end.

    Raises:
        UserError: the judge is not there, or something cannot be measured.
    """
    cache = Path(config["paths"]["outputs"]).expanduser() / "cache"
    watched, reported = build_all(config["monitor"]), build_all(config["metrics"])
    try:
        judge = make_judge(config["judge"], {**watched, **reported})
    except UserError as error:
        raise UserError(
            f"{error}; metrics=none metrics@monitor=none trains without measuring"
        ) from error

    def exam(measurements: dict[str, Any], part: str, show: bool) -> Exam | None:
        if not measurements:
            return None
        ready = Examiner(judge, measurements, device, cache)
        ready.check(artefact, data)

        def measure(trained: Any, data: Any) -> tuple[list[Config], Config]:
            found = ready.examine(trained, data, part=part, show=show)
            if show:
                print_table(found.values)
            return [value.plain() for value in found.values], dict(found.arrays)

        return measure

    return Exams(exam(watched, "val", False), exam(reported, "test", True))


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
    header = read_about(find_checkpoint(path))
    data, judge = (config.get(key) or header.get(key) for key in ("data", "judge"))
    if data is None or judge is None:
        raise UserError(
            f"{path} does not say what to compare with: add data=synthfaces, or data=images "
            "data.path=FOLDER_OR_ZIP"
        )
    if not config["metrics"]:
        raise UserError("there is nothing to measure: choose metrics=quick, standard or paper")
    device = machine.pick_device(config["device"])
    machine.prepare(device, config["threads"], "auto")
    encoder = "encoder_ema" in header.get("networks", ())
    artefact = load_network(path, "encoder_ema") if encoder else backbone.load(path)
    if isinstance(artefact, Generator):
        data = {**data, "resolution": artefact.resolution}
    dataset = build(data)
    cache = Path(config["paths"]["outputs"]).expanduser() / "cache"
    measurements = build_all(config["metrics"])
    examiner = Examiner(
        make_judge(judge, measurements), measurements, device, cache, config["refresh"]
    )
    examiner.check(artefact, dataset)
    if examiner.judge is not None:
        capable = examiner.judge.of(dataset)
        for name in measurements.keys() & _asked_for(overrides):
            if not measurements[name].applies(capable):
                raise UserError(
                    f"{name} cannot be measured here: {measurements[name].needs} is needed"
                )
    about = {} if config["run"] else {"source": str(path), "weights": state_hash(artefact)}
    check_source(target, about)
    with joined(device):
        found = examiner.examine(artefact, dataset, seed=config["seed"], psi=config["psi"])
    if rank() > 0:
        return {}
    result = merged(target, found, **about)
    print_table(found.values)
    if (mode := wandb_mode(config["logger"]["wandb"])) != "off":
        open_wandb(
            mode, config["logger"]["project"], f"evaluate/{target.parent.name}", target.parent
        )
        log_values([value.plain() for value in found.values])
        finish_wandb()
    print(f"written to {target}")
    return result


def _asked_for(overrides: list[str]) -> set[str]:
    """Metrics whose settings were typed."""
    parts = [text.partition("=")[0].split(".") for text in overrides]
    return {part[1] for part in parts if part[0] == "metrics" and len(part) > 1}


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


def check_source(target: Path, about: Config) -> None:
    """Refuse to put what is measured now beside what was measured of other weights."""
    if about and target.is_file():
        earlier = json.loads(target.read_text())
        if earlier.get("weights") != about["weights"]:
            raise UserError(
                f"{target} is about other weights ({earlier.get('source')}): move its folder away, "
                "or give these weights a file name of their own"
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


def print_table(values: list[Value]) -> None:
    """A table of values, their intervals, counts, times, and the weights that measured."""
    table = Table()
    for heading in ("metric", "value", "95 % within", "n", "seconds", "weights"):
        left = heading in ("metric", "weights")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for v in values:
        networks = v.protocol.get("networks", {}).values()
        between = "" if v.low is None or v.high is None else f"{v.low:.4g}..{v.high:.4g}"
        number = "n/a" if v.value is None else f"{v.value:.5g}"
        hashes = " ".join(about["weights"][:8] for about in networks)
        table.add_row(v.name, number, between, str(v.n or ""), f"{v.seconds:.1f}", hashes)
    console = Console()
    console.print(table, width=max(console.width, 100))  # a name cut off is no name
