"""Trains: ``python train.py experiment=stylegan2_synthfaces [key=value ...]``."""

from typing import Any

from ganfeat.config import entry_point


def train(config: dict[str, Any], overrides: list[str]) -> object:
    """The run that ``config`` describes. Torch is imported here: a typing error is told at once."""
    from ganfeat.exams import exams
    from ganfeat.training.run import run

    return run(config, overrides, exams)


if __name__ == "__main__":
    entry_point("train", train)
