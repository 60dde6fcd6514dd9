"""What networks see in real images, computed once and kept by what it depends on."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.files import atomic_write
from ganfeat.metrics.frechet import Gaussian, Moments
from ganfeat.networks import state_hash

log = logging.getLogger(__name__)

BATCH = 64


class Reference(NamedTuple):
    """What a network sees in real images.

    Attributes:
        gaussian: of the vectors of all of them.
        vectors: the first of the vectors, [M,D].
    """

    gaussian: Gaussian
    vectors: Tensor


class References:
    """Real images, and what networks see in them.

    Args:
        data: a dataset of whole batches.
        n: how many of its images count; None for all.
        keep: how many vectors are kept.
        cache: the folder for results, None for none.
        refresh: compute anew what lies there.
        device: where networks run.
    """

    def __init__(
        self,
        data: Any,
        n: int | None = None,
        keep: int = 10_000,
        cache: Path | None = None,
        refresh: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.data, self.keep, self.cache, self.refresh = data, keep, cache, refresh
        self.n = len(data) if n is None else n
        self.device = device
        if self.n > len(data):
            raise UserError(
                f"the protocol compares with {self.n} real images, the data have {len(data)}: "
                "give more images, or metrics that need fewer"
            )
        self._fingerprint: dict[str, Any] | None = None

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What identifies the images."""
        if self._fingerprint is None:
            self._fingerprint = {**self.data.fingerprint(), "n": self.n}
        return self._fingerprint

    def images(self, n: int | None = None) -> Iterator[Tensor]:
        """Batches of the first ``n`` images, spread over the whole data; all without ``n``."""
        count = self.n if n is None else min(n, self.n)
        chosen = [i * self.n // count for i in range(count)]
        for start in range(0, count, BATCH):
            batch: Tensor = self.data.__getitems__(chosen[start : start + BATCH])["image"]
            yield batch.to(self.device)

    def of(self, network: Features, progress: Callable[[int], None] = lambda n: None) -> Reference:
        """What ``network`` sees, from the cache where it is there.

        A changed image or weight is another entry; one is written when it is whole.
        """
        key = {"data": self.fingerprint, "network": network.name, "weights": state_hash(network)}
        text = json.dumps({**key, "keep": self.keep}, sort_keys=True)
        name = f"{network.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
        path = None if self.cache is None else self.cache / name
        found = None if path is None or self.refresh else _read(path)
        if found is None:
            found = self._compute(network, progress)
            if path is not None:
                _write(path, found)
        return found

    @torch.no_grad()
    def _compute(self, network: Features, progress: Callable[[int], None]) -> Reference:
        moments, kept = None, []
        every = max(1, self.n // self.keep)
        seen = 0
        for images in self.images():
            vectors = network.embed(images)
            moments = moments or Moments(vectors.shape[1]).to(vectors.device)
            moments.update(vectors)
            first = -seen % every
            kept.append(vectors[first::every].float().cpu())
            seen += len(vectors)
            progress(len(vectors))
        assert moments is not None
        return Reference(moments.compute(), torch.cat(kept)[: self.keep])


def _write(path: Path, found: Reference) -> None:
    tensors = {
        "mean": found.gaussian.mean,
        "covariance": found.gaussian.covariance.contiguous(),
        "n": torch.tensor(found.gaussian.n),
        "vectors": found.vectors.contiguous(),
    }
    with atomic_write(path) as file:
        file.write(to_bytes(tensors))


def _read(path: Path) -> Reference | None:
    try:
        t = load_file(path)
        return Reference(Gaussian(t["mean"], t["covariance"], int(t["n"])), t["vectors"])
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError, KeyError) as error:
        log.warning("%s is damaged (%s): it is made again", path, error)
        return None
