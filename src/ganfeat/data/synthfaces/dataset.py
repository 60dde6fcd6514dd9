"""SynthFaces as a data set."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganfeat.data.drawn.dataset import Drawn
from ganfeat.data.synthfaces.drawing import EXTRAS, draw, render
from ganfeat.data.synthfaces.factors import TABLE, denormalise
from ganfeat.data.synthfaces.painting import CLASSES
from ganfeat.data.synthfaces.pairs import Pairs
from ganfeat.data.synthfaces.sampling import SPLITS, Faces, sample

IN_FACE = ("skin", "brows", "eyes", "nose", "mouth", "glasses", "beard")


class SynthFaces(Drawn[Faces]):
    """Drawn faces with known factors; nothing is read, nothing is cached.

    Args:
        split: `train`, `val`, `test`, `judge`, `scorer` or `teacher`; no two share a person.
        resolution: side in pixels, a power of two in 16..1024.
        length: number of images; 50,000 for train and 10,000 otherwise when None.
        seed: another seed, other people and images.
        extras: any of `factors` [N,37], `identity` [N], `landmarks` [N,10,2] in pixels, `visible`
            [N,10], `mask` [N,R,R] with classes 0-11, to come with `image`.
        correlate: correlations to plant, `{(a, b): r}` or `[[a, b, r], ...]`.

    Image i shows person i mod P, whose number is `identity`. See `Drawn` for how it is used.

    Raises:
        UserError: for an argument out of its range.
    """

    name = "synthfaces"
    renderer = 1
    subject = "face"
    splits, table = SPLITS, TABLE
    known = ("factors", "identity", *EXTRAS)
    groups: ClassVar[Mapping[str, Sequence[str]]] = {
        "geometry": ("yaw", "roll", "scale", "shift_x", "shift_y"),
        "colour": ("background_hue", "skin_tone", "hair_colour"),
    }
    asked: ClassVar[Mapping[str, Sequence[str]]] = {
        "kept": ("yaw", "roll", "scale", "smile", "skin_tone", "glasses"),
        "retrieved": ("background_hue", "hair_style"),
        "edited": ("glasses", "beard", "hat"),
        "pasted": ("hat", "glasses", "beard"),
        "identity": tuple(spec.name for spec in TABLE.factors if spec.level == "identity"),
    }

    @property
    def people(self) -> int:
        """How many there are."""
        return SPLITS[self.split].people

    def sample(self, indices: Sequence[int]) -> Faces:
        """Physical factors, identities and keys of these images, without drawing them."""
        return sample(self.split, self.seed, indices, self.correlations)

    def draw(self, faces: Faces, extras: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """`image` and these extras, all but `factors`, on `device`."""
        drawn = tuple(extra for extra in extras if extra in EXTRAS)
        keys = (faces.person_key, faces.image_key)
        batch = draw(faces.values, self.resolution, torch.device(self.device), *keys, drawn)
        if "identity" in extras:
            batch["identity"] = torch.from_numpy(faces.identity).to(self.device)
        return batch

    def pairs(self, part: str) -> Pairs:
        """Pairs of people who are in no split, for `ganfeat.tasks.verification`."""
        return Pairs(self.resolution, part, self.seed, self.device)

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
        return super().facts() | {"people": self.people}
