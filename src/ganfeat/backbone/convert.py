"""Official StyleGAN2-ADA pickles to safetensors, all of G, D and G_ema.

python -m ganfeat.backbone.convert in.pkl out.safetensors
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganfeat.backbone.official import LICENCE, build_record, read_records
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.networks import read_header, save_networks


def convert(source: Path, target: Path, *, force: bool = False) -> dict[str, Any]:
    """Write the networks of an official pickle to ``target``; gives the header written.

    Raises:
        UserError: ``source`` is no such pickle or holds what we cannot represent, or ``target``
            exists (unless ``force``) or cannot be written. Then ``target`` is as it was.
    """
    records = read_records(source)
    if target.exists() and target.samefile(source):
        raise UserError(f"{target} is the pickle itself: name another file to write")
    if target.is_file() and not force:
        raise UserError(f"{target} exists: give another name, or --force to replace it")
    networks = {
        name: build_record(record, f"{name} of {source}") for name, record in records.items()
    }
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {
        "kind": "StyleGAN2-ADA pickle",
        "file": source.name,
        "sha256": digest,
        "arguments": {name: record.state["_init_kwargs"] for name, record in records.items()},
    }
    about = {"source": origin, "licence": LICENCE, "resolution": networks["g_ema"].resolution}
    save_networks(target, networks, about)
    return read_header(target)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.backbone.convert",
        description="Official StyleGAN2-ADA pickle to safetensors; executes nothing from it.",
    )
    parser.add_argument("source", type=Path, help="the .pkl file")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    given = parser.parse_args(argv)
    with told():
        header = convert(given.source, given.target, force=given.force)
    for name, network in header["networks"].items():
        print(f"{name}: {network['class']} {network['config']}")
    print(f"{given.target}: {header['licence']}")


if __name__ == "__main__":
    main()
