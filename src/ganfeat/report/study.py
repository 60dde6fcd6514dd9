"""A study: its question, its arms and its checks, as ``experiments/<name>/study.yaml`` says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ganfeat.build import nearest, suggest
from ganfeat.errors import UserError

FIELDS = {
    "question": str, "expectation": str, "baseline": (str, list), "seeds": list, "common": list,
    "arms": dict, "metrics": list, "shown": list, "checks": dict, "only": dict, "headline": dict,
    "varied": dict,
}  # fmt: skip
OPTIONAL = ("checks", "only", "headline", "varied")
PARTS = ("headline", "varied")  # of its table, for pages that people read first
OURS = (
    "seed",
    "device",
    "threads",
    "paths.outputs",
    "resume",
    "force",
)  # settings that the runner makes
STARTS = "init_from="


@dataclass(frozen=True)
class Study:
    """What ``study.yaml`` says.

    Attributes:
        folder: where it lies.
        question: what the runs are to tell.
        expectation: in which direction, said before.
        baselines: the arms that others are compared with, in each column the first that has a
            number there: one study can hold generators, encoders and navigators.
        seeds: of every arm.
        arms: the overrides of each, those that all have in common first.
        metrics: names of the values in the table.
        shown: the arms whose curves are drawn.
        checks: what must hold, by name; see `ganfeat.report.checks`.
        only: for arms that some of the seeds are enough for, which.
        headline: the ``arms`` and ``metrics`` that the README's table has.
        varied: those of a table of what was varied; see `ganfeat.report.marks`.
    """

    folder: Path
    question: str
    expectation: str
    baselines: list[str]
    seeds: list[int]
    arms: dict[str, list[str]]
    metrics: list[str]
    shown: list[str]
    checks: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, list[int]] = field(default_factory=dict)
    headline: Mapping[str, list[str]] = field(default_factory=dict)
    varied: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    def seeds_of(self, arm: str) -> list[int]:
        """Those of an arm."""
        return self.only.get(arm, self.seeds)

    def start_of(self, arm: str) -> str | None:
        """The arm that this one starts from, where ``init_from=`` names one."""
        named = [text.removeprefix(STARTS) for text in self.arms[arm] if text.startswith(STARTS)]
        return named[-1] if named and named[-1] in self.arms else None


def read_study(folder: Path) -> Study:
    """The study in this folder.

    Raises:
        UserError: there is none, or something in it is missing, unknown or of the wrong kind.
    """
    path = folder / "study.yaml"
    try:
        plain = yaml.load(path.read_text(), _EachKeyOnce)
    except FileNotFoundError:
        names = sorted(found.parent.name for found in folder.parent.glob("*/study.yaml"))
        if not names:
            raise UserError(
                f"there is no study in {folder.parent.resolve()}: go to the folder of compare.py"
            ) from None
        raise UserError(f"there is no study {folder.name}; {suggest(folder.name, names)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise UserError(f"{path} must say: {', '.join(k for k in FIELDS if k not in OPTIONAL)}")
    for key in plain:
        if key not in FIELDS:
            raise UserError(f"{path} has {key}; {suggest(str(key), FIELDS)}")
    plain = {**{key: {} for key in OPTIONAL}, **plain}
    if missing := [key for key in FIELDS if key not in plain]:
        raise UserError(f"{path} must also say: {', '.join(missing)}")
    if not plain["arms"]:
        raise UserError(f"{path}: arms has none")
    for key, kind in FIELDS.items():
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(plain.get(key), kinds):
            wanted = " or a ".join(k.__name__ for k in kinds)
            raise UserError(f"{path}: {key} must be a {wanted}, not {plain.get(key)!r}")
    common = _texts(plain["common"], "common", path)
    arms = {
        str(arm): common + _texts(own or [], f"arms.{arm}", path)
        for arm, own in plain["arms"].items()
    }
    for i, arm in enumerate(arms):
        if not re.fullmatch(r"\w[\w.-]*", arm):
            raise UserError(f"{path}: arm {arm!r} must be letters, digits, _ - and .")
        if twin := [other for other in [*arms][:i] if arms[other] == arms[arm]]:
            raise UserError(f"{path}: arms {twin[0]} and {arm} are the same runs")
    baselines = plain["baseline"]
    study = Study(
        folder, plain["question"].strip(), plain["expectation"].strip(),
        [baselines] if isinstance(baselines, str) else _texts(baselines, "baseline", path),
        _seeds(plain["seeds"], path), arms, _texts(plain["metrics"], "metrics", path),
        _texts(plain["shown"], "shown", path), {str(k): str(v) for k, v in plain["checks"].items()},
        {str(arm): found for arm, found in plain["only"].items()}, plain["headline"],
        plain["varied"],
    )  # fmt: skip
    if not study.baselines:
        raise UserError(f"{path}: baseline must name an arm that others are compared with")
    if twice := [name for name in study.metrics if study.metrics.count(name) > 1]:
        raise UserError(f"{path}: metrics has {twice[0]} twice")
    for arm, chosen in study.only.items():
        whole = isinstance(chosen, list) and all(type(seed) is int for seed in chosen)
        if not whole or not {*chosen} <= {*study.seeds} or not 0 < len({*chosen}) == len(chosen):
            raise UserError(f"{path}: only.{arm} must be some of the seeds {study.seeds}")
    for part in PARTS:
        _check_part(study, part, path)
    named_by = {
        "baseline": study.baselines, "shown": study.shown, "only": [*study.only],
        "headline.arms": study.headline.get("arms", []),
        "varied.arms": study.varied.get("arms", []),
    }  # fmt: skip
    for key, named in named_by.items():
        if unknown := [arm for arm in named if arm not in arms]:
            raise UserError(f"{path}: {key}={unknown[0]} is no arm; {suggest(unknown[0], arms)}")
    for arm in arms:
        _check_starts(study, arm, path)
    return study


class _EachKeyOnce(yaml.SafeLoader):
    """YAML in which no key may stand twice, where the last would silently replace the others."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.MarkedYAMLError(
                    problem=f"{key} stands twice", problem_mark=node.value[i][0].start_mark
                )
        return super().construct_mapping(node, deep)


def _check_part(study: Study, part: str, path: Path) -> None:
    chosen = getattr(study, part)
    for key, named in chosen.items():
        if key not in ("arms", "metrics"):
            raise UserError(f"{path}: {part} has {key}: arms and metrics are what it may have")
        if not _texts(named, f"{part}.{key}", path):
            raise UserError(f"{path}: {part}.{key} has none: leave it out for all")
    if unknown := {*chosen.get("metrics", [])} - {*study.metrics}:
        raise UserError(f"{path}: {part}.metrics has {min(unknown)}, which metrics has not")


def _texts(found: Any, key: str, path: Path) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise UserError(f"{path}: {key} must be a list of texts")
    if signs := [text for text in found if text.startswith(("+", "~", "hydra"))]:
        raise UserError(f"{path}: {key} has {signs[0]}: settings are written key=value")
    if taken := [text for text in found if text.partition("=")[0] in OURS]:
        raise UserError(f"{path}: {key} has {taken[0]}, which the runner sets: leave it out")
    return found


def _seeds(found: list[Any], path: Path) -> list[int]:
    if not found or not all(type(seed) is int and 0 <= seed < 2**32 for seed in found):
        raise UserError(
            f"{path}: seeds must be whole numbers below 2^32, such as [0, 1, 2], not {found}"
        )
    if len({*found}) < len(found):
        raise UserError(f"{path}: seeds={found} has one of them twice")
    return found


def _check_starts(study: Study, arm: str, path: Path) -> None:
    for text in study.arms[arm]:
        named = text.removeprefix(STARTS)
        near = nearest(named, study.arms)
        if named != text and named not in study.arms and near and not Path(named).exists():
            raise UserError(f"{path}: {text} is neither an arm nor a file; did you mean {near}?")
    seen = [arm]
    while (start := study.start_of(seen[-1])) is not None:
        if start in seen:
            raise UserError(f"{path}: {' from '.join([*seen, start])}: no arm comes first")
        if lacking := {*study.seeds_of(arm)} - {*study.seeds_of(start)}:
            raise UserError(
                f"{path}: {arm} starts from {start} with seed {min(lacking)}, which "
                f"only.{start} leaves out"
            )
        seen.append(start)
