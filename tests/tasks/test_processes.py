"""Two processes find what one does, in every task, also where one of them has no images."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from ganfeat import backbone
from ganfeat.build import build
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.encoders.ghfeat import GHFeatNet
from ganfeat.encoders.ghfeat.latents import layout, sample
from ganfeat.features.embedded import embedded
from ganfeat.metrics.reference import References
from ganfeat.metrics.subject import Judge
from ganfeat.networks import state_hash
from ganfeat.tasks.task import perform
from ganfeat.tasks.trial import Trial

# Batches have 64 images: of 40 the second process gets none, of 100 both get some.
COUNTS = {
    "factors": {"n": 100, "val": 40}, "identity": {"n": 800}, "landmarks": {"n": 100, "val": 40},
    "verification": {"n": 100}, "retrieval": {"n": 100, "val": 40},
    "segmentation": {"n": 6, "val": 3, "shots": [1], "repeats": 1},
    "reconstruction": {"n": 300, "train": 100}, "own_samples": {"n": 20}, "mixing": {"n": 40},
    "editing": {"n": 40, "val": 100, "train": 100}, "local_editing": {"n": 40, "val": 70},
    "harmonisation": {"n": 70}, "restoration": {"n": 40},
}  # fmt: skip


def measure(rank: int, ranks: int) -> dict[str, float]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = SynthFaces("test", 32)
    judge: Any = embedded("factornet")
    g = backbone.load("embedded")
    network = GHFeatNet(32, layout(g, "s"), 18, 8, 16, True, "embedded", state_hash(g)).eval()
    network.standardise(sample(g, "s", 500, 0))
    nodes = compose(["tasks=all"], "evaluate")["tasks"]
    tasks: dict[str, Any] = {
        name: build({**nodes[name], **counts}) for name, counts in COUNTS.items()
    }
    references = References(data, rank=rank, ranks=ranks)
    found = perform(Trial(network, references, Judge(judge, judge, judge)), tasks)
    return {value.name: value.value for value in found.values if value.value is not None}


def process(rank: int, folder: str) -> None:
    store = f"file://{folder}/store"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    Path(folder, f"{rank}.json").write_text(json.dumps(measure(rank, 2)))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    alone = measure(0, 1)
    assert len(alone) > 30
    commands = [[sys.executable, __file__, str(rank), str(tmp_path)] for rank in range(2)]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == pytest.approx(alone, rel=1e-3, abs=1e-5)


if __name__ == "__main__":
    process(int(sys.argv[1]), sys.argv[2])
