"""Whether edits do to real images what they do to generated ones."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.backbone.inversion import invert
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edited import Edited, OfAttributes
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.shift import NOISE, Bools, Places, largest
from ganfeat.metrics.subject import BLOCK
from ganfeat.metrics.value import count_name, mean_value, not_applicable
from ganfeat.networks import weights_of
from ganfeat.pages import sheet
from ganfeat.ranges import Count, Several

Array = NDArray[np.float64]

BACKWARD = 8  # times as much memory as drawing takes


class RealEdits(OfAttributes):
    """Images of the data are inverted in W+ (`ganfeat.backbone.inversion`) and edited.

    - ``inverted_psnr<n>``: in dB, over the pixels of the face where the data know them, else over
      all. ``inverted_gain<n>``: how much more that is than with the image of the mean latent.
    - ``real_agree<n>_<judge>``: the share of images in which an edit moves the attribute that it
      moves most in generated images, to the same side. The mean over edits that move it there by
      more than three standard errors. The arrays have every edit (``real_agree``).

    Args:
        looks: a network of which perceptual distances are made while latents are sought.
        n: real images, and samples.
        steps: of the inversion.
    """

    better = {"inverted": "higher", "real_agree": "higher"}

    def __init__(self, looks: Features, n: Several = 48, steps: Count = 500) -> None:
        self.looks, self.n, self.steps = looks, n, steps

    def check(self, edited: Edited) -> None:
        """Refuse to be judged by the network that sought the latents."""
        judge = edited.judge
        for part in (judge.embedding, judge.perceptual, judge.attributes):
            if part is not None and weights_of(part) & weights_of(self.looks):
                raise UserError(
                    f"metrics.real.looks shares weights with the judge's {part.name}, and what "
                    "seeks latents must not measure them: choose another network"
                )
        there = len(edited.subject.references.real(self.n))
        if there < self.n:
            raise UserError(f"metrics.real.n={self.n}: there are {there} images; choose no more")

    @torch.no_grad()
    def result(self, edited: Edited) -> Result:
        """Three numbers, and a picture."""
        scorer = edited.judge.attributes
        assert scorer is not None
        reads = Attributes(scorer)
        table, pictures = self._of_real(edited, reads)
        errors, moves = table[:, :2], table[:, 2:].reshape(self.n, edited.count, -1)
        agree, counts, most = agreement(*self._of_samples(edited, reads), moves)
        psnr, of_mean = (10 * np.log10(4 / error.clip(min=1e-12)) for error in errors.T)
        protocol = edited.protocol(
            scorer, self.looks, samples=self.n, real=self.n, steps=self.steps, noise_floor=NOISE
        )
        end = count_name(self.n)
        name = f"real_agree{end}_{scorer.name}"
        values = [
            mean_value(f"inverted_psnr{end}", psnr, protocol),
            mean_value(f"inverted_gain{end}", psnr - of_mean, protocol),
            mean_value(name, agree[:, counts].mean(axis=1), protocol)
            if counts.any()
            else not_applicable(name, "an edit that moves something for certain"),
        ]
        arrays: dict[str, Any] = {
            "real_agree": agree.mean(axis=0).tolist(),
            "real_attribute": [reads.names[i] for i in most],
        }
        return Result(values, arrays, pictures)

    def _of_real(self, edited: Edited, reads: Attributes) -> tuple[Array, dict[str, Tensor]]:
        """Of each image the errors of its inversion and of the mean latent, and its edits' moves.

        Each process inverts its share: [n,2+K*A]. The picture shows some images.
        """
        subject, device = edited.subject, edited.calibration.steps.device
        data, g = subject.references.data, subject.samples.generator
        masked, looks = hasattr(data, "subject_mask"), self.looks.to(device)
        rows = Rows(self.n, 2 + edited.count * len(reads.names), what="an inverted image")
        rows = rows.to(device)
        mean = g.synthesize(g.broadcast(g.w_avg[None])).clamp(-1, 1)
        advance = edited.bar("inversion", self.n * self.steps // subject.ranks)
        pictures: dict[str, Tensor] = {}
        for numbers, batch in self._shares(edited, ["factors"] if masked else []):
            images = batch["image"]
            found = invert(g, images, looks.distance, self.steps, advance=advance)
            again = edited.drawn(found.ws[:, None], found.noise)[:, 0]
            inside = torch.ones_like(images[:, :1])
            if masked:
                mask = data.subject_mask(batch["factors"], images.shape[-1])
                inside = mask[:, None].to(images)
            count = 3 * inside.sum(dim=[1, 2, 3])
            errors = [
                (inside * (x - images).square()).sum(dim=[1, 2, 3]) / count for x in (again, mean)
            ]
            moves = edited.moves(found.ws, edited.calibration.steps)
            ends = edited.drawn(found.ws[:, None] + torch.cat([-moves, moves], dim=1), found.noise)
            changes = reads.change(*reads.read_many(ends, edited.judge).chunk(2, dim=1))
            rows.update(torch.cat([torch.stack(errors, dim=1), changes.flatten(1)], dim=1), numbers)
            if not pictures:
                label, minus, plus = edited.navigator.labels[0], ends[:, 0], ends[:, edited.count]
                shown = {"image": images, "inverted": again, f"-{label}": minus, f"+{label}": plus}
                pictures["inverted"] = sheet(shown)
        return rows.numpy(), pictures

    def _shares(
        self, edited: Edited, extras: Sequence[str]
    ) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """This process's images, with their numbers; so many at once as fit for going backwards."""
        subject, first = edited.subject, 0
        together = max(1, subject.samples.chunk // BACKWARD)
        for batch in subject.references.every(self.n, extras):
            size = len(batch["image"])
            for at in torch.split(torch.arange(subject.rank, size, subject.ranks), together):
                yield first + at, {key: value[at] for key, value in batch.items()}
            first += size

    def _of_samples(self, edited: Edited, reads: Attributes) -> tuple[Array, Array]:
        """The same of generated images, [n,K,A], and the deviation of each attribute, [A]."""
        rows = Rows(self.n, 1 + edited.count, len(reads.names), what="a score")
        rows = rows.to(edited.subject.samples.device)
        for block in edited.blocks(self.n):
            for part in edited.batches(block, self.n, 1 + 2 * edited.count):
                images, ends = edited.at_ends(block, part, edited.calibration.steps)
                numbers = torch.arange(part.start, part.stop) + block * BLOCK
                every = torch.cat([images[:, None], ends], dim=1)
                read = reads.read_many(every, edited.judge)
                moves = reads.change(*read[:, 1:].chunk(2, dim=1))
                rows.update(torch.cat([read[:, :1], moves], dim=1), numbers)
        found = rows.numpy()
        return found[:, 1:], reads.spread(torch.from_numpy(found[:, 0])).numpy()


def agreement(own: Array, deviations: Array, real: Array) -> tuple[Array, Bools, Places]:
    """Whether edits move what they move most in samples to the same side in real images.

    Args:
        own: changes of attributes of samples, [n,K,A].
        deviations: of attributes, [A].
        real: changes of real images, [m,K,A].

    Returns:
        For each image and edit, [m,K]; which edits move that attribute for certain, [K]; which one
        it is, [K].
    """
    most, counts = largest(own, deviations)
    edits = np.arange(len(most))
    agree = np.sign(real[:, edits, most]) == np.sign(own.mean(axis=0)[edits, most])
    return agree.astype(float), counts, most
