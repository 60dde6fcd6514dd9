"""The corners of rooms, of the family that is learnt from and of the other one."""

import pytest
import torch

from ganfeat.data.synthrooms import SynthRooms
from ganfeat.features import Features
from ganfeat.metrics.reference import References
from ganfeat.tasks.points import Layout, LayoutTransfer
from ganfeat.tasks.task import perform
from ganfeat.tasks.trial import Trial

N = 64


class Knows(Features):
    """The layout of rooms by heart, and of each kitchen that of the one before."""

    name = "knows"

    def __init__(self) -> None:
        super().__init__()
        self.known = {}
        rooms = [SynthRooms(part, 32, N, extras=["layout"]) for part in ("train", "val", "test")]
        for data in [*rooms, SynthRooms("test", 32, N, extras=["layout"], family="kitchen")]:
            batch = data.__getitems__(range(N))
            said = batch["layout"].flatten(1)
            if data.family == "kitchen":
                said = said.roll(1, dims=0)
            known = zip(batch["image"], said, strict=True)
            self.known |= {image.numpy().tobytes(): row for image, row in known}

    def encode(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        said = torch.stack([self.known[image.numpy().tobytes()] for image in images])
        return {"nothing": torch.ones(len(images), 2), "truth": said}


def test_what_is_learnt_on_bedrooms_is_tried_on_kitchens() -> None:
    trial = Trial(Knows(), References(SynthRooms("train", 32)))
    tasks = {"seen": Layout(n=N, val=N), "transfer": LayoutTransfer(n=N, val=N)}
    found = perform(trial, tasks)
    seen, seen_all, transfer, transfer_all = found.values
    assert (seen_all.name, transfer_all.name) == (f"layout_all{N}", f"layout_transfer_all{N}")
    kitchens = SynthRooms("test", 32, N, extras=["layout"], family="kitchen").__getitems__(range(N))
    truth = kitchens["layout"]
    wrong = (truth.roll(1, dims=0) - truth).norm(dim=2).mean() / 32
    assert (seen.name, transfer.name) == ("layout64", "layout_transfer64")
    assert seen.value == pytest.approx(0, abs=1e-3)
    assert transfer.value == pytest.approx(float(wrong), rel=0.02)
    assert found.arrays["levels/layout_transfer_best"] == "truth"
    assert seen.protocol["data"]["family"] == "bedroom"
    assert transfer.protocol["data"]["family"] == "kitchen"


def test_faces_have_no_second_family() -> None:
    class Faces:
        def facts(self) -> dict[str, list[str]]:
            return {"extras": ["layout"]}

    trial = Trial(Knows(), References(Faces()))
    assert LayoutTransfer().lacks(trial) == "data with a second family"
    assert Layout().lacks(trial) == ""
