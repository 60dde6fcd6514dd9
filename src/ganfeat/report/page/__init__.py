"""``report.html``: one file that needs nothing else, with all that runs have left.

Tables that sort, figures, sample grids, strips that play, and of every run its command. It is made
of records and the pictures beside them.
"""

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure

from ganfeat.files import atomic_write
from ganfeat.report.document import Section, Table, as_html, html_text
from ganfeat.report.figures import as_svg
from ganfeat.report.plan import Record
from ganfeat.report.sections import introduction, sections
from ganfeat.report.study import Study
from ganfeat.report.tables import Absent, Records

NAME = "report.html"
FIRST = ("All metrics", "Checks")  # what stands before the pictures
CAPTIONS = {
    "als": "Deviation of attributes from a straight line along paths in W.",
    "ppl": "Perceptual path length against the mean distance of random samples.",
    "levels": "What can be read from each level of an encoder, coarse to fine.",
    "edits": "Shifts of attributes by edits, and the layers that do it.",
    "training": "Losses and scores over thousands of images seen; a line for each seed.",
}
OPEN = 3  # galleries that are open at first,
FEW = 4  # where they have no more pictures


class Picture(NamedTuple):
    """A picture of a run.

    Attributes:
        arm, seed: the run.
        name: what it shows.
        path: where it lies.
        strip: its ``rows`` and ``frames``, where it is a strip that can be played.
    """

    arm: str
    seed: int
    name: str
    path: Path
    strip: Mapping[str, int] | None

    @property
    def source(self) -> str:
        """The picture itself, as an address."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"


def write_page(
    study: Study,
    done: Records,
    absent: Absent,
    figures: Mapping[str, Figure],
    pictures: Sequence[Picture],
) -> Path:
    """Write ``report.html`` into the study's folder."""
    parts = sections(study, done, absent)
    first = [part for part in parts if part.title in FIRST]
    last = [part for part in parts if part.title not in FIRST]
    galleries = _galleries(study, pictures)
    text = _template().render(
        title=study.name if study.question else "Runs side by side",
        introduction=introduction(study, done),
        facts=_facts(study, done, parts),
        contents=_contents(first, bool(figures), bool(galleries), last),
        first=first,
        figures=[
            {
                "name": name,
                "caption": CAPTIONS[name],
                "svg": Markup(as_svg(figure)),
                "width": figure.get_figwidth(),
            }
            for name, figure in figures.items()
        ],
        galleries=galleries,
        last=last,
        runs=[_run(arm, seed, record) for (arm, seed), record in done.items()],
        css=Markup(_asset("page.css")),
        script=Markup(_asset("page.js")),
        footer=f"{len(done)} runs, put together by GANFeat from their records.",
    )
    path = study.folder / NAME
    with atomic_write(path) as file:
        file.write(text.encode())
    return path


def kept_pictures(study: Study, done: Records) -> list[Picture]:
    """The pictures beside a study's records, of the first seed of each arm that has some."""
    found = []
    for arm in study.arms:
        for seed in study.seeds:
            if (arm, seed) not in done:
                continue
            start = f"{arm}-s{seed}-"
            own = sorted((study.folder / "runs").glob(f"{start}*.png"))
            if own:
                of_arm = done[arm, seed]
                found += [picture(arm, seed, of_arm, path, path.stem[len(start) :]) for path in own]
                break
    return found


def picture(arm: str, seed: int, record: Record, path: Path, stem: str) -> Picture:
    """A picture, and whether it plays. A name with kimg at its end is one of training."""
    name = re.sub(r"-\d+\.\d+$", ", at the end of training", stem)
    return Picture(arm, seed, name, path, record.get("arrays", {}).get("strips", {}).get(stem))


def _template() -> Any:
    pages = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    pages.filters["marked"] = lambda text: Markup(_paragraph(text))
    pages.filters["anchor"] = _anchor
    pages.filters["block"] = lambda part: Markup(_block(part))
    return pages.from_string(_asset("page.html"))


def _asset(name: str) -> str:
    return (files("ganfeat.report.page") / name).read_text()


def _block(part: str | Table) -> str:
    """A paragraph, a list or a table."""
    if isinstance(part, Table):
        return as_html(part)
    if part.startswith("- "):
        items = "".join(f"<li>{html_text(line[2:])}</li>" for line in part.splitlines())
        return f"<ul>{items}</ul>"
    return f"<p>{_paragraph(part)}</p>"


def _paragraph(text: str) -> str:
    """A text with ``**`` around what is bold."""
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", html_text(text))


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title).strip("-").lower()


def _facts(study: Study, done: Records, parts: Sequence[Section]) -> list[tuple[str, str]]:
    """The numbers at the top."""
    seeds = {seed for _, seed in done}
    hours = sum(float(record.get("seconds") or 0) for record in done.values()) / 3600
    found = [
        (str(len(done)), "runs"), (str(len({arm for arm, _ in done})), "arms"),
        (str(len(seeds)), "seed" if len(seeds) == 1 else "seeds"),
        (f"{hours:.1f}", "hours of training"),
    ]  # fmt: skip
    for part in parts:
        if part.title == "Checks":
            said = [row[-1].text for row in part.parts[0].rows]  # type: ignore[union-attr]
            firm = [said.count(verdict) for verdict in ("holds", "does not hold")]
            found += [(str(firm[0]), f"of {len(said)} checks hold"), (str(firm[1]), "do not")]
            found.append((str(len(said) - sum(firm)), "are open"))
    return found


def _contents(
    first: Sequence[Section], figures: bool, pictures: bool, last: Sequence[Section]
) -> list[dict[str, str]]:
    """Where the parts of the page begin; single metrics have no line of their own."""
    titles = [part.title for part in first]
    titles += ["Figures"] if figures else []
    titles += ["Pictures"] if pictures else []
    named = ("Edits over seeds", "Boundaries", "Cost", "Not in these tables")
    titles += ["Single metrics"] if any(part.title not in named for part in last) else []
    titles += [part.title for part in last if part.title in named]
    titles.append("Runs")
    start = next((part.title for part in last if part.title not in named), "")
    return [
        {"title": title, "anchor": _anchor(start if title == "Single metrics" else title)}
        for title in titles
    ]


def _galleries(study: Study, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Pictures of the same thing together, what plays first; of shown arms first."""
    order = [*study.shown, *study.arms]
    names = dict.fromkeys(one.name for one in sorted(pictures, key=lambda one: not one.strip))
    found = []
    for i, name in enumerate(names):
        of_name = [one for one in pictures if one.name == name]
        of_name.sort(key=lambda one: order.index(one.arm))
        is_open = i < OPEN and len(of_name) <= FEW
        found.append({"name": name.replace("_", " "), "pictures": of_name, "open": is_open})
    return found


def _run(arm: str, seed: int, record: Record) -> dict[str, Any]:
    """A run's own lines."""
    machine = record.get("machine", {})
    facts = {
        "run": f"{record.get('experiment')}/{record.get('run')}",
        "commit": record.get("commit"),
        "machine": ", ".join(f"{key} {value}" for key, value in machine.items() if value),
        "sessions": "; ".join(map(_session, record.get("sessions", []))),
        "kimg": record.get("kimg"),
        "training": f"{float(record.get('seconds') or 0):,.0f} s",
        "images/s": record.get("images_per_s"),
        "waiting for data": record.get("data_wait"),
        "memory": f"{float(record.get('peak_memory') or 0) / 2**30:.2f} GiB",
        "weights": ", ".join(f"{k} {v[:12]}" for k, v in (record.get("weights") or {}).items()),
    }
    config = record.get("config")
    return {
        "name": f"{arm}-s{seed}",
        "about": record.get("commit"),
        "command": " ".join(["python train.py", *map(_quoted, record.get("overrides") or [])]),
        "facts": [(key, value) for key, value in facts.items() if value not in (None, "")],
        "config": yaml.safe_dump(config, sort_keys=False) if config else "",
    }


def _session(one: Mapping[str, Any]) -> str:
    """A part of a run that was resumed."""
    commit = one.get("commit") or "an unknown commit"
    device = one.get("machine", {}).get("device") or "an unknown machine"
    return f"from {one.get('kimg')} kimg at {commit} on {device}"


def _quoted(text: str) -> str:
    """An override as it is typed in a shell."""
    return shlex.quote(text)
