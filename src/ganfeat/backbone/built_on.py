"""What encoders and navigators share: they mean nothing without a generator of their own."""

import itertools

from torch import nn

from ganfeat.backbone.generator import Generator
from ganfeat.backbone.loading import load
from ganfeat.errors import UserError
from ganfeat.networks import Network, state_hash


class BuiltOn(Network):
    """A network that draws with a frozen generator, which is no part of it.

    A constructor of its kind takes ``weights`` and ``generator_hash``, keeps them in `config`, and
    sets the attributes.

    Attributes:
        name: as messages and metrics name it.
        weights: where the generator is.
        taught_by: the hash of its weights and noise images.
    """

    name: str
    weights: str
    taught_by: str

    def __init__(self) -> None:
        super().__init__()
        self._attached: list[Generator] = []  # in a list it is no part of this network

    @property
    def generator(self) -> Generator:
        """The frozen generator, read from `weights` when it is first needed."""
        if not self._attached:
            try:
                self.attach(load(self.weights))
            except UserError as error:
                raise UserError(
                    f"{self.name} draws with the generator that it was trained with: {error}; "
                    "generator=FILE says where that is now"
                ) from error
        (found,) = self._attached
        own: nn.Module = self
        return found.to(next(itertools.chain(own.parameters(), own.buffers())).device)

    def attach(self, generator: Generator) -> None:
        """Draw with this generator.

        Raises:
            UserError: it is not the one that the network was made with.
        """
        if (found := state_hash(generator)) != self.taught_by:
            raise UserError(
                f"{self.name} was trained with another generator than this one "
                f"({self.taught_by[:8]}, not {found[:8]}): what it says means nothing here"
            )
        self._attached = [generator.requires_grad_(False)]

    def find_generator(self, weights: str) -> None:
        """Take the generator from another place than where it was in training.

        Raises:
            UserError: there is no generator, or another one.
        """
        self.attach(load(weights))
        self.weights = weights
        self.config["weights"] = weights
