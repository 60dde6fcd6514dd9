"""Measures an artefact, whatever it is: a generator, a navigator, or one that looks at images."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ganfeat.backbone import BuiltOn, Generator
from ganfeat.backbone.navigator import Navigator
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.metrics.edited import Edited, OfNavigator
from ganfeat.metrics.evaluation import (
    check,
    evaluate,
    evaluate_navigator,
    evaluate_network,
    joined,
    with_paths,
)
from ganfeat.metrics.measure import OfImages, OfNetwork, Result, Subject
from ganfeat.metrics.progress import progress_bar
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge, Samples
from ganfeat.networks import Network, fresh_copy
from ganfeat.processes import rank, world_size
from ganfeat.tasks.task import Task, perform
from ganfeat.tasks.task import check as check_tasks
from ganfeat.tasks.trial import Trial
from ganfeat.training import machine


class Kind(NamedTuple):
    """A kind of artefact, and what measures it."""

    name: str
    artefact: type[Network]
    measured_by: Any


KINDS = (
    Kind("generators", Generator, OfImages),
    Kind("navigators", Navigator, OfNavigator),
    Kind("networks that look at images", Features, OfNetwork | Task),
)


class Examiner:
    """The judge and the measurements of a config, ready before anything is trained.

    Args:
        judge: what measures generators; None where networks are measured.
        measurements: by name.
        device: where everything runs.
        cache: the folder for reference statistics.
        refresh: compute them anew.

    Attributes:
        used: the files of reference statistics that measurements have used.
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
        self.used: set[Path] = set()

    def check(self, artefact: Network, data: Any, asked: Collection[str] = ()) -> None:
        """Refuse what cannot be measured, as far as that is known before it begins.

        Args:
            artefact: as in `examine`.
            data: the same.
            asked: measurements that were asked for by name: ``n/a`` is no answer to that.

        Raises:
            UserError: a measurement is for another kind of network, or there are too few images for
                it, or of a size that the judge cannot look at.
        """
        this = next(kind for kind in KINDS if isinstance(artefact, kind.artefact))
        for name, measurement in self.measurements.items():
            if not isinstance(measurement, this.measured_by):
                measured = next(kind for kind in KINDS if isinstance(measurement, kind.measured_by))
                raise UserError(
                    f"the metric {name} is for {measured.name}, and this is one of the "
                    f"{this.name}: choose metrics=quick, standard or paper for generators, edits "
                    "for navigators, factors, linear or classes and tasks= for networks that look "
                    "at images"
                )
        if isinstance(artefact, Features):
            self._check_network(artefact, data, asked)
            return
        subject: Subject | Edited
        if isinstance(artefact, Navigator):
            subject = self.edited(artefact, data, "test", "cpu")
        else:
            assert isinstance(artefact, Generator)
            subject = self.subject(artefact, data, "test", "cpu")
        for name in self.measurements.keys() & set(asked):
            if not self.measurements[name].applies(subject.judge):
                needs = self.measurements[name].needs
                raise UserError(f"{name} cannot be measured here: it needs {needs}")
        check(subject, self.measurements)

    def _check_network(self, network: Features, data: Any, asked: Collection[str]) -> None:
        trial = self.trial(network, data, "test", "cpu")
        side = getattr(network, "resolution", data.resolution)
        if side != data.resolution:
            raise UserError(
                f"{network.name} looks at images of {side} px: data.resolution={data.resolution} "
                "does not fit"
            )
        tasks = self._tasks()
        for measurement in self.measurements.values():
            if isinstance(measurement, OfNetwork):
                measurement.check(network, trial.references)
        for name, missing in check_tasks(trial, tasks).items():
            if missing and name in asked:
                raise UserError(f"{name} cannot be done here: it needs {missing}")
            if not missing and tasks[name].needs_generator and isinstance(network, BuiltOn):
                _ = network.generator  # where it cannot be found, that is said now

    def _tasks(self) -> dict[str, Task]:
        return {k: m for k, m in self.measurements.items() if isinstance(m, Task)}

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
        """Measure a network against ``data``, in full precision whatever it is trained in.

        Args:
            artefact: a generator, or a network that looks at images.
            data: the dataset of the run.
            part: of the data, ``test`` or ``val``.
            seed: of a generator's samples.
            psi: their truncation.
            show: a progress bar with the time left.
        """
        artefact = _apart(artefact).to(self.device)
        with machine.full_precision():
            if isinstance(artefact, Features):
                return self._examine_network(self.trial(artefact, data, part, self.device), show)
            if isinstance(artefact, Navigator):
                edited = self.edited(artefact, data, part, self.device, seed, psi)
                return evaluate_navigator(edited, self.measurements, show)
            assert isinstance(artefact, Generator)
            subject = self.subject(artefact, data, part, self.device, seed, psi)
            found = evaluate(subject, self.measurements, show)
            return with_paths(found, subject) if part == "test" else found

    def _examine_network(self, trial: Trial, show: bool) -> Result:
        tasks = self._tasks()
        metrics = {k: m for k, m in self.measurements.items() if k not in tasks}
        results = [evaluate_network(trial.network, trial.references, metrics, show)]
        with progress_bar(show and rank() == 0) as bar:
            results.append(perform(replace(trial, bar=bar), tasks))
        return joined(results)

    def trial(self, network: Features, data: Any, part: str, device: str) -> Trial:
        """A network that looks at images, and what it is tried on."""
        data = data.held_out() if hasattr(data, "held_out") else data
        judge = None if self.judge is None else self.judge.of(data).to(device)
        return Trial(network.to(device), self.references(data, part, device), judge)

    def edited(
        self,
        navigator: Navigator,
        data: Any,
        part: str,
        device: str,
        seed: int = 0,
        psi: float = 1.0,
    ) -> Edited:
        """A navigator, and all that measures it."""
        generator = navigator.to(device).generator
        return Edited(navigator, self.subject(generator, data, part, device, seed, psi))

    def subject(
        self,
        generator: Generator,
        data: Any,
        part: str,
        device: str,
        seed: int = 0,
        psi: float = 1.0,
    ) -> Subject:
        """What is measured, and all that measures it."""
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
        judge = self.judge.of(data).to(device)
        return Subject(samples, judge, references, rank(), world_size())

    def references(self, data: Any, part: str, device: str) -> References:
        """The real images."""
        return References(
            data,
            part,
            cache=self.cache,
            refresh=self.refresh,
            device=device,
            rank=rank(),
            ranks=world_size(),
            used=self.used,
        )


def _apart(artefact: Network) -> Network:
    """A copy to measure, with a copy of the generator that it draws with."""
    found = fresh_copy(artefact)
    if isinstance(artefact, BuiltOn) and isinstance(found, BuiltOn) and artefact.taught_by:
        found.attach(fresh_copy(artefact.generator))
    return found
