"""Where the weights of big networks are, and what to say when they are not there.

Nothing is downloaded unless somebody asks for it. Names, addresses and checksums come from the
installed packages; none is written down here.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.files import expanded


@dataclass(frozen=True)
class Published:
    """A file of weights as an installed package knows it.

    Attributes:
        file: its name in a cache; eight hex digits before its suffix begin its SHA-256.
        publisher: the project that publishes it.
        url: where, None if the package gives none.
        repository: on the Hugging Face hub, None if it is not there.
    """

    file: str
    publisher: str
    url: str | None = None
    repository: str | None = None

    @property
    def cached(self) -> str:
        """Its name in torch's cache: all files on the hub have the same one there."""
        hub = self.repository
        return self.file if hub is None else f"{hub.replace('/', '--')}.safetensors"


def find(published: Published, path: str | None = None, download: bool = False) -> Path:
    """The file: at ``path``, else in the caches of torch and of the Hugging Face hub.

    Args:
        published: what is looked for.
        path: the file itself or the folder that holds it.
        download: fetch it into the cache where it is absent.

    Raises:
        UserError: it is absent, or its checksum is not that in its name.
    """
    cache = Path(torch.hub.get_dir()) / "checkpoints" / published.cached
    if path is not None:
        given = expanded(path)
        places = [given / published.file if given.is_dir() else given]
    else:
        places = [cache, *_on_hub(published)]
    found = next((place for place in places if place.is_file()), None)
    if found is None and download and path is None:
        found = _download(published, cache)
    if found is None and path is not None:
        raise UserError(
            f"there are no weights at {places[0]}: give {published.file} of {published.publisher}, "
            "or a file that has its names"
        )
    if found is None:
        raise UserError(
            f"the weights {published.file}, which {published.publisher} publishes, are not at "
            f"{places[0]}: put them there, give their path, or set download=true"
        )
    _check(found, published)
    return found


def _on_hub(published: Published) -> list[Path]:
    """The file in the Hugging Face cache, if it is there."""
    if published.repository is None:
        return []
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(published.repository, "model.safetensors")
    return [Path(found)] if isinstance(found, str) else []


def _download(published: Published, cache: Path) -> Path:
    try:
        if published.repository is not None:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(published.repository, "model.safetensors"))
        assert published.url is not None
        cache.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(published.url, str(cache), progress=True)
        return cache
    except Exception as error:  # whatever a network does
        raise UserError(
            f"{published.file} of {published.publisher} cannot be downloaded "
            f"({type(error).__name__}): fetch it elsewhere and put it at {cache}"
        ) from error


def _check(found: Path, published: Published) -> None:
    stated = re.search(r"-([0-9a-f]{8})\.", published.file)
    if stated is None or found.name != published.file:
        return
    with open(found, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(stated[1]):
        raise UserError(
            f"{found} is not the file that {published.publisher} publishes: its SHA-256 begins "
            f"with {digest[:8]}, expected {stated[1]}"
        )


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a file of torch or safetensors; nothing in it is executed.

    Raises:
        UserError: it is damaged, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of any other kind makes readers raise nearly anything
        raise UserError(f"{path} cannot be read as weights: {str(error)[:100]}") from error
    if not isinstance(data, dict) or not all(isinstance(v, Tensor) for v in data.values()):
        raise UserError(f"{path} holds no plain state dict of tensors")
    return dict(data)


def fill(network: torch.nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load a state dict that must fit exactly.

    Raises:
        UserError: a tensor is missing, left over, or of another shape; says which.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path} does not fit: {reason[:200]}") from error
