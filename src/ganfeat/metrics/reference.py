"""What networks see in real images, computed once and kept by what it depends on."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.files import atomic_write
from ganfeat.metrics.frechet import Gaussian, Moments
from ganfeat.metrics.progress import Bar, silent
from ganfeat.metrics.rows import Rows
from ganfeat.networks import state_hash, tensors_hash
from ganfeat.processes import all_agree

log = logging.getLogger(__name__)

BATCH = 64
HASH = "sha256"  # of the tensors, in the metadata of a kept file


class Reference(NamedTuple):
    """What a network sees in real images.

    Attributes:
        gaussian: of the vectors of all of them.
        vectors: of those that are kept, spread evenly over all: [M,D].
    """

    gaussian: Gaussian
    vectors: Tensor


class References:
    """Real images, and what networks see in them.

    Args:
        data: the dataset of the run; its `reference` gives the images to compare with.
        part: ``val`` while a run goes on, ``test`` for what is reported.
        keep: how many vectors are kept.
        cache: the folder for results, None for none.
        refresh: compute anew what lies there.
        device: where networks run.
        rank, ranks: which share of the work is this process's.
        used: where the paths of kept results go that were of use.
    """

    def __init__(
        self,
        data: Any,
        part: str = "test",
        keep: int = 50_000,
        cache: Path | None = None,
        refresh: bool = False,
        device: torch.device | str = "cpu",
        rank: int = 0,
        ranks: int = 1,
        used: set[Path] | None = None,
    ) -> None:
        self.data, self.part, self.keep = data, part, keep
        self.used = set() if used is None else used
        self.cache, self.refresh, self.device = cache, refresh, device
        self.rank, self.ranks = rank, ranks
        self._fingerprints: dict[int, dict[str, Any]] = {}
        self._held: dict[str, Reference] = {}  # what no file holds

    def elsewhere(self, data: Any) -> "References":
        """The same of other data, of their ``test``."""
        return References(
            data, "test", self.keep, self.cache, self.refresh, self.device, self.rank, self.ranks,
            self.used,
        )  # fmt: skip

    def real(self, n: int, extras: Sequence[str] = (), part: str | None = None) -> Any:
        """The dataset of real images for a protocol that counts ``n``; of another part if given."""
        return self.data.reference(part or self.part, n, extras)

    def fingerprint(self, n: int) -> dict[str, Any]:
        """What identifies these images."""
        if n not in self._fingerprints:
            self._fingerprints[n] = self.real(n).fingerprint()
        return self._fingerprints[n]

    def protocol(self, *networks: Features, real: int = 0, **more: Any) -> dict[str, Any]:
        """What a number depends on that no generator has to do with."""
        data = self.fingerprint(real) if real else None
        return {"networks": describe(*networks), "data": data, **more}

    def every(
        self, n: int, extras: Sequence[str] = (), part: str | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """The data's batches of ``n`` of these images, spread over all; all where there are fewer.

        Every process gets all of them.
        """
        data = self.real(n, extras, part)
        return (batch for _, batch in _batches(data, spread(len(data), n), self.device))

    def images(self, n: int, part: str | None = None) -> Iterator[Tensor]:
        """The same without anything but the images."""
        return (batch["image"] for batch in self.every(n, (), part))

    def share(
        self, n: int, extras: Sequence[str] = (), part: str | None = None
    ) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """This process's share of the same: numbers [N] among the ``n``, and the data's batch."""
        data = self.real(n, extras, part)
        return _batches(data, spread(len(data), n), self.device, self.rank, self.ranks)

    def pairs(
        self, n: int, extras: Sequence[str] = (), part: str | None = None
    ) -> Iterator[tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]]:
        """This process's share of ``n`` pairs of different images: numbers [N], both batches.

        Raises:
            UserError: there are fewer than twice as many images.
        """
        data = self.real(2 * n, extras, part)
        if len(data) < 2 * n:
            raise UserError(f"{n} pairs need {2 * n} images; there are {len(data)}")
        chosen = spread(len(data), 2 * n)
        for numbers, batch in _batches(data, chosen[:n], self.device, self.rank, self.ranks):
            other = data.__getitems__([chosen[int(i) + n] for i in numbers])
            yield numbers, batch, {key: value.to(self.device) for key, value in other.items()}

    def of(
        self,
        network: Features,
        n: int,
        bar: Bar = silent,
        part: str | None = None,
        flat: bool = False,
    ) -> Reference:
        """What ``network`` sees in all of them, from the cache where it is there.

        A changed image or weight is another entry; one is written when it is whole, and no image
        turned out broken. Otherwise it is kept here.

        Args:
            network: what looks.
            n: images that the protocol counts.
            bar: shows how far it is.
            part: another part of the data.
            flat: each image in its mean colour.
        """
        data = self.real(n, part=part)
        key = {
            "data": data.fingerprint(),
            "version": data.version(),
            "networks": describe(network),
            "keep": self.keep,
            "flat": flat,
        }
        text = json.dumps(key, sort_keys=True)
        name = f"{network.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
        path = None if self.cache is None else self.cache / name
        if name in self._held:
            return self._held[name]
        stale = self.refresh and path not in self.used
        found = None if path is None or stale else _read(path)
        everywhere = all_agree(found is not None, self.device)
        if found is None or not everywhere:
            found = self._compute(network, data, flat, bar)
            whole = all_agree(not getattr(data, "broken", ()), self.device)
            if path is None or not whole:
                self._held[name] = found
            elif self.rank == 0:
                _write(path, found)
        if path is not None and path.is_file():
            self.used.add(path)
        return found

    @torch.no_grad()
    def _compute(self, network: Features, data: Any, flat: bool, bar: Bar) -> Reference:
        if not len(data):
            raise UserError("there are no real images to compare with")
        width = network.width(data.resolution, self.device)
        chosen = torch.tensor(spread(len(data), self.keep))
        places = torch.full([len(data)], len(chosen))  # beyond the end: not kept
        places[chosen] = torch.arange(len(chosen))
        moments = Moments(width).to(self.device)
        kept = Rows(len(chosen), width, what="a feature vector").to(self.device)
        advance = bar("real images", len(data) // self.ranks)
        whole = range(len(data))
        for numbers, batch in _batches(data, whole, self.device, self.rank, self.ranks):
            images = batch["image"]
            if flat:
                images = images.mean(dim=[2, 3], keepdim=True).expand_as(images)
            vectors = network.embed(images)
            moments.update(vectors)
            kept.update(vectors, places[numbers])
            advance(len(vectors))
        return Reference(moments.compute(), kept.compute().cpu())


def describe(*networks: Features) -> dict[str, Any]:
    """What a protocol says of networks: hashes of their weights and all else they depend on."""
    return {n.name: {"weights": state_hash(n), "resize": n.resize, **n.settings} for n in networks}


def spread(length: int, n: int) -> list[int]:
    """``n`` of so many things, evenly from all over them; all where there are fewer."""
    count = min(n, length)
    return [i * length // count for i in range(count)]


def _batches(
    data: Any, chosen: Sequence[int], device: torch.device | str, rank: int = 0, ranks: int = 1
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Every ``ranks``-th batch of the chosen images: their places in ``chosen``, and the batch."""
    for start in range(rank * BATCH, len(chosen), ranks * BATCH):
        part = chosen[start : start + BATCH]
        batch = {key: value.to(device) for key, value in data.__getitems__(list(part)).items()}
        yield torch.arange(start, start + len(part)), batch


def _write(path: Path, found: Reference) -> None:
    tensors = {
        "mean": found.gaussian.mean,
        "covariance": found.gaussian.covariance.contiguous(),
        "n": torch.tensor(found.gaussian.n),
        "vectors": found.vectors.contiguous(),
    }
    try:
        with atomic_write(path) as file:
            file.write(to_bytes(tensors, {HASH: tensors_hash(tensors)}))
    except UserError as error:
        log.warning("%s; without it, the same is computed again next time", error)


def _read(path: Path) -> Reference | None:
    try:
        with safe_open(path, framework="pt") as file:
            t = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            if (file.metadata() or {}).get(HASH) != tensors_hash(t):
                raise ValueError("its checksum is another")
        return Reference(Gaussian(t["mean"], t["covariance"], int(t["n"])), t["vectors"])
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        log.warning("%s is damaged (%s): it is made again", path, error)
        return None
