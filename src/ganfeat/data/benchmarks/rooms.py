"""The layouts of the room layout challenge of LSUN (Zhang et al. 2015)."""

from collections import Counter
from typing import Any, ClassVar, Self

import numpy as np

from ganfeat.data.benchmarks.benchmark import Array, Benchmark, held_out
from ganfeat.errors import UserError
from ganfeat.ranges import Natural


class LSUNRooms(Benchmark):
    """Rooms with the corners of their box in the image (`layout` [N,P,2]).

    The challenge has eleven types of rooms, by which walls are in view, with other corners each: a
    linear reader needs one type. Its ``training.mat`` gives ``train``, and a tenth of it ``val``;
    ``validation.mat`` gives ``test``, since the labels of its own test are secret.

    Args:
        path: the folder with ``images`` and the two files.
        resolution, split, extras, crop: as in `Benchmark`. Corners may lie outside the square.
        scene: ``bedroom``, say; `second` are all other scenes.
        room_type: of the challenge; None takes that which most rooms of the scene have.
        others: all scenes but ``scene``.
    """

    name = "lsun_rooms"
    known: ClassVar[tuple[str, ...]] = ("layout",)

    def __init__(
        self,
        *args: Any,
        scene: str = "bedroom",
        room_type: Natural | None = None,
        others: bool = False,
        **rest: Any,
    ) -> None:
        self.scene, self.others, self.room_type = scene, others, room_type
        super().__init__(*args, **rest)
        self.own = {"scene": scene, "room_type": self.room_type, "others": others}

    def read(self, split: str) -> tuple[list[str], dict[str, Array]]:
        """Rooms of the scene and the type."""
        training = self._rooms("training")
        if self.room_type is None:
            types = Counter(room["type"] for room in training if room["scene"] == self.scene)
            if not types:
                scenes = sorted({room["scene"] for room in training})
                raise UserError(f"data.scene={self.scene}: there are {', '.join(scenes)}")
            self.room_type = min(types, key=lambda kind: (-types[kind], kind))
        rooms = self._rooms("validation") if split == "test" else training
        if split != "test":
            rooms = [rooms[i] for i in held_out([room["image"] for room in rooms], split)]
        chosen = [
            room
            for room in rooms
            if (room["scene"] == self.scene) != self.others and room["type"] == self.room_type
        ]
        if not chosen:
            there = sorted({room["type"] for room in rooms})
            which = "all scenes but " if self.others else "scene "
            raise UserError(
                f"{self.path}: the part {split} has no room of type {self.room_type} in {which}"
                f"{self.scene}; it has rooms of type {', '.join(map(str, there)) or 'none'}: "
                "choose data.room_type"
            )
        counts = {len(room["point"]) for room in chosen}
        if len(counts) > 1:
            raise UserError(f"{self.path}: rooms of type {self.room_type} have {counts} corners")
        folder = self.find("images", "image")
        names = [self.below(folder / f"{room['image']}.jpg") for room in chosen]
        return names, {"layout": np.array([room["point"] for room in chosen], np.float32)}

    def _rooms(self, part: str) -> list[dict[str, Any]]:
        """The rooms of a MATLAB file.

        Raises:
            UserError: it is none, or has other fields.
        """
        from scipy.io import loadmat

        path = self.find(f"{part}.mat")
        try:
            table = loadmat(path, squeeze_me=True, struct_as_record=True)[part]
            return [
                {
                    "image": str(room["image"]), "scene": str(room["scene"]),
                    "type": int(room["type"]), "point": np.atleast_2d(room["point"]),
                }
                for room in np.atleast_1d(table)
            ]  # fmt: skip
        except Exception as error:  # scipy raises nearly anything on damaged files
            raise UserError(
                f"{path} is no list of rooms ({error}): expected MATLAB's {part} with image, "
                "scene, type and point"
            ) from error

    def second(self) -> Self:
        """Rooms of all other scenes, of the same type."""
        return type(self)(
            str(self.path), self.resolution, "test", crop=self.crop, scene=self.scene,
            room_type=self.room_type, others=not self.others,
        )  # fmt: skip
