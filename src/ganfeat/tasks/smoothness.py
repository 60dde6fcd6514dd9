"""How smooth latent spaces are, on show: the same paths in W of several generators.

``python -m ganfeat.tasks.smoothness baseline=RUN hsr=RUN --out FOLDER`` leaves there

- ``strips.png``: a path is a group of rows, one for each generator in the order given, from one
  random end to the other. These are the first paths that ALS is measured on.
- ``paths.gif``: the same moving, a row for each generator and a column for each path.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganfeat import backbone
from ganfeat.backbone import Generator
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.loading import named_paths
from ganfeat.metrics.subject import BLOCK, Samples
from ganfeat.pictures import enlarged, image_grid, save_gif, save_png

GAP = 4  # px between groups of rows


def strips(found: Sequence[Tensor], scale: int) -> Tensor:
    """Paths [n,frames,3,R,R] of some generators, path by path below each other: [3,H,W]."""
    groups = []
    for rows in zip(*found, strict=True):
        grid = image_grid(enlarged(torch.cat(rows), scale), len(rows[0]))
        groups += [grid, grid.new_ones(3, GAP, grid.shape[2])]
    return torch.cat(groups[:-1], dim=1)


def moving(found: Sequence[Tensor], scale: int) -> list[Tensor]:
    """Frames of the same paths, a row for each generator: [3,H,W] each."""
    frames = torch.cat([*found]).swapaxes(0, 1)
    return [image_grid(enlarged(now, scale), len(found[0])) for now in frames]


def show(generators: Mapping[str, Generator], folder: Path, n: int, frames: int, seed: int) -> None:
    """Write ``strips.png`` and ``paths.gif``.

    Raises:
        UserError: the generators differ in their resolution, or nothing can be written.
    """
    sides = {name: g.resolution for name, g in generators.items()}
    if len({*sides.values()}) > 1:
        raise UserError(f"generators side by side must have one resolution, not {sides}")
    scale = max(1, 64 // next(iter(sides.values())))
    found = [Samples(g, seed=seed).paths(n, frames) for g in generators.values()]
    save_png(strips(found, scale), folder / "strips.png")
    save_gif(moving(found, scale), folder / "paths.gif")


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.tasks.smoothness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("generators", nargs="+", metavar="NAME=PATH",
                        help="a run folder, a checkpoint, a weights file, or "
                             "embedded")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the folder for the pictures")
    parser.add_argument("--paths", type=int, default=5, help="how many")
    parser.add_argument("--frames", type=int, default=11, help="images on a path")
    parser.add_argument("--seed", type=int, default=0, help="of the ends")
    given = parser.parse_args(argv)
    with told():
        if not 1 <= given.paths <= BLOCK:
            raise UserError(f"--paths={given.paths}: give 1 to {BLOCK}")
        if given.frames < 2:
            raise UserError(f"--frames={given.frames}: a path has two ends or more")
        named = named_paths(given.generators)
        loaded = {name: backbone.load(path) for name, path in named.items()}
        others = [name for name, g in loaded.items() if not isinstance(g, Generator)]
        if others:
            raise UserError(f"{named[others[0]]} is no generator")
        show(loaded, given.out, given.paths, given.frames, given.seed)
    print(f"written to {given.out}: from top to bottom in each group {', '.join(named)}")


if __name__ == "__main__":
    main()
