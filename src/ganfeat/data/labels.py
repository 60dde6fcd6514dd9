"""Class labels of an archive, from class folders or from NVIDIA's `dataset.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganfeat.data.archive import Archive
from ganfeat.errors import UserError

MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Labels:
    """One label per image.

    Attributes:
        values: class numbers, int64 [n], or label vectors, float32 [n, dim].
        dim: the number of classes, or the vectors' length.
    """

    values: np.ndarray[Any, Any]
    dim: int

    def batch(self, indices: Sequence[int]) -> np.ndarray[Any, Any]:
        """Labels [N, dim], float32: class numbers as one-hot, vectors as they are."""
        values: np.ndarray[Any, Any] = self.values[np.asarray(indices)]
        if values.ndim == 1:
            values = np.equal(values[:, None], np.arange(self.dim)).astype(np.float32)
        return values

    def take(self, keep: np.ndarray[Any, Any]) -> "Labels":
        """The labels of the images `keep`, with the same number of classes."""
        return Labels(self.values[keep], self.dim)


def read_labels(archive: Archive) -> Labels | None:
    """Labels in the order of `archive.images`, or None where the archive has none.

    `dataset.json` goes first: `{"labels": [[name, class or vector], ...]}`, or `null` for none.
    Otherwise the folders right below the one that holds everything are the classes, in sorted
    order, provided that every image lies in one.

    Raises:
        UserError: `dataset.json` cannot be read, or does not fit the images.
    """
    if archive.labels_file is not None:
        return _from_json(archive, archive.labels_file)
    folders = [key.partition("/")[0] if "/" in key else None for key in archive.keys]
    if None in folders:
        return None
    classes = {name: number for number, name in enumerate(sorted(set(folders), key=str))}
    return Labels(np.array([classes[folder] for folder in folders], dtype=np.int64), len(classes))


def _from_json(archive: Archive, file: str) -> Labels | None:
    where = f"{archive.path}: {file}"
    try:
        listed = json.loads(archive.read(file))["labels"]
        if listed is None:
            return None
        table = {str(name): label for name, label in listed}
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise UserError(
            f'{where} cannot be understood: expected {{"labels": [["a/b.png", 3], ...]}} or null'
        ) from error
    root = file.removesuffix("dataset.json")
    names = [name.removeprefix(root) for name in archive.images]
    missing = [name for name in names if name not in table]
    if missing:
        raise UserError(
            f"{where} has no label for {len(missing)} of {len(names)} images, "
            f"{missing[0]} for one: list every image, or train without labels"
        )
    return _checked([table[name] for name in names], list(table.values()), where)


def _checked(labels: list[Any], everything: list[Any], where: str) -> Labels:
    """Class numbers or vectors; `everything` has the labels of absent images too."""
    if all(type(label) is int and label >= 0 for label in labels):
        highest = max(label for label in everything if type(label) is int)
        if highest >= MOST_CLASSES:
            raise UserError(
                f"{where} has the class number {highest}: expected numbers from 0, below "
                f"{MOST_CLASSES}"
            )
        return Labels(np.array(labels, dtype=np.int64), highest + 1)
    if not all(isinstance(label, list) and label for label in labels):
        raise UserError(
            f"{where} mixes kinds of labels: expected only class numbers from 0, or only vectors"
        )
    lengths = sorted({len(label) for label in labels})
    if len(lengths) > 1:
        raise UserError(
            f"{where} has label vectors of lengths {lengths[0]} and {lengths[-1]}: "
            "make them equally long"
        )
    try:
        vectors = np.array(labels, dtype=np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{where} has label vectors of other things than numbers") from error
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise UserError(f"{where} has label vectors of other things than finite numbers")
    return Labels(vectors, lengths[0])
