"""Tables as they are written: Markdown, HTML, LaTeX."""

import subprocess
import sys
from html.parser import HTMLParser

from ganfeat.report.document import Entry, Section, as_html, latex, markdown, table

SHOWN = table(
    ["arm", "fid_10k ↓"],
    [["`plain`", Entry("3.25", 3.25, best=True)], ["a|b & <i>", Entry("n/a", None)]],
)


def test_markdown() -> None:
    assert markdown(Section("Title", ["Words.", SHOWN])) == (
        "## Title\n\nWords.\n\n| arm | fid_10k ↓ |\n| --- | --- |\n"
        "| `plain` | **3.25** |\n| a\\|b & <i> | n/a |\n\n"
    )


class Cells(HTMLParser):
    """The texts of a table's cells, and what they are sorted by."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self.found.append(["", dict(attrs).get("data-value")])
        assert tag != "i", "a text was taken for HTML"

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][0] = f"{self.found[-1][0]}{data}".strip()


def test_html_keeps_texts_and_numbers() -> None:
    cells = Cells()
    cells.feed(as_html(SHOWN))
    assert cells.found == [
        ["arm", None], ["fid_10k ↓", None], ["plain", None], ["3.25", "3.25"],
        ["a|b & <i>", None], ["n/a", None],
    ]  # fmt: skip


def test_latex_escapes_what_means_something_there() -> None:
    assert latex(SHOWN) == "\n".join(
        [
            r"\begin{tabular}{lr}", r"  \toprule", r"  arm & fid\_10k $\downarrow$ \\",
            r"  \midrule", r"  \texttt{plain} & \textbf{3.25} \\",
            r"  a|b \& \textless{}i\textgreater{} & n/a \\", r"  \bottomrule",
            r"\end{tabular}", "",
        ]
    )  # fmt: skip


def test_code_has_no_markup_of_its_own() -> None:
    one = table(["x"], [["`a_b <c>`"]])
    assert "<code>a_b &lt;c&gt;</code>" in as_html(one)
    assert r"\texttt{a\_b \textless{}c\textgreater{}}" in latex(one)


def test_it_takes_neither_torch_nor_matplotlib() -> None:
    """Writing tables imports neither torch nor matplotlib."""
    code = (
        "import sys; import ganfeat.report.tables, ganfeat.report.sections;"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
