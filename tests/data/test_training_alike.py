"""A folder, and the zip that the preparation tool makes of it, train the same."""

from pathlib import Path

import tiny
import torch

from ganfeat.data import prepare


def test_folder_and_prepared_zip_train_the_same(tmp_path: Path, photographs: Path) -> None:
    archive = tmp_path / "prepared.zip"
    prepare.main([str(photographs), str(archive), "--resolution", "16"])
    weights = []
    for path in (photographs, archive):
        line = [f"data.path={path}", "data.labels=true", "data.xflip=true", "total_kimg=0.032"]
        folder = tmp_path / path.stem
        tiny.train(folder, *line, experiment="stylegan2_cifar10")
        state = torch.load(tiny.only(folder, "last.ckpt"), weights_only=True)["state_dict"]
        weights.append(state)
    assert weights[0].keys() == weights[1].keys()
    assert "generator.mapping.embed.weight" in weights[0]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
