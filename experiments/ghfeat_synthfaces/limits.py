"""What two checks could reach here at most: mixing (L8) and telling look-alikes apart (L9).

python experiments/ghfeat_synthfaces/limits.py > experiments/ghfeat_synthfaces/limits.txt

Mixing: the generator's own styles take the place of an encoder's, so that no encoder errs.
Verification: the cosine of what the renderer was told, and of what networks that learnt the factors
say, in the place of codes.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ganfeat import backbone
from ganfeat.data.drawn.factors import Array
from ganfeat.data.synthfaces import SynthFaces
from ganfeat.data.synthfaces.factors import FACTORS
from ganfeat.data.synthfaces.pairs import Pairs
from ganfeat.encoders.ghfeat.latents import draw, layout, levels_of
from ganfeat.features import FactorNet
from ganfeat.features.embedded import embedded
from ganfeat.metrics.redraw import factors_of
from ganfeat.tasks.linear import Standard
from ganfeat.tasks.mixing import moved, swapped
from ganfeat.tasks.verification import cross_validated

PAIRS, AT_ONCE = 1000, 100


def mixing(judge: FactorNet) -> None:
    """The slopes of `tasks.mixing.Mixing`, over pairs of samples."""
    g = backbone.load("embedded").eval()
    sides = {str(name): int(side) for name, side, _ in layout(g, "s")}
    finest = sorted({*sides.values()})
    bands = {"coarse": finest[:2], "fine": finest[-2:], **{f"{s} px": [s] for s in finest}}
    rng = torch.Generator().manual_seed(0)
    read: dict[str, list[Tensor]] = {kind: [] for kind in ("a", "b", *bands)}
    for _ in range(PAIRS // AT_ONCE):
        z = torch.randn(2, AT_ONCE, g.z_dim, generator=rng)
        own, other = (levels_of(g, each, None, "s") for each in z)
        mixed = {name: swapped(own, other, sides, band) for name, band in bands.items()}
        for name, levels in {"a": own, "b": other, **mixed}.items():
            read[name].append(factors_of(judge, draw(g, levels).clamp(-1, 1)))
    table = {name: torch.cat(parts).double().numpy() for name, parts in read.items()}
    groups = SynthFaces("test", 32).facts()["groups"]
    for band in bands:
        slopes = moved(table["a"], table["b"], table[band], judge.columns)
        means = {
            group: np.mean([slopes[name] for name in names]) for group, names in groups.items()
        }
        print(f"mixing at {band}:", *(f"{group} {mean:.2f}" for group, mean in means.items()))


def verification(networks: dict[str, Callable[[Tensor], Tensor]]) -> None:
    """Accuracies over the 6,000 pairs."""
    pairs = Pairs(32)
    numbers = np.arange(len(pairs.same))
    people = [pairs.first, pairs.second]
    told = [pairs.faces(pairs.groups, who, 2 * numbers + i)[0].T for i, who in enumerate(people)]
    fixed = np.array([spec.level == "identity" for spec in FACTORS])
    say("the person's own factors, as drawn", pairs, [x[:, fixed] for x in told])
    say("all factors, as drawn", pairs, told)
    steps = pairwise(range(0, len(numbers) + AT_ONCE, AT_ONCE))
    images = [pairs.images(torch.arange(start, end)) for start, end in steps]
    for name, read in networks.items():
        both = [torch.cat([read(two[i]) for two in images]).double().numpy() for i in (0, 1)]
        say(name, pairs, both)
        if both[0].shape[1] == len(FACTORS):
            say(f"{name}, those of the person alone", pairs, [x[:, fixed] for x in both])


def say(name: str, pairs: Pairs, rows: list[Array]) -> None:
    """The accuracy of the cosine of standardised rows, with thresholds of other folds."""
    a, b = map(Standard(np.concatenate(rows)), rows)
    alike = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    right = (cross_validated(alike, pairs.same, pairs.folds) > 0) == pairs.same
    print(f"verification by {name}: {right.mean():.3f}")


@torch.no_grad()
def main() -> None:
    """Print both."""
    judge, scorer, teacher = (embedded(name) for name in ("factornet", "scorer", "teacher"))
    assert isinstance(judge, FactorNet)
    mixing(judge)
    verification(
        {
            "what factornet reads": lambda x: factors_of(judge, x),
            "factornet's vector": judge.embed,
            "scorer's vector": scorer.embed,
            "teacher's vector": teacher.embed,
        }
    )


if __name__ == "__main__":
    main()
