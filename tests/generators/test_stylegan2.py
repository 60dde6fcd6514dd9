"""What the StyleGAN2 method does in an iteration, and that every preset can take a step."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from ganfeat.backbone import Discriminator, Generator
from ganfeat.errors import UserError
from ganfeat.generators.stylegan2 import StyleGAN2
from ganfeat.training.draws import Draws
from ganfeat.training.method import Method, Phase, Step


def method(**options: Any) -> StyleGAN2:
    size = {"channel_base": 128, "channel_max": 8}
    torch.manual_seed(0)
    g = Generator(16, z_dim=8, w_dim=8, mapping_layers=2, **size)
    return StyleGAN2(g, Discriminator(16, **size), batch_size=8, seed=0, **options)


def step(iteration: int = 0, n: int = 8) -> Step:
    return Step({"image": torch.zeros(n, 3, 16, 16)}, Draws((0, iteration, "Gmain"), n))


def test_order_and_interval_of_the_phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[int, str]] = []
    untouched = Method._run_phase

    def run_phase(self: Method, phase: Phase, *args: Any, **options: Any) -> None:
        ran.append((self.iteration, phase.name))
        before = {k: v.clone() for k, v in self.state_dict().items()}
        untouched(self, phase, *args, **options)
        changed = {k for k, v in self.state_dict().items() if not torch.equal(v, before[k])}
        allowed = (phase.network, "pl_mean") if phase.name == "Gpl" else (phase.network,)
        assert changed
        assert all(name.startswith(allowed) for name in changed)

    monkeypatch.setattr(Method, "_run_phase", run_phase)
    tiny.train(tmp_path, "total_kimg=0.136")
    expected = []
    for i in range(17):
        expected += [(i, "Gmain")] + [(i, "Gpl")] * (i % 4 == 0)
        expected += [(i, "Dmain")] + [(i, "Dr1")] * (i % 16 == 0)
    assert ran == expected


def test_a_regulariser_of_weight_zero_is_left_out() -> None:
    names = [phase.name for phase in method(pl_weight=0.0, r1_gamma=0.0).phases()]
    assert names == ["Gmain", "Dmain"]


def test_the_weight_of_r1_moves_by_the_same_factor_for_every_image() -> None:
    m = method(r1_gamma_start=2.0, r1_gamma=0.5, r1_kimg=0.8)  # 100 iterations of 8 images
    weights = []
    for m.iteration in (0, 50, 100, 200):
        x = step(n=8)
        [loss] = next(iter(m.r1_loss(x))).values()
        weights.append(m.r1_weight())
        assert loss.item() == pytest.approx(m.r1_weight() / 2 * penalty(m, x), rel=1e-5)
        assert m.scalars() == {"r1/gamma": m.r1_weight()}
    assert weights == pytest.approx([2.0, 1.0, 0.5, 0.5])
    assert method(r1_gamma=0.5).r1_weight() == 0.5


def penalty(m: StyleGAN2, x: Step) -> float:
    """Mean squared norm of D's gradient, image by image."""
    images = x.images.clone().requires_grad_()
    gradients = torch.autograd.grad(m.discriminator(images).sum(), images)[0]
    return gradients.square().sum(dim=[1, 2, 3]).mean().item()


def test_r1_that_is_left_out_has_no_start() -> None:
    with pytest.raises(UserError, match="r1_gamma_start must be null"):
        method(r1_gamma=0.0, r1_gamma_start=2.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"augment": "bgc", "ada_target": None}, "augment=bgc would never do anything"),
        ({"augment_p": 0.5}, r"augment_p=0\.5 has nothing to do"),
    ],
)
def test_augmentation_that_would_do_nothing(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        method(**given)


def test_weights_that_init_from_gave_have_no_first_steps(tmp_path: Path) -> None:
    """Their average is kept for its whole half-life, and R1 has its last weight at once."""
    m = method(r1_gamma_start=2.0, r1_gamma=0.5, ema_rampup=0.05)
    assert m.r1_weight() == 2.0
    m.start = {"g": "a hash"}
    assert m.r1_weight() == 0.5
    assert m.scalars() == {}
    one_step = ["method.ema_rampup=0.05", "method.ema_kimg=1e9", "total_kimg=0.008"]
    tiny.train(tmp_path / "first", *one_step)
    weights = tiny.only(tmp_path / "first", "networks.safetensors")
    tiny.train(tmp_path / "second", *one_step, f"init_from={weights}")
    for run, same in (("first", True), ("second", False)):
        state = torch.load(tiny.only(tmp_path / run, "last.ckpt"), weights_only=True)["state_dict"]
        trained, average = state["generator.synthesis.b4.const"], state["ema.synthesis.b4.const"]
        assert torch.equal(trained, average) == same


def test_style_mixing() -> None:
    m = method(mixing_prob=0.5)
    cuts = []
    for i in range(400):
        with torch.no_grad():
            ws = m.latents(step(i, n=2))
        changes = (ws[:, 1:] != ws[:, :-1]).any(2)
        assert torch.equal(changes[0], changes[1])
        assert changes[0].sum() <= 1
        cuts += [int(changes[0].int().argmax()) + 1] if changes.any() else []
    assert 160 < len(cuts) < 240
    assert set(cuts) == set(range(1, m.generator.num_ws))


def test_running_mean_of_w_follows_the_first_latents_only() -> None:
    m = method(mixing_prob=1.0, w_avg_beta=0.9)
    draws = step().draws
    with torch.no_grad():
        m.latents(step(), track=True)
        m.end_iteration()
        expected = 0.1 * m.generator.map(draws.randn("z", 8)).mean(0)
    torch.testing.assert_close(m.generator.w_avg, expected)


def test_losses_are_those_of_the_paper() -> None:
    m = method(mixing_prob=0.0)
    with torch.no_grad():
        fakes = m.synthesize(m.latents(step()), step().draws)
        logits = m.discriminator(fakes)
        loss = next(m.generator_loss(step()))["adversarial"]
        torch.testing.assert_close(loss, torch.log1p(torch.exp(-logits)).mean())
        fake, real = (next(iter(losses.values())) for losses in m.discriminator_loss(step()))
        torch.testing.assert_close(fake, torch.log1p(torch.exp(logits)).mean())
        reals = m.discriminator(step().images)
        torch.testing.assert_close(real, torch.log1p(torch.exp(-reals)).mean())


@pytest.mark.parametrize(("half_life", "same"), [("1e-9", True), ("1e9", False)])
def test_the_average_follows_the_generator(tmp_path: Path, half_life: str, same: bool) -> None:
    line = ["method.ema_rampup=null", f"method.ema_kimg={half_life}", "total_kimg=0.016"]
    tiny.train(tmp_path, *line)
    state = torch.load(tiny.only(tmp_path, "last.ckpt"), weights_only=True)["state_dict"]
    trained, average = state["generator.synthesis.b4.const"], state["ema.synthesis.b4.const"]
    assert torch.equal(trained, average) == same
    assert torch.equal(state["generator.mapping.w_avg"], state["ema.mapping.w_avg"])
