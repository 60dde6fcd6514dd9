"""The parts of training, each against a closed form or a second way to compute it."""

import copy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from ganfeat.errors import UserError
from ganfeat.pictures import grid_shape, image_grid, to_uint8
from ganfeat.results import folder_of_run, without_seed
from ganfeat.training import terms as terms_module
from ganfeat.training.callbacks import Monitor
from ganfeat.training.csv_log import KIMG, CSVLog
from ganfeat.training.draws import Draws, seed_of
from ganfeat.training.ema import ema_decay, update_ema
from ganfeat.training.losses import path_length_penalty, r1_penalty
from ganfeat.training.method import adam
from ganfeat.training.record import RunFolder
from ganfeat.training.terms import Terms
from ganfeat.training.wandb_log import log_weights


def test_every_part_of_a_key_changes_the_seed() -> None:
    keys = [(s, i, p, q) for s in (0, 1) for i in (0, 1) for p in ("G", "D") for q in ("z", "n")]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert seed_of(0, 1, "G", "z") == seed_of(0, 1, "G", "z") >= 0


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_shares_together_are_the_whole(parts: int) -> None:
    key = (3, 7, "Gmain")
    whole = Draws(key, n=8).randn("z", 5)
    shares = [Draws(key, n=8, offset=i, stride=parts).randn("z", 5) for i in range(parts)]
    assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), whole)
    assert not torch.equal(Draws(key, n=8).randn("other", 5), whole)
    assert 0 <= Draws(key, n=8).uniform("cut") < 1


def test_half_life_of_the_average() -> None:
    assert ema_decay(1000, 10**6, half_life_kimg=1, rampup=None) == pytest.approx(0.5)
    assert ema_decay(32, 10**6, 10, None) == pytest.approx(0.5 ** (32 / 10000))
    assert ema_decay(32, 1000, 10, 0.05) == pytest.approx(0.5 ** (32 / 50))
    assert ema_decay(32, 0, 10, 0.05) == 0
    average, model = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    nn.init.constant_(model.weight, 5.0)
    model.running_mean.fill_(7.0)  # type: ignore[union-attr]
    update_ema(average, model, 0.75)
    assert torch.equal(average.weight, torch.full([3], 2.0))
    assert torch.equal(average.running_mean, model.running_mean)


def test_lazy_regularisation_corrects_adam() -> None:
    options = adam([nn.Parameter(torch.zeros(1))], 0.002, (0.0, 0.99), 16 / 17).defaults
    assert options["lr"] == pytest.approx(0.002 * 16 / 17)
    assert options["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))


def test_resumed_terms_of_two_processes_are_a_mean_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The checkpoint has what both counted, and after it each of them counts on."""
    both = [Terms(), Terms()]

    def add(first: float, second: float) -> None:
        for terms, value in zip(both, (first, second), strict=True):
            terms.add("a", torch.tensor(value))

    def asked(question: str) -> list[Any]:
        """What each of them answers, with the sum of what both put in."""
        given: list[torch.Tensor] = []
        monkeypatch.setattr(terms_module, "sum_over_processes", lambda t: given.append(t) or t)
        for terms in both:
            getattr(copy.copy(terms), question)()
        total = torch.stack(given).sum(0)
        monkeypatch.setattr(terms_module, "sum_over_processes", lambda _: total)
        return [getattr(terms, question)() for terms in both]

    add(1.0, 3.0)
    saved, same = asked("state_dict")
    assert saved == same == {"a": (4.0, 2)}
    for rank, terms in enumerate(both):
        monkeypatch.setattr(terms_module, "rank", lambda rank=rank: rank)
        terms.load_state_dict(saved)
    add(8.0, 10.0)
    assert asked("drain") == [{"a": 5.5}] * 2


def test_terms_are_means_between_two_drains() -> None:
    terms = Terms()
    assert terms.drain() == {}
    terms.add("a", torch.tensor([1.0, 3.0]))
    terms.add("a", torch.tensor(5.0))
    terms.add("b", torch.tensor(0.5))
    assert terms.drain() == {"a": 3.5, "b": 0.5}
    assert terms.drain() == {}


def test_the_first_term_that_is_not_finite_is_named() -> None:
    terms = Terms()
    terms.check()
    terms.guard("first", torch.ones(3), 4)
    terms.guard("second", torch.tensor([1.0, float("inf")]), 4)
    terms.guard("first", torch.tensor(float("nan")), 5)
    with pytest.raises(UserError, match="second is not finite at iteration 4"):
        terms.check()


def test_csv_takes_new_columns_and_forgets_what_is_redone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    log = CSVLog(path)
    log.log_metrics({KIMG: 1, "a": 2})
    log.log_metrics({KIMG: 2, "a": 3, "b": 4})
    log.log_metrics({KIMG: 3, "b": 5})
    assert path.read_text().split() == [f"{KIMG},a,b", "1,2,", "2,3,4", "3,,5"]
    again = CSVLog(path)
    again.resume_at(2.0)
    again.log_metrics({KIMG: 3, "a": 9, "b": 9})
    assert path.read_text().split() == [f"{KIMG},a,b", "1,2,", "2,3,4", "3,9,9"]
    assert again.curves() == {KIMG: [1, 2, 3], "a": [2, 3, 9], "b": [None, 4, 9]}
    assert again.curves(points=2) == {KIMG: [1, 3], "a": [2, 9], "b": [None, 9]}


@pytest.mark.parametrize("cut", ["3,1e-", "3,1", "3", "3,1,"])
def test_csv_leaves_out_a_row_that_was_cut(tmp_path: Path, cut: str) -> None:
    """Also where what is left of its last number is another number."""
    path = tmp_path / "metrics.csv"
    path.write_text(f"{KIMG},a\r\n1,2\r\n2,1e-05\r\n{cut}")
    log = CSVLog(path)
    assert log.curves() == {KIMG: [1, 2], "a": [2, 1e-5]}
    log.resume_at(2.0)
    assert path.read_text().split() == [f"{KIMG},a", "1,2", "2,1e-05"]


def test_the_folder_of_a_run_is_found_in_a_path() -> None:
    run = Path("outputs/hsr_synthfaces/f2a68515-s12")
    inside = str(run / "checkpoints" / "networks.safetensors")
    assert folder_of_run(inside) == folder_of_run(str(run)) == run
    assert folder_of_run("weights.safetensors") is None
    assert without_seed(inside, 12) == "f2a68515/checkpoints/networks.safetensors"
    assert without_seed(inside, 2) == "f2a68515-s12/checkpoints/networks.safetensors"


def test_what_a_run_started_from_is_in_its_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    there = SimpleNamespace(
        offline=False, use_artifact=used.append, log_artifact=lambda artifact: None
    )
    artifact = SimpleNamespace(add_file=lambda path: None)
    wandb = SimpleNamespace(run=there, Artifact=lambda *_, **__: artifact)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    start = "outputs/hsr/f2a68515-s1/checkpoints/networks.safetensors"
    config = {"experiment": "hsr", "seed": 1, "init_from": start, "logger": {},
              "paths": {"outputs": str(tmp_path)}}  # fmt: skip
    log_weights(RunFolder(config), {})
    assert used == ["hsr-f2a68515-s1:latest"]


def test_the_best_of_another_run_is_not_the_best_here(tmp_path: Path) -> None:
    """After resume=RUN the networks with the lowest FID so far lie in that run's folder."""
    folder: Any = SimpleNamespace(checkpoint=tmp_path / "last.ckpt")
    clock: Any = None
    here = Monitor(folder, 1.0, None, clock)
    here.load_state_dict({"best": 3.0})
    assert here.best == float("inf")
    (tmp_path / "networks-best.safetensors").touch()
    here.load_state_dict({"best": 3.0})
    assert here.best == 3.0


def test_curves_keep_every_column(tmp_path: Path) -> None:
    """However rare: a monitor writes at some of the ticks, in rows of its own."""
    log = CSVLog(tmp_path / "metrics.csv")
    for tick in range(1, 401):
        log.log_metrics({KIMG: tick, "loss": tick / 2})
        if tick % 7 == 0:
            log.log_metrics({KIMG: tick, "monitor/fid": 1000 - tick})
    curves = log.curves(points=20)
    measured = {k: v for k, v in zip(curves[KIMG], curves["monitor/fid"], strict=True) if v}
    assert measured == {tick: 1000 - tick for tick in range(7, 401, 7)}
    assert curves["loss"] == [(kimg or 0) / 2 for kimg in curves[KIMG]]
    assert len(curves[KIMG]) <= 20 + len(measured)
    assert {*range(20, 401, 20)} <= {*curves[KIMG]}


def test_r1_of_a_quadratic() -> None:
    images = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = r1_penalty(images, images.square().sum([1, 2, 3])[:, None])
    torch.testing.assert_close(penalty.gradient, 2 * images)
    expected = (4 * images.square()).sum([1, 2, 3]).float()
    torch.testing.assert_close(penalty.value.float(), expected)


def test_path_length_of_a_linear_generator() -> None:
    ws = torch.randn(6, 4, 5, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    images = (scale * ws).reshape(6, 1, 4, 5)
    noise = torch.randn(6, 1, 4, 5, dtype=torch.float64)
    old = torch.tensor(1.0)
    penalty = path_length_penalty(images, ws, noise, old, decay=0.25)
    lengths = 3 * noise[:, 0].square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(penalty.lengths, lengths.float())
    mean = 1 + 0.25 * (lengths.mean().float() - 1)
    torch.testing.assert_close(penalty.mean, mean)
    torch.testing.assert_close(penalty.value, (lengths.float() - mean).square())
    # The mean stays in the graph: d mean / d scale is a quarter of the mean length's.
    (slope,) = torch.autograd.grad(penalty.value.sum(), scale)
    unit = lengths.float() / 3
    expected = (2 * (lengths.float() - mean) * (unit - 0.25 * unit.mean())).sum()
    torch.testing.assert_close(slope.float(), expected)


def test_grids() -> None:
    images = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 1, 2, 2)
    grid = image_grid(images, 4)
    assert grid.shape == (1, 4, 8)
    assert grid[0, ::2, ::2].tolist() == [[0, 1, 2, 3], [4, 5, -1, -1]]
    assert [grid_shape(r) for r in (16, 128, 256, 1024)] == [(8, 8), (8, 8), (8, 4), (2, 1)]
    assert to_uint8(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]
