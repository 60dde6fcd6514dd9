"""What GH-Feat is compared with: pixels, colours, a discriminator, an autoencoder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from sklearn.decomposition import PCA

from ganfeat import backbone
from ganfeat.config import compose
from ganfeat.data import InfiniteSampler, SynthFaces
from ganfeat.encoders.autoencoder import AutoencoderNet
from ganfeat.encoders.fixed import Components, DiscriminatorFeatures
from ganfeat.encoders.ghfeat.latents import layout
from ganfeat.encoders.optimise import Optimised
from ganfeat.errors import UserError
from ganfeat.exams import exams
from ganfeat.features.embedded import embedded
from ganfeat.features.histogram import ColourHistogram
from ganfeat.loading import load_network
from ganfeat.networks import state_hash
from ganfeat.training.run import run


def images(n: int = 8, side: int = 32) -> torch.Tensor:
    return SynthFaces("val", side, n).__getitems__(range(n))["image"]


def test_principal_components(tmp_path: Path) -> None:
    tiny.train(
        tmp_path,
        "total_kimg=0.2",
        "method.components=10",
        "data.resolution=16",
        experiment="pixels_synthfaces",
    )
    network: Any = load_network(tiny.only(tmp_path, "result.json").parent, "encoder_ema")
    lists = iter(InfiniteSampler(50_000, 8, 0))
    seen = [i for _ in range(25) for i in next(lists)]
    known = SynthFaces("train", 16).__getitems__(seen)["image"].flatten(1).double().numpy()
    theirs = PCA(10).fit(known)
    np.testing.assert_allclose(network.mean, theirs.mean_, atol=1e-5)
    alike = np.abs((network.directions.T.double().numpy() * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(alike[:6], 1, atol=1e-3)
    said, expected = (
        network.encode(images(8, 16))["first10"],
        theirs.transform(images(8, 16).flatten(1)),
    )
    np.testing.assert_allclose(said[:, :6].abs(), np.abs(expected[:, :6]), atol=0.02)


def test_levels_of_pixels_are_their_first_components() -> None:
    network = Components(32, 200)
    network.directions.copy_(torch.randn(3072, 200))
    found = network.encode(images())
    assert [*found] == ["first32", "first128", "first200"]
    assert torch.equal(found["first32"], found["first200"][:, :32])


def test_more_components_than_pixels_have(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="components=4000, but such images have 768 numbers"):
        tiny.train(tmp_path, "method.components=4000", experiment="pixels_synthfaces")


def test_colours_are_counted() -> None:
    picture = torch.full([1, 3, 4, 4], -1.0)
    picture[0, :, 0, :3] = 1  # three white pixels
    picture[0, 0, 3, 3] = 1  # a red one
    found = ColourHistogram(bins=2).encode(picture)["colours"][0]
    assert found.tolist() == [12 / 16, 0, 0, 0, 1 / 16, 0, 0, 3 / 16]


def test_a_histogram_knows_no_places() -> None:
    network = ColourHistogram()
    found = network.encode(images())["colours"]
    shuffled = images().flatten(2)[:, :, torch.randperm(1024)].view(-1, 3, 32, 32)
    torch.testing.assert_close(network.encode(shuffled)["colours"], found)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(8))


def test_a_discriminator_shows_its_maps() -> None:
    network = DiscriminatorFeatures()
    _, maps = backbone.load("embedded", "d")(images(), taps=[32, 16, 8, 4])
    found = network.encode(images())
    assert [*found] == ["vector", "map4", "map8", "map16", "map32"]
    for side in (4, 8, 16, 32):
        torch.testing.assert_close(found[f"map{side}"], maps[side].mean(dim=[2, 3]))
    with torch.no_grad():
        assert network.embed(images()).shape[1] == sum(m.shape[1] for m in maps.values())


def test_a_fixed_network_stays_and_is_tried(tmp_path: Path) -> None:
    few = ["tasks=all", "tasks.landmarks.n=64", "tasks.landmarks.val=64"]
    config = compose(
        tiny.overrides(tmp_path, "total_kimg=0.008", *few, experiment="fixed_synthfaces")
    )
    config["tasks"] = {"landmarks": config["tasks"]["landmarks"]}
    result = run(config, [], exams)
    assert result["metrics"][0]["name"] == "landmarks64"
    assert result["pictures"] == ["tasks/landmarks.png"]
    assert result["weights"] == {"encoder_ema": state_hash(embedded("teacher"))}


def test_what_measures_is_not_measured(tmp_path: Path) -> None:
    line = tiny.overrides(
        tmp_path, "tasks=all", "features=factornet", experiment="fixed_synthfaces"
    )
    with pytest.raises(UserError, match="features shares weights with the judge"):
        run(compose(line), line, exams)
    with pytest.raises(UserError, match="which network"):
        tiny.train(tmp_path / "b", "features=none", experiment="fixed_synthfaces")


def test_what_has_a_size_of_its_own_is_tried_at_that(tmp_path: Path) -> None:
    for preset, line in (
        ("fixed_synthfaces", "features=discriminator"),
        ("optimised_synthfaces", "features=optimised"),
    ):  # fmt: skip
        size = ["tasks=all", "data.resolution=64"]
        words = tiny.overrides(tmp_path, line, *size, experiment=preset)
        with pytest.raises(UserError, match=r"looks at images of 32 px: data\.resolution=64"):
            run(compose(words), words, exams)


def test_an_autoencoder_needs_two_images_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch norm needs 2 images at once"):
        tiny.train(tmp_path, "trainer.accumulate=8", experiment="autoencoder_synthfaces")


def test_an_autoencoder_draws_with_a_generator_of_its_own() -> None:
    g = backbone.load("embedded")
    network = AutoencoderNet(layout(g, "s"), g.config, depth=18, width=8, channels=16).eval()
    levels = network.encode(images())
    assert [*levels] == [name for name, *_ in layout(g, "s")]
    codes = torch.cat([*levels.values()], dim=1)
    split = torch.split(1 + 0.5 * codes, [x.shape[1] for x in levels.values()], dim=1)
    expected = network.decoder.synthesize(styles=dict(zip(levels, split, strict=True)))
    torch.testing.assert_close(network.rebuild(images()), expected)
    per_pixel = network.per_pixel(images())
    assert per_pixel.shape[2:] == (32, 32)
    assert not torch.equal(network.decoder.synthesis.b4.const, g.synthesis.b4.const)


def test_both_halves_of_an_autoencoder_learn(tmp_path: Path) -> None:
    tiny.train(tmp_path, "total_kimg=0.016", experiment="autoencoder_synthfaces")
    network: Any = load_network(tiny.only(tmp_path, "result.json").parent, "encoder")
    first: Any = load_network(tiny.only(tmp_path, "result.json").parent, "encoder_ema")
    for name in ("decoder.synthesis.b32.conv1.weight", "heads.0.1.weight"):
        assert not torch.equal(network.get_parameter(name), first.get_parameter(name))


@pytest.mark.slow
def test_optimised_latents_draw_the_image_again() -> None:
    """Of the generator's own samples it finds the picture, each image by itself."""
    network = Optimised(steps=60)
    with torch.no_grad():
        drawn = network.generator(torch.randn(3, 128, generator=torch.Generator().manual_seed(0)))
        mean = network.generator.synthesize(
            network.generator.w_avg.expand(1, network.generator.num_ws, -1)
        )
        levels = network.encode(drawn)
        error = (network.draw(levels) - drawn).square().mean(dim=[1, 2, 3])
        alone = network.encode(drawn[1:2])
    assert [*levels] == [*network.resolutions]
    assert (error < 0.2 * (mean - drawn).square().mean(dim=[1, 2, 3])).all()
    for level, latents in alone.items():
        torch.testing.assert_close(latents, levels[level][1:2], atol=1e-2, rtol=1e-2)
