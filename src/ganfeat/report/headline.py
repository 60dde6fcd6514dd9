"""The tables of a page that people read first, each between two marks: a study's headline."""

import re
from collections.abc import Callable
from dataclasses import replace

from ganfeat.report.document import Table, as_pipes
from ganfeat.report.study import Study
from ganfeat.report.tables import Records, summary

MARKED = re.compile(r"(<!-- headline of (\S+?)[,: ].*?-->\n).*?(<!-- end -->)", re.DOTALL)


def headline(study: Study, done: Records) -> str:
    """Those arms and metrics that the study's ``headline`` names, in Markdown."""
    arms = {arm: study.arms[arm] for arm in study.headline.get("arms", study.arms)}
    metrics = study.headline.get("metrics", study.metrics)
    kept = {key: record for key, record in done.items() if key[0] in arms}
    found = summary(replace(study, arms=arms, metrics=metrics), kept)
    return "\n\n".join(as_pipes(part) for part in found.parts if isinstance(part, Table))


def marked(text: str) -> list[str]:
    """The names of the studies that a text has marks for."""
    return [found[2] for found in MARKED.finditer(text)]


def filled(text: str, table: Callable[[str], str]) -> str:
    """The text with the table of each study between its marks."""
    return MARKED.sub(lambda found: f"{found[1]}\n{table(found[2])}\n\n{found[3]}", text)
