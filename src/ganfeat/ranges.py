"""Ranges as types: what a signature says is what a config is held against.

``lr: Positive = 0.002`` is a float to the class and to mypy; `fits` reads the range where a value
comes from somebody's keyboard.
"""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ganfeat.errors import UserError

PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``, both included unless said otherwise."""

    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.without_low else value >= self.low
        return above and (value < self.high if self.without_high else value <= self.high)

    def __str__(self) -> str:
        lower = f"greater than {self.low:g}" if self.without_low else f"at least {self.low:g}"
        upper = f"less than {self.high:.12g}" if self.without_high else f"at most {self.high:.12g}"
        bounds = [lower] if self.low > -math.inf else []
        return " and ".join(bounds + ([upper] if self.high < math.inf else []))


@dataclass(frozen=True)
class Items:
    """How many items a list has, from ``least`` to ``most``."""

    least: int
    most: float = math.inf

    def __contains__(self, items: Sequence[Any]) -> bool:
        return self.least <= len(items) <= self.most

    def __str__(self) -> str:
        if self.least == self.most:
            return f"{self.least} items"
        more = f" and at most {self.most}" if self.most < math.inf else ""
        return f"at least {self.least} {'item' if self.least == 1 else 'items'}{more}"


Count = Annotated[int, Range(1)]
Several = Annotated[int, Range(2)]
Natural = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**32 - 1)]
Positive = Annotated[float, Range(0, without_low=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Decay = Annotated[float, Range(0, 1, without_high=True)]
LearningRate = Annotated[float, Range(0, 1)]
Names = Annotated[Sequence[str], Items(1)]
Two = Annotated[Sequence[Natural], Items(2, 2)]


def fits(value: Any, annotation: Any, key: str) -> Any:
    """``value`` as the annotation has it, a whole number as a float where that is asked for.

    Items of lists are looked at where they are plain; all else, ``???``, and ``${...}``, which
    stands for another value, is left to whoever takes it. No float may be nan or infinite.

    Raises:
        UserError: the value of ``key`` has another type, or lies outside its range.
    """
    waits = isinstance(value, str) and (value == "???" or value.startswith("${"))
    if waits or annotation in (Any, inspect.Parameter.empty):
        return value
    kinds = get_args(annotation) if _is_union(annotation) else (annotation,)
    for kind in kinds:
        base, bounds = _taken_apart(kind)
        if type(value) is int and base is float:
            value = float(value)
        if not _matches(value, base):
            continue
        if isinstance(value, list):
            for bound in bounds:
                if value not in bound:
                    raise UserError(f"{key} must have {bound}, not {len(value)}")
            of = _plain_items(base)
            return (
                value
                if of is None
                else [fits(item, of, f"{key}[{i}]") for i, item in enumerate(value)]
            )
        for bound in bounds:
            if value not in bound:
                raise UserError(f"{key} must be {bound}, not {value:g}")
        if type(value) is float and not math.isfinite(value):
            raise UserError(f"{key} must be a finite number, not {value}")
        return value
    raise UserError(f"{key} must be {' or '.join(_words(kinds))}, not {value!r}")


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or isinstance(annotation, UnionType)


def _taken_apart(kind: Any) -> tuple[Any, list[Any]]:
    """The type itself and the `Range` or `Items` that stand with it."""
    if get_origin(kind) is not Annotated:
        return kind, []
    base, *more = get_args(kind)
    return base, [thing for thing in more if isinstance(thing, Range | Items)]


def _matches(value: Any, base: Any) -> bool:
    if base in PLAIN:
        return type(value) is base
    if get_origin(base) is Literal:
        return value in get_args(base)
    return isinstance(value, list | dict)  # what is no plain type is a node or a collection


def _plain_items(base: Any) -> Any:
    """What the items of a sequence are, where that is a plain type."""
    items = get_args(base)
    return items[0] if items and _taken_apart(items[0])[0] in PLAIN else None


def _words(kinds: tuple[Any, ...]) -> list[str]:
    words: list[str] = []
    for kind in kinds:
        base, _ = _taken_apart(kind)
        if base is type(None):
            words.append("null")
        elif base in PLAIN:
            words.append(base.__name__)
        elif get_origin(base) is Literal:
            words += [str(option) for option in get_args(base)]
        elif getattr(base, "__module__", "") != "os":  # a path is a str in a config
            words.append("a list")
    return list(dict.fromkeys(words))
