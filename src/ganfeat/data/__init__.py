"""Data: drawn faces and rooms, folders and zips of photographs, and training's endless batches."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganfeat.data.images import ImageDataset
    from ganfeat.data.module import DataModule
    from ganfeat.data.sampler import InfiniteSampler
    from ganfeat.data.synthfaces import SynthFaces
    from ganfeat.data.synthrooms import SynthRooms

__all__ = ["DataModule", "ImageDataset", "InfiniteSampler", "SynthFaces", "SynthRooms"]

_HOMES = {
    "DataModule": "module",
    "ImageDataset": "images",
    "InfiniteSampler": "sampler",
    "SynthFaces": "synthfaces",
    "SynthRooms": "synthrooms",
}


def __getattr__(name: str) -> Any:
    # On demand: Lightning takes seconds to import, which no command line tool in here needs.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ganfeat.data.{_HOMES[name]}"), name)
