"""Inception score (Salimans et al. 2016, arXiv:1606.03498)."""

import torch
from torch import Tensor
from torchmetrics import Metric

from ganfeat.errors import UserError
from ganfeat.metrics.measure import OfSamples, Result, Subject
from ganfeat.metrics.rows import finite
from ganfeat.metrics.subject import Judge, Looks
from ganfeat.metrics.value import Value, count_name
from ganfeat.ranges import Count


class SplitScore(Metric):
    """exp of the mean divergence of an image's classes from those of its split.

    Args:
        classes: number of classes C.
        images: number of images in all, which decides where splits end.
        splits: number of splits.
    """

    full_state_update = False
    counts: Tensor
    probabilities: Tensor
    entropies: Tensor

    def __init__(self, classes: int, images: int, splits: int = 10) -> None:
        super().__init__()
        self.images, self.splits = images, splits
        double = torch.float64
        self.add_state("counts", torch.zeros(splits, dtype=double), dist_reduce_fx="sum")
        self.add_state("entropies", torch.zeros(splits, dtype=double), dist_reduce_fx="sum")
        self.add_state(
            "probabilities", torch.zeros(splits, classes, dtype=double), dist_reduce_fx="sum"
        )

    def update(self, probabilities: Tensor, numbers: Tensor) -> None:
        """Add class probabilities [N,C] of the images with these numbers [N] (0 to images - 1)."""
        p = finite(probabilities, "a class probability").double()
        split = numbers.to(p.device) * self.splits // self.images
        self.counts.index_add_(0, split, torch.ones_like(split, dtype=torch.float64))
        self.probabilities.index_add_(0, split, p)
        self.entropies.index_add_(0, split, torch.special.entr(p).sum(dim=1))

    def compute(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over splits."""
        mean = self.probabilities / self.counts[:, None]
        divergence = torch.special.entr(mean).sum(dim=1) - self.entropies / self.counts
        scores = divergence.exp()
        return scores.mean(), scores.std(correction=0)


class InceptionScore(OfSamples):
    """Inception score ``is<n>_<network>``, of a network that has classes.

    Args:
        n: number of samples.
        splits: into which they are divided; the mean over these is the score.
    """

    better = {"is": "higher"}
    needs = "a network that tells classes apart"

    def __init__(self, n: Count = 50_000, splits: Count = 10) -> None:
        self.n, self.splits = n, splits

    def applies(self, judge: Judge) -> bool:
        """Where there are classes."""
        return judge.embedding.classes > 0

    def check(self, subject: Subject) -> None:
        """Each split needs an image."""
        if self.splits > self.n:
            raise UserError(f"inception score: {self.n} samples do not make {self.splits} splits")

    def start(self, subject: Subject) -> None:
        """Empty sums."""
        classes = subject.judge.embedding.classes
        self.score = SplitScore(classes, self.n, self.splits).to(subject.samples.device)

    def look(self, looks: Looks) -> None:
        """Add the classes."""
        self.score.update(looks.classes, looks.numbers)

    def result(self, subject: Subject) -> Result:
        """The mean over splits; their standard deviation is in the arrays."""
        network = subject.judge.embedding
        mean, deviation = self.score.compute()
        protocol = subject.protocol(network, splits=self.splits)
        name = f"is{count_name(self.n)}_{network.name}"
        value = Value(name, float(mean), n=self.n, protocol=protocol)
        return Result([value], {f"{name}_deviation": float(deviation)})
