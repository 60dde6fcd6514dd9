"""A saved view of a wandb project: ``python -m ganfeat.report.dashboard --project ganfeat``.

Panels go by the names that runs log: losses and scores over kimg, a bar for each measured number
over groups of runs that differ in their seed alone, pages still and moving, what it costs. Which
numbers and pages there are is looked up in finished runs.
"""

import argparse
from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.report.plan import Record
from ganfeat.results import read_result

KIMG = "progress/kimg"
SERIES = {"Losses": "loss", "Scores of D": "score", "Gradients": "gradient", "Held out": "held_out"}
COST = {"images/s": "progress/images_per_s", "memory, GiB": "progress/memory_gib"}
MOST = 40  # bars; what comes later is in the runs' tables


def build(entity: str, project: str, name: str, records: Sequence[Record]) -> Any:
    """The view, not saved yet.

    Raises:
        UserError: wandb-workspaces is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise UserError(
            "wandb-workspaces is not installed: pip install 'ganfeat[dashboard]'"
        ) from error
    numbers = _names(v for record in records for v in _numbers(record))[:MOST]
    pages = _names(page for record in records for page in _pages(record))
    series = {
        title: [n for n in _names(k for r in records for k in r.get("arrays", {}))
                if n.startswith(f"{start}/")]
        for title, start in SERIES.items()
    }  # fmt: skip
    sections = [
        ws.Section(
            name="Numbers", is_open=True,
            panels=[panels.BarPlot(title=n, metrics=[n], groupby="group") for n in numbers],
        ),
        ws.Section(
            name="Pictures", is_open=True,
            panels=[panels.MediaBrowser(title=page, media_keys=[page]) for page in pages],
        ),
        *(
            ws.Section(name=title, panels=[panels.LinePlot(title=n, x=KIMG, y=[n]) for n in names])
            for title, names in series.items()
            if names
        ),
        ws.Section(
            name="Cost",
            panels=[panels.LinePlot(title=what, x=KIMG, y=[key]) for what, key in COST.items()],
        ),
        ws.Section(name="Settings", panels=[panels.RunComparer(diff_only="split")]),
    ]  # fmt: skip
    return ws.Workspace(
        entity=entity, project=project, name=name, sections=sections,
        settings=ws.WorkspaceSettings(x_axis=KIMG),
        runset_settings=ws.RunsetSettings(groupby=[ws.Metric("Group")]),
    )  # fmt: skip


def _names(found: Iterable[str]) -> list[str]:
    """Each once, in the order in which they come."""
    return [*dict.fromkeys(found)]


def _numbers(record: Record) -> list[str]:
    return [value["name"] for value in record.get("metrics", []) if value["value"] is not None]


def _pages(record: Record) -> list[str]:
    """What a run logs as pictures: sample grids, pages, and those that play."""
    kept = [name.removesuffix(".png") for name in record.get("pictures", [])]
    grids = ["pictures/" + Path(n).name.rpartition("-")[0] for n in kept if n.startswith("samples")]
    moving = [f"tasks/{name}_moving" for name in record.get("arrays", {}).get("strips", {})]
    return [*grids, *(name for name in kept if name.startswith("tasks/")), *moving]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganfeat.report.dashboard", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--project", required=True, help="of wandb, as in logger.project")
    parser.add_argument("--entity", default="", help="whose project it is; yours if not given")
    parser.add_argument("--name", default="GANFeat", help="of the view")
    parser.add_argument("--runs", default="outputs/*/*", help="finished runs that say what to show")
    given = parser.parse_args(arguments)
    with told():
        found = [read_result(Path(folder) / "result.json") for folder in sorted(glob(given.runs))]
        records = [record for record in found if record and record.get("status") == "finished"]
        if not records:
            raise UserError(
                f"--runs {given.runs} finds no finished run, so there is nothing to show"
            )
        view = build(given.entity, given.project, given.name, records)
        try:
            view.save()
        except Exception as error:  # whatever the client and the network come up with
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"the view cannot be saved ({reason}): it needs the network, `wandb login`, and a "
                "project that has runs"
            ) from error
        print(f"saved: {view.url}")


if __name__ == "__main__":
    main()
