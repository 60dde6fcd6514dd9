"""What is measured and what it is measured with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganfeat.backbone import Generator
from ganfeat.errors import UserError
from ganfeat.features import AttributeScorer, FactorNet, Features, SmallNet
from ganfeat.features.small import Column
from ganfeat.metrics.rows import finite
from ganfeat.seeds import seed_of

BLOCK = 64  # samples that share their draws; sample i is the same whatever the batch
PIXELS = {"cpu": 2**18, "cuda": 2**22}  # of images that are made at a time


@dataclass(frozen=True)
class Judge:
    """The networks that measure. None of them trained what is measured.

    Attributes:
        embedding: its vectors are compared (Frechet distance, recall).
        perceptual: its maps say how different two images look.
        attributes: scores attributes, None where nothing does.
    """

    embedding: Features
    perceptual: Features
    attributes: AttributeScorer | None = None

    @property
    def factors(self) -> FactorNet | None:
        """The network that reads all factors of a drawn image, if this judge has one."""
        return self.attributes if isinstance(self.attributes, FactorNet) else None

    def of(self, data: Any) -> "Judge":
        """As much of it as can judge these data: factors are read where the data have some.

        Raises:
            UserError: it knows other factors than these.
        """
        if self.factors is None:
            return self
        columns = data.facts().get("columns")
        if columns is None:
            return replace(self, attributes=None)
        if [Column(*column) for column in columns] != self.factors.columns:
            raise UserError(
                f"{self.factors.name} reads other factors than these data have: a table of one "
                "says nothing about the other; train it anew"
            )
        return self

    def to(self, device: torch.device | str) -> "Judge":
        """Itself, with its networks moved."""
        for network in (self.embedding, self.perceptual, self.attributes):
            if network is not None:
                network.to(device)
        return self


class Looks:
    """A batch of images, and what the judge sees in them once somebody asks.

    Attributes:
        images: [N,3,R,R] in [-1,1].
        numbers: which of all images these are, [N].
    """

    def __init__(self, images: Tensor, numbers: Tensor, judge: Judge) -> None:
        self.images, self.numbers, self.judge = images, numbers, judge

    @cached_property
    def maps(self) -> list[Tensor]:
        """Maps [N,C,h,w] of the perceptual network."""
        return self.judge.perceptual.taps(self.images)

    @cached_property
    def vectors(self) -> Tensor:
        """Vectors [N,D] of the embedding network."""
        network = self.judge.embedding
        if isinstance(network, SmallNet) and network is self.judge.perceptual:
            return network.read_maps(self.images, self.maps)[0]
        return network.embed(self.images)

    @cached_property
    def classes(self) -> Tensor:
        """Probabilities [N,C] of the embedding network's classes, where it has some."""
        return self.judge.embedding.classify(self.vectors).softmax(dim=1)

    @cached_property
    def factors(self) -> Tensor:
        """The factor table [N,F], where the judge reads factors.

        Raises:
            UserError: some are not finite.
        """
        network = self.judge.factors
        assert network is not None
        same = network is self.judge.embedding
        table = network.table(self.vectors) if same else network.factors(self.images)
        return finite(table, "a factor")


class Samples:
    """The images that a generator draws, as one endless numbered sequence.

    Args:
        generator: in evaluation mode.
        labels: [M,label_dim] to draw from for a conditional generator.
        seed: of latents, labels and noise.
        psi: truncation.
    """

    def __init__(
        self,
        generator: Generator,
        labels: Tensor | None = None,
        seed: int = 0,
        psi: float = 1.0,
    ) -> None:
        self.generator, self.labels, self.seed, self.psi = generator, labels, seed, psi
        self.chunk = max(2, PIXELS.get(self.device.type, 2**18) // generator.resolution**2)

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return self.generator.w_avg.device

    def rng(self, block: int, purpose: str) -> torch.Generator:
        """The random numbers of one block."""
        rng = torch.Generator(device=self.device)
        return rng.manual_seed(seed_of(self.seed, block, purpose))

    def z(self, block: int, end: int = 0) -> Tensor:
        """Latents [BLOCK,z_dim] of one block; of `end` 1, where a path from there leads to."""
        size = [BLOCK, self.generator.z_dim]
        return torch.randn(size, generator=self.rng(block, f"z{end}"), device=self.device)

    def label(self, block: int) -> Tensor | None:
        """Labels [BLOCK,label_dim] of one block, drawn from those of the data."""
        if self.labels is None:
            return None
        size, rng = [BLOCK], self.rng(block, "label")
        rows = torch.randint(len(self.labels), size, generator=rng, device=self.device)
        return self.labels.to(self.device)[rows]

    def w(self, block: int, end: int = 0) -> Tensor:
        """Truncated latents [BLOCK,w_dim] of one block."""
        w = self.generator.map(self.z(block, end), self.label(block))
        return self.generator.truncate(w, self.psi)

    def noise(self, block: int) -> list[Tensor]:
        """Noise images [BLOCK,1,r,r] of one block."""
        return self.generator.draw_noise(BLOCK, self.rng(block, "noise"))

    @torch.no_grad()
    def images(self, n: int, rank: int = 0, ranks: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and their numbers, batch by batch; this process's blocks of the first ``n``.

        Images are clamped to [-1,1], as all that shows or stores them does.
        """
        for block in range(rank, -(-n // BLOCK), ranks):
            ws = self.generator.broadcast(self.w(block))[: n - block * BLOCK]
            noise = self.noise(block)
            for start in range(0, len(ws), self.chunk):
                part = slice(start, min(start + self.chunk, len(ws)))
                numbers = torch.arange(part.start, part.stop) + block * BLOCK
                images = self.generator.synthesize(ws[part], noise=[x[part] for x in noise])
                yield finite(images, "a sample").clamp(-1, 1), numbers

    @torch.no_grad()
    def paths(self, n: int, frames: int) -> Tensor:
        """Images on ``n`` straight lines in W between random ends, [n,frames,3,R,R] in [-1,1].

        These are the first paths that ALS is measured on; all frames of one have the same noise.
        """
        t = torch.linspace(0, 1, frames, device=self.device)[None, :, None]
        w = torch.lerp(self.w(0)[:n, None], self.w(0, end=1)[:n, None], t)
        noise = [x[:n] for x in self.noise(0)]
        found = [
            self.generator.synthesize(
                self.generator.broadcast(w[i]),
                noise=[x[i : i + 1].expand(frames, -1, -1, -1) for x in noise],
            )
            for i in range(n)
        ]
        return torch.stack(found).clamp(-1, 1)
