"""What each pixel belongs to, learnt from very few annotated images."""

import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from ganfeat.features import Features
from ganfeat.features.network import stacked
from ganfeat.metrics.measure import Result
from ganfeat.metrics.value import Value
from ganfeat.pages import SHOWN, sheet
from ganfeat.ranges import Count, Items
from ganfeat.tasks.linear import Array
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial

STRENGTHS = (1e-3, 1e-1)  # of the penalty, of which val chooses
AT_ONCE = 50  # images
WORK = 20_000  # steps of the solver, times columns
STEPS = 60  # at least
PAINT = 0.65  # of a mask over an image
Columns = Callable[[Tensor], Tensor]  # images to [N,C,R,R]
Masks = NDArray[np.int64]


class Segmentation(Task):
    """``segmentation<shots>``: mean IoU of a linear classifier of single pixels.

    It reads the encoder's hyper-columns, which for GH-Feat are the maps of the generator while it
    draws the image again (the paper's spatial expansion, as far as it is known: methods/ghfeat.md,
    section 4), and learns from ``shots`` images of ``train``; which of two penalties it takes
    is chosen on ``val``, whose annotations help all ways alike. IoU is the mean over the classes
    that ``test`` has, the number the mean over ``repeats`` choices of images. The arrays have the
    same from colour and position alone, with their products (``pixels``), and from the encoder's
    own maps (``maps``): each choice, and their means in ``segmentation_<way>``. Where columns are
    many the solver is stopped early; ``segmentation_steps`` has how many steps it took. Every
    process does all of it.

    Args:
        shots: how many annotated images.
        repeats: how often others are chosen.
        n: images of ``test``.
        val: images of ``val``.
    """

    better = {"segmentation": "higher"}
    extras, per_pixel = ("mask",), True

    def __init__(
        self,
        shots: Annotated[Sequence[Count], Items(1)] = (1, 5, 10),
        repeats: Count = 5,
        n: Count = 200,
        val: Count = 50,
    ) -> None:
        self.shots, self.repeats, self.n, self.val = list(shots), repeats, n, val

    def lacks(self, trial: Trial) -> str:
        """Something that is said of places."""
        return super().lacks(trial) or ("" if trial.network.has_maps else "an encoder with maps")

    def check(self, trial: Trial) -> None:
        """There must be other images for every choice."""
        counts = {"train": self.repeats * max(self.shots), "val": self.val, "test": self.n}
        for part, n in counts.items():
            trial.enough(part, n, n)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """A number per number of shots; the first images with what they were told to be."""
        network = trial.network
        ways: dict[str, Columns] = {"features": network.per_pixel, "pixels": with_places}
        if own := type(network).per_pixel is not Features.per_pixel:
            ways["maps"] = lambda images: stacked(network.taps(images), images.shape[-1])
        most = max(self.shots) * self.repeats
        parts = {
            part: self._annotated(trial, part, count)
            for part, count in (("train", most), ("val", self.val), ("test", self.n))
        }
        classes = int(max(masks.max() for _, masks in parts.values())) + 1
        found: dict[str, dict[str, list[float]]] = {}
        steps: dict[str, dict[str, int]] = {}
        shown: dict[str, Tensor] = {}
        advance = trial.bar("segmentation", len(ways) * len(self.shots) * self.repeats)
        for way, columns in ways.items():
            said = {part: flat(columns, images) for part, (images, _) in parts.items()}
            found[way], steps[way] = {}, {}
            for shots in self.shots:
                scores, taken = [], []
                for repeat in range(self.repeats):
                    chosen = slice(repeat * shots, (repeat + 1) * shots)
                    predicted, spent = self._learnt(said, parts, chosen, classes)
                    taken.append(spent)
                    scores.append(mean_iou(predicted, parts["test"][1], classes))
                    advance(1)
                found[way][str(shots)], steps[way][str(shots)] = scores, max(taken)
                if way == "features":
                    shown[f"{shots} annotated"] = over(parts["test"][0], predicted, classes)
        protocol = trial.protocol(
            real=self.n, chosen_on=self.val, repeats=self.repeats, classes=classes,
            penalties=STRENGTHS,
        )  # fmt: skip
        if not own:  # its columns are its maps
            found["maps"], steps["maps"] = found["features"], steps["features"]
        values = []
        for shots in self.shots:
            mean = float(np.mean(found["features"][str(shots)]))
            values.append(Value(f"segmentation{shots}", mean, n=self.n, protocol=protocol))
        images, masks = parts["test"]
        rows = {"image": images, "truth": over(images, masks, classes), **shown}
        arrays: dict[str, Any] = {"segmentation": found, "segmentation_steps": steps} | {
            f"segmentation_{way}": {shots: float(np.mean(scores)) for shots, scores in of.items()}
            for way, of in found.items()
        }
        return Result(values, arrays, {"segmentation": sheet(rows)})

    def _annotated(self, trial: Trial, part: str, n: int) -> tuple[Tensor, Masks]:
        data = trial.references.real(n, self.extras, part)
        batch = data.__getitems__(list(range(n)))
        return batch["image"].to(trial.references.device), np.asarray(batch["mask"].cpu(), np.int64)

    def _learnt(
        self,
        said: dict[str, Array],
        parts: dict[str, tuple[Tensor, Masks]],
        chosen: slice,
        classes: int,
    ) -> tuple[Masks, int]:
        """What a classifier of the chosen images says of those of ``test``, and its steps."""
        known, truth = said["train"][chosen], parts["train"][1][chosen]
        width = known.shape[-1]
        mean, deviation = known.mean(axis=(0, 1)), known.std(axis=(0, 1)) + 1e-6
        rows = ((known - mean) / deviation).reshape(-1, width)
        most = max(STEPS, WORK // width)
        best: tuple[float, Any] = (-1.0, None)
        for strength in STRENGTHS:
            reader = LogisticRegression(C=1 / (strength * len(rows)), max_iter=most)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the arrays say it
                reader.fit(rows, truth.reshape(-1))
            on_val = told(reader, said["val"], mean, deviation)
            score = mean_iou(on_val, parts["val"][1], classes)
            best = max(best, (score, reader), key=lambda pair: pair[0])
        return told(best[1], said["test"], mean, deviation), int(best[1].n_iter_.max())


def told(reader: Any, said: Array, mean: Array, deviation: Array) -> Masks:
    """The class of every pixel, [N,R,R], of hyper-columns [N,R*R,C]."""
    side = round(said.shape[1] ** 0.5)
    slopes = (reader.coef_ / deviation).T.astype(said.dtype)  # as if they had been standardised
    offset = reader.intercept_ - (mean / deviation) @ reader.coef_.T
    found = []
    for one in said:
        scores = one @ slopes + offset
        if scores.shape[1] == 1:  # of two classes there is one number, of the second
            scores = np.concatenate([-scores, scores], axis=1)
        found.append(reader.classes_[scores.argmax(axis=1)].reshape(side, side))
    return np.stack(found)


def flat(columns: Columns, images: Tensor) -> Array:
    """Hyper-columns [N,R*R,C] in single precision."""
    parts = [columns(some).flatten(2).mT.float().cpu() for some in torch.split(images, AT_ONCE)]
    return np.asarray(torch.cat(parts))


def with_places(images: Tensor) -> Tensor:
    """Colour and position, with their squares and products: [N,20,R,R]."""
    side = images.shape[-1]
    at = torch.linspace(-1, 1, side, device=images.device)
    y, x = torch.meshgrid(at, at, indexing="ij")
    places = torch.stack([x, y]).expand(len(images), -1, -1, -1)
    plain = torch.cat([images, places], dim=1)
    i, j = torch.triu_indices(5, 5)
    return torch.cat([plain, plain[:, i] * plain[:, j]], dim=1)


def mean_iou(said: Masks, truth: Masks, classes: int) -> float:
    """Mean over the classes of the truth of intersection over union, over all pixels."""
    table = np.bincount(truth.reshape(-1) * classes + said.reshape(-1), minlength=classes**2)
    table = table[: classes**2].reshape(classes, classes)
    hit = np.diag(table)
    union = table.sum(axis=0) + table.sum(axis=1) - hit
    there = table.sum(axis=1) > 0
    return float((hit[there] / union[there]).mean())


def over(images: Tensor, masks: Masks, classes: int) -> Tensor:
    """The first images with their masks over them."""
    return images[:SHOWN].cpu().lerp(painted(masks[:SHOWN], classes), PAINT)


def painted(masks: Masks, classes: int) -> Tensor:
    """Masks [N,R,R] in as many colours: [N,3,R,R] in [-1,1]."""
    hue = torch.arange(classes) * 0.618 % 1  # golden: neighbours differ
    wheel = (torch.stack([hue, hue + 1 / 3, hue + 2 / 3]) % 1 * 6 - 3).abs() - 1
    inks = wheel.clamp(0, 1).mT * 2 - 1
    inks[0] = -0.9
    return inks[torch.from_numpy(masks)].permute(0, 3, 1, 2)
