"""Put what a finished run trained into the package, with a card that says what it is worth.

``python -m ganfeat.ship outputs/factornet_synthfaces/1a2b3c4d-s0``
"""

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ganfeat.backbone.loading import NOT_SAID
from ganfeat.build import build, defaults
from ganfeat.data.drawn.visibility import VISIBLE, visibility
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.features.blocks import SIZE
from ganfeat.files import atomic_write
from ganfeat.loading import WEIGHTS, load_network, read_about
from ganfeat.networks import Network, save_networks, state_hash
from ganfeat.results import read_result

LARGEST = 5_000_000  # bytes of the numbers in one file
SPREAD, RECALL = 0.2, 0.5  # how far a factor's spread may be off; what recall must exceed
ENOUGH = 0.9  # of the score of a factor that can be seen

Result = dict[str, Any]


def ship(run: Path, folder: Path = WEIGHTS) -> list[Path]:
    """Write weights and card of a run into ``folder``.

    An encoder's average becomes ``<its name>.safetensors``; of a GAN, ``<experiment>.safetensors``
    holds ``g_ema`` and ``<experiment>_d.safetensors`` holds ``d``.

    Returns:
        The files written, the card last.

    Raises:
        UserError: the run is not finished, or its networks are too large.
    """
    result = read_result(run / "result.json")
    if result is None:
        raise UserError(f"{run} is no run folder: it holds no result.json")
    if result["status"] != "finished":
        raise UserError(f"{run} is {result['status']}: only what a finished run trained is shipped")
    weights = run / "checkpoints" / "networks.safetensors"
    about = read_about(weights)
    parts = _parts(result["experiment"], weights, encoder="encoder_ema" in about["networks"])
    for part in parts:
        state = part.network.state_dict()
        size = sum(value.numel() * value.element_size() for value in state.values())
        if size > LARGEST:
            raise UserError(f"{part.file} has {size / 1e6:.1f} MB of numbers: 5 are the most")
    header = {key: about.get(key) for key in ("source", "licence", "data", "judge", "frozen")}
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        save_networks(folder / part.file, {part.name: part.network}, header)
    card = (folder / parts[0].file).with_suffix(".md")
    with atomic_write(card) as out:
        out.write(card_of(result, parts, about).encode())
    return [*(folder / part.file for part in parts), card]


class Part(NamedTuple):
    """One file: its name, and the network in it with the name that it has there."""

    file: str
    name: str
    network: Network


def _parts(experiment: str, weights: Path, *, encoder: bool) -> list[Part]:
    """What is shipped of a run."""
    if encoder:
        network = load_network(weights, "encoder_ema")
        return [Part(f"{network.config['name']}.safetensors", "encoder_ema", network)]
    files = {"g_ema": f"{experiment}.safetensors", "d": f"{experiment}_d.safetensors"}
    return [Part(file, name, load_network(weights, name)) for name, file in files.items()]


def card_of(result: Result, parts: list[Part], about: Mapping[str, Any]) -> str:
    """The card of a run, Markdown made of its result and what its weights say of themselves."""
    return "\n".join(_lines(result, parts, about)) + "\n"


def _lines(result: Result, parts: list[Part], about: Mapping[str, Any]) -> Iterator[str]:
    machine, data = result["machine"], about["data"]
    yield f"# {Path(parts[0].file).stem}"
    yield ""
    typed = [text for text in result["overrides"] if not text.startswith(("resume=", "force="))]
    went_on = any(text.startswith("resume=") for text in result["overrides"])
    yield (
        f"- Made by `python train.py {shlex.join(typed)}`, seed {result['seed']}"
        f"{'; it went on from a shorter run of the same settings' if went_on else ''}"
    )
    yield (
        f"- {result['kimg']:g} kimg in {result['seconds']:,.0f} seconds on {machine['device']}, "
        f"{machine['cores']} cores, torch {machine['torch']}; commit {result['commit']}"
    )
    usual = defaults(data["_target_"])
    said = [f"{k}={v}" for k, v in data.items() if k != "_target_" and usual.get(k) != v]
    kind = data["_target_"].rpartition(".")[2]
    yield f"- Trained on `{kind}` with {', '.join(said) or 'its defaults'}"
    for file, name, network in parts:
        count = sum(p.numel() for p in network.parameters())
        yield f"- `{file}`: `{name}`, {count:,} parameters, state {state_hash(network)[:16]}"
    yield f"- Licence {about.get('licence') or NOT_SAID}"
    if values := [v for v in result["metrics"] if v["value"] is not None]:
        head = "| metric | value | 95 % within the run | n | real images |"
        yield from ("", head, "| --- | --- | --- | --- | --- |")
        for v in values:
            between = "" if v["low"] is None else f"{v['low']:.4g} to {v['high']:.4g}"
            real = _real(v["protocol"].get("data") or {})
            yield f"| {v['name']} | {v['value']:.4g} | {between} | {v['n']} | {real} |"
    local = result["arrays"].get("local_reading", {})
    for name, how in (("reading", "by itself"), ("linear_reading", "linearly from its vectors")):
        if scores := result["arrays"].get(name):
            yield from ("", *_reading(scores, local, how, data))
    if "coverage_spread_ratios" in result["arrays"]:
        yield from ("", *_studied(result))


def _real(data: Mapping[str, Any]) -> str:
    """Which real images a value was compared with."""
    match data:
        case {"split": split, "length": length}:
            return f"{length} of {split}"
        case {"files": files, "list_sha256": digest}:
            return f"{files} files (list {digest[:8]})"
    return ""


def _reading(
    scores: dict[str, float], local: dict[str, float], how: str, data: Mapping[str, Any]
) -> Iterator[str]:
    """What can be read of held-out drawn images, and what cannot; ``local``: at the landmarks."""
    seen = visibility(build({**data, "split": "test", "resolution": SIZE, "length": None}))
    visible = {name: score for name, score in scores.items() if seen[name] > VISIBLE}
    missed = [name for name, score in visible.items() if score < ENOUGH]
    yield (
        f"Each factor on held-out images, read {how} (R2; balanced accuracy with chance at 0; for "
        "angles one minus the error's share of the spread), and what taking it from one end to the "
        f"other changes at {SIZE} px, in grey levels; above {VISIBLE:g} it counts as visible."
    )
    yield ""
    if missed:
        yield f"**Misses**: {len(missed)} of {len(visible)} visible factors are below {ENOUGH}: "
        yield ", ".join(missed) + "."
    else:
        yield f"All {len(visible)} visible factors reach {ENOUGH}."
    if local:
        yield from ("", "Beside it, the score where it is read from a map at the face's landmarks.")
    heading = ["factor", "score", *(["at landmarks"] if local else []), "grey levels"]
    yield from ("", f"| {' | '.join(heading)} |", "|" + " --- |" * len(heading))
    for name, score in scores.items():
        beside = [f"{local[name]:.3f}"] if local else []
        yield f"| {' | '.join([name, f'{score:.3f}', *beside, f'{seen[name]:.1f}'])} |"


def _studied(result: Result) -> Iterator[str]:
    """Whether a generator of drawn faces is good enough to be studied."""
    spreads, shares = (
        result["arrays"][f"coverage_{name}"] for name in ("spread_ratios", "class_shares")
    )
    values = {value["name"]: value["value"] for value in result["metrics"]}
    recall = next(value for name, value in values.items() if name.startswith("recall"))
    flat_name, flat = next(item for item in values.items() if "_flat_" in item[0])
    fid = values[flat_name.replace("_flat_", "_")]
    misses = [
        f"{name} varies {ratio:.2f} times as much as in the data"
        for name, ratio in spreads.items()
        if abs(ratio - 1) > SPREAD
    ]
    misses += [
        f"{name} {number} has {mine:.1%} of the samples and {theirs:.1%} of the data"
        for name, (samples, data) in shares.items()
        for number, (mine, theirs) in enumerate(zip(samples, data, strict=True))
        if not theirs / 2 <= mine <= 2 * theirs
    ]
    if recall <= RECALL:
        misses.append(f"recall is {recall:.2f}, not above {RECALL}")
    if fid > flat / 4:
        misses.append(f"the distance is {fid / flat:.2f} of that of flat images, not a quarter")
    yield (
        "Asked of it, to be good enough to study: every continuous factor varies within "
        f"{SPREAD:.0%} of the data, every value of the others occurs between half and twice as "
        f"often, recall is above {RECALL}, and the Frechet distance is at most a quarter of that "
        "of flat images."
    )
    yield ""
    if not misses:
        yield "It misses none of these."
    yield from (f"- **Miss**: {miss}" for miss in misses)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m ganfeat.ship`."""
    parser = argparse.ArgumentParser(prog="python -m ganfeat.ship", description=__doc__)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--folder", type=Path, default=WEIGHTS, help="where to put it")
    given = parser.parse_args(arguments)
    with told():
        for path in ship(given.run, given.folder):
            print(path)


if __name__ == "__main__":
    main()
