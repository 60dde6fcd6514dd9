"""How strongly to augment: ADA's feedback on the discriminator's overfitting.

Karras et al. 2020, "Training generative adversarial networks with limited data", section 3: r_t,
the mean sign of D on real images, is held at a target by moving the probability p of every
augmentation up or down at a fixed speed per image.
"""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from ganfeat.errors import UserError
from ganfeat.processes import sum_over_processes

log = logging.getLogger(__name__)


class AdaController(nn.Module):
    """Keeps the augmentation probability; its whole state is in buffers, equal on all ranks.

    Call `accumulate` with D's logits on real images whenever D trains, `update` at the end of
    every iteration, and use `strength` (or, as a tensor on the device, `p`).

    Args:
        target: the wanted mean of sign(D(real)); None keeps `p` as it is.
        kimg: thousands of images in which p can go from 0 to 1.
        interval: iterations from one change of p to the next.
        max_p: p never exceeds this. The paper warns of augmentations that leak into the generated
            images from about 0.8 on (section 2.2), and sets no limit.
        p: start value.
    """

    p: Tensor
    sign_sum: Tensor
    sign_count: Tensor

    def __init__(
        self,
        target: float | None = 0.6,
        kimg: float = 500,
        interval: int = 4,
        max_p: float = 0.8,
        p: float = 0.0,
    ) -> None:
        super().__init__()
        if not (0 <= p <= 1 and 0 <= max_p <= 1):
            raise UserError(f"augmentation probabilities lie in 0..1, not p={p}, max_p={max_p}")
        if p > max_p:
            raise UserError(f"ADA starts at augment_p={p:g}, above ada_max_p={max_p:g}")
        if kimg <= 0 or interval < 1:
            raise UserError(f"ADA needs kimg > 0 and interval >= 1, not {kimg} and {interval}")
        self.target, self.kimg, self.interval, self.max_p = target, kimg, interval, max_p
        self.register_buffer("p", torch.tensor(float(p)))
        self.register_buffer("sign_sum", torch.tensor(0.0))
        self.register_buffer("sign_count", torch.tensor(0.0))
        self.strength: float = self.p.item()
        """`p` as a number, read from the device only when it changes."""
        self.register_load_state_dict_post_hook(_read_strength)  # type: ignore[no-untyped-call]
        self._warned = False

    @torch.no_grad()
    def accumulate(self, logits: Tensor) -> None:
        """Count the signs of D's logits on real images, of any shape, over all ranks together."""
        if self.target is None:
            return
        signs = torch.stack(
            [logits.sign().sum(dtype=torch.float32), self.p.new_full((), logits.numel())]
        )
        # Not only at the update: a checkpoint holds the sums of rank 0 alone, and DDP overwrites
        # the buffers of the others with those of rank 0.
        sum_over_processes(signs)
        self.sign_sum += signs[0]
        self.sign_count += signs[1]

    @torch.no_grad()
    def update(self, iteration: int) -> None:
        """At the end of iterations 0, 1, ...: after every `interval` of them move p."""
        if self.target is None or (iteration + 1) % self.interval:
            return
        # The sign of mean - target, and 0 where nothing was counted.
        direction = torch.sign(self.sign_sum - self.target * self.sign_count)
        self.p += direction * self.sign_count / (self.kimg * 1000)
        self.p.clamp_(0, self.max_p)
        self.sign_sum.zero_()
        self.sign_count.zero_()
        _read_strength(self)
        self._warn_at_the_cap()

    def _warn_at_the_cap(self) -> None:
        if self.strength > self.max_p - 1e-6 and not self._warned:
            self._warned = True
            log.warning(
                "ADA: p has reached its maximum of %g and stays there while D overfits; "
                "stronger augmentation would leak into the generated images",
                self.max_p,
            )


def _read_strength(controller: AdaController, *_: Any) -> None:
    controller.strength = controller.p.item()
