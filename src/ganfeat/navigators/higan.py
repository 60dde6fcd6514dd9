"""HiGAN (Yang et al., IJCV 2020, arXiv:1911.09267): which layers hold what a scorer names.

Boundaries are InterFaceGAN's. What a direction does is then seen by scoring again; that keeps what
it causes, and leaves out what only comes along. Changes count where they are positive, so noise
alone gives some: that of random directions is taken off (methods/genforce.md, section 4).
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.navigators.finder import everywhere
from ganfeat.navigators.supervised import Supervised
from ganfeat.processes import sum_over_processes
from ganfeat.ranges import Count, Positive
from ganfeat.seeds import seed_of
from ganfeat.training.draws import Draws

CONTROLS = 4  # random directions
SHARE = 0.5  # of the largest gain, which its neighbours must have to be in the block of layers


class HiGAN(Supervised):
    """Edits along the normals of boundaries in W, in the layers where they act.

    Of all attributes those are edited that their own directions raise most, in their deviations.
    The layers are those around the one that does most by itself.

    Args:
        rescored: start codes on which all directions are tried.
        probed: start codes on which those that are kept are tried layer by layer.
        step: length of an edit in usual deviations of w.
        given: as in `Supervised`.
    """

    normals: Tensor
    raised: Tensor
    raised_by_layer: Tensor

    def __init__(
        self, *, rescored: Count = 1000, probed: Count = 1000, step: Positive = 2.0, **given: Any
    ) -> None:
        batches = [math.ceil(n / given["batch_size"]) for n in (rescored, probed)]
        super().__init__("higan", sum(batches), **given)
        self.rescoring, self.step = batches[0], step
        g, count, kept = self.generator, len(self.attributes), len(self.navigator.labels)
        self.register_buffer("normals", torch.zeros(count + CONTROLS, g.w_dim))
        self.register_buffer("raised", torch.zeros(count + CONTROLS, count))
        self.register_buffer("raised_by_layer", torch.zeros(kept + CONTROLS, g.num_ws, count))

    def fit_to_scores(self) -> None:
        """Normals of boundaries in W, and random directions."""
        _, w = self.latents()
        normals = np.stack([b.normal for b in self.boundaries(w, "svm")])
        rng = torch.Generator().manual_seed(seed_of(self.seed, "controls"))
        controls = F.normalize(torch.randn(CONTROLS, w.shape[1], generator=rng), dim=1)
        self.normals.copy_(torch.cat([torch.from_numpy(normals).float(), controls]))

    @torch.no_grad()
    def probe(self, draws: Draws) -> None:
        """See what directions raise: first all of them whole, then those kept layer by layer."""
        g = self.generator
        ws = g.broadcast(self.codes(draws)[1])
        before = self.score(ws)
        moves = self.length * self.normals
        if self.iteration < self.scoring + self.rescoring:
            self.raised += self.gains(ws, before, everywhere(moves, g.num_ws))
            return
        rows = torch.cat([moves[self.chosen], moves[-CONTROLS:]])
        each = torch.eye(g.num_ws, device=ws.device)[None, :, :, None] * rows[:, None, None]
        found = self.gains(ws, before, each.flatten(0, 1))
        self.raised_by_layer += found.view_as(self.raised_by_layer)

    def gains(self, ws: Tensor, before: Tensor, moves: Tensor) -> Tensor:
        """How much each of ``moves`` [M,L,D] raises scores, summed over start codes: [M,A]."""
        rows = [(self.score(ws + move) - before).clamp(min=0).sum(dim=0) for move in moves]
        return sum_over_processes(torch.stack(rows))

    @cached_property
    def length(self) -> float:
        """Of an edit."""
        return self.step * self.axes.unit

    def end_iteration(self) -> None:
        """Choose attributes once all are tried, and layers at the end."""
        super().end_iteration()
        if self.iteration + 1 == self.scoring + self.rescoring:
            gains = self.above_chance(self.raised[:, None])[:, 0].diagonal()
            kept = gains.argsort(descending=True, stable=True)[: len(self.navigator.labels)]
            self.chosen.copy_(kept)
        if self.iteration + 1 == self.iterations:
            inside = torch.stack([block(gains) for gains in self.by_layer()])
            rows = self.length * self.normals[self.chosen]
            self.settle(self.chosen.tolist(), inside[:, :, None] * rows[:, None])

    def above_chance(self, raised: Tensor) -> Tensor:
        """Sums [M+controls,L,A] to what the M raise more than controls do, in deviations."""
        deviations = self.scores.std(dim=0).clamp(min=1e-12)
        return (raised[:-CONTROLS] - raised[-CONTROLS:].mean(dim=0)) / deviations

    def by_layer(self) -> Tensor:
        """What each layer's part of an edit does to the edit's own attribute, [K,L]."""
        gains = self.above_chance(self.raised_by_layer)
        return gains[torch.arange(len(gains)), :, self.chosen]

    def findings(self) -> Mapping[str, Any]:
        """What directions raise, in deviations of attributes and on average over start codes."""
        codes = self.rescoring * self.batch_size
        probed = (self.iterations - self.scoring - self.rescoring) * self.batch_size
        whole = self.above_chance(self.raised[:, None])[:, 0] / codes
        deviations = self.scores.std(dim=0).clamp(min=1e-12)
        return {
            "higan_attributes": self.attributes,
            "higan_raised": whole.diagonal().tolist(),
            "higan_leaks": (whole.sum(dim=1) - whole.diagonal()).tolist(),
            "higan_chance": (self.raised[-CONTROLS:].mean(dim=0) / deviations / codes).tolist(),
            "higan_layers": (self.by_layer() / probed).tolist(),
        }


def block(gains: Tensor) -> Tensor:
    """Which layers [L] are edited, as 0 or 1: those next to the best that do half as much."""
    enough = (gains >= SHARE * gains.max()).tolist()
    first = last = int(gains.argmax())
    while first > 0 and enough[first - 1]:
        first -= 1
    while last + 1 < len(enough) and enough[last + 1]:
        last += 1
    layers = torch.arange(len(gains), device=gains.device)
    return ((layers >= first) & (layers <= last)).to(gains)
