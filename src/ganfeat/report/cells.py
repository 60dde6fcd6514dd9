"""The numbers of a record, each under the protocol that it depends on."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ganfeat.report.plan import Record


class Cell(NamedTuple):
    """A number of a run.

    Attributes:
        value: None where it does not apply.
        low, high: 95 % of resamples within the run, None where there are none.
        n: how many images, pairs or paths were measured.
        protocol: a hash of all that the number depends on; other protocols are other columns.
        better: ``lower`` or ``higher``; None where neither is, or the record does not say.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    protocol: str
    better: str | None = None


def cells(record: Record) -> list[tuple[str, Cell]]:
    """The numbers of a record with their names, of which one may stand under several protocols.

    The newest stand last, so that ``dict(cells(record))`` has the newest of each name.
    """
    return [
        (
            value["name"],
            Cell(
                value=value["value"],
                low=value.get("low"),
                high=value.get("high"),
                n=value.get("n", 0),
                protocol=protocol(value),
                better=value.get("better"),
            ),
        )
        for value in record.get("metrics", [])
    ]


def protocol(value: Mapping[str, Any]) -> str:
    """A short hash of a value's protocol. The seed of the samples is part of it."""
    text = json.dumps(value["protocol"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def number(value: float | None) -> str:
    """With four digits; ``n/a`` where there is none."""
    if value is None:
        return "n/a"
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
