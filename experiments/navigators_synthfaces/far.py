"""How far calibrated edits go in W, and what gap and coverage are without those that go too far.

python experiments/navigators_synthfaces/far.py > experiments/navigators_synthfaces/far.txt

An edit goes as far as makes its ends look a quarter as different as two images. One of a layer that
changes little has to leave what the mapping ever says: a distance of 1 is how far w usually is from
its mean, in the layer that is moved most. It is computed from the committed records: steps, and how
much of an edit each layer gets.
"""

from pathlib import Path

import numpy as np
import torch
import yaml

from ganfeat.metrics.shift import Array, coverage, gap
from ganfeat.navigators.semantics import smoothed
from ganfeat.results import read_result

HERE = Path(__file__).parent
W_DIM = 128
ONE_NUMBER = W_DIM**-0.5  # a step as long as w's numbers vary, in all layers, is so far
ALIKE = {"random": ONE_NUMBER, "sefa": ONE_NUMBER, "voynov": ONE_NUMBER, "latentclr": 1 / 8}


def distances(steps: Array, shares: Array) -> Array:
    """Of edits with attention, [K], from their steps [K] and their layers' shares [K,L].

    A step of 1 moves a layer by what attention it has, times how far w usually is from its mean.
    Shares add up to 1, and so does what was smoothed, but not what came of it.
    """
    blur = smoothed(torch.eye(shares.shape[1])).double().numpy()
    before = shares @ np.linalg.inv(blur)
    return steps * (shares / before.sum(axis=1, keepdims=True)).max(axis=1)


def main() -> None:
    """A line for each run."""
    arms = yaml.safe_load((HERE / "study.yaml").read_text())["arms"]
    own = [a for a, line in arms.items() if any("experiment=contrafeat_" in x for x in line)]
    print(f"{'run':24} {'beyond 1':>8} {'furthest':>8}   gap_z all, near   coverage_z all, near")
    for arm in [*own, *ALIKE]:
        for path in sorted((HERE / "runs").glob(f"{arm}-s*.json")):
            arrays = read_result(path)["arrays"]
            steps, shares = np.array(arrays["edit_steps"]), np.array(arrays["edit_attention"])
            even = {**ALIKE, "uniform": 1 / 8}.get(arm)
            far = distances(steps, shares) if even is None else even * steps
            size, near = np.abs(np.array(arrays["shift"])), far <= 1
            print(
                f"{path.stem:24} {(~near).sum():8} {far.max():8.2f}   "
                f"{gap(size):8.3f} {gap(size[near]):6.3f}   "
                f"{coverage(size):12.0f} {coverage(size[near]):5.0f}"
            )


if __name__ == "__main__":
    main()
