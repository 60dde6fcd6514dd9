"""Make a zip of square images for training: `python -m ganfeat.data.prepare SRC DST.zip ...`.

SRC is a folder, a zip or an LSUN LMDB, with images of any format and size. DST.zip holds them as
RGB squares of one power-of-two size, at their paths, as PNG without compression (fast to read),
with their labels in `dataset.json` as NVIDIA's StyleGAN codes read them. The same SRC and
settings give the same bytes, whatever the number of workers.

The work is done in DST.zip.partial, which the same command goes on with after an interruption.
"""

import argparse
import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ganfeat.data.archive import image_key, open_archive
from ganfeat.data.growing_zip import GrowingZip
from ganfeat.data.labels import Labels, read_labels
from ganfeat.data.pixels import Fit, check_resolution
from ganfeat.data.squares import Job, convert_all
from ganfeat.ending import told
from ganfeat.errors import Interrupted, UserError
from ganfeat.files import disk_full, expanded

_SETTINGS = "prepare.json"  # the zip's first entry: what it was made of
_LABELS = "dataset.json"  # its last


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        images: how many the zip has.
        labels: theirs and those of unreadable ones, or None.
        unreadable: (name, reason) of every image that was left out.
    """

    images: int
    labels: Labels | None
    unreadable: list[tuple[str, str]]


def prepare(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    resolution: int,
    fit: Fit = "crop",
    workers: int | None = None,
    force: bool = False,
) -> Prepared | None:
    """Write the images of `src` into the zip `dst` as squares of `resolution` pixels.

    Args:
        src: a folder, a zip or the folder of an LMDB.
        dst: the zip to write; it appears once it is complete.
        resolution: a power of two in 16..1024.
        fit: "crop" to the central square, "pad" with black, or "stretch".
        workers: threads that convert images; None is one per core.
        force: replace a `dst`, or an unfinished one, that was made of something else.

    Returns:
        What was done; None if `dst` was there already, made of the same source and settings.

    Raises:
        UserError: nothing to read or nothing readable, `dst` exists or cannot be written.
    """
    dst = expanded(dst)
    if fit not in get_args(Fit):
        raise UserError(f"fit is {fit}: expected one of {', '.join(get_args(Fit))}")
    if dst.suffix != ".zip" or dst.is_dir():
        raise UserError(f"cannot write {dst}: expected the name of a zip, such as faces.zip")
    most = 8 * (os.cpu_count() or 1)
    if workers is not None and not 1 <= workers <= most:
        raise UserError(f"workers is {workers}: expected 1 to {most} on this machine")
    check_resolution(resolution)
    source = expanded(src)
    if source.exists() and dst.exists() and dst.samefile(source):
        raise UserError(f"{dst} is the source itself: give another name to write")
    job = Job(open_archive(src), resolution, fit)
    labels = read_labels(job.archive)
    settings = _settings(job, labels)
    if dst.exists() and not force:
        if _settings_of(dst) == settings:
            return None
        raise UserError(
            f"{dst} exists and was made of something else: give another name, or --force"
        )
    try:
        dst.parent.mkdir(parents=True, exist_ok=True)
        partial = GrowingZip(dst.with_name(f"{dst.name}.partial"))
        try:
            _match(partial, settings, force)
            return _fill(partial, job, labels, dst, workers or os.cpu_count() or 1)
        finally:
            partial.close()
    except OSError as error:
        advice = (
            "once there is room, the same command goes on" if disk_full(error) else "give another"
        )
        raise UserError(f"cannot write {dst}: {error.strerror}; {advice}") from error


def _settings(job: Job, labels: Labels | None) -> bytes:
    """What a zip is made of, as the JSON that it carries."""
    source = hashlib.sha256(labels.values.tobytes() if labels else b"")
    for name in job.archive.images:
        source.update(f"{image_key(name)}\t{name!a}\t{job.archive.size(name)}\n".encode())
    about = {
        "made_by": "ganfeat.data.prepare, version 1",
        "source_images": len(job.archive.images),
        "source_sha256": source.hexdigest(),
        "resolution": job.resolution,
        "fit": job.fit,
    }
    return json.dumps(about, indent=2).encode()


def _settings_of(dst: Path) -> bytes:
    try:
        with zipfile.ZipFile(dst) as file:
            return file.read(_SETTINGS)
    except (OSError, KeyError, zipfile.BadZipFile):
        return b""


def _match(partial: GrowingZip, settings: bytes, force: bool) -> None:
    """See to it that an earlier run's unfinished zip, if any, is of the same settings."""
    if partial.names and partial.first != settings:
        if not force:
            raise UserError(
                f"{partial.path} is unfinished and was made of something else: "
                "remove it, give another name, or --force"
            )
        partial.cut(0)
    if not partial.names:
        partial.add(_SETTINGS, settings)
    elif partial.names[-1] == _LABELS:  # stopped just before the end
        partial.cut(len(partial.names) - 1)


def _fill(
    partial: GrowingZip, job: Job, labels: Labels | None, dst: Path, workers: int
) -> Prepared:
    targets = _targets(job.archive.images)
    unreadable = _convert_missing(partial, job, targets, workers)
    written = set(partial.names)
    if len(written) == 1:  # the settings
        partial.path.unlink()
        raise UserError(
            f"{job.archive.path}: none of its {len(targets)} images can be read, "
            f"for one {unreadable[0][0]}: {unreadable[0][1]}"
        )
    table = None
    if labels is not None:
        pairs = zip(targets, labels.values.tolist(), strict=True)
        table = [[target, label] for target, label in pairs if target in written]
    partial.add(_LABELS, json.dumps({"labels": table}).encode())
    partial.finish(dst)
    return Prepared(len(written) - 1, labels, unreadable)


def _targets(names: Sequence[str]) -> list[str]:
    """Names in the new zip: the key with ".png", and one more ".png" per earlier namesake.

    So a.jpg and a.png (neighbours, as names are sorted by key) become a.png and a.png.png, whose
    key is "a" again: order and part of the images stay as they were.
    """
    targets: list[str] = []
    previous, repeats = "", 0
    for key in map(image_key, names):
        repeats = repeats + 1 if key == previous else 1
        previous = key
        targets.append(key + ".png" * repeats)
    return targets


def _convert_missing(
    partial: GrowingZip, job: Job, targets: list[str], workers: int
) -> list[tuple[str, str]]:
    """Add the images that are not there yet; (name, reason) of the unreadable ones."""
    done = set(partial.names)
    names = job.archive.images
    todo = [(name, to) for name, to in zip(names, targets, strict=True) if to not in done]
    converted = convert_all(job, [name for name, _ in todo], workers)
    unreadable = []
    with _progress() as progress, closing(converted):
        bar = progress.add_task(
            partial.path.stem, total=len(names), completed=len(names) - len(todo)
        )
        for (name, target), image in zip(todo, converted, strict=True):
            if isinstance(image, bytes):
                partial.add(target, image)
            else:
                unreadable.append((name, image))
            progress.advance(bar)
    return unreadable


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = _parser().parse_args(arguments)
    with told():
        try:
            done = prepare(**vars(options))
        except Interrupted as stopped:
            raise Interrupted(
                "interrupted: run the same command again to go on", stopped.exit_code
            ) from None
    if done is None:
        print(f"{options.dst} is there already, made of the same images and settings")
        return
    kind = "no labels"
    if done.labels is not None:
        classes = done.labels.values.ndim == 1
        kind = f"{done.labels.dim} classes" if classes else f"label vectors of {done.labels.dim}"
    side = options.resolution
    print(f"{options.dst}: {done.images} images of {side}x{side}, {kind}")
    if done.unreadable:
        print(f"{len(done.unreadable)} could not be read and were left out:")
        print("\n".join(f"  {name}: {reason}" for name, reason in done.unreadable))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.data.prepare",
        description="Make a zip of square RGB images for training out of images of any format and "
        "size. Labels are kept: class folders, or NVIDIA's dataset.json. Unreadable images are "
        "left out and listed at the end. An interrupted run is gone on with by the same command.",
    )
    parser.add_argument("src", metavar="SRC", help="a folder, a zip or an LSUN LMDB")
    parser.add_argument("dst", metavar="DST.zip", help="the zip to write")
    parser.add_argument(
        "--resolution", type=int, required=True, help="side in pixels: 16, 32, ... 1024"
    )
    parser.add_argument(
        "--fit",
        choices=get_args(Fit),
        default="crop",
        help="how an image becomes square: its centre, black bars, or distorted (default: crop)",
    )
    parser.add_argument(
        "--workers", type=int, help="threads that convert images (default: one per core)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a DST.zip that was made of something else"
    )
    return parser


if __name__ == "__main__":
    main()
