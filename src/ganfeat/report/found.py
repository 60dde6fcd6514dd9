"""Any finished runs as a study without a question: what they have in common is not repeated."""

from collections.abc import Mapping
from pathlib import Path

from ganfeat.report.cells import cells
from ganfeat.report.plan import Record
from ganfeat.report.study import OURS, Study
from ganfeat.report.tables import Absent, Key, Records


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
    for path, result in results.items():
        arm = _name(path, result, [text for text in settings[path] if text not in shared])
        key = arm, int(result.get("seed") or 0)
        if result.get("status") != "finished":
            error = result.get("error")
            lines.append(f"{path}: {result.get('status')}{f' ({error})' if error else ''}")
            failed |= {key} if result.get("status") == "failed" else set()
        elif key in done:
            lines.append(f"{path}: the same run as {places[key]}")
        else:
            done[key], places[key] = result, path
    failed -= done.keys()
    arms = dict.fromkeys(arm for arm, _ in [*done, *failed])
    metrics = dict.fromkeys(name for record in done.values() for name in cells(record))
    study = Study(
        folder=folder, question="", expectation="", baselines=[],
        seeds=sorted({seed for _, seed in [*done, *failed]}), arms={arm: [] for arm in arms},
        metrics=[*metrics], shown=[*arms],
    )  # fmt: skip
    return study, done, Absent(failed, lines)


def _settings(result: Record) -> list[str]:
    """What was typed, but for what the machine and the seed have to do with."""
    typed = result.get("overrides") or []
    return [str(text) for text in typed if str(text).partition("=")[0] not in OURS]


def _name(path: str, result: Record, own: list[str]) -> str:
    """A name of an arm: the preset, and what it has of its own."""
    preset = str(result.get("experiment") or Path(path).parent.name)
    return " ".join([preset, *(text for text in own if not text.startswith("experiment="))])
