"""What every method shares that finds edits of a frozen generator."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from ganfeat import backbone
from ganfeat.backbone import Generator
from ganfeat.backbone.navigator import Edits, Navigator
from ganfeat.errors import UserError
from ganfeat.navigators.latents import Axes, axes
from ganfeat.networks import Network, state_hash
from ganfeat.pages import traversals
from ganfeat.seeds import seed_of
from ganfeat.training.codes import random_codes
from ganfeat.training.draws import Draws
from ganfeat.training.method import Losses, Method, Phase, Step

FRAMES = 5  # images along an edit
AT_ONCE = 64
REACH = 3.0  # usual deviations of w, to both ends of a picture


class Finder(Method):
    """Holds the frozen generator. A batch is so many start codes: images of the data are not seen.

    A subclass sets `navigator`.

    Args:
        weights: holds the generator: a run, a checkpoint, a weights file, an official pickle, or
            one of `EMBEDDED`.
        resolution: of the data.
        batch_size, seed: as in `Method`.
        num_bf16_res: how many of the generator's highest resolutions run in bfloat16.
    """

    navigator: Navigator

    def __init__(
        self, weights: str, resolution: int, *, batch_size: int, seed: int, num_bf16_res: int = 0
    ) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        found = backbone.load_for(weights, resolution, num_bf16_res)
        self._frozen: dict[str, Network] = {"generator": found.requires_grad_(False)}
        self.weights = weights

    @property
    def generator(self) -> Generator:
        """The frozen generator."""
        found = self._frozen["generator"]
        assert isinstance(found, Generator)
        return found

    def built_on(self) -> dict[str, Any]:
        """What a `Navigator` is told of the generator."""
        g = self.generator
        return {
            "num_ws": g.num_ws,
            "w_dim": g.w_dim,
            "weights": self.weights,
            "generator_hash": state_hash(g),
        }

    @cached_property
    def axes(self) -> Axes:
        """The principal axes of W."""
        return axes(self.generator, seed_of(self.seed, "axes"))

    def random_w(self, draws: Draws, count: int) -> Tensor:
        """Our share of ``count`` random w for each start code, untruncated: [n,count,D]."""
        _, w = random_codes(self.generator, draws, count)
        return w

    def frozen(self) -> dict[str, Network]:
        """The generator, and whatever else it looks with."""
        return self._frozen

    def networks(self) -> dict[str, Network]:
        """``navigator``."""
        return {"navigator": self.navigator}

    def artefact(self) -> Network:
        """The navigator."""
        return self.navigator

    @torch.no_grad()
    def pictures(self) -> Mapping[str, Tensor]:
        """``traversals``: a sample along every edit, as far as w usually goes."""
        g = self.generator
        draws = Draws((self.seed, 0, "pictures"), 1, device=self.device)
        ws = g.broadcast(self.random_w(draws, 1)[:, 0])
        if float(self.navigator.reach(ws).min()) == 0:
            return {}  # nothing is fitted yet
        steps = self.navigator.steps_to(ws, REACH * self.axes.unit)
        ways = self.navigator.along(ws, steps, FRAMES)
        parts = torch.split(ways.flatten(0, 2), AT_ONCE)
        images = torch.cat([g.synthesize(some).clamp(-1, 1) for some in parts])
        strips = images.view(-1, FRAMES, *images.shape[1:])
        return {"traversals": traversals(strips, self.navigator.shares(ws), self.navigator.labels)}

    def on_fit_start(self) -> None:
        """Frozen networks go where the method is."""
        for network in self._frozen.values():
            network.to(self.device)


class Fitted(Finder):
    """Edits that are computed, not trained: one iteration, in which `fit` says what they are.

    Args:
        weights, resolution, batch_size, seed, num_bf16_res: as in `Finder`.
    """

    navigator: Edits

    def __init__(
        self, weights: str, resolution: int, *, batch_size: int, seed: int, num_bf16_res: int = 0
    ) -> None:
        super().__init__(
            weights, resolution, batch_size=batch_size, seed=seed, num_bf16_res=num_bf16_res
        )
        self.clock = nn.Linear(1, 1, bias=False)  # iterations are counted by an optimiser's steps

    def blank(self, labels: Sequence[str], name: str) -> Edits:
        """A navigator without its edits."""
        found = Edits(labels, name=name, **self.built_on())
        found.attach(self.generator)
        return found

    def in_all_layers(self, directions: Tensor) -> Tensor:
        """Unit directions [K,D] as edits [K,L,D]: a step is a usual deviation of w along them."""
        return everywhere(self.axes.unit * directions, self.generator.num_ws)

    def phases(self) -> list[Phase]:
        """One, in which nothing is trained."""
        return [Phase("fit", "clock", self.fitted)]

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """One that changes nothing."""
        return SGD(parameters, lr=0.0)

    def fitted(self, step: Step) -> Losses:
        """Fit in the first iteration, whatever the batch."""
        if self.iteration == 0:
            self.navigator.table.copy_(self.fit())
        yield {"nothing": 0 * self.clock.weight.sum()}

    def fit(self) -> Tensor:
        """The edits [K,L,D]."""
        raise NotImplementedError


def everywhere(directions: Tensor, num_ws: int) -> Tensor:
    """Directions [K,D] in W as edits [K,L,D] of all layers."""
    return directions[:, None].expand(-1, num_ws, -1)


def check_count(count: int, there: int, what: str, key: str = "semantics") -> None:
    """Refuse more edits than there are directions of a kind.

    Raises:
        UserError: says how many there are.
    """
    if count > there:
        raise UserError(f"method.{key}={count}: choose at most {there}, the number of {what}")


def check_distinct(items: Sequence[object], key: str) -> None:
    """Refuse a list in which something stands twice.

    Raises:
        UserError: says what.
    """
    if twice := [item for i, item in enumerate(items) if item in items[:i]]:
        raise UserError(f"method.{key} has {twice[0]} twice")
