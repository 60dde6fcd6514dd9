"""A network as it is, so that it comes to the same measurements and records as trained ones."""

from torch import nn
from torch.optim import SGD, Optimizer

from ganfeat.networks import Network
from ganfeat.training.method import Losses, Method, Phase, Step


class Fixed(Method):
    """A network that nothing is learnt by.

    Args:
        network: what it is about.
        name: of the network in the run's weights file.
        batch_size, seed: as in `Method`.
    """

    def __init__(self, network: Network, name: str, *, batch_size: int, seed: int) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        self.network, self.name = network, name
        self.clock = nn.Linear(1, 1, bias=False)  # iterations are counted by an optimiser's steps

    def phases(self) -> list[Phase]:
        """One that changes nothing."""
        return [Phase("count", "clock", self.count)]

    def count(self, step: Step) -> Losses:
        """Look at the images, where there is something to find out; nothing is learnt."""
        yield {"nothing": 0 * self.clock.weight.sum()}

    def optimizer(self, parameters: list[nn.Parameter], ratio: float) -> Optimizer:
        """One that changes nothing."""
        return SGD(parameters, lr=0.0)

    def networks(self) -> dict[str, Network]:
        """The network."""
        return {self.name: self.network}

    def artefact(self) -> Network:
        """The network."""
        return self.network
