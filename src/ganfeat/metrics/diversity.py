"""How different samples are. PPL falls when diversity falls: the two are read together."""

import torch

from ganfeat.metrics.measure import OfSamples, Result, Subject
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import Looks
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.ranges import Several


class Diversity(OfSamples):
    """``diversity<n>_<network>``: mean perceptual distance of random pairs.

    Images are looked at in full size; `PPL` averages those above 256 px down first.

    Args:
        n: number of samples; a sample and the next one are a pair.
    """

    better = {"diversity": None}

    def __init__(self, n: Several = 5000) -> None:
        self.n = n - n % 2

    def check(self, subject: Subject) -> None:
        """The network must have maps, of images of this size."""
        with torch.no_grad():
            subject.judge.perceptual.taps(subject.blank())

    def start(self, subject: Subject) -> None:
        """Room for the distances."""
        self.rows = Rows(self.n // 2, what="a distance").to(subject.samples.device)

    def look(self, looks: Looks) -> None:
        """Batches hold an even number of samples, but for one at the very end."""
        pairs = len(looks.images) // 2
        a, b = ([m[i : 2 * pairs : 2] for m in looks.maps] for i in (0, 1))
        distances = looks.judge.perceptual.difference(a, b)
        self.rows.update(distances, looks.numbers[0 : 2 * pairs : 2] // 2)

    def result(self, subject: Subject) -> Result:
        """One number."""
        network = subject.judge.perceptual
        name = f"diversity{count_name(self.n)}_{network.name}"
        distances = self.rows.numpy()
        return Result([mean_value(name, distances, subject.protocol(network))])
