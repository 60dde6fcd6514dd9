"""What figures of many panels share: the legend below them, and few numbers beside each."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

LETTERS = 14.0  # to an inch, at the legend's size, room between names included
BEFORE = 6  # what the line before a name is wide, in letters
LINE = 0.19  # inches


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """As many columns as names leave room for; the figure grows by the legend's height.

    Of a name that is longer than the figure is wide the middle is left out.
    """
    width, height = figure.get_size_inches()
    room = int(width * LETTERS) - BEFORE
    labels = [x if len(x) <= room else f"{x[: room // 2]} … {x[3 - room // 2 :]}" for x in labels]
    longest = max(len(label) for label in labels) + BEFORE
    columns = max(1, min(len(labels), int(width * LETTERS / longest)))
    figure.set_figheight(height + LINE * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)


def few_ticks(axis: Axes) -> None:
    """At most four numbers on the left, which are what takes longest to draw."""
    axis.yaxis.set_major_locator(MaxNLocator(3))
    axis.tick_params(labelsize=7)
