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
        """Nothing is known yet, not even the size of the vectors."""
        self.moments: Moments | None = None

    def look(self, looks: Looks) -> None:
        """Add the vectors."""
        if self.moments is None:
            self.moments = Moments(looks.vectors.shape[1]).to(looks.vectors.device)
        self.moments.update(looks.vectors)

    def result(self, subject: Subject) -> Result:
        """One number."""
        network = subject.judge.embedding
        assert self.moments is not None
        generated, real = self.moments.compute(), subject.references.of(network, self.n).gaussian
        dim = len(generated.mean)
        if min(generated.n, real.n) <= dim:
            raise UserError(
                f"FID with {network.name} needs more than {dim} images a side, there are "
                f"{generated.n} generated and {real.n} real"
            )
        protocol = subject.protocol(network, real=self.n, covariance="divided by n")
        name = f"fid{count_name(self.n)}_{network.name}"
        distance = frechet_distance(generated, real)
        return Result([Value(name, distance, n=self.n, protocol=protocol)])
