"""FID, and the same distance in the vectors of any other network."""

from ganfeat.errors import UserError
from ganfeat.metrics.frechet import Moments, frechet_distance
from ganfeat.metrics.measure import OfSamples, Result, Subject
from ganfeat.metrics.subject import Looks
from ganfeat.metrics.value import Value, count_name


class FID(OfSamples):
    """Frechet distance of samples to all real images: ``fid<n>_<network>``.

    With Inception and 50,000 samples it is the published ``fid50k_full``: every real image as it
    is, uint8, covariances divided by the count.

    Args:
        n: number of samples.
    """

    def __init__(self, n: int = 50_000) -> None:
        self.n = n

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
        if min(generated.n, real.n) <= (dim := subject.width):
            raise UserError(
                f"FID with {network.name} needs more than {dim} images a side, there are "
                f"{generated.n} generated and {real.n} real"
            )
        protocol = subject.protocol(network, real=self.n, covariance="divided by n")
        name = f"fid{count_name(self.n)}_{network.name}"
        distance = frechet_distance(generated, real)
        return Result([Value(name, distance, n=self.n, protocol=protocol)])
