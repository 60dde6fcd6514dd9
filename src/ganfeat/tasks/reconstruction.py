"""How well an encoder's codes say what is in an image: drawn again, is it the same face?"""

import copy
from collections.abc import Sequence
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
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.value import Value, count_name, mean_value
from ganfeat.ranges import Several
from ganfeat.tasks.pages import sheet
from ganfeat.tasks.task import Task, Trial, check_known, enough

AT_ONCE = 64
SIDE = 64  # px at most, at which all images of a part are held


class Reconstruction(Task):
    """The numbers of `ganfeat.metrics.reconstruction` and, where data know it, those of the face.

    - ``face_mse<n>``: mean squared error over the pixels of the face; ``face_to_constant<n>``: its
      share of what the mean of the images of ``train`` has there; ``face_to_nearest<n>``: of what
      the image of ``train`` has there that is nearest in these pixels. All of images averaged down
      to 64 px where they are larger.
    - ``kept<n>_<judge>``: the judge reads factors from the reconstruction; of those in ``kept`` the
      one that suffers most, as the share of what it reads from the image itself, if anything.
    - ``training_mode<n>``: the error in training mode, where batch norm goes by the batch, over
      that in evaluation mode; n/a without batch norm.

    Args:
        n: images of ``test``.
        train: images of ``train``.
        kept: names of factors.
    """

    draws, judged = True, True

    def __init__(
        self,
        n: Several = 5000,
        train: Several = 10_000,
        kept: Sequence[str] = ("yaw", "roll", "scale", "smile", "skin_tone", "glasses"),
    ) -> None:
        self.n, self.train, self.kept = n, train, list(kept)

    def lacks(self, trial: Trial) -> str:
        """A judge, too."""
        return super().lacks(trial) or ("" if trial.judge else "a judge")

    def check(self, trial: Trial) -> None:
        """Enough images; factors that exist."""
        enough(trial, "test", self.n, self.n, "reconstruction")
        if trial.judge is not None and trial.judge.factors is not None:
            check_known(self.kept, trial.judge.factors.columns, "reconstruction keeps")

    @torch.no_grad()
    def result(self, trial: Trial) -> Result:
        """All of it, and some images above their reconstructions."""
        assert trial.judge is not None
        whole = reconstruction(trial.rebuilt, trial.judge, trial.references, self.n, trial.bar)
        end = count_name(self.n)
        normed = any(isinstance(x, _BatchNorm) for x in trial.rebuilder.modules())
        ratio = self._training_mode(trial) if normed else Value(f"training_mode{end}", None)
        values = [*whole.values, ratio]
        arrays: dict[str, Any] = {}
        facts = trial.references.data.facts().get("extras", ())
        if trial.judge.factors is not None and "factors" in facts:
            face, arrays = self._of_faces(trial)
            values += face
        images = next(trial.references.images(min(self.n, AT_ONCE)))
        rows = {"image": images, "drawn again": trial.rebuilt(images)}
        return Result(values, arrays, {f"reconstruction{end}": sheet(rows)})

    def _training_mode(self, trial: Trial) -> Value:
        """By every process alike: batch norm in training mode waits for all of them."""
        network = copy.deepcopy(trial.rebuilder).train()
        errors = torch.zeros(2, dtype=torch.float64)
        for images in trial.references.images(self.n):
            if len(images) > 1:  # a single image has no variance to go by
                drawn = [each.rebuild(images) for each in (network, trial.rebuilder)]
                both = [(x - images).square().mean(dim=[1, 2, 3]).sum().cpu() for x in drawn]
                errors += torch.stack(both)
        protocol = trial.protocol(real=self.n, batch=AT_ONCE)
        ratio = float(errors[0] / errors[1])
        return Value(f"training_mode{count_name(self.n)}", ratio, n=self.n, protocol=protocol)

    def _of_faces(self, trial: Trial) -> tuple[list[Value], dict[str, Any]]:
        data, reader = trial.references.data, trial.reader
        every = trial.references.images(self.train, "train")
        known = torch.cat([small(images) for images in every]).flatten(1)
        constant, squares = known.mean(dim=0), known.square()
        columns = reader.columns
        rows = Rows(self.n, 3, what="an error").to(trial.references.device)
        tables = Rows(self.n, 3 * len(columns), what="a factor").to(trial.references.device)
        for numbers, batch in trial.batches("test", self.n, ("factors",), "faces"):
            rebuilt = trial.rebuilt(batch["image"])
            images = small(batch["image"])
            mask = data.subject_mask(batch["factors"], images.shape[-1])[:, None]
            inside = mask.expand_as(images).flatten(1).float()
            flat, drawn = images.flatten(1), small(rebuilt).flatten(1)
            distances = (inside * flat.square()).sum(dim=1, keepdim=True)
            distances = distances - 2 * (inside * flat) @ known.T + inside @ squares.T
            count = inside.sum(dim=1)
            rows.update(
                torch.stack(
                    [
                        (inside * (drawn - flat).square()).sum(dim=1) / count,
                        (inside * (constant - flat).square()).sum(dim=1) / count,
                        distances.min(dim=1).values / count,
                    ],
                    dim=1,
                ),
                numbers,
            )
            read = [factors_of(reader, x) for x in (batch["image"], rebuilt)]
            tables.update(torch.cat([*read, batch["factors"]], dim=1), numbers)
        own, of_constant, of_nearest = rows.numpy().T
        before, after, truth = np.split(tables.numpy(), 3, axis=1)
        scores = [factor_scores(said, truth, columns) for said in (before, after)]
        readable = [name for name in self.kept if scores[0][name] > 0]
        share = {name: scores[1][name] / scores[0][name] for name in readable}
        least = min(share.values(), default=None)
        protocol = trial.protocol(real=self.n, train=trial.learnt_from(self.train))
        by_judge = trial.protocol(reader, real=self.n, factors=self.kept)
        end = count_name(self.n)
        values = [
            mean_value(f"face_mse{end}", own, protocol),
            Value(f"face_to_constant{end}", float(own.mean() / of_constant.mean()), n=self.n,
                  protocol=protocol),
            Value(f"face_to_nearest{end}", float(own.mean() / of_nearest.mean()), n=self.n,
                  protocol=protocol),
            Value(f"kept{end}_{reader.name}", least, n=self.n, protocol=by_judge),
        ]  # fmt: skip
        found = {"kept": share, "read_before": scores[0], "read_after": scores[1]}
        return values, {f"{name}{end}": table for name, table in found.items()}


class OwnSamples(Task):
    """``own_face<n>`` and ``own_whole<n>``: R2 of reconstructions of the generator's own samples.

    Over the pixels of the face (where the judge's reading of the sample has it when it is drawn),
    and over all; 1 is perfect, 0 is the mean of all samples.

    Args:
        n: samples.
        seed: of their latents.
    """

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
        for part in torch.split(samples, AT_ONCE):
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
            for where, inside in (("face", mask), ("whole", torch.ones_like(mask)))
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
