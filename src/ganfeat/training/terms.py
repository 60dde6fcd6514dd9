"""Means of the logged terms between two ticks, and the guard against non-finite ones."""

import torch
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.processes import rank, sum_over_processes

NAMES = 1000  # more than anybody guards


class Diverged(UserError):
    """A loss or a gradient is no longer a finite number."""


class Terms:
    """Running means that stay on the device until somebody asks for them."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._guarded: list[str] = []
        self._first_bad: Tensor | None = None

    def add(self, name: str, value: Tensor) -> None:
        """Count the mean of ``value`` towards the term's mean."""
        mean = value.detach().float().mean()
        before = self._sums.get(name)
        self._sums[name] = mean if before is None else before.to(mean.device) + mean
        self._counts[name] = self._counts.get(name, 0) + 1

    def guard(self, name: str, value: Tensor, iteration: int) -> None:
        """Remember the first term that was not finite, without waiting for the device."""
        if name not in self._guarded:
            self._guarded.append(name)
        code = iteration * NAMES + self._guarded.index(name)
        if self._first_bad is None:
            self._first_bad = torch.tensor(-1, device=value.device)
        bad = ~torch.isfinite(value.detach()).all() & (self._first_bad < 0)
        self._first_bad = torch.where(bad, code, self._first_bad)

    def check(self) -> None:
        """Stop where a guarded term was not finite.

        Raises:
            Diverged: with the phase and term that failed first.
        """
        if self._first_bad is None or (code := int(self._first_bad)) < 0:
            return
        iteration, index = divmod(code, NAMES)
        raise Diverged(
            f"{self._guarded[index]} is not finite at iteration {iteration}: training stopped, and "
            "the last checkpoint is from before that; a lower learning rate, precision=fp32 or "
            "stronger regularisation are the usual cures"
        )

    def state_dict(self) -> dict[str, tuple[float, int]]:
        """Sum and count of every term since the last drain, over all processes; all must ask."""
        return {name: (total, round(count)) for name, (total, count) in self._totals().items()}

    def load_state_dict(self, state: dict[str, tuple[float, int]]) -> None:
        """Go on from `state_dict`: the first process has what all had, the others add to it."""
        first = rank() == 0
        self._sums = {name: torch.tensor(s if first else 0.0) for name, (s, _) in state.items()}
        self._counts = {name: count if first else 0 for name, (_, count) in state.items()}

    def drain(self) -> dict[str, float]:
        """The means since the last call, over all processes; counting starts anew."""
        totals = self._totals()
        self._sums, self._counts = {}, {}
        return {name: total / count for name, (total, count) in totals.items()}

    def _totals(self) -> dict[str, tuple[float, float]]:
        """Sum and count of every term, over all processes."""
        if not self._sums:
            return {}
        names = sorted(self._sums)
        # Resumed sums are on the CPU until their term comes again.
        device = max((s.device for s in self._sums.values()), key=lambda d: d.type != "cpu")
        sums = torch.stack([self._sums[name].to(device) for name in names])
        counts = torch.tensor([float(self._counts[name]) for name in names], device=device)
        totals = sum_over_processes(torch.stack([sums, counts])).tolist()
        return dict(zip(names, zip(*totals, strict=True), strict=True))
