"""HSR: hierarchical semantic regularisation (Karmali et al., ECCV 2022, arXiv:2208.03764).

While G learns from D, small heads foretell from G's inner maps what a frozen teacher sees in the
finished image: the coarsest map its deepest layer, finer maps shallower ones. The paper's text was
not at hand; formulae are those of the authors' released code (methods/hsr.md, section 1).
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ganfeat.backbone import Discriminator, Generator
from ganfeat.backbone.layers import Conv2d
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.features.network import across_channels, paired
from ganfeat.features.randomised import randomised
from ganfeat.generators.stylegan2 import StyleGAN2
from ganfeat.networks import Network
from ganfeat.ranges import Count, NotNegative, Range
from ganfeat.seeds import seeded
from ganfeat.training.method import Losses, Step

log = logging.getLogger(__name__)

Distance = Literal["mse", "cosine"]
Control = Literal["none", "shuffled", "random", "detached"]


class HSR(StyleGAN2):
    """StyleGAN2 whose inner maps must tell what a frozen teacher sees in the image.

    The loss of G gets ``weight * sum over taps of mean (R(h(g)) - t)^2``: ``g`` is G's map at a
    tap, ``h`` its head, ``R`` averages to the size of the teacher's map ``t``, through which
    nothing is learnt. D is trained as ever, and so is G's path length.

    Args:
        generator, discriminator, batch_size, seed, rest: as in `StyleGAN2`.
        features: makes the teacher. It is not called where the weight is 0.
        init_from: whether G and D come from somewhere (``init_from=``).
        weight: of the loss; 0 is plain StyleGAN2, without heads and teacher.
        taps: G's resolutions whose maps are read. The paper's are those for 256 px.
        layers: which of the teacher's maps (0 is its finest, -1 its deepest) each tap foretells;
            None pairs the coarsest tap with the deepest map, and so on.
        head_width: hidden channels of a head.
        distance: ``mse``, or ``cosine``: 2 - 2 cos along channels, mean over positions.
        normalise: bring the teacher's maps to mean 0 and deviation 1 over the channels of each
            position, as DINO's own last norm does. For teachers that have no such norm.
        start_kimg: thousands of images of plain StyleGAN2 first; none where G and D come from
            ``init_from``, which had its own.
        control: what a claim about semantics must beat. ``shuffled`` gives each image the target of
            another, ``random`` the teacher random weights, ``detached`` trains the heads alone.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        batch_size: int,
        seed: int,
        features: Callable[[], Features] | None = None,
        init_from: str | None = None,
        weight: NotNegative = 1.0,
        taps: Sequence[int] = (8, 16, 32, 64),
        layers: Sequence[Annotated[int, Range(-64, 63)]] | None = None,
        head_width: Count = 4096,
        distance: Distance = "mse",
        normalise: bool = False,
        start_kimg: NotNegative = 0.0,
        control: Control = "none",
        **rest: Any,
    ) -> None:
        super().__init__(generator, discriminator, batch_size=batch_size, seed=seed, **rest)
        self.weight, self.distance, self.control = weight, distance, control
        self.normalise = normalise
        self.start_kimg = 0.0 if init_from else start_kimg
        if init_from and start_kimg:
            log.info("after init_from heads begin at once, not at start_kimg=%g", start_kimg)
        self.heads: Heads | None = None
        self._teacher: tuple[Features, ...] = ()  # in a tuple, so that it is no part of the method
        self.layers = paired(taps, layers)
        if weight == 0:
            return
        if features is None:
            raise UserError("HSR needs a teacher: choose one, such as features=teacher")
        teacher = features()
        if control == "random":
            teacher = randomised(teacher, seed)
        self._teacher = (teacher,)
        maps = seen(teacher, generator.resolution)
        self.heads = made_heads(generator, maps, self.layers, head_width, seed)

    def networks(self) -> dict[str, Network]:
        """``g``, ``d``, ``g_ema``, and ``heads`` where there are some."""
        heads = {} if self.heads is None else {"heads": self.heads}
        return {**super().networks(), **heads}

    def added(self) -> set[str]:
        """A plain StyleGAN2 has no heads."""
        return {"heads"}

    def frozen(self) -> dict[str, Network]:
        """The teacher."""
        return {"features": self._teacher[0]} if self._teacher else {}

    def parameters_of(self, network: str) -> list[nn.Parameter]:
        """The heads learn with G, in the same optimiser."""
        found = super().parameters_of(network)
        if network == "generator" and self.heads is not None:
            found.extend(self.heads.parameters())
        return found

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A run that began with ``init_from=`` goes on with its heads, however it is resumed."""
        super().on_load_checkpoint(checkpoint)
        if self.start:
            self.start_kimg = 0.0

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimisers, once it is known that shuffled targets are those of other images."""
        half, parts = self.batch_size // 2, self.trainer.world_size * self.accumulate
        if self.control == "shuffled" and (half == 0 or half % parts):
            raise UserError(
                f"control=shuffled pairs images half a batch apart: {self.batch_size} of them in "
                f"{parts} shares do not hold such pairs; choose another batch_size, "
                "trainer.devices or trainer.accumulate"
            )
        images = self.trainer.max_steps * self.batch_size
        if self.heads is not None and self.start_kimg * 1000 >= images:
            log.warning("method.start_kimg=%g: the run ends before heads begin", self.start_kimg)
        return super().configure_optimizers()

    def on_fit_start(self) -> None:
        """The teacher goes where the method is."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def generator_loss(self, step: Step) -> Losses:
        """The adversarial loss and, of the same images, that of the heads."""
        if self.heads is None or self.images_seen < self.start_kimg * 1000:
            yield from super().generator_loss(step)
            return
        images, maps = self.generator.synthesize(
            self.latents(step, track=True), noise=self.noise(step.draws), taps=self.layers
        )
        logits = self.discriminate(images, step, "fake")
        losses = self.layer_losses(maps, self.targets(images))
        for tap, loss in losses.items():
            self.terms.add(f"hsr/{tap}", loss)
        yield {
            "adversarial": F.softplus(-logits).mean(),
            "hsr": self.weight * torch.stack([*losses.values()]).sum(),
        }

    @torch.no_grad()
    def targets(self, images: Tensor) -> dict[int, Tensor]:
        """What the teacher sees in ``images``, neither clamped nor augmented, by tap."""
        maps = self._teacher[0].taps(images)
        found = {tap: maps[layer].float() for tap, layer in self.layers.items()}
        if self.normalise:
            found = {tap: across_channels(target) for tap, target in found.items()}
        if self.control == "shuffled":  # every share of a batch holds pairs so far apart
            found = {tap: t.roll(len(images) // 2, dims=0) for tap, t in found.items()}
        return found

    def layer_losses(
        self, maps: Mapping[int, Tensor], targets: Mapping[int, Tensor]
    ) -> dict[int, Tensor]:
        """The loss of each tap, before the weight."""
        assert self.heads is not None
        if self.control == "detached":
            maps = {tap: m.detach() for tap, m in maps.items()}
        said = self.heads(maps, {tap: (t.shape[2], t.shape[3]) for tap, t in targets.items()})
        return {tap: distance(said[tap], targets[tap], self.distance) for tap in targets}


class Head(nn.Module):
    """Foretells a teacher's map: 1x1 convolution, ReLU with gain sqrt(2), 1x1 convolution."""

    def __init__(self, channels: int, width: int, target: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(channels, width, 1, activate=False, gain=math.sqrt(2))
        self.conv2 = Conv2d(width, target, 1, activate=False)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """[N,channels,r,r] -> [N,target,r,r], in fp32; averaged to ``size`` where that is smaller.

        Averages and a linear layer commute: in front of it they save most of its work.
        """
        hidden = F.relu(self.conv1(x.float()))
        if size is not None and math.prod(size) < math.prod(hidden.shape[-2:]):
            hidden = F.adaptive_avg_pool2d(hidden, size)
        said: Tensor = self.conv2(hidden)
        return said


class Heads(Network):
    """A head for each tap.

    Args:
        taps: resolutions of G.
        channels: of G's map at each.
        targets: channels of the teacher's map at each.
        width: hidden channels.
    """

    def __init__(
        self, taps: Sequence[int], channels: Sequence[int], targets: Sequence[int], width: int
    ) -> None:
        super().__init__()
        self.config = Heads.arguments(locals())
        for tap, inner, target in zip(taps, channels, targets, strict=True):
            self.add_module(f"b{tap}", Head(inner, width, target))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, maps: Mapping[int, Tensor], sizes: Mapping[int, tuple[int, int]] | None = None
    ) -> dict[int, Tensor]:
        """What the heads say of G's maps, at their own size, or averaged down to ``sizes``."""
        wanted = sizes or {}
        return {tap: self.get_submodule(f"b{tap}")(x, wanted.get(tap)) for tap, x in maps.items()}


def distance(said: Tensor, target: Tensor, kind: Distance) -> Tensor:
    """Loss of a head's output [N,C,r,r], averaged to the size of the target [N,C,h,w]: a scalar.

    ``mse`` is the mean over everything, ``cosine`` the mean of 2 - 2 cos over positions.
    """
    height, width = target.shape[-2:]
    said = F.adaptive_avg_pool2d(said, (height, width))  # where it enlarges: by area
    if kind == "mse":
        return F.mse_loss(said, target)
    return (2 - 2 * F.cosine_similarity(said, target, dim=1)).mean()


@torch.no_grad()
def seen(teacher: Features, resolution: int) -> list[Tensor]:
    """The teacher's maps of an empty image of this size.

    Raises:
        UserError: the image is too small for it, or of a size that it was not made for.
    """
    try:
        return teacher.taps(torch.zeros(1, 3, resolution, resolution))
    except (RuntimeError, ValueError) as error:  # such as a pooling with nothing left to pool
        raise UserError(
            f"{teacher.name} cannot look at images of {resolution} px ({error}): choose another "
            "teacher (features=) or data.resolution"
        ) from error


def made_heads(
    generator: Generator, maps: Sequence[Tensor], layers: Mapping[int, int], width: int, seed: int
) -> Heads:
    """New heads, from random numbers of their own: those of G and D stay as they are.

    Raises:
        UserError: a tap that G lacks, or a map that the teacher lacks.
    """
    blocks = dict(zip(generator.synthesis.resolutions, generator.synthesis.blocks(), strict=True))
    for tap, layer in layers.items():
        if tap not in blocks:
            raise UserError(
                f"method.taps has {tap}, but a generator of {generator.resolution} px has maps of "
                f"{', '.join(map(str, blocks))} px"
            )
        if not -len(maps) <= layer < len(maps):
            raise UserError(
                f"tap {tap} wants map {layer} of the teacher, which has {len(maps)}: choose fewer "
                "method.taps, or method.layers"
            )
    channels = [blocks[tap][1].conv1.weight.shape[0] for tap in layers]
    with seeded(seed, "heads"):
        return Heads([*layers], channels, [maps[i].shape[1] for i in layers.values()], width)
