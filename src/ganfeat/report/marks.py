"""The tables of pages that people read first, each between two marks.

``<!-- headline of STUDY: whatever -->`` has the arms and metrics that the study's ``headline``
names, ``<!-- varied of STUDY: whatever -->`` those of its ``varied``, over the seeds that all of
these arms have, and ``<!-- checks of STUDY: whatever -->`` its verdicts. ``<!-- end -->`` stands
below each.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ganfeat.errors import UserError
from ganfeat.report.checks import verdicts
from ganfeat.report.document import Section, Table, as_pipes
from ganfeat.report.study import Study
from ganfeat.report.tables import Records, summary

MARK = re.compile(r"^<!-- (?:(headline|varied|checks) of (\S+?):? .*|(end) )-->$")
HOW = "write <!-- headline of STUDY: ... -->, or varied or checks for headline, and <!-- end -->"


class Mark(NamedTuple):
    """Where a table goes.

    Attributes:
        what: ``headline``, ``varied`` or ``checks``.
        study: of which study.
    """

    what: str
    study: str

    def __str__(self) -> str:
        return f"{self.what} of {self.study}"


END = Mark("end", "")


def headline(study: Study, done: Records) -> list[Table]:
    """The arms and metrics that the study's ``headline`` names, over the seeds of each arm."""
    return _tables([_summary(study, study.headline, done)])


def varied(study: Study, done: Records) -> list[str | Table]:
    """Those of ``varied``, over the seeds that all of them have: like is compared with like."""
    arms = {arm for arm, _ in done} & {*study.varied.get("arms", study.arms)}
    seeds = [seed for seed in study.seeds if all((arm, seed) in done for arm in arms)]
    if not arms or not seeds:
        return ["No seed has been run of all of these arms yet."]
    told = f"Seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}:"
    kept = {key: record for key, record in done.items() if key[1] in seeds}
    return [told, *_tables([_summary(study, study.varied, kept)])]


def checks(study: Study, done: Records) -> list[Table]:
    """What the study's checks come to, seed by seed."""
    seeds = [seed for seed in study.seeds if any(key[1] == seed for key in done)]
    return _tables(verdicts(study, done, seeds))


def _summary(study: Study, chosen: Mapping[str, list[str]], done: Records) -> Section:
    arms = {arm: study.arms[arm] for arm in chosen.get("arms", study.arms)}
    kept = {key: record for key, record in done.items() if key[0] in arms}
    metrics = chosen.get("metrics", study.metrics)
    return summary(replace(study, arms=arms, metrics=metrics), kept)


def _tables(sections: Sequence[Section]) -> list[Table]:
    return [part for section in sections for part in section.parts if isinstance(part, Table)]


MADE: Mapping[str, Callable[[Study, Records], Sequence[str | Table]]] = {
    "headline": headline,
    "varied": varied,
    "checks": checks,
}


def table_of(mark: Mark, study: Study, done: Records) -> str:
    """What goes between the marks, in Markdown."""
    if not done:
        return "Nothing has been run yet."
    parts = MADE[mark.what](study, done)
    return "\n\n".join(part if isinstance(part, str) else as_pipes(part) for part in parts)


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
