"""How well an encoder's codes say what is in an image: drawn again, is it the same face?"""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganfeat.features.network import area
from ganfeat.metrics.measure import Result
from ganfeat.metrics.reading import factor_scores
from ganfeat.metrics.reconstruction import reconstruction
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.reference import BATCH
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name, mean_value, not_applicable, ratio_value
from ganfeat.pages import sheet, sheets
from ganfeat.ranges import Names, Several
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Array, Batch, Trial, check_known

SIDE = 64  # px at most, at which all images of a part are held


class Reconstruction(Task):
    """The numbers of `ganfeat.metrics.reconstruction` and, where data know it, those of the face.

    - ``face_mse<n>``: mean squared error over the pixels of the face; ``face_to_constant<n>``: its
      share of what the mean of the faces of ``train`` has there; ``face_to_nearest<n>``: of what
      the image of ``train`` has there that is nearest in these pixels. All of images averaged down
      to 64 px where they are larger. Of rooms it is ``room_mse<n>`` and so on, over all pixels.
    - ``kept<n>_<judge>``: the judge reads factors from the reconstruction; of those that are to be
      kept the one that suffers most, as the share of what it reads from the image itself, if
      anything.
    - ``training_mode<n>``: the error in training mode, where batch norm goes by the batch, over
      that in evaluation mode; n/a without batch norm.

    Args:
        n: images of ``test``.
        train: images of ``train``.
        kept: names of factors; None for those that the data name.
    """

    better = {
        "mse": "lower",
        "psnr": "higher",
        "ssim": "higher",
        "distance": "lower",
        "rfid": "lower",
        "kept": "higher",
        "face": "lower",
        "room": "lower",
        "training_mode": None,
    }
    draws, judged, unseen = True, True, True

    def __init__(
        self,
        n: Several = 5000,
        train: Several = 50_000,
        kept: Names | None = None,
    ) -> None:
        self.n, self.train, self.kept = n, train, kept

    def check(self, trial: Trial) -> None:
        """Enough images; factors that exist."""
        trial.enough("test", self.n, self.n)
        if trial.judge is not None and trial.judge.factors is not None:
            check_known(self._kept(trial), trial.judge.factors.columns, "reconstruction keeps")

    def _kept(self, trial: Trial) -> list[str]:
        return trial.asked("kept", self.kept)

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """All of it, and some images above their reconstructions."""
        assert trial.judge is not None
        facts = trial.references.data.facts().get("extras", ())
        reads = trial.judge.factors is not None and "factors" in facts
        faces = OfFaces(trial, self.n) if reads else None
        shown: dict[str, Tensor] = {}

        def watch(numbers: Tensor, batch: Batch, rebuilt: Tensor) -> None:
            if not shown:
                shown.update({"image": batch["image"], "drawn again": rebuilt})
            if faces is not None:
                faces.update(numbers, batch, rebuilt)

        whole = reconstruction(
            trial.rebuilt, trial.judge, trial.references, self.n, trial.bar,
            ("factors",) if reads else (), watch,
        )  # fmt: skip
        end = count_name(self.n)
        values = [*whole.values, self._training_mode(trial, whole.values[0])]
        arrays: dict[str, Any] = {}
        if faces is not None:
            found, arrays = self._of_faces(trial, faces)
            values += found
        return Result(values, arrays, sheets(f"reconstruction{end}", shown))

    def _training_mode(self, trial: Trial, mse: Value) -> Value:
        """By every process alike: batch norm in training mode waits for all of them."""
        name = f"training_mode{count_name(self.n)}"
        if not any(isinstance(module, _BatchNorm) for module in trial.rebuilder.modules()):
            return not_applicable(name, "an encoder with batch norm")
        network = copy.deepcopy(trial.rebuilder).train()
        total, count = 0.0, 0
        for images in trial.references.images(self.n):
            if len(images) > 1:  # a single image has no variance to go by
                drawn = network.rebuild(images).clamp(-1, 1)
                total += float((drawn - images).square().mean(dim=[1, 2, 3]).double().sum())
                count += len(images)
        assert mse.value is not None
        protocol = trial.protocol(real=self.n, batch=BATCH)
        return Value(name, total / count / mse.value, n=self.n, protocol=protocol)

    def _of_faces(self, trial: Trial, faces: "OfFaces") -> tuple[list[Value], dict[str, Any]]:
        subject = trial.references.data.facts()["subject"]
        own, of_constant, of_nearest = faces.errors(self.train)
        scores = faces.read()
        kept = self._kept(trial)
        readable = [name for name in kept if scores[0][name] > 0]
        share = {name: scores[1][name] / scores[0][name] for name in readable}
        least = min(share.values(), default=None)
        protocol = trial.protocol(real=self.n, train=trial.learnt_from(self.train))
        by_judge = trial.protocol(trial.reader, real=self.n, factors=kept)
        end = count_name(self.n)
        values = [
            mean_value(f"{subject}_mse{end}", own, protocol),
            ratio_value(f"{subject}_to_constant{end}", own, of_constant, protocol),
            ratio_value(f"{subject}_to_nearest{end}", own, of_nearest, protocol),
            Value(f"kept{end}_{trial.reader.name}", least, n=self.n, protocol=by_judge),
        ]  # fmt: skip
        found = {"kept": share, "read_before": scores[0], "read_after": scores[1]}
        return values, {f"{name}{end}": table for name, table in found.items()}


class OfFaces:
    """What is lost of the faces of ``n`` images when they are rebuilt.

    Args:
        trial: whose images they are.
        n: how many, over all processes.
    """

    def __init__(self, trial: Trial, n: int) -> None:
        self.trial, self.n = trial, n
        self.tables = Rows(n, 3 * len(trial.reader.columns), what="a factor")
        self.tables.to(trial.references.device)
        self.numbers: list[Tensor] = []
        self.images: list[Tensor] = []  # [n,3,r,r] of this process, at most 64 px
        self.masks: list[Tensor] = []  # [n,1,r,r]
        self.own: list[Tensor] = []  # errors [n]

    def update(self, numbers: Tensor, batch: Batch, rebuilt: Tensor) -> None:
        """Some images, and what was made of them."""
        read = [factors_of(self.trial.reader, x) for x in (batch["image"], rebuilt)]
        self.tables.update(torch.cat([*read, batch["factors"]], dim=1), numbers)
        images = small(batch["image"])
        mask = self._mask(batch, images)
        error = (mask * (small(rebuilt) - images).square()).sum(dim=[1, 2, 3])
        for kept, now in ((self.numbers, numbers), (self.images, images), (self.masks, mask),
                          (self.own, error)):  # fmt: skip
            kept.append(now)

    def _mask(self, batch: Batch, images: Tensor) -> Tensor:
        data = self.trial.references.data
        mask: Tensor = data.subject_mask(batch["factors"], images.shape[-1])
        return mask[:, None].float()

    def errors(self, train: int) -> tuple[Array, Array, Array]:
        """Mean squared errors inside the face, [n] each, of three things.

        What was rebuilt; the mean of the faces of ``train`` images; that one of these which is
        nearest there.
        """
        rows = Rows(self.n, 3, what="an error").to(self.trial.references.device)
        if self.images:  # one of many processes may have none
            rows.update(self._compared(train), torch.cat(self.numbers))
        own, of_constant, of_nearest = rows.numpy().T
        return own, of_constant, of_nearest

    def _compared(self, train: int) -> Tensor:
        """The same of this process's images, [n,3]."""
        images, mask = torch.cat(self.images), torch.cat(self.masks)
        inside, masked = mask.flatten(1), (mask * images).flatten(1)
        own_squares = (mask * images.square()).sum(dim=[1, 2, 3])
        total, count = torch.zeros_like(images[0]), torch.zeros_like(mask[0])
        nearest = torch.full_like(own_squares, torch.inf)
        advance = self.trial.bar("nearest faces", train)
        for batch in self.trial.references.every(train, ("factors",), "train"):
            known = small(batch["image"])
            where = self._mask(batch, known)
            total += (where * known).sum(dim=0)
            count += where.sum(dim=0)
            squares = inside @ known.square().sum(dim=1).flatten(1).T
            distances = squares.sub_(masked @ known.flatten(1).T, alpha=2)
            nearest = torch.minimum(nearest, distances.min(dim=1).values)
            advance(len(known))
        constant = total / count.clamp(min=1)
        of_constant = (mask * (images - constant).square()).sum(dim=[1, 2, 3])
        errors = torch.stack([torch.cat(self.own), of_constant, own_squares + nearest], dim=1)
        return errors / (3 * inside.sum(dim=1, keepdim=True))

    def read(self) -> list[dict[str, float]]:
        """How well the judge reads each factor, before and after."""
        before, after, truth = np.split(self.tables.numpy(), 3, axis=1)
        return [factor_scores(said, truth, self.trial.reader.columns) for said in (before, after)]


class OwnSamples(Task):
    """``own_face<n>`` and ``own_whole<n>``: R2 of reconstructions of the generator's own samples.

    Over the pixels of the face (where the judge's reading of the sample has it when it is drawn),
    and over all; 1 is perfect, 0 is the mean of all samples. Of rooms the first is ``own_room<n>``
    and says the same as the second.

    Args:
        n: samples.
        seed: of their latents.
    """

    better = {"own": "higher"}
    draws, reads = True, True

    def __init__(self, n: Several = 2000, seed: int = 1) -> None:
        self.n, self.seed = n, seed

    def lacks(self, trial: Trial) -> str:
        """A generator."""
        missing = super().lacks(trial)
        if not missing and not trial.rebuilder.taught_by:
            return "an encoder that a generator taught"
        return missing

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """Two numbers and a picture. Every process does all of it."""
        data, samples = trial.references.data, trial.rebuilder.samples(self.n, self.seed)
        samples = samples.clamp(-1, 1)
        advance = trial.bar("own samples", self.n)
        rebuilt, masks = [], []
        for part in torch.split(samples, BATCH):
            rebuilt.append(trial.rebuilt(part))
            table = factors_of(trial.reader, part)
            masks.append(data.subject_mask(table, part.shape[-1]))
            advance(len(part))
        drawn, mask = torch.cat(rebuilt), torch.cat(masks)[:, None].float()
        protocol = trial.protocol(
            trial.reader, samples=self.n, seed=self.seed, generator=trial.rebuilder.taught_by
        )
        values = [
            Value(f"own_{where}{count_name(self.n)}", explained(samples, drawn, inside), n=self.n,
                  protocol=protocol)
            for where, inside in ((data.facts()["subject"], mask), ("whole", torch.ones_like(mask)))
        ]  # fmt: skip
        rows = {"sample": samples, "drawn again": drawn}
        return Result(values, {}, {"own_samples": sheet(rows)})


def small(images: Tensor) -> Tensor:
    """Images of 64 px at most."""
    return area(images, min(images.shape[-1], SIDE), "a reconstruction")


def explained(images: Tensor, rebuilt: Tensor, inside: Tensor) -> float:
    """R2 over the pixels that ``inside`` [N,1,R,R] marks."""
    count = inside.sum(dim=0).clamp(min=1)
    mean = (inside * images).sum(dim=0) / count
    error = (inside * (rebuilt - images).square()).sum()
    return float(1 - error / (inside * (images - mean).square()).sum())
