"""The tables of pages that people read first, each between two marks.

``<!-- headline of STUDY: whatever -->`` has the arms and metrics that the study's ``headline``
names, ``<!-- checks of STUDY: whatever -->`` its verdicts; ``<!-- end -->`` stands below either.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ganfeat.errors import UserError
from ganfeat.report.checks import verdicts
from ganfeat.report.document import Section, Table, as_pipes
from ganfeat.report.study import Study
from ganfeat.report.tables import Records, summary

MARK = re.compile(r"^<!-- (?:(headline|checks) of (\S+?):? .*|(end) )-->$")
HOW = "write <!-- headline of STUDY: ... --> or <!-- checks of STUDY: ... -->, and <!-- end -->"


class Mark(NamedTuple):
    """Where a table goes.

    Attributes:
        what: ``headline`` or ``checks``.
        study: of which study.
    """

    what: str
    study: str

    def __str__(self) -> str:
        return f"{self.what} of {self.study}"


END = Mark("end", "")


def headline(study: Study, done: Records) -> Section:
    """Those arms and metrics that the study's ``headline`` names."""
    arms = {arm: study.arms[arm] for arm in study.headline.get("arms", study.arms)}
    metrics = study.headline.get("metrics", study.metrics)
    kept = {key: record for key, record in done.items() if key[0] in arms}
    return summary(replace(study, arms=arms, metrics=metrics), kept)


def table_of(mark: Mark, study: Study, done: Records) -> str:
    """What goes between the marks, in Markdown."""
    if not done:
        return "Nothing has been run yet."
    seeds = [seed for seed in study.seeds if any(key[1] == seed for key in done)]
    of_checks = mark.what == "checks"
    found = verdicts(study, done, seeds) if of_checks else [headline(study, done)]
    tables = [part for section in found for part in section.parts if isinstance(part, Table)]
    return "\n\n".join(map(as_pipes, tables))


def marked(text: str) -> list[Mark]:
    """The marks of a text, each a line of its own.

    Raises:
        UserError: a mark has no end, or an end no mark.
    """
    found: list[Mark] = []
    inside: Mark | None = None
    for mark in filter(None, map(_mark, text.splitlines())):
        ends = mark == END
        if ends != (inside is not None):
            lacks = f"the mark {inside} has no end" if inside else "an end has no mark before it"
            raise UserError(f"{lacks}: {HOW}")
        inside = None if ends else mark
        found += [] if ends else [mark]
    if inside:
        raise UserError(f"the mark {inside} has no end: {HOW}")
    return found


def _mark(line: str) -> Mark | None:
    """What a line is, if it is a mark."""
    match = MARK.match(line)
    return match and (END if match[3] else Mark(match[1], match[2]))


def filled(text: str, table: Callable[[Mark], str]) -> str:
    """The text with a table between each mark and its end.

    Raises:
        UserError: as `marked`.
    """
    marked(text)
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        mark = _mark(line)
        inside = inside and not mark
        if not inside:
            lines.append(line)
        if mark and mark != END:
            lines += ["", table(mark), ""]
            inside = True
    return "\n".join(lines) + "\n"
