"""Several measurements of one generator, in as few passes over images as they need."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ganfeat.backbone.navigator import Navigator
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.metrics.edited import Edited, OfEnds, OfNavigator, pass_over_ends
from ganfeat.metrics.measure import (
    Measurement,
    OfGenerator,
    OfImages,
    OfNetwork,
    OfSamples,
    Result,
    Subject,
)
from ganfeat.metrics.progress import Bar, progress_bar, silent
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Looks
from ganfeat.metrics.value import direction, not_applicable
from ganfeat.pages import paths, traversals

FRAMES = 7  # images along an edit
PATHS, STEPS = 5, 11  # between random ends, and images along one
STRIPS = "strips"  # the array that says which pictures play

log = logging.getLogger(__name__)


def check(subject: Subject | Edited, measurements: Mapping[str, Any]) -> None:
    """Refuse what is known to be impossible before anything is computed.

    Raises:
        UserError: too few images, a size that the judge cannot look at, an unknown attribute.
    """
    for measurement in measurements.values():
        if measurement.applies(subject.judge):
            measurement.check(subject)


def evaluate(subject: Subject, measurements: Mapping[str, OfImages], show: bool = True) -> Result:
    """Measure a generator.

    Args:
        subject: the generator, the judge and the real images.
        measurements: by name. What the judge cannot do gives ``n/a``.
        show: a progress bar with the time left.

    Returns:
        All values in the order of ``measurements``, and all arrays.

    Raises:
        UserError: too few images for a protocol, or numbers that are not finite.
    """
    check(subject, measurements)
    possible = {k: m for k, m in measurements.items() if m.applies(subject.judge)}
    of_samples = {k: m for k, m in possible.items() if isinstance(m, OfSamples)}
    results = {
        k: Result([not_applicable(k, m.needs)])
        for k, m in measurements.items()
        if k not in possible
    }
    with progress_bar(show and subject.rank == 0) as bar:
        subject = replace(subject, bar=bar)
        if of_samples:
            results |= _over_samples(subject, of_samples, bar)
        for key, measurement in possible.items():
            if isinstance(measurement, OfGenerator):
                began = time.perf_counter()
                own = measurement.images() // subject.ranks
                advance = bar(key, own) if own else silent(key, own)
                results[key] = timed(measurement, measurement.result(subject, advance), began)
    return joined([results[key] for key in measurements])


def evaluate_network(
    network: Features,
    references: References,
    measurements: Mapping[str, OfNetwork],
    show: bool = True,
) -> Result:
    """Measure a network that looks at images, as `evaluate` does a generator."""
    for measurement in measurements.values():
        measurement.check(network, references)
    results = []
    with progress_bar(show and references.rank == 0) as bar:
        for measurement in measurements.values():
            began = time.perf_counter()
            results.append(timed(measurement, measurement.result(network, references, bar), began))
    return joined(results)


def evaluate_navigator(
    edited: Edited, measurements: Mapping[str, OfNavigator], show: bool = True
) -> Result:
    """Measure a navigator, as `evaluate` does a generator.

    Raises:
        UserError: as there, or it is not fitted yet.
    """
    check(edited, measurements)
    edited.navigator.check_fitted(edited.start(0, range(1)))
    results = []
    with progress_bar(show and edited.subject.rank == 0) as bar:
        edited = replace(edited, bar=bar)
        possible = {k: m for k, m in measurements.items() if m.applies(edited.judge)}
        of_ends = [m for m in possible.values() if isinstance(m, OfEnds)]
        began = time.perf_counter()
        if of_ends:
            pass_over_ends(edited, of_ends)
        share = (time.perf_counter() - began) / max(len(of_ends), 1)
        for name, measurement in measurements.items():
            if name not in possible:
                results.append(Result([not_applicable(name, measurement.needs)]))
                continue
            began = time.perf_counter() - (share if measurement in of_ends else 0)
            results.append(timed(measurement, measurement.result(edited), began))
    found = joined(results)
    steps, changes, reached = edited.calibration
    for k in (~reached).nonzero().flatten().tolist():
        log.warning(
            "edit %s changes images by %.3g at most, not by %.3g: it is measured there",
            edited.navigator.labels[k], changes[k], edited.change,
        )  # fmt: skip
    arrays = {
        "edit_steps": steps.tolist(), "edit_changes": changes.tolist(),
        "edit_reached": reached.tolist(),
        STRIPS: {"traversals": {"rows": edited.count, "frames": FRAMES}},
    }  # fmt: skip
    pictures = {"traversals": traversal_sheet(edited, found.arrays.get("edit_names", []))}
    return found._replace(
        arrays={**found.arrays, **arrays}, pictures={**found.pictures, **pictures}
    )


def with_paths(found: Result, subject: Subject) -> Result:
    """A result with the first paths that ALS is measured on as a picture."""
    picture = paths(subject.samples.paths(PATHS, STEPS))
    arrays = {**found.arrays, STRIPS: {"paths": {"rows": PATHS, "frames": STEPS}}}
    return found._replace(arrays=arrays, pictures={**found.pictures, "paths": picture})


def traversal_sheet(edited: Edited, about: Sequence[Mapping[str, Any]]) -> Tensor:
    """The first sample along every edit, from one end to the other."""
    navigator, part = edited.navigator, range(1)
    ws = edited.start(0, part)
    ways = navigator.along(ws, edited.calibration.steps, FRAMES)
    images = edited.images(ways.flatten(1, 2), 0, part)[0]
    strips = images.view(edited.count, FRAMES, *images.shape[1:])
    return traversals(strips, navigator.shares(ws), labelled(navigator, about))


def labelled(navigator: Navigator, about: Sequence[Mapping[str, Any]]) -> list[str]:
    """What edits are called, with what each does where ``about`` (``edit_names``) tells it."""
    names = [named_edit(one) for one in about] or [""] * len(navigator.labels)
    both = zip(navigator.labels, names, strict=True)
    return [f"{label} {name}".rstrip() for label, name in both]


def named_edit(about: Mapping[str, Any]) -> str:
    """Such as ``+smile 40 %``: what an edit does most, and how much of all that it does."""
    sign = "+" if about["sign"] > 0 else "-"
    return f"{sign}{about['attribute']} {about['purity']:.0%}"


def joined(ordered: Sequence[Result]) -> Result:
    """All values, arrays and pictures of results as one."""
    arrays: dict[str, Any] = {}
    pictures: dict[str, Tensor] = {}
    for result in ordered:
        arrays |= result.arrays
        pictures |= result.pictures
    return Result([value for result in ordered for value in result.values], arrays, pictures)


@torch.no_grad()
def _over_samples(
    subject: Subject, measurements: Mapping[str, OfSamples], bar: Bar
) -> dict[str, Result]:
    """One pass over the samples for all of them; its time is shared out evenly."""
    most = max(m.n for m in measurements.values())
    advance = bar("samples", most // subject.ranks)
    began = time.perf_counter()
    for measurement in measurements.values():
        measurement.start(subject)
    for images, numbers in subject.samples.images(most, subject.rank, subject.ranks):
        looks = Looks(images, numbers, subject.judge)
        for measurement in measurements.values():
            inside = int((numbers < measurement.n).sum())
            if inside == len(numbers):
                measurement.look(looks)
            elif inside > 0:
                measurement.look(Looks(images[:inside], numbers[:inside], subject.judge))
        advance(len(images))
    share = (time.perf_counter() - began) / len(measurements)
    found = {}
    for key, measurement in measurements.items():
        began = time.perf_counter() - share
        found[key] = timed(measurement, measurement.result(subject), began)
    return found


def timed(measurement: Measurement, result: Result, began: float) -> Result:
    """A result with the seconds since ``began``, and with what is better of its values.

    Raises:
        UserError: a number in it is not finite.
    """
    seconds = round(time.perf_counter() - began, 2)
    for value in result.values:
        if value.value is not None and not math.isfinite(value.value):
            raise UserError(f"{value.name} came out as {value.value}: nothing is recorded")
    values = [
        replace(value, seconds=seconds, better=direction(value.name, measurement.better))
        for value in result.values
    ]
    return result._replace(values=values)
