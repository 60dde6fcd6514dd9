"""From a command line to jobs: ``train.py``, ``evaluate.py``, ``compare.py``.

Hydra takes the command line once `ganfeat.config` has checked it, and runs sweeps.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ganfeat import sweeps
from ganfeat.config import check, config_dir, one_line, plain
from ganfeat.ending import time_limit_signal, told
from ganfeat.errors import Busy, UserError

Task = Callable[[dict[str, Any], list[str]], object]


def entry_point(config_name: str, task: Task) -> None:
    """Checks the command line and runs ``task(config, overrides)``, for each job where it sweeps.

    A `UserError` or `Interrupted` is printed as one line and ends the process with its code;
    ``GANFEAT_DEBUG=1`` shows the traceback instead. A sweep goes on after a job that failed and
    ends with 1, or with that job's code if it was the only one.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, and leaves the printing to us
    try:
        with told():
            typed = sys.argv[1:]
            sys.argv[1:] = _arguments(typed, config_name)
            main = hydra.main(str(config_dir()), config_name, version_base="1.3")
            job = partial(_job, task=task)
            with one_line():
                if {"-m", "--multirun"} & {*typed}:
                    _sweep(main(job), typed)
                else:
                    main(job)()
    except _JobFailed as failed:
        sys.exit(failed.args[0])
    except BrokenPipeError:  # `--help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def typed_launcher() -> list[str]:
    """``hydra/launcher=`` and its settings as they were typed; nothing where none was."""
    if not HydraConfig.initialized():
        return []
    typed = _verbatim(HydraConfig.get().overrides.hydra)
    return [
        text for text in typed if text.lstrip("+").startswith(("hydra/launcher", "hydra.launcher"))
    ]


def _sweep(main: Callable[[], object], typed: list[str]) -> None:
    """Run all jobs, and say in the end what became of each."""
    outputs = [text.partition("=")[2] for text in typed if text.startswith("paths.outputs=")]
    usual = config_dir() / "paths" / "default.yaml"
    where = outputs[-1] if outputs else yaml.safe_load(usual.read_text())["outputs"]
    since = sweeps.begin(typed)
    failed, code = 0, 0
    try:
        main()
    except _JobFailed as first:
        code = first.args[0]
    finally:
        failed = sweeps.summary(where, since)
    if failed or code:
        raise _JobFailed(1 if failed > 1 else code or 1)


def _arguments(argv: list[str], config_name: str) -> list[str]:
    """The command line as Hydra will take it: checked settings first, then Hydra's own flags."""
    flags, rest = get_args_parser().parse_known_args(argv)
    if options := [arg for arg in rest if arg.startswith("-")]:
        raise UserError(f"there is no option {options[0]}; settings are written key=value")
    settings = flags.overrides + rest
    others = [arg for arg in argv if arg not in settings]
    if not (flags.shell_completion or flags.config_dir or flags.config_path):  # not of our conf/
        settings = check(settings, flags.config_name or config_name, sweep=flags.multirun)
    return [*settings, *others]


def _job(composed: DictConfig, task: Task) -> object:
    """One run, in Hydra's hands."""
    settings = HydraConfig.get()
    overrides = _verbatim(settings.overrides.task)
    overrides = [text for text in overrides if not text.startswith("sweep=")]
    sys.argv[1:] = overrides  # Lightning starts the other ranks of this run with these
    typed = [text.removeprefix("++") for text in overrides]
    if settings.mode != RunMode.MULTIRUN:
        with told():
            return task(plain(composed, settings.runtime.choices), typed)
    # and by this file: where a launcher began the job, the main module is the launcher's.
    sys.argv[0] = os.environ.get(sweeps.SCRIPT, sys.argv[0])
    sys.modules["__main__"].__spec__ = None
    outputs, number = str(composed.paths.outputs), int(settings.job.num)
    try:
        with told():
            try:
                config = plain(composed, settings.runtime.choices)
                _check_sweep(settings, config)
                found = task(config, typed)
                name = config.get("objective")
                objective = sweeps.objective_of(found, name) if name else None
            except BaseException as error:
                sweeps.tell(outputs, number, typed, None, str(error) or type(error).__name__)
                raise
            sweeps.tell(outputs, number, typed, found, None)
            return objective
    except SystemExit as end:
        limit = time_limit_signal()
        if limit and end.code == 128 + limit:
            with suppress(Exception):  # it says that the job may not go on
                signal.raise_signal(limit)  # submitit's to take, which sends the job in again
        busy = end.code == Busy.exit_code
        if end.code == 1 or busy or limit:  # a job of submitit is stopped alone, the others go on
            raise _JobFailed(end.code if busy else 1) from None
        raise


def _check_sweep(settings: Any, config: Mapping[str, Any]) -> None:
    """Refuse a launcher that cannot do what a run asks for, and a search without a goal.

    Raises:
        UserError: says what can.
    """
    devices = config.get("trainer", {}).get("devices", 1)
    if "joblib" in settings.launcher._target_.lower() and devices > 1:
        raise UserError(
            f"hydra/launcher=joblib trainer.devices={devices}: joblib runs jobs in processes "
            "of its own, from which Lightning can start no others. Use trainer.devices=1, or "
            "hydra/launcher=submitit_local"
        )
    if "optuna" in settings.sweeper._target_.lower() and not config.get("objective"):
        raise UserError(
            "hydra/sweeper=optuna searches for the best value of a number, and none is named: add "
            "objective=NAME, such as objective=ppl2_wend_factornet"
        )


def _verbatim(overrides: Any) -> list[str]:
    """As typed: Hydra keeps them in a config, where looking at ``${...}`` would resolve it."""
    texts = OmegaConf.to_container(overrides, resolve=False)
    assert isinstance(texts, list)
    return [str(text) for text in texts]


class _JobFailed(Exception):
    """A job of a sweep failed, with this exit code, and said why.

    Hydra keeps this until the other jobs are done.
    """
