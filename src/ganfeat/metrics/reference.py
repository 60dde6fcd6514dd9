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
        data: the dataset of the run; its `reference` gives the images to compare with.
        part: ``val`` while a run goes on, ``test`` for what is reported.
        keep: how many vectors are kept.
        cache: the folder for results, None for none.
        refresh: compute anew what lies there.
        device: where networks run.
    """

    def __init__(
        self,
        data: Any,
        part: str = "test",
        keep: int = 10_000,
        cache: Path | None = None,
        refresh: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.data, self.part, self.keep = data, part, keep
        self.cache, self.refresh, self.device = cache, refresh, device
        self._fingerprints: dict[int, dict[str, Any]] = {}

    def real(self, n: int) -> Any:
        """The dataset of real images for a protocol that counts ``n``."""
        return self.data.reference(self.part, n)

    def fingerprint(self, n: int) -> dict[str, Any]:
        """What identifies these images."""
        if n not in self._fingerprints:
            self._fingerprints[n] = self.real(n).fingerprint()
        return self._fingerprints[n]

    def images(self, n: int) -> Iterator[Tensor]:
        """Batches of ``n`` of these images, spread over all of them; all where there are fewer."""
        data = self.real(n)
        count = min(n, len(data))
        return self._batches(data, [i * len(data) // count for i in range(count)])

    def of(
        self, network: Features, n: int, progress: Callable[[int], None] = lambda n: None
    ) -> Reference:
        """What ``network`` sees in all of them, from the cache where it is there.

        A changed image or weight is another entry; one is written when it is whole.
        """
        key = {"data": self.fingerprint(n), "network": network.name, "keep": self.keep}
        text = json.dumps({**key, "weights": state_hash(network)}, sort_keys=True)
        name = f"{network.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
        path = None if self.cache is None else self.cache / name
        found = None if path is None or self.refresh else _read(path)
        if found is None:
            found = self._compute(network, self.real(n), progress)
            if path is not None:
                _write(path, found)
        return found

    @torch.no_grad()
    def _compute(self, network: Features, data: Any, progress: Callable[[int], None]) -> Reference:
        moments, kept = None, []
        every = max(1, len(data) // self.keep)
        seen = 0
        for images in self._batches(data, list(range(len(data)))):
            vectors = network.embed(images)
            moments = moments or Moments(vectors.shape[1]).to(vectors.device)
            moments.update(vectors)
            kept.append(vectors[-seen % every :: every].float().cpu())
            seen += len(vectors)
            progress(len(vectors))
        if moments is None:
            raise UserError("there are no real images to compare with")
        return Reference(moments.compute(), torch.cat(kept)[: self.keep])

    def _batches(self, data: Any, chosen: list[int]) -> Iterator[Tensor]:
        for start in range(0, len(chosen), BATCH):
            batch: Tensor = data.__getitems__(chosen[start : start + BATCH])["image"]
            yield batch.to(self.device)


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
