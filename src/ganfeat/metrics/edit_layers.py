"""Which layers an edit acts on, and which of them do what it does."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edited import Edited, OfAttributes
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.shift import NOISE, largest
from ganfeat.metrics.subject import BLOCK
from ganfeat.metrics.value import Value, count_name, middle, resampled_means
from ganfeat.pages import heat_map
from ganfeat.processes import sum_over_processes
from ganfeat.ranges import Several

Array = NDArray[np.float64]


class EditLayers(OfAttributes):
    """``layers<n>_<judge>`` and ``attention_overlap<n>_<judge>``.

    Each layer's part of an edit is made alone, and it is seen what that does to the attribute that
    the whole edit shifts most; what is no more than three standard errors counts as nothing.
    ``layers`` is over how many layers this is spread: the exponential of the entropy of the shares,
    on average over edits. ``attention_overlap`` is how far the shares of the edit's length agree
    with them, from 0 to 1: where it is low, an edit moves layers for nothing. The arrays have both,
    [K,L]: ``edit_attention`` and ``edit_effect``.

    Args:
        n: samples.
    """

    better = {"layers": None, "attention_overlap": "higher"}

    def __init__(self, n: Several = 200) -> None:
        self.n = n

    @torch.no_grad()
    def result(self, edited: Edited) -> Result:
        """Two numbers, and the shares."""
        scorer = edited.judge.attributes
        assert scorer is not None
        reads = Attributes(scorer)
        changes, deviations, lengths = self._by_layer(edited, reads)
        most, _ = largest(changes[:, :, 0], deviations)
        edits = np.arange(edited.count)
        own = np.moveaxis(changes[:, edits, 1:, most], 0, 1)  # [n,K,L]
        errors = own.std(axis=0, ddof=1) / np.sqrt(self.n)
        kept = np.abs(own.mean(axis=0)) > NOISE * errors
        effect, attention = shares(kept * np.abs(own.mean(axis=0))), shares(lengths)
        again = shares(kept * np.abs(resampled_means(own)))
        protocol = edited.protocol(
            scorer, samples=self.n, attributes=reads.names, noise_floor=NOISE
        )
        end = f"{count_name(self.n)}_{scorer.name}"
        values = [
            Value(f"{name}{end}", float(measure(effect).mean()),
                  *middle(measure(again).mean(axis=-1)), self.n, protocol=protocol)
            for name, measure in (("layers", spread), ("attention_overlap", overlap(attention)))
        ]  # fmt: skip
        arrays = {"edit_attention": attention.tolist(), "edit_effect": effect.tolist()}
        names = edited.navigator.labels
        columns = [str(layer) for layer in range(attention.shape[1])]
        pictures = {
            key: heat_map(table, names, columns, "share", title)
            for key, table, title in (
                ("edit_attention", attention, "Length of edits"),
                ("edit_effect", effect, "What layers do"),
            )
        }
        return Result(values, arrays, pictures)

    def _by_layer(self, edited: Edited, reads: Attributes) -> tuple[Array, Array, Array]:
        """What whole edits change, and after it what each layer's part does, [n,K,1+L,A].

        With it the deviation of each attribute [A], and the mean length of edits by layer [K,L].
        """
        subject, steps = edited.subject, edited.calibration.steps
        layers, width = subject.samples.generator.num_ws, len(reads.names)
        parts = torch.cat([torch.ones(1, layers), torch.eye(layers)]).to(steps.device)
        shape = (1 + edited.count * len(parts), width)
        rows = Rows(self.n, *shape, what="an attribute score").to(steps.device)
        lengths = torch.zeros(edited.count, layers, device=steps.device)
        advance = edited.bar("layers", self.n // subject.ranks)
        for block in edited.blocks(self.n):
            for part in edited.batches(block, self.n, 2 * len(parts)):
                numbers = torch.arange(part.start, part.stop) + block * BLOCK
                ws = edited.start(block, part)
                moves = edited.moves(ws, steps)
                lengths += moves.norm(dim=3).sum(dim=0) / self.n
                read = reads.read_many(edited.images(ws[:, None], block, part), edited.judge)
                found = [read]
                for move in moves.unbind(dim=1):  # one edit at a time: few images are held at once
                    alone = parts[:, :, None] * move[:, None]
                    ends = ws[:, None] + torch.cat([-alone, alone], dim=1)
                    read = reads.read_many(edited.images(ends, block, part), edited.judge)
                    found.append(reads.change(*read.chunk(2, dim=1)))
                rows.update(torch.cat(found, dim=1), numbers)
                advance(len(part))
        table = rows.numpy()
        changes = table[:, 1:].reshape(self.n, edited.count, len(parts), width)
        deviations = reads.spread(torch.from_numpy(table[:, 0])).numpy()
        return changes, deviations, sum_over_processes(lengths).double().cpu().numpy()


def spread(effect: Array) -> Array:
    """Over how many layers shares [...,L] are spread."""
    found: Array = np.exp(-(effect * np.log(effect.clip(min=1e-12))).sum(axis=-1))
    return found


def overlap(attention: Array) -> Callable[[Array], Array]:
    """Of shares [...,K,L], how far they agree with these [K,L]."""
    return lambda effect: np.minimum(effect, attention).sum(axis=-1)


def shares(rows: Array) -> Array:
    """Rows [...,L] that add up to 1; a row of zeros is spread evenly."""
    total = rows.sum(axis=-1, keepdims=True)
    even = np.full_like(rows, 1 / rows.shape[-1])
    found: Array = np.divide(rows, total, out=even, where=total > 0)
    return found
