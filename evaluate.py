"""Measures: ``python evaluate.py run=outputs/... metrics=standard`` or ``checkpoint=FILE``."""

from typing import Any

from ganfeat.config import entry_point


def evaluate(config: dict[str, Any], overrides: list[str]) -> object:
    """What ``config`` describes. Torch is imported here: a typing error is told at once."""
    from ganfeat.evaluate import run

    return run(config, overrides)


if __name__ == "__main__":
    entry_point("evaluate", evaluate)
