"""Hyperplanes in latent space between images with more and with less of an attribute.

InterFaceGAN's (Shen et al., TPAMI 2020, arXiv:2005.09635) as its code has them, beside two
estimators that noisy scores mislead less (methods/genforce.md, section 3).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from ganfeat.errors import UserError

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Estimator = Literal["svm", "mean", "least_squares"]

LEARNT = 0.7  # of the confident codes; the others try what was learnt
PARALLEL = 1e-6  # what is left of a normal, below which others say all of it


class Split(NamedTuple):
    """Which codes have surely much of an attribute, and surely little.

    Attributes:
        much, little: rows that are learnt from.
        held_much, held_little: confident ones that try it.
        rest: all others.
        threshold: the middle of the scores, above which the rest count as having much.
    """

    much: Rows
    little: Rows
    held_much: Rows
    held_little: Rows
    rest: Rows
    threshold: float


class Boundary(NamedTuple):
    """A hyperplane.

    Attributes:
        normal: of length 1, towards more of the attribute, [D].
        intercept: codes with ``code @ normal + intercept > 0`` have much of it. Edits leave it out.
        confident: share of the held out confident codes on their own side.
        rest: the same of all others.
    """

    normal: Array
    intercept: float
    confident: float
    rest: float


def split(scores: Array, each: int, rng: np.random.RandomState) -> Split:
    """The ``each`` highest and lowest of scores [n], shuffled, and the others.

    Raises:
        UserError: there are too few to learn from and to try.
    """
    learnt = int(each * LEARNT)
    if learnt < 1 or learnt == each or 2 * each >= len(scores):
        raise UserError(
            f"{each} confident codes at each end of {len(scores)} are no basis for a boundary: "
            "take more samples, or another method.confident, between 0 and 0.5"
        )
    ordered = np.argsort(scores)[::-1]
    much, little = (rows[rng.permutation(each)] for rows in (ordered[:each], ordered[-each:]))
    return Split(
        much[:learnt], little[:learnt], much[learnt:], little[learnt:], ordered[each:-each],
        float((scores.max() + scores.min()) / 2),
    )  # fmt: skip


def fit(codes: Array, scores: Array, parts: Split, estimator: Estimator) -> Boundary:
    """The boundary in codes [n,D] of an attribute with scores [n].

    ``svm`` is a linear one with C = 1; ``mean`` joins the means of both ends; both see the codes
    that are learnt from alone. ``least_squares`` regresses scores, also those of every second of
    the rest, and is tried on the others.
    """
    tried = parts.rest
    match estimator:
        case "svm":
            rows = np.concatenate([parts.much, parts.little])
            targets = np.repeat([1, 0], [len(parts.much), len(parts.little)])
            machine = SVC(kernel="linear").fit(codes[rows], targets)
            normal, offset = machine.coef_[0], float(machine.intercept_[0])
        case "mean":
            ends = [codes[rows].mean(axis=0) for rows in (parts.much, parts.little)]
            normal = ends[0] - ends[1]
            offset = -float((ends[0] + ends[1]) @ normal / 2)
        case "least_squares":
            rows = np.concatenate([parts.much, parts.little, parts.rest[::2]])
            tried = parts.rest[1::2]
            mean = codes[rows].mean(axis=0)
            known = codes[rows] - mean
            normal, *_ = np.linalg.lstsq(known.T @ known, known.T @ scores[rows], rcond=None)
            offset = float(scores[rows].mean() - mean @ normal) - parts.threshold
    length = float(np.linalg.norm(normal))
    if length < 1e-12:
        raise UserError("an attribute whose scores do not depend on the code has no boundary")
    found = Boundary(normal / length, offset / length, 0.0, 0.0)
    much = codes @ found.normal + found.intercept > 0
    held = np.concatenate([much[parts.held_much], ~much[parts.held_little]])
    rest = much[tried] == (scores[tried] > parts.threshold)
    return found._replace(confident=float(held.mean()), rest=float(rest.mean()))


def without(codes: Array, normals: Array) -> Array:
    """Codes [...,D] without what they have along normals [C,D], whatever angles those have."""
    axes, sizes, _ = np.linalg.svd(normals.T, full_matrices=False)
    axes = axes[:, sizes > PARALLEL * sizes.max(initial=0)]
    found: Array = codes - codes @ axes @ axes.T
    return found


def conditional(normal: Array, others: Array) -> Array:
    """A normal [D] with others [C,D] projected out, of length 1.

    Raises:
        UserError: nothing is left of it.
    """
    left = without(normal, others)
    length = float(np.linalg.norm(left))
    if length < PARALLEL:
        raise UserError("of a boundary nothing is left once the conditions are projected out")
    return left / length
