"""Changes of deep features, and how alike two of them are (methods/contrafeat.md, sections 3, 4).

A change is what a step along an edit does to a network's map: [N,C,h,w]. The same edit should
change two images alike, and different edits differently, at the places where something changes.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Form = Literal["clean", "author"]
Mask = Literal["layer", "depth", "none"]

EPS = 1e-6
NO_LENGTH = 1e-8


def masks(changes: Sequence[Tensor], kind: Mask) -> list[Tensor]:
    """Where each layer changes, from 0 to 1: [N,h,w] of changes [N,C,h,w].

    The lengths of the change at all positions are brought to that range: of each image and
    ``layer``, or over all layers (``depth``), so that a layer in which little changes has a small
    mask; ``none`` gives ones.
    """
    lengths = [torch.linalg.vector_norm(change, dim=1) for change in changes]
    if kind == "none":
        return [torch.ones_like(length) for length in lengths]
    least, most = ([f(length, dim=(1, 2)) for length in lengths] for f in (torch.amin, torch.amax))
    if kind == "depth":
        least = [torch.stack(least).amin(dim=0)] * len(lengths)
        most = [torch.stack(most).amax(dim=0)] * len(lengths)
    return [
        (length - low[:, None, None]) / (high - low + EPS)[:, None, None]
        for length, low, high in zip(lengths, least, most, strict=True)
    ]


def alike(a: Tensor, b: Tensor, mask_a: Tensor, mask_b: Tensor, form: Form) -> Tensor:
    """How alike pairs of changes [N,C,h,w] are where both happen, from 0 to 1: [N]."""
    cosines = (unit(a) * unit(b)).sum(dim=1)
    return focused(cosines, mask_a * mask_b, form)


def alike_all(a: Tensor, b: Tensor, mask_a: Tensor, mask_b: Tensor, form: Form) -> Tensor:
    """The same of each of ``a`` [N,C,h,w] with each of ``b`` [K,C,h,w]: [N,K].

    Products over channels are never held: that would be [N,K,C,h,w].
    """
    cosines = torch.einsum("nchw,kchw->nkhw", unit(a), unit(b))
    return focused(cosines, mask_a[:, None] * mask_b[None], form)


def unit(change: Tensor) -> Tensor:
    """Changes of length 1 at every position."""
    return F.normalize(change, dim=1, eps=NO_LENGTH)


def focused(cosines: Tensor, mask: Tensor, form: Form) -> Tensor:
    """Squared cosines [...,h,w], averaged with the mask as weight: [...].

    In the author's form the mask is squared above and not below, so that what is entirely alike
    stays below 1.
    """
    weights = mask if form == "clean" else mask.square()
    above = (weights * cosines.square()).sum(dim=(-2, -1))
    return above / (mask.sum(dim=(-2, -1)) + EPS)


class Alike(NamedTuple):
    """How alike changes are, summed over a network's layers.

    Attributes:
        same: of the same edit.
        other: of different edits.
    """

    same: Tensor
    other: Tensor


def compared(
    query: Sequence[Tensor], same: Sequence[Tensor], other: Sequence[Tensor], mask: Mask, form: Form
) -> Alike:
    """Changes of pairs of images by the same edit, and by different ones; means over pairs."""
    at = [masks(changes, mask) for changes in (query, same, other)]
    layers = list(zip(query, same, other, *at, strict=True))
    return Alike(
        torch.stack([alike(q, s, a, b, form).mean() for q, s, _, a, b, _ in layers]).sum(),
        torch.stack([alike(q, o, a, c, form).mean() for q, _, o, a, _, c in layers]).sum(),
    )


def against(
    changes: Sequence[Tensor], stand: Sequence[Tensor], which: Tensor, mask: Mask, form: Form
) -> Alike:
    """Changes and the prototypes [K,C,h,w] of their own edit ``which`` [N], and of all others."""
    found = tables(changes, stand, mask, form)
    own = F.one_hot(which, found.shape[-1]).bool().expand_as(found)
    return Alike(*(found[part].view(len(found), -1).mean(dim=1).sum() for part in (own, ~own)))


def tables(a: Sequence[Tensor], b: Sequence[Tensor], mask: Mask, form: Form) -> Tensor:
    """How alike each change of ``a`` [N,C,h,w] is to each of ``b`` [K,C,h,w], [layers,N,K]."""
    layers = zip(a, b, masks(a, mask), masks(b, mask), strict=True)
    return torch.stack([alike_all(*pair, form) for pair in layers])


def diversity(edits: Tensor) -> Tensor:
    """Sum over ordered pairs of squared cosines between edits [K,L,D] (4.3): a number."""
    rows = F.normalize(edits.flatten(1), dim=1)
    squares = (rows @ rows.T).square()
    return squares.sum() - squares.diagonal().sum()
