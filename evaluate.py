"""Measures: ``python evaluate.py run=outputs/... metrics=standard`` or ``checkpoint=FILE``."""

import signal
from typing import Any


def evaluate(config: dict[str, Any], overrides: list[str]) -> object:
    """What ``config`` describes. Torch is imported here: a typing error is told at once."""
    from ganfeat.evaluate import run

    return run(config, overrides)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until somebody can say more
    from ganfeat.entry import entry_point

    entry_point("evaluate", evaluate)
