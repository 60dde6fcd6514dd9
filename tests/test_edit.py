"""Editing a real image by the command line."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from ganfeat import edit
from ganfeat.backbone.navigator import Edits
from ganfeat.encoders.ghfeat import GHFeatNet, latents
from ganfeat.features.network import to_uint8
from ganfeat.networks import save_networks, state_hash
from ganfeat.pictures import save_gif


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A navigator of three edits, and a photograph that is no square."""
    tiny.save_navigator(tmp_path / "navigator.safetensors", 3)
    pixels = np.random.default_rng(0).integers(0, 256, [40, 60, 3], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path


def line(folder: Path, *more: str) -> list[str]:
    run = f"--run={folder / 'navigator.safetensors'}"
    return [str(folder / "photo.png"), run, "--steps=2", f"--out={folder / 'out'}", *more]


def save_encoder(path: Path, navigator: Edits, space: str) -> GHFeatNet:
    g = navigator.generator
    network = GHFeatNet(
        32, latents.layout(g, space), 18, 8, 16, True, "embedded", state_hash(g)
    ).eval()  # type: ignore[arg-type]  # fmt: skip
    styles = latents.sample(g, space, 200, 0)  # type: ignore[arg-type]
    network.standardise(styles)
    save_networks(path, {"encoder_ema": network}, {"source": {}, "licence": ""})
    return network


def test_a_strip_and_a_moving_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit.main(line(folder, "--direction=2", "--frames=5", "--looks=none"))
    said = capsys.readouterr().out
    assert "drawn again with a PSNR of" in said
    strip = Image.open(folder / "out" / "photo-navigator-2.png")
    assert strip.size == (6 * 128, 128)
    moving = Image.open(folder / "out" / "photo-navigator-2.gif")
    assert (moving.n_frames, moving.size) == (8, (128, 128))
    first = np.asarray(strip.convert("RGB"))[:, :128]
    middle = Image.open(folder / "photo.png").crop((10, 0, 50, 40)).resize((32, 32), 1)
    assert np.abs(first[2::4, 2::4].astype(int) - np.asarray(middle)).max() <= 1


def test_frames_are_along_the_edit(folder: Path) -> None:
    """As far to both sides as was asked for, in usual deviations of w; the middle is no edit."""
    navigator = edit.load_navigator(folder / "navigator.safetensors")
    moves = edit.moves_along(navigator, 1, 2.0, 5)
    g = navigator.generator
    usual = g.map(torch.randn(5000, g.z_dim)).std(dim=0).square().mean().sqrt()
    lengths = moves.norm(dim=2).amax(dim=1) / usual
    wanted = torch.tensor([2.0, 1.0, 0.0, 1.0, 2.0])
    torch.testing.assert_close(lengths, wanted, rtol=0.05, atol=1e-6)
    torch.testing.assert_close(moves[0], -moves[-1])
    cosine = torch.cosine_similarity(moves[-1].flatten(), navigator.table[1].flatten(), dim=0)
    assert float(cosine) == pytest.approx(1)


@pytest.mark.parametrize("space", ["s", "w+", "w"])
def test_encoders_invert(folder: Path, space: str) -> None:
    """What a move adds in W+ is what it adds to what the encoder says, in any space."""
    navigator = edit.load_navigator(folder / "navigator.safetensors")
    save_encoder(folder / "encoder.safetensors", navigator, space)
    encoder = edit.load_encoder(folder / "encoder.safetensors", navigator)
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    draw = edit.encoded(image, navigator, encoder)
    moves = torch.stack([torch.zeros(8, 128), 0.3 * torch.randn(8, 128)])
    found = draw(moves)
    torch.testing.assert_close(found[:1], encoder.rebuild(image), rtol=1e-4, atol=1e-4)
    g = navigator.generator
    levels = latents.sample(g, space, 1, 3)  # type: ignore[arg-type]
    z = next(iter(latents.inputs(g, 1, 3)))[0]
    wanted = g.synthesize(g.broadcast(g.map(z)) + moves)
    torch.testing.assert_close(latents.moved(g, levels, moves), wanted, rtol=1e-3, atol=1e-3)
    edit.main(line(folder, f"--encoder={folder / 'encoder.safetensors'}"))
    assert (folder / "out" / "photo-navigator-0.png").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--direction=7"], "--direction 7: tiny has 3 edits, 0, 1, 2"),
        (["--direction=smile"], "--direction smile: tiny has 3 edits"),
        (["--looks=teachr"], "there is no such network; did you mean teacher?"),
        (["--looks=alexnet"], "--looks alexnet: the weights alexnet-"),
        (["--frames=1"], "give --frames of 2 or more"),
        (["--range=nan"], "a --range above 0, and at most 1000"),
        (["--range=1e30"], "a --range above 0, and at most 1000"),
        (["--looks=attributes"], "--looks attributes needs files of yours"),
        (["--looks=histogram"], "gives no maps"),
        (["--steps=0"], "--steps of 1 or more"),
        (["--generator=nowhere"], "nowhere does not exist"),
    ],
)
def test_what_cannot_be(
    folder: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        edit.main(line(folder, *more))
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_what_cannot_be_written_is_told_before_the_search(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(edit, "optimised", lambda *_: pytest.fail("it was sought"))
    (folder / "out").write_text("a file")
    with pytest.raises(SystemExit):
        edit.main(line(folder, "--looks=none"))
    assert "cannot write" in capsys.readouterr().err


def test_a_navigator_that_is_not_fitted_yet(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    navigator = edit.load_navigator(folder / "navigator.safetensors")
    assert isinstance(navigator, Edits)
    for nothing, said in (
        ([1], "edit 1 of tiny moves nothing"),
        ([0, 1, 2], "tiny is not fitted yet, and moves nothing"),
    ):
        navigator.table[nothing] = 0
        save_networks(folder / "navigator.safetensors", {"navigator": navigator}, {"source": {}})
        with pytest.raises(SystemExit):
            edit.main(line(folder, "--looks=none", "--direction=1"))
        assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.3, 1.5])
def test_ctrl_c_before_it_has_begun(after: float) -> None:
    """Nobody wants to see what was being imported."""
    line = [sys.executable, "-m", "ganfeat.edit", "--help"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    assert "Traceback" not in process.communicate(timeout=60)[1]


def test_frames_of_the_moving_picture_keep_their_colours(folder: Path) -> None:
    """What is small and of a colour of its own, such as a mouth, must not take another one."""
    frame = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.3
    frame[:, 30:33, 30:34] = torch.tensor([0.6, -0.9, -1.0])[:, None, None]  # 12 of 4096 pixels
    save_gif([frame, frame], folder / "a.gif")
    found = np.asarray(Image.open(folder / "a.gif").convert("RGB")).astype(int)
    wanted = to_uint8(frame).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - wanted).max() <= 16


def test_files_that_are_something_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    navigator = edit.load_navigator(folder / "navigator.safetensors")
    (folder / "text.png").write_text("no image")
    run = f"--run={folder / 'navigator.safetensors'}"
    encoder = f"--encoder={folder / 'navigator.safetensors'}"
    other = GHFeatNet(32, latents.layout(navigator.generator, "s"), 18, 8, 16, True, "", "0" * 8)
    save_networks(folder / "other.safetensors", {"encoder_ema": other}, {"source": {}})
    for given, message in (
        ([str(folder / "text.png"), run], "is no image that can be read"),
        ([str(folder / "nix.png"), run], "cannot be read: No such file"),
        ([str(folder / "photo.png"), "--run=nix"], "nix does not exist"),
        ([str(folder / "photo.png"), run, encoder], "holds no network 'encoder_ema'"),
        (
            [str(folder / "photo.png"), run, f"--encoder={folder / 'other.safetensors'}"],
            "was trained with another generator than this one",
        ),
    ):
        with pytest.raises(SystemExit):
            edit.main(given)
        assert message in capsys.readouterr().err
