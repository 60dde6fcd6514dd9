"""Small images made on the spot, and folders and zips of them."""

import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, width: int = 16, height: int | None = None) -> Image.Image:
    """RGB noise, another one for every seed."""
    size = (height or width, width, 3)
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, size).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def files(names: Iterable[str], width: int = 16, height: int | None = None) -> dict[str, bytes]:
    """A PNG of noise for every name, seeded by its place."""
    return {name: encoded(noise(i, width, height)) for i, name in enumerate(names)}


def folder(path: Path, content: dict[str, bytes]) -> Path:
    """A folder of these files."""
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zipped(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """A zip of these files; a name that ends in "/" is a directory."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path
