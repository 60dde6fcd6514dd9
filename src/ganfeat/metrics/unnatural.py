"""The share of images on a path that no drawing explains (SynthFaces)."""

import numpy as np
import torch

from ganfeat.metrics.als import OfPaths
from ganfeat.metrics.measure import Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.redraw import misfit
from ganfeat.metrics.subject import Judge
from ganfeat.metrics.value import mean_value
from ganfeat.ranges import Count, Positive

REAL = 2000  # images that set the threshold
PERCENTILE = 99


class UnnaturalShare(OfPaths):
    """``unnatural_<network>``: images further from their own re-drawing than 99 % of real ones.

    The judge reads an image's factors, the renderer draws them again without grain, and the root
    mean square difference of the two is the distance. Images lie on straight lines in W.

    Args:
        paths: number of paths, of 11 images each.
        direction, reach: as in `OfPaths`.
    """

    better = {"unnatural": "lower"}
    needs = "a judge that reads factors, and data that have them"

    def __init__(
        self, paths: Count = 200, direction: str | None = None, reach: Positive = 3.0
    ) -> None:
        super().__init__(paths, direction, reach)

    def applies(self, judge: Judge) -> bool:
        """Where factors can be read."""
        return judge.factors is not None

    @torch.no_grad()
    def result(self, subject: Subject, progress: Progress) -> Result:
        """One number, with an interval over paths."""
        network, redraw = subject.judge.factors, subject.references.data.redraw
        assert network is not None
        real = torch.cat([misfit(x, network, redraw) for x in subject.real_images(REAL)])
        threshold = float(np.percentile(real.cpu().numpy(), PERCENTILE))
        distances = self.along(subject, progress, lambda x: misfit(x, network, redraw))
        beyond = (distances > threshold).astype(float)
        protocol = subject.protocol(network, real=REAL, **self.path(), percentile=PERCENTILE)
        name = f"unnatural{self.along_what}"
        share = mean_value(f"{name}_{network.name}", beyond.mean(axis=1), protocol)
        arrays = {f"{name}_curve": beyond.mean(axis=0).tolist(), f"{name}_threshold": threshold}
        return Result([share], arrays)
