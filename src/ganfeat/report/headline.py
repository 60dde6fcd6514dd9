"""The tables of a page that people read first, each between two marks: a study's headline."""

import re
from collections.abc import Callable
from dataclasses import replace

from ganfeat.errors import UserError
from ganfeat.report.document import Table, as_pipes
from ganfeat.report.study import Study
from ganfeat.report.tables import Records, summary

MARK = re.compile(r"^<!-- (?:headline of (\S+?):? .*|(end) )-->$")


def headline(study: Study, done: Records) -> str:
    """Those arms and metrics that the study's ``headline`` names, in Markdown."""
    arms = {arm: study.arms[arm] for arm in study.headline.get("arms", study.arms)}
    metrics = study.headline.get("metrics", study.metrics)
    kept = {key: record for key, record in done.items() if key[0] in arms}
    found = summary(replace(study, arms=arms, metrics=metrics), kept)
    return "\n\n".join(as_pipes(part) for part in found.parts if isinstance(part, Table))


def marked(text: str) -> list[str]:
    """The names of the studies that a text has marks for, each a line of its own.

    Raises:
        UserError: a mark has no end, or an end no mark.
    """
    names: list[str] = []
    inside = ""
    for name, end in _marks(text):
        if bool(inside) != bool(end):
            what = f"the mark of {inside} has no end" if inside else "an end has no mark before it"
            raise UserError(f"{what}: write <!-- headline of STUDY: ... --> and <!-- end -->")
        inside = name
        names += [name] if name else []
    if inside:
        raise UserError(f"the mark of {inside} has no end: write <!-- end --> below its table")
    return names


def _marks(text: str) -> list[tuple[str, str]]:
    found = [mark for line in text.splitlines() if (mark := MARK.match(line))]
    return [(mark[1] or "", mark[2] or "") for mark in found]


def filled(text: str, table: Callable[[str], str]) -> str:
    """The text with the table of each study between its marks.

    Raises:
        UserError: as `marked`.
    """
    marked(text)
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        found = MARK.match(line)
        inside = inside and not found
        if not inside:
            lines.append(line)
        if found and found[1]:
            lines += ["", table(found[1]), ""]
            inside = True
    return "\n".join(lines) + "\n"
