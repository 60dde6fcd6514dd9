"""The runs of a study, as ``train.py`` will make them."""

from pathlib import Path
from typing import Any

from ganfeat.build import suggest
from ganfeat.config import compose
from ganfeat.errors import UserError
from ganfeat.report.plan import Run
from ganfeat.report.study import STARTS, Study
from ganfeat.training.record import RunFolder

Config = dict[str, Any]


def chosen_seeds(study: Study, seeds: int | list[int] | None) -> list[int]:
    """Those that are wanted.

    Raises:
        UserError: the study has not got one of them, or there are none.
    """
    wanted = study.seeds if seeds is None else seeds if isinstance(seeds, list) else [seeds]
    if not wanted:
        raise UserError(f"seeds=[] chooses none: the study {study.name} has {study.seeds}")
    if unknown := [seed for seed in wanted if seed not in study.seeds]:
        raise UserError(f"seeds={unknown[0]}: the study {study.name} has {study.seeds}")
    return wanted


def chosen_arms(study: Study, arms: str | list[str] | None) -> list[str]:
    """Those that are wanted.

    Raises:
        UserError: the study has not got one of them, or there are none.
    """
    wanted = [*study.arms] if arms is None else arms if isinstance(arms, list) else [arms]
    if not wanted:
        raise UserError(f"arms=[] chooses none: the study has {', '.join(study.arms)}")
    if unknown := [arm for arm in wanted if arm not in study.arms]:
        raise UserError(f"arms={unknown[0]} is no arm; {suggest(unknown[0], study.arms)}")
    return wanted


def study_runs(study: Study, outputs: str = "outputs", device: str = "cpu") -> list[Run]:
    """Every arm with every seed, each start before what starts from it.

    All configs are composed here, so that a wrong setting in any of them is told before anything
    runs.

    Args:
        study: which.
        outputs: where runs leave what they leave.
        device: what they run on.

    Raises:
        UserError: an arm cannot be composed, or two come to the same run.
    """
    composed = {arm: _composed(study, arm) for arm in study.arms}
    made: dict[tuple[str, int], Run] = {}

    def make(arm: str, seed: int) -> Run:
        if (arm, seed) not in made:
            start = study.start_of(arm)
            first = make(start, seed) if start is not None else None
            config = {**composed[arm], "seed": seed, "paths": {"outputs": outputs}}
            made[arm, seed] = _run(study, arm, first, config, device)
        return made[arm, seed]

    for seed in study.seeds:
        for arm in study.arms:
            if seed in study.seeds_of(arm):
                make(arm, seed)
    folders: dict[Path, Run] = {}
    for run in made.values():
        if (twin := folders.setdefault(run.result, run)) is not run:
            raise UserError(
                f"{study.folder / 'study.yaml'}: {twin} and {run} come to the same run: leave one "
                "of the arms out"
            )
    return list(made.values())


def _composed(study: Study, arm: str) -> Config:
    try:
        return compose(study.arms[arm])
    except UserError as error:
        raise UserError(f"{study.folder / 'study.yaml'}, arm {arm}: {error}") from error


def _run(study: Study, arm: str, start: Run | None, config: Config, device: str) -> Run:
    line, seed = list(study.arms[arm]), config["seed"]
    if start is not None:
        line = [text for text in line if not text.startswith(STARTS)]
        config["init_from"] = str(start.weights)
        line.append(f"{STARTS}{start.weights}")
    line += [f"seed={seed}", f"paths.outputs={config['paths']['outputs']}"]
    # On a CPU, which auto may come to, another number of threads gives other bits.
    line += [f"device={device}", *([] if device == "cuda" else ["threads=1"])]
    folder = RunFolder(config)
    return Run(
        study, arm, seed, line, folder.path / "result.json", folder.weights,
        config["total_kimg"], start,
    )  # fmt: skip
