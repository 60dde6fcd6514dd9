"""What measures an artefact: the judge of its data, and the measurements that a config lists."""

import json
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.table import Table

from ganfeat.build import build
from ganfeat.errors import UserError
from ganfeat.examiner import Examiner
from ganfeat.features import AttributeScorer, Features
from ganfeat.files import expanded
from ganfeat.metrics.measure import OfNetwork
from ganfeat.metrics.subject import Judge
from ganfeat.metrics.value import Value
from ganfeat.networks import Network, weights_of
from ganfeat.tasks.task import Task
from ganfeat.training.setup import Exam, Exams, Found

Config = dict[str, Any]


def build_all(nodes: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Measurements from their nodes in a group; those that are null are left out.

    Raises:
        UserError: one is something else.
    """
    for name, node in nodes.items():
        if node is not None and not (isinstance(node, Mapping) and "_target_" in node):
            raise UserError(
                f"{group}.{name} is {node}: it must be null, which leaves it out, or keep its "
                f"settings, such as {group}.{name}.n=1000"
            )
    return {name: build(node) for name, node in nodes.items() if node is not None}


def all_measurements(metrics: Mapping[str, Any], tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Measurements and tasks from their nodes.

    Raises:
        UserError: one has the name of another.
    """
    found, more = build_all(metrics, "metrics"), build_all(tasks, "tasks")
    if twice := found.keys() & more.keys():
        raise UserError(f"{min(twice)} is a metric and a task: leave one of them out")
    return {**found, **more}


def _takes_judge(measurement: Any) -> bool:
    if isinstance(measurement, Task):
        return measurement.reads or measurement.judged
    return not isinstance(measurement, OfNetwork)


def make_judge(nodes: Mapping[str, Any], measurements: Mapping[str, Any]) -> Judge | None:
    """The networks of a judge, None where none of the measurements needs them.

    Parts that are the same network share it.

    Raises:
        UserError: the weights of a network are missing, or it cannot do its part.
    """
    if not any(_takes_judge(measurement) for measurement in measurements.values()):
        return None
    built: dict[str, Features | None] = {}
    for part, node in nodes.items():
        key = json.dumps(node, sort_keys=True)
        if key not in built:
            try:
                built[key] = build(node) if node else None
            except UserError as error:
                raise UserError(
                    f"judge.{part}: {error}; judge=NAME measures with other networks"
                ) from error
    found: Any = {part: built[json.dumps(node, sort_keys=True)] for part, node in nodes.items()}
    for part in ("embedding", "perceptual"):
        if found.get(part) is None:
            raise UserError(f"judge.{part} is none: generators cannot be measured without it")
    scorer = found.get("attributes")
    if scorer is not None and not isinstance(scorer, AttributeScorer):
        raise UserError(
            f"{scorer.name} scores no attributes: features@judge.attributes=none goes without"
        )
    return Judge(**found)


OTHERS = {"embedding": "dino_vits16", "perceptual": "lpips_alexnet", "attributes": "attributes"}


def check_apart(judge: Judge, frozen: Mapping[str, Collection[str]]) -> None:
    """Refuse a judge that shares weights with a network that a method looks with.

    Args:
        judge: what measures.
        frozen: `weights_of` those networks, by name.

    Raises:
        UserError: says which part of it.
    """
    for part in ("embedding", "perceptual", "attributes"):
        network = getattr(judge, part)
        for name, weights in frozen.items():
            if network is not None and not weights_of(network).isdisjoint(weights):
                raise UserError(
                    f"{name} shares weights with the judge's {network.name}, and what trains must "
                    f"not measure: choose another {name}=, or another judge, such as "
                    f"features@judge.{part}={OTHERS[part]}"
                )


def asked_for(overrides: Collection[str], group: str) -> set[str]:
    """Measurements of ``metrics`` (or tasks) or ``monitor`` whose settings were typed."""
    parts = [text.partition("=")[0].split(".") for text in overrides]
    groups = ("metrics", "tasks") if group == "metrics" else (group,)
    return {part[1] for part in parts if part[0] in groups and len(part) > 1}


def exams(
    config: Config,
    overrides: Collection[str],
    device: str,
    artefact: Network,
    data: Any,
    frozen: Mapping[str, Network] = MappingProxyType({}),
) -> Exams:
    """What measures a training run with this config: while it goes on, and at its end.

    ``frozen`` are the networks that the method looks with.

    Raises:
        UserError: the judge is not there, it is a network that trains, or something cannot be
            measured.
    """
    cache = expanded(config["paths"]["outputs"]) / "cache"
    watched, reported = (
        build_all(config["monitor"], "monitor"),
        all_measurements(config["metrics"], config["tasks"]),
    )
    try:
        judge = make_judge(config["judge"], {**watched, **reported})
    except UserError as error:
        raise UserError(
            f"{error}; metrics=none metrics@monitor=none trains without measuring"
        ) from error

    if judge is not None:
        check_apart(judge, {name: weights_of(network) for name, network in frozen.items()})

    def exam(measurements: dict[str, Any], group: str, part: str, show: bool) -> Exam | None:
        if not measurements:
            return None
        ready = Examiner(judge, measurements, device, cache)
        ready.check(artefact, data, asked_for(overrides, group))

        def measure(trained: Any, data: Any) -> Found:
            found = ready.examine(trained, data, part=part, show=show)
            if show:
                print_table(found.values)
            values = [value.plain() for value in found.values]
            return Found(values, dict(found.arrays), dict(found.pictures), sorted(ready.used))

        return measure

    return Exams(exam(watched, "monitor", "val", False), exam(reported, "metrics", "test", True))


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
    console = Console(width=max(Console().width, 100))  # a name cut off is no name
    console.print(table)
    for v in values:
        if v.value is None and "needs" in v.protocol:
            console.print(f"{v.name}: n/a, it needs {v.protocol['needs']}", style="dim")
