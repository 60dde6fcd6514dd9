"""Figures of runs side by side, from their records alone."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from ganfeat.files import atomic_write
from ganfeat.report.figures.als import als_curves
from ganfeat.report.figures.edits import edit_maps
from ganfeat.report.figures.levels import level_curves
from ganfeat.report.figures.ppl import ppl_and_diversity
from ganfeat.report.figures.training import training_curves
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

FIGURES = {
    "als": als_curves, "ppl": ppl_and_diversity, "levels": level_curves, "edits": edit_maps,
    "training": training_curves,
}  # fmt: skip
FILES = ("als", "ppl", "levels", "edits")  # those that have a file beside the report


def draw(
    study: Study, done: Mapping[tuple[str, int], Record], names: Sequence[str] = tuple(FIGURES)
) -> dict[str, Figure]:
    """The figures of these names that the records allow, by name."""
    drawn = {name: FIGURES[name](study, done) for name in names}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """``als.png``, ``ppl.png``, ``levels.png`` and ``edits.png``, as far as there are some."""
    paths = []
    for name in FILES:
        path = folder / f"{name}.png"
        if name in figures:
            paths.append(path)
            save(figures[name], path)
        else:  # and none of earlier records either
            path.unlink(missing_ok=True)
    return paths


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that is the same whenever the figure is."""
    buffer = io.BytesIO()
    with mpl.rc_context({"font.size": 8}):
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    figure.set_layout_engine("none")  # it takes longest, and is the same in every format
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def as_svg(figure: Figure) -> str:
    """A figure for a page: no background, and what is black takes the page's colour."""
    buffer = io.StringIO()
    with mpl.rc_context({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "ganfeat"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    return text.replace("#000000", "currentColor").replace("#262626", "currentColor")
