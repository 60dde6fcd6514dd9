"""What a study has to show, as comparisons that were written down before it ran.

A check is a text such as ``hsr.fid10k_factornet <= 1.1 * baseline.fid10k_factornet``: numbers of
records by arm and name, with ``+ - * /``, brackets and comparisons. An array of numbers by name is
taken item by item; ``["yaw", "roll"]`` behind one keeps some, and ``share(...)`` is the share of
the items for which a comparison holds. ``low(...)`` and ``high(...)`` are the ends of a number's
interval within its run. Nothing else can be said, and nothing is executed.
With ``4 of 5 seeds:`` before it, one seed may fail.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from ganfeat.errors import UserError
from ganfeat.report.cells import cells, number
from ganfeat.report.document import Section, table
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

Found = float | dict[str, float]  # a number, or an array by name
Part = Literal["value", "low", "high"]  # a number, or the ends of its interval
Look = Callable[[str, str, Part], Found]  # what an arm's record has under a name
Side = Callable[[Look], Found]  # what an expression comes to

ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
MOST = 8  # items of an array that are all shown
VERDICTS = {True: "yes: ", False: "no: ", None: ""}
COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


class AbsentError(Exception):
    """A record, or a number in it, is not there."""


class Verdict(NamedTuple):
    """What came of a check.

    Attributes:
        holds: None where a number is absent.
        numbers: what was compared, or what is absent.
    """

    holds: bool | None
    numbers: str


class Check:
    """A comparison of numbers of one seed.

    Attributes:
        enough: how many seeds it must hold with, and of how many; None for all.

    Args:
        name: what it is called.
        text: what must hold.
        arms: those that the study has.

    Raises:
        UserError: it is not of the form that is described above, or names another arm.
    """

    def __init__(self, name: str, text: str, arms: Sequence[str]) -> None:
        self.name, self.text = name, text
        self.names = {re.sub(r"\W", "_", arm): arm for arm in arms}  # as Python can read them
        try:
            if len(self.names) < len(arms):
                raise ValueError("two arms differ in signs alone")
            told = re.fullmatch(r"(?:(\d+) of (\d+) seeds:\s*)?(.*)", text, re.DOTALL)
            assert told is not None
            few, seeds, compared = told.groups()
            self.enough = None if few is None else (int(few), int(seeds))
            tree = ast.parse(self._readable(compared), mode="eval").body
            if not isinstance(tree, ast.Compare):
                raise ValueError("it compares nothing")
            self.signs, self.sides = _comparison(tree)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise UserError(f"check {name}: {text!r} cannot be read: {error}") from error
        named = {
            node.value.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        if not named:
            raise UserError(f"check {name}: {text!r} names no arm: it would always come out alike")
        if unknown := named - self.names.keys():
            raise UserError(
                f"check {name}: there is no arm {min(unknown)}; there are {', '.join(arms)}"
            )
        self.arms = {self.names[arm] for arm in named}

    def _readable(self, text: str) -> str:
        """The text with names of arms that Python can read: ``no-pl.fid`` as ``no_pl.fid``."""
        for name, arm in sorted(self.names.items(), key=lambda both: -len(both[1])):
            text = re.sub(rf"(?<![\w.]){re.escape(arm)}(?=\.)", name, text)
        return text

    def verdict(self, records: Mapping[str, Record]) -> Verdict:
        """Of the records of one seed, by arm."""
        protocols: dict[str, dict[str, str]] = {}  # by number, of each the arm that has it

        def look(short: str, name: str, part: Part) -> Found:
            arm = self.names[short]
            record = records.get(arm)
            if record is None:
                raise AbsentError(f"no record of {arm}")
            numbers = dict(cells(record))
            if name in numbers:
                protocols.setdefault(name, {})[numbers[name].protocol] = arm
                if len(protocols[name]) > 1:
                    arms = " and ".join(protocols[name].values())
                    raise AbsentError(f"{arms} measured {name} by different protocols")
            found: Any = record.get("arrays", {}).get(name) if part == "value" else None
            if name in numbers:
                found = getattr(numbers[name], part)
            if found is None:
                interval = "" if part == "value" else "interval of "
                raise AbsentError(f"{arm} has no {interval}{name}")
            items = found.values() if isinstance(found, dict) else [found]
            if not all(isinstance(item, int | float) for item in items):
                raise AbsentError(f"{name} of {arm} is no list of numbers by name")
            told: Found = found
            return told

        try:
            sides = [side(look) for side in self.sides]
            holds = all(all(items.values()) for items in _compared(self.signs, sides))
        except AbsentError as absent:
            return Verdict(None, str(absent))
        except ZeroDivisionError:
            return Verdict(False, "something is divided by 0")
        return Verdict(holds, ", ".join(_shown(side) for side in sides))


def checks_of(study: Study) -> list[Check]:
    """The checks of a study.

    Raises:
        UserError: one of them cannot be read, or names an arm that the study has not.
    """
    found = [Check(name, text, list(study.arms)) for name, text in study.checks.items()]
    for check in found:
        there = len(_seeds(study, check))
        if check.enough is not None and not 0 < check.enough[0] <= check.enough[1] == there:
            raise UserError(
                f"check {check.name} wants {check.enough[0]} of {check.enough[1]} seeds; its arms "
                f"have {there}"
            )
    return found


def _seeds(study: Study, check: Check) -> list[int]:
    """The seeds that all arms of a check have."""
    return [s for s in study.seeds if all(s in study.seeds_of(arm) for arm in check.arms)]


def verdicts(
    study: Study, done: Mapping[tuple[str, int], Record], seeds: Sequence[int]
) -> list[Section]:
    """What had to hold, and whether it does: with every seed of its arms, if it says no other."""
    if not study.checks:
        return []
    rows = []
    for check in checks_of(study):
        wanted = _seeds(study, check)
        found = {
            seed: check.verdict({arm: record for (arm, of), record in done.items() if of == seed})
            for seed in seeds
            if seed in wanted
        }
        shown = [
            f"{VERDICTS[found[seed].holds]}{found[seed].numbers}" if seed in found else ""
            for seed in seeds
        ]
        few = len(wanted) if check.enough is None else check.enough[0]
        ran = [seed for seed in found if all((arm, seed) in done for arm in check.arms)]
        whole = _whole([found[seed].holds for seed in ran], few, len(wanted))
        rows.append([check.name, f"`{check.text}`", *shown, whole])
    headings = ["check", "must hold", *(f"seed {seed}" for seed in seeds), "verdict"]
    return [Section("Checks", [table(headings, rows)])]


def _whole(found: Sequence[bool | None], few: int, wanted: int) -> str:
    """What the verdicts of the seeds at hand come to, where so few of all that are wanted do."""
    if found.count(False) > wanted - few:
        return "does not hold"
    if found.count(True) >= few:
        return "holds"
    if None in found:
        return "cannot be told"
    if not found:
        return "open, not run yet"
    return f"open, {found.count(True)} of {len(found)} seeds so far; it takes {few} of {wanted}"


def _comparison(tree: ast.Compare) -> tuple[list[type[ast.cmpop]], list[Side]]:
    """The signs of a comparison, and what stands between them."""
    signs = [type(sign) for sign in tree.ops]
    if wrong := [sign.__name__ for sign in signs if sign not in COMPARISONS]:
        raise ValueError(f"{wrong[0]} is none of <, <=, > and >=")
    return signs, [_side(side) for side in (tree.left, *tree.comparators)]


def _compared(signs: Sequence[type[ast.cmpop]], sides: Sequence[Found]) -> list[dict[str, bool]]:
    """Whether each comparison holds, item by item."""
    pairs = zip(signs, pairwise(sides), strict=True)
    return [_items(COMPARISONS[sign], *both) for sign, both in pairs]


def _side(node: ast.expr) -> Side:
    """What an expression comes to, once there are numbers to look at."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return lambda look: float(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _side(operand)
            return lambda look: _joined(operator.sub, 0.0, inner(look))
        case ast.BinOp(left=left, op=op, right=right) if sign := ARITHMETIC.get(type(op)):
            a, b = _side(left), _side(right)
            return lambda look: _joined(sign, a(look), b(look))
        case ast.Attribute(value=ast.Name(id=arm), attr=name):
            return lambda look: look(arm, name, "value")
        case ast.Call(
            func=ast.Name(id="low" | "high" as end),
            args=[ast.Attribute(value=ast.Name(id=arm), attr=name)],
            keywords=[],
        ):
            part: Part = "low" if end == "low" else "high"
            return lambda look: look(arm, name, part)
        case ast.Subscript(value=array, slice=of):
            inner, names = _side(array), _names(of)
            return lambda look: _some(inner(look), names)
        case ast.Call(
            func=ast.Name(id="share"), args=[ast.Compare(ops=[_]) as single], keywords=[]
        ):
            signs, sides = _comparison(single)
            return lambda look: _share(*_compared(signs, [side(look) for side in sides]))
    raise ValueError(
        f"{ast.unparse(node)} is neither a number, nor one of a record or an end of its interval, "
        "nor the share of one comparison"
    )


def _names(node: ast.expr) -> list[str]:
    """The names in square brackets."""
    elements = node.elts if isinstance(node, ast.Tuple) else [node]
    names = [e.value for e in elements if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    if not elements or len(names) < len(elements):
        raise ValueError(f'[{ast.unparse(node)}] must be names, such as ["yaw", "roll"]')
    return names


def _share(items: Mapping[str, bool]) -> float:
    return sum(items.values()) / len(items)


def _some(found: Found, names: Sequence[str]) -> Found:
    """Some items of an array."""
    if not isinstance(found, dict):
        raise AbsentError(f"a number has no {names[0]}")
    if missing := [name for name in names if name not in found]:
        raise AbsentError(f"an array has no {missing[0]}")
    return {name: found[name] for name in names}


def _joined(sign: Callable[[float, float], float], a: Found, b: Found) -> Found:
    """Two numbers or arrays as one."""
    items = _items(sign, a, b)
    return items if isinstance(a, dict) or isinstance(b, dict) else items[""]


def _items(sign: Callable[[float, float], Any], a: Found, b: Found) -> dict[str, Any]:
    """Item by item; a number goes with every item, and two numbers are one item without a name."""
    names = next((list(x) for x in (a, b) if isinstance(x, dict)), [""])
    left, right = (x if isinstance(x, dict) else dict.fromkeys(names, x) for x in (a, b))
    if left.keys() != right.keys():
        raise AbsentError("two arrays do not have the same items")
    return {name: sign(left[name], right[name]) for name in names}


def _shown(found: Found) -> str:
    """A number, or an array; of a long one its ends."""
    if not isinstance(found, dict):
        return number(found)
    items = [f"{name} {number:.3g}" for name, number in found.items()]
    if len(items) <= MOST:
        return f"[{', '.join(items)}]"
    low, high = min(found, key=lambda name: found[name]), max(found, key=lambda name: found[name])
    return f"[{low} {found[low]:.3g} to {high} {found[high]:.3g}, {len(found)} items]"
