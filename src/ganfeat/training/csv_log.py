"""``metrics.csv``: what every run says of itself, tick by tick."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from ganfeat.errors import UserError
from ganfeat.files import atomic_write

KIMG = "progress/kimg"
MONITOR = "monitor/"  # what names of what was measured in between begin with


class CSVLog(Logger):
    """``metrics.csv``: one row per tick, appended at once; a new column rewrites the file.

    On resume the rows after the checkpoint are dropped, so that no tick appears twice.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.exists():
            self.rows = _read(path)

    @property
    def name(self) -> str:
        """Lightning's name of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """There is one."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The config is a file of its own."""

    def resume_at(self, kimg: float) -> None:
        """Forget rows after ``kimg``."""
        self.rows = [row for row in self.rows if float(row[KIMG]) <= kimg + 1e-6]
        self._rewrite()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row."""
        row = {name: f"{value:.8g}" for name, value in metrics.items()}
        known = self.columns()
        self.rows.append(row)
        if not set(row) <= set(known):
            self._rewrite()
        else:
            with open(self.path, "a", newline="") as file:
                csv.DictWriter(file, known).writerow(row)

    def curves(self, points: int = 200) -> dict[str, list[float | None]]:
        """Every column as numbers, a row for each kimg; None where empty.

        Thinned evenly to so many rows, but for what a monitor has measured, which is always there.
        """
        whole: dict[str, dict[str, str]] = {}  # several may write of the same moment
        for row in self.rows:
            whole.setdefault(row[KIMG], {}).update({k: v for k, v in row.items() if v})
        last, step = len(whole) - 1, -(-len(whole) // points) or 1
        rows = [
            row for i, row in enumerate(whole.values())
            if (last - i) % step == 0 or any(name.startswith(MONITOR) for name in row)
        ]  # fmt: skip
        return {
            name: [float(row[name]) if row.get(name) else None for row in rows]
            for name in self.columns()
        }

    def columns(self) -> list[str]:
        """The columns so far, kimg first."""
        names = {name for row in self.rows for name in row}
        return sorted(names, key=lambda name: (name != KIMG, name))

    def _rewrite(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns())
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic_write(self.path) as file:
            file.write(text.getvalue().encode())


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of a log, but for one that was cut off."""
    try:
        with open(path, newline="") as file:
            whole, end, _ = file.read().rpartition("\n")  # a number that was cut may still be one
        lines = io.StringIO(whole + end, newline="")
        rows = [row for row in csv.DictReader(lines) if None not in row.values()]
        for row in rows:
            for value in row.values():
                float(value or 0)
            row[KIMG]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is no log of ours ({error}): delete it to go on") from error
    return rows
