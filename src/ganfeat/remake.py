"""Makes anew what is made of records: ``python -m ganfeat.remake``.

Of every study in ``experiments/`` that has some, the tables and figures; and the tables of
``README.md``. Nothing is trained or measured.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ganfeat.compare import study_runs
from ganfeat.ending import told
from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.report.figures import draw, save_figures
from ganfeat.report.headline import filled, headline, marked
from ganfeat.report.report import counted, not_counted, write_tables
from ganfeat.report.study import read_study


def remake(root: Path) -> list[Path]:
    """Tables and figures of every study, and the README's tables.

    Returns:
        What was written.

    Raises:
        UserError: there is no study or no README, or it has marks for a study that is not there.
    """
    written: list[Path] = []
    tables: dict[str, str] = {}
    found = sorted((root / "experiments").glob("*/study.yaml"))
    if not found:
        raise UserError(f"there is no study in {root.resolve()}: go to the folder of compare.py")
    for path in found:
        study = read_study(path.parent)
        runs = study_runs(study)
        done = counted(runs)
        tables[study.name] = headline(study, done)
        if done:
            written += write_tables(study, done, not_counted(study, runs))
            written += save_figures(draw(study, done), study.folder)
    readme = root / "README.md"
    if not readme.is_file():
        raise UserError(f"there is no README.md in {root.resolve()} for the tables to go to")
    text = readme.read_text()
    if unknown := [name for name in marked(text) if name not in tables]:
        raise UserError(f"{readme} has marks for {unknown[0]}, which is no study")
    with atomic_write(readme) as file:
        file.write(filled(text, tables.__getitem__).encode())
    return [*written, readme]


def main(line: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ganfeat.remake", description=__doc__)
    parser.parse_args(line)
    with told():
        for path in remake(Path()):
            print(f"written to {path}")


if __name__ == "__main__":
    main()
