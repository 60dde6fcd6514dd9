"""Compares: ``python compare.py study=hsr_synthfaces``, or finished runs with ``runs='...'``."""

import signal
from typing import Any


def compare(config: dict[str, Any], overrides: list[str]) -> object:
    """What ``config`` describes."""
    from ganfeat.compare import run

    return run(config, overrides)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until somebody can say more
    from ganfeat.entry import entry_point

    entry_point("compare", compare)
