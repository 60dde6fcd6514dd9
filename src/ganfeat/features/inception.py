"""Inception-2015, the network of the published FID, through torch-fidelity."""

from typing import Literal

from torch import Tensor

from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, find, read_state
from ganfeat.features.network import Features, to_uint8

Tap = Literal["64", "192", "768", "2048"]


class Inception(Features):
    """Vectors of 2,048 numbers and 1,008 logits, of images rounded to 8 bits.

    Images are resized to 299 px inside the network as TensorFlow 1 did it.

    Args:
        path: the file of weights, or its folder; None looks into torch's cache.
        download: fetch it where it is absent.
        tap: which layer gives the vectors; all but "2048" are for tests.
    """

    def __init__(self, path: str | None = None, download: bool = False, tap: Tap = "2048") -> None:
        super().__init__()
        from torch_fidelity import feature_extractor_inceptionv3 as source

        self.config = Inception.arguments(locals(), but=["source"])
        self.name = "inception" if tap == "2048" else f"inception{tap}"
        self.resize = "uint8, TensorFlow 1 bilinear to 299"
        self.classes = 1008 if tap == "2048" else 0
        url = source.URL_INCEPTION_V3
        file = find(Published(url.rpartition("/")[2], "torch-fidelity", url), path, download)
        read_state(file)  # torch-fidelity's own reader would execute what is in it
        self.network = source.FeatureExtractorInceptionV3("inception", [tap], str(file))
        freeze(self)

    def embed(self, images: Tensor) -> Tensor:
        """[N,2048] before the last layer."""
        vectors: Tensor = self.network(to_uint8(images))[0]
        return vectors

    def classify(self, vectors: Tensor) -> Tensor:
        """[N,1008] without the bias, as the inception score has them."""
        logits: Tensor = vectors @ self.network.fc.weight.T
        return logits
