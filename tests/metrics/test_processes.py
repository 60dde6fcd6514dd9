"""Two processes measure what one does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed

from ganfeat.backbone import Generator
from ganfeat.data import SynthFaces
from ganfeat.features import FactorNet
from ganfeat.metrics.als import ALS
from ganfeat.metrics.coverage import FactorCoverage
from ganfeat.metrics.diversity import Diversity
from ganfeat.metrics.drawn import DrawnALS, DrawnPPL
from ganfeat.metrics.evaluation import evaluate, evaluate_network
from ganfeat.metrics.fid import FID, FlatFID, RealFID
from ganfeat.metrics.inception_score import InceptionScore
from ganfeat.metrics.kid import KID
from ganfeat.metrics.measure import Subject
from ganfeat.metrics.ppl import PPL
from ganfeat.metrics.precision_recall import PrecisionAndRecall
from ganfeat.metrics.reading import FactorReading, LinearReading
from ganfeat.metrics.readout import Explained, FactorProbe
from ganfeat.metrics.reconstruction import reconstruction
from ganfeat.metrics.redraw import RedrawError
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge, Samples
from ganfeat.metrics.unnatural import UnnaturalShare

COLUMNS = SynthFaces().facts()["columns"]


class Classifier(FactorNet):
    """Its vectors serve as logits too."""

    classes = 8

    def classify(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors[:, : self.classes]


def measure(cache: Path, rank: int, ranks: int) -> dict[str, float | None]:
    """Every metric, most of them of less images than two processes would share."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = Classifier("judge", COLUMNS, widths=(8, 8, 8, 8), blocks=(0, 0, 0, 0), dim=48).eval()
    generator = Generator(32, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64).eval()
    data = SynthFaces("test", 32, 200)
    references = References(data, keep=50, cache=cache, rank=rank, ranks=ranks)
    subject = Subject(Samples(generator), Judge(network, network, network), references, rank, ranks)
    measurements: dict[str, Any] = {
        "fid": FID(100),
        "fid_flat": FlatFID(100),
        "fid_real": RealFID(100),
        "kid": KID(20, subsets=2),
        "precision_recall": PrecisionAndRecall(32),
        "inception_score": InceptionScore(100, splits=2),
        "ppl": PPL(20),
        "ppl_wfull": PPL(20, where="full"),
        "ppl_zfull": PPL(70, "z", "full"),
        "diversity": Diversity(40),
        "als": ALS(3),
        "als_edit": ALS(70, ["smile"], direction=str(cache.parent / "edit.npy")),
        "unnatural": UnnaturalShare(3),
        "coverage": FactorCoverage(40),
        "redraw": RedrawError(40),
        "als_floor": DrawnALS(3),
        "ppl_floor": DrawnPPL(64),
        "explained": Explained(network, width=8, images=200, held_out=100),
        "probe": FactorProbe(images=300, held_out=100),
    }
    found = evaluate(subject, measurements, show=False).values
    reads: dict[str, Any] = {"reading": FactorReading(70), "linear": LinearReading(70)}
    found += evaluate_network(network, references, reads, show=False).values
    rebuilt = reconstruction(lambda images: 0.9 * images, subject.judge, references, 100)
    found += rebuilt.values
    values = {value.name: value.value for value in found}
    assert len(values) == len(found)
    return values


def process(rank: int, folder: str) -> None:
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    # The first run fills the cache; then one process finds it and the other does not.
    values = [measure(Path(folder, f"cache{rank if again else 0}"), rank, 2) for again in (0, 1)]
    Path(folder, f"{rank}.json").write_text(json.dumps(values))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    np.save(tmp_path / "edit.npy", np.ones(8))
    alone = measure(tmp_path / "alone", 0, 1)
    assert all(value is not None for value in alone.values())
    commands = [[sys.executable, __file__, str(rank), str(tmp_path)] for rank in range(2)]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    for rank in range(2):
        for values in json.loads((tmp_path / f"{rank}.json").read_text()):
            assert values == pytest.approx(alone, rel=1e-4, abs=1e-6)


if __name__ == "__main__":
    process(int(sys.argv[1]), sys.argv[2])
