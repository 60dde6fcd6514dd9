"""FID, and the same distance in the vectors of any other network."""

import logging

from ganfeat.metrics.frechet import Gaussian, Moments, frechet_distance
from ganfeat.metrics.measure import OfGenerator, OfSamples, Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.subject import Judge, Looks
from ganfeat.metrics.value import Value, count_name
from ganfeat.ranges import Several

log = logging.getLogger(__name__)


class FID(OfSamples):
    """Frechet distance of samples to all real images: ``fid<n>_<network>``.

    With Inception and 50,000 samples it is the published ``fid50k_full``: every real image as it
    is, uint8, covariances divided by the count.

    Args:
        n: number of samples.
    """

    better = {"fid": "lower"}

    def __init__(self, n: Several = 50_000) -> None:
        self.n = n

    def check(self, subject: Subject) -> None:
        """A covariance of full rank takes more images than numbers in a vector.

        Small data sets have no more real ones, and papers give their FID: that is warned of.
        """
        _enough(subject, self.n)
        real = len(subject.references.real(self.n))
        if real <= subject.width:
            log.warning(
                "FID of %d real images, no more than the %d numbers in a vector: it depends on how "
                "many they are, which KID does not",
                real,
                subject.width,
            )

    def start(self, subject: Subject) -> None:
        """Empty sums."""
        self.moments = Moments(subject.width).to(subject.samples.device)

    def look(self, looks: Looks) -> None:
        """Add the vectors."""
        self.moments.update(looks.vectors)

    def result(self, subject: Subject) -> Result:
        """One number."""
        network = subject.judge.embedding
        generated, real = self.moments.compute(), subject.reference(network, self.n).gaussian
        protocol = subject.protocol(network, real=self.n, covariance="divided by n")
        name = f"fid{count_name(self.n)}_{network.name}"
        distance = frechet_distance(generated, real)
        return Result([Value(name, distance, n=self.n, protocol=protocol)])


class FlatFID(OfGenerator):
    """``fid<n>_flat_<network>``: the distance of real images to themselves in one colour each.

    A yardstick for `FID` on these data: what a generator reaches that has learnt nothing but the
    mean colour of images.

    Args:
        n: number of real images.
    """

    better = {"fid": None}
    kind = "flat"

    def __init__(self, n: Several = 50_000) -> None:
        self.n = n

    def check(self, subject: Subject) -> None:
        """As in `FID`, whose warning is for both."""
        _enough(subject, self.n)

    def images(self) -> int:
        """None but real ones, which have a bar of their own."""
        return 0

    def result(self, subject: Subject, progress: Progress) -> Result:
        """One number."""
        network, references = subject.judge.embedding, subject.references
        found, real = self.other(subject), subject.reference(network, self.n).gaussian
        name = f"fid{count_name(self.n)}_{self.kind}_{network.name}"
        distance = frechet_distance(found, real)
        protocol = references.protocol(network, real=self.n)
        return Result([Value(name, distance, n=found.n, protocol=protocol)])

    def other(self, subject: Subject) -> Gaussian:
        """What the real images are compared with."""
        return subject.reference(subject.judge.embedding, self.n, flat=True).gaussian


class RealFID(FlatFID):
    """``fid<n>_real_<network>``: the distance of real images to others that are as real.

    The floor of `FID` on these data: what remains when ``n`` images of each are counted. The others
    are those of ``train``; photographs have none beside the reference.

    Args:
        n: number of real images.
    """

    kind = "real"
    needs = "a judge that reads factors, and data that have them"

    def applies(self, judge: Judge) -> bool:
        """Where images are drawn, so that there are more of them."""
        return judge.factors is not None

    def other(self, subject: Subject) -> Gaussian:
        """As many images of ``train``."""
        return subject.reference(subject.judge.embedding, self.n, part="train").gaussian


def _enough(subject: Subject, n: int) -> None:
    subject.enough("FID", n, subject.width + 1, real=2)
