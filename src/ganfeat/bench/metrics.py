"""How fast FID and PPL are, beside two libraries with the same network and the same images.

Everybody sees the embedded preset's generator and judge. Their weights are random: no library's
speed depends on them.
"""

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ganfeat.backbone import Generator
from ganfeat.bench.training import Bench
from ganfeat.build import build
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.features import Features
from ganfeat.features.embedded import freeze
from ganfeat.metrics.evaluation import evaluate
from ganfeat.metrics.frechet import Moments, frechet_distance
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.ppl import PPL, keep_middle
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import BLOCK, Judge, Samples

IMAGES, PAIRS, ROUNDS, BATCH = 2048, 1024, 10, 64
EPSILON = 1e-3

Way = Callable[[], float]


def compare(bench: Bench) -> dict[str, Any]:
    """Images per second of ours, and how often that of each library, with all values."""
    torch.manual_seed(0)
    faces = SynthFaces()
    nodes = compose(["experiment=factornet_synthfaces"])["backbone"]
    network = freeze(build(nodes["network"], **faces.facts()).to(bench.device))
    node = compose(["experiment=stylegan2_synthfaces"])["backbone"]["generator"]
    generator = build(node, resolution=faces.resolution).to(bench.device).eval()
    found = {
        "fid": race(bench, _fid(network, bench.device), 2 * IMAGES),
        "ppl": race(bench, _ppl(network, generator), 2 * PAIRS),
    }
    for name, result in found.items():
        others = ", ".join(
            f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f}) times {other}"
            for other, ratio in result["times_as_fast_as"].items()
        )
        print(f"{name}: {result['images_per_s']:.0f} images/s, {others}")
    return found


def race(bench: Bench, ways: dict[str, Way], images: int) -> dict[str, Any]:
    """Times of each way, after a round that does not count; the first of them is ours.

    They take turns, and each round begins with another one; ratios are those of one round.
    """
    values = {name: way() for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(ROUNDS):
        names = list(ways)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            started = bench.now()
            ways[name]()
            times[name].append(bench.now() - started)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ours, *others = times
    ratios = {
        other: [theirs / mine for theirs, mine in zip(times[other], times[ours], strict=True)]
        for other in others
    }
    return {
        "images_per_s": images / medians[ours],
        "times_as_fast_as": {
            other: {"median": statistics.median(found), "least": min(found), "most": max(found)}
            for other, found in ratios.items()
        },
        "seconds": medians,
        "values": values,
    }


def _fid(network: Features, device: str) -> dict[str, Way]:
    """The Frechet distance of two lots of images that are there already, as bytes."""
    from torch_fidelity import calculate_metrics, register_feature_extractor
    from torchmetrics.image.fid import FrechetInceptionDistance

    lots = []
    for split in ("val", "test"):
        drawn = SynthFaces(split, length=IMAGES).__getitems__(range(IMAGES))["image"]
        lots.append((drawn + 1).mul(127.5).round().to(torch.uint8).to(device))

    def ours() -> float:
        gaussians = []
        for lot in lots:
            moments = Moments(network.width(lot.shape[-1], device)).to(device)
            for part in torch.split(lot, BATCH):
                moments.update(network.embed(_floats(part)))
            gaussians.append(moments.compute().unbiased())
        return frechet_distance(*gaussians)

    def torchmetrics() -> float:
        metric = FrechetInceptionDistance(feature=_OfBytes(network)).to(device)
        for lot, real in zip(lots, (True, False), strict=True):
            for part in torch.split(lot, BATCH):
                metric.update(part, real=real)
        return float(metric.compute())

    register_feature_extractor("ganfeat", _extractor(network))

    def torch_fidelity() -> float:
        found = calculate_metrics(
            input1=Bytes(lots[0].cpu()),
            input2=Bytes(lots[1].cpu()),
            feature_extractor="ganfeat",
            feature_layer_fid="vector",
            fid=True,
            batch_size=BATCH,
            cuda=device == "cuda",
            verbose=False,
            cache=False,
            save_cpu_ram=True,
        )
        return float(found["frechet_inception_distance"])

    return {"ours": ours, "torchmetrics": torchmetrics, "torch-fidelity": torch_fidelity}


def _ppl(network: Features, generator: Generator) -> dict[str, Way]:
    """PPL in W at the ends, trimmed alike."""
    from torchmetrics.functional.image.perceptual_path_length import perceptual_path_length

    samples = Samples(generator)
    judge, references = Judge(network, network), References(SynthFaces("test", length=10))
    subject = Subject(samples, judge, references)

    def ours() -> float:
        found = evaluate(subject, {"ppl": PPL(PAIRS, epsilon=EPSILON)}, show=False)
        value = found.values[0].value
        assert value is not None
        return value

    def torchmetrics() -> float:
        with torch.no_grad():
            _, _, distances = perceptual_path_length(
                Latents(samples),  # type: ignore[arg-type]
                PAIRS,
                epsilon=EPSILON,
                batch_size=BATCH,
                resize=None,
                lower_discard=None,
                upper_discard=None,
                sim_net=Similarity(network),
                device=samples.device,
            )
        return float(keep_middle(distances.cpu()).mean())

    return {"ours": ours, "torchmetrics": torchmetrics}


def _floats(images: Tensor) -> Tensor:
    """Bytes to [-1,1]."""
    return images.float() / 127.5 - 1


class _OfBytes(nn.Module):
    """A network as torchmetrics takes it."""

    def __init__(self, network: Features) -> None:
        super().__init__()
        self.network = network
        device = next(network.parameters()).device
        self.num_features = network.width(SynthFaces().resolution, device)

    def forward(self, images: Tensor) -> Tensor:
        """Bytes to vectors."""
        return self.network.embed(_floats(images))


class Bytes(torch.utils.data.Dataset[Tensor]):
    """Images as torch-fidelity takes them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        return self.images[i]


class Latents(nn.Module):
    """A generator as torchmetrics takes it: latents are w, the noise is the same for all."""

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        self.samples, self.end = samples, 0
        self.noise = [x[:1] for x in samples.noise(0)]

    def sample(self, n: int) -> Tensor:
        """Ends of ``n`` lines: the first call gives where they start, the second where they go."""
        end, self.end = self.end, self.end + 1
        blocks = range(-(-n // BLOCK))
        return torch.cat([self.samples.w(block, end) for block in blocks])[:n]

    def forward(self, w: Tensor) -> Tensor:
        """Images of w [N,w_dim] in [0,255]."""
        g = self.samples.generator
        noise = [x.expand(len(w), -1, -1, -1) for x in self.noise]
        images: Tensor = g.synthesize(g.broadcast(w), noise=noise)
        return (images + 1) * 127.5


class Similarity(nn.Module):
    """A perceptual distance as torchmetrics takes it."""

    def __init__(self, network: Features) -> None:
        super().__init__()
        self.network = network

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of each pair, [N]."""
        return self.network.distance(a, b)


def _extractor(network: Features) -> Any:
    """A class of networks as torch-fidelity registers it."""
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class Extractor(FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)
            self.network = network

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("vector",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "vector"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, images: Tensor) -> tuple[Tensor]:
            return (network.embed(_floats(images)),)

    return Extractor
