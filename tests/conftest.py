"""What several test files share."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision.models import alexnet, resnet50, vgg16

# A shell's background jobs ignore Ctrl-C, and so would the commands that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_networks() -> None:
    """Networks that a test makes begin alike, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 small images in three classes."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for i in range(24):
        path = folder / f"class{i % 3}" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, [16, 16, 3], dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="session")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A file of random weights for a big network, by its name in ``conf/features``."""
    folder = tmp_path_factory.mktemp("teachers")
    made: dict[str, Callable[[], torch.nn.Module]] = {
        "alexnet": lambda: alexnet(weights=None),
        "dino_vitb16": lambda: timm.create_model("vit_base_patch16_224.dino", num_classes=0),
        "dino_vitb16_hsr": lambda: timm.create_model("vit_base_patch16_224.dino", num_classes=0),
        "resnet50": lambda: resnet50(weights=None),
        "vgg16": lambda: vgg16(weights=None),
        "vgg16_original": lambda: vgg16(weights=None),
    }

    def file(name: str) -> Path:
        path = folder / f"{name}.pth"
        if not path.exists():
            with torch.random.fork_rng():
                torch.manual_seed(0)
                torch.save(made[name]().state_dict(), path)
        return path

    return file
