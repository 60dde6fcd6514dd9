"""Tasks with encoders whose codes are the image: what they must find is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rebuilders import SIDES, Laplacian
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn

from ganfeat.build import build
from ganfeat.config import compose
from ganfeat.data import ImageDataset, SynthFaces
from ganfeat.data.synthfaces import FACTORS, NAMES
from ganfeat.data.synthfaces.painting import CLASSES
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.features.embedded import embedded
from ganfeat.features.small import Column
from ganfeat.metrics.measure import Result
from ganfeat.metrics.reading import columns_of, factor_scores
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge
from ganfeat.metrics.value import Value
from ganfeat.tasks.editing import GlobalEditing
from ganfeat.tasks.factors import FactorsByLevel, best_levels
from ganfeat.tasks.harmonisation import Harmonisation
from ganfeat.tasks.identity import Identity
from ganfeat.tasks.linear import STRENGTHS, Linear, as_table, as_targets
from ganfeat.tasks.local_editing import LocalEditing
from ganfeat.tasks.mixing import Mixing, moved
from ganfeat.tasks.points import Landmarks, Layout
from ganfeat.tasks.reconstruction import OwnSamples, Reconstruction, explained
from ganfeat.tasks.restoration import Restoration, coarse, grey, holed, noisy
from ganfeat.tasks.retrieval import Retrieval, binned, nearest
from ganfeat.tasks.segmentation import Segmentation, mean_iou, with_places
from ganfeat.tasks.task import Task, perform
from ganfeat.tasks.trial import Trial

READERS = {
    "synthfaces": "experiment=factornet_synthfaces", "synthrooms": "experiment=roomnet_synthrooms",
}  # fmt: skip
TRIED = ["ghfeat_synthfaces", "ghfeat_synthrooms", "fixed_synthfaces"]


@pytest.fixture(scope="module")
def judge() -> Judge:
    network: Any = embedded("factornet")
    return Judge(network, network, network)


def trial(network: Features, judge: Judge | None = None) -> Trial:
    return Trial(network, References(SynthFaces("test", 32)), judge)


def numbers(result: Result) -> dict[str, Any]:
    return {value.name: value.value for value in result.values}


class Blind(Features):
    """Says the same of every image."""

    name = "blind"

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        return {"nothing": torch.ones(len(images), 3)}


class Cheat(Features):
    """Knows one factor and one point by heart: looks the images up among those it was shown."""

    name = "cheat"

    def __init__(self, known: dict[bytes, Tensor]) -> None:
        super().__init__()
        self.known = known

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        truth = torch.stack([self.known[image.numpy().tobytes()] for image in images])
        return {"nothing": torch.ones(len(images), 2), "truth": truth}


def shown(n: int, what: Any, parts: tuple[str, ...] = ("train", "val", "test")) -> Cheat:
    """An encoder that says ``what`` of a batch of the first ``n`` images of each part."""
    known = {}
    for part in parts:
        batch = SynthFaces(part, 32, n, extras=["factors", "landmarks", "identity"]).__getitems__(
            range(n)
        )
        said = what(batch)
        known |= {x.numpy().tobytes(): s for x, s in zip(batch["image"], said, strict=True)}
    return Cheat(known)


class Torn(Cheat):
    """Knows a number as the difference of two levels, neither of which says it."""

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        one, other = super().encode(images)["truth"].chunk(2, dim=1)
        return {"one": one, "other": other}


def torn(n: int, what: Any, parts: tuple[str, ...] = ("train", "val", "test")) -> Torn:
    """An encoder of which both levels together say ``what`` of a batch of ``n`` images."""

    def halves(batch: dict[str, Tensor]) -> Tensor:
        said = what(batch)
        noise = 100 * said.std() * torch.randn(said.shape)
        return torch.cat([said + noise, noise], dim=1)

    return Torn(shown(n, halves, parts).known)


# Reading.


def test_all_levels_in_one_row_say_what_none_says() -> None:
    found = FactorsByLevel(300, 300).result(trial(torn(300, lambda b: b["factors"][:, :1])))
    assert found.arrays["factors"]["yaw"] < 0.1
    assert found.arrays["factors_all"]["yaw"] > 0.99
    assert numbers(found)["factors_all300"] == pytest.approx(
        np.mean([*found.arrays["factors_all"].values()])
    )
    network = torn(300, lambda batch: batch["landmarks"].flatten(1))
    found = numbers(Landmarks(n=300, val=300).result(trial(network)))
    assert found["landmarks_all300"] < 0.1 * found["landmarks300"]
    who = torn(
        1600, lambda b: torch.nn.functional.one_hot(b["identity"], 400).float(), ("val", "test")
    )
    found = numbers(Identity(1600).result(trial(who)))
    assert found["identity_all1600"] > 10 * found["identity1600"]


def test_all_levels_of_one_level_are_that_level() -> None:
    network = shown(200, lambda batch: batch["factors"])
    network.encode = lambda images: {"truth": Cheat.encode(network, images)["truth"]}
    found = numbers(FactorsByLevel(200, 200).result(trial(network)))
    assert found["factors_all200"] == found["factors200"]


def test_factors_are_found_where_they_are_and_nowhere_else() -> None:
    network = shown(
        300, lambda batch: torch.stack([batch["factors"][:, 0], batch["factors"][:, 3]], 1)
    )
    result = FactorsByLevel(300, 300).result(trial(network))
    by_level = result.arrays["levels/factors"]
    assert by_level["yaw"]["truth"] > 0.999
    assert by_level["scale"]["truth"] > 0.999
    assert by_level["pitch"]["truth"] < 0.1
    assert all(abs(levels["nothing"]) < 0.1 for levels in by_level.values())
    roll = by_level["roll"]["truth"]
    assert result.arrays["levels/groups"]["geometry"]["truth"] == pytest.approx(
        np.mean([by_level["yaw"]["truth"], by_level["scale"]["truth"], roll,
                 by_level["shift_x"]["truth"], by_level["shift_y"]["truth"]])
    )  # fmt: skip
    assert result.arrays["levels/factors_best"]["yaw"] == "truth"
    assert {*result.arrays["factors_penalty"].values()} <= {*STRENGTHS}
    assert numbers(result)["factors300"] == pytest.approx(2 / 37, abs=0.02)
    assert set(result.pictures) == {"factors"}


def test_octaves_of_groups() -> None:
    """Colour is read best from an octave that is not the finest, which is edges."""
    result = FactorsByLevel(500, 200).result(trial(Laplacian()))
    found = numbers(result)
    assert set(found) == {
        "factors500",
        "equal_factors500",
        "factors_all500",
        "equal_factors_all500",
        "geometry_octave500",
        "colour_octave500",
    }
    best = result.arrays["levels/factors_best"]
    octaves = [np.log2(int(best[f][1:])) for f in ("background_hue", "skin_tone", "hair_colour")]
    assert found["colour_octave500"] == pytest.approx(np.mean(octaves))
    assert result.arrays["octaves"]["skin_tone"] == octaves[1]
    scores = result.arrays["equal_factors"]
    assert found["equal_factors500"] == pytest.approx(np.mean([*scores.values()]))


def test_landmarks() -> None:
    network = shown(200, lambda batch: batch["landmarks"].flatten(1))
    found = Landmarks(n=200, val=200).result(trial(network))
    assert numbers(found)["landmarks200"] < 0.01
    of_mean = found.arrays["landmarks_of_the_mean"]
    blind = Landmarks(n=200, val=200).result(trial(Blind()))
    assert numbers(blind)["landmarks200"] == pytest.approx(of_mean)
    assert found.arrays["levels/landmarks"]["nothing"] == pytest.approx(of_mean)


def test_landmarks_are_measured_by_the_distance_of_the_eyes() -> None:
    points = np.array([[[0, 0], [3, 4], [9, 9]]], float)
    assert Landmarks().unit(points, 32).tolist() == [5]
    assert Layout().unit(points, 32).tolist() == [32]
    assert "layout" in Layout().lacks(trial(Blind()))


def test_identity() -> None:
    who = shown(
        1600, lambda b: torch.nn.functional.one_hot(b["identity"], 400).float(), ("val", "test")
    )
    found = Identity(1600).result(trial(who))
    assert numbers(found)["identity1600"] == 1
    assert found.arrays["levels/identity"]["nothing"] == pytest.approx(1 / 400)


def test_nearest_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    rows, known = rng.normal(size=(60, 5)), rng.normal(2, 3, size=(80, 5))
    unit = (rows - known.mean(axis=0)) / known.std(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    alike = unit @ unit.T - 3 * np.eye(60)
    np.testing.assert_array_equal(nearest(rows, known, 7), np.argsort(-alike, axis=1)[:, :7])


def test_bins() -> None:
    assert binned(np.array([-1, -0.76, 0.0, 0.99, 1.0]), Column("a", "continuous", 0)).tolist() == [
        0, 0, 4, 7, 7,
    ]  # fmt: skip
    turns = np.array([0, np.pi, 2 * np.pi - 0.01, -0.01])
    assert binned(turns, Column("a", "circular", 0)).tolist() == [0, 4, 7, 7]
    assert binned(np.array([2.0, 0.0]), Column("a", "categorical", 3)).tolist() == [2, 0]


def test_retrieval() -> None:
    style = columns_of(References(SynthFaces("test", 32)))
    column = [c.name for c in style].index("hair_style")
    network = shown(
        200, lambda b: torch.nn.functional.one_hot(b["factors"][:, column].long(), 5).float()
    )
    found = Retrieval(["hair_style", "background_hue"], n=200, val=200).result(trial(network))
    assert numbers(found)["retrieval_hair_style200"] == 1
    assert found.arrays["levels/retrieval"]["background_hue"]["truth"] < 0.25
    assert found.arrays["retrieval_chance"]["hair_style"] == pytest.approx(0.2, abs=0.02)
    assert found.arrays["retrieval"]["hair_style"] == 1
    with pytest.raises(UserError, match="retrieval by hue: it must be one of yaw"):
        Retrieval(["hue"]).check(trial(network))


# Segmentation.


def test_iou_by_hand() -> None:
    truth = np.array([[[0, 0], [1, 3]]])
    said = np.array([[[0, 1], [1, 2]]])
    # Class 0: 1 of 2; class 1: 1 of 2; class 3: none of 1; class 2 is in no truth.
    assert mean_iou(said, truth, 4) == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_places() -> None:
    found = with_places(torch.full([2, 3, 4, 4], 0.5))
    assert found.shape == (2, 20, 4, 4)
    torch.testing.assert_close(found[0, 3:5, 0, 3], torch.tensor([1.0, -1.0]))


class Painter(Features):
    """Knows what every pixel of the images of some parts is."""

    name = "painter"

    def __init__(self) -> None:
        super().__init__()
        self.known = {}
        for part, n in (("train", 4), ("val", 4), ("test", 10)):
            batch = SynthFaces(part, 32, n, extras=["mask"]).__getitems__(range(n))
            images = batch["image"]
            self.known |= {
                x.numpy().tobytes(): m for x, m in zip(images, batch["mask"], strict=True)
            }

    def taps(self, images: Tensor) -> list[Tensor]:
        masks = torch.stack([self.known[image.numpy().tobytes()] for image in images]).long()
        return [torch.nn.functional.one_hot(masks, len(CLASSES)).permute(0, 3, 1, 2).float()]


def test_segmentation() -> None:
    found = Segmentation(shots=(1, 2), repeats=2, n=10, val=4).result(trial(Painter()))
    scores = found.arrays["segmentation"]
    # What is in no annotated image cannot be known.
    assert min(scores["features"]["2"]) > 0.7
    assert scores["features"] == scores["maps"]
    assert max(scores["pixels"]["2"]) < min(scores["features"]["2"])
    mean = found.arrays["segmentation_pixels"]["2"]
    assert mean == pytest.approx(np.mean(scores["pixels"]["2"]))
    assert numbers(found)["segmentation2"] == pytest.approx(np.mean(scores["features"]["2"]))


# Drawing again.


def test_a_perfect_reconstruction(judge: Judge) -> None:
    task = Reconstruction(300, 300)
    result = task.result(trial(Laplacian(), judge))
    found = numbers(result)
    for name in ("mse300", "face_mse300", "face_to_constant300", "face_to_nearest300"):
        assert found[name] == pytest.approx(0, abs=1e-6)
    assert found["kept300_factornet"] == pytest.approx(1, abs=1e-4)
    assert found["training_mode300"] is None  # there is no batch norm


class Average(Laplacian):
    """Draws the mean of the first faces of ``train`` whatever it sees."""

    def __init__(self, n: int) -> None:
        super().__init__()
        batch = SynthFaces("train", 32, n, extras=["factors"]).__getitems__(range(n))
        inside = SynthFaces.subject_mask(batch["factors"], 32)[:, None].float()
        count = inside.sum(dim=0).clamp(min=1)
        self.mean = (inside * batch["image"]).sum(dim=0) / count
        self.norm = nn.BatchNorm1d(1)

    def draw(self, levels: Any) -> Tensor:
        return self.mean.expand(len(levels["b4"]), -1, -1, -1)


@pytest.mark.slow
def test_the_constant_image_is_as_good_as_the_constant_image(judge: Judge) -> None:
    found = numbers(Reconstruction(300, 300).result(trial(Average(300), judge)))
    assert found["face_to_constant300"] == pytest.approx(1, rel=1e-5)
    assert found["face_to_nearest300"] > 1
    assert found["kept300_factornet"] < 0.1
    assert found["training_mode300"] == pytest.approx(1)


def test_explained() -> None:
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(50, 3, 4, 4, generator=rng)
    inside = (torch.rand(50, 1, 4, 4, generator=rng) < 0.5).float()
    assert explained(images, images, inside) == 1
    mean = (inside * images).sum(dim=0) / inside.sum(dim=0)
    assert explained(images, mean.expand_as(images), inside) == pytest.approx(0, abs=1e-5)
    outside = images + 5 * (1 - inside)
    assert explained(images, outside, inside) == 1


def test_own_samples_need_a_generator(judge: Judge) -> None:
    assert "generator" in OwnSamples().lacks(trial(Laplacian(), judge))


def test_degradations() -> None:
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(64, 3, 32, 32, generator=rng) - 0.5
    assert float((noisy(images, rng, 0.1) - images).std()) == pytest.approx(0.1, rel=0.02)
    held = holed(images, rng, 0.25)
    assert ((held == 0).all(dim=1).sum(dim=[1, 2]) == 64).all()
    torch.testing.assert_close(
        coarse(images, rng, 4)[:, :, 5, 9], images[:, :, 4:8, 8:12].mean(dim=[2, 3])
    )
    assert float(grey(images, rng, 1.0).std(dim=1).max()) < 1e-6
    torch.testing.assert_close(grey(images, rng, 0.5), (images + images.mean(1, True)) / 2)


def test_who_draws_what_he_sees_restores_nothing() -> None:
    result = Restoration(64).result(trial(Laplacian()))
    assert numbers(result) == pytest.approx(
        {f"restored_{how}64": 1.0 for how in ("noise", "hole", "pixels", "grey")}, rel=1e-3
    )
    assert all(len(strengths) == 3 for strengths in result.arrays["restoration"].values())


# Edits.


def test_moves() -> None:
    columns = [Column("a", "continuous", 0), Column("b", "circular", 0), Column("c", "binary", 2)]
    before = np.array([[0, 0.1, 0], [1, 6.2, 1], [0.5, 3, 0]], float)
    target = np.array([[1, 6.2, 1], [0, 0.1, 0], [0.5, 3, 0]], float)
    half = before + np.array([[0.5, -0.0915926, 1], [-0.5, 0.0915926, -1], [0, 0, 0]])
    found = moved(before, target, half, columns)
    assert found == pytest.approx({"a": 0.5, "b": 0.5, "c": 1}, abs=1e-3)
    assert moved(before, target, before, columns) == {"a": 0, "b": 0, "c": 0}


@pytest.mark.slow
def test_mixing_moves_what_the_levels_hold(judge: Judge) -> None:
    """The colour of large areas is in the coarse octaves of an image."""
    found = Mixing(128).result(trial(Laplacian(), judge))
    value = numbers(found)
    assert value["mixed_coarse_colour128_factornet"] > 0.7
    assert value["mixed_fine_colour128_factornet"] < 0.3
    assert {f"{s} px" for s in SIDES} < set(found.arrays["mixed"])


class Renderer(Cheat, Laplacian):
    """Its code is the table of factors, and the renderer draws it."""

    def __init__(self, known: dict[bytes, Tensor]) -> None:
        Laplacian.__init__(self)
        self.known, self.resolutions = known, {"truth": 32}

    def encode(self, images: Tensor) -> dict[str, Tensor]:
        return {"truth": Cheat.encode(self, images)["truth"]}

    def draw(self, levels: Any) -> Tensor:
        classed = torch.tensor([spec.kind in ("binary", "categorical") for spec in FACTORS])
        table = levels["truth"]
        return SynthFaces.redraw(torch.where(classed, table.round(), table.clamp(-1, 1)), 32)


@pytest.mark.slow
def test_a_step_to_glasses(judge: Judge) -> None:
    """The difference of the mean tables is a table with glasses and hardly anything else."""
    network = Renderer(shown(2000, lambda batch: batch["factors"]).known)
    task = GlobalEditing(("glasses",), n=128, val=64, train=2000)
    result = task.result(trial(network, judge))
    found = numbers(result)
    assert found["edited_glasses128_factornet"] > 0.95
    assert 0 < found["edited_others128_factornet"] < 0.5
    assert result.arrays["edited_on_val"]["glasses"]["1.0"] > 0.95
    with pytest.raises(UserError, match="editing smile: it must be one of glasses"):
        GlobalEditing(("smile",)).check(trial(network, judge))


def test_nothing_to_edit(judge: Judge) -> None:
    """Where the judge sees the attribute everywhere, there is no share."""
    network = Renderer(shown(100, lambda batch: batch["factors"]).known)
    network.draw = lambda levels: SynthFaces.redraw(  # type: ignore[method-assign]
        torch.where(
            torch.tensor(NAMES.index("glasses")) == torch.arange(37),
            1.0,
            levels["truth"].round().clamp(-1, 1),
        ),
        32,
    )
    found = numbers(
        GlobalEditing(("glasses",), n=64, val=64, train=100).result(trial(network, judge))
    )
    assert found == {"edited_glasses64_factornet": None, "edited_others64_factornet": None}


@pytest.mark.slow
def test_a_local_edit_changes_nothing_elsewhere(judge: Judge) -> None:
    result = LocalEditing(n=64, val=64).result(trial(Laplacian(), judge))
    assert numbers(result)["local_edit64"] is None
    for found in result.arrays["local_edit"].values():
        assert found["ratio"] is None
        assert -0.5 < found["moved"] < 1


def test_what_is_drawn_as_it_is_keeps_its_border(judge: Judge) -> None:
    result = Harmonisation(64).result(trial(Laplacian(), judge))
    found, seen = numbers(result), result.arrays["harmonised_seen"]
    assert found["harmonised_border64"] == pytest.approx(0, abs=1e-4)
    for name, accuracy in seen["pasted"].items():
        assert found[f"harmonised_{name}64_factornet"] == pytest.approx(accuracy, abs=0.02)
        assert seen["B drawn again"][name] > 0.9
    without = numbers(Harmonisation(64).result(trial(Average(100), judge)))
    assert without["harmonised_border64"] == pytest.approx(1)
    assert without["harmonised_glasses64_factornet"] == pytest.approx(0.5)


def test_the_step_across_an_edge() -> None:
    task = Harmonisation(size=0.5)
    base, patch = torch.zeros(2, 3, 16, 16), torch.full([2, 3, 16, 16], 0.5)
    pasted = task.paste(base, patch)
    expected = torch.tensor([0.85, 0.5, 0.15])
    torch.testing.assert_close(pasted[0, :, 8, 8], expected)
    assert float(pasted[:, :, :4].abs().max()) == 0
    torch.testing.assert_close(task.step(pasted), expected.mean().expand(2))
    assert float(task.step(base).max()) == 0


# All together.


@pytest.mark.parametrize("preset", TRIED)
def test_the_tasks_of_a_preset_fit_its_data(preset: str) -> None:
    """What its encoder could do is possible with its data: nothing ends a run after training."""
    config = compose([f"experiment={preset}"])
    data = build(config["data"])
    reader = build(compose([READERS[data.name]])["backbone"]["network"], **data.facts())
    network = Laplacian()
    network.taught_by = "somebody"
    tried = Trial(network, References(data), Judge(reader, reader, reader))
    for node in config["tasks"].values():
        if node is not None and not (task := build(node)).lacks(tried):
            task.check(tried)


def test_what_cannot_act_at_places_is_not_edited_there(judge: Judge) -> None:
    network = Laplacian()
    network.blends = False
    assert LocalEditing().lacks(trial(network, judge)) == "an encoder whose levels act at places"
    for options, message in (
        ({"factors": ["smirk"]}, "local editing smirk: it must be one of yaw"),
        ({"corners": [5, 10]}, "have 10: these data have landmarks 0 to 9"),
        ({"corners": [5, 5]}, "corners are landmark 5 twice: expected two different ones"),
    ):
        with pytest.raises(UserError, match=message):
            LocalEditing(**options).check(trial(Laplacian(), judge))  # type: ignore[arg-type]


def test_what_cannot_be_done_is_not_applicable() -> None:
    class Impossible(Task):
        extras = ("layout",)

    class Possible(Task):
        def result(self, trial: Trial) -> Result:
            return Result([])

    found = perform(trial(Blind()), {"a": Impossible(), "b": Possible(), "c": Restoration()})
    assert {value.name: (value.value, value.protocol["needs"]) for value in found.values} == {
        "a": (None, "data that know the layout of images"),
        "c": (None, "an encoder whose codes can be drawn"),
    }
    with pytest.raises(
        UserError, match=r"none of the tasks can be done without data that k.*; or an enc"
    ):
        perform(trial(Blind()), {"a": Impossible(), "c": Restoration()})


def test_a_task_that_fails_is_named() -> None:
    """A number that is not finite, too, and how to go without it."""

    class Infinite(Task):
        def result(self, trial: Trial) -> Result:
            return Result([Value("infinite", float("inf"))])

    with pytest.raises(
        UserError, match=r"^tasks\.x: infinite came out .*; tasks\.x=null leaves it"
    ):
        perform(trial(Blind()), {"x": Infinite()})
    with pytest.raises(UserError, match=r"^tasks\.y: eyes are landmark 0 twice"):
        perform(trial(Blind()), {"y": Landmarks(eyes=[0, 0])})


def test_what_never_differs_cannot_be_read() -> None:
    columns = [Column("glasses", "binary", 2), Column("yaw", "continuous", 1)]
    truth = np.stack([np.ones(5), np.arange(5.0)], axis=1)
    with pytest.raises(UserError, match="glasses is the same in all 5 images"):
        factor_scores(truth, truth, columns)


def test_what_is_too_little_to_paste_to_mix_or_to_find(judge: Judge) -> None:
    with pytest.raises(UserError, match=r"size=0\.01 of 32 px is nothing to paste"):
        Harmonisation(8, size=0.01).check(trial(Laplacian(), judge))
    few = Laplacian()
    few.resolutions = {f"b{side}": min(side, 16) for side in SIDES}
    for task in (Mixing(400), Harmonisation(n=800), LocalEditing(val=400)):
        with pytest.raises(UserError, match="choose an n that is no multiple of 400"):
            task.check(trial(few, judge))
    assert Mixing().lacks(trial(few, judge)) == "an encoder with levels at four resolutions or more"
    result = Retrieval(["hat"], n=3, val=3, nearest=2).result(trial(Laplacian()))
    assert [*numbers(result)] == ["retrieval_hat3"]


def test_a_protocol_says_how_many_of_the_images_there_are(photographs: Path) -> None:
    """Where more are there than are taken; of drawn ones there are as many as are asked for."""
    one = Trial(Blind(), References(ImageDataset(photographs, 16)))
    there = len(one.references.real(8))
    whole, part = one.protocol(real=there), one.protocol(real=there - 1)
    assert part["data"] == {**whole["data"], "taken": there - 1}
    assert one.learnt_from(2)["taken"] == 2
    assert "taken" not in trial(Blind()).protocol(real=100)["data"]


def test_codes_are_computed_once() -> None:
    calls = []

    class Counting(Blind):
        def encode(self, images: Tensor) -> dict[str, Tensor]:
            calls.append(len(images))
            return super().encode(images)

    one = trial(Counting())
    perform(one, {"a": Landmarks(n=100, val=50), "b": FactorsByLevel(100, 50)})
    assert sum(calls) == 253  # and the first image of each part by itself


def test_best_levels() -> None:
    scores = {"a": {"x": 0.1, "y": 0.9}, "b": {"x": 0.2, "y": 0.3}}
    assert best_levels(scores) == {"x": "b", "y": "a"}


def test_networks_without_maps_are_read_all_the_same() -> None:
    class Vector(Features):
        name = "vector"

        def embed(self, images: Tensor) -> Tensor:
            return images.mean(dim=[2, 3])

    assert [*Vector().encode(torch.zeros(2, 3, 8, 8))] == ["vector"]
    assert Segmentation().lacks(trial(Vector())) == "an encoder with maps"


def test_people_are_seen_twice() -> None:
    with pytest.raises(UserError, match=r"400 people in val, .* n must be 800 or more"):
        Identity(700).check(trial(Blind()))


def test_a_rare_class_can_be_named() -> None:
    """By what is likelier than usual: the likeliest alone is never to be rare."""
    columns = [Column("bald", "binary", 2)]
    rng = np.random.default_rng(0)
    bald = (rng.random(5000) < 0.03).astype(float)[:, None]
    seen = bald + rng.normal(0, 0.7, size=bald.shape)
    known = as_targets(bald, columns)
    found = {}
    for name, classes in (("usual", None), ("as often", np.array([True, True]))):
        (said,) = Linear(seen).read(known, seen, classes=classes)[0]
        found[name] = as_table(said, columns)
    assert found["usual"].sum() == 0
    theirs = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(seen, bald[:, 0])
    np.testing.assert_array_equal(found["as often"][:, 0], theirs.predict(seen))


def test_photographs_that_an_encoder_was_trained_on_do_not_flatter_it(photographs: Path) -> None:
    """`photographs` is a zip; held out are those of ``test`` alone."""
    data = ImageDataset(photographs, 16)
    network = Laplacian()
    lacks = Restoration(8).lacks(Trial(network, References(data.held_out())))
    assert lacks == "images that the encoder was not trained on (data.test=PATH)"
    other = ImageDataset(photographs, 16, part="train", test=str(photographs)).held_out()
    assert len(other) == len(data)
    assert Restoration(8).lacks(Trial(network, References(other))) == ""
