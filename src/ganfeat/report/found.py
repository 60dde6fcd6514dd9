"""Any finished runs as a study without a question: what they have in common is not repeated."""

from collections.abc import Mapping
from pathlib import Path

from ganfeat.report.cells import cells
from ganfeat.report.plan import Record
from ganfeat.report.study import OURS, Study
from ganfeat.report.tables import Absent, Key, Records
from ganfeat.results import without_seed


def as_study(results: Mapping[str, Record], folder: Path) -> tuple[Study, Records, Absent]:
    """Runs side by side: those that differ in their seed alone are one arm.

    Args:
        results: by where they lie.
        folder: where the report is to be written.

    Returns:
        The study, the records that count, and what does not, with its reason.
    """
    settings = {path: _settings(result) for path, result in results.items()}
    every = [set(of) for of in settings.values()]
    shared = set.intersection(*every) if len(every) > 1 else set()
    done: dict[Key, Record] = {}
    lines: list[str] = []
    failed: set[Key] = set()
    places: dict[Key, str] = {}
    names: dict[str, str] = {}  # of arms, by their runs' ids
    for path, result in results.items():
        run = _run_of(result) or " ".join(settings[path])
        name = _name(path, result, [text for text in settings[path] if text not in shared])
        taken = name in [other for known, other in names.items() if known != run]
        arm = names.setdefault(run, f"{name} ({run})" if taken else name)
        key = arm, int(result.get("seed") or 0)
        if result.get("status") != "finished":
            error, status = result.get("error"), result.get("status")
            what = status or "a measured file, not a run"  # of evaluate.py checkpoint=
            lines.append(f"{path}: {what}{f' ({error})' if error else ''}")
            failed |= {key} if result.get("status") == "failed" else set()
        elif key in done:
            lines.append(f"{path}: the same run as {places[key]}")
        else:
            done[key], places[key] = result, path
    failed -= done.keys()
    arms = dict.fromkeys(arm for arm, _ in [*done, *failed])
    metrics = dict.fromkeys(name for record in done.values() for name, _ in cells(record))
    study = Study(
        folder=folder, question="", expectation="", baselines=[],
        seeds=sorted({seed for _, seed in [*done, *failed]}), arms={arm: [] for arm in arms},
        metrics=[*metrics], shown=[*arms],
    )  # fmt: skip
    return study, done, Absent(failed, lines)


def _settings(result: Record) -> list[str]:
    """What was typed, but for what the machine and the seed have to do with."""
    typed = [str(text).partition("=") for text in result.get("overrides") or []]
    seed = int(result.get("seed") or 0)
    return [
        f"{key}{sign}{without_seed(value, seed) if key == 'init_from' else value}"
        for key, sign, value in typed
        if key not in OURS
    ]


def _run_of(result: Record) -> str:
    """The id that all seeds of an arm have."""
    return str(result.get("run") or "").removesuffix(f"-s{result.get('seed')}")


def _name(path: str, result: Record, own: list[str]) -> str:
    """A name of an arm: the preset, and what it has of its own."""
    preset = str(result.get("experiment") or Path(path).parent.name)
    return " ".join([preset, *(text for text in own if not text.startswith("experiment="))])
