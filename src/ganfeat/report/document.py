"""Sections and tables as plain data, and how they are written: Markdown, HTML and LaTeX.

Texts may have ``code`` between backticks; everything else in them is shown as it is.
"""

import html
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

CODE = re.compile(r"`([^`]*)`")
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "±": r"$\pm$",
}  # fmt: skip


class Entry(NamedTuple):
    """A cell.

    Attributes:
        text: what it shows.
        value: the number that it is sorted by; None sorts it by its text.
        best: whether it is set in bold.
    """

    text: str
    value: float | None = None
    best: bool = False


class Table(NamedTuple):
    """A table.

    Attributes:
        headings: of its columns.
        rows: as many entries each.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Entry]]


class Section(NamedTuple):
    """A part of a report.

    Attributes:
        title: its heading.
        parts: paragraphs and tables, in their order.
    """

    title: str
    parts: Sequence[str | Table]


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Entry]]) -> Table:
    """A table of texts and entries."""
    return Table(
        list(headings),
        [[Entry(x) if isinstance(x, str) else x for x in row] for row in rows],
    )


def markdown(section: Section) -> str:
    """A section with its heading, up to where the next one begins."""
    parts = [as_pipes(part) if isinstance(part, Table) else part for part in section.parts]
    return "\n\n".join([f"## {section.title}", *parts, ""])


def as_pipes(shown: Table) -> str:
    """A table in Markdown."""

    def line(texts: Sequence[str]) -> str:
        escaped = [text.replace("|", "\\|") for text in texts]
        return f"| {' | '.join(escaped)} |"

    rows = [line([f"**{x.text}**" if x.best else x.text for x in row]) for row in shown.rows]
    return "\n".join([line(shown.headings), "| --- " * len(shown.headings) + "|", *rows])


def as_html(shown: Table) -> str:
    """A ``<table>`` whose columns can be sorted by what ``data-value`` says."""
    heads = "".join(f'<th scope="col">{html_text(text)}</th>' for text in shown.headings)
    body = "".join(
        "<tr>" + "".join(_cell(entry, first=i == 0) for i, entry in enumerate(row)) + "</tr>\n"
        for row in shown.rows
    )
    return (
        f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def _cell(entry: Entry, first: bool) -> str:
    value = "" if entry.value is None else f' data-value="{entry.value!r}"'
    text = html_text(entry.text)
    text = f"<strong>{text}</strong>" if entry.best else text
    return f'<th scope="row"{value}>{text}</th>' if first else f"<td{value}>{text}</td>"


def latex(shown: Table) -> str:
    """A ``tabular`` in the style of booktabs, numbers to the right."""

    def line(texts: Sequence[str]) -> str:
        return f"  {' & '.join(texts)} \\\\"

    rows = [
        line([rf"\textbf{{{latex_text(x.text)}}}" if x.best else latex_text(x.text) for x in row])
        for row in shown.rows
    ]
    return "\n".join(
        [
            r"\begin{tabular}{l" + "r" * (len(shown.headings) - 1) + "}", r"  \toprule",
            line([latex_text(text) for text in shown.headings]), r"  \midrule", *rows,
            r"  \bottomrule", r"\end{tabular}",
        ]
    ) + "\n"  # fmt: skip


def html_text(text: str) -> str:
    """A text for a page."""
    return _marked(text, html.escape, lambda code: f"<code>{html.escape(code)}</code>")


def latex_text(text: str) -> str:
    """A text for LaTeX."""

    def plain(part: str) -> str:
        return "".join(LATEX.get(letter, letter) for letter in part)

    return _marked(text, plain, lambda code: rf"\texttt{{{plain(code)}}}")


def _marked(text: str, plain: Callable[[str], str], code: Callable[[str], str]) -> str:
    """A text whose code and other parts are each written their own way."""
    parts = CODE.split(text)  # others and code in turn
    return "".join(code(part) if i % 2 else plain(part) for i, part in enumerate(parts))
