"""What a run leaves: a folder with ``result.json``, which all tables are made of."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganfeat.errors import UserError

LAST_CHECKPOINT = Path("checkpoints", "last.ckpt")  # inside a run folder


def read_result(path: Path) -> dict[str, Any] | None:
    """A ``result.json``, None where there is none.

    Raises:
        UserError: it is there and cannot be understood.
    """
    try:
        result = json.loads(path.read_text(), parse_constant=lambda name: None)
        if _is_result(result):
            return dict(result)
        reason = "it is no result of ours"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = str(error.strerror)
    except ValueError as error:  # no JSON, or no text at all
        reason = str(error)
    raise unreadable(path, reason)


def unreadable(path: Path, reason: str) -> UserError:
    """What to say of a result that is there and cannot be understood."""
    return UserError(
        f"{path} cannot be read ({reason}): restore it, or move it away to go on without"
    )


def _is_result(result: Any) -> bool:
    """Whether it is shaped like a result, as far as somebody looks at it."""
    return (
        isinstance(result, dict)
        and bool(result.keys() & {"status", "metrics"})
        and _has(result, FIELDS)
        and all(isinstance(v, dict) and v.keys() >= NEEDED for v in result.get("metrics", []))
        and all(_has(value, OF_VALUES) for value in result.get("metrics", []))
    )


def _has(found: dict[str, Any], fields: Mapping[str, Callable[[Any], bool]]) -> bool:
    """Whether those of these fields that are there are of the right kind."""
    return all(right(found[name]) for name, right in fields.items() if name in found)


def _is_number(x: Any) -> bool:
    return x is None or (isinstance(x, int | float) and not isinstance(x, bool))


def _are_texts(x: Any) -> bool:
    return isinstance(x, list) and all(isinstance(text, str) for text in x)


def _is_table(x: Any) -> bool:
    return isinstance(x, dict)


def _are_sessions(x: Any) -> bool:
    return isinstance(x, list) and all(
        isinstance(one, dict) and _has(one, {"machine": _is_table}) for one in x
    )


def _is_text(x: Any) -> bool:
    return x is None or isinstance(x, str)


NEEDED = {"name", "value", "protocol"}  # of every value
FIELDS: dict[str, Callable[[Any], bool]] = {
    "study": _is_table, "machine": _is_table, "arrays": _is_table, "config": _is_table,
    "sessions": _are_sessions, "overrides": _are_texts, "pictures": _are_texts,
    "status": _is_text, "error": _is_text, "experiment": _is_text, "run": _is_text,
    "seed": lambda x: x is None or type(x) is int,
    "metrics": lambda x: isinstance(x, list),
    **dict.fromkeys(("kimg", "seconds", "images_per_s", "peak_memory"), _is_number),
}  # fmt: skip
OF_VALUES: dict[str, Callable[[Any], bool]] = {
    "name": lambda x: isinstance(x, str), "protocol": _is_table, "better": _is_text,
    **dict.fromkeys(("value", "low", "high", "seconds", "n"), _is_number),
}  # fmt: skip


def sessions_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Commit and machine of each session that computed a run, which may have been resumed."""
    return result.get("sessions") or [result]


def without_seed(path: str, seed: int) -> str:
    """A path in a run's folder from that run's id on, without this seed; any other as typed.

    So the runs of an arm have one name, each from the start of its own seed.
    """
    folder = folder_of_run(path)
    if folder is None:
        return path
    name = folder.name.removesuffix(f"-s{seed}")
    return "/".join([name, *Path(path).parts[len(folder.parts) :]])


def folder_of_run(path: str) -> Path | None:
    """The folder of the run that a path lies in, by its name; None where it is in none."""
    every = reversed([Path(path), *Path(path).parents])
    return next((f for f in every if re.fullmatch(r"[0-9a-f]{8}-s\d+", f.name)), None)
