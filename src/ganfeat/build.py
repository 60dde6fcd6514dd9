"""Objects from plain data: ``{"_target_": "package.module.Class", "keyword": value, ...}``.

Nothing here knows where the data come from (YAML, a checkpoint, a test). Defaults stay in the
signatures of the classes; `fill` writes them into a config, so that a record holds every value.
"""

import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ganfeat.errors import UserError
from ganfeat.ranges import PLAIN, fits

RUNTIME = frozenset({
    "label_dim", "num_bf16_res", "columns", "people", "features", "init_from",
})  # fmt: skip
"""Keywords that have defaults but never stand in the config of a class: the run decides them."""


def build(node: Mapping[str, Any], **runtime: Any) -> Any:
    """What ``_target_`` names, called with the other keys; nodes inside it are built first.

    Args:
        node: the target and its keyword arguments.
        runtime: what only the running program knows (networks, sizes that follow from the data).
            The target takes those that it has by name; nodes inside get none of them.

    Raises:
        UserError: no such target, a keyword that it does not have, one that is missing, or one
            that both the node and the program set.
    """
    target = locate(node["_target_"])
    parameters = signature(target)
    keywords = {key: _build_inside(value) for key, value in node.items() if key != "_target_"}
    _check_names(target, keywords)
    given = {key: value for key, value in runtime.items() if key in parameters}
    if both := sorted(keywords.keys() & given.keys()):
        raise UserError(f"{both[0]} of {_name(target)} follows from the run: it cannot be set")
    keywords |= given
    needed = {p.name for p in parameters.values() if p.default is p.empty}
    if missing := sorted(needed - keywords.keys()):
        raise UserError(f"{_name(target)} needs {', '.join(missing)}")
    return target(**keywords)


def _build_inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "_target_" in value:
            return build(value)
        return {key: _build_inside(inner) for key, inner in value.items()}
    return [_build_inside(inner) for inner in value] if isinstance(value, list) else value


def defaults(target: str) -> dict[str, Any]:
    """Keyword parameters of ``target`` whose default is plain data, tuples as lists."""
    plain = {}
    for name, parameter in signature(locate(target)).items():
        if name not in RUNTIME and _is_plain(parameter.default):
            plain[name] = json.loads(json.dumps(parameter.default))
    return plain


def fill(config: Any, key: str = "") -> Any:
    """A copy of ``config`` in which every node with a ``_target_`` has all its keywords.

    Whole numbers become floats where the signature says float, so that 1 and 1.0 are one config.

    Args:
        config: plain data (dicts, lists, numbers, strings, None).
        key: where it stands in the whole config, for the messages.

    Raises:
        UserError: a keyword that its target does not have, or a value of another type.
    """
    if isinstance(config, list):
        return [fill(value, dotted(key, str(i))) for i, value in enumerate(config)]
    if not isinstance(config, dict):
        return config
    filled = {name: fill(value, dotted(key, name)) for name, value in config.items()}
    if "_target_" not in config:
        return filled
    target = locate(config["_target_"])
    _check_names(target, [name for name in config if name != "_target_"], key)
    for name, parameter in signature(target).items():
        if name in filled:
            filled[name] = fits(filled[name], parameter.annotation, dotted(key, name))
    return filled | {k: v for k, v in defaults(config["_target_"]).items() if k not in filled}


def locate(target: str) -> Callable[..., Any]:
    """The class or function with this dotted path; `UserError` if there is none."""
    module, _, name = str(target).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UserError(f"_target_={target}: there is no module {error.name}") from error
    except (AttributeError, ValueError) as error:
        raise UserError(f"_target_={target}: there is no {name!r} in {module!r}") from error
    if not callable(found):
        raise UserError(f"_target_={target} is no class or function")
    return found  # type: ignore[no-any-return]


def signature(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of ``target`` that can be given by name.

    What a constructor passes on as ``**rest`` are those of its parent's.
    """
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(target, eval_str=True).parameters
    own = {name: p for name, p in parameters.items() if p.kind in by_name}
    passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if passes_on and isinstance(target, type):
        parent = next(c for c in target.__mro__[1:] if "__init__" in vars(c))
        return signature(parent) | own
    return own


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``name`` was probably meant to be."""
    return next(iter(get_close_matches(name, sorted(names), n=1, cutoff=0.6)), None)


def suggest(name: str, names: Iterable[str], key: str = "") -> str:
    """The end of a message on a wrong ``name`` below ``key``: the nearest one, else all names."""
    names = sorted(names)
    near = nearest(name, names)
    return f"did you mean {dotted(key, near)}?" if near else f"choose one of: {', '.join(names)}"


def dotted(key: str, name: str) -> str:
    """The key of ``name`` below ``key``."""
    return f"{key}.{name}" if key else name


def keys(config: dict[str, Any], key: str = "") -> dict[str, Any]:
    """Every value in ``config``, whole nodes too, under its dotted key."""
    found = {}
    for name, value in config.items():
        path = dotted(key, name)
        found[path] = value
        if isinstance(value, dict):
            found |= keys(value, path)
    return found


def _check_names(target: Callable[..., Any], names: Iterable[str], key: str = "") -> None:
    known = signature(target).keys() - (RUNTIME if key else set())
    for name in names:
        if name not in known:
            what = f"key {dotted(key, name)}" if key else f"keyword {name} of {_name(target)}"
            raise UserError(f"there is no {what}; {suggest(name, known, key)}")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(inner) for inner in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(inner) for k, inner in value.items())
    return type(value) in PLAIN


def _name(target: Callable[..., Any]) -> str:
    return getattr(target, "__name__", repr(target))
