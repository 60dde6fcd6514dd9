"""What can be read from the inner maps of a frozen generator: what a network sees, and factors.

These say what HSR is to bring about (methods/hsr.md, section 6.3, S1 and S2), of every generator
alike: whatever it was trained with, its readers are new and see nothing but its maps.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.features.network import across_channels, paired
from ganfeat.features.small import Column
from ganfeat.metrics.measure import OfGenerator, Result, Subject
from ganfeat.metrics.progress import Progress
from ganfeat.metrics.reading import Array, Bools, factor_scores, linear_reading, meant
from ganfeat.metrics.redraw import factors_of
from ganfeat.metrics.rows import Rows, finite
from ganfeat.metrics.subject import BLOCK, Judge, Samples
from ganfeat.metrics.value import Value
from ganfeat.ranges import Count, LearningRate, Positive, Range
from ganfeat.seeds import seeded

log = logging.getLogger(__name__)

POOLED = 4  # px of the maps that factors are read from


class OfMaps(OfGenerator):
    """Measures G's maps: readers learn from ``images`` samples and are tried on others.

    Args:
        taps: G's resolutions whose maps are read.
        images: samples to learn from.
        held_out: samples to be tried on, which come after these.
    """

    def __init__(self, taps: Sequence[int], images: Count, held_out: Count) -> None:
        self.taps = sorted(taps)
        self.blocks, self.held_out = -(-images // BLOCK), -(-held_out // BLOCK)

    def images(self) -> int:
        """Whole blocks of samples."""
        return (self.blocks + self.held_out) * BLOCK

    def check(self, subject: Subject) -> None:
        """The generator must have the taps."""
        held = subject.samples.generator.synthesis.resolutions
        if missing := [tap for tap in self.taps if tap not in held]:
            raise UserError(
                f"taps has {missing[0]}, but this generator has maps of "
                f"{', '.join(map(str, held))} px"
            )

    def protocol(self, subject: Subject, network: Features, **more: Any) -> dict[str, Any]:
        """What the numbers depend on."""
        learnt, tried = self.blocks * BLOCK, self.held_out * BLOCK
        return subject.protocol(network, learnt_from=learnt, tried_on=tried, **more)


class Explained(OfMaps):
    """``explained_b<tap>_<teacher>``: how much of what a network sees new heads foretell from G.

    That is ``1 - mean squared error / variance``, on held-out samples. The variance is that over
    samples, at each channel and position of the network's map, so that to know where faces lie is
    worth nothing. A head is two 1x1 convolutions with ReLU between them, at the size of G's map,
    averaged to the network's, after each channel of the map has been brought to mean 0 and
    deviation 1 (as found while learning); it learns by the mean squared error. The network sees
    samples as HSR shows them to it, not clamped.

    Args:
        teacher: the network.
        taps: as in `OfMaps`.
        layers: which of the network's maps each tap foretells; None pairs the coarsest tap with the
            deepest map, and so on.
        width: hidden channels of a head.
        normalise: as in `ganfeat.generators.hsr.HSR`.
        images, held_out: as in `OfMaps`.
        lr: Adam's, which falls to 0 in half a cosine.
    """

    better = {"explained": "higher"}

    def __init__(
        self,
        teacher: Features,
        taps: Sequence[int] = (8, 16),
        layers: Sequence[Annotated[int, Range(-64, 63)]] | None = None,
        width: Count = 256,
        normalise: bool = True,
        images: Count = 20_000,
        held_out: Count = 5000,
        lr: LearningRate = 2e-2,
    ) -> None:
        super().__init__(taps, images, held_out)
        if not isinstance(teacher, Features):
            raise UserError(
                "explained asks what a network sees in G's maps, and none is chosen: add one, such "
                "as features=teacher, or leave it out with metrics.explained=null"
            )
        self.teacher, self.width, self.normalise, self.lr = teacher, width, normalise, lr
        self.layers = paired(taps, layers)

    def check(self, subject: Subject) -> None:
        """The teacher must be able to look at the images, and have the maps."""
        super().check(subject)
        maps = self.teacher.to(subject.references.device).taps(subject.blank())
        if wrong := [i for i in self.layers.values() if not -len(maps) <= i < len(maps)]:
            raise UserError(f"layers has {wrong[0]}, but {self.teacher.name} has {len(maps)} maps")

    def result(self, subject: Subject, progress: Progress) -> Result:
        """One number per tap. Every process does all of it, so that all have the same heads."""
        heads = self.learnt(subject, progress)
        values = []
        for tap, explained in self.tried(heads, subject, progress).items():
            protocol = self.protocol(
                subject, self.teacher, layer=self.layers[tap], width=self.width,
                normalise=self.normalise, lr=self.lr,
            )  # fmt: skip
            name, n = f"explained_b{tap}_{self.teacher.name}", self.held_out * BLOCK
            values.append(Value(name, explained, n=n, protocol=protocol))
        return Result(values)

    def learnt(self, subject: Subject, progress: Progress) -> dict[int, nn.Module]:
        """New heads, trained."""
        maps, targets = self.of_block(subject.samples, 0)
        heads = {tap: head(maps[tap], self.width, targets[tap], tap) for tap in self.taps}
        optimizer = Adam([p for h in heads.values() for p in h.parameters()], lr=self.lr)
        schedule = CosineAnnealingLR(optimizer, self.blocks)
        for block in range(self.blocks):
            maps, targets = self.of_block(subject.samples, block)
            with torch.enable_grad():
                losses = [
                    F.mse_loss(said(heads[tap], maps[tap], target), target)
                    for tap, target in targets.items()
                ]
                optimizer.zero_grad()
                torch.autograd.backward(torch.stack(losses).sum())
            optimizer.step()
            schedule.step()
            progress(BLOCK // subject.ranks)
        return {tap: trained.eval() for tap, trained in heads.items()}

    @torch.no_grad()
    def tried(
        self, heads: dict[int, nn.Module], subject: Subject, progress: Progress
    ) -> dict[int, float]:
        """The share of the variance of held-out targets that the heads explain, by tap."""
        errors, totals, squares = (dict.fromkeys(heads, torch.zeros([])) for _ in range(3))
        for block in range(self.blocks, self.blocks + self.held_out):
            maps, targets = self.of_block(subject.samples, block)
            for tap, target in targets.items():
                miss = said(heads[tap], maps[tap], target) - target
                errors[tap] = errors[tap] + miss.double().square().sum().cpu()
                totals[tap] = totals[tap] + target.double().sum(dim=0).cpu()
                squares[tap] = squares[tap] + target.double().square().sum(dim=0).cpu()
            progress(BLOCK // subject.ranks)
        n = self.held_out * BLOCK
        return {
            tap: float(1 - errors[tap] / (squares[tap] - totals[tap].square() / n).sum())
            for tap in heads
        }

    @torch.no_grad()
    def of_block(self, samples: Samples, block: int) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """G's maps and what the teacher sees, of a block of samples, both by tap."""
        parts = list(seen(samples, block, self.taps))
        maps = {tap: torch.cat([m[tap] for _, m in parts]).float() for tap in self.taps}
        looks = [self.teacher.taps(images) for images, _ in parts]
        targets = {
            tap: finite(torch.cat([x[layer] for x in looks]).float(), "a teacher's map")
            for tap, layer in self.layers.items()
        }
        if self.normalise:
            targets = {tap: across_channels(target) for tap, target in targets.items()}
        return maps, targets


class FactorProbe(OfMaps):
    """``probe_b<tap>_<network>``: how well factors can be read linearly from G's maps.

    The judge reads the factors from the image, a ridge regression finds them in the map, averaged
    to 4 px. The mean over factors of what `FactorReading` scores; single ones are in the arrays. A
    factor that is the same in all samples is left out and named.

    Args:
        taps, images, held_out: as in `OfMaps`.
        ridge: share of a number's variance that is added to it.
    """

    better = {"probe": "higher"}
    needs = "a judge that reads factors, and data that have them"

    def __init__(
        self,
        taps: Sequence[int] = (8, 16),
        images: Count = 10_000,
        held_out: Count = 5000,
        ridge: Positive = 1e-2,
    ) -> None:
        super().__init__(taps, images, held_out)
        self.ridge = ridge

    def applies(self, judge: Judge) -> bool:
        """Where factors can be read."""
        return judge.factors is not None

    @torch.no_grad()
    def result(self, subject: Subject, progress: Progress) -> Result:
        """One number per tap, and the score of each factor."""
        network, samples = subject.judge.factors, subject.samples
        assert network is not None
        n, learnt = self.images(), self.blocks * BLOCK
        _, maps = next(seen(samples, 0, self.taps))
        rows = {
            tap: Rows(n, maps[tap].shape[1] * POOLED**2, what="a map").to(samples.device)
            for tap in self.taps
        }
        tables = Rows(n, len(network.columns), what="a factor").to(samples.device)
        for block in range(subject.rank, n // BLOCK, subject.ranks):
            numbers = torch.arange(block * BLOCK, (block + 1) * BLOCK)
            parts = list(seen(samples, block, self.taps))
            tables.update(
                torch.cat([factors_of(network, images.clamp(-1, 1)) for images, _ in parts]),
                numbers,
            )
            for tap, kept in rows.items():
                pooled = [F.adaptive_avg_pool2d(maps[tap], POOLED) for _, maps in parts]
                kept.update(torch.cat(pooled).flatten(1), numbers)
            progress(BLOCK)
        truth, values, arrays = tables.numpy(), list[Value](), dict[str, Any]()
        moves, columns = moving(np.split(truth, [learnt]), network.columns)
        if still := [network.columns[i].name for i in np.flatnonzero(~moves)]:
            log.warning("%s never change in samples: there is nothing to read", ", ".join(still))
        for tap, kept in rows.items():
            known, tried = np.split(kept.numpy(), [learnt])
            read = linear_reading(known, truth[:learnt, moves], tried, columns, self.ridge)
            scores = factor_scores(read, truth[learnt:, moves], columns)
            name = f"probe_b{tap}"
            protocol = self.protocol(subject, network, ridge=self.ridge, pooled=POOLED)
            mean = float(np.mean([*scores.values()])) if scores else None
            values.append(Value(f"{name}_{network.name}", mean, n=len(tried), protocol=protocol))
            arrays[name] = scores
        return Result(values, arrays)


def moving(tables: Sequence[Array], columns: Sequence[Column]) -> tuple[Bools, list[Column]]:
    """Which factors differ in each of some tables [N,F], where they mean something, [F]; and those.

    What needs a thing that is always there needs nothing among them.
    """
    moves = np.array(
        [
            all(len({*t[meant(column, t, columns), i].tolist()}) > 1 for t in tables)
            for i, column in enumerate(columns)
        ]
    )
    kept = [column for column, does in zip(columns, moves, strict=True) if does]
    names = [column.name for column in kept]
    return moves, [c if c.needs in names else c._replace(needs="") for c in kept]


def seen(
    samples: Samples, block: int, taps: Sequence[int]
) -> Iterator[tuple[Tensor, dict[int, Tensor]]]:
    """The images [n,3,R,R] of a block of samples and G's maps, in as many parts as fit."""
    generator = samples.generator
    ws, noise = generator.broadcast(samples.w(block)), samples.noise(block)
    for start in range(0, BLOCK, samples.chunk):
        part = slice(start, start + samples.chunk)
        images, maps = generator.synthesize(ws[part], noise=[x[part] for x in noise], taps=taps)
        yield finite(images, "a sample"), maps


def head(maps: Tensor, width: int, target: Tensor, tap: int) -> nn.Module:
    """A new head from maps [N,C,r,r] to a target [N,T,h,w], the same at every call."""
    with seeded(0, "readout", tap):
        layers = nn.Sequential(
            # Generators differ in the scale of their maps. The mean of all that it has seen.
            nn.BatchNorm2d(maps.shape[1], eps=1e-8, momentum=None, affine=False),
            nn.Conv2d(maps.shape[1], width, 1),
            nn.ReLU(),
            nn.Conv2d(width, target.shape[1], 1),
        )
    return layers.to(maps.device)


def said(head: nn.Module, maps: Tensor, target: Tensor) -> Tensor:
    """What a head says of the target [N,T,h,w]."""
    return F.adaptive_avg_pool2d(head(maps), (target.shape[2], target.shape[3]))
