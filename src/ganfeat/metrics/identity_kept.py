"""Whether an edit leaves the person who they are."""

import numpy as np
import torch
from torch import Tensor

from ganfeat.features import Features
from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edited import Edited, OfEnds
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import Looks
from ganfeat.metrics.value import count_name, mean_value
from ganfeat.ranges import Several


class IdentityKept(OfEnds):
    """``kept_identity<n>_<judge>``: 1 is unchanged, 0 as far as to a random other.

    One minus the distance between both ends of an edit over that of two random images, on average
    over edits. Of drawn faces it is the distance in what is a person's own (``asked: identity`` of
    the data), as the judge reads it, in deviations; elsewhere that of the judge's vectors. The
    arrays have every edit (``kept_identity``).

    Args:
        n: samples.
    """

    better = {"kept_identity": "higher"}

    def __init__(self, n: Several = 1000) -> None:
        self.n = n

    def start(self, edited: Edited) -> None:
        """Room for what is a person's own."""
        scorer, facts = edited.judge.attributes, edited.subject.references.data.facts()
        own = facts.get("asked", {}).get("identity", ())
        self.reads = None if scorer is None else Attributes(scorer)
        self.places = [] if self.reads is None else self.reads.places(own)
        blank = Looks(edited.subject.blank(), torch.zeros(1), edited.judge)
        width = self.seen(blank).shape[1]
        self.rows = Rows(self.n, 1 + 2 * edited.count, width, what="a feature")
        self.rows.to(edited.subject.samples.device)

    def seen(self, looks: Looks) -> Tensor:
        """What is a person's own, [N,D]."""
        if self.reads is None or not self.places:
            return looks.vectors
        return self.reads.read(looks)[:, self.places]

    def look(self, samples: Looks, ends: Looks) -> None:
        """Read it."""
        seen = self.seen(ends)
        at_ends = seen.view(len(samples.images), -1, seen.shape[1])
        self.rows.update(torch.cat([self.seen(samples)[:, None], at_ends], dim=1), samples.numbers)

    def result(self, edited: Edited) -> Result:
        """One number."""
        network: Features = edited.judge.embedding
        if self.reads is not None and self.places:
            network = self.reads.scorer
        found = self.rows.numpy()
        if self.places:
            found = found / (found[:, 0].std(axis=0) + 1e-12)
        apart = np.linalg.norm(found[:, 0] - np.roll(found[:, 0], 1, axis=0), axis=1).mean()
        minus_ends, plus_ends = np.split(found[:, 1:], 2, axis=1)
        kept = 1 - np.linalg.norm(plus_ends - minus_ends, axis=2) / apart
        names = [] if self.reads is None else [self.reads.names[i] for i in self.places]
        protocol = edited.protocol(network, samples=self.n, own=names)
        name = f"kept_identity{count_name(self.n)}_{network.name}"
        value = mean_value(name, kept.mean(axis=1), protocol)
        return Result([value], {"kept_identity": kept.mean(axis=0).tolist()})
