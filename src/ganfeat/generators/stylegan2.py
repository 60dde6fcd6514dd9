"""StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), with optional ADA (arXiv:2006.06676).

Phases, in this order: Gmain, path length every 4 iterations on half a batch, Dmain, R1 every 16.
"""

import copy
import logging
import math
from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ganfeat.backbone import Discriminator, Generator
from ganfeat.errors import UserError
from ganfeat.networks import Network
from ganfeat.pictures import grid_shape, image_grid
from ganfeat.processes import mean_over_processes
from ganfeat.ranges import Count, Decay, LearningRate, NotNegative, Positive, Range, Share
from ganfeat.seeds import seed_of
from ganfeat.training.ada import AdaController
from ganfeat.training.augment import AugmentPipe
from ganfeat.training.draws import Draws
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.losses import path_length_penalty, r1_penalty
from ganfeat.training.method import Losses, Method, Phase, Step, adam

log = logging.getLogger(__name__)


class StyleGAN2(Method):
    """Adversarial training with non-saturating loss, R1, path length and style mixing.

    Args:
        generator: G. Its moving average is what is evaluated and saved as ``g_ema``.
        discriminator: D.
        batch_size: images per iteration, over all processes.
        seed: seed of everything random.
        lr: Adam's learning rate for both networks.
        beta2: Adam's second decay (the first is 0).
        r1_gamma: weight of R1; 0 leaves the phase out.
        r1_gamma_start: weight of R1 at the first image, from which it moves to ``r1_gamma``, the
            same factor for every image; None, or G and D from ``init_from``, for ``r1_gamma`` from
            the start.
        r1_kimg: thousands of images after which it has arrived there.
        r1_interval: iterations between R1 phases.
        pl_weight: weight of the path length penalty; 0 leaves the phase out, and with it the lazy
            correction of G's Adam (at ``pl_interval=4`` a learning rate of 4/5).
        pl_interval: iterations between path length phases.
        pl_decay: how far the mean path length moves in one such phase.
        pl_batch_shrink: the path length phase takes batch_size / this.
        mixing_prob: probability of style mixing in a batch.
        w_avg_beta: decay of the running mean of w.
        ema_kimg: half-life of the weight average in thousands of images.
        ema_rampup: upper limit of the half-life as a fraction of the images seen; None for none,
            as there is after ``init_from``, whose weights have no first steps to forget.
        augment: ADA's transforms: none, or letters of b(lit), g(eometric), c(olour).
        augment_p: probability to start from, ``ada_max_p`` at most; with ``ada_target=None`` it
            stays.
        ada_target: mean sign of D(real) that the controller aims at.
        ada_kimg: images in thousands over which p can move by 1.
        ada_max_p: upper limit of p.
    """

    pl_mean: Tensor

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        batch_size: int,
        seed: int,
        lr: LearningRate = 0.0025,
        beta2: Decay = 0.99,
        r1_gamma: NotNegative = 1.0,
        r1_gamma_start: Positive | None = None,
        r1_kimg: Positive = 100.0,
        r1_interval: Count = 16,
        pl_weight: NotNegative = 2.0,
        pl_interval: Count = 4,
        pl_decay: Share = 0.01,
        pl_batch_shrink: Count = 2,
        mixing_prob: Share = 0.9,
        w_avg_beta: Share = 0.995,
        ema_kimg: NotNegative = 10.0,
        ema_rampup: NotNegative | None = None,
        augment: str = "none",
        augment_p: Share = 0.0,
        ada_target: Annotated[float, Range(-1, 1)] | None = 0.6,
        ada_kimg: Positive = 500.0,
        ada_max_p: Share = 0.8,
    ) -> None:
        if generator.config["image_channels"] != 3 or discriminator.config["image_channels"] != 3:
            raise UserError("the data have 3 colours: image_channels must be 3 in both networks")
        if r1_gamma == 0 and r1_gamma_start is not None:
            raise UserError(
                "r1_gamma=0 leaves R1 out: r1_gamma_start must be null, or r1_gamma a small number"
            )
        if augment == "none" and augment_p > 0:
            raise UserError(f"augment_p={augment_p:g} has nothing to do: augment=none")
        if augment != "none" and ada_target is None and augment_p == 0:
            raise UserError(
                f"augment={augment} would never do anything: ada_target=null keeps augment_p at 0"
            )
        super().__init__(batch_size=batch_size, seed=seed)
        self.generator, self.discriminator = generator, discriminator
        self.ema = copy.deepcopy(generator).eval()
        self.register_buffer("pl_mean", torch.zeros([]))
        self.lr, self.beta2 = lr, beta2
        self.r1_gamma, self.r1_gamma_start, self.r1_kimg = r1_gamma, r1_gamma_start, r1_kimg
        self.r1_interval = r1_interval
        self.pl_weight, self.pl_interval, self.pl_decay = pl_weight, pl_interval, pl_decay
        self.pl_batch_shrink, self.mixing_prob = pl_batch_shrink, mixing_prob
        self.w_avg_beta, self.ema_kimg, self.ema_rampup = w_avg_beta, ema_kimg, ema_rampup
        self._w_means: list[Tensor] = []  # of the micro-batches of an iteration
        self._length_means: list[Tensor] = []
        self.augment = AugmentPipe.preset(augment) if augment != "none" else None
        self.ada = AdaController(target=ada_target, kimg=ada_kimg, max_p=ada_max_p, p=augment_p)

    def phases(self) -> list[Phase]:
        """Gmain, Gpl, Dmain, Dr1; a regulariser of weight 0 is left out."""
        shrunk = max(self.batch_size // self.pl_batch_shrink, 1)
        every = [
            Phase("Gmain", "generator", self.generator_loss),
            Phase("Gpl", "generator", self.path_length_loss, self.pl_interval, n=shrunk),
            Phase("Dmain", "discriminator", self.discriminator_loss),
            Phase("Dr1", "discriminator", self.r1_loss, self.r1_interval),
        ]
        left_out = {"Gpl": self.pl_weight == 0, "Dr1": self.r1_gamma == 0}
        return [phase for phase in every if not left_out.get(phase.name, False)]

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimisers, once it is known that each share of a batch holds a whole group."""
        parts = self.trainer.world_size * self.accumulate
        group = min(self.discriminator.b4.mbstd_group, self.batch_size)
        if self.batch_size // parts < group:
            raise UserError(
                f"{parts} shares of {self.batch_size} images are smaller than the discriminator's "
                f"mbstd_group={group}: use fewer devices or micro-batches, or a smaller group"
            )
        if self.start and (self.ema_rampup is not None or self.r1_gamma_start is not None):
            log.info("after init_from the average keeps its half-life and R1 its last weight")
        return super().configure_optimizers()

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """Adam with the lazy correction."""
        return adam(parameters, self.lr, (0.0, self.beta2), ratio)

    def networks(self) -> dict[str, Network]:
        """``g``, ``d`` and ``g_ema``."""
        return {"g": self.generator, "d": self.discriminator, "g_ema": self.ema}

    def artefact(self) -> Generator:
        """The average generator."""
        return self.ema

    def latents(self, step: Step, *, track: bool = False) -> Tensor:
        """Fresh ws [n,L,D] with style mixing; ``track`` moves the running mean of w."""
        g, draws = self.generator, step.draws
        w = g.map(draws.randn("z", g.z_dim), step.label)
        if track:
            self._w_means.append(w.detach().mean(dim=0))
        ws = g.broadcast(w)
        if draws.uniform("mixing") >= self.mixing_prob:
            return ws
        cut = 1 + int(draws.uniform("cut") * (g.num_ws - 1))
        other = g.broadcast(g.map(draws.randn("z2", g.z_dim), step.label))
        return torch.cat([ws[:, :cut], other[:, cut:]], dim=1)

    def synthesize(self, ws: Tensor, draws: Draws) -> Tensor:
        """Images of ``ws`` with this step's noise."""
        images: Tensor = self.generator.synthesize(ws, noise=self.noise(draws))
        return images

    def noise(self, draws: Draws) -> list[Tensor]:
        """This step's noise, our share of the batch."""
        whole = self.generator.draw_noise(draws.n, draws.rng("noise"))
        return [draws.share(x) for x in whole]

    def discriminate(self, images: Tensor, step: Step, purpose: str) -> Tensor:
        """Logits [n,1] of the augmented images."""
        if self.augment is not None:
            # On the CPU, where the matrices are made: no GPU has to be waited for.
            rng = step.draws.rng(f"augment {purpose}", device="cpu")
            whole = self.augment.draw(step.draws.n, rng)
            images = self.augment(images, self.ada.strength, step.draws.share(whole))
        logits: Tensor = self.discriminator(images, step.label)
        return logits

    def generator_loss(self, step: Step) -> Losses:
        """softplus(-D(G(z))): the non-saturating loss."""
        images = self.synthesize(self.latents(step, track=True), step.draws)
        logits = self.discriminate(images, step, "fake")
        yield {"adversarial": F.softplus(-logits).mean()}

    def path_length_loss(self, step: Step) -> Losses:
        """Section 3.2 of the paper, on a smaller batch."""
        ws = self.latents(step)
        images = self.synthesize(ws, step.draws)
        noise = step.draws.randn("path length", *images.shape[1:])
        penalty = path_length_penalty(
            images,
            ws,
            noise / math.sqrt(images.shape[2] * images.shape[3]),
            self.pl_mean,
            decay=self.pl_decay,
            reduce_mean=mean_over_processes,
        )
        self._length_means.append(penalty.lengths.detach().mean())
        self.terms.add("path_length/length", penalty.lengths)
        yield {"path_length": self.pl_weight * penalty.value.mean()}

    def discriminator_loss(self, step: Step) -> Losses:
        """softplus(D(G(z))), then softplus(-D(x)), backpropagated one after the other."""
        with torch.no_grad():
            fakes = self.synthesize(self.latents(step), step.draws)
        logits = self.discriminate(fakes, step, "fake")
        self.terms.add("score/fake", logits)
        yield {"fake": F.softplus(logits).mean()}
        logits = self.discriminate(step.images, step, "real")
        self.terms.add("score/real", logits)
        self.terms.add("score/real_sign", logits.sign())
        if self.augment is not None:
            self.ada.accumulate(logits)
        yield {"real": F.softplus(-logits).mean()}

    def r1_loss(self, step: Step) -> Losses:
        """Gradient penalty on real images, through the augmentation."""
        images = step.images.detach().requires_grad_()
        penalty = r1_penalty(images, self.discriminate(images, step, "real")).value.mean()
        self.terms.add("r1/penalty", penalty)
        yield {"r1": self.r1_weight() / 2 * penalty}

    def r1_weight(self) -> float:
        """The weight of R1 at this point of training.

        High at first, when D recognises G's images with ease and G has nothing to follow; low
        later, when D must see details (R3GAN, Huang et al. 2024, lowers it during training too).
        """
        if self.r1_gamma_start is None or self.start:
            return self.r1_gamma
        progress = min(self.images_seen / (self.r1_kimg * 1000), 1.0)
        return self.r1_gamma_start * math.pow(self.r1_gamma / self.r1_gamma_start, progress)

    def end_iteration(self) -> None:
        """Running means of the whole batch, weight average, augmentation probability."""
        w = mean_over_processes(torch.stack(self._w_means).mean(dim=0))
        self.generator.mapping.update_average(w[None], self.w_avg_beta)
        if self._length_means:
            length = mean_over_processes(torch.stack(self._length_means).mean())
            self.pl_mean.lerp_(length, self.pl_decay)
        self._w_means, self._length_means = [], []
        rampup = None if self.start else self.ema_rampup
        decay = ema_decay(self.batch_size, self.images_seen, self.ema_kimg, rampup)
        update_ema(self.ema, self.generator, decay)
        if self.augment is not None:
            self.ada.update(self.iteration)

    def scalars(self) -> Mapping[str, float]:
        """Augmentation probability and the weight of R1, where they move."""
        p = {} if self.augment is None else {"ada/p": self.ada.strength}
        moves = self.r1_gamma_start is not None and not self.start
        return p | {"r1/gamma": self.r1_weight()} if moves else p

    @torch.no_grad()
    def pictures(self) -> Mapping[str, Tensor]:
        """A grid of samples of the average at fixed z; with classes, one class per column."""
        columns, rows = grid_shape(self.ema.resolution)
        n = columns * rows
        rng = torch.Generator().manual_seed(seed_of(self.seed, "pictures"))
        z = torch.randn(n, self.ema.z_dim, generator=rng).to(self.device)
        classes = torch.arange(n) % columns % max(self.ema.label_dim, 1)
        label = F.one_hot(classes, max(self.ema.label_dim, 1)).float().to(self.device)
        shares = [slice(i, i + 16) for i in range(0, n, 16)]
        images = [self.ema(z[s], label[s] if self.ema.label_dim else None) for s in shares]
        return {"samples": image_grid(torch.cat(images), columns)}
