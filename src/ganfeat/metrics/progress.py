"""How far a measurement is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as rich
from rich.console import Console

Progress = Callable[[int], None]  # is told how many images more are done
Bar = Callable[[str, int], Progress]  # is told what begins, and of how many images


def silent(name: str, total: int) -> Progress:
    """A bar that shows nothing."""
    return lambda n: None


@contextmanager
def progress_bar(show: bool) -> Iterator[Bar]:
    """A bar with the time left for everything that is begun, on stderr."""
    columns = (
        rich.TextColumn("{task.description:>12}"),
        rich.BarColumn(),
        rich.TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True), disable=not show) as progress:

        def bar(name: str, total: int) -> Progress:
            task = progress.add_task(name, total=total)
            return lambda n: progress.advance(task, n)

        yield bar
