"""Trains: ``python train.py experiment=stylegan2_synthfaces [key=value ...]``."""

import signal
from typing import Any


def train(config: dict[str, Any], overrides: list[str]) -> object:
    """The run that ``config`` describes. Torch is imported here: a typing error is told at once."""
    from ganfeat.exams import exams
    from ganfeat.training.run import run

    return run(config, overrides, exams)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until somebody can say more
    from ganfeat.entry import entry_point

    entry_point("train", train)
