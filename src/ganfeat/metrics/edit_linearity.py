"""How evenly attributes change along edits: `ganfeat.metrics.als` on their paths."""

import numpy as np
import torch

from ganfeat.metrics.als import FRAMES, STILL, aggregates, deviations, scores_of
from ganfeat.metrics.edited import Edited, OfAttributes
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import BLOCK
from ganfeat.metrics.value import Value, count_name, middle, resampled_means
from ganfeat.ranges import Several


class EditLinearity(OfAttributes):
    """``als_edits<paths>_<judge>``: the mean over edits and attributes.

    Paths lead through samples from one end of an edit to the other. A deviation is counted in that
    of the attribute over the samples, the same for all edits, so that what an edit hardly changes
    weighs little. The arrays have every edit (``als_edits``).

    Args:
        paths: of each edit.
    """

    better = {"als": "lower"}

    def __init__(self, paths: Several = 100) -> None:
        self.paths = paths

    @torch.no_grad()
    def result(self, edited: Edited) -> Result:
        """One number."""
        subject, scorer = edited.subject, edited.judge.attributes
        assert scorer is not None
        names, steps = list(scorer.attributes), edited.calibration.steps
        rows = Rows(self.paths, edited.count, FRAMES, len(names), what="an attribute score")
        rows = rows.to(subject.samples.device)
        advance = edited.bar("paths", self.paths // subject.ranks)
        for block in edited.blocks(self.paths):
            for part in edited.batches(block, self.paths, FRAMES):
                ways = edited.navigator.along(edited.start(block, part), steps, FRAMES)
                found = []
                for way in ways.unbind(dim=1):  # one edit at a time: few images are held at once
                    images = edited.images(way, block, part).flatten(0, 1)
                    found.append(scores_of(scorer, images, names).view(len(part), FRAMES, -1))
                numbers = torch.arange(part.start, part.stop) + block * BLOCK
                rows.update(torch.stack(found, dim=1), numbers)
                advance(len(part))
        scored = rows.numpy()
        sigma = scored[:, 0, FRAMES // 2].std(axis=0)  # in the middle all edits are the sample
        moves_at_all = sigma > STILL
        each = [np.abs(deviations(x[..., moves_at_all], sigma[moves_at_all]))
                for x in scored.swapaxes(0, 1)]  # fmt: skip
        scores_of_edits = [aggregates(x.mean(axis=0))["score"].mean() for x in each]
        again = [aggregates(resampled_means(x))["score"].mean(axis=1) for x in each]
        protocol = edited.protocol(scorer, paths=self.paths, frames=FRAMES, attributes=names)
        limits = middle(np.mean(again, axis=0))
        name = f"als_edits{count_name(self.paths)}_{scorer.name}"
        value = Value(name, float(np.mean(scores_of_edits)), *limits, self.paths, protocol=protocol)
        return Result([value], {"als_edits": [float(x) for x in scores_of_edits]})
