"""An encoder that says how far along each of a navigator's edits an image is.

ContraFeat's abstract says that its edits give a disentangled representation "by a simple training
process", and no more of it was at hand: this is our reading of that sentence. Images are made along
all edits at once, and the encoder regresses how far.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.backbone.inversion import middle
from ganfeat.backbone.navigator import Navigator
from ganfeat.encoders.encoder import Encoder
from ganfeat.errors import UserError
from ganfeat.features import SmallNet
from ganfeat.loading import load_network
from ganfeat.networks import Network
from ganfeat.ranges import Count, Positive
from ganfeat.training.codes import random_codes
from ganfeat.training.method import Losses, Step

VARIANCE = 1 / 3  # of a number that is even in [-1, 1]


class EditNet(SmallNet):
    """Says one number for each edit; these are its vector, and its only level.

    Args:
        name: as metrics name it.
        edits: how many.
        widths, blocks, residual, dim, places: as in `SmallNet`.
    """

    def __init__(
        self,
        name: str,
        edits: Count,
        widths: Sequence[int] = (32, 64, 128, 160),
        blocks: Sequence[int] = (1, 1, 1, 0),
        residual: bool = True,
        dim: int = 256,
        places: int = 16,
    ) -> None:
        super().__init__(name, widths, blocks, residual, dim, places)
        self.config = EditNet.arguments(locals())
        self.says = nn.Linear(dim, edits)

    def read_maps(self, images: Tensor, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Of each edit how far along an image is [N,edits], and where the network looked."""
        vectors, places = super().read_maps(images, maps)
        said: Tensor = self.says(F.relu(vectors))
        return said, places

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        """``edits``."""
        return {"edits": self.embed(images)}


class FromEdits(Encoder):
    """Regresses the steps by which a random latent was moved along all edits, each even in [-1, 1].

    1 is what saying nothing costs.

    Args:
        network: what is trained.
        navigator: a run, a checkpoint or a weights file with the edits.
        reach: what a step of 1 is, in usual deviations of w along a direction; that of the layer
            which the edit moves most.
        rest: all else of `Encoder`. Images of the data are not seen.
    """

    network: EditNet

    def __init__(
        self,
        network: EditNet,
        *,
        navigator: str,
        resolution: int,
        reach: Positive = 3.0,
        **rest: Any,
    ) -> None:
        super().__init__(network, **rest)
        found = load_network(navigator, "navigator")
        if not isinstance(found, Navigator):
            raise UserError(f"{navigator} holds no edits, but a {type(found).__name__}")
        edits, g = len(found.labels), found.generator
        if network.says.out_features != edits:
            raise UserError(f"{navigator} has {edits} edits: set backbone.network.edits={edits}")
        if g.resolution != resolution:
            raise UserError(
                f"{navigator} edits images of {g.resolution} px: set data.resolution={g.resolution}"
            )
        self._frozen: dict[str, Network] = {
            "navigator": found.requires_grad_(False),
            "generator": g,
        }
        mean, spread = middle(g, 0)
        ws = mean.expand(1, g.num_ws, -1)
        found.check_fitted(ws)
        self.register_buffer("unit", found.steps_to(ws, reach * spread * g.w_dim**-0.5))

    unit: Tensor

    def frozen(self) -> dict[str, Network]:
        """The navigator and its generator."""
        return self._frozen

    def on_fit_start(self) -> None:
        """Frozen networks go where the method is."""
        for network in self._frozen.values():
            network.to(self.device)

    def loss(self, step: Step) -> Losses:
        """Squared errors, over their size for an encoder that knows nothing."""
        navigator = self._frozen["navigator"]
        assert isinstance(navigator, Navigator)
        g = navigator.generator
        with torch.no_grad():
            ws = g.broadcast(random_codes(g, step.draws)[1][:, 0])
            steps = 2 * step.draws.rand("steps", len(navigator.labels)) - 1
            moves = navigator.edits(ws) * (self.unit * steps)[:, :, None, None]
            images = g.synthesize(ws + moves.sum(dim=1)).clamp(-1, 1)
        errors = (self.network.embed(images) - steps).square().mean(dim=0) / VARIANCE
        self.terms.add("least", errors.min())
        self.terms.add("most", errors.max())
        yield {"steps": errors.mean()}
