"""What a run leaves: ``result.json``, which all tables are made of, and its last checkpoint."""

import json
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
    except FileNotFoundError:
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
    """Whether it is shaped like a result."""
    match result:
        case {**fields}:
            values, arrays = fields.get("metrics", []), fields.get("arrays", {})
            return (
                isinstance(values, list)
                and isinstance(arrays, dict)
                and isinstance(fields.get("study", {}), dict)
                and all(
                    isinstance(v, dict) and v.keys() >= {"name", "value", "protocol"}
                    for v in values
                )
            )
    return False
