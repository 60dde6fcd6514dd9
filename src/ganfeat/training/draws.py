"""Randomness as a function of (seed, iteration, phase, purpose).

Every process draws for the whole batch and takes its share, so a resumed run needs no generator
state and n processes compute what one does. Sample i belongs to process i mod n, which keeps the
groups of the minibatch standard deviation; micro-batches divide a process's share the same way.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganfeat.seeds import seed_of


@dataclass(frozen=True)
class Draws:
    """The random numbers of one phase in one iteration.

    Attributes:
        key: seed, iteration and phase.
        n: samples of the phase, over all processes and micro-batches.
        offset: the first of them that is ours.
        stride: the distance to our next one.
        device: where the numbers are drawn.
    """

    key: tuple[int, int, str]
    n: int
    offset: int = 0
    stride: int = 1
    device: torch.device | str = "cpu"

    def rng(self, purpose: str, device: torch.device | str | None = None) -> torch.Generator:
        """A generator for one purpose, the same in every process; on `device` unless told."""
        rng = torch.Generator(device=device or self.device)
        rng.manual_seed(seed_of(*self.key, purpose))
        return rng

    def share(self, whole: Tensor) -> Tensor:
        """Our samples of a tensor [n, ...] drawn for the whole batch."""
        return whole[self.offset :: self.stride]

    def randn(self, purpose: str, *shape: int) -> Tensor:
        """Our share of standard normal numbers [n, *shape]."""
        whole = torch.randn(self.n, *shape, generator=self.rng(purpose), device=self.device)
        return self.share(whole)

    def rand(self, purpose: str, *shape: int) -> Tensor:
        """Our share of numbers [n, *shape] in [0, 1)."""
        whole = torch.rand(self.n, *shape, generator=self.rng(purpose), device=self.device)
        return self.share(whole)

    def randint(self, purpose: str, high: int, *shape: int) -> Tensor:
        """Our share of whole numbers [n, *shape] from 0 to ``high`` - 1."""
        rng, device = self.rng(purpose), self.device
        return self.share(torch.randint(high, (self.n, *shape), generator=rng, device=device))

    def uniform(self, purpose: str) -> float:
        """One number in [0, 1) for the whole batch; drawn on the CPU, so nothing waits for it."""
        return float(torch.rand([], generator=self.rng(purpose, "cpu"), dtype=torch.float64))
