"""Makes anew what is made of records: ``python -m ganfeat.remake``.

Of every study in ``experiments/`` that has some, the tables and figures; and the tables that
``README.md`` and those of the studies have marks for. Nothing is trained or measured.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.report.figures import FILES, draw, save_figures
from ganfeat.report.marks import Mark, filled, marked, table_of
from ganfeat.report.sections import counted, not_counted, write_tables
from ganfeat.report.study import read_study
from ganfeat.report.tables import Records
from ganfeat.studies import study_runs


def remake(root: Path) -> list[Path]:
    """Tables and figures of every study, and the tables of READMEs.

    Returns:
        What was written.

    Raises:
        UserError: there is no study or no README, or one has marks for a study that is not there.
    """
    found = sorted((root / "experiments").glob("*/study.yaml"))
    if not found:
        raise UserError(f"there is no study in {root.resolve()}: go to the folder of compare.py")
    studies = {path.parent.name: read_study(path.parent) for path in found}
    of_studies = sorted((root / "experiments").glob("*/README.md"))
    pages = {path: read_page(path, [*studies]) for path in [root / "README.md", *of_studies]}
    written: list[Path] = []
    records: dict[str, Records] = {}
    for study in studies.values():
        runs = study_runs(study)
        records[study.name] = done = counted(runs)
        if done:
            written += write_tables(study, done, not_counted(study, runs))
            written += save_figures(draw(study, done, FILES), study.folder)

    def table(mark: Mark) -> str:
        return table_of(mark, studies[mark.study], records[mark.study])

    for path, text in pages.items():
        if marked(text):
            with atomic_write(path) as file:
                file.write(filled(text, table).encode())
            written.append(path)
    return written


def read_page(path: Path, studies: Sequence[str]) -> str:
    """A page whose marks are right.

    Raises:
        UserError: they are not, or it cannot be read.
    """
    try:
        text = path.read_text()
        marks = marked(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}, where tables are to go, cannot be read: {error}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if unknown := [mark for mark in marks if mark.study not in studies]:
        raise UserError(f"{path}: {unknown[0]} is marked, which is no study")
    return text


def main(line: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ganfeat.remake", description=__doc__)
    parser.parse_args(line)
    with told():
        for path in remake(Path()):
            print(f"written to {path}")


if __name__ == "__main__":
    main()
