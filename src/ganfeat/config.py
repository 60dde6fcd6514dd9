"""From settings to one plain dict, as Hydra composes it.

Hydra puts the YAML files of ``conf/`` together. Around that stand three things of ours:
keys that only a signature knows can be overridden like any other (``method.r1_gamma=3``), every
mistake is one line that names the nearest right word, and what a task gets is plain data with
every value in it.
"""

import copy
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ganfeat.build import fill, keys, suggest
from ganfeat.checks import check_missing, check_preset, check_values, right_key
from ganfeat.errors import UserError

LISTS = ("metrics", "monitor", "tasks")  # groups whose files are lists


def config_dir() -> Path:
    """The folder of the YAML files: inside the installed package, else beside ``src``."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parents[1] / "conf"


def compose(overrides: list[str], config_name: str = "train") -> dict[str, Any]:
    """The resolved config with every value in it, and ``experiment``: the preset's name.

    Args:
        overrides: what would stand on the command line (``experiment=x``, ``method.lr=0.002``).
        config_name: which root config.

    Raises:
        UserError: an unknown preset, key or option, a value that is missing or does not fit.
    """
    return plain(*_compose(check(overrides, config_name), config_name))


@contextmanager
def one_line() -> Iterator[None]:
    """What Hydra and OmegaConf complain of, as a `UserError`."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        if unknown := re.match(r"Could not override '(.*?)'.\s*No match in", str(error)):
            hint = "judge= goes with data=" if "judge" in unknown[1] else "leave it out"
            raise UserError(f"nothing here takes {unknown[1]}=: {hint}") from error
        if missing := re.search(
            r"hydra/(launcher|sweeper)/(joblib|submitit|ray|optuna)", str(error)
        ):
            extra = "ray" if missing[2] == "ray" else "sweep"
            raise UserError(
                f"hydra/{missing[1]}={missing[2]} is not installed: pip install 'ganfeat[{extra}]'"
            ) from error
        text = re.sub(
            r"To append to your (default list|config) use \S+", "", str(error).replace("++", "")
        )
        raise UserError(" ".join(text.split())) from error


def check(overrides: list[str], config_name: str = "train", sweep: bool = False) -> list[str]:
    """The overrides in the form that Hydra takes, or a `UserError` on the first wrong one.

    Struct mode refuses a key that stands in no YAML, although a signature may have it. So those
    that the filled config has are forced (``++``), and no others get through: none can be added
    (``+``) or taken away (``~``). What begins with ``hydra`` is left to Hydra.
    """
    groups = _groups()
    parsed = [_parse(text) for text in overrides]
    if ranges := [o.input_line for o in parsed if o.is_sweep_override() and not sweep]:
        raise UserError(f"{ranges[0]} is a sweep: add -m to run each, or write [...] for a list")
    if not sweep and (named := [o for o in parsed if o.key_or_group == "sweep"]):
        raise UserError(f"{named[0].input_line} stands for many runs: add -m")
    choices = [_choice(o, groups[o.key_or_group]) for o in parsed if o.key_or_group in groups]
    # Filling imports torch, which takes seconds: not where groups alone are chosen.
    files, filled = _files(), len(choices) < len(parsed)
    known = groups.keys() | _known(config_name, tuple(choices), filled, files)
    return [_forced(o, known, is_group=o.key_or_group in groups) for o in parsed]


@lru_cache(maxsize=32)  # a study composes many configs that differ in single values
def _known(
    config_name: str, choices: tuple[str, ...], filled: bool, files: tuple[Any, ...]
) -> frozenset[str]:
    """The keys of a config with these choices, once its preset has been checked.

    Args:
        config_name: which root config.
        choices: options of groups.
        filled: whether keys are wanted, those of signatures included.
        files: the state of ``conf/``, from `_files`.
    """
    groups = _groups()
    config, chosen = _compose(list(choices), config_name)
    if chosen.get("experiment"):
        others = {k: v for k, v in chosen.items() if v and k.partition("@")[0] in groups}
        without = [f"{k}={v}" for k, v in others.items() if k != "experiment"]
        check_preset(_container(config), _container(_compose(without, config_name)[0]))
    return frozenset(keys(fill(_container(config)))) if filled else frozenset()


def _files() -> tuple[Any, ...]:
    """What differs when a file of ``conf/`` does."""
    stats = {path: path.stat() for path in sorted(config_dir().rglob("*.yaml"))}
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats.items())


def _parse(text: str) -> Override:
    """What Hydra makes of it. A value that its grammar does not know (~, umlauts) is a string."""
    ours = text.startswith("++") or text.lstrip("+~").startswith("hydra.")
    if text.startswith(("+", "~")) and not ours:
        raise UserError(
            f"{text}: settings are neither added nor taken away, write {text.lstrip('+~')!r} as "
            "key=value (null for none)"
        )
    key, equals, value = text.partition("=")
    simple = equals and not set(value) & set("[]{}(),='\"")
    for candidate in [text, f"{key}='{value}'"] if simple else [text]:
        with suppress(HydraException):
            return OverridesParser.create().parse_override(candidate)
    raise UserError(
        f"cannot read {text!r}: settings are written key=value, and a value with brackets, "
        "commas or equal signs in two pairs of quotes: key=\"'value'\""
    )


def _choice(override: Override, options: list[str]) -> str:
    """The choice in a group, of a sweep the first one; `UserError` if an option does not exist."""
    value = override.value()
    names: list[Any]
    if isinstance(value, Glob):
        names = list(value.filter(options)) or value.include
    elif override.is_sweep_override():
        names = list(override.sweep_iterator())
    else:
        names = [value]
    for name in map(str, names):
        if name not in options:
            group = override.key_or_group
            single = f"; single ones are left out by {group}.NAME=null" if group in LISTS else ""
            raise UserError(f"there is no {group} {name}; {suggest(name, options)}{single}")
    first = f"{override.get_key_element()}={names[0]}"
    return first if override.is_sweep_override() else str(override.input_line)


def _forced(override: Override, known: Collection[str], is_group: bool) -> str:
    """The override of a key that exists, in the form that struct mode lets through."""
    key, text = override.key_or_group, str(override.input_line)
    if is_group or text.startswith("++") or text.lstrip("+~").startswith(("hydra.", "hydra/")):
        return text
    if key not in known:
        raise UserError(f"there is no key {key}; {right_key(key, known)}")
    return f"++{text}"


def _groups() -> dict[str, list[str]]:
    """The groups of ``conf/`` and their options."""
    folders = [path for path in config_dir().iterdir() if path.is_dir()]
    return {path.name: sorted(file.stem for file in path.glob("*.yaml")) for path in folders}


def _compose(overrides: list[str], config_name: str) -> tuple[DictConfig, dict[str, Any]]:
    """What Hydra composes, and the option chosen in each group. Works inside a running job too.

    Values are put into what the choices give, as Hydra itself does, since choosing takes so long.
    """
    groups, parsed = _groups(), [_parse(text) for text in overrides]
    chooses = [o.key_or_group in groups or o.key_or_group.startswith("hydra") for o in parsed]
    choices = tuple(str(o.input_line) for o, of in zip(parsed, chooses, strict=True) if of)
    composed, chosen = copy.deepcopy(_chosen(choices, config_name, _files()))
    with one_line(), open_dict(composed):
        for override in [o for o, of in zip(parsed, chooses, strict=True) if not of]:
            key, value = override.key_or_group, override.value()
            OmegaConf.update(composed, key, value, merge=True, force_add=True)
    return composed, chosen


@lru_cache(maxsize=64)
def _chosen(
    choices: tuple[str, ...], config_name: str, files: tuple[Any, ...]
) -> tuple[DictConfig, dict[str, Any]]:
    """The config with these options of groups. ``files`` is the state of ``conf/``."""
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with one_line(), hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
            composed = hydra.compose(config_name, [*choices], return_hydra_config=True)
    finally:
        GlobalHydra.instance().hydra = outer
    chosen = dict(composed.hydra.runtime.choices)
    with open_dict(composed):
        del composed["hydra"]
    return composed, chosen


def plain(composed: DictConfig, choices: Mapping[str, Any]) -> dict[str, Any]:
    """The composed config as resolved, filled, complete plain data."""
    experiment = choices.get("experiment")
    if "experiment" in choices and experiment is None:
        raise UserError(f"which experiment? choose one of: {', '.join(_groups()['experiment'])}")
    with one_line():
        config = fill(_container(composed, resolve=True))
    check_missing(config, experiment)
    check_values(config)
    return {"experiment": experiment, **config} if experiment else config


def _container(composed: DictConfig, resolve: bool = False) -> dict[str, Any]:
    found = OmegaConf.to_container(composed, resolve=resolve)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}
