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
from ganfeat.report.sections import counted, not_counted, write_tables
from ganfeat.report.study import read_study


def remake(root: Path) -> list[Path]:
    """Tables and figures of every study, and the README's tables.

    Returns:
        What was written.

    Raises:
        UserError: there is no study or no README, or it has marks for a study that is not there.
    """
    found = sorted((root / "experiments").glob("*/study.yaml"))
    if not found:
        raise UserError(f"there is no study in {root.resolve()}: go to the folder of compare.py")
    readme = root / "README.md"
    try:
        text = readme.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{readme}, where tables are to go, cannot be read: {error}") from error
    studies = {path.parent.name: read_study(path.parent) for path in found}
    if unknown := [name for name in marked(text) if name not in studies]:
        raise UserError(f"{readme} has marks for {unknown[0]}, which is no study")
    written: list[Path] = []
    tables: dict[str, str] = {}
    for study in studies.values():
        runs = study_runs(study)
        done = counted(runs)
        tables[study.name] = headline(study, done) if done else "Nothing has been run yet."
        if done:
            written += write_tables(study, done, not_counted(study, runs))
            written += save_figures(draw(study, done), study.folder)
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
