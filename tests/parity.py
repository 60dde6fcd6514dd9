"""Reference arrays that lie beside the repository, in ../shared."""

import os
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(relative: str) -> Path:
    """A file of ../shared; where it is absent the test is skipped, in CI it fails."""
    path = SHARED / relative
    if not path.exists():
        message = f"{path} is absent: the reference data lie beside the repository"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def load(name: str) -> dict[str, np.ndarray]:
    """All arrays of ../shared/parity/<name>.npz."""
    with np.load(shared(f"parity/{name}.npz"), allow_pickle=False) as arrays:
        return dict(arrays)
