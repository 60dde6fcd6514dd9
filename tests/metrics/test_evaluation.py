"""Measurements of generators whose truth is known: linear ones, collapsed ones, the renderer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from judges import SIZE, Pixels
from torch import Tensor

from ganfeat.backbone import Generator
from ganfeat.data import SynthFaces
from ganfeat.data.synthfaces import FACTORS
from ganfeat.errors import UserError
from ganfeat.features import FactorNet
from ganfeat.features.network import Features
from ganfeat.features.small import Column
from ganfeat.metrics import reference
from ganfeat.metrics.als import ALS, FRAMES, OfPaths
from ganfeat.metrics.coverage import BINS, FactorCoverage, compare
from ganfeat.metrics.diversity import Diversity
from ganfeat.metrics.drawn import DrawnALS, DrawnPPL, faces
from ganfeat.metrics.evaluation import evaluate
from ganfeat.metrics.fid import FID, FlatFID, RealFID
from ganfeat.metrics.frechet import Moments, frechet_distance
from ganfeat.metrics.kid import KID
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.ppl import PPL
from ganfeat.metrics.precision_recall import PrecisionAndRecall
from ganfeat.metrics.redraw import RedrawError, misfit
from ganfeat.metrics.reference import References
from ganfeat.metrics.rows import Rows
from ganfeat.metrics.subject import BLOCK, Judge, Looks, Samples
from ganfeat.metrics.unnatural import UnnaturalShare

COLUMNS = SynthFaces().facts()["columns"]


class Linear:
    """A generator whose image is a matrix times w."""

    resolution, z_dim, w_dim, num_ws, label_dim, use_noise = SIZE, 6, 6, 1, 0, True

    def __init__(self, scale: float = 0.05) -> None:  # so small that no pixel is clamped
        rng = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(6, 3 * SIZE * SIZE, generator=rng) * scale
        self.w_avg = torch.zeros(6)
        self.noise_strength = 0.0

    def map(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return z

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        return w * psi

    def broadcast(self, w: Tensor) -> Tensor:
        return w[:, None]

    def draw_noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        return [torch.randn(n, 1, SIZE, SIZE, generator=rng)]

    def synthesize(self, ws: Tensor, noise: list[Tensor]) -> Tensor:
        images = (ws[:, 0] @ self.matrix).view(-1, 3, SIZE, SIZE)
        return images + self.noise_strength * noise[0]


def subject(
    generator: Any, judge: Features | None = None, data: Any = None, **more: Any
) -> Subject:
    network = judge or Pixels()
    factors = network if isinstance(network, FactorNet) else None
    references = References(data or SynthFaces("test", SIZE, 200))
    return Subject(Samples(generator), Judge(network, network, factors), references, **more)


def numbers(result: Any) -> dict[str, float]:
    return {value.name: value.value for value in result.values}


# Samples.


def tiny_generator(**options: Any) -> Generator:
    return Generator(16, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64, **options).eval()


def test_sample_i_is_the_same_whatever_the_batch_and_the_processes() -> None:
    samples = Samples(tiny_generator(), seed=3)
    whole = torch.cat([images for images, _ in samples.images(70)])
    assert len(whole) == 70
    samples.chunk = 4
    again = torch.cat([images for images, _ in samples.images(70)])
    torch.testing.assert_close(again, whole, atol=1e-5, rtol=1e-4)
    for rank in range(2):
        for images, which in samples.images(70, rank, 2):
            torch.testing.assert_close(images, whole[which], atol=1e-5, rtol=1e-4)
    other = next(Samples(tiny_generator(), seed=4).images(4))[0]
    assert not torch.allclose(other, whole[:4])


def test_labels_are_drawn_from_those_of_the_data() -> None:
    labels = torch.eye(3)[torch.tensor([0, 0, 0, 2])]
    samples = Samples(tiny_generator(label_dim=3), labels=labels)
    drawn = torch.cat([samples.label(block) for block in range(40)])
    shares = drawn.mean(dim=0)
    assert shares.tolist() == pytest.approx([0.75, 0, 0.25], abs=0.05)


def test_rows_know_their_places() -> None:
    rows = Rows(5, 2, what="a number")
    for which in ([3, 4, 5, 6], [0, 2], [1]):
        rows.update(torch.tensor(which)[:, None].expand(-1, 2).float(), torch.tensor(which))
    assert rows.compute()[:, 0].tolist() == [0, 1, 2, 3, 4]
    half = Rows(3, what="a number")
    half.update(torch.ones(1), torch.tensor([1]))
    with pytest.raises(RuntimeError, match="2 rows were not filled once"):
        half.compute()


# PPL.


@pytest.mark.parametrize("epsilon", [1e-2, 1e-3])
@pytest.mark.parametrize("where", ["end", "full"])
def test_ppl_of_a_linear_generator(
    monkeypatch: pytest.MonkeyPatch, where: Any, epsilon: float
) -> None:
    monkeypatch.setattr("ganfeat.metrics.ppl.keep_middle", np.asarray)  # C11 has no trimming
    generator = Linear()
    found = subject(generator)
    w0, w1 = (torch.cat([found.samples.w(b, end) for b in range(2)]) for end in (0, 1))
    expected = ((w1 - w0) @ generator.matrix).square().sum(dim=1).mean().item()
    value, relative = evaluate(
        found, {"ppl": PPL(2 * BLOCK, where=where, epsilon=epsilon)}, show=False
    ).values
    assert value.value == pytest.approx(expected, rel=1e-3)
    assert value.low < value.value < value.high
    kind = {"end": "ppl2_wend", "full": "ppl_wfull"}[where]
    assert (value.name, relative.name) == (f"{kind}_pixels", f"{kind}_per_distance_pixels")
    if where == "end":
        between = (w0[0::4] - w0[1::4]) @ generator.matrix
        expected /= between.square().sum(dim=1).mean().item()
        assert relative.value == pytest.approx(expected, rel=1e-3)
    assert relative.low < relative.value < relative.high


def test_the_protocol_says_whether_there_was_noise() -> None:
    for use_noise, word in ((True, "random"), (False, "none")):
        found = subject(tiny_generator(use_noise=use_noise))
        assert found.protocol()["noise"] == word


def test_both_images_of_a_pair_get_the_same_noise() -> None:
    generator = Linear()
    still = numbers(evaluate(subject(generator), {"ppl": PPL(BLOCK)}, show=False))
    generator.noise_strength = 1.0
    noisy = numbers(evaluate(subject(generator), {"ppl": PPL(BLOCK)}, show=False))
    assert noisy["ppl2_wend_pixels"] == pytest.approx(still["ppl2_wend_pixels"], rel=0.05)


class Restless(Linear):
    """Each image gets noise of its own, whatever it is told."""

    def synthesize(self, ws: Tensor, noise: list[Tensor]) -> Tensor:
        images = super().synthesize(ws, noise)
        return images + torch.randn(images.shape) * 0.1


class Rounded(Linear):
    """Its images have 256 levels."""

    def synthesize(self, ws: Tensor, noise: list[Tensor]) -> Tensor:
        return (super().synthesize(ws, noise) * 127.5).round() / 127.5


def test_noise_of_their_own_or_rounding_would_show_in_a_ppl() -> None:
    right, restless, rounded = (
        numbers(evaluate(subject(kind()), {"ppl": PPL(BLOCK)}, show=False))["ppl2_wend_pixels"]
        for kind in (Linear, Restless, Rounded)
    )
    assert restless > 1e4 * right
    assert rounded > 100 * right


def test_ppl_of_a_network_hardly_depends_on_the_step() -> None:
    found = subject(tiny_generator())
    values = [
        evaluate(found, {"ppl": PPL(BLOCK, epsilon=e)}, show=False).values[0].value
        for e in (1e-3, 1e-4)
    ]
    assert values[0] == pytest.approx(values[1], rel=0.02)


def test_zfull_follows_the_great_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganfeat.metrics.ppl.keep_middle", np.asarray)
    generator = Linear()
    found = subject(generator)
    a, b = (found.samples.z(0, end).double().numpy() for end in (0, 1))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    t = torch.rand(BLOCK, 1, generator=found.samples.rng(0, "t")).double().numpy()
    angle = np.arccos((a * b).sum(axis=1, keepdims=True))
    slope = (np.cos(t * angle) * b - np.cos((1 - t) * angle) * a) * angle / np.sin(angle)
    expected = np.square(slope @ generator.matrix.double().numpy()).sum(axis=1).mean()
    values = numbers(evaluate(found, {"ppl": PPL(BLOCK, "z", "full", 1e-3)}, show=False))
    assert values["ppl_zfull_pixels"] == pytest.approx(expected, rel=1e-3)


def test_a_collapsed_generator_lowers_ppl_and_diversity_alike() -> None:
    metrics = {"ppl": PPL(BLOCK), "diversity": Diversity(64)}
    lively, dull = (evaluate(subject(Linear(s)), metrics, show=False) for s in (0.05, 0.005))
    for name, value in numbers(dull).items():
        shrinks = 1 if "per_distance" in name else 100
        assert value == pytest.approx(numbers(lively)[name] / shrinks, rel=1e-3), name
    nothing = numbers(evaluate(subject(Linear(0.0)), metrics, show=False))
    assert nothing["ppl2_wend_pixels"] == nothing["diversity64_pixels"] == 0
    assert nothing["ppl2_wend_per_distance_pixels"] is None


def test_truncation_shrinks_what_is_measured() -> None:
    whole, half = (replace(subject(Linear()), samples=Samples(Linear(), psi=p)) for p in (1, 0.5))
    images = [next(s.samples.images(BLOCK))[0] for s in (whole, half)]
    torch.testing.assert_close(images[1], images[0] / 2)
    metrics = {"ppl": PPL(BLOCK), "z": PPL(BLOCK, "z", "full"), "diversity": Diversity(64)}
    before, after = (evaluate(s, metrics, show=False) for s in (whole, half))
    for name, value in numbers(before).items():
        shrinks = 1 if "per_distance" in name else 4
        assert numbers(after)[name] == pytest.approx(value / shrinks, rel=1e-3), name
    assert after.values[0].protocol["psi"] == 0.5


def test_diversity_of_a_linear_generator() -> None:
    generator = Linear()
    found = subject(generator)
    value = numbers(evaluate(found, {"d": Diversity(64)}, show=False))["diversity64_pixels"]
    images = torch.cat([x for x, _ in found.samples.images(64)])
    expected = (images[0::2] - images[1::2]).square().sum(dim=[1, 2, 3]).mean().item()
    assert value == pytest.approx(expected, rel=1e-5)


# Distances to real images.


class Stills:
    """A data set of given images."""

    resolution, label_dim, name = SIZE, 0, "stills"

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        return {"image": self.images[indices]}

    def reference(self, part: str, n: int, extras: Any = ()) -> Any:
        return self

    def version(self) -> str:
        return ""

    def fingerprint(self) -> dict[str, Any]:
        return {"sum": float(self.images.double().sum())}


class Loud(Pixels):
    """Vectors so long that a cubic kernel tells them apart."""

    def embed(self, images: Tensor) -> Tensor:
        return 20 * super().embed(images)


def test_a_generator_is_close_to_its_own_samples() -> None:
    real = torch.cat([x for x, _ in Samples(Linear(0.1), seed=9).images(512)])
    metrics = {"fid": FID(512), "kid": KID(512, size=256, subsets=4), "pr": PrecisionAndRecall(512)}
    near = numbers(evaluate(subject(Linear(0.1), Loud(), Stills(real)), metrics, show=False))
    far = numbers(evaluate(subject(Linear(0.5), Loud(), Stills(real)), metrics, show=False))
    assert 0 <= near["fid512_pixels"] < far["fid512_pixels"] / 20
    assert abs(near["kid512_pixels"]) < far["kid512_pixels"] / 20
    assert near["precision512_pixels"] > 0.8 > far["precision512_pixels"]
    assert near["recall512_pixels"] > 0.8


def test_a_network_that_judges_twice_looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = factor_net(), torch.rand(6, 3, 32, 32) * 2 - 1
    looks = Looks(images, torch.arange(6), Judge(network, network, network))
    vectors, distances = network.embed(images), network.distance(images[:3], images[3:])
    taps, calls = network.taps, []
    monkeypatch.setattr(network, "taps", lambda images: calls.append(len(images)) or taps(images))
    maps = looks.maps
    assert torch.equal(looks.vectors, vectors)
    torch.testing.assert_close(
        network.difference([m[:3] for m in maps], [m[3:] for m in maps]), distances
    )
    assert looks.factors.shape == (6, len(network.columns))
    assert calls == [6]


def test_the_choice_of_subsets_is_part_of_a_protocol() -> None:
    data = Stills(torch.rand(64, 3, SIZE, SIZE))
    metrics = {str(i): KID(64, subsets=2, size=8, seed=i) for i in range(2)}
    first, second = evaluate(subject(Linear(), Loud(), data), metrics, show=False).values
    assert first.value != second.value
    assert first.protocol != second.protocol


def test_what_is_measured_of_real_images_is_kept_too(tmp_path: Path) -> None:
    data = SynthFaces("test", SIZE, 100)
    found = subject(Linear(), data=data)
    found = replace(found, references=References(data, cache=tmp_path))
    names = ["fid", "flat", "real"]
    metrics = dict(zip(names, (FID(100), FlatFID(100), RealFID(100)), strict=True))
    found = replace(found, judge=Judge(Pixels(), Pixels(), factor_net()))
    values = numbers(evaluate(found, metrics, show=False))
    assert len(list(tmp_path.iterdir())) == 3
    assert numbers(evaluate(found, metrics, show=False)) == values
    assert len(set(values.values())) == 3


@pytest.mark.parametrize(
    "metric",
    [PPL(2), Diversity(2), ALS(1), UnnaturalShare(1), FactorCoverage(2), RedrawError(1), KID(2)],
)
def test_the_smallest_counts_are_measured(metric: Any) -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    found = subject(generator, factor_net(), SynthFaces("test", 32, 100))
    for value in evaluate(found, {"m": metric}, show=False).values:
        assert value.value is not None


def test_too_few_images_for_a_protocol() -> None:
    with pytest.raises(UserError, match="FID with pixels needs 49 images a side or more"):
        evaluate(subject(Linear()), {"fid": FID(32)}, show=False)
    few = Stills(torch.zeros(3, 3, SIZE, SIZE))
    for metric in (KID(1), PrecisionAndRecall(3), PrecisionAndRecall(64), FlatFID(20)):
        with pytest.raises(UserError, match=f"there would be {metric.n} generated and 3 real"):
            evaluate(subject(Linear(), data=few), {"m": metric}, show=False)


def test_the_fid_of_few_real_images_is_given_and_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    few = Stills(torch.rand(20, 3, SIZE, SIZE))
    metrics = {"fid": FID(64), "flat": FlatFID(64)}
    values = evaluate(subject(Linear(), data=few), metrics, show=False).values
    assert all(value.value is not None and value.value > 0 for value in values)
    assert "FID of 20 real images, no more than the 48 numbers in a vector" in caplog.text


def test_images_of_a_size_that_the_judge_cannot_look_at() -> None:
    generator = tiny_generator()
    found = subject(generator, factor_net(), SynthFaces("test", 16, 100))
    for metric in (PPL(4), FID(64)):
        with pytest.raises(UserError, match=r"factornet looks at 32 px .* 16x16 px do not fit"):
            evaluate(found, {"m": metric}, show=False)


def test_the_yardstick_is_what_flat_images_reach() -> None:
    data = SynthFaces("test", SIZE, 200)
    images = data.__getitems__(range(200))["image"]
    flat = images.mean(dim=[2, 3], keepdim=True).expand_as(images)
    gaussians = []
    for some in (images, flat):
        moments = Moments(48)
        moments.update(Pixels().embed(some))
        gaussians.append(moments.compute())
    [value] = evaluate(subject(Linear()), {"f": FlatFID(200)}, show=False).values
    assert value.name == "fid200_flat_pixels"
    real = replace(subject(Linear()), judge=Judge(Pixels(), Pixels(), factor_net()))
    [floor] = evaluate(real, {"f": RealFID(200)}, show=False).values
    assert floor.name == "fid200_real_pixels"
    assert 0 < floor.value < value.value / 5
    assert value.value == pytest.approx(frechet_distance(*gaussians), rel=1e-5)


def test_images_that_are_not_finite_are_named() -> None:
    generator = Linear()
    generator.matrix[0, 0] = torch.nan
    with pytest.raises(UserError, match="not finite for 64 of 64 images"):
        evaluate(subject(generator), {"fid": FID(64)}, show=False)
    with pytest.raises(UserError, match="a distance is not finite"):
        evaluate(subject(generator), {"ppl": PPL(32)}, show=False)


class Blind(Pixels):
    """Sees nothing but infinity."""

    def embed(self, images: Tensor) -> Tensor:
        return super().embed(images) * torch.inf

    def difference(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        return super().difference(a, b) * torch.nan


@pytest.mark.parametrize("metric", [FID(64), KID(64), PrecisionAndRecall(64), Diversity(64)])
def test_what_a_judge_says_has_to_be_finite(metric: Any) -> None:
    with pytest.raises(UserError, match="not finite"):
        evaluate(subject(Linear(), Blind()), {"m": metric}, show=False)


FACTORS_READ = [ALS(4), UnnaturalShare(4), FactorCoverage(64), RedrawError(8)]


class Squinting(FactorNet):
    """Sees nothing in an image with a certain first pixel."""

    def embed(self, images: Tensor) -> Tensor:
        return torch.where(images[:, 0, 0, :1] == 0.125, torch.nan, super().embed(images))


@pytest.mark.parametrize("metric", FACTORS_READ)
def test_factors_of_real_images_have_to_be_finite(metric: Any) -> None:
    network = Squinting("factornet", COLUMNS, widths=(8,) * 4, blocks=(0,) * 4, dim=48).eval()
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    data: Any = Stills(SynthFaces("test", 32, 100).__getitems__(range(100))["image"])
    data.redraw, data.subject_mask = SynthFaces.redraw, SynthFaces.subject_mask
    evaluate(subject(generator, network, data), {"m": metric}, show=False)
    data.images[50, 0, 0, 0] = 0.125
    with pytest.raises(UserError, match="not finite for 1 of"):
        evaluate(subject(generator, network, data), {"m": metric}, show=False)


def test_a_shared_deviation_of_nothing_is_told() -> None:
    network = factor_net()
    data = Stills(torch.zeros(100, 3, 32, 32))
    with pytest.raises(UserError, match="the same score for smile: a deviation cannot"):
        evaluate(
            subject(Generator(32, channel_base=64).eval(), network, data),
            {"a": ALS(4, ["smile"])},
            show=False,
        )


@pytest.mark.parametrize("metric", FACTORS_READ)
def test_factors_have_to_be_finite(metric: Any) -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    network = factor_net()
    network.factor_head.bias.data += torch.nan
    with pytest.raises(UserError, match="not finite"):
        evaluate(
            subject(generator, network, SynthFaces("test", 32, 100)), {"m": metric}, show=False
        )


def test_references_are_kept_by_what_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    untouched = References._compute

    def count(self: References, *given: Any) -> Any:
        counted.append(1)
        return untouched(self, *given)

    monkeypatch.setattr(References, "_compute", count)
    network = Pixels()
    first = References(SynthFaces("test", SIZE, 100), cache=tmp_path).of(network, 100)
    again = References(SynthFaces("test", SIZE, 100), cache=tmp_path).of(network, 100)
    assert len(counted) == 1
    assert torch.equal(first.vectors, again.vectors)
    assert torch.equal(first.gaussian.covariance, again.gaussian.covariance)
    References(SynthFaces("test", SIZE, 100, seed=1), cache=tmp_path).of(network, 100)
    References(SynthFaces("test", SIZE, 100), cache=tmp_path, keep=50).of(network, 100)
    References(SynthFaces("test", SIZE, 100), "val", cache=tmp_path).of(network, 100)
    network.anchor.data += 1
    References(SynthFaces("test", SIZE, 100), cache=tmp_path).of(network, 100)
    assert len(counted) == 5
    References(SynthFaces("test", SIZE, 100), cache=tmp_path, refresh=True).of(network, 100)
    assert len(counted) == 6
    assert len(list(tmp_path.iterdir())) == 5
    for where in ({"cache": tmp_path, "refresh": True}, {}):  # once for each evaluation
        several = References(SynthFaces("test", SIZE, 100), **where)
        assert torch.equal(several.of(network, 100).vectors, several.of(network, 100).vectors)
    assert len(counted) == 8


def test_a_damaged_cache_is_made_again_and_a_partial_one_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SynthFaces("test", SIZE, 200)
    whole = References(data, cache=tmp_path).of(Pixels(), 200)
    [file] = tmp_path.iterdir()
    kept = file.read_bytes()
    flipped = kept[:-100] + bytes([kept[-100] ^ 64]) + kept[-99:]
    for damaged in (kept[:-100], flipped, b""):
        file.write_bytes(damaged)
        again = References(data, cache=tmp_path).of(Pixels(), 200)
        assert torch.equal(again.vectors, whole.vectors)
        assert file.read_bytes() == kept
    file.unlink()
    monkeypatch.setattr(reference, "BATCH", 50)
    seen: list[int] = []

    def stop(n: int) -> None:
        seen.append(n)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        References(data, cache=tmp_path).of(Pixels(), 200, lambda name, total: stop)
    assert list(tmp_path.iterdir()) == []


def test_references_keep_vectors_from_all_over_the_data() -> None:
    data = Stills(torch.arange(100.0)[:, None, None, None].expand(100, 3, SIZE, SIZE).clone())
    kept = References(data, keep=10).of(Pixels(), 100).vectors[:, 0]
    assert kept.tolist() == list(range(0, 100, 10))
    most = References(data, keep=60).of(Pixels(), 100).vectors[:, 0]
    assert len(set(most.tolist())) == 60
    assert most.median() == pytest.approx(49, abs=2)


# Factors.


def factor_net() -> FactorNet:
    return FactorNet("factornet", COLUMNS, widths=(8, 8, 8, 8), blocks=(0, 0, 0, 0), dim=48).eval()


def test_als_has_all_its_relatives_and_no_factors_means_not_applicable() -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    data = SynthFaces("test", 32, 100)
    found = evaluate(subject(generator, factor_net(), data), {"als": ALS(8)}, show=False)
    assert sorted(numbers(found)) == sorted(
        f"als{kind}{shared}_factornet"
        for kind in ("", "_area", "_mean")
        for shared in ("", "_shared")
    )
    assert all(v.low <= v.value <= v.high for v in found.values)
    assert np.shape(found.arrays["als_curve"]) == (len(found.arrays["als_attributes"]), 11)
    json.dumps([value.plain() for value in found.values])
    nothing = evaluate(
        subject(Linear()), {"als": ALS(8), "unnatural": UnnaturalShare(2)}, show=False
    )
    assert [(v.name, v.value) for v in nothing.values] == [("als", None), ("unnatural", None)]
    with pytest.raises(UserError, match="no single score for 'hair_style'"):
        evaluate(
            subject(generator, factor_net(), data), {"als": ALS(8, ["hair_style"])}, show=False
        )


def test_what_never_changes_has_no_linearity() -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    found = subject(generator, factor_net(), SynthFaces("test", 32, 100))
    found = replace(found, samples=Samples(generator, psi=0.0))
    values = evaluate(found, {"als": ALS(4)}, show=False).values
    assert [(v.name, v.value) for v in values] == [("als_factornet", None)]


class HalfBlind(FactorNet):
    """Sees the same smile in all but the real images, which it knows by a pixel."""

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        found = super().scores(images)
        real = images[:, 0, 0, :1] == 0.125
        return found | {"smile": torch.where(real, found["smile"], 1.0)}


def test_an_attribute_that_never_changes_is_left_out() -> None:
    network = HalfBlind("factornet", COLUMNS, widths=(8,) * 4, blocks=(0,) * 4, dim=48).eval()
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    data = Stills(torch.rand(100, 3, 32, 32))
    data.images[:, 0, 0, 0] = 0.125
    found = subject(generator, network, data)
    both = evaluate(found, {"als": ALS(4, ["smile", "yaw"])}, show=False)
    alone = evaluate(found, {"als": ALS(4, ["yaw"])}, show=False)
    assert both.arrays["als_attributes"] == ["yaw"]
    assert numbers(both) == pytest.approx(numbers(alone))


def test_paths_are_straight_in_w() -> None:
    found = subject(Linear())
    paths = ALS(BLOCK + 3).frames(found, 1, slice(0, 3)).unflatten(0, (3, FRAMES))
    ends = (found.samples.w(1, end)[:3] @ found.samples.generator.matrix for end in (0, 1))
    for frame, expected in zip((0, -1), ends, strict=True):
        torch.testing.assert_close(paths[:, frame].flatten(1), expected, atol=1e-5, rtol=1e-4)
    middle = (paths[:, 0] + paths[:, -1]) / 2
    torch.testing.assert_close(paths[:, 5], middle, atol=1e-5, rtol=1e-4)


def test_every_path_is_looked_at_once_in_its_place() -> None:
    found = subject(Linear())
    found.samples.chunk = 5 * FRAMES
    metric = ALS(BLOCK + 7)
    look = lambda x: x[:, 0, 0, 0]  # noqa: E731
    seen = metric.along(found, lambda n: None, look)
    whole = [metric.frames(found, block, slice(0, BLOCK)) for block in (0, 1)]
    expected = look(torch.cat(whole)).view(-1, FRAMES)[: BLOCK + 7]
    np.testing.assert_allclose(seen, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("shape", [[6], [1, 6]])
def test_paths_along_a_direction(tmp_path: Path, shape: list[int]) -> None:
    direction = np.arange(6.0).reshape(shape)
    np.save(tmp_path / "smile.npy", direction)
    found = subject(Linear(0.01))
    metric = ALS(4, direction=str(tmp_path / "smile.npy"), reach=0.5)
    OfPaths.check(metric, found)
    frames = metric.frames(found, 0, slice(0, 2)).unflatten(0, (2, FRAMES)).flatten(2)
    matrix = found.samples.generator.matrix
    w = found.samples.w(0)[:2]
    torch.testing.assert_close(frames[:, 5], w @ matrix, atol=1e-5, rtol=1e-4)
    moved = torch.tensor(direction.reshape(6)).float() @ matrix
    torch.testing.assert_close(
        frames[:, -1] - frames[:, 0], moved.expand(2, -1), atol=1e-5, rtol=1e-4
    )


def test_a_direction_that_does_not_fit(tmp_path: Path) -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    found = subject(generator, factor_net(), SynthFaces("test", 32, 100))
    path = tmp_path / "d.npy"
    with pytest.raises(UserError, match="cannot be read as a direction"):
        ALS(4, direction=str(path))
    path.write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read as a direction"):
        ALS(4, direction=str(path))
    for wrong, message in (
        (np.zeros(8), "it is zero, or not finite"),
        (np.full(8, np.nan), "it is zero, or not finite"),
        (np.ones(8) * 1j, "no array of real numbers"),
        (np.array(["a"]), "no array of real numbers"),
    ):
        np.save(path, wrong)
        with pytest.raises(UserError, match=message):
            ALS(4, direction=str(path))
    np.save(path, np.ones(5))
    with pytest.raises(UserError, match=r"shape \[5\]; this generator has a W of 8 numbers"):
        evaluate(found, {"als": ALS(4, direction=str(path))}, show=False)
    np.save(path, np.ones([generator.num_ws, 8]))
    values = evaluate(found, {"als": ALS(4, direction=str(path))}, show=False).values
    assert {value.name for value in values} > {"als_d_factornet", "als_shared_d_factornet"}


def test_the_floor_is_that_of_drawn_paths() -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    found = subject(generator, factor_net(), SynthFaces("test", 32, 100))
    starts, ends = faces(found, 0)
    continuous = torch.tensor([c[1] == "continuous" for c in COLUMNS])
    half = torch.where(continuous, (starts + ends) / 2, starts)
    frames = DrawnALS(4).frames(found, 0, slice(0, 2)).unflatten(0, (2, FRAMES))
    torch.testing.assert_close(frames[:, 5], SynthFaces.redraw(half[:2], 32), atol=1e-4, rtol=0)
    found = replace(found, judge=replace(found.judge, perceptual=Pixels()))
    metrics = {"als": DrawnALS(4), "a": DrawnPPL(64), "b": DrawnPPL(64, epsilon=1e-3)}
    values = evaluate(found, metrics, show=False).values
    assert {"als_drawn_factornet", "als_area_shared_drawn_factornet"} < {v.name for v in values}
    a, b = (value.value for value in values if value.name == "ppl_drawn_pixels")
    assert a == pytest.approx(b, rel=0.05)


def test_coverage_compares_spread_shares_and_correlations() -> None:
    rng = np.random.default_rng(0)
    columns = [
        Column("a", "continuous", 0),
        Column("b", "continuous", 0),
        Column("c", "categorical", 4),
    ]
    real = np.stack([*rng.uniform(-1, 1, [2, 50_000]), rng.integers(0, 4, 50_000)], axis=1)
    assert set(compare(real, real, columns)["summary"].values()) == {0}
    samples = real.copy()
    samples[:, 0] *= 0.5
    samples[:, 2] = np.minimum(samples[:, 2], 2)
    found = compare(samples, real, columns)
    assert found["spread_ratios"] == pytest.approx({"a": 0.5, "b": 1})
    assert found["summary"]["spread"] == pytest.approx(0.25)
    assert found["summary"]["shares"] == pytest.approx(0.25, abs=0.01)
    assert found["summary"]["range"] == pytest.approx(0.2, abs=0.01)
    assert sum(found["range_shares"]["a"][0][3:7]) == pytest.approx(0.8, abs=0.02)
    holed = real.copy()
    holed[:, 0] = np.sign(real[:, 0]) * real[:, 0].std()  # nothing between two values
    found = compare(holed, real, columns)
    assert found["spread_ratios"]["a"] == pytest.approx(1, abs=0.01)
    assert found["summary"]["range"] == pytest.approx(0.4, abs=0.01)
    samples[:, 1] = samples[:, 0]
    assert compare(samples, real, columns)["summary"]["correlation"] == pytest.approx(1, abs=0.02)
    samples[:, 1] = 0.3  # never changes, and has no correlation
    json.dumps(compare(samples, real, columns), allow_nan=False)
    things = [Column("hat", "binary", 2), Column("tilt", "continuous", 0, needs="hat"),
              Column("turn", "circular", 0, needs="hat")]  # fmt: skip
    worn = np.stack([rng.integers(0, 2, 5000), *rng.uniform(-1, 1, [2, 5000])], axis=1)
    found = compare(worn * [0, 1, 1], worn, things)  # no sample has one
    assert found["spread_ratios"] == {"tilt": 0, "turn": 0}
    assert found["summary"]["missed"] == 1 + 2 * BINS
    json.dumps(found, allow_nan=False)
    angles = [Column("hue", "circular", 0), Column("a", "continuous", 0)]
    around = np.stack([rng.uniform(0, 2 * np.pi, 50_000), real[:, 0]], axis=1)
    found = compare(around * [0.5, 1], around, angles)
    assert found["spread_ratios"]["hue"] == pytest.approx(1 - 2 / np.pi, abs=0.01)


class Truthful(FactorNet):
    """Knows the factors of images that it was told of."""

    def __init__(self) -> None:
        super().__init__("truthful", COLUMNS, widths=(8, 8, 8, 8), blocks=(0, 0, 0, 0), dim=48)
        self.known: dict[bytes, Tensor] = {}

    def tell(self, images: Tensor, table: Tensor) -> None:
        self.known |= {x.numpy().tobytes(): row for x, row in zip(images, table, strict=True)}

    def factors(self, images: Tensor) -> Tensor:
        return torch.stack([self.known[x.contiguous().numpy().tobytes()] for x in images])


def test_what_the_renderer_draws_explains_itself_and_blends_do_not() -> None:
    data = SynthFaces("test", 32, 64, extras=["factors"])
    batch = data.__getitems__(range(64))
    images, table = batch["image"], batch["factors"]
    network = Truthful()
    blends = (images + images.flip(0)) / 2
    network.tell(images, table)
    network.tell(blends, table)
    real, blended = misfit(images, network, data.redraw), misfit(blends, network, data.redraw)
    assert float(real.median()) < 0.1
    assert (blended > np.percentile(real, 99)).float().mean() > 0.9


def test_the_redrawing_error_is_that_of_the_factors_and_stays_inside_the_face() -> None:
    data = SynthFaces("test", 32, 64, extras=["factors"])
    metric = RedrawError(8)
    metric.data = data
    table = data.__getitems__(range(64))["factors"]
    drawn = data.redraw(table, 32)
    assert float(metric.errors(drawn, table).max()) < 1e-3
    torch.testing.assert_close(metric.errors(drawn + 0.1, table), torch.full([64], 12.75))
    inside = data.subject_mask(table, 32)
    assert 0.05 < inside.float().mean() < 0.5
    outside = drawn + (~inside)[:, None] * 0.5
    assert float(metric.errors(outside, table).max()) < 1e-3
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    found = evaluate(subject(generator, factor_net(), data), {"r": RedrawError(40)}, show=False)
    assert set(numbers(found)) == {"redraw40_factornet", "redraw_real40_factornet"}
    assert all(v.low <= v.value <= v.high for v in found.values)


def test_redrawing_leaves_out_the_grain_only() -> None:
    data = SynthFaces("test", 32, 64, extras=["factors"])
    grain, freckles = ([f.name for f in FACTORS].index(n) for n in ("camera_grain", "freckles"))
    batch = data.__getitems__(range(64))
    drawn = data.redraw(batch["factors"], 32)
    errors = (drawn - batch["image"]).abs().mean(dim=[1, 2, 3])
    clean = (batch["factors"][:, grain] < -0.9) & (batch["factors"][:, freckles] < -0.8)
    assert clean.any()
    assert float(errors[clean].max()) < 0.02


def test_coverage_of_samples_by_the_judge() -> None:
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    found = evaluate(
        subject(generator, factor_net(), SynthFaces("test", 32, 100)),
        {"c": FactorCoverage(64)},
        show=False,
    )
    assert set(numbers(found)) == {
        f"coverage_{k}64_factornet" for k in ("spread", "range", "shares", "missed", "correlation")
    }
    shares = [found.arrays[f"coverage_{k}_shares"].values() for k in ("range", "class")]
    empty = sum(x == 0 for pairs in shares for samples, _ in pairs for x in samples)
    assert numbers(found)["coverage_missed64_factornet"] == empty > 0
    assert set(found.arrays["coverage_spread_ratios"]) == {
        c[0] for c in COLUMNS if c[1] in ("continuous", "circular")
    }
