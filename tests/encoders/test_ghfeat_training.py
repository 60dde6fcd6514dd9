"""What trains GH-Feat: the generator that stays, the losses, the schedule, and clear errors."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import official
import pytest
import tiny
import torch
from torch import Tensor, nn

from ganfeat import backbone, evaluate
from ganfeat.backbone import Generator
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.encoders.ghfeat import GHFeat, GHFeatNet
from ganfeat.encoders.ghfeat.latents import draw, layout, levels_of, sample
from ganfeat.errors import UserError
from ganfeat.examiner import Examiner
from ganfeat.features.embedded import embedded
from ganfeat.loading import load_network
from ganfeat.metrics.measure import Result
from ganfeat.networks import save_networks, state_hash
from ganfeat.tasks.task import Task
from ganfeat.tasks.trial import Trial
from ganfeat.training.draws import Draws
from ganfeat.training.method import Step

PRESET = "ghfeat_synthfaces"
ROOT = Path(__file__).parents[2]


def method(**options: Any) -> GHFeat:
    torch.manual_seed(0)
    size = {"depth": 18, "width": 8, "channels": 16}
    options = {"features": lambda: embedded("teacher"), "weights": "embedded"} | size | options
    return GHFeat(resolution=32, batch_size=8, seed=0, **options)


def step(n: int = 8) -> Step:
    images = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Step({"image": images}, Draws((0, 0, "Emain"), n))


# Spaces.


@pytest.mark.parametrize("space", ["s", "w+", "w"])
def test_levels_draw_what_w_draws(space: Any) -> None:
    """Check S1."""
    g = backbone.load("embedded")
    z = torch.randn(3, g.z_dim)
    levels = levels_of(g, z, None, space)
    assert [(n, x.shape[1]) for n, x in levels.items()] == [(n, w) for n, _, w in layout(g, space)]
    assert (draw(g, levels) - g(z)).abs().max() < 1e-5


def test_the_scale_of_a_style_counts_in_torgb_alone() -> None:
    """Check S2: demodulation takes it out of a convolution."""
    g = backbone.load("embedded")
    styles = levels_of(g, torch.randn(3, g.z_dim), None, "s")
    drawn = draw(g, styles)
    for name, style in styles.items():
        changed = (draw(g, styles | {name: 3 * style}) - drawn).abs().max()
        assert (changed > 0.01) if name.endswith("torgb") else (changed < 1e-3), name


def test_torgb_has_a_style_of_its_own() -> None:
    """Check S3: with the row that the authors' ports share, images of w cannot be said.

    There a ToRGB and the convolution above it, which read the same map, have one style.
    """
    g = backbone.load("embedded")
    styles = levels_of(g, torch.randn(3, g.z_dim), None, "s")
    own = draw(g, styles)
    for side in g.synthesis.resolutions[:-1]:
        styles[f"b{side}.torgb"] = styles[f"b{2 * side}.conv0"]
    assert (draw(g, styles) - own).abs().max() > 1e-2


def test_levels_act_inside_a_mask() -> None:
    """Where the mask is nowhere nothing changes; where it is everywhere levels are exchanged."""
    e = method().encoder.eval()
    own, other = (e.by_level(torch.randn(2, sum(e.levels.values()))) for _ in range(2))
    levels = ["b8.conv1", "b16.conv0"]
    mixed = {level: (other if level in levels else own)[level] for level in own}
    nowhere, everywhere = torch.zeros(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(e.blend(own, other, levels, nowhere), e.draw(own))
        torch.testing.assert_close(e.blend(own, other, levels, everywhere), e.draw(mixed))
        left = everywhere.clone()
        left[..., 16:] = 0
        half = e.blend(own, other, ["b32.torgb"], left)
        whole = e.draw({**own, "b32.torgb": other["b32.torgb"]})
        torch.testing.assert_close(half[..., :16], whole[..., :16])
        torch.testing.assert_close(half[..., 16:], e.draw(own)[..., 16:])


def test_levels_are_as_wide_as_their_styles() -> None:
    """Check S12: neither tiled nor padded, in the generator's order."""
    m = method()
    found = m.encoder.encode(torch.zeros(2, 3, 32, 32))
    styles = m.encoder.generator.styles(torch.zeros(2, m.encoder.generator.num_ws, 128))
    assert [*found] == [*styles]
    for name, style in styles.items():
        assert found[name].shape == style.shape, name


@pytest.mark.parametrize(
    ("resolution", "base", "count", "total"),
    [(1024, 32768, 26, 9088), (256, 32768, 20, 8704), (256, 16384, 20, 7424), (64, 4096, 14, 4352),
     (32, 4096, 11, 4096)],
)  # fmt: skip
def test_sizes_of_the_style_space(resolution: int, base: int, count: int, total: int) -> None:
    """Check S4."""
    with torch.device("meta"):
        levels = layout(Generator(resolution, channel_base=base), "s")
    assert (len(levels), sum(width for *_, width in levels)) == (count, total)


def test_samples_have_the_mean_and_deviation_of_styles() -> None:
    m = method()
    whole = torch.cat([*sample(m.encoder.generator, "s", 4000, seed=7).values()], dim=1)
    e = m.encoder
    assert ((whole.mean(dim=0) - e.mean) / e.deviation).abs().max() < 0.1
    assert (whole.std(dim=0) / e.deviation - 1).abs().max() < 0.1


def test_code_zero_is_the_mean_style() -> None:
    m = method()
    levels = m.encoder.styles(torch.zeros(1, sum(m.encoder.levels.values())))
    ws = m.encoder.generator.broadcast(m.encoder.generator.map(torch.randn(4000, 128)))
    for name, styles in m.encoder.generator.styles(ws).items():
        off = (levels[name][0] - styles.mean(dim=0)) / styles.std(dim=0)
        assert off.abs().max() < 0.1, name


def test_the_official_preset_has_the_paper_s_size() -> None:
    """ghfeat_ffhq with the usual StyleGAN2 of 256 px (methods/ghfeat.md, 1.1 and 1.5)."""
    config = compose(["experiment=ghfeat_ffhq", "backbone.weights=x", "data.path=x"])
    gan = compose(["experiment=stylegan2_ffhq", "data.path=x"])["backbone"]["generator"]
    options = {k: v for k, v in gan.items() if k != "_target_"}
    values = {k: config["method"][k] for k in ("depth", "width", "channels", "align")}
    with torch.device("meta"):
        levels = layout(Generator(256, **options), config["method"]["space"])
        network = GHFeatNet(256, levels, **values)
    said = {i: head[1].out_features for i, head in network.heads.items()}
    assert said == {"0": 1280, "1": 3072, "2": 3072}
    assert len(network.levels) == 20
    without = sum(p.numel() for p in network.parameters()) - sum(
        p.numel() for p in network.heads.parameters()
    )
    assert without / 1e6 == pytest.approx(23.5 + 8.7 + 30.7 + 7.1, abs=0.1)


# Losses.


def losses(m: GHFeat, which: str, at: Step) -> list[dict[str, Tensor]]:
    return list(getattr(m, which)(at))


def test_the_loss_of_the_encoder() -> None:
    m = method(perceptual=3.0, adversarial=0.5)
    m.train()
    (found,) = losses(m, "encoder_loss", step())
    x = step().images
    drawn = m.encoder.rebuild(x)
    maps = [m.frozen()["features"].taps(images)[-2] for images in (x, drawn)]
    torch.testing.assert_close(found["pixel"], ((drawn - x) ** 2).mean())
    torch.testing.assert_close(found["perceptual"], 3 * ((maps[0] - maps[1]) ** 2).mean())
    logits = m.discriminator(drawn, None)
    torch.testing.assert_close(found["adversarial"], 0.5 * (1 + (-logits).exp()).log().mean())


def test_calibration_makes_the_first_losses_equal() -> None:
    """Check S10: the weight is what the first batch says, and stays."""
    m = method(perceptual=None, perceptual_share=0.25)
    m.train()
    (first,) = losses(m, "encoder_loss", step())
    torch.testing.assert_close(first["perceptual"], 0.25 * first["pixel"])
    weight = m.scalars()["perceptual/weight"]
    losses(m, "encoder_loss", step(4))
    assert m.scalars()["perceptual/weight"] == weight > 0


class Linear(nn.Module):
    """A discriminator whose gradient is known."""

    def __init__(self) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.randn(3, 32, 32))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor, label: Tensor | None) -> Tensor:
        self.seen.append(images)
        return (images * self.v).sum([1, 2, 3])[:, None]


@pytest.mark.parametrize("interval", [1, 4])
def test_r1(interval: int) -> None:
    """Check S9: gamma / 2 times the squared gradient, in steps that are due."""
    m = method(r1_interval=interval)
    m.discriminator = Linear()
    losses(m, "encoder_loss", step())
    fakes, reals = losses(m, "discriminator_loss", step())
    from_e, in_d, real = m.discriminator.seen
    assert torch.equal(from_e, in_d)  # D meets what E drew
    assert torch.equal(real, step().images)
    assert [*fakes, *reals] == ["drawn", "real", "r1"]
    torch.testing.assert_close(reals["r1"], 5 * interval * m.discriminator.v.square().sum())
    m.iteration = 1
    losses(m, "encoder_loss", step())
    assert ("r1" in losses(m, "discriminator_loss", step())[1]) == (interval == 1)


def test_a_discriminator_that_looks_at_some() -> None:
    m = method(adversarial_stride=4)
    m.discriminator = Linear()
    drawn = m.encoder.train().rebuild(step().images)
    (of_e,) = losses(m, "encoder_loss", step())
    losses(m, "discriminator_loss", step())
    from_e, in_d, real = m.discriminator.seen
    assert torch.equal(from_e, in_d)
    torch.testing.assert_close(from_e, drawn[[0, 4]])
    assert torch.equal(real, step().images[[0, 4]])
    torch.testing.assert_close(of_e["pixel"], ((drawn - step().images) ** 2).mean())


@pytest.mark.parametrize("batch_size", [8, 96])
def test_the_learning_rate_falls_with_images(batch_size: int) -> None:
    """Check S8: 1e-4, 8e-5 and 1.68e-5 at 0, 1.75 and 14 million images."""
    m = method()
    m.batch_size = batch_size
    for images, rate in ((0, 1e-4), (1.75e6, 8e-5), (14e6, 1.68e-5)):
        m.iteration = round(images / batch_size)
        assert m.lr * m.schedule() == pytest.approx(rate, rel=0.01)


# Runs.


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(tiny.only(folder, "metrics.csv").open()))


def test_scores_of_samples_are_said_at_the_start(tmp_path: Path) -> None:
    """Check S11, its second half: percentiles that the reconstructions' scores stand beside."""
    g, d = backbone.load("embedded"), backbone.load("embedded", "d")
    with torch.no_grad():
        z = torch.randn(1024, g.z_dim)
        scores = torch.cat([d(g(part), None) for part in z.split(8)])
    tiny.train(tmp_path, "total_kimg=0.008", experiment=PRESET)
    said = tiny.only(tmp_path, "train.log").read_text().partition("D scores samples of G")[2]
    low, high, middle = (float(number) for number in re.findall(r"-?\d+\.\d+", said)[:3])
    wanted = scores.quantile(torch.tensor([0.05, 0.95, 0.5])).tolist()
    assert [low, high, middle] == pytest.approx(wanted, abs=0.2)
    assert "score/drawn" in rows(tmp_path)[0]
    short = tiny.only(tmp_path, "last.ckpt")
    line = ["total_kimg=0.016", f"resume={short}"]
    tiny.train(tmp_path / "longer", *line, experiment=PRESET)
    assert "D scores" not in tiny.only(tmp_path / "longer", "train.log").read_text()


def test_only_encoder_and_discriminator_learn(tmp_path: Path, monkeypatch: Any) -> None:
    """Check S6, after ten steps; and that no frozen network is in the weights file."""
    kept: list[GHFeat] = []
    untouched = GHFeat.end_iteration

    def watch(self: GHFeat) -> None:
        untouched(self)
        kept.append(self)

    monkeypatch.setattr(GHFeat, "end_iteration", watch)
    line = ("total_kimg=0.08", "method.perceptual_share=0.5")
    result = tiny.train(tmp_path, *line, experiment=PRESET)
    m, fresh = kept[-1], method()
    for name, network in m.frozen().items():
        assert state_hash(network) == state_hash(fresh.frozen()[name]), name
        assert all(p.grad is None for p in network.parameters())
    assert {*result["weights"]} == {"encoder", "encoder_ema", "d"}
    assert result["weights"]["d"] != state_hash(fresh.discriminator)
    for head in m.encoder.heads.values():
        assert head[1].weight.grad.abs().sum() > 0
    first = rows(tmp_path)[0]
    assert float(first["loss/Emain/perceptual"]) == pytest.approx(
        0.5 * float(first["loss/Emain/pixel"]), rel=1e-4
    )


@pytest.mark.slow
def test_sixteen_images_are_learnt_by_heart() -> None:
    """Check L4: the error falls more than 20 times in 500 steps."""
    m = method(perceptual=0.0, adversarial=0.0, width=16, channels=64).train()
    images = SynthFaces("train", 32).__getitems__(range(16))["image"]
    optimizer = torch.optim.Adam(m.encoder.parameters(), lr=1e-3)
    errors = []
    for i in range(500):
        (found,) = losses(m, "encoder_loss", Step({"image": images}, Draws((0, i, "Emain"), 16)))
        optimizer.zero_grad()
        found["pixel"].backward()
        optimizer.step()
        errors.append(float(found["pixel"].detach()))
    assert errors[0] > 20 * sum(errors[-10:]) / 10


@pytest.mark.slow
def test_bf16(tmp_path: Path) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        line = ["total_kimg=0.016", f"precision={precision}"]
        tiny.train(tmp_path / precision, *line, experiment=PRESET)
        found[precision] = [float(row["loss/Emain/pixel"]) for row in rows(tmp_path / precision)]
    assert found["bf16"] != found["fp32"]
    assert found["bf16"] == pytest.approx(found["fp32"], rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["precision=bf16", "trainer.devices=2"])
def test_resumed_is_bit_equal(tmp_path: Path, line: str) -> None:
    """In bf16, and in two processes; elsewhere the contract of all methods tests it."""
    for folder, more in (
        ("whole", ["total_kimg=0.032"]), ("short", ["total_kimg=0.016"]),
        ("parts", ["total_kimg=0.032", f"resume={tmp_path / 'short.ckpt'}"]),
    ):  # fmt: skip
        overrides = tiny.overrides(tmp_path / folder, line, *more, experiment=PRESET)
        subprocess.run([sys.executable, "train.py", *overrides], cwd=ROOT, check=True, timeout=300)
        if folder == "short":
            shutil.copy(tiny.only(tmp_path / folder, "last.ckpt"), tmp_path / "short.ckpt")
    whole, parts = (
        torch.load(tiny.only(tmp_path / folder, "last.ckpt"), weights_only=True)
        for folder in ("whole", "parts")
    )
    assert whole["global_step"] == parts["global_step"] > 2
    assert whole["state_dict"].keys() == parts["state_dict"].keys()
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, parts["state_dict"][name]), name


def test_without_an_average(tmp_path: Path) -> None:
    """What is measured is then what was trained."""
    tiny.train(tmp_path, "total_kimg=0.024", "method.ema_kimg=0", experiment=PRESET)
    file = tiny.only(tmp_path, "networks.safetensors")
    own, average = (load_network(file, name).state_dict() for name in ("encoder", "encoder_ema"))
    assert own.keys() == average.keys()
    for name, value in own.items():
        assert torch.equal(value, average[name]), name


def test_without_adversary_and_perception(tmp_path: Path) -> None:
    line = ["total_kimg=0.016", "method.adversarial=0", "method.perceptual=0"]
    result = tiny.train(tmp_path, *line, experiment=PRESET)
    assert {*result["weights"]} == {"encoder", "encoder_ema"}
    assert [name for name in rows(tmp_path)[0] if name.startswith("loss/")] == ["loss/Emain/pixel"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["data.resolution=64"], "a generator of 32 px, and the data have 64 px"),
        (["features=none"], "needs a perceptual network"),
        (["batch_size=1"], "too small: the encoder's batch norm needs 2"),
        (["trainer.accumulate=8"], "too small"),
        (["method.adversarial_stride=4"], "shows the discriminator 2 of a share of 8 images"),
        (["batch_size=16", "method.adversarial_stride=3"], "6 of a share of 16 .* groups of 4"),
        (["backbone.weights=nowhere"], "nowhere does not exist"),
        (["method.tap=-9"], "tap=-9: teacher has 4 maps, from -4 to -1"),
        (["tasks=all", "tasks.segmentation.shots=[]"], "shots must have at least 1 item, not 0"),
        (["tasks=all", "tasks.segmentation.shots=[0]"], r"shots\[0\] must be at least 1"),
        (["tasks=all", "tasks.landmarks.eyes=[0]"], "eyes must have 2 items, not 1"),
        (["tasks=all", "tasks.editing.attributes=[]"], "attributes must have at least 1 item"),
        (["method.depth=19"], "choose one of 18, 34, 50, 101"),
        (["method.space=wplus"], "space"),
        (["backbone.weights=CONDITIONAL"], "labels of 3 numbers, and the data have 0"),
    ],
)
def test_what_cannot_be(tmp_path: Path, line: list[str], message: str) -> None:
    if "CONDITIONAL" in line[0]:
        file = official.write(tmp_path / "gan.pkl", official.networks(3, 32))
        line = [f"backbone.weights={file}"]
    with pytest.raises(UserError, match=message):
        tiny.train(tmp_path, *line, experiment=PRESET)


@pytest.mark.slow
def test_an_encoder_of_another_generator_does_not_resume(tmp_path: Path) -> None:
    torch.manual_seed(1)
    networks = {"g_ema": backbone.load("embedded"), "d": backbone.load("embedded", "d")}
    networks["g_ema"].mapping.w_avg.add_(1)
    save_networks(tmp_path / "other.safetensors", networks, {"source": "", "licence": ""})
    tiny.train(tmp_path / "a", experiment=PRESET)
    with pytest.raises(UserError, match="generator_hash"):
        tiny.train(
            tmp_path / "b",
            f"resume={tiny.only(tmp_path / 'a', 'result.json').parent}",
            f"backbone.weights={tmp_path / 'other.safetensors'}",
            experiment=PRESET,
        )


def test_what_taught_does_not_measure(tmp_path: Path) -> None:
    """Whichever file of the run is measured."""
    line = ["total_kimg=0.016", "trainer.snapshot_kimg=0.008"]
    tiny.train(tmp_path, *line, experiment=PRESET)
    folder = tiny.only(tmp_path, "last.ckpt").parent
    files = ["last.ckpt", "networks.safetensors", "networks-00000.008.safetensors"]
    for file in files:
        words = [
            f"checkpoint={folder / file}", f"paths.outputs={tmp_path}", "logger=csv", "device=cpu",
            "tasks=all", "data=synthfaces", "features@judge.perceptual=teacher",
        ]  # fmt: skip
        with pytest.raises(UserError, match="features shares weights with the judge's teacher"):
            evaluate.run(compose(words, "evaluate"), words)


def test_a_copy_draws_with_a_copy_of_the_generator(tmp_path: Path) -> None:
    """The one that it was trained with, whatever lies by now where that was."""
    encoder = method().artefact()
    assert isinstance(encoder, GHFeatNet)
    encoder.weights = encoder.config["weights"] = str(tmp_path / "gone")
    examiner = Examiner(None, {"own": Rebuilt()}, "cpu", tmp_path)
    assert examiner.examine(encoder, SynthFaces("train", 32, 8), show=False).values == []


class Rebuilt(Task):
    draws = True

    def result(self, trial: Trial) -> Result:
        images = SynthFaces("test", 32, 2).__getitems__([0, 1])["image"]
        assert torch.isfinite(trial.rebuilt(images)).all()
        return Result([])


def test_a_generator_that_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place can be given, and no other generator is taken for it."""
    g = backbone.load("embedded")
    network = GHFeatNet(32, layout(g, "s"), 18, 8, 16, weights="nowhere", generator_hash="")
    with pytest.raises(UserError, match="another generator than this one"):
        network.find_generator("embedded")
    config = compose([f"experiment={PRESET}", "tasks=all"])
    header = {"source": {}, "licence": "", "data": config["data"], "judge": config["judge"]}
    tasks = config["tasks"]
    network = GHFeatNet(
        32, layout(g, "s"), 18, 8, 16, weights="nowhere", generator_hash=state_hash(g)
    )
    path = tmp_path / "encoder.safetensors"
    save_networks(path, {"encoder_ema": network}, header)
    line = [
        f"checkpoint={path}", f"paths.outputs={tmp_path}", "logger=csv", "device=cpu", "threads=1",
        "tasks=all", *(f"tasks.{name}=null" for name in tasks if name != "own_samples"),
        "tasks.own_samples.n=8",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"nowhere does not exist.* generator=FILE says where"):
        evaluate.run(compose(line, "evaluate"), line)
    more = [text for text in line if text != "tasks.factors=null"]
    with monkeypatch.context() as patch:
        patch.setattr(Trial, "seen", lambda *_: pytest.fail("it is said before codes are read"))
        with pytest.raises(UserError, match="says where"):
            evaluate.run(compose(more, "evaluate"), more)
    with pytest.raises(UserError, match="nothing does not exist"):
        evaluate.run(compose([*line, "generator=nothing"], "evaluate"), line)
    line.append("generator=embedded")
    found = evaluate.run(compose(line, "evaluate"), line)["metrics"]
    names = [value["name"] for value in found]
    assert names == ["own_face8", "own_whole8"]
