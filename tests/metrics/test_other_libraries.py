"""The same numbers as torchmetrics and torch-fidelity on the same network and images."""

import warnings

import pytest
import torch
from torch_fidelity import calculate_metrics
from torch_fidelity import feature_extractor_inceptionv3 as fidelity
from torchmetrics.functional.image.perceptual_path_length import perceptual_path_length
from torchmetrics.image.fid import FrechetInceptionDistance

from ganfeat.backbone import Generator
from ganfeat.bench.metrics import Bytes, Latents, Similarity
from ganfeat.data import SynthFaces
from ganfeat.features import SmallNet
from ganfeat.features.inception import Inception
from ganfeat.features.network import to_uint8
from ganfeat.metrics.evaluation import evaluate
from ganfeat.metrics.frechet import Moments, frechet_distance
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.ppl import PPL, keep_middle
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import BLOCK, Judge, Samples


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Inception with random weights whose features differ from image to image."""
    torch.manual_seed(0)
    network = object.__new__(fidelity.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        network.__init__("inception", ["2048"])  # type: ignore[misc]
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("tap", ["64", "192"])
def test_fid_of_both_libraries(weights: str, tap: str) -> None:
    real, other = (
        SynthFaces(split, 32).__getitems__(range(320))["image"] for split in ("val", "test")
    )
    other = other * 0.8 + 0.05
    network = Inception(weights, tap=tap)  # type: ignore[arg-type]
    gaussians = []
    for images in (real, other):
        moments = Moments(int(tap))
        for part in images.split(64):
            moments.update(network.embed(part))
        gaussians.append(moments.compute().unbiased())
    ours = frechet_distance(*gaussians)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = FrechetInceptionDistance(
            feature=int(tap), feature_extractor_weights_path=weights, antialias=False
        )
        for images, is_real in ((real, True), (other, False)):
            for part in images.split(64):
                theirs.update(to_uint8(part), real=is_real)
        assert ours == pytest.approx(float(theirs.compute()), rel=1e-3)
        found = calculate_metrics(
            input1=Bytes(to_uint8(real)),
            input2=Bytes(to_uint8(other)),
            fid=True,
            feature_layer_fid=tap,
            feature_extractor_weights_path=weights,
            cuda=False,
            verbose=False,
            cache=False,
            save_cpu_ram=True,
        )
    assert ours == pytest.approx(found["frechet_inception_distance"], rel=1e-3)


def test_ppl_of_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    g = Generator(32, z_dim=16, w_dim=16, mapping_layers=2, channel_base=512).eval()
    network = SmallNet("net", widths=(8, 8, 8, 8), blocks=(0, 0, 0, 0), dim=8)
    network.eval().requires_grad_(False)
    samples, pairs = Samples(g), 8 * BLOCK
    noise = samples.noise(0)
    monkeypatch.setattr(Samples, "noise", lambda *_: noise)
    subject = Subject(samples, Judge(network, network), References(SynthFaces("test", 32, 10)))
    ours = evaluate(subject, {"ppl": PPL(pairs, epsilon=1e-3)}, show=False).values[0].value
    # Its trimming rounds the upper percentile the other way, as its documentation does not say.
    _, _, distances = perceptual_path_length(
        Latents(samples),
        pairs,
        epsilon=1e-3,
        resize=None,
        lower_discard=None,
        upper_discard=None,
        sim_net=Similarity(network),
    )
    assert ours == pytest.approx(float(keep_middle(distances).mean()), rel=0.01)
