"""Attribute classifiers of any project, as TorchScript."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features.embedded import freeze
from ganfeat.features.network import AttributeScorer, Resize, resized, standardise
from ganfeat.files import expanded


class ScriptedAttributes(AttributeScorer):
    """Classifiers in one TorchScript file that takes images and gives logits [N,C].

    A pickled module is refused: reading one would execute it. ``torch.jit.script`` or ``trace``
    turns any classifier into such a file.

    Args:
        path: the file.
        attributes: a name for each of its C outputs.
        name: as metrics name it.
        size: side of the images that it takes, in pixels.
        resize: how images come to that size.
        mean, std: per channel, of images in [0,1].

    Raises:
        UserError: no such file, one of another kind, or another number of outputs.
    """

    def __init__(
        self,
        path: str,
        attributes: Sequence[str],
        name: str = "attributes",
        size: int = 256,
        resize: Resize = "bilinear",
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        self.config = ScriptedAttributes.arguments(locals())
        self.name, self.attributes = name, list(attributes)
        self.size, self.rule, self.resize = size, resize, f"{resize} to {size}"
        self.mean, self.std = tuple(mean), tuple(std)
        self.settings = {"mean": list(mean), "std": list(std), "attributes": self.attributes}
        file = expanded(path)
        if not file.is_file():
            raise UserError(f"there are no attribute classifiers at {file}: give their TorchScript")
        try:
            self.model = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise UserError(
                f"{file} is no TorchScript file: save the classifiers with torch.jit.save"
            ) from error
        freeze(self)

    def embed(self, images: Tensor) -> Tensor:
        """The logits [N,C]."""
        logits = self.model(standardise(resized(images, self.size, self.rule), self.mean, self.std))
        shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if shape != [len(images), len(self.attributes)]:
            raise UserError(
                f"{self.name} gives {shape} for {len(images)} images; {len(self.attributes)} "
                "attributes are named, so it must give one logit for each"
            )
        found: Tensor = logits.float()
        return found

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """Logits [N,1] by name."""
        columns = torch.split(self.embed(images), 1, dim=1)
        return dict(zip(self.attributes, columns, strict=True))
