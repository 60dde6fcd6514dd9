"""SynthRooms as a data set."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ganfeat.data.drawn.dataset import Drawn
from ganfeat.data.drawn.sampling import Sample
from ganfeat.data.synthrooms.drawing import EXTRAS, draw, render
from ganfeat.data.synthrooms.factors import PRESENCE, table_of
from ganfeat.data.synthrooms.sampling import sample, splits_of


class SynthRooms(Drawn[Sample]):
    """Drawn rooms with known layout, things and light; nothing is read, nothing is cached.

    A column of `factors` that says where a thing is or what colour it has means nothing in images
    without that thing: it is drawn as always, and changes no pixel. `PRESENCE` names the column
    that tells. Regressors should leave such images out of that column, in fitting and in scoring.

    Args:
        split: `train`, `val`, `test` or `judge`, which share no image; kitchens, on which nothing
            is trained, have `val` and `test` alone.
        resolution: side in pixels, a power of two in 16..1024.
        length: number of images; 50,000 for train and 10,000 otherwise when None.
        seed: another seed, other images.
        extras: any of `factors` [N,23], `layout` [N,6,2] in pixels (`POINTS`, of which `LINES`
            makes five lines), `mask` [N,R,R] with classes 0-11, to come with `image`.
        correlate: correlations to plant, `{(a, b): r}` or `[[a, b, r], ...]`.
        family: `bedroom` or `kitchen`: the same box and camera, and all else different.

    See `Drawn` for how it is used.

    Raises:
        UserError: for an argument out of its range.
    """

    name = "synthrooms"
    renderer = 1
    subject = "room"
    known = ("factors", *EXTRAS)
    groups: ClassVar[Mapping[str, Sequence[str]]] = {
        "geometry": ("corner_x", "camera_yaw", "camera_height"),
        "colour": ("palette", "wall_hue", "floor_tone"),
    }
    asked: ClassVar[Mapping[str, Sequence[str]]] = {
        "kept": ("corner_x", "camera_yaw", "camera_height", "night", "palette"),
        "retrieved": ("wall_hue", "palette"),
        "edited": ("night", "bed", "window"),
        "pasted": ("bed", "lamp", "picture"),
    }
    depends: ClassVar[Mapping[str, str]] = PRESENCE

    def __init__(self, *args: Any, family: str = "bedroom", **rest: Any) -> None:
        self.family, self.own = family, {"family": family}
        self.table, self.splits = table_of(family), splits_of(family)
        super().__init__(*args, **rest)

    def sample(self, indices: Sequence[int]) -> Sample:
        """Physical factors and keys of these images, without drawing them."""
        return sample(self.family, self.split, self.seed, indices, self.correlations)

    def draw(self, rooms: Sample, extras: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """`image` and these extras, all but `factors`, on `device`."""
        device = torch.device(self.device)
        return draw(rooms.values, self.family, self.resolution, device, rooms.image_key, extras)

    def second(self) -> Self:
        """The same of the other family: what is learnt on one family is tried on it."""
        other = "kitchen" if self.family == "bedroom" else "bedroom"
        found = type(self)("test", self.resolution, seed=self.seed, family=other)
        found.device = self.device
        return found

    @staticmethod
    def subject_mask(table: Tensor, resolution: int) -> Tensor:
        """Everything, [N,R,R] bool: a room has no background."""
        return torch.ones(len(table), resolution, resolution, dtype=torch.bool, device=table.device)

    def redraw(self, table: Tensor, resolution: int) -> Tensor:
        """The rooms with these factors [N,F] (as in `factors`), without grain: [N,3,R,R]."""
        return render(self.table.denormalise(table), resolution, self.family, grain=False)
