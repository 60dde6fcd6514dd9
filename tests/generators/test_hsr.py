"""HSR against the authors' arrays, its gradients, its controls and what they leave unchanged."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import parity
import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat import evaluate
from ganfeat.backbone import Discriminator, Generator
from ganfeat.backbone.official import read_official
from ganfeat.build import build
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.encoders.fixed import DiscriminatorFeatures
from ganfeat.errors import UserError
from ganfeat.exams import check_apart
from ganfeat.features import Features, SmallNet
from ganfeat.features.embedded import embedded
from ganfeat.features.network import across_channels, paired
from ganfeat.features.randomised import randomised
from ganfeat.generators.hsr import HSR, Heads, distance
from ganfeat.metrics.subject import Judge
from ganfeat.networks import state_hash, weights_of
from ganfeat.training.draws import Draws
from ganfeat.training.method import Method, Step

PRESET = "hsr_synthfaces"
TAPS = (8, 16, 32, 64)


# The authors' arrays.


def arrays() -> dict[str, Tensor]:
    return {k: torch.as_tensor(v) for k, v in parity.load("methods/hsr").items()}


def close(got: Tensor, want: Tensor, bound: float) -> None:
    """Within a share of the largest entry."""
    assert got.shape == want.shape
    assert (got - want).abs().max() <= bound * want.abs().max()


def their_heads(a: dict[str, Tensor]) -> Heads:
    heads = Heads(TAPS, [a[f"in.map.{r}"].shape[1] for r in TAPS], [24] * 4, 32)
    heads.load_state_dict(
        {f"b{k.removeprefix('in.head.')}": v for k, v in a.items() if k.startswith("in.head.")}
    )
    return heads


@pytest.mark.parametrize("kind", ["mse", "cosine"])
def test_heads_losses_and_gradients(kind: Any) -> None:
    a = arrays()
    heads = their_heads(a)
    maps = {r: a[f"in.map.{r}"].requires_grad_() for r in TAPS}
    said = heads(maps)
    losses = {r: distance(said[r], a[f"in.target.{r}"], kind) for r in TAPS}
    for r in TAPS:
        close(said[r], a[f"out.head.{r}"], 2e-5)
        close(F.adaptive_avg_pool2d(said[r], 14), a[f"out.resized.{r}"], 2e-5)
        close(losses[r], a[f"out.{kind}.loss.{r}"], 2e-5)
    total = torch.stack([*losses.values()]).sum()
    close(total, a[f"out.{kind}.total"], 2e-5)
    total.backward()
    compared = 0
    for r in TAPS:
        close(maps[r].grad, a[f"out.{kind}.grad.map.{r}"], 1e-4)
        for name, parameter in heads.get_submodule(f"b{r}").named_parameters():
            close(parameter.grad, a[f"out.{kind}.grad.head.{r}.{name}"], 1e-4)
            compared += 1
    assert compared == 16


class Given(Features):
    """A teacher that hands back given maps, the finest first."""

    name = "given"

    def __init__(self, maps: list[Tensor]) -> None:
        super().__init__()
        self.maps = maps

    def taps(self, images: Tensor) -> list[Tensor]:
        return self.maps


def test_a_whole_generator() -> None:
    """Taps, losses, and where gradients reach and how far (check C2)."""
    a = arrays()
    state = {k.removeprefix("g.sd."): v for k, v in a.items() if k.startswith("g.sd.")}
    g = Generator(128, z_dim=16, w_dim=16, mapping_layers=2, channel_base=512, channel_max=16)
    own = g.state_dict()
    g.load_state_dict(own | {k: v for k, v in state.items() if "feat_transfer" not in k})
    targets = [a[f"in.target.{r}"] for r in reversed(TAPS)]
    d = Discriminator(128, channel_base=512, channel_max=16)
    m = HSR(g, d, batch_size=2, seed=0, features=lambda: Given(targets), head_width=32)
    theirs = {}
    for i, r in enumerate(TAPS):
        for end in ("weight", "bias"):
            for n in (1, 2):
                key = f"synthesis.feat_transfer_list.{i}.conv1x1_{n}.{end}"
                theirs[f"b{r}.conv{n}.{end}"] = state[key]
    m.heads.load_state_dict(theirs)
    images, maps = g.synthesize(g.broadcast(g.map(a["g.in.z"])), taps=TAPS)
    for r in TAPS:
        close(maps[r][: len(a[f"g.out.tap.{r}"])], a[f"g.out.tap.{r}"], 1e-4)
    losses = m.layer_losses(maps, m.targets(images))
    for r in TAPS:
        close(losses[r], a[f"g.out.loss.{r}"], 1e-4)
    total = torch.stack([*losses.values()]).sum()
    close(total, a["g.out.total"], 1e-4)
    total.backward()
    names = {
        f"synthesis.feat_transfer_list.{TAPS.index(int(k.split('.')[0][1:]))}"
        f".conv1x1_{k.split('.')[1][4:]}.{k.split('.')[2]}": p
        for k, p in m.heads.named_parameters()
    } | dict(g.named_parameters())
    reached = 0
    for name, parameter in names.items():
        if name.endswith("noise_strength"):  # not listed: theirs depends on random noise
            continue
        has = a[f"g.has_grad/{name}"].item()
        assert (parameter.grad is not None) == bool(has), name
        if has:
            norm = a[f"g.grad_norm/{name}"].double()
            assert parameter.grad.norm().double().item() == pytest.approx(norm.item(), rel=1e-3)
            total = a[f"g.grad_sum/{name}"].item()
            bound = 1e-3 * norm.item() * math.sqrt(parameter.numel()) + 1e-6
            assert parameter.grad.sum().item() == pytest.approx(total, abs=bound)
            reached += 1
    assert {k.removeprefix("g.has_grad/") for k in a if k.startswith("g.has_grad/")} <= {*names}
    assert reached > 40
    assert all(p.grad is None for p in d.parameters())


def test_the_grids_of_a_transformer(teachers: Callable[[str], Path]) -> None:
    """Blocks 3, 6, 9, 12 without the class token, the deepest for the coarsest tap."""
    a = arrays()
    line = ["features=dino_vitb16", f"features.path={teachers('dino_vitb16')}", "data.path=x"]
    network = build(compose(["experiment=hsr_ffhq", *line])["features"])
    tokens = [*a["vit.in.tokens"]]  # in the place of what the blocks say
    for block, said in zip(network.model.blocks, tokens, strict=True):
        block.forward = lambda x, said=said: said
    network.model.norm = nn.Identity()
    maps = network.taps(torch.zeros(len(tokens[0]), 3, 32, 32))
    pairs = paired(TAPS, None)
    assert [*pairs] == list(TAPS)
    for tap, grid in zip(pairs, a["vit.out.grids"], strict=True):
        assert torch.equal(maps[pairs[tap]], grid)


def test_sizes_of_the_paper() -> None:
    heads = Heads(TAPS, [512, 512, 512, 256], [768] * 4, 4096)
    assert sum(p.numel() for p in heads.parameters()) == 19_942_400
    said = heads({8: torch.zeros(1, 512, 8, 8), 64: torch.zeros(1, 256, 64, 64)})
    assert [x.shape for x in said.values()] == [(1, 768, 8, 8), (1, 768, 64, 64)]
    assert distance(said[64], torch.ones(1, 768, 14, 14), "mse") == 1


def test_cosine_is_the_distance_of_unit_vectors() -> None:
    a, b = torch.randn(2, 3, 10, 7, 7)
    units = F.mse_loss(F.normalize(a, dim=1), F.normalize(b, dim=1)) * 10
    torch.testing.assert_close(distance(a, b, "cosine"), units)


def test_enlarging_is_by_area() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    larger = torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 4.5, 5, 5.5, 6, 6.5, 7])
    assert distance(ramp, larger.expand(1, 1, 14, 14), "mse") == 0
    assert distance(ramp.mT, larger[:, None].expand(1, 1, 14, 14), "mse") == 0


# What a step does.


def step(n: int = 8, iteration: int = 0) -> Step:
    return Step({"image": torch.zeros(n, 3, 32, 32)}, Draws((0, iteration, "Gmain"), n))


def teacher() -> Features:
    torch.manual_seed(5)
    net = SmallNet("teacher", widths=(8, 8, 16, 16), dim=48)
    return net.eval().requires_grad_(False)


def method(**options: Any) -> HSR:
    size = {"channel_base": 256, "channel_max": 16}
    torch.manual_seed(0)
    g = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, **size)
    d = Discriminator(32, **size)
    options = {"features": teacher, "taps": (8, 16), "head_width": 24} | options
    return HSR(g, d, batch_size=8, seed=0, **options)


def loss(m: HSR, at: Step) -> Tensor:
    return next(iter(m.generator_loss(at)))["hsr"]


def test_gradients_reach_only_what_they_should() -> None:
    m = method()
    m.train()
    loss(m, step()).backward()
    for name, parameter in m.generator.named_parameters():
        block = name.split(".")[1] if name.startswith("synthesis") else ""
        should = name.startswith("mapping") or (
            block in ("b4", "b8", "b16") and "torgb" not in name
        )
        reached = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert reached == should, name
    assert all(p.grad.abs().sum() > 0 for p in m.heads.parameters())
    assert all(p.grad is None for p in m.discriminator.parameters())
    assert all(p.grad is None for p in m._teacher[0].parameters())


def test_what_makes_no_gradient_still_moves_the_target() -> None:
    """Check C3: blocks above the taps, and ToRGB, change the image that the teacher sees."""
    for name in ("synthesis.b32.conv1.weight", "synthesis.b8.torgb.weight"):
        m = method()
        before = loss(m, step()).item()
        with torch.no_grad():
            m.generator.get_parameter(name).neg_()
        assert abs(loss(m, step()).item() - before) > 1e-4 * before


def test_a_batch_twice_is_the_same_loss() -> None:
    m = method()
    maps = {8: torch.randn(3, 16, 8, 8), 16: torch.randn(3, 16, 16, 16)}
    targets = m.targets(torch.randn(3, 3, 32, 32))
    once = m.layer_losses(maps, targets)
    twice = m.layer_losses(*({k: torch.cat([v, v]) for k, v in x.items()} for x in (maps, targets)))
    for tap in once:
        torch.testing.assert_close(once[tap], twice[tap])
        alone = distance(m.heads({tap: maps[tap]})[tap], targets[tap], "mse")
        torch.testing.assert_close(once[tap], alone)


def test_pairs_and_subsets() -> None:
    maps = teacher().taps(torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    usual = method().targets(images)
    assert torch.equal(usual[8], maps[-1])
    assert torch.equal(usual[16], maps[-2])
    other = method(layers=[-2, -1]).targets(images)
    assert torch.equal(other[8], maps[-2])
    assert torch.equal(other[16], maps[-1])
    assert [*method(taps=[16]).targets(images)] == [16]
    assert [name for name, _ in method(taps=[16]).heads.named_children()] == ["b16"]


def test_the_weight_and_the_distance_count() -> None:
    one = loss(method(), step())
    torch.testing.assert_close(loss(method(weight=3.0), step()), 3 * one)
    assert loss(method(distance="cosine"), step()) != one


def test_normalised_targets_have_deviation_one() -> None:
    images = torch.randn(8, 3, 32, 32)
    targets = method(normalise=True).targets(images)
    plain = method().targets(images)
    for tap, t in targets.items():
        mean, variance = plain[tap].mean(dim=1), plain[tap].var(dim=1, correction=0)
        want = (plain[tap] - mean[:, None]) / (variance[:, None] + 1e-5).sqrt()
        torch.testing.assert_close(t, want, atol=1e-5, rtol=1e-4)


# The controls.


def test_shuffled_targets_are_those_of_another_image() -> None:
    images = torch.randn(8, 3, 32, 32)
    plain, shuffled = (method(control=c).targets(images) for c in ("none", "shuffled"))
    for tap in plain:
        assert torch.equal(shuffled[tap], plain[tap][[4, 5, 6, 7, 0, 1, 2, 3]])


@pytest.mark.parametrize("line", [["trainer.accumulate=8"], ["batch_size=1"]])
def test_shuffled_pairs_need_whole_shares(tmp_path: Path, line: list[str]) -> None:
    line = [*line, "method.control=shuffled", "backbone.discriminator.mbstd_group=1"]
    with pytest.raises(UserError, match="half a batch apart"):
        weights(tmp_path, "method.start_kimg=500", "method.pl_weight=0", *line)


@pytest.mark.slow
@pytest.mark.parametrize("control", ["none", "shuffled"])
def test_micro_batches_compute_what_one_batch_does(tmp_path: Path, control: str) -> None:
    found = {}
    line = ["method.pl_weight=0", f"method.control={control}"]
    for parts in (1, 2):
        weights(tmp_path / str(parts), *line, f"trainer.accumulate={parts}")
        rows = csv.DictReader(tiny.only(tmp_path / str(parts), "metrics.csv").open())
        found[parts] = [float(row[f"hsr/{tap}"]) for row in rows for tap in (8, 16)]
    assert found[1] == pytest.approx(found[2], rel=1e-4)


def test_a_random_teacher_is_the_same_network_with_other_weights() -> None:
    one, two = method(control="random")._teacher[0], method(control="random")._teacher[0]
    assert state_hash(one) == state_hash(two) != state_hash(teacher())
    assert one.name == "random_teacher"
    assert not one.standard.mean.any()  # nothing is left of what it saw
    assert not any(p.requires_grad for p in one.parameters())
    maps, others = (t.taps(torch.randn(2, 3, 32, 32)) for t in (one, teacher()))
    assert [m.shape for m in maps] == [m.shape for m in others]
    assert all(torch.isfinite(m).all() and m.std() > 0 for m in maps)


def weights(folder: Path, *more: str) -> dict[str, str]:
    result = tiny.train(folder, "data.resolution=32", *more, experiment=PRESET)
    return {k: v for k, v in result["weights"].items() if k != "heads"}


@pytest.mark.parametrize(
    "line", [["method.weight=0"], ["method.control=detached"], ["method.start_kimg=1"]]
)
def test_what_leaves_g_and_d_as_plain_training_makes_them(tmp_path: Path, line: list[str]) -> None:
    """Checks C5, control C, and the time before the start: bit by bit."""
    plain = tiny.train(
        tmp_path,
        "data.resolution=32",
        "method.r1_gamma_start=2",
        "method.r1_gamma=0.2",
        "method.r1_kimg=75",
        "method.ema_rampup=0.05",
    )
    assert weights(tmp_path / "hsr", *line) == plain["weights"]


def test_hsr_changes_g(tmp_path: Path) -> None:
    assert weights(tmp_path / "a") != weights(tmp_path / "b", "method.weight=0")


def test_bf16(tmp_path: Path) -> None:
    """In bf16 G's maps come in halves of their bits; heads, targets and losses do not."""
    m = method()
    half = torch.randn(2, 16, 8, 8).bfloat16()
    assert torch.equal(m.heads({8: half})[8], m.heads({8: half.float()})[8])
    assert {t.dtype for t in m.targets(torch.randn(8, 3, 32, 32)).values()} == {torch.float32}
    found = {}
    for precision in ("fp32", "bf16"):
        weights(tmp_path / precision, f"precision={precision}", "total_kimg=0.016")
        rows = csv.DictReader(tiny.only(tmp_path / precision, "metrics.csv").open())
        found[precision] = [float(row["loss/Gmain/hsr"]) for row in rows]
    assert found["bf16"] != found["fp32"]
    assert found["bf16"] == pytest.approx(found["fp32"], rel=2e-2)


def test_the_teacher_looks_once_per_step_of_g(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check C6; and C8: its bytes stay, it is in evaluation mode, no graph is made."""
    calls: list[tuple[int, bool, bool]] = []
    looks: list[int] = []
    phases: list[str] = []
    held: list[str] = []
    untouched, run_phase, look = HSR.targets, Method._run_phase, SmallNet.taps

    def taps(self: SmallNet, images: Tensor) -> list[Tensor]:
        looks.append(len(images))
        return look(self, images)

    def targets(self: HSR, images: Tensor) -> dict[int, Tensor]:
        found = untouched(self, images)
        made = any(t.requires_grad for t in found.values())
        calls.append((self.iteration, self._teacher[0].training, made))
        return found

    def spy(self: HSR, phase: Any, *args: Any, **options: Any) -> None:
        before = len(calls)
        run_phase(self, phase, *args, **options)
        phases.extend([phase.name] * (len(calls) - before))
        held.append(state_hash(self._teacher[0]))

    monkeypatch.setattr(HSR, "targets", targets)
    monkeypatch.setattr(SmallNet, "taps", taps)
    monkeypatch.setattr(Method, "_run_phase", spy)
    weights(tmp_path, "method.start_kimg=0.04")
    assert calls == [(i, False, False) for i in range(5, 16)]
    assert phases == ["Gmain"] * 11
    assert looks == [1] + [8] * 11  # once at an empty image, to know its maps
    assert len({*held}) == 1


def test_the_heads_are_in_the_checkpoint_and_the_teacher_is_not(tmp_path: Path) -> None:
    weights(tmp_path)
    file = torch.load(tiny.only(tmp_path, "last.ckpt"), weights_only=True)
    assert any(name.startswith("heads.b8.") for name in file["state_dict"])
    tops = {name.partition(".")[0] for name in file["state_dict"]}
    assert tops == {"generator", "discriminator", "ema", "heads", "pl_mean", "ada"}
    assert [*file["ganfeat"]["frozen"]] == ["features"]


def test_another_teacher_cannot_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights(tmp_path, "total_kimg=0.064")
    real: Callable[..., Any] = HSR.frozen
    monkeypatch.setattr(HSR, "frozen", lambda self: dict.fromkeys(real(self), self.heads))
    folder = tiny.only(tmp_path, "last.ckpt")
    with pytest.raises(UserError, match="other weights of features"):
        weights(tmp_path / "more", f"resume={folder}", "total_kimg=0.096")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dino_vitb16", "resnet50", "vgg16"])
def test_the_preset_of_ffhq_with_each_teacher(
    tmp_path: Path, photographs: Path, teachers: Callable[[str], Path], name: str
) -> None:
    """End to end but for the weights and the data: two steps from the start of the heads."""
    result = tiny.train(
        tmp_path,
        f"features={name}",
        f"features.path={teachers(name)}",
        f"data.path={photographs}",
        "method.start_kimg=0.008",
        "method.head_width=32",
        "total_kimg=0.024",
        experiment="hsr_ffhq",
    )
    assert "heads" in result["weights"]
    losses = tiny.only(tmp_path, "metrics.csv").read_text()
    for tap in TAPS:
        assert f"hsr/{tap}" in losses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dino_vitb16", "resnet50", "vgg16"])
def test_a_random_teacher_sees_images(teachers: Callable[[str], Path], name: str) -> None:
    """What it says of two images differs, so that the control is one."""
    line = [f"features={name}", f"features.path={teachers(name)}", "data.path=x"]
    built = build(compose(["experiment=hsr_ffhq", *line])["features"])
    images = torch.rand(4, 3, 64, 64) * 2 - 1
    images[:2] = images[:2].mean(dim=[2, 3], keepdim=True)
    check_that_images_differ(randomised(built, 0).taps(images))


def check_that_images_differ(maps: list[Tensor]) -> None:
    for each in map(across_channels, maps):
        assert each.var(dim=0).mean() > 0.03 * each.var()


def test_a_random_discriminator_sees_images() -> None:
    images = SynthFaces("val", 32).__getitems__(range(4))["image"]
    check_that_images_differ(randomised(DiscriminatorFeatures(), 0).taps(images))


# From a plain StyleGAN2.


@pytest.mark.slow
def test_init_from_a_plain_run_lacks_the_heads_alone(tmp_path: Path) -> None:
    """Check C7: G, D and the average are the plain run's; the first step has the heads."""
    result = tiny.train(tmp_path / "plain", "data.resolution=32", "total_kimg=0.064")
    folder = tiny.only(tmp_path / "plain", "networks.safetensors")
    line = ["data.resolution=32", f"init_from={folder}", "method.start_kimg=500"]
    seen: list[dict[str, str]] = []

    def start(self: HSR) -> None:
        seen.append({k: state_hash(n) for k, n in self.networks().items()})
        assert self.start_kimg == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HSR, "on_train_start", start, raising=False)
        after = tiny.train(tmp_path / "hsr", *line, experiment=PRESET)
    assert {k: v for k, v in seen[0].items() if k != "heads"} == result["weights"]
    assert after["weights"]["heads"] != seen[0]["heads"]
    assert after["start"] == result["weights"]  # what it was given, for the record
    # And from an HSR run, heads included.
    again = f"init_from={tiny.only(tmp_path / 'hsr', 'networks.safetensors')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HSR, "on_train_start", start, raising=False)
        tiny.train(tmp_path / "more", "data.resolution=32", again, experiment=PRESET)
    assert seen[1] == after["weights"]


def test_resumed_by_hand_the_heads_go_on(tmp_path: Path) -> None:
    """What began with ``init_from=`` has no plain beginning, also where only the run is named."""
    tiny.train(tmp_path / "plain", "data.resolution=32", "total_kimg=0.016")
    folder = tiny.only(tmp_path / "plain", "networks.safetensors")
    line = ["data.resolution=32", "method.start_kimg=500", "total_kimg=0.064"]
    tiny.train(tmp_path / "a", *line, f"init_from={folder}", experiment=PRESET)
    checkpoint = tiny.only(tmp_path / "a", "last.ckpt")
    line[-1] = "total_kimg=0.096"
    tiny.train(tmp_path / "b", *line, f"resume={checkpoint}", experiment=PRESET)
    rows = [*csv.DictReader(tiny.only(tmp_path / "b", "metrics.csv").open())]
    assert len(rows) >= 4
    assert all(float(row["loss/Gmain/hsr"]) > 0 for row in rows)


def test_init_from_an_official_pickle(tmp_path: Path) -> None:
    pickle = parity.shared("parity/pickles/ada_32px.pkl")
    config = read_official(pickle, "g").config
    d = read_official(pickle, "d").config
    line = [
        f"init_from={pickle}",
        "data.resolution=32",
        *(f"backbone.generator.{k}={v}" for k, v in config.items() if plain(k, v)),
        *(f"backbone.discriminator.{k}={v}" for k, v in d.items() if plain(k, v)),
    ]
    result = tiny.train(tmp_path, *line, experiment=PRESET)
    assert result["kimg"] == 0.128


def plain(key: str, value: Any) -> bool:
    return key not in ("resolution", "label_dim", "num_bf16_res") and value is not None


# What cannot be.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["method.taps=[8,64]"], "taps has 64, but a generator of 32 px has maps of 4, 8, 16, 32"),
        (["method.layers=[-1]"], r"each of the taps \[8, 16\] needs a map"),
        (["method.taps=[8,16.5]"], r"method.taps\[1\] must be int, not 16.5"),
        (["method.layers=[0.5,1]"], r"method.layers\[0\] must be int, not 0.5"),
        (["method.layers=[-1,99]"], r"method.layers\[1\] must be at least -64 and at most 63"),
        (["method.layers=[-1,-9]"], "wants map -9 of the teacher, which has 4"),
        (["method.taps=[]"], "give one resolution or more"),
        (["data.resolution=16"], "teacher looks at 32 px"),
        (["features=none"], "HSR needs a teacher"),
        (["features=dino_vitb16"], "model.safetensors, which timm"),
        (["method.weight=-1"], "method.weight"),
        (["method.control=both"], "method.control"),
    ],
)
def test_bad_settings(
    tmp_path: Path, line: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UserError, match=said):
        weights(tmp_path, *line)


def test_images_that_leave_nothing_to_look_at() -> None:
    class Coarse(Features):
        name = "coarse"

        def taps(self, images: Tensor) -> list[Tensor]:
            return [nn.MaxPool2d(64)(images)]

    with pytest.raises(UserError, match="coarse cannot look at images of 32 px"):
        method(features=Coarse)


def test_what_trains_does_not_measure() -> None:
    judge = embedded("factornet")
    check_apart(Judge(judge, judge), {"features": weights_of(embedded("teacher"))})
    with pytest.raises(UserError, match="features shares weights with the judge's factornet"):
        check_apart(Judge(embedded("scorer"), judge), {"features": weights_of(judge)})


def test_what_has_trained_does_not_measure_later(tmp_path: Path) -> None:
    weights(tmp_path, "total_kimg=0.016")
    line = [f"run={tiny.only(tmp_path, 'result.json').parent}", "logger=csv", "metrics=quick"]
    line += ["data=synthfaces", "features@judge.perceptual=teacher", f"paths.outputs={tmp_path}"]
    with pytest.raises(UserError, match="features shares weights with the judge's teacher"):
        evaluate.run(compose(line, "evaluate"), line)


def test_a_plain_gan_takes_no_teacher(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="looks with no frozen network"):
        tiny.train(tmp_path, "features=teacher")
