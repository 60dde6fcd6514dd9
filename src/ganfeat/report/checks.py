"""What a study has to show, as comparisons that were written down before it ran.

A check is a text such as ``hsr.fid10k_factornet <= 1.1 * baseline.fid10k_factornet``: numbers of
records by arm and name, with ``+ - * /``, brackets and comparisons. An array of numbers by name is
taken item by item; ``["yaw", "roll"]`` behind one keeps some, and ``share(...)`` is the share of
the items for which a comparison holds. Nothing else can be said, and nothing is executed.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

from ganfeat.errors import UserError
from ganfeat.report.cells import cells
from ganfeat.report.plan import Record
from ganfeat.report.study import Study

Found = float | dict[str, float]  # a number, or an array by name
Look = Callable[[str, str], Found]  # what an arm's record has under a name

ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
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

    Args:
        name: what it is called.
        text: what must hold.
        arms: those that the study has.

    Raises:
        UserError: it is not of the form that is described above, or names another arm.
    """

    def __init__(self, name: str, text: str, arms: Sequence[str]) -> None:
        self.name, self.text = name, text
        try:
            tree = ast.parse(text, mode="eval").body
            if not isinstance(tree, ast.Compare):
                raise ValueError("it compares nothing")
            with suppress(AbsentError, ZeroDivisionError):  # of what stands for the numbers here
                _sides(tree, lambda arm, number: 1.0)
        except (SyntaxError, ValueError) as error:
            raise UserError(f"check {name}: {text!r} cannot be read: {error}") from error
        self.tree = tree
        self.arms = {
            node.value.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        if unknown := self.arms - {*arms}:
            raise UserError(
                f"check {name}: there is no arm {min(unknown)}; there are {', '.join(arms)}"
            )

    def verdict(self, records: Mapping[str, Record]) -> Verdict:
        """Of the records of one seed, by arm."""
        protocols: dict[str, dict[str, str]] = {}  # by number, of each the arm that has it

        def look(arm: str, name: str) -> Found:
            record = records.get(arm)
            if record is None:
                raise AbsentError(f"no record of {arm}")
            numbers = cells(record)
            if name in numbers:
                protocols.setdefault(name, {})[numbers[name].protocol] = arm
                if len(protocols[name]) > 1:
                    arms = " and ".join(protocols[name].values())
                    raise AbsentError(f"{arms} measured {name} by different protocols")
            found = numbers[name].value if name in numbers else record.get("arrays", {}).get(name)
            if found is None:
                raise AbsentError(f"{arm} has no {name}")
            items = found.values() if isinstance(found, dict) else [found]
            if not all(isinstance(item, int | float) for item in items):
                raise AbsentError(f"{name} of {arm} is no list of numbers by name")
            return found

        try:
            sides = _sides(self.tree, look)
            holds = all(all(items.values()) for items in _compared(self.tree, sides))
        except (AbsentError, ValueError) as absent:
            return Verdict(None, str(absent))
        except ZeroDivisionError:
            return Verdict(False, "something is divided by 0")
        return Verdict(holds, ", ".join(_shown(side) for side in sides))


def checks_of(study: Study) -> list[Check]:
    """The checks of a study.

    Raises:
        UserError: one of them cannot be read, or names an arm that the study has not.
    """
    return [Check(name, text, list(study.arms)) for name, text in study.checks.items()]


def verdicts(
    study: Study, done: Mapping[tuple[str, int], Record], seeds: Sequence[int]
) -> list[str]:
    """What had to hold, and whether it does: with every seed of its arms, or it does not."""
    if not study.checks:
        return []
    lines = ["## Checks", "", f"| check | must hold | {' | '.join(f'seed {s}' for s in seeds)} | |"]
    lines += ["| --- " * (len(seeds) + 3) + "|"]
    for check in checks_of(study):
        found = {
            seed: check.verdict({arm: record for (arm, of), record in done.items() if of == seed})
            for seed in seeds
            if all(seed in study.seeds_of(arm) for arm in check.arms)
        }
        known = [verdict.holds for verdict in found.values()]
        whole = "fails" if False in known else "" if None in known or not known else "holds"
        shown = [
            f"{VERDICTS[found[seed].holds]}{found[seed].numbers}" if seed in found else ""
            for seed in seeds
        ]
        lines.append(f"| {check.name} | `{check.text}` | {' | '.join(shown)} | {whole} |")
    return [*lines, ""]


def _sides(tree: ast.Compare, look: Look) -> list[Found]:
    """The numbers that a comparison compares."""
    if wrong := [sign for sign in tree.ops if type(sign) not in COMPARISONS]:
        raise ValueError(f"{type(wrong[0]).__name__} is no comparison of numbers")
    return [_value(side, look) for side in (tree.left, *tree.comparators)]


def _compared(tree: ast.Compare, sides: Sequence[Found]) -> list[dict[str, bool]]:
    """Whether each comparison holds, item by item."""
    signs = [COMPARISONS[type(sign)] for sign in tree.ops]
    return [_items(sign, *both) for sign, both in zip(signs, pairwise(sides), strict=True)]


def _value(node: ast.expr, look: Look) -> Found:
    """What an expression comes to."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _joined(operator.sub, 0.0, _value(inner, look))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in ARITHMETIC:
            return _joined(ARITHMETIC[type(sign)], _value(left, look), _value(right, look))
        case ast.Attribute(value=ast.Name(id=arm), attr=name):
            return look(arm, name)
        case ast.Subscript(value=inner, slice=names):
            return _some(_value(inner, look), ast.literal_eval(names))
        case ast.Call(func=ast.Name(id="share"), args=[ast.Compare() as inner], keywords=[]):
            [items] = _compared(inner, _sides(inner, look))
            return sum(items.values()) / len(items)
    raise ValueError(f"{ast.unparse(node)} is neither a number nor one of a record")


def _some(found: Found, names: Any) -> Found:
    """Some items of an array."""
    if not isinstance(found, dict):
        raise AbsentError(f"a number has no {names}")
    wanted = [names] if isinstance(names, str) else list(names)
    if missing := [name for name in wanted if name not in found]:
        raise AbsentError(f"an array has no {missing[0]}")
    return {name: found[name] for name in wanted}


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
    if isinstance(found, dict):
        return "[" + ", ".join(f"{name} {number:.3g}" for name, number in found.items()) + "]"
    return f"{found:.4g}"
