"""Commands that are expected to end with an error."""

from collections.abc import Callable, Sequence

import pytest


def refused(command: Callable[[Sequence[str]], None], line: Sequence[str]) -> None:
    """It ends with exit code 1."""
    with pytest.raises(SystemExit) as end:
        command(line)
    assert end.value.code == 1
