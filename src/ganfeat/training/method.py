"""What every method is: a LightningModule that declares phases.

A phase updates one network with one optimiser. An iteration takes one batch of data and runs the
phases that are due, in order, each with fresh random numbers. Everything is counted in images.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ganfeat.backbone.loading import NOT_SAID
from ganfeat.errors import UserError
from ganfeat.networks import Network, class_name, describe, state_hash, weights_of
from ganfeat.processes import average_gradients
from ganfeat.training.checkpoint import FORMAT
from ganfeat.training.draws import Draws
from ganfeat.training.terms import Terms

Batch = dict[str, Tensor]
Losses = Iterator[dict[str, Tensor]]
UNKNOWN_SESSION: dict[str, Any] = {"commit": None, "machine": {}, "kimg": 0.0}


@dataclass(frozen=True)
class Step:
    """One micro-batch of one phase: our share of the data, and the random numbers for it."""

    batch: Batch
    draws: Draws

    @property
    def images(self) -> Tensor:
        """Real images [n,C,R,R] in [-1,1]."""
        return self.batch["image"]

    @property
    def label(self) -> Tensor | None:
        """Their labels [n,label_dim], None where the data have none."""
        return self.batch.get("label")


@dataclass(frozen=True)
class Phase:
    """An update of one network.

    Attributes:
        name: as it is logged.
        network: the attribute of the method whose parameters are trained.
        loss: yields ``{term: loss}``; the sum of the terms is backpropagated before the next are
            computed, so terms that share a forward pass belong together.
        interval: run every so many iterations, with the loss multiplied by it.
        n: samples over all processes, None for the batch size.
    """

    name: str
    network: str
    loss: Callable[[Step], Losses]
    interval: int = 1
    n: int | None = None


class Method(LightningModule):
    """Base class: runs phases, averages gradients, logs every term, counts images.

    A subclass declares `phases`, and where needed `optimizer`, `end_iteration`, `pictures` and
    `scalars`.
    """

    def __init__(self, *, batch_size: int, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.batch_size, self.seed = batch_size, seed
        self.iteration = 0
        self.accumulate = 1
        self.terms = Terms()
        self.run_config: dict[str, Any] = {}
        self.start: dict[str, str] = {}  # hashes of the networks that init_from= gave
        self.licence = "MIT"  # of what it trains: that of the weights that init_from= gave
        self.listed: str | None = None  # a hash of names and sizes of the files it is trained on
        self.sessions: list[dict[str, Any]] = []  # who computed it: commit, machine, kimg from

    def phases(self) -> list[Phase]:
        """The phases in the order in which they run."""
        raise NotImplementedError

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """An optimiser for one network; ``ratio`` = k/(k+1) where it also has a lazy phase."""
        raise NotImplementedError

    def parameters_of(self, network: str) -> list[nn.Parameter]:
        """What the phases of ``network`` train: its parameters, and what learns along with it."""
        return list(getattr(self, network).parameters())

    def frozen(self) -> dict[str, Network]:
        """The networks that it looks with and does not train. They stand in no checkpoint."""
        return {}

    def schedule(self) -> float:
        """What every learning rate is multiplied by in this iteration."""
        return 1.0

    def end_iteration(self) -> None:
        """Called after all phases of an iteration."""

    def pictures(self) -> Mapping[str, Tensor]:
        """Pictures to look at while training: name -> [3,H,W] in [-1,1]."""
        return {}

    def scalars(self) -> Mapping[str, float]:
        """State worth logging at a tick."""
        return {}

    def findings(self) -> Mapping[str, Any]:
        """What came to light beside the networks, as plain data for the record's arrays."""
        return {}

    def networks(self) -> dict[str, Network]:
        """The networks that the run's weights file holds, by their public names."""
        raise NotImplementedError

    def added(self) -> set[str]:
        """Those of them that need not be in what ``init_from`` names: they then start anew."""
        return set()

    def artefact(self) -> nn.Module:
        """What the method is for: a generator, an encoder or a navigator."""
        raise NotImplementedError

    @property
    def images_seen(self) -> int:
        """Images seen before the current iteration."""
        return self.iteration * self.batch_size

    def configure_optimizers(self) -> list[Optimizer]:
        """One optimiser per network, in the order in which phases first name them."""
        self._phases = self.phases()
        if self._phases[0].interval != 1:
            raise ValueError("the first phase counts the iterations: its interval must be 1")
        self._check_sizes()
        self._optimizer_of = {
            name: i for i, name in enumerate(dict.fromkeys(p.network for p in self._phases))
        }
        self.requires_grad_(False)
        optimizers = [self._configure_network(name) for name in self._optimizer_of]
        self._rates = [[group["lr"] for group in o.param_groups] for o in optimizers]
        return optimizers

    def _configure_network(self, network: str) -> Optimizer:
        ratio = 1.0
        for phase in self._phases:
            if phase.network == network and phase.interval > 1:
                ratio *= phase.interval / (phase.interval + 1)
        return self.optimizer(self.parameters_of(network), ratio)

    def _check_sizes(self) -> None:
        parts = self.trainer.world_size * self.accumulate
        for phase in self._phases:
            n = phase.n or self.batch_size
            if n % parts:
                raise UserError(
                    f"phase {phase.name} has {n} samples, which do not divide into "
                    f"{self.trainer.world_size} processes x {self.accumulate} micro-batches: "
                    "choose another batch_size, trainer.devices or trainer.accumulate"
                )

    def frozen_weights(self) -> dict[str, list[str]]:
        """`weights_of` the frozen networks, which must not measure what they taught."""
        return {name: sorted(weights_of(network)) for name, network in self.frozen().items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a reader needs to build the networks, as plain data."""
        checkpoint["ganfeat"] = {
            "format": FORMAT,
            "method": class_name(self),
            "config": self.run_config,
            "networks": {
                name: {**entry, "prefix": self._prefix(name)}
                for name, entry in describe(self.networks()).items()
            },
            "frozen": {name: state_hash(network) for name, network in self.frozen().items()},
            "frozen_weights": self.frozen_weights(),
            "start": self.start,
            "licence": self.licence,
            "sessions": self.sessions,
            "listed": self.listed,
            "terms": self.terms.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the means of the tick that was running."""
        about = checkpoint["ganfeat"]
        self.terms.load_state_dict(about["terms"])
        self.start = about.get("start", {})
        self.licence = about.get("licence", NOT_SAID if self.start else "MIT")
        # Older checkpoints do not say who wrote them.
        self.sessions = [*about.get("sessions", [UNKNOWN_SESSION]), *self.sessions]

    def _prefix(self, network: str) -> str:
        """Where a network stands in the state dict."""
        wanted = self.networks()[network]
        return next(f"{name}." for name, module in self.named_modules() if module is wanted)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Run the phases that are due in this iteration."""
        self.iteration = self.trainer.global_step
        self._set_rates()
        for i, phase in enumerate(self._phases):
            if self.iteration % phase.interval == 0:
                self._run_phase(phase, batch, counts=i == 0)
        self.end_iteration()

    def _every_optimizer(self, *, counts: bool) -> list[Any]:
        """All optimisers. Lightning counts the steps of those that it wraps: one counts."""
        optimizers: Any = self.optimizers(use_pl_optimizer=counts)
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _set_rates(self) -> None:
        factor = self.schedule()
        for optimizer, rates in zip(self._every_optimizer(counts=False), self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def _run_phase(self, phase: Phase, batch: Batch, *, counts: bool) -> None:
        parameters = self.parameters_of(phase.network)
        optimizer = self._every_optimizer(counts=counts)[self._optimizer_of[phase.network]]
        optimizer.zero_grad(set_to_none=True)
        for parameter in parameters:
            parameter.requires_grad_(True)
        for micro in range(self.accumulate):
            for losses in phase.loss(self._step(phase, batch, micro)):
                for term, loss in losses.items():
                    self._log_guarded(f"loss/{phase.name}/{term}", loss)
                total = torch.stack([*losses.values()]).sum()
                torch.autograd.backward(total * (phase.interval / self.accumulate))
        for parameter in parameters:
            parameter.requires_grad_(False)
        average_gradients(parameters)
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        self._log_guarded(f"gradient/{phase.name}", norm)
        if norm.device.type == "cpu":  # on a GPU this would wait for it: there at every tick
            self.terms.check()
        optimizer.step()

    def _log_guarded(self, name: str, value: Tensor) -> None:
        self.terms.add(name, value)
        self.terms.guard(name, value, self.iteration)

    def _step(self, phase: Phase, batch: Batch, micro: int) -> Step:
        ranks = self.trainer.world_size
        n = phase.n or self.batch_size
        local = n // (ranks * self.accumulate)
        share = {key: value[micro :: self.accumulate][:local] for key, value in batch.items()}
        draws = Draws(
            key=(self.seed, self.iteration, phase.name),
            n=n,
            offset=self.trainer.global_rank + ranks * micro,
            stride=ranks * self.accumulate,
            device=self.device,
        )
        return Step(share, draws)


def adam(
    parameters: list[nn.Parameter], lr: float, betas: tuple[float, float], ratio: float
) -> Adam:
    """Adam with lr and betas corrected for lazy regularisation (StyleGAN2, appendix B).

    ``ratio`` = k/(k+1) for a phase that runs every k iterations: lr * ratio, beta ** ratio.
    """
    first, second = betas
    # foreach, not fused: on a CPU the fused kernel walks gradients in memory order and silently
    # mixes up elements where a gradient is not channels_last like its parameter (torch 2.12).
    return Adam(
        parameters, lr=lr * ratio, betas=(first**ratio, second**ratio), eps=1e-8, foreach=True
    )
