"""What every artefact is that edits a generator's images: K directions in W+, layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganfeat.backbone.built_on import BuiltOn
from ganfeat.errors import UserError
from ganfeat.loading import load_network
from ganfeat.networks import AnyPath
from ganfeat.ranges import Count


class Navigator(BuiltOn):
    """K semantic edits in W+ of a frozen generator: ``ws + s * edits(ws)[:, k]``.

    A step ``s`` of 1 is as long as its method has it. Steps of different methods, and even of
    different edits, are comparable once they are calibrated (`ganfeat.metrics.edited`).

    Attributes:
        labels: what each edit is called; as many as there are edits.
    """

    labels: list[str]

    def edits(self, ws: Tensor) -> Tensor:
        """Latents [N,L,D] to the K edits of each, [N,K,L,D]."""
        raise NotImplementedError

    def shares(self, ws: Tensor) -> Tensor:
        """How much of each edit's length each layer gets, on average over latents: [K,L]."""
        lengths = self.edits(ws).norm(dim=3).mean(dim=0)
        found: Tensor = lengths / lengths.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return found

    def reach(self, ws: Tensor) -> Tensor:
        """How far a step of 1 moves w in the layer that it moves most, on average: [K]."""
        found: Tensor = self.edits(ws).norm(dim=3).mean(dim=0).amax(dim=1)
        return found

    def steps_to(self, ws: Tensor, distance: Tensor | float) -> Tensor:
        """Steps that move w so far in the layer that each edit moves most, on average: [K]."""
        return distance / self.reach(ws).clamp(min=1e-12)

    def check_fitted(self, ws: Tensor) -> None:
        """Refuse a navigator whose edits are not there yet.

        Raises:
            UserError: none of them moves anything.
        """
        if float(self.reach(ws).max()) == 0:
            raise UserError(
                f"{self.name} is not fitted yet, and moves nothing: run its training to the end"
            )

    def along(self, ws: Tensor, steps: Tensor, frames: int) -> Tensor:
        """Latents [N,L,D] from minus to plus ``steps`` [K] along each edit, [N,K,T,L,D]."""
        where = torch.linspace(-1, 1, frames, device=ws.device)[:, None, None]
        moves = self.edits(ws) * steps[:, None, None]
        return ws[:, None, None] + where * moves[:, :, None]


class Edits(Navigator):
    """Edits that are the same wherever they begin.

    Args:
        labels: what each is called.
        num_ws: layers L of the generator.
        w_dim: numbers D in a latent.
        weights: where the generator is.
        generator_hash: of its weights and noise images.
        name: as metrics name it.
    """

    table: Tensor

    def __init__(
        self,
        labels: Sequence[str],
        num_ws: Count,
        w_dim: Count,
        weights: str = "",
        generator_hash: str = "",
        name: str = "edits",
    ) -> None:
        super().__init__()
        self.config = Edits.arguments(locals())
        self.labels, self.name = list(labels), name
        self.weights, self.taught_by = weights, generator_hash
        self.register_buffer("table", torch.zeros(len(labels), num_ws, w_dim))

    def edits(self, ws: Tensor) -> Tensor:
        """The table [K,L,D], for every one of them."""
        return self.table.expand(len(ws), -1, -1, -1)


def load_navigator(path: AnyPath) -> Navigator:
    """The navigator of a run.

    Raises:
        UserError: there is none.
    """
    found = load_network(path, "navigator")
    if not isinstance(found, Navigator):
        raise UserError(f"{path} holds a {type(found).__name__}: its navigator makes no edits")
    return found
