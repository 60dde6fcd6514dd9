"""What each arm of a study took: time, memory, machines."""

from collections.abc import Iterable
from statistics import mean

from ganfeat.report.document import Entry, Section, table
from ganfeat.report.plan import Record, measuring
from ganfeat.report.study import Study
from ganfeat.report.tables import Records
from ganfeat.results import sessions_of


def cost(study: Study, done: Records) -> Section:
    """What each arm took: means over its runs."""
    rows: list[list[str | Entry]] = []
    for arm in study.arms:
        records = [record for (a, _), record in done.items() if a == arm]
        if not records:
            continue
        measured = mean(map(measuring, records))
        memory = _mean_of("peak_memory", records)
        took = [
            (_mean_of("kimg", records), "{:.4g}"), (_mean_of("seconds", records, 60), "{:.1f}"),
            (_mean_of("images_per_s", records), "{:.4g}"), (measured / 60, "{:.1f}"),
            (None if memory is None else memory / 2**30, "{:.2f}"),
        ]  # fmt: skip
        shown = [Entry("", None) if x is None else Entry(form.format(x), x) for x, form in took]
        rows.append([f"`{arm}`", *shown, "; ".join(_machines(records))])
    head = ["arm", "kimg", "training, min", "images/s", "measuring, min", "memory, GiB", "machine"]
    note = "Means over the runs of an arm. Machines are shared, and runs stood beside others there."
    return Section("Cost", [table(head, rows), note])


def _mean_of(key: str, records: Iterable[Record], unit: float = 1) -> float | None:
    found = [float(record[key]) / unit for record in records if record.get(key)]
    return mean(found) if found else None


def _machines(records: Iterable[Record]) -> list[str]:
    """What they ran on, each once."""
    found: dict[str, None] = {}
    for session in (session for record in records for session in sessions_of(record)):
        machine = session.get("machine", {})
        parts = [machine.get("device"), machine.get("instructions")]
        threads = machine.get("threads")
        parts.append(f"{threads} thread{'s' if threads != 1 else ''}" if threads else None)
        found[", ".join(str(part) for part in parts if part)] = None
    return [name for name in found if name]
