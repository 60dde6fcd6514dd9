"""Frechet distance of images area-averaged to 8 x 8: crude, without any network, and certain.

    python tests/frechet.py RUN/checkpoints/networks-*.safetensors --data PHOTOGRAPHS.zip

It says whether training goes forward. It is no FID, and is published nowhere.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from torch import Tensor
from torch.nn import functional as F

from ganfeat.backbone import load
from ganfeat.data import ImageDataset, SynthFaces
from ganfeat.pictures import to_uint8

COUNT = 5000


def features(images: Tensor) -> NDArray[np.float64]:
    """``images`` [N,3,R,R] in [-1,1] to [N,192]: 8-bit pixels, averaged to 8 x 8, in [0,1]."""
    small = F.adaptive_avg_pool2d(to_uint8(images).double() / 255, 8)
    return small.flatten(1).numpy()


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Between the Gaussians fitted to two sets of features [N,D] and [M,D]."""
    product = linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False))
    spread = np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False) - 2 * np.real(product))
    return float(np.square(a.mean(0) - b.mean(0)).sum() + spread)


@torch.no_grad()
def generated(path: str, count: int = COUNT, seed: int = 0) -> NDArray[np.float64]:
    """Features of samples of g_ema: no truncation, random noise, classes in equal shares."""
    g = load(path)
    torch.manual_seed(seed)
    parts = []
    for start in range(0, count, 100):
        classes = (torch.arange(100) + start) % max(g.label_dim, 1)
        label = F.one_hot(classes, g.label_dim).float() if g.label_dim else None
        parts.append(features(g(torch.randn(100, g.z_dim), label, noise="random")))
    return np.concatenate(parts)


def real(dataset: ImageDataset | SynthFaces, count: int = COUNT) -> NDArray[np.float64]:
    """Features of ``count`` images spread evenly over a dataset."""
    chosen = np.linspace(0, len(dataset) - 1, count).astype(int).tolist()
    parts = [dataset.__getitems__(chosen[i : i + 100])["image"] for i in range(0, count, 100)]
    return np.concatenate([features(part) for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--data", help="a folder or zip; SynthFaces where it is left out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    size = load(arguments.weights[0]).resolution
    dataset = ImageDataset(arguments.data, size) if arguments.data else SynthFaces(resolution=size)
    reference = real(dataset)
    half = frechet_distance(reference[::2], reference[1::2])
    print(f"real against real, {COUNT // 2} each: {half:.4f}")
    for path in arguments.weights:
        print(f"{path}: {frechet_distance(generated(path), reference):.4f}", flush=True)


if __name__ == "__main__":
    main()
