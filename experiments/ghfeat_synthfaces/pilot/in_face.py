"""Error inside the face on images of `val`, over that of the mean face of images of `train`.

python experiments/ghfeat_synthfaces/pilot/in_face.py RUN...
"""

import sys

import torch
from torch import Tensor

from ganfeat.data.synthfaces import SynthFaces
from ganfeat.features import Rebuilder
from ganfeat.loading import load_network


def drawn(part: str, n: int) -> tuple[Tensor, Tensor]:
    """Images [n,3,32,32] and masks of their faces [n,1,32,32]."""
    data = SynthFaces(part, 32, extras=("factors",))
    items = [data[i] for i in range(n)]
    factors = torch.stack([item["factors"] for item in items])
    masks = data.subject_mask(factors, 32)[:, None].float()
    return torch.stack([item["image"] for item in items]), masks


@torch.no_grad()
def main() -> None:
    """A line for each run."""
    images, masks = drawn("val", 1000)
    known, where = drawn("train", 4000)
    constant = (where * known).sum(dim=0) / where.sum(dim=0).clamp(min=1)

    def inside(guess: Tensor) -> float:
        errors = (masks * (guess - images).square()).sum(dim=[1, 2, 3])
        return float((errors / (3 * masks.sum(dim=[1, 2, 3]))).mean())

    for run in sys.argv[1:]:
        encoder = load_network(run, "encoder_ema").eval()
        assert isinstance(encoder, Rebuilder)
        rebuilt = torch.cat([encoder.rebuild(x).clamp(-1, 1) for x in torch.split(images, 100)])
        whole = float((rebuilt - images).square().mean())
        print(f"{run}: {inside(rebuilt) / inside(constant):.3f} of the constant, whole {whole:.4f}")


if __name__ == "__main__":
    main()
