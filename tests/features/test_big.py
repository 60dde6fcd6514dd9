"""Big networks with random weights: the real loading code, and agreement with other libraries."""

import warnings
from pathlib import Path

import lpips
import parity
import pytest
import timm
import torch
from torch import Tensor
from torch_fidelity import feature_extractor_inceptionv3 as fidelity
from torchvision.models import AlexNet_Weights, alexnet, resnet50, vgg16

from ganfeat.errors import UserError
from ganfeat.features.alexnet import AlexNet
from ganfeat.features.inception import Inception
from ganfeat.features.lpips import LPIPS
from ganfeat.features.network import resized, standardise, to_uint8
from ganfeat.features.resnet import MEAN, STD, ResNet50
from ganfeat.features.vgg import VGG16, OriginalVGG16
from ganfeat.features.vit import ViT


def images(n: int = 2, size: int = 64) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


def saved(network: torch.nn.Module, path: Path) -> str:
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def inception_file(folder: Path) -> str:
    """Random weights in the published structure."""
    torch.manual_seed(0)
    blank = object.__new__(fidelity.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        blank.__init__("inception", ["2048"])  # type: ignore[misc]
    return saved(blank, folder / "inception.pth")


def test_inception_is_that_of_torch_fidelity(inception_file: str) -> None:
    network = Inception(inception_file)
    theirs = fidelity.FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], inception_file)
    vectors, logits = theirs(to_uint8(images()))
    assert torch.equal(network.embed(images()), vectors)
    assert torch.equal(network.classify(network.embed(images())), logits)
    assert (network.name, network.classes) == ("inception", 1008)
    assert Inception(inception_file, tap="64").embed(images()).shape == (2, 64)
    assert not any(p.requires_grad for p in network.parameters())


def test_images_are_rounded_as_published() -> None:
    levels = torch.arange(256)
    assert torch.equal(to_uint8((levels.float() - 128) / 127.5).long()[1:], levels[1:])
    assert to_uint8(torch.tensor([-1.0, -2, 1, 2, 0])).tolist() == [0, 0, 255, 255, 128]


def test_alexnet_is_torchvisions(folder: Path) -> None:
    """After every ReLU, and nothing is done to images that nobody asked for."""
    torch.manual_seed(1)
    trunk = alexnet(weights=None)
    path = saved(trunk, folder / "alexnet-contrast.pth")
    network = AlexNet(path)
    found = network.taps(images())
    numbers = [1, 4, 7, 9, 11]
    for number, taken in zip(numbers, found, strict=True):
        assert torch.equal(trunk.features[: number + 1](images()), taken)
    assert [m.shape[1] for m in found] == [64, 192, 384, 256, 256]
    assert [m.shape[2] for m in found] == [15, 7, 3, 3, 3]
    assert [m.shape[2] for m in network.taps(images(size=32))] == [7, 3, 1, 1, 1]
    larger = AlexNet(path, size=128, normalise=True)
    seen = standardise(resized(images(), 128, "bilinear"), MEAN, STD)
    assert torch.equal(larger.taps(images())[0], network.taps(seen)[0])
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("name", [pytest.param("vgg16", marks=pytest.mark.slow), "alexnet"])
def test_lpips_is_that_of_its_package(folder: Path, name: str) -> None:
    torch.manual_seed(1)
    trunk = {"vgg16": vgg16, "alexnet": alexnet}[name](weights=None)
    network = LPIPS(name, saved(trunk, folder / f"{name}.pth"))  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(
            net={"vgg16": "vgg", "alexnet": "alex"}[name], pnet_rand=True, verbose=False
        )
    theirs.net.load_state_dict(network.model.net.state_dict())
    a, b = images(4)[:2], images(4)[2:]
    with torch.no_grad():
        expected = theirs(a, b).flatten()
    torch.testing.assert_close(network.distance(a, b), expected, rtol=1e-6, atol=0)
    first = trunk.features[0].weight
    assert any(torch.equal(first, p) for p in network.parameters())


def test_resnet50_gives_four_stages(folder: Path) -> None:
    torch.manual_seed(2)
    theirs = resnet50(weights=None).eval()
    network = ResNet50(saved(theirs, folder / "resnet50.pth"))
    assert [m.shape[1:] for m in network.taps(images())] == [
        (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7),
    ]  # fmt: skip
    theirs.fc = torch.nn.Identity()
    expected = theirs(standardise(resized(images(), 224, "bicubic"), network.mean, network.std))
    torch.testing.assert_close(network.embed(images()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_original_vgg16_takes_0_to_255_minus_a_mean_colour(folder: Path) -> None:
    """methods/ghfeat.md, check S10: what a red image becomes, and which map comes out."""
    theirs = vgg16(weights=None).eval()
    network = OriginalVGG16(saved(theirs, folder / "vgg16_original.pth"))
    red = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand(1, 3, 48, 48)
    entered: list[Tensor] = []
    network.model[0].register_forward_pre_hook(lambda _, given: entered.append(given[0]))
    (found,) = network.taps(red)
    expected = torch.tensor([255 - 123.0, -117.0, -104.0])
    torch.testing.assert_close(entered[0][0, :, 5, 5], expected, atol=0.01, rtol=0)
    assert found.shape == (1, 512, 6, 6)
    assert float(found.detach().min()) == 0  # after the ReLU
    with torch.no_grad():
        before = theirs.features[:22](entered[0])  # ends with the third convolution of block four
    assert torch.equal(found, before.relu())


@pytest.mark.slow
def test_vgg16_gives_its_last_four_poolings(folder: Path) -> None:
    torch.manual_seed(2)
    theirs = vgg16(weights=None).eval()
    network = VGG16(saved(theirs, folder / "vgg16_pooled.pth"))
    maps = network.taps(images())
    assert [m.shape[1:] for m in maps] == [(128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    at_224 = standardise(resized(images(), 224, "bicubic"), network.mean, network.std)
    torch.testing.assert_close(maps[-1], theirs.features(at_224), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps[1], theirs.features[:17](at_224), rtol=1e-4, atol=1e-5)
    assert torch.equal(network.embed(images()), maps[-1].mean(dim=[2, 3]))


@pytest.fixture(scope="module")
def vit_file(folder: Path) -> str:
    torch.manual_seed(3)
    return saved(timm.create_model("vit_small_patch16_224.dino", num_classes=0), folder / "vit.pth")


def test_a_vit_gives_grids_of_patches(vit_file: str) -> None:
    network = ViT("vit_small_patch16_224.dino", "dino_s", vit_file)
    maps = network.taps(images())
    assert [m.shape for m in maps] == [(2, 384, 14, 14)] * 4
    tokens = network.model.forward_features(network.prepare(images()))
    torch.testing.assert_close(maps[-1].flatten(2).mT, tokens[:, 1:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.embed(images()), tokens[:, 0], rtol=1e-4, atol=1e-4)
    plain = ViT("vit_small_patch16_224.dino", "dino_s", vit_file, norm=False)
    torch.testing.assert_close(
        plain.model.norm(plain.taps(images())[-1].flatten(2).mT),
        tokens[:, 1:],
        rtol=1e-4,
        atol=1e-4,
    )
    with pytest.raises(UserError, match="has 12 blocks, not 13"):
        ViT("vit_small_patch16_224.dino", "dino_s", vit_file, blocks=(12,))
    for unknown in ("vit_of_nowhere", "vit_base_patch16_224.of_nowhere"):
        with pytest.raises(UserError, match=f"timm has no model '{unknown}'"):
            ViT(unknown)


def test_the_preprocessing_of_hsr(vit_file: str) -> None:
    arrays = parity.load("methods/hsr")
    network = ViT(
        "vit_small_patch16_224.dino", "dino_s", vit_file, resize="area",
        mean=(0.48145466, 0.4578275, 0.40821073), std=(0.229, 0.224, 0.225),
    )  # fmt: skip
    small = network.prepare(torch.from_numpy(arrays["pre.in.image_64"]))
    torch.testing.assert_close(
        small, torch.from_numpy(arrays["pre.out.image_64"]), rtol=0, atol=1e-5
    )
    large = torch.from_numpy(arrays["pre.in.image_256_u8"]).float() / 127.5 - 1
    torch.testing.assert_close(
        network.prepare(large), torch.from_numpy(arrays["pre.out.image_256"]), rtol=0, atol=1e-5
    )


def test_missing_weights_name_the_file_that_the_package_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    name = AlexNet_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    with pytest.raises(UserError, match=f"{name}, which torchvision publishes"):
        LPIPS("alexnet")
    with pytest.raises(UserError, match=r"weights-inception-2015-12-05-\w+\.pth, which torch-fid"):
        Inception()
