"""GH-Feat: an encoder trained with a frozen StyleGAN as its loss.

Values are those of the authors' code, where the paper's text differs (methods/ghfeat.md, 2.1-2.4).
"""

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from ganfeat import backbone
from ganfeat.backbone import Discriminator
from ganfeat.backbone.sampling import inputs
from ganfeat.encoders.ghfeat.latents import Space, layout, sample
from ganfeat.encoders.ghfeat.network import GHFeatNet
from ganfeat.encoders.ghfeat.resnet import check_batch
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.networks import Network, state_hash
from ganfeat.pictures import reconstructions
from ganfeat.processes import mean_over_processes, rank
from ganfeat.ranges import Count, Decay, LearningRate, NotNegative, Positive, Range, Share
from ganfeat.seeds import seed_of, seeded
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.losses import r1_penalty
from ganfeat.training.method import Losses, Method, Phase, Step, adam

log = logging.getLogger(__name__)

SAMPLES = 10_000  # from which a style's mean and deviation are taken
SCORED, PERCENTILES = 1024, (0.05, 0.95, 0.5)  # samples that D scores, and what is said of these


class GHFeat(Method):
    """Trains `GHFeatNet` so that the frozen generator draws the input image again.

    The loss of E is ``mean (x' - x)^2 + perceptual * mean (F(x') - F(x))^2 + adversarial *
    mean softplus(-D(x'))`` with ``x'`` what the generator makes of the codes of ``x``, with its
    stored noise. D begins as the generator's own and learns to tell ``x'`` from ``x``.

    Args:
        weights: holds G and D: a run, a checkpoint, a weights file, an official pickle, or
            `EMBEDDED`.
        resolution: of the data.
        label_dim: of the data.
        batch_size, seed: as in `Method`.
        num_bf16_res: how many of the highest resolutions of G and D run in bfloat16.
        features: makes the perceptual network F; none is needed where its weight is 0.
        space: what is coded: ``s`` the full style space, ``w+`` or ``w``.
        depth, width, channels, align: of `GHFeatNet`.
        perceptual: weight of its loss; None calibrates it to ``perceptual_share``. The authors'
            5e-5 is for VGG16 with Caffe's weights.
        perceptual_share: of the pixel loss, that the perceptual loss is in the first step.
        tap: which of its maps, counted from the deepest, -1.
        adversarial: weight of its loss; 0 leaves D out.
        adversarial_stride: D looks at every so-manieth image of a batch, real and drawn; where
            several processes or micro-batches share it, of each one's share: others than else.
        r1_gamma: weight of R1 on real images.
        r1_interval: iterations between its steps, in which it counts so many times.
        lr: of Adam, for E and D.
        beta1, beta2: its decays.
        decay: what the learning rate is multiplied by every ``decay_kimg``.
        decay_kimg: thousands of images; it falls continuously.
        ema_kimg: half-life of the weight average in thousands of images. The authors have none.
    """

    perceptual_weight: Tensor

    def __init__(
        self,
        *,
        weights: str,
        resolution: int,
        batch_size: int,
        seed: int,
        label_dim: int = 0,
        num_bf16_res: int = 0,
        features: Callable[[], Features] | None = None,
        space: Space = "s",
        depth: int = 50,
        width: Count = 64,
        channels: Count = 512,
        align: bool = True,
        perceptual: NotNegative | None = 5e-5,
        perceptual_share: Positive = 1.0,
        tap: Annotated[int, Range(-64, -1)] = -2,
        adversarial: NotNegative = 0.08,
        adversarial_stride: Count = 1,
        r1_gamma: NotNegative = 10.0,
        r1_interval: Count = 1,
        lr: LearningRate = 1e-4,
        beta1: Decay = 0.9,
        beta2: Decay = 0.99,
        decay: Share = 0.8,
        decay_kimg: Positive = 1750.0,
        ema_kimg: NotNegative = 10.0,
    ) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        generator = backbone.load_for(weights, resolution, num_bf16_res)
        self._frozen: dict[str, Network] = {"generator": generator}
        if perceptual != 0:
            if features is None:
                raise UserError(
                    "GH-Feat needs a perceptual network: choose one, such as features=teacher, or "
                    "method.perceptual=0"
                )
            self._frozen["features"] = looks = features()
            maps = len(looks.taps(torch.zeros(1, 3, resolution, resolution)))
            if -tap > maps:
                raise UserError(
                    f"method.tap={tap}: {looks.name} has {maps} maps, from {-maps} to -1 (the "
                    "deepest)"
                )
        with seeded(seed, "encoder"):  # whatever was drawn for G and D
            levels = layout(generator, space)
            self.encoder = GHFeatNet(
                resolution, levels, depth, width, channels, align, weights, state_hash(generator)
            )
        self.encoder.standardise(sample(generator, space, SAMPLES, seed_of(seed, "styles")))
        self.ema = copy.deepcopy(self.encoder).eval()
        self.encoder.attach(generator)
        self.ema.attach(generator)
        self.discriminator: Discriminator | None = None
        if adversarial > 0:
            try:
                self.discriminator = backbone.load(weights, "d", num_bf16_res=num_bf16_res)
            except UserError as error:
                raise UserError(
                    f"{error}; without a discriminator, method.adversarial=0 trains"
                ) from error
            if self.discriminator.label_dim not in (0, label_dim):
                raise UserError(
                    f"the discriminator of {weights} is told labels of "
                    f"{self.discriminator.label_dim} numbers, and the data have {label_dim}: set "
                    "data.labels to what it was trained with, or method.adversarial=0"
                )
        calibrated = float("nan") if perceptual is None else perceptual
        self.register_buffer("perceptual_weight", torch.tensor(calibrated))
        self._drawn: list[Tensor] = []  # by E in this iteration, one for each micro-batch, for D
        self.perceptual_share, self.tap = perceptual_share, tap
        self.adversarial, self.adversarial_stride = adversarial, adversarial_stride
        self.r1_gamma, self.r1_interval = r1_gamma, r1_interval
        self.lr, self.betas = lr, (beta1, beta2)
        self.decay, self.decay_kimg, self.ema_kimg = decay, decay_kimg, ema_kimg

    def phases(self) -> list[Phase]:
        """E, then D on the same batch."""
        found = [Phase("Emain", "encoder", self.encoder_loss)]
        if self.discriminator is not None:
            found.append(Phase("Dmain", "discriminator", self.discriminator_loss))
        return found

    def configure_optimizers(self) -> list[Optimizer]:
        """The optimisers, once it is known that batch norm has something to normalise by."""
        share, stride = self._share(), self.adversarial_stride
        check_batch(self.batch_size // self.accumulate)
        if self.discriminator is not None:
            seen = -(-share // stride)
            group = min(self.discriminator.b4.mbstd_group, self.batch_size)
            if seen < group or seen % group:
                raise UserError(
                    f"method.adversarial_stride={stride} shows the discriminator {seen} of a share "
                    f"of {share} images, which it looks at in groups of {group}: choose another "
                    "stride, a larger batch_size, or fewer trainer.devices or trainer.accumulate"
                )
        return super().configure_optimizers()

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """Adam; R1 is part of D's only phase, so nothing is corrected for."""
        return adam(parameters, self.lr, self.betas, ratio)

    def schedule(self) -> float:
        """Falls with the images seen, whatever the batch."""
        factor: float = self.decay ** (self.images_seen / 1000 / self.decay_kimg)
        return factor

    def networks(self) -> dict[str, Network]:
        """``encoder``, its average ``encoder_ema``, and ``d`` where it is trained."""
        found: dict[str, Network] = {"encoder": self.encoder, "encoder_ema": self.ema}
        return found if self.discriminator is None else {**found, "d": self.discriminator}

    def frozen(self) -> dict[str, Network]:
        """``generator``, and ``features``, the perceptual network."""
        return self._frozen

    def artefact(self) -> Network:
        """The average encoder."""
        return self.ema

    def on_fit_start(self) -> None:
        """Frozen networks go where the method is; says what D's scores are to be held against."""
        for network in self._frozen.values():
            network.to(self.device)
        # A run that goes on has D's weights by now, and is told its step later.
        begins = self.trainer.ckpt_path is None and rank() == 0
        if self.discriminator is not None and begins:
            log.info(
                "D scores samples of G from %.2f to %.2f, half of them below %.2f (90 %% of them; "
                "reconstructions: score/drawn)",
                *self._usual_scores(self.discriminator),
            )

    @torch.no_grad()
    def _usual_scores(self, discriminator: Discriminator) -> list[float]:
        """Percentiles of D's scores of random samples, before either learns (check S11)."""
        generator, at_once = self.encoder.generator, -(-self._share() // self.adversarial_stride)
        count = max(SCORED // at_once, 1) * at_once
        given = inputs(generator, count, seed_of(self.seed, "scores"), at_once)
        scores = [discriminator(generator(z, label), label).float().cpu() for z, label in given]
        percentiles: list[float] = torch.cat(scores).quantile(torch.tensor(PERCENTILES)).tolist()
        return percentiles

    def _share(self) -> int:
        """Images of a micro-batch in one process."""
        return self.batch_size // (self.trainer.world_size * self.accumulate)

    def encoder_loss(self, step: Step) -> Losses:
        """Pixels, perception, adversary: in one backward pass."""
        drawn = self.encoder.rebuild(step.images)
        losses = {"pixel": (drawn - step.images).square().mean()}
        if "features" in self._frozen:
            losses["perceptual"] = self.perceptual_loss(drawn, step.images, losses["pixel"])
        if self.discriminator is not None:
            seen = drawn[:: self.adversarial_stride]
            self._drawn.append(seen.detach())
            logits = self.discriminator(seen, self._label(step))
            losses["adversarial"] = self.adversarial * F.softplus(-logits).mean()
        yield losses

    def perceptual_loss(self, drawn: Tensor, images: Tensor, pixel: Tensor) -> Tensor:
        """Mean squared difference of a map of both, times its weight; calibrates that once."""
        network = self._frozen["features"]
        assert isinstance(network, Features)
        with torch.no_grad():
            wanted = network.taps(images)[self.tap]
        distance = (network.taps(drawn)[self.tap] - wanted).square().mean()
        if torch.isnan(self.perceptual_weight):
            whole = mean_over_processes(torch.stack([pixel, distance]).detach())
            self.perceptual_weight.copy_(self.perceptual_share * whole[0] / whole[1])
        return self.perceptual_weight * distance

    def discriminator_loss(self, step: Step) -> Losses:
        """Reconstructions, then real images, with R1 in the same pass where it is due.

        The reconstructions are those that E has just learnt from: to draw them anew after E's
        step would cost a seventh of an iteration.
        """
        assert self.discriminator is not None
        drawn = self._drawn.pop(0)
        logits = self.discriminator(drawn, self._label(step))
        self.terms.add("score/drawn", logits)
        yield {"drawn": F.softplus(logits).mean()}
        due = self.r1_gamma > 0 and self.iteration % self.r1_interval == 0
        images = step.images[:: self.adversarial_stride].detach().requires_grad_(due)
        logits = self.discriminator(images, self._label(step))
        self.terms.add("score/real", logits)
        losses = {"real": F.softplus(-logits).mean()}
        if due:
            penalty = r1_penalty(images, logits).value.mean()
            losses["r1"] = self.r1_gamma / 2 * self.r1_interval * penalty
        yield losses

    def _label(self, step: Step) -> Tensor | None:
        """Of the images that D looks at."""
        return None if step.label is None else step.label[:: self.adversarial_stride]

    def end_iteration(self) -> None:
        """Move the average, running statistics included: they belong to its weights."""
        decay = ema_decay(self.batch_size, self.images_seen, self.ema_kimg, rampup=0.1)
        update_ema(self.ema, self.encoder, decay, buffers=True)

    def scalars(self) -> Mapping[str, float]:
        """The weight of the perceptual loss."""
        has = "features" in self._frozen
        return {"perceptual/weight": float(self.perceptual_weight)} if has else {}

    @torch.no_grad()
    def pictures(self) -> Mapping[str, Tensor]:
        """Images of the validation split above what the average encoder and G make of them."""
        data = self.trainer.datamodule.dataset  # type: ignore[attr-defined]
        return {"reconstructions": reconstructions(self.ema.eval(), data, self.device)}
