"""``python -m ganfeat list [GROUP]``: what there is to choose from, with a line on each.

What it says stands at the top of the YAML files of ``conf/``: nothing else is looked at, so that
the answer is there at once.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from ganfeat.config import config_dir
from ganfeat.ending import told

GROUPS = {
    "experiment": "Presets, each a run: python train.py experiment=NAME",
    "method": "Methods: method=NAME",
    "data": "Data: data=NAME",
    "metrics": "Measurements: metrics=NAME",
    "tasks": "Tasks of encoders: tasks=NAME",
    "features": "Networks that look at images: features=NAME",
    "judge": "Networks that measure: judge=NAME (each data set has one)",
    "backbone": "Networks that are trained: backbone=NAME",
    "sweep": "Sweeps over a preset: python train.py experiment=PRESET sweep=NAME -m",
}
KINDS = {
    "generators": "Generators", "encoders": "Encoders", "navigators": "Navigators: edits",
    "others": "Judges, teachers and whatever else",
}  # fmt: skip
SUPPORT = ("classification", "factor_regression", "masked")  # methods that make those
WIDEST = 120  # characters of a line


def about(path: Path) -> str:
    """The first sentence of the comment at the top of a YAML file."""
    words = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            words.append(line.removeprefix("#").strip())
    text = " ".join(words)
    return re.split(r"(?<=\.)(?<!\bal\.) ", text)[0]


def kind(preset: Path) -> str:
    """Which artefact a preset makes: the folder of its method's class, ``others`` for any other."""
    name = method_of(preset) or "stylegan2"
    if name in SUPPORT:
        return "others"
    target = target_of(preset.parents[1] / "method" / f"{name}.yaml") or ""
    return next((part for part in target.split(".") if part in KINDS), "others")


def target_of(method: Path) -> str | None:
    """The class that a method names, or one that it is made from does."""
    node = _node(method)
    found: str | None = node.get("_target_") or node.get("method", {}).get("_target_")
    for base in reversed(_bases(method, node)):  # what comes later counts
        found = found or target_of(base)
    return found


def method_of(preset: Path) -> str | None:
    """The method that a preset names, or one that it is made from does."""
    node = _node(preset)
    found = None
    for base in _bases(preset, node):
        found = method_of(base) or found
    for one in node.get("defaults", []):
        if isinstance(one, dict):
            found = one.get("override /method", found)
    return found


def _node(path: Path) -> dict[str, Any]:
    """What a YAML file says; nothing where there is none."""
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def _bases(path: Path, node: dict[str, Any]) -> list[Path]:
    """The files of the same group that a file is made from, by its list of defaults."""
    named = [one for one in node.get("defaults", []) if isinstance(one, str) and one != "_self_"]
    return [path.with_name(f"{Path(one.partition('@')[0]).name}.yaml") for one in named]


def lines(group: str) -> Iterator[str]:
    """A group's options, presets by what they make."""
    paths = sorted((config_dir() / group).glob("*.yaml"))
    width = max(len(path.stem) for path in paths) + 2
    yield GROUPS[group]
    of_kind = {path: kind(path) for path in paths} if group == "experiment" else {}
    for which, title in KINDS.items() if of_kind else [("", "")]:
        if title:
            yield f"  {title}"
        for path in paths:
            if not of_kind or of_kind[path] == which:
                start = f"{'    ' if title else '  '}{path.stem:<{width}}"
                yield start + _cut(about(path), WIDEST - len(start))
    yield ""


def _cut(text: str, width: int) -> str:
    """At most so much of a text: up to the end of a clause, or of a word."""
    if len(text) <= width:
        return text
    clauses = list(re.finditer(r"[:;] ", text[:width]))
    return text[: clauses[-1].start()] if clauses else f"{text[: width - 1].rpartition(' ')[0]}…"


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    there = [group for group in GROUPS if (config_dir() / group).is_dir()]
    parser = argparse.ArgumentParser(prog="python -m ganfeat", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="what there is to choose from")
    listing.add_argument("group", nargs="*", help=f"some of: {', '.join(there)}")
    given = parser.parse_args(argv)
    if wrong := [group for group in given.group if group not in there]:
        listing.error(f"there is no group {wrong[0]}; choose from {', '.join(there)}")
    with told():
        for group in given.group or there:
            print("\n".join(lines(group)))


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # `list | head`: nobody reads on
        sys.stderr.close()
