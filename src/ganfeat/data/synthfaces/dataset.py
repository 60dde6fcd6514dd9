"""The data set: a map from (split, seed, index) to a face and what is true of it."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ganfeat.data.synthfaces.correlation import Correlations, Spec
from ganfeat.data.synthfaces.drawing import EXTRAS, check_extras, check_resolution, draw, render
from ganfeat.data.synthfaces.factors import FACTORS, denormalise, normalise
from ganfeat.data.synthfaces.painting import CLASSES
from ganfeat.data.synthfaces.pairs import Pairs
from ganfeat.data.synthfaces.sampling import Faces, sample, split_of
from ganfeat.errors import UserError
from ganfeat.ranges import Natural, Seed

# Raised whenever a face changes, so that numbers from before and after never share a column.
RENDERER = 1
IN_FACE = ("skin", "brows", "eyes", "nose", "mouth", "glasses", "beard")
GROUPS = {  # of factors, whose levels are compared
    "geometry": ["yaw", "roll", "scale", "shift_x", "shift_y"],
    "colour": ["background_hue", "skin_tone", "hair_colour"],
}
_ALL_EXTRAS = ("factors", "identity", *EXTRAS)


class SynthFaces(Dataset[dict[str, Tensor]]):
    """Drawn faces with known factors; nothing is read, nothing is cached.

    Args:
        split: `train`, `val`, `test`, `judge`, `scorer` or `teacher`; no two share a person.
        resolution: side in pixels, a power of two in 16..1024.
        length: number of images; 50,000 for train and 10,000 otherwise when None.
        seed: another seed, other people and images.
        extras: any of `factors` [N,37], `identity` [N], `landmarks` [N,10,2] in pixels, `visible`
            [N,10], `mask` [N,R,R] with classes 0-11, to come with `image`.
        correlate: correlations to plant, `{(a, b): r}` or `[[a, b, r], ...]`.

    `ds[i]` is the dict of one image; `ds.__getitems__([i, ...])` is that of the whole batch, drawn
    in one go, so a DataLoader needs a collate function that returns its argument. Always in it:
    `image` [N,3,R,R] float32 in [-1, 1]. Image i shows person i mod P, whose number is `identity`.
    `device` may be set: the images are then drawn there.

    Raises:
        UserError: for an argument out of its range.
    """

    name = "synthfaces"
    label_dim = 0

    def __init__(
        self,
        split: str = "train",
        resolution: int = 32,
        length: Natural | None = None,
        seed: Seed = 0,
        extras: Iterable[str] = (),
        correlate: Spec | None = None,
    ) -> None:
        population = split_of(split)
        check_resolution(resolution)
        self.length = population.length if length is None else length
        if self.length < 0:
            raise UserError(
                f"SynthFaces got length {length}; expected 0 or more images; correct data.length"
            )
        self.extras = check_extras(extras, _ALL_EXTRAS)
        self.split, self.resolution, self.seed = split, resolution, seed
        self.people = population.people
        self.correlations = Correlations(correlate) if correlate else None
        self.device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: value[0] for name, value in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these images; numbers below 0 count from the end."""
        wrong = [i for i in indices if not -self.length <= i < self.length]
        if wrong:
            raise IndexError(f"image {wrong[0]} of a SynthFaces of {self.length}")
        faces = self.faces([i % self.length for i in indices])
        batch = self._draw(faces, tuple(extra for extra in self.extras if extra in EXTRAS))
        if "factors" in self.extras:
            batch["factors"] = normalise(faces.values).to(self.device)
        if "identity" in self.extras:
            batch["identity"] = torch.from_numpy(faces.identity).to(self.device)
        return batch

    def faces(self, indices: Sequence[int]) -> Faces:
        """Physical factors, identities and keys of these images, without drawing them."""
        return sample(self.split, self.seed, np.asarray(indices, np.int64), self.correlations)

    def _draw(self, faces: Faces, extras: tuple[str, ...] = ()) -> dict[str, Tensor]:
        keys = (faces.person_key, faces.image_key)
        return draw(faces.values, self.resolution, torch.device(self.device), *keys, extras)

    def reference(self, part: str, n: int, extras: Iterable[str] = ()) -> "SynthFaces":
        """The ``n`` images of a split (``val`` or ``test``) to compare with."""
        spec = self.correlations.plain() if self.correlations else None
        found = SynthFaces(part, self.resolution, n, self.seed, extras, spec)
        found.device = self.device
        return found

    def pairs(self) -> Pairs:
        """Pairs of people who are in no split, for `ganfeat.tasks.verification`."""
        return Pairs(self.resolution, self.seed, self.device)

    @staticmethod
    def redraw(table: Tensor, resolution: int) -> Tensor:
        """The faces with these factors [N,F] (as in `factors`), without grain: [N,3,R,R]."""
        return render({**denormalise(table), "camera_grain": 0.0}, resolution)

    @staticmethod
    def subject_mask(table: Tensor, resolution: int) -> Tensor:
        """Where the face of these faces is, [N,R,R] bool: no hair, hat, ears or neck."""
        mask = render(denormalise(table), resolution, grain=False, extras=["mask"])["mask"]
        inside = [CLASSES.index(name) for name in IN_FACE]
        return torch.isin(mask, torch.tensor(inside, dtype=mask.dtype, device=mask.device))

    def facts(self) -> dict[str, Any]:
        """What networks and methods are made for."""
        return {
            "resolution": self.resolution,
            "label_dim": self.label_dim,
            "people": self.people,
            "columns": [[spec.name, spec.kind, spec.classes] for spec in FACTORS],
            "extras": list(_ALL_EXTRAS),
            "groups": GROUPS,
        }

    def version(self) -> str:
        """Nothing changes beyond the fingerprint."""
        return ""

    def fingerprint(self) -> dict[str, Any]:
        """Plain data that differs whenever an image does; draws the first 64 images."""
        image = self._draw(self.faces(range(64)))["image"]
        pixels = image.add(1).mul(127.5).round().to(torch.uint8).cpu()
        return {
            "name": self.name,
            "split": self.split,
            "length": self.length,
            "seed": self.seed,
            "resolution": self.resolution,
            "correlations": self.correlations.plain() if self.correlations else [],
            "renderer": RENDERER,
            "sha256": hashlib.sha256(pixels.numpy().tobytes()).hexdigest(),
        }
