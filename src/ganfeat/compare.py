"""What ``compare.py`` does: run what a study lacks, and put finished runs into one table.

Torch and matplotlib take seconds to import: only what needs them does so.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich.table
from rich.console import Console
from rich.text import Text

from ganfeat.entry import typed_launcher
from ganfeat.errors import Interrupted, UserError
from ganfeat.files import expanded, locked
from ganfeat.report.checks import checks_of
from ganfeat.report.document import Table, table
from ganfeat.report.found import as_study
from ganfeat.report.plan import Plan, Record, Run
from ganfeat.report.runner import run_all
from ganfeat.report.sections import counted, not_counted, write_tables
from ganfeat.report.study import Study, read_study
from ganfeat.report.tables import Absent, Records, summary
from ganfeat.results import read_result
from ganfeat.studies import chosen_arms, chosen_seeds, study_runs

if TYPE_CHECKING:
    from ganfeat.report.page import Picture

Config = dict[str, Any]
TRAIN = "train.py"


def run(config: Config, overrides: list[str]) -> None:
    """Do what ``study=`` or ``runs=`` asks for.

    Args:
        config: the resolved config as plain data.
        overrides: what was typed.

    Raises:
        UserError: whatever the person who typed the command can mend.
    """
    if bool(config["study"]) == bool(config["runs"]):
        raise UserError("what is to be compared? give study=NAME or runs='PATTERN', one of them")
    if config["runs"]:
        folder = expanded(config["paths"]["outputs"]) / "compare" / "runs"
        results = found_results(config["runs"])
        study, done, absent = as_study(results, folder)
        publish(study, done, absent, pictures_of(results, done), config)
        return
    from ganfeat.training.machine import pick_device

    study = read_study(Path("experiments") / config["study"])
    checks_of(study)  # what cannot be read is told before anything runs
    seeds, arms = chosen_seeds(study, config["seeds"]), chosen_arms(study, config["arms"])
    launcher = typed_launcher()
    if any("joblib" in text for text in launcher):
        raise UserError("hydra/launcher=joblib: jobs=2 has two runs at once here by itself")
    # What a launcher sends elsewhere finds out there what there is.
    device = config["device"] if launcher else pick_device(config["device"])
    every = study_runs(study, config["paths"]["outputs"], device)
    wanted = [run for run in every if run.seed in seeds and run.arm in arms]
    plan = Plan(every, wanted, redo=config["force"])
    show(overview(plan, config["jobs"]))
    if config["plan"]:
        return
    logs = expanded(config["paths"]["outputs"]) / "compare" / study.name
    train = [sys.executable, str(Path(TRAIN).resolve())]
    if launcher:
        train += ["-m", *launcher]
    with locked(logs) as lock:
        try:
            failed = run_all(plan, config["jobs"], logs, train, lock)
        except Interrupted:
            if launcher:
                print("what the launcher has sent away goes on; it is looked for the next time")
            with suppress(UserError):  # it is the interruption that is to be told
                publish_study(study, every, config)
            raise
        publish_study(study, every, config)
    if failed:
        raise UserError(
            f"{len(failed)} of {len({*plan.runs, *failed})} runs have failed "
            f"({', '.join(run.name for run in failed)}), as said above; the same command tries "
            "them again"
        )


def publish_study(study: Study, runs: list[Run], config: Config) -> None:
    """Publish what there is of a study."""
    from ganfeat.report.page import kept_pictures

    done = counted(runs)
    publish(study, done, not_counted(study, runs), kept_pictures(study, done), config)


def publish(
    study: Study, done: Records, absent: Absent, pictures: "Sequence[Picture]", config: Config
) -> None:
    """Show what there is, and write tables, figures and the page; tables to wandb, too."""
    from ganfeat.report.figures import draw, save_figures
    from ganfeat.report.page import write_page

    tables = [p for p in summary(study, done, absent.failed).parts if isinstance(p, Table)]
    study.folder.mkdir(parents=True, exist_ok=True)
    figures = draw(study, done)
    written = [*write_tables(study, done, absent), *save_figures(figures, study.folder)]
    page = write_page(study, done, absent, figures, pictures)
    for part in tables:  # once all is written: whoever reads may not read on
        show(part)
    for path in written:
        print(f"written to {path}")
    print(f"the report: {page}")
    if config["logger"]["wandb"] != "off":
        send(study, tables, config)


def send(study: Study, tables: Sequence[Table], config: Config) -> None:
    """The tables to wandb."""
    from ganfeat.training.wandb_log import log_tables, wandb_mode

    logger, folder = config["logger"], Path(config["paths"]["outputs"]) / "compare" / study.name
    plain = {
        f"comparison{i or ''}": [t.headings, *([x.text for x in row] for row in t.rows)]
        for i, t in enumerate(tables)
    }
    mode = wandb_mode(logger["wandb"])
    log_tables(mode, logger["project"], f"compare/{study.name}", expanded(folder), plain)


def overview(plan: Plan, jobs: int) -> Table:
    """What is done and what is left."""
    rows = [[run.arm, str(run.seed), f"{run.kimg:g}", run.state()] for run in plan.runs]
    left, hours = plan.left(), plan.hours(jobs)
    if again := [run.name for run in left if not plan.lacks(run)]:
        print(f"made again, since others start from it and its weights are not here: {again}")
    if held := [run.name for run in plan.held_up()]:
        print(f"not run, since what they start from is stale (force=true runs it anew): {held}")
    about = "how long is known after the first" if hours is None else f"about {hours:.1f} hours"
    print(f"{len(left)} of {len(plan.runs)} runs are left: {about}, with jobs={jobs}")
    return table(["arm", "seed", "kimg", "state"], rows)


def found_results(pattern: str) -> dict[str, Record]:
    """The results that a pattern finds, by their paths. What cannot be read is named and left out.

    Raises:
        UserError: there are none.
    """
    found: dict[str, Record] = {}
    for name in sorted(glob(str(expanded(pattern)))):
        path = Path(name) if name.endswith(".json") else Path(name) / "result.json"
        try:
            result = read_result(path) if path.is_file() else None
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if result is not None:
            found[str(path)] = result
    if not found:
        raise UserError(
            f"runs={pattern} finds no result.json: name run folders, such as "
            "runs='outputs/hsr_synthfaces/*'"
        )
    return found


def pictures_of(results: dict[str, Record], done: Records) -> list["Picture"]:
    """The pictures in the folders of runs, of the first seed of each arm."""
    from ganfeat.report.page import picture

    places = {id(result): Path(path).parent for path, result in results.items()}
    found = []
    for (arm, seed), record in done.items():
        if seed != min(s for a, s in done if a == arm):
            continue
        paths = [places[id(record)] / name for name in record.get("pictures", [])]
        found += [picture(arm, seed, record, path, path.stem) for path in paths if path.is_file()]
    return found


def show(found: Table) -> None:
    """Print a table, as wide as it is where nobody looks on."""
    printed = rich.table.Table()
    for heading in found.headings:
        printed.add_column(heading, overflow="fold")
    for row in found.rows:
        texts = [entry.text.replace("`", "") for entry in row]
        printed.add_row(
            *(Text(t, "bold" if e.best else "") for t, e in zip(texts, row, strict=True))
        )
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(printed)
