"""Which arms are best, which cannot be told apart, and which columns belong together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganfeat.errors import UserError
from ganfeat.report.cells import Cell
from ganfeat.report.cost import cost
from ganfeat.report.differences import lower
from ganfeat.report.document import Section, Table
from ganfeat.report.found import as_study
from ganfeat.report.marks import Mark, filled, marked, table_of
from ganfeat.report.study import Study
from ganfeat.report.tables import Column, best_arms, by_seed, columns, joined, summary


def cell(value: float | None, half: float | None = None) -> Cell:
    ends = (None, None) if half is None or value is None else (value - half, value + half)
    return Cell(value, *ends, n=1, protocol="p", better="lower")


def cells(*values: float | None, half: float | None = None) -> dict[int, Cell]:
    return {seed: cell(value, half) for seed, value in enumerate(values)}


@pytest.mark.parametrize(
    ("one", "other", "below"),
    [
        (cells(1.0), cells(2.0), True),  # one seed, and nothing that says how sure it is
        (cells(1.0), cells(1.0), False),
        (cells(1.0, half=0.4), cells(2.0, half=0.4), True),
        (cells(1.0, half=0.6), cells(2.0, half=0.6), False),
        (cells(1.0, half=0.6), cells(2.0), True),
        (cells(1.0, 3.0), cells(2.0, 2.5), False),  # the seeds do not agree
        (cells(1.0, 1.0, 1.0), cells(2.0, 2.0, 2.0), True),
        (cells(1.0, 1.0, 3.0, half=9), cells(2.0, 2.0, 2.0, half=9), False),
        (cells(1.0, 1.0, 1.9, half=9), cells(2.0, 2.0, 2.0, half=9), True),
        # Differences -1, -2, 1, -3, -2: mean -1.4, half a 95 % width 1.88.
        (cells(10, 10, 10, 10, 10), cells(11, 12, 9, 13, 12), False),
        (cells(10, 10, 10, 10, 10), cells(11, 12, 11, 13, 12), True),
        (cells(1.0), {1: cell(2.0)}, False),  # they have no seed in common
    ],
)
def test_which_arm_is_below_another(
    one: dict[int, Cell], other: dict[int, Cell], below: bool
) -> None:
    assert lower(one, other) is below
    assert not lower(other, one)
    assert lower(other, one, sign=-1.0) is below


def test_the_best_of_a_column() -> None:
    arms = {
        "a": cells(1.0, 1.1, 1.2), "b": cells(1.1, 1.0, 1.3), "c": cells(3, 3, 3),
        "d": cells(None, None, None),
    }  # fmt: skip
    assert best_arms(Column("x", "p", "lower", arms)) == {"a", "b"}
    assert best_arms(Column("x", "p", "higher", arms)) == {"c"}
    assert best_arms(Column("x", "p", None, arms)) == set()
    assert best_arms(Column("x", "p", "lower", {"a": cells(1.0)})) == set()  # of what?


def test_an_arm_that_is_worse_on_its_seeds_is_not_best_by_its_mean() -> None:
    arms = {"a": cells(0.9, 2.0), "b": {1: cell(1.9)}, "c": {1: cell(2.5)}}
    assert best_arms(Column("x", "p", "lower", arms)) == {"b"}  # b is better on the seed of both


def test_columns_belong_together_where_arms_are_in_both() -> None:
    def column(name: str, *arms: str) -> Column:
        return Column(name, "p", None, {arm: cells(1.0) for arm in arms})

    faces, rooms = column("faces", "a", "b"), column("rooms", "c")
    more, bridge = column("more", "b"), column("bridge", "b", "c")
    assert joined([faces, rooms, more]) == [[faces, more], [rooms]]
    assert joined([faces, rooms, more, bridge]) == [[faces, rooms, more, bridge]]
    empty = Column("empty", "p", None, {"a": cells(None)})
    assert joined([empty, faces]) == [[faces]]


def record(value: float | None, better: str | None = "lower", **more: Any) -> dict[str, Any]:
    metric = {"name": "fid", "value": value, "protocol": {}, "better": better, "seconds": 30.0}
    return {"status": "finished", "kimg": 10.0, "seconds": 60.0, "metrics": [metric]} | more


def texts(section: Section, part: int = 0) -> list[list[str]]:
    shown = section.parts[part]
    assert isinstance(shown, Table)
    return [list(shown.headings), *([entry.text for entry in row] for row in shown.rows)]


def study(*arms: str) -> Study:
    return Study(Path("x"), "", "", [arms[0]], [0, 1], {a: [] for a in arms}, ["fid"], [])


def test_the_summary_has_means_and_bold() -> None:
    done = {("a", 0): record(1.0), ("a", 1): record(2.0), ("b", 0): record(8.0)}
    found = summary(study("a", "b"), done)
    assert texts(found) == [["arm", "fid ↓", "seeds"], ["`a`", "1.5", "2"], ["`b`", "8", "1"]]
    shown = found.parts[0]
    assert isinstance(shown, Table)
    assert [row[1].best for row in shown.rows] == [True, False]
    assert [row[1].value for row in shown.rows] == [1.5, 8.0]


def test_records_that_do_not_say_have_no_best() -> None:
    done = {("a", 0): record(1.0, better=None), ("b", 0): record(2.0, better=None)}
    (column,) = columns(study("a", "b"), done)
    assert best_arms(column) == set()
    assert len(summary(study("a", "b"), done).parts) == 1  # and nothing is said of bold


def test_a_number_measured_in_two_ways_is_in_two_columns() -> None:
    """As by ``evaluate.py run=RUN seed=1`` after the run."""
    twice = record(1.0)
    again = {**twice["metrics"][0], "value": 4.0, "protocol": {"seed": 1}}
    twice["metrics"].append(again)
    shown = columns(study("a", "b"), {("a", 0): twice, ("b", 0): record(2.0)})
    found = [{a: of[0].value for a, of in column.arms.items()} for column in shown]
    assert sorted(found, key=len) == [{"a": 4.0}, {"a": 1.0, "b": 2.0}]


def test_each_column_is_compared_with_the_first_baseline_that_has_it() -> None:
    def other(value: float) -> dict[str, Any]:
        metric = {"name": "mse", "value": value, "protocol": {}, "better": "lower"}
        return record(None) | {"metrics": [metric]}

    several = replace(study("a", "b", "c", "d"), baselines=["a", "c"], metrics=["fid", "mse"])
    done = {("a", 0): record(1.0), ("b", 0): record(3.0), ("c", 0): other(2.0),
            ("d", 0): other(5.0)}  # fmt: skip
    of_fid, of_mse = by_seed(several, done)
    assert texts(of_fid) == [
        ["arm", "seed 0", "against `a`"], ["`a`", "1", ""], ["`b`", "3", "+2 (+200.0 %)"],
    ]  # fmt: skip
    assert texts(of_mse)[0] == ["arm", "seed 0", "against `c`"]
    assert texts(of_mse)[2] == ["`d`", "5", "+3 (+150.0 %)"]
    (alone,) = by_seed(replace(several, baselines=["d"], metrics=["fid"]), done)
    assert texts(alone)[0] == ["arm", "seed 0"]  # nothing to compare with


def test_a_page_has_headlines_between_its_marks() -> None:
    done = {("a", 0): record(1.0), ("b", 0): record(3.0)}
    chosen = replace(study("a", "b"), headline={"arms": ["b"], "metrics": ["fid"]})
    table = table_of(Mark("headline", "one"), chosen, done)
    assert table.splitlines()[0::2] == ["| arm | fid ↓ | seeds |", "| `b` | 3 | 1 |"]
    text = "before\n<!-- headline of one: by x -->\nold\n<!-- end -->\nafter <!-- end -->\n"
    assert marked(text) == [Mark("headline", "one")]
    once = filled(text, str)
    assert once == (
        "before\n<!-- headline of one: by x -->\n\nheadline of one\n\n<!-- end -->\n"
        "after <!-- end -->\n"
    )
    assert filled(once, str) == once


def test_what_was_varied_is_shown_over_the_seeds_that_all_of_it_has() -> None:
    done = {
        ("a", 0): record(1.0), ("a", 1): record(2.0), ("b", 1): record(3.0), ("c", 0): record(4.0),
    }  # fmt: skip
    mark = Mark("varied", "one")
    chosen = replace(study("a", "b", "c", "d"), varied={"arms": ["a", "b", "d"]})
    told, _, head, _, *rows = table_of(mark, chosen, done).splitlines()
    assert told == "Seed 1:"
    assert head == "| arm | fid ↓ | seeds |"
    assert rows == ["| `a` | **2** | 1 |", "| `b` | 3 | 1 |"]
    without = replace(chosen, varied={"arms": ["b", "c"]})
    assert table_of(mark, without, done) == "No seed has been run of all of these arms yet."


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["<!-- headline of a: x -->", "text"], "the mark headline of a has no end"),
        (["<!-- checks of a: x -->", "<!-- checks of b: x -->", "<!-- end -->"], "checks of a has"),
        (["text", "<!-- end -->"], "an end has no mark before it"),
    ],
)
def test_nothing_is_lost_where_a_mark_is(lines: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        filled("\n".join(lines), str)


def test_what_it_cost() -> None:
    machine = {"device": "EPYC", "instructions": "AVX2", "threads": 1}
    done = {
        ("a", 0): record(1.0, machine=machine, peak_memory=2**30, images_per_s=100.0),
        ("a", 1): record(1.0, machine=machine, peak_memory=3 * 2**30, images_per_s=300.0),
        ("b", 0): record(1.0, machine={"device": "H100"}),
    }
    _, a, b = texts(cost(study("a", "b"), done))
    assert a == ["`a`", "10", "1.0", "200", "0.5", "2.00", "EPYC, AVX2, 1 thread"]
    assert b == ["`b`", "10", "1.0", "", "0.5", "", "H100"]


def test_any_runs_are_arms_by_what_they_differ_in() -> None:
    def run(seed: int, *own: str, **more: Any) -> dict[str, Any]:
        typed = ["experiment=hsr", "logger=csv", *own, f"seed={seed}", "threads=1"]
        return record(1.0 + seed, experiment="hsr", seed=seed, overrides=typed, **more)

    results = {
        "p/0": run(0), "p/1": run(1), "q/0": run(0, "method.weight=0"), "again/0": run(0),
        "r/0": run(0, "method.weight=9", status="failed", error="it broke"),
        "m/0": run(0, "checkpoint=a.pkl", status=None),
    }  # fmt: skip
    made, done, absent = as_study(results, Path("x"))
    assert [*done] == [("hsr", 0), ("hsr", 1), ("hsr method.weight=0", 0)]
    assert made.seeds == [0, 1]
    assert absent.lines == [
        "again/0: the same run as p/0", "r/0: failed (it broke)",
        "m/0: a measured file, not a run",
    ]  # fmt: skip
    assert texts(summary(made, done, absent.failed))[1:] == [
        ["`hsr`", "1.5", "2"], ["`hsr method.weight=0`", "1", "1"],
        ["`hsr method.weight=9`", "", "0, 1 failed"],
    ]  # fmt: skip

    def from_start(seed: int, start: int) -> dict[str, Any]:
        where = f"init_from=outputs/hsr/f2a68515-s{start}/checkpoints/networks.safetensors"
        return run(seed, where) | {"run": f"3f946775-s{seed}"}

    # Each from the start of its own seed; and the same command of another program.
    more = {"s/0": from_start(0, 0), "s/1": from_start(1, 1),
            "t/0": from_start(0, 0) | {"run": "00000000-s0"}}  # fmt: skip
    kept = {path: result | {"run": f"12345678-s{result['seed']}"} for path, result in more.items()}
    _, done_more, absent_more = as_study(more, Path("x"))
    name = "hsr"
    assert [*done_more] == [(name, 0), (name, 1), (f"{name} (00000000)", 0)]
    assert not absent_more.lines
    _, done_more, absent_more = as_study(kept, Path("x"))
    assert [*done_more] == [(name, 0), (name, 1)]
    assert absent_more.lines == ["t/0: the same run as s/0"]
    (section,) = by_seed(made, done, absent.failed)
    assert [row[:3] for row in texts(section)[1:]] == [
        ["`hsr`", "1", "2"], ["`hsr method.weight=0`", "1", ""],
        ["`hsr method.weight=9`", "failed", ""],
    ]  # fmt: skip
