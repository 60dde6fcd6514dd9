"""What edits do, on show: the same sample moved along the edits of several navigators.

``python -m ganfeat.tasks.traversals contrafeat=RUN sefa=RUN --out FOLDER`` leaves there
``traversals.png``: a column for each navigator, a row for each of its edits. Every edit goes
``--range`` times as far to both sides as its run was measured at, which is where it changes images
as much as every other edit does (`ganfeat.metrics.edited`).
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ganfeat.backbone.navigator import Navigator, load_navigator
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.features.network import to_uint8
from ganfeat.files import expanded
from ganfeat.loading import named_paths
from ganfeat.metrics.evaluation import labelled
from ganfeat.metrics.subject import BLOCK, Samples
from ganfeat.pages import GAP, traversals
from ganfeat.pictures import as_tensor, save_png
from ganfeat.results import read_result

HEAD = 26  # px for the name of a navigator


class Measured(NamedTuple):
    """A navigator and what its run says of its edits.

    Attributes:
        navigator: its generator is at hand.
        steps: how far each edit goes to one side, [K].
        labels: what each is called, and what it shifts where that was measured.
    """

    navigator: Navigator
    steps: Tensor
    labels: list[str]


def measured(run: Path) -> Measured:
    """The navigator of a run folder whose edits have been measured.

    Raises:
        UserError: there is none, or its edits have not been measured.
    """
    navigator = load_navigator(run)
    arrays = (read_result(run / "result.json") or {}).get("arrays", {})
    if len(arrays.get("edit_steps", [])) != len(navigator.labels):
        raise UserError(
            f"{run} does not say how far its edits go: give the folder of a run that has measured "
            "them (metrics=edits)"
        )
    labels = labelled(navigator, arrays.get("edit_names", []))
    return Measured(navigator, torch.tensor(arrays["edit_steps"]), labels)


@torch.no_grad()
def column(found: Measured, sample: int, reach: float, frames: int, seed: int) -> Tensor:
    """A sample along all edits of a navigator, as `traversals` shows it: [3,H,W]."""
    navigator = found.navigator
    samples = Samples(navigator.generator, seed=seed)
    ws = samples.generator.broadcast(samples.w(0))[sample : sample + 1]
    noise = [x[sample : sample + 1] for x in samples.noise(0)]
    ways = navigator.along(ws, reach * found.steps, frames)[0]  # [K,T,L,D]
    strips = torch.stack(
        [
            samples.generator.synthesize(
                way, noise=[x.expand(frames, -1, -1, -1) for x in noise] or "const"
            ).clamp(-1, 1)
            for way in ways
        ]
    )
    return traversals(strips, navigator.shares(ws), found.labels)


def side_by_side(columns: Mapping[str, Tensor]) -> Tensor:
    """Pictures [3,H,W] beside each other with their names above: [3,H',W']."""
    width = sum(x.shape[2] for x in columns.values()) + 4 * GAP * (len(columns) - 1)
    height = HEAD + max(x.shape[1] for x in columns.values())
    page, left = Image.new("RGB", (width, height), "white"), 0
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for name, picture in columns.items():
        page.paste(Image.fromarray(to_uint8(picture).permute(1, 2, 0).numpy()), (left, HEAD))
        middle = (left + picture.shape[2] / 2, HEAD / 2)
        pen.text(middle, name, fill="black", anchor="mm", font=font)
        left += picture.shape[2] + 4 * GAP
    return as_tensor(np.asarray(page))


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.tasks.traversals",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("navigators", nargs="+", metavar="NAME=RUN",
                        help="the folder of a run whose edits were measured")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the folder for the picture")
    parser.add_argument("--sample", type=int, default=0, help=f"which, 0 to {BLOCK - 1}")
    parser.add_argument("--range", type=float, default=2.0, help="how far, in measured steps")
    parser.add_argument("--frames", type=int, default=5, help="images along an edit")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    given = parser.parse_args(argv)
    with told():
        if not 0 <= given.sample < BLOCK:
            raise UserError(f"--sample={given.sample}: give 0 to {BLOCK - 1}")
        if given.frames < 2:
            raise UserError(f"--frames={given.frames}: an edit has two ends or more")
        if not 0 < given.range < 100:
            raise UserError(f"--range={given.range:g}: give a number of steps, above 0, below 100")
        named = named_paths(given.navigators)
        found = {name: measured(expanded(path)) for name, path in named.items()}
        columns = {
            name: column(one, given.sample, given.range, given.frames, given.seed)
            for name, one in found.items()
        }
        path = given.out / "traversals.png"
        save_png(side_by_side(columns), path)
    print(f"written to {path}: from left to right {', '.join(named)}")


if __name__ == "__main__":
    main()
