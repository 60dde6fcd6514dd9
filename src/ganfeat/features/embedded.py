"""The small networks that ship with the package, each with a card beside its weights."""

from ganfeat.errors import UserError
from ganfeat.features.network import Features
from ganfeat.loading import WEIGHTS, load_network


def embedded(name: str, path: str | None = None) -> Features:
    """A network of the package, frozen.

    Args:
        name: as its file is called, such as ``factornet`` or ``teacher``.
        path: another file of ours, a checkpoint or a run folder to take in its place.

    Raises:
        UserError: there is none of that name, or it does not look at images.
    """
    if path is not None:
        found = load_network(path, "encoder_ema")
    else:
        file = WEIGHTS / f"{name}.safetensors"
        if not file.is_file():
            raise UserError(
                f"the package holds no network {name!r}: train one (python train.py lists presets) "
                "and give its run folder as path"
            )
        found = load_network(file, "encoder_ema")
    if not isinstance(found, Features):
        raise UserError(f"{path or name} is a {type(found).__name__}: it does not look at images")
    return freeze(found)


def freeze(network: Features) -> Features:
    """In evaluation mode and without gradients for its weights."""
    return network.eval().requires_grad_(False)
