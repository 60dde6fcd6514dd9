"""Which layers an edit acts on, and which of them do what it does."""

import numpy as np
import torch
from numpy.typing import NDArray

from ganfeat.metrics.attributes import Attributes
from ganfeat.metrics.edited import Edited, OfAttributes
from ganfeat.metrics.measure import Result
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import BLOCK, Looks
from ganfeat.metrics.value import Value, count_name
from ganfeat.pages import heat_map
from ganfeat.processes import sum_over_processes
from ganfeat.ranges import Several

Array = NDArray[np.float64]


class EditLayers(OfAttributes):
    """``layers<n>_<judge>`` and ``attention_overlap<n>_<judge>``.

    Each layer's part of an edit is made alone, and it is seen what that does to the attribute that
    the whole edit shifts most. ``layers`` is over how many layers this is spread: the exponential
    of the entropy of the shares, on average over edits. ``attention_overlap`` is how far the shares
    of the edit's length agree with them, from 0 to 1: where it is low, an edit moves layers for
    nothing. The arrays have both, [K,L]: ``edit_attention`` and ``edit_effect``.

    Args:
        n: samples.
    """

    def __init__(self, n: Several = 200) -> None:
        self.n = n

    @torch.no_grad()
    def result(self, edited: Edited) -> Result:
        """Two numbers, and the shares."""
        subject, scorer = edited.subject, edited.judge.attributes
        assert scorer is not None
        reads, steps = Attributes(scorer), edited.calibration.steps
        layers, width = subject.samples.generator.num_ws, len(reads.names)
        # The whole edit, then each layer's part of it.
        parts = torch.cat([torch.ones(1, layers), torch.eye(layers)]).to(steps.device)
        many = edited.count * len(parts)
        rows = Rows(self.n, 1 + many, width, what="an attribute score").to(steps.device)
        lengths = torch.zeros(edited.count, layers, device=steps.device)
        advance = edited.bar("layers", self.n // subject.ranks)
        for block in edited.blocks(self.n):
            for part in edited.batches(block, self.n, 1 + 2 * many):
                ws = edited.start(block, part)
                moves = edited.moves(ws, steps)
                lengths += moves.norm(dim=3).sum(dim=0) / self.n
                alone = (parts[:, :, None] * moves[:, :, None]).flatten(1, 2)  # [N,K*(1+L),L,D]
                own = ws[:, None]
                images = edited.images(torch.cat([own, own - alone, own + alone], 1), block, part)
                numbers = torch.arange(part.start, part.stop) + block * BLOCK
                read = reads.read(Looks(images.flatten(0, 1), numbers, edited.judge))
                read = read.view(*images.shape[:2], width)
                changes = reads.change(*read[:, 1:].chunk(2, dim=1))
                rows.update(torch.cat([read[:, :1], changes], dim=1), numbers)
                advance(len(part))
        found = rows.numpy()
        deviation = reads.spread(torch.from_numpy(found[:, 0])).numpy()
        means = found[:, 1:].mean(axis=0) / deviation
        means = means.reshape(edited.count, 1 + layers, width)
        most = np.abs(means[:, 0]).argmax(axis=1)
        effect = shares(np.abs(means[np.arange(edited.count), 1:, most]))
        attention = shares(sum_over_processes(lengths).double().cpu().numpy())
        protocol = edited.protocol(scorer, samples=self.n, attributes=reads.names)
        end = f"{count_name(self.n)}_{scorer.name}"
        spread = np.exp(-(effect * np.log(effect.clip(min=1e-12))).sum(axis=1))
        overlap = np.minimum(effect, attention).sum(axis=1)
        values = [
            Value(f"{name}{end}", float(x.mean()), n=self.n, protocol=protocol)
            for name, x in (("layers", spread), ("attention_overlap", overlap))
        ]
        arrays = {"edit_attention": attention.tolist(), "edit_effect": effect.tolist()}
        names = edited.navigator.labels
        columns = [str(layer) for layer in range(layers)]
        pictures = {
            key: heat_map(table, names, columns, "share", title)
            for key, table, title in (
                ("edit_attention", attention, "Length of edits"),
                ("edit_effect", effect, "What layers do"),
            )
        }
        return Result(values, arrays, pictures)


def shares(rows: Array) -> Array:
    """Rows [K,L] that add up to 1; a row of zeros is spread evenly."""
    total = rows.sum(axis=1, keepdims=True)
    even = np.full_like(rows, 1 / rows.shape[1])
    found: Array = np.divide(rows, total, out=even, where=total > 0)
    return found
