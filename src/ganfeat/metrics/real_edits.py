"""Whether edits do to real images what they do to generated ones."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganfeat.backbone.inversion import Inverted, invert
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edited import Edited, OfAttributes
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.shift import NOISE
from ganfeat.metrics.subject import BLOCK, Looks
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.networks import weights_of
from ganfeat.pages import sheet
from ganfeat.ranges import Count, Several

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]


class RealEdits(OfAttributes):
    """Images of the data are inverted in W+ (`ganfeat.backbone.inversion`) and edited.

    - ``inverted_psnr<n>``: in dB, over the pixels of the face where the data know them, else over
      all. ``inverted_gain<n>``: how much more that is than with the image of the mean latent.
    - ``real_agree<n>_<judge>``: the share of images in which an edit moves the attribute that it
      moves most in generated images, to the same side. The mean over edits that move some attribute
      by more than three standard errors. The arrays have every edit (``real_agree``).

    Args:
        looks: a network of which perceptual distances are made while latents are sought.
        n: real images, and samples.
        steps: of the inversion.
    """

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
        every = agree[:, counts].mean(axis=1) if counts.any() else np.zeros(self.n)
        values = [
            mean_value(f"inverted_psnr{end}", psnr, protocol),
            mean_value(f"inverted_gain{end}", psnr - of_mean, protocol),
            mean_value(f"real_agree{end}_{scorer.name}", every, protocol),
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
        subject, steps = edited.subject, edited.calibration.steps
        data, g = subject.references.data, subject.samples.generator
        masked, looks = hasattr(data, "subject_mask"), self.looks.to(steps.device)
        rows = Rows(self.n, 2 + edited.count * len(reads.names), what="an inverted image")
        rows = rows.to(steps.device)
        mean = g.synthesize(g.broadcast(g.w_avg[None])).clamp(-1, 1)
        advance = edited.bar("inversion", self.n * self.steps // subject.ranks)
        pictures: dict[str, Tensor] = {}
        for numbers, batch in subject.references.share(self.n, ["factors"] if masked else []):
            images = batch["image"]
            found = invert(g, images, looks.distance, self.steps, advance=advance)
            drawn = g.synthesize(found.ws, noise=found.noise or "const").clamp(-1, 1)
            inside = torch.ones_like(images[:, :1])
            if masked:
                mask = data.subject_mask(batch["factors"], images.shape[-1])
                inside = mask[:, None].to(images)
            count = 3 * inside.sum(dim=[1, 2, 3])
            errors = [(inside * (x - images).square()).sum(dim=[1, 2, 3]) for x in (drawn, mean)]
            ends = self._ends(edited, found)
            moves = self._moves(reads, ends, edited, numbers)
            told = torch.stack(errors, dim=1) / count[:, None]
            rows.update(torch.cat([told, moves.flatten(1)], dim=1), numbers)
            if not pictures:
                both = {f"{sign}{edited.navigator.labels[0]}": ends[:, i]
                        for sign, i in (("-", 0), ("+", edited.count))}  # fmt: skip
                pictures["inverted"] = sheet({"image": images, "inverted": drawn, **both})
        return rows.numpy(), pictures

    def _ends(self, edited: Edited, found: Inverted) -> Tensor:
        """Both ends of every edit, minus first: [N,2K,3,R,R]."""
        moves = edited.moves(found.ws, edited.calibration.steps)
        every = found.ws[:, None] + torch.cat([-moves, moves], dim=1)
        g, many = edited.subject.samples.generator, every.shape[1]
        parts = []
        for at in torch.split(
            torch.arange(len(every)), max(1, edited.subject.samples.chunk // many)
        ):
            noise = [x[at].repeat_interleave(many, dim=0) for x in found.noise]
            drawn = g.synthesize(every[at].flatten(0, 1), noise=noise or "const").clamp(-1, 1)
            parts.append(drawn.view(len(at), many, *drawn.shape[1:]))
        return torch.cat(parts)

    def _moves(self, reads: Attributes, ends: Tensor, edited: Edited, numbers: Tensor) -> Tensor:
        """What changes from one end of edits [N,2K,3,R,R] to the other, [N,K,A]."""
        found = [
            reads.read(Looks(some, numbers, edited.judge)).view(len(ends), -1, len(reads.names))
            for some in (x.flatten(0, 1) for x in ends.chunk(2, dim=1))
        ]
        return reads.change(*found)

    def _of_samples(self, edited: Edited, reads: Attributes) -> tuple[Array, Array]:
        """The same of generated images, [n,K,A], and the deviation of each attribute, [A]."""
        rows = Rows(self.n, 1 + edited.count, len(reads.names), what="a score")
        rows = rows.to(edited.subject.samples.device)
        for block in edited.blocks(self.n):
            for part in edited.batches(block, self.n, 1 + 2 * edited.count):
                images, ends = edited.at_ends(block, part, edited.calibration.steps)
                numbers = torch.arange(part.start, part.stop) + block * BLOCK
                own = reads.read(Looks(images, numbers, edited.judge))[:, None]
                moves = self._moves(reads, ends, edited, numbers)
                rows.update(torch.cat([own, moves], dim=1), numbers)
        found = rows.numpy()
        return found[:, 1:], reads.spread(torch.from_numpy(found[:, 0])).numpy()


def agreement(own: Array, deviations: Array, real: Array) -> tuple[Array, Bools, Places]:
    """Whether edits move what they move most in samples to the same side in real images.

    Args:
        own: changes of attributes of samples, [n,K,A].
        deviations: of attributes, [A].
        real: changes of real images, [m,K,A].

    Returns:
        For each image and edit, [m,K]; which edits move anything for certain, [K]; which attribute
        it is, [K].
    """
    means = own.mean(axis=0)
    errors = own.std(axis=0, ddof=1) / np.sqrt(len(own))
    most = np.abs(means / deviations).argmax(axis=1)
    edits = np.arange(len(most))
    agree = np.sign(real[:, edits, most]) == np.sign(means[edits, most])
    return agree.astype(float), (np.abs(means) > NOISE * errors).any(axis=1), most
