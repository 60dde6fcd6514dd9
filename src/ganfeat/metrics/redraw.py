"""How far drawn images are from what the judge says is in them, drawn again (SynthFaces)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganfeat.features import FactorNet
from ganfeat.metrics.measure import OfSamples, Result, Subject
from ganfeat.metrics.rows import Rows, finite
from ganfeat.metrics.subject import Judge, Looks
from ganfeat.metrics.value import Value, count_name, middle, resamples
from ganfeat.ranges import Count

Redraw = Callable[[Tensor, int], Tensor]  # factor table [N,F] and resolution to images


class RedrawError(OfSamples):
    """``redraw<n>_<network>`` and ``redraw_real<n>_<network>``: medians over images, grey levels.

    The judge reads an image's factors, the renderer draws them again without grain, and the root
    mean square difference inside the drawn face is the error. Beside that of samples stands that of
    real test images: what the judge's own mistakes, freckles and grain amount to. Where the two are
    near, the judge may be believed on samples.

    Args:
        n: number of samples, and of real images.
    """

    better = {"redraw": "lower", "redraw_real": None}
    needs = "a judge that reads factors, and data that have them"

    def __init__(self, n: Count = 1000) -> None:
        self.n = n

    def applies(self, judge: Judge) -> bool:
        """Where factors can be read."""
        return judge.factors is not None

    def start(self, subject: Subject) -> None:
        """Room for the errors."""
        self.data = subject.references.data
        self.rows = Rows(self.n, what="an error").to(subject.samples.device)

    def look(self, looks: Looks) -> None:
        """Draw them again."""
        self.rows.update(self.errors(looks.images, looks.factors), looks.numbers)

    @torch.no_grad()
    def result(self, subject: Subject) -> Result:
        """Two medians with intervals."""
        network = subject.judge.factors
        assert network is not None
        batches = subject.real_images(self.n)
        real = torch.cat([self.errors(x, factors_of(network, x)) for x in batches])
        protocol = subject.protocol(network, real=self.n, inside="face")
        values = []
        both = (("redraw", self.rows.numpy()), ("redraw_real", real.double().cpu().numpy()))
        for name, errors in both:
            low, high = middle([np.median(errors[chosen]) for chosen in resamples(len(errors))])
            name = f"{name}{count_name(self.n)}_{network.name}"
            median = float(np.median(errors))
            values.append(Value(name, median, low, high, n=len(errors), protocol=protocol))
        return Result(values)

    def errors(self, images: Tensor, table: Tensor) -> Tensor:
        """Root mean square difference inside the face, in grey levels: [N]."""
        side = images.shape[-1]
        inside = self.data.subject_mask(table, side).to(images)
        squared = (images - self.data.redraw(table, side)).square().mean(dim=1)
        mean = (squared * inside).sum(dim=[1, 2]) / inside.sum(dim=[1, 2]).clamp(min=1)
        found: Tensor = mean.sqrt() * 127.5
        return found


def factors_of(network: FactorNet, images: Tensor) -> Tensor:
    """The factor table [N,F], or a `UserError` where some of it is not finite."""
    return finite(network.factors(images), "a factor")


def misfit(images: Tensor, network: FactorNet, redraw: Redraw) -> Tensor:
    """Root mean square difference of whole images [N,3,R,R] and their re-drawings, [N]."""
    drawn = redraw(factors_of(network, images), images.shape[-1])
    return (images - drawn).square().mean(dim=[1, 2, 3]).sqrt()
