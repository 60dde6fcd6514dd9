"""The rules that give resolutions, channels and precision to both networks."""

from ganfeat.errors import UserError

ARCHITECTURES = ("skip", "resnet", "orig")


def block_resolutions(resolution: int) -> list[int]:
    """[4, 8, ..., resolution].

    Raises:
        UserError: ``resolution`` is no power of two from 16 to 1024.
    """
    if resolution not in (16, 32, 64, 128, 256, 512, 1024):
        raise UserError(
            f"resolution {resolution} cannot be built: it must be a power of two from 16 to 1024"
        )
    return [2**i for i in range(2, resolution.bit_length())]


def channels(resolution: int, base: int, maximum: int) -> int:
    """Feature maps at ``resolution``: the official rule min(base / resolution, maximum)."""
    return max(min(base // resolution, maximum), 1)


def check_architecture(architecture: str) -> str:
    """The architecture, or a `UserError` that lists the possible ones."""
    if architecture not in ARCHITECTURES:
        raise UserError(
            f"architecture {architecture!r} does not exist: choose {', '.join(ARCHITECTURES)}"
        )
    return architecture


def in_bf16(block: int, resolution: int, num_bf16_res: int) -> bool:
    """Whether a block is among the ``num_bf16_res`` highest resolutions; 4 px never is."""
    return num_bf16_res > 0 and block >= max(2 * resolution >> num_bf16_res, 8)
