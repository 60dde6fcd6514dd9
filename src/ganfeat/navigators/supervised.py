"""What navigators share that are told what to find: a scorer looks at random images."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features import AttributeScorer, FactorNet, Features
from ganfeat.features.small import Column
from ganfeat.navigators.boundaries import Array, Boundary, Estimator, fit, split
from ganfeat.navigators.finder import Fitted, check_count, check_distinct
from ganfeat.processes import sum_over_processes
from ganfeat.ranges import Count, Names, Range
from ganfeat.seeds import seed_of
from ganfeat.training.codes import random_codes
from ganfeat.training.draws import Draws
from ganfeat.training.method import Losses, Step

End = Annotated[float, Range(0, 0.5, without_low=True, without_high=True)]


class Supervised(Fitted):
    """Scores a random image for each start code, and then fits.

    Latents are not truncated, and noise is the generator's own. Only scores are kept: codes follow
    from the seed. A subclass says in `fit_to_scores` what follows from them, and gives its edits to
    `settle`.

    Args:
        name: as metrics name the edits.
        after: iterations of the run that are left for when boundaries are known.
        total_kimg: length of the run.
        features: makes the scorer.
        columns: the factors that the data know, which the scorer must read if it reads factors.
        semantics: edits K, at most as many as there are attributes.
        attributes: those that are asked for; None for all that one number describes.
        confident: share of the samples at each end that boundaries are learnt from.
        given: as in `Finder`.
    """

    scores: Tensor
    chosen: Tensor

    def __init__(
        self,
        name: str,
        after: int,
        /,
        *,
        total_kimg: float,
        features: Callable[[], Features] | None = None,
        semantics: Count = 30,
        columns: Sequence[Sequence[str | int]] | None = None,
        attributes: Names | None = None,
        confident: End = 0.02,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        scorer = None if features is None else features()
        if not isinstance(scorer, AttributeScorer):
            told = "none" if scorer is None else f"{scorer.name}, which scores none"
            raise UserError(
                f"{name} is fitted on the scores of attributes, and features= is {told}: choose "
                "features=scorer for drawn faces, features=attributes for classifiers of your own"
            )
        known = [Column(*column) for column in columns or ()]  # type: ignore[arg-type]
        if isinstance(scorer, FactorNet) and scorer.columns != known:
            raise UserError(
                f"{scorer.name} reads factors that these data do not have, so that its scores mean "
                "nothing here: choose features=attributes with classifiers for such images"
            )
        self._frozen["features"] = scorer
        if unknown := [a for a in attributes or () if a not in scorer.attributes]:
            raise UserError(
                f"method.attributes has {unknown[0]}: {scorer.name} scores "
                f"{', '.join(scorer.attributes)}"
            )
        self.attributes = list(attributes or scorer.attributes)
        check_distinct(self.attributes, "attributes")
        check_count(semantics, len(self.attributes), f"attributes to score with {scorer.name}")
        self.iterations = math.ceil(total_kimg * 1000 / self.batch_size)
        self.scoring = self.iterations - after
        if self.scoring < 1:
            raise UserError(
                f"total_kimg={total_kimg:g} leaves nothing to score: {after * self.batch_size} "
                "start codes are seen after that"
            )
        self.confident = confident
        self.navigator = self.blank([str(k) for k in range(semantics)], name)
        samples = self.scoring * self.batch_size
        self.register_buffer("scores", torch.zeros(samples, len(self.attributes)))
        self.register_buffer("chosen", torch.full([semantics], -1))
        self._each = int(confident * samples)
        split(np.arange(float(samples)), self._each, np.random.RandomState(0))  # are they enough?

    @property
    def scorer(self) -> AttributeScorer:
        """The frozen network that scores attributes."""
        found = self._frozen["features"]
        assert isinstance(found, AttributeScorer)
        return found

    def fitted(self, step: Step) -> Losses:
        """Score our share of the images of this iteration; after the last of them, fit."""
        if self.iteration < self.scoring:
            self.look(step.draws)
        else:
            self.probe(step.draws)
        yield {"nothing": 0 * self.clock.weight.sum()}

    def end_iteration(self) -> None:
        """Fit once everything is scored."""
        if self.iteration + 1 == self.scoring:
            self.fit_to_scores()

    @torch.no_grad()
    def look(self, draws: Draws) -> None:
        """Score our share of images, and tell the other processes."""
        _, w = self.codes(draws)
        seen = self.score(self.generator.broadcast(w))
        whole = torch.zeros(draws.n, seen.shape[1], device=seen.device)
        whole[draws.share(torch.arange(draws.n))] = seen
        first = self.iteration * self.batch_size
        self.scores[first : first + draws.n] += sum_over_processes(whole)

    def probe(self, draws: Draws) -> None:
        """See our share of start codes once boundaries are known."""
        raise NotImplementedError

    def score(self, ws: Tensor) -> Tensor:
        """Scores [N,A] of the images of ``ws``."""
        found = self.scorer.scores(self.generator.synthesize(ws).clamp(-1, 1))
        return torch.cat([found[name].float() for name in self.attributes], dim=1)

    def fit_to_scores(self) -> None:
        """What follows from all `scores`."""
        raise NotImplementedError

    def settle(self, chosen: list[int], table: Tensor) -> None:
        """These K attributes are edited by the edits [K,L,D]."""
        self.chosen.copy_(torch.tensor(chosen))
        self.navigator.table.copy_(table)
        self._name()

    def boundaries(self, latents: Array, estimator: Estimator) -> list[Boundary]:
        """One of each attribute, in z or w [n,D]."""
        found = []
        scores = self.scores.double().cpu().numpy()
        for name, column in zip(self.attributes, scores.T, strict=True):
            rng = np.random.RandomState(seed_of(self.seed, "boundary", name) % 2**32)
            try:
                found.append(fit(latents, column, split(column, self._each, rng), estimator))
            except UserError as error:
                raise UserError(f"{name}: {error}") from error
        return found

    def latents(self) -> tuple[Array, Array]:
        """z and w [n,D] of all that was scored, once more."""
        (phase,) = self.phases()
        keys = [(self.seed, i, phase.name) for i in range(self.scoring)]
        pairs = [self.codes(Draws(key, self.batch_size)) for key in keys]
        z, w = (torch.cat(x).double().cpu().numpy() for x in zip(*pairs, strict=True))
        return z, w

    def codes(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Our share of random z and w, [n,D].

        They are drawn on the CPU, so that a run may go on with another device.
        """
        z, w = random_codes(self.generator, replace(draws, device="cpu"))
        return z[:, 0], w[:, 0]

    def on_fit_start(self) -> None:
        """In a run that goes on it is known again what edits are of."""
        super().on_fit_start()
        self._name()

    def _name(self) -> None:
        if int(self.chosen.min()) >= 0:
            names = [self.attributes[i] for i in self.chosen.tolist()]
            self.navigator.labels = names
            self.navigator.config["labels"] = names
