"""Edits of a real image, as a strip and a moving picture.

``python -m ganfeat.edit photo.png --run RUN --direction 3`` finds latents that draw the image again
and moves them along an edit of the navigator that RUN made. Latents are sought by optimisation, or
said at once by an encoder that learnt with the same generator (``--encoder RUN``).
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from ganfeat.backbone.inversion import invert, middle
from ganfeat.backbone.navigator import Navigator, load_navigator
from ganfeat.build import build, suggest
from ganfeat.config import config_dir
from ganfeat.data.pixels import decode, fit_square
from ganfeat.encoders.ghfeat import GHFeatNet, latents
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.files import check_writable, expanded
from ganfeat.loading import load_network
from ganfeat.metrics.progress import progress_bar
from ganfeat.networks import AnyPath
from ganfeat.pictures import as_tensor, enlarged, image_grid, save_gif, save_png
from ganfeat.training import machine

SIDE = 128  # px to which smaller images are enlarged
FURTHEST = 1000  # usual deviations: what is beyond is of no face, and soon of no number

Draw = Callable[[Tensor], Tensor]  # from moves in W+ [T,L,D] to images [T,3,R,R]


def moves_along(navigator: Navigator, k: int, reach: float, frames: int) -> Tensor:
    """Moves in W+ [T,L,D] from one end of an edit to the other.

    Args:
        navigator: has the edit.
        k: its number.
        reach: how far the ends are, in usual deviations of w along a direction; that of the layer
            which the edit moves most.
        frames: how many moves T.
    """
    g = navigator.generator
    mean, spread = middle(g, 0)
    ws = mean.expand(1, g.num_ws, -1)
    navigator.check_fitted(ws)
    if float(navigator.reach(ws)[k]) == 0:
        raise UserError(f"edit {navigator.labels[k]} of {navigator.name} moves nothing")
    steps = navigator.steps_to(ws, reach * spread / g.w_dim**0.5)
    return navigator.along(ws, steps, frames)[0, k] - ws


def optimised(image: Tensor, navigator: Navigator, looks: Features | None, steps: int) -> Draw:
    """Draws with latents that `invert` finds for an image [1,3,R,R]."""
    g = navigator.generator
    with progress_bar(True) as bar:
        distance = None if looks is None else looks.distance
        found = invert(g, image, distance, steps, advance=bar("inversion", steps))

    def draw(moves: Tensor) -> Tensor:
        noise = [x.expand(len(moves), -1, -1, -1) for x in found.noise]
        drawn: Tensor = g.synthesize(found.ws + moves, noise=noise or "const")
        return drawn

    return draw


def encoded(image: Tensor, navigator: Navigator, encoder: GHFeatNet) -> Draw:
    """Draws with what an encoder says of an image [1,3,R,R]."""
    levels = encoder.styles(encoder.codes(image))
    return lambda moves: latents.moved(navigator.generator, levels, moves)


def load_encoder(path: AnyPath, navigator: Navigator) -> GHFeatNet:
    """An encoder of the generator that the navigator edits.

    Raises:
        UserError: it is another network, or of another generator.
    """
    found = load_network(path, "encoder_ema")
    if not isinstance(found, GHFeatNet):
        raise UserError(f"{path} holds a {type(found).__name__}: only GH-Feat says latents")
    found.attach(navigator.generator)
    return found


def load_features(name: str, side: int) -> Features | None:
    """A network of ``conf/features`` by its name, for images of ``side`` px; None for ``none``.

    Raises:
        UserError: there is none of that name, its weights are missing, or nothing can be sought
            with it.
    """
    files = {path.stem: path for path in (config_dir() / "features").glob("*.yaml")}
    if name not in files:
        raise UserError(f"--looks {name}: there is no such network; {suggest(name, files)}")
    node = yaml.safe_load(files[name].read_text())
    if not node:
        return None
    if "???" in node.values():
        raise UserError(f"--looks {name} needs files of yours, which cannot be given here")
    try:
        found: Features = build(node)
    except UserError as error:
        raise UserError(
            f"--looks {name}: {error}. Settings cannot be given here; networks that come with the "
            "package are scorer, teacher and teacher_cifar10"
        ) from error
    if not found.teaches(side):
        raise UserError(f"--looks {name}: it passes no gradient to an image; choose another one")
    return found


def number_of(navigator: Navigator, text: str) -> int:
    """Which edit is meant, by its number or its name.

    Raises:
        UserError: there is no such edit.
    """
    if text in navigator.labels:
        return navigator.labels.index(text)
    if text.isdecimal() and int(text) < len(navigator.labels):
        return int(text)
    raise UserError(
        f"--direction {text}: {navigator.name} has {len(navigator.labels)} edits, "
        f"{', '.join(navigator.labels)}"
    )


def read_image(path: Path, side: int) -> Tensor:
    """An image file as [1,3,R,R] in [-1,1]; its middle where it is no square.

    Raises:
        UserError: there is none, or none that can be read.
    """
    try:
        picture = decode(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise UserError(f"{path} is no image that can be read: {error}") from error
    return as_tensor(np.asarray(fit_square(picture, side)))[None]


def source_name(run: str) -> str:
    """What a navigator is called in the name of a picture: its run, or its file."""
    path = expanded(run)
    return path.name if path.is_dir() else path.stem


def write(image: Tensor, frames: Tensor, folder: Path, name: str) -> list[Path]:
    """The strip, with the image before it, and the moving picture."""
    scale = max(1, SIDE // image.shape[-1])
    paths = [folder / f"{name}.png", folder / f"{name}.gif"]
    strip = torch.cat([image, frames])
    save_png(image_grid(enlarged(strip, scale), len(strip)), paths[0])
    save_gif([enlarged(frame[None], scale)[0] for frame in frames], paths[1])
    return paths


@torch.no_grad()
def run(given: argparse.Namespace) -> list[Path]:
    """What the command line asks for; the files that it wrote.

    Raises:
        UserError: something given does not exist or fit.
    """
    if given.frames < 2 or given.steps < 1:
        raise UserError("give --frames of 2 or more, and --steps of 1 or more")
    if not 0 < given.range <= FURTHEST:
        raise UserError(f"give a --range above 0, and at most {FURTHEST} usual deviations of w")
    device = machine.pick_device(given.device)
    navigator = load_navigator(given.run)
    if given.generator:
        navigator.find_generator(given.generator)
    k, g = number_of(navigator, given.direction), navigator.generator
    image = read_image(given.image, g.resolution).to(device)
    navigator.to(device)
    moves = moves_along(navigator, k, given.range, given.frames)
    name = f"{given.image.stem}-{source_name(given.run)}-{navigator.labels[k]}"
    if given.encoder:
        draw = encoded(image, navigator, load_encoder(given.encoder, navigator).to(device))
    else:
        looks = load_features(given.looks, g.resolution)
        if looks is not None:
            looks.to(device)
        check_writable(given.out / f"{name}.png")
        draw = optimised(image, navigator, looks, given.steps)
    still = draw(torch.zeros_like(moves[:1])).clamp(-1, 1)
    frames = torch.cat([draw(move[None]) for move in moves]).clamp(-1, 1)
    error = float((still - image).square().mean())
    print(f"drawn again with a PSNR of {10 * math.log10(4 / max(error, 1e-12)):.1f} dB")
    return write(image, frames, given.out, name)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.edit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, help="an image file; of a wide one the middle is taken")
    parser.add_argument("--run", required=True, help="a run of a navigator, or its weights")
    parser.add_argument("--direction", default="0", help="the edit, by its number or name")
    parser.add_argument("--range", type=float, default=3.0, help="how far to both sides, in usual "
                        "deviations of w")  # fmt: skip
    parser.add_argument("--frames", type=int, default=7, help="images from one end to the other")
    parser.add_argument("--encoder", help="a GH-Feat run, which says latents at once")
    parser.add_argument("--looks", default="teacher", help="without --encoder: what latents are "
                        "sought with, a network of conf/features or none")  # fmt: skip
    parser.add_argument("--steps", type=int, default=1000, help="of that search")
    parser.add_argument("--generator", help="where the generator is now, if not where it was")
    parser.add_argument("--out", type=Path, default=Path(), help="the folder for the pictures")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    given = parser.parse_args(argv)
    with told():
        for path in run(given):
            print(f"written to {path}")


if __name__ == "__main__":
    main()
