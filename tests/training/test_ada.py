"""The augmentation controller: its trajectory in closed form, cap, checkpoints and ranks."""

import logging

import pytest
import torch

from ganfeat.errors import UserError
from ganfeat.training.ada import AdaController


def train(controller: AdaController, iterations: range, positive: int, batch: int = 32) -> None:
    """D calls `positive` of the `batch` real images real, in every iteration."""
    logits = torch.where(torch.arange(batch) < positive, 2.5, -0.1)[:, None]
    for iteration in iterations:
        controller.accumulate(logits)
        controller.update(iteration)


def test_p_rises_by_the_published_step_while_d_overfits() -> None:
    controller = AdaController(target=0.6, kimg=500, interval=4)
    train(controller, range(3), positive=32)
    assert controller.strength == 0
    train(controller, range(3, 40), positive=32)  # ten updates
    assert controller.strength == pytest.approx(10 * 32 * 4 / 500_000, rel=1e-5)
    assert controller.p.item() == controller.strength


def test_p_cannot_start_above_its_maximum() -> None:
    with pytest.raises(UserError, match=r"augment_p=0\.9, above ada_max_p=0\.8"):
        AdaController(target=None, p=0.9)
    assert AdaController(target=None, p=0.8).strength == pytest.approx(0.8)


def test_p_falls_below_the_target_and_never_under_zero() -> None:
    controller = AdaController(kimg=10, interval=2, p=0.01)
    train(controller, range(2), positive=25)  # the mean sign is 18/32 < 0.6
    assert controller.strength == pytest.approx(0.01 - 64 / 10_000)
    train(controller, range(2, 10), positive=25)
    assert controller.strength == 0
    train(controller, range(10, 12), positive=26)  # 20/32 > 0.6
    assert controller.strength == pytest.approx(64 / 10_000)


def test_the_mean_is_over_the_whole_interval() -> None:
    controller = AdaController(target=0.5, kimg=1, interval=2)
    for positive, iteration in ((32, 0), (23, 1)):  # mean signs 1 and 0.44
        train(controller, range(iteration, iteration + 1), positive)
    assert controller.strength == pytest.approx(0.064)


def test_p_stops_at_the_cap_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    controller = AdaController(kimg=1, interval=1, max_p=0.7)
    with caplog.at_level(logging.WARNING):
        train(controller, range(21), positive=32)
        assert controller.strength == pytest.approx(21 * 0.032)
        assert not caplog.records
        train(controller, range(21, 40), positive=32)
        train(controller, range(40, 45), positive=0)
        train(controller, range(45, 60), positive=32)
    assert controller.strength == pytest.approx(0.7)
    assert len(caplog.records) == 1
    assert "maximum of 0.7" in caplog.text


def test_without_target_p_is_fixed() -> None:
    controller = AdaController(target=None, interval=1, p=0.3)
    train(controller, range(10), positive=32)
    assert controller.strength == pytest.approx(0.3)


def test_an_interval_without_reals_changes_nothing() -> None:
    controller = AdaController(interval=1, p=0.3)
    controller.update(0)
    assert controller.strength == pytest.approx(0.3)


def test_resuming_in_mid_interval_continues_exactly() -> None:
    straight, stopped = AdaController(kimg=3), AdaController(kimg=3)
    train(straight, range(30), positive=27)
    train(stopped, range(18), positive=27)
    resumed = torch.nn.ModuleDict({"ada": AdaController(kimg=3)})
    resumed.load_state_dict(torch.nn.ModuleDict({"ada": stopped}).state_dict())
    controller = resumed["ada"]
    assert isinstance(controller, AdaController)
    assert controller.strength == stopped.strength
    train(controller, range(18, 30), positive=27)
    assert controller.strength == straight.strength
    assert set(controller.state_dict()) == {"p", "sign_sum", "sign_count"}


def test_counts_half_precision_logits_exactly() -> None:
    controller = AdaController(interval=2)
    controller.accumulate(torch.ones(1001, dtype=torch.bfloat16, requires_grad=True))
    assert controller.sign_sum.item() == controller.sign_count.item() == 1001


def test_refuses_values_that_make_no_sense() -> None:
    with pytest.raises(UserError, match="probabilities lie in"):
        AdaController(max_p=1.5)
    with pytest.raises(UserError, match="interval"):
        AdaController(interval=0)
