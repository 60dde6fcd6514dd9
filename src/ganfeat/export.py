"""All that a run's artefact needs in one file: ``python -m ganfeat.export RUN out.safetensors``.

The file holds the artefact and the generator that it draws with, and says what they are: the
config of the run, its commit, data and measured values with their protocols, and the licence of the
weights that it began with. ``ganfeat.load("out.safetensors")`` gives the artefact back on a machine
that has nothing else of the run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ganfeat.artefacts import GENERATOR, load, name_of
from ganfeat.backbone import BuiltOn
from ganfeat.backbone.loading import licence_of
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.files import check_writable
from ganfeat.loading import read_about
from ganfeat.networks import Network, save_networks, state_hash
from ganfeat.results import read_result


def export(run: Path, out: Path) -> dict[str, Any]:
    """Write the artefact of a finished run to ``out``.

    Returns:
        The header of the file: source, licence, card, and of the run config, data and values.

    Raises:
        UserError: the run is not finished, its generator is not to be found, or nothing can be
            written.
    """
    result = read_result(run / "result.json")
    if result is None:
        raise UserError(f"{run} is no run folder: it holds no result.json")
    if result.get("status") != "finished":
        raise UserError(f"{run} is {result.get('status')}: run its training to the end first")
    if out.suffix != ".safetensors":
        raise UserError(f"{out}: what is written is a safetensors file; name it so")
    check_writable(out)
    weights = run / "checkpoints" / "networks.safetensors"
    name = name_of(weights)
    artefact, about = load(weights), read_about(weights)
    networks: dict[str, Network] = {name: artefact}
    licence = licence_of(weights)
    if isinstance(artefact, BuiltOn):
        networks[GENERATOR] = artefact.generator
        licence = licence_of(artefact.weights)  # what was made with it is bound by it
    header: dict[str, Any] = {
        **{key: about[key] for key in ("source", "data", "judge", "frozen") if key in about},
        "licence": licence,
        "config": yaml.safe_load((run / "config.yaml").read_text()),
        "commit": result.get("commit"), "seed": result.get("seed"),
        "kimg": result.get("kimg"), "metrics": result.get("metrics", []),
        "states": {key: state_hash(network) for key, network in networks.items()},
    }  # fmt: skip
    header["card"] = card(header)
    save_networks(out, networks, header)
    return header


def card(header: dict[str, Any]) -> str:
    """What somebody must know who gets the file, in Markdown."""
    source = header.get("source", {}).get("run", "")
    config = header["config"]
    lines = [
        f"# {source}", "",
        f"- Made by GANFeat at commit {header['commit']}, with seed {header['seed']}",
        f"- Method: `{config['method'].get('_target_', '')}`",
        f"- Data: `{config['data'].get('_target_', '')}`, {config['data'].get('resolution')} px",
        f"- Licence of the weights: {header['licence']}",
    ]  # fmt: skip
    values = [v for v in header["metrics"] if v["value"] is not None]
    if values:
        lines += ["", "| metric | value | 95 % within the run | n |", "| --- | --- | --- | --- |"]
    for value in values:
        low, high = value.get("low"), value.get("high")
        between = "" if low is None else f"{low:.4g} to {high:.4g}"
        lines.append(f"| {value['name']} | {value['value']:.4g} | {between} | {value['n']} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.export", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("out", type=Path, help="the file to write, such as face-edits.safetensors")
    given = parser.parse_args(arguments)
    with told():
        header = export(given.run, given.out)
        print(header["card"])
        print(f'written to {given.out}; in Python: ganfeat.load("{given.out}")')


if __name__ == "__main__":
    main()
