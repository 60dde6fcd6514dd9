"""The latent spaces in which an image can be coded, seen from a frozen generator.

``s`` is the full style space, a vector per convolution and per ToRGB; ``w+`` a latent per pair of
layers; ``w`` one latent. The paper compares its styles with W (methods/ghfeat.md, 2.4 and L3).
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from ganfeat.backbone import Generator
from ganfeat.backbone.sampling import inputs

Space = Literal["s", "w+", "w"]
Levels = dict[str, Tensor]


def layout(generator: Generator, space: Space) -> list[list[str | int]]:
    """Name, resolution and width of every level, coarse to fine.

    A style acts where it scales what comes into a layer: that of a block's first convolution, which
    doubles the size, acts at half the block's resolution (methods/ghfeat.md, 1.5).
    """
    if space == "w":
        return [["w", 4, generator.w_dim]]
    if space == "w+":
        sides = [r for r in generator.synthesis.resolutions for _ in (0, 1)]
        return [[f"w{i}", side, generator.w_dim] for i, side in enumerate(sides)]
    state = generator.synthesis.state_dict()
    return [
        [name, _side(name), len(state[f"{name}.affine.weight"])] for name in generator.style_names
    ]


def _side(name: str) -> int:
    """The px at which the style of a layer such as ``b8.conv0`` acts."""
    block, _, layer = name.partition(".")
    return int(block[1:]) // (2 if layer == "conv0" else 1)


def draw(generator: Generator, levels: Mapping[str, Tensor], **options: Any) -> Any:
    """What the generator makes of levels, with its stored noise: as `Generator.synthesize`."""
    if "w" in levels:
        return generator.synthesize(generator.broadcast(levels["w"]), **options)
    if "w0" in levels:
        return generator.synthesize(torch.stack([*levels.values()], dim=1), **options)
    return generator.synthesize(styles=dict(levels), **options)


def moved(generator: Generator, levels: Mapping[str, Tensor], moves: Tensor) -> Tensor:
    """What it makes of levels [1,...] when ``moves`` [N,L,D] in W+ are added to them.

    Styles are affine in W+, so that what a move adds to them is the same wherever it begins.
    """
    found: Tensor
    if "w" in levels or "w0" in levels:
        ws = torch.stack([*levels.values()], dim=1)
        found = generator.synthesize(ws + moves)
        return found
    nowhere = generator.styles(torch.zeros_like(moves))
    added = generator.styles(moves)
    styles = {name: level + added[name] - nowhere[name] for name, level in levels.items()}
    found = generator.synthesize(styles=styles)
    return found


@torch.no_grad()
def sample(generator: Generator, space: Space, n: int, seed: int) -> Levels:
    """Levels of ``n`` random z, without truncation."""
    parts = [levels_of(generator, z, label, space) for z, label in inputs(generator, n, seed)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def levels_of(generator: Generator, z: Tensor, label: Tensor | None, space: Space) -> Levels:
    """The levels of the images that ``z`` [N,z_dim] makes."""
    w = generator.map(z, label)
    if space == "w":
        return {"w": w}
    ws = generator.broadcast(w)
    if space == "w+":
        return {f"w{i}": ws[:, i] for i in range(generator.num_ws)}
    return generator.styles(ws)
