"""A run from the outside: its folder, its record, interruption, resumption, bad input."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from ganfeat.backbone import Generator, load
from ganfeat.config import compose
from ganfeat.errors import Busy, Interrupted, UserError
from ganfeat.generators.stylegan2 import StyleGAN2
from ganfeat.loading import load_network
from ganfeat.networks import Network, state_hash
from ganfeat.training import record
from ganfeat.training import run as training
from ganfeat.training.checkpoint import initialise
from ganfeat.training.distributed import environments
from ganfeat.training.record import run_id
from ganfeat.training.run import run
from ganfeat.training.setup import Exam, Exams, Found

ROOT = Path(__file__).parents[2]
ADA = ("method.augment=bgc", "method.augment_p=0.4", "method.ada_kimg=0.1")


def states(folder: Path) -> dict[str, Any]:
    checkpoint = torch.load(tiny.only(folder, "last.ckpt"), weights_only=True)
    return {key: checkpoint[key] for key in ("state_dict", "optimizer_states", "global_step")}


def flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in flat(part, f"{name}/{key}").items()}
    if isinstance(value, list | tuple):
        return flat(dict(enumerate(value)), name)
    return {name: value}


def assert_bit_equal(a: Any, b: Any) -> None:
    left, right = flat(a), flat(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, right[name]), name
        else:
            assert value == right[name], name


def metrics(folder: Path) -> list[dict[str, str]]:
    with open(tiny.only(folder, "metrics.csv"), newline="") as file:
        return list(csv.DictReader(file))


def interrupt_at(monkeypatch: pytest.MonkeyPatch, iteration: int, number: int) -> None:
    """Send this process a signal in the middle of an iteration."""
    untouched = StyleGAN2.discriminator_loss

    def loss(self: StyleGAN2, step: Any) -> Any:
        if self.iteration == iteration:
            os.kill(os.getpid(), number)
        yield from untouched(self, step)

    monkeypatch.setattr(StyleGAN2, "discriminator_loss", loss)


def test_a_run_leaves_its_folder_and_record(tmp_path: Path) -> None:
    result = tiny.train(tmp_path)
    folder = tiny.only(tmp_path, "result.json").parent
    assert folder == tmp_path / "stylegan2_synthfaces" / result["run"]
    assert json.loads((folder / "result.json").read_text()) == result
    assert result["status"] == "finished"
    assert result["kimg"] == 0.128
    assert result["images_per_s"] > 0
    assert 0 <= result["data_wait"] < 1
    assert result["peak_memory"] > 2**20
    assert result["machine"]["threads"] == 1
    names = {path.name for path in folder.iterdir()}
    assert names >= {"config.yaml", "checkpoints", "samples", "metrics.csv", "train.log"}
    samples = sorted(path.name for path in (folder / "samples").iterdir())
    assert result["pictures"] == ["samples/samples-00000.128.png"]
    assert result["arrays"]["progress/kimg"] == [8 * i / 1000 for i in range(1, 17)]
    assert samples == [f"samples-{kimg}.png" for kimg in ("00000.000", "00000.064", "00000.128")]
    rows = metrics(tmp_path)
    assert [float(row["progress/kimg"]) for row in rows] == [8 * i / 1000 for i in range(1, 17)]
    assert all(row["loss/Gmain/adversarial"] for row in rows)
    assert [bool(row["loss/Gpl/path_length"]) for row in rows] == [i % 4 == 0 for i in range(16)]
    assert [bool(row["loss/Dr1/r1"]) for row in rows] == [i % 16 == 0 for i in range(16)]
    generator = load(folder)
    assert isinstance(generator, Generator)
    assert generator.resolution == 16


def test_a_finished_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tiny.train(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert tiny.train(tmp_path) == result
    assert result["run"] in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_force_moves_the_old_run_aside(tmp_path: Path) -> None:
    run = tiny.train(tmp_path)["run"]
    tiny.train(tmp_path, "force=true")
    names = {path.name for path in (tmp_path / "stylegan2_synthfaces").glob("[!.]*")}
    assert names == {run, f"{run}.old1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_interrupted_and_resumed_is_bit_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    if number == signal.SIGUSR2:  # how submitit tells of a time limit
        monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    tiny.train(tmp_path / "whole", *ADA)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 10, number)
        with pytest.raises(Interrupted, match="same command goes on") as caught:
            tiny.train(tmp_path / "parts", *ADA)
    assert caught.value.exit_code == 128 + number
    interrupted = json.loads(tiny.only(tmp_path / "parts", "result.json").read_text())
    assert interrupted["status"] == "interrupted"
    assert interrupted["kimg"] == 0.088
    assert "sessions" not in interrupted  # there was one
    monkeypatch.setattr(training, "commit", lambda: "another")
    resumed = tiny.train(tmp_path / "parts", *ADA)
    assert [(one["commit"], one["kimg"]) for one in resumed["sessions"]] == [
        (interrupted["commit"], 0), ("another", 0.088),
    ]  # fmt: skip
    assert [one["machine"] for one in resumed["sessions"]] == [interrupted["machine"]] * 2
    assert_bit_equal(states(tmp_path / "whole"), states(tmp_path / "parts"))
    assert metrics(tmp_path / "whole")[11:] != []
    for a, b in zip(metrics(tmp_path / "whole"), metrics(tmp_path / "parts"), strict=True):
        same = {name for name in a if not name.startswith("progress/")} | {"progress/kimg"}
        assert {name: a[name] for name in same} == {name: b[name] for name in same}


def test_interrupted_in_the_last_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops with its checkpoint, and the same command does nothing but what comes after."""
    line = tiny.overrides(tmp_path, "total_kimg=0.016")
    found = Found([{"name": "fid", "value": 1.0, "protocol": {}}], {}, {})
    measured: list[Any] = []

    def measure(*given: Any) -> Found:
        measured.append(given)
        return found

    def exams(*_: Any) -> Exams:
        return Exams(final=measure)

    with monkeypatch.context() as patch:
        interrupt_at(patch, 1, signal.SIGTERM)
        with pytest.raises(Interrupted, match=r"SIGTERM: checkpoint written.*goes on"):
            run(compose(line), line, exams)
    assert json.loads(tiny.only(tmp_path, "result.json").read_text())["status"] == "interrupted"
    assert (measured, states(tmp_path)["global_step"]) == ([], 2)
    with monkeypatch.context() as patch:
        patch.setattr(StyleGAN2, "end_iteration", _fail_at(2))
        result = run(compose(line), line, exams)
    assert (result["status"], result["kimg"], len(measured)) == ("finished", 0.016, 1)


def test_resume_from_an_earlier_checkpoint_drops_later_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StyleGAN2, "end_iteration", _fail_at(12))
        with pytest.raises(RuntimeError, match="power cut"):
            tiny.train(tmp_path)
    assert len(metrics(tmp_path)) == 12
    result = json.loads(tiny.only(tmp_path, "result.json").read_text())
    assert (result["status"], result["error"]) == ("failed", "RuntimeError: power cut")
    tiny.train(tmp_path)
    kimg = [float(row["progress/kimg"]) for row in metrics(tmp_path)]
    assert kimg == sorted(set(kimg))
    assert len(kimg) == 16


def _fail_at(iteration: int) -> Any:
    untouched = StyleGAN2.end_iteration

    def end_iteration(self: StyleGAN2) -> None:
        if self.iteration == iteration:
            raise RuntimeError("power cut")
        untouched(self)

    return end_iteration


def test_resume_never_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4, signal.SIGTERM)
        with pytest.raises(Interrupted):
            tiny.train(tmp_path)
    with pytest.raises(UserError, match="unfinished run"):
        tiny.train(tmp_path, "resume=never")


def test_a_longer_run_resumes_from_a_shorter_one(tmp_path: Path) -> None:
    short = tiny.train(tmp_path, "total_kimg=0.064")["run"]
    folder = tmp_path / "stylegan2_synthfaces" / short
    tiny.train(tmp_path / "resumed", f"resume={folder}")
    tiny.train(tmp_path / "whole")
    assert_bit_equal(states(tmp_path / "whole"), states(tmp_path / "resumed"))


def test_init_from_takes_weights_only(tmp_path: Path) -> None:
    first = tiny.train(tmp_path)["run"]
    folder = tmp_path / "stylegan2_synthfaces" / first
    line = [f"init_from={folder}", "total_kimg=0.008", "method.lr=0.0"]
    result = tiny.train(tmp_path / "second", *line)
    assert result["kimg"] == 0.008
    before = load(folder, "g").state_dict()
    after = load(tiny.only(tmp_path / "second", "last.ckpt"), "g").state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"mapping.w_avg"}


def test_init_from_an_embedded_gan() -> None:
    """G and its average begin as the average that ships, which is all that was kept, D as D."""
    ships = {name: load("embedded", name) for name in ("g_ema", "d")}
    fresh = {"g": "g_ema", "d": "d", "g_ema": "g_ema"}
    networks: dict[str, Network] = {
        name: type(ships[like])(**ships[like].config) for name, like in fresh.items()
    }
    hashes = {name: state_hash(ships[like]) for name, like in fresh.items()}
    assert {name: state_hash(n) for name, n in networks.items()} != hashes
    assert initialise(networks, "embedded") == hashes
    assert {name: state_hash(n) for name, n in networks.items()} == hashes
    with pytest.raises(UserError, match=r"init_from=embeded does not exist; did you mean embedded"):
        initialise(networks, "embeded")
    with pytest.raises(UserError, match=r"this method trains d: .* backbone.weights=embedded"):
        initialise({"d": networks["d"]}, "embedded")
    narrow = Generator(**{**ships["g_ema"].config, "channel_max": 16})
    with pytest.raises(UserError, match="g of embedded has channel_max=128, this run has"):
        initialise({"g": narrow}, "embedded")


def test_init_from_starts_its_running_means_anew(tmp_path: Path) -> None:
    first = tiny.train(tmp_path, *ADA)["run"]
    folder = tmp_path / "stylegan2_synthfaces" / first
    assert states(tmp_path)["state_dict"]["ada.p"] != 0.4
    line = ["total_kimg=0.008", *ADA, "method.pl_weight=0"]
    for i, source in enumerate((folder, folder / "checkpoints" / "networks.safetensors")):
        tiny.train(tmp_path / f"second{i}", *line, f"init_from={source}")
        state = states(tmp_path / f"second{i}")["state_dict"]
        assert (float(state["ada.p"]), float(state["pl_mean"])) == (pytest.approx(0.4), 0)
    assert_bit_equal(states(tmp_path / "second0"), states(tmp_path / "second1"))


def test_resume_from_a_run_with_other_settings_is_refused(tmp_path: Path) -> None:
    run = tiny.train(tmp_path, "total_kimg=0.008")["run"]
    folder = tmp_path / "stylegan2_synthfaces" / run
    for change in ("batch_size=4", "method.lr=0.1", "seed=1"):
        with pytest.raises(UserError, match=f"this run has {change}: use the same"):
            tiny.train(tmp_path / "b", f"resume={folder}", change)
    tiny.train(tmp_path / "b", f"resume={folder}", "objective=fid5k_factornet")  # is no setting


def test_interrupted_after_a_resume_goes_on_from_its_own_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tiny.train(tmp_path, "total_kimg=0.016")["run"]
    line = f"resume={tmp_path / 'stylegan2_synthfaces' / short}"
    with monkeypatch.context() as patch:
        interrupt_at(patch, 9, signal.SIGTERM)
        with pytest.raises(Interrupted):
            tiny.train(tmp_path / "resumed", line)
    begun: list[int] = []
    untouched = StyleGAN2.end_iteration

    def count(self: StyleGAN2) -> None:
        begun.append(self.iteration)
        untouched(self)

    monkeypatch.setattr(StyleGAN2, "end_iteration", count)
    assert tiny.train(tmp_path / "resumed", line)["kimg"] == 0.128
    assert begun == list(range(10, 16))


def test_a_tick_that_was_interrupted_is_a_mean_over_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "trainer.tick_kimg=0.032"
    tiny.train(tmp_path / "whole", line)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 9, signal.SIGTERM)
        with pytest.raises(Interrupted):
            tiny.train(tmp_path / "parts", line)
    tiny.train(tmp_path / "parts", line)
    for a, b in zip(metrics(tmp_path / "whole"), metrics(tmp_path / "parts"), strict=True):
        for name in (name for name in a if name.startswith("loss/")):
            assert bool(a[name]) == bool(b[name]), name
            if a[name]:
                assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-6), name


def test_a_refused_resume_leaves_the_record_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4, signal.SIGTERM)
        with pytest.raises(Interrupted):
            tiny.train(tmp_path)
    before = tiny.only(tmp_path, "result.json").read_text()
    with pytest.raises(UserError, match="unfinished run"):
        tiny.train(tmp_path, "resume=never")
    assert tiny.only(tmp_path, "result.json").read_text() == before


def test_a_crash_before_the_first_checkpoint_starts_a_new_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StyleGAN2, "end_iteration", _fail_at(3))
        with pytest.raises(RuntimeError, match="power cut"):
            tiny.train(tmp_path)
    tiny.train(tmp_path)
    kimg = [float(row["progress/kimg"]) for row in metrics(tmp_path)]
    assert kimg == [8 * i / 1000 for i in range(1, 17)]


def test_snapshots_are_kept(tmp_path: Path) -> None:
    tiny.train(tmp_path, "trainer.snapshot_kimg=0.064")
    folder = tiny.only(tmp_path, "last.ckpt").parent
    names = sorted(path.name for path in folder.glob("networks*"))
    assert names == [
        "networks-00000.064.safetensors", "networks-00000.128.safetensors", "networks.safetensors",
    ]  # fmt: skip
    last, end = (load(folder / name).state_dict() for name in names[1:])
    assert_bit_equal(last, end)


def test_wandb_gets_series_pictures_and_config(tmp_path: Path) -> None:
    line = [x for x in tiny.overrides(tmp_path) if x != "logger=csv"]
    for seed in (0, 1):  # as in a sweep: each job has a run of its own
        run(compose([*line, f"seed={seed}"]), line)
    runs = [next(p.glob("wandb/offline-run-*")) for p in sorted(tmp_path.glob("*/[!.]*"))]
    assert len({path.name.split("-", 3)[3] for path in runs}) == 2
    for path in runs:
        assert len(list(path.glob("files/media/images/pictures/*.png"))) == 3
        records = next(path.glob("*.wandb")).read_bytes()
        assert all(name in records for name in (b"progress/kimg", b"loss/Gmain", b"r1_gamma"))


def test_checkpoint_of_another_size_or_method_is_refused(tmp_path: Path) -> None:
    run = tiny.train(tmp_path, "total_kimg=0.008")["run"]
    folder = tmp_path / "stylegan2_synthfaces" / run
    different = "network g of .* has resolution=16, this run has resolution=32"
    with pytest.raises(UserError, match=different):
        tiny.train(tmp_path / "b", f"init_from={folder}", "data.resolution=32")
    with pytest.raises(UserError, match=different):
        tiny.train(tmp_path / "b", f"resume={folder}", "data.resolution=32")
    file = folder / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    checkpoint["ganfeat"]["method"] = "ganfeat.encoders.ghfeat.GHFeat"
    torch.save(checkpoint, file)
    with pytest.raises(UserError, match=r"is of the method ganfeat\.encoders\.ghfeat\.GHFeat"):
        tiny.train(tmp_path / "b", f"resume={folder}")


def test_truncated_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    run = tiny.train(tmp_path, "total_kimg=0.008")["run"]
    file = tmp_path / "stylegan2_synthfaces" / run / "checkpoints" / "last.ckpt"
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (whole[: len(whole) // 2], b"", b"hello " * 9, b"\x80\x02.", bytes(flipped)):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged, or no checkpoint"):
            tiny.train(tmp_path / "b", f"resume={file}")
    torch.save({"weights": torch.zeros(3)}, file)
    with pytest.raises(UserError, match="no checkpoint of ganfeat"):
        tiny.train(tmp_path / "b", f"init_from={file}")
    with pytest.raises(UserError, match="does not exist: give a run folder"):
        tiny.train(tmp_path / "b", "resume=nowhere.ckpt")


@pytest.mark.parametrize(
    "take",
    [
        lambda c: c.pop("global_step"),
        lambda c: c.pop("optimizer_states"),
        lambda c: c.pop("loops"),
        lambda c: c["ganfeat"].pop("config"),
        lambda c: c["ganfeat"]["networks"].pop("d"),
        lambda c: c["state_dict"].pop("pl_mean"),
        lambda c: c["state_dict"].update(pl_mean=torch.zeros(2)),
    ],
)
def test_checkpoints_that_lack_something(tmp_path: Path, take: Any) -> None:
    run = tiny.train(tmp_path, "total_kimg=0.008")["run"]
    file = tmp_path / "stylegan2_synthfaces" / run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    take(checkpoint)
    torch.save(checkpoint, file)
    with pytest.raises(UserError, match=r"parts of it are missing|holds no network|does not fit"):
        tiny.train(tmp_path / "b", f"resume={file}")


def test_what_a_run_starts_from_is_checked_first(tmp_path: Path) -> None:
    folder = tmp_path / "stylegan2_synthfaces" / tiny.train(tmp_path)["run"]
    with pytest.raises(UserError, match=r"has seen 0\.128 kimg, more than total_kimg=0\.064"):
        tiny.train(tmp_path / "b", f"resume={folder}", "total_kimg=0.064")
    with pytest.raises(UserError, match="give one"):
        tiny.train(tmp_path / "b", f"resume={folder}", f"init_from={folder}")
    weights = folder / "checkpoints" / "networks.safetensors"
    with pytest.raises(UserError, match=r"holds weights alone, .*: init_from= takes them"):
        tiny.train(tmp_path / "b", f"resume={weights}")
    with pytest.raises(UserError, match="init_from is empty: give a run"):
        tiny.train(tmp_path / "b", "init_from=")
    (folder / "result.json").unlink()  # unfinished, with a checkpoint of its own
    with pytest.raises(UserError, match="nowhere does not exist"):
        tiny.train(tmp_path, "resume=nowhere")
    other = tmp_path / "b" / "stylegan2_synthfaces"
    other /= tiny.train(tmp_path / "b", "total_kimg=0.008")["run"]
    with pytest.raises(UserError, match=f"that did not begin at {other}: resume=auto goes on"):
        tiny.train(tmp_path, f"resume={other}")
    assert tiny.train(tmp_path, f"resume={folder}")["status"] == "finished"  # its own


def test_other_photographs_in_the_place_of_those_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(9):
        Image.new("RGB", (16, 16), (25 * i, 99, 9)).save(folder / f"{i}.png")
    line = ["data=images", f"data.path={folder}", "data.resolution=16"]
    run = tiny.train(tmp_path / "a", *line, "total_kimg=0.016")["run"]
    began = f"resume={tmp_path / 'a' / 'stylegan2_synthfaces' / run}"
    assert tiny.train(tmp_path / "b", *line, began, "total_kimg=0.024")["kimg"] == 0.024
    (folder / "3.png").unlink()
    with pytest.raises(UserError, match=r"trained on other files than those that .*photographs"):
        tiny.train(tmp_path / "c", *line, began, "total_kimg=0.032")


@pytest.mark.parametrize("damage", [b"{", b"null", b"[1]", b"{}", b"\xff\xfe"])
def test_a_damaged_record_can_be_set_aside(tmp_path: Path, damage: bytes) -> None:
    tiny.train(tmp_path, "total_kimg=0.008")
    tiny.only(tmp_path, "result.json").write_bytes(damage)
    with pytest.raises(UserError, match=r"result\.json cannot be read.*force=true"):
        tiny.train(tmp_path, "total_kimg=0.008")
    assert tiny.train(tmp_path, "total_kimg=0.008", "force=true")["status"] == "finished"


@pytest.mark.parametrize("damage", [b"a,b\n1,2\n", b"progress/kimg\nabc\n", b"\xff\xfe"])
def test_a_damaged_log_is_named(tmp_path: Path, damage: bytes) -> None:
    tiny.train(tmp_path, "total_kimg=0.008")
    tiny.only(tmp_path, "result.json").unlink()
    tiny.only(tmp_path, "metrics.csv").write_bytes(damage)
    with pytest.raises(UserError, match=r"metrics\.csv is no log of ours"):
        tiny.train(tmp_path, "total_kimg=0.008")


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    tiny.train(tmp_path, "total_kimg=0.008")
    tiny.only(tmp_path, "result.json").unlink()
    left = tiny.only(tmp_path, "last.ckpt").with_name(".last.ckpt.123.tmp")
    left.write_bytes(b"half")
    tiny.train(tmp_path, "total_kimg=0.008")
    assert not left.exists()


def test_force_moves_nothing_where_the_data_are_gone(tmp_path: Path, photographs: Path) -> None:
    data = tmp_path / "data"
    photographs = shutil.copytree(photographs, data)
    line = ["data=images", f"data.path={data}", "total_kimg=0.008"]
    run = tiny.train(tmp_path, *line)["run"]
    shutil.rmtree(data)
    with pytest.raises(UserError, match="does not exist"):
        tiny.train(tmp_path, *line, "force=true")
    assert tiny.train(tmp_path, *line)["run"] == run


def test_broken_images_are_in_the_record(tmp_path: Path, photographs: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(photographs, data)
    broken = next(data.rglob("*.png"))
    broken.write_bytes(b"no image")
    line = ["data=images", f"data.path={data}"]
    assert tiny.train(tmp_path, *line)["broken_images"] == [str(broken.relative_to(data))]


def test_weights_that_are_not_finite_are_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: StyleGAN2) -> None:
        self.ema.w_avg.fill_(float("nan"))

    monkeypatch.setattr(StyleGAN2, "on_train_end", spoil)
    with pytest.raises(UserError, match=r"g_ema\.mapping\.w_avg is not finite: nothing is saved"):
        tiny.train(tmp_path, "total_kimg=0.008")
    assert not list(tmp_path.rglob("networks.safetensors"))


def test_a_full_disk_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched, calls = torch.save, []

    def save(obj: Any, file: Any, *args: Any, **kwargs: Any) -> None:
        calls.append(obj["global_step"])
        if len(calls) == 2:
            file.write(b"half of a checkpoint")
            raise OSError(errno.ENOSPC, "No space left on device")
        untouched(obj, file, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(UserError, match="disk full"):
            tiny.train(tmp_path)
    assert calls == [8, 16]
    assert states(tmp_path)["global_step"] == 8
    assert [p.name for p in tiny.only(tmp_path, "last.ckpt").parent.iterdir()] == ["last.ckpt"]
    tiny.train(tmp_path)
    tiny.train(tmp_path / "whole")
    assert_bit_equal(states(tmp_path / "whole"), states(next(tmp_path.glob("stylegan2*"))))


@pytest.mark.parametrize(
    ("phase", "term"),
    [
        ("generator_loss", "loss/Gmain/adversarial"),
        ("path_length_loss", "loss/Gpl/path_length"),
        ("r1_loss", "loss/Dr1/r1"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, term: str
) -> None:
    untouched = getattr(StyleGAN2, phase)

    def loss(self: StyleGAN2, step: Any) -> Any:
        for losses in untouched(self, step):
            yield {k: v * float("nan") if self.iteration == 0 else v for k, v in losses.items()}

    monkeypatch.setattr(StyleGAN2, phase, loss)
    with pytest.raises(UserError, match=f"{term} is not finite at iteration 0"):
        tiny.train(tmp_path)
    assert not list(tmp_path.rglob("last.ckpt"))


def test_a_gradient_that_is_not_finite_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = StyleGAN2.generator_loss

    def loss(self: StyleGAN2, step: Any) -> Any:
        for losses in untouched(self, step):
            zero = (losses["adversarial"] * 0).clamp(min=0)
            broken = zero.sqrt() if self.iteration == 9 else zero
            yield {"adversarial": losses["adversarial"] + broken}

    monkeypatch.setattr(StyleGAN2, "generator_loss", loss)
    with pytest.raises(UserError, match="gradient/Gmain is not finite at iteration 9"):
        tiny.train(tmp_path)
    assert states(tmp_path)["global_step"] == 8


def test_a_gpu_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no GPU"):
        tiny.train(tmp_path, "device=cuda")
    with pytest.raises(UserError, match="device=tpu does not exist"):
        tiny.train(tmp_path, "device=tpu")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data.resolution=24", "power of two"),
        ("batch_size=7", "divide"),
        ("batch_size=0", "at least 1"),
        ("trainer.devices=100000", "this machine has"),
        ("threads=100000", "that would crawl"),
        ("total_kimg=-1", "greater than 0"),
        ("trainer.tick_kimg=-1", "greater than 0"),
        ("trainer.accumulate=3", "do not divide"),
        ("precision=fp16", "choose fp32 or bf16"),
        ("method.augment=xyz", "augment"),
        ("logger.wandb=maybe", "auto, online, offline or off"),
        ("trainer.allocator=maybe", "choose auto, on or off"),
        ("backbone.generator.architecture=skp", "choose skip"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny.train(tmp_path, line)


def test_half_precision_where_nothing_can_run_in_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="precision=bf16: nothing in this method can run in it"):
        tiny.train(tmp_path, "precision=bf16", experiment="autoencoder_synthfaces")


def test_two_processes_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = StyleGAN2.end_iteration

    def meet(self: StyleGAN2) -> None:
        if self.iteration == 3:
            with pytest.raises(Busy, match="another process is at work"):
                tiny.train(tmp_path)
        untouched(self)

    monkeypatch.setattr(StyleGAN2, "end_iteration", meet)
    assert tiny.train(tmp_path)["status"] == "finished"


def test_micro_batches_compute_what_one_batch_does(tmp_path: Path) -> None:
    # Without path length: its mean is in the graph, and a micro-batch knows only its own.
    line = ["total_kimg=0.032", "method.pl_weight=0", *ADA]
    tiny.train(tmp_path / "one", *line)
    tiny.train(tmp_path / "two", *line, "trainer.accumulate=2")
    assert_losses_close(tmp_path / "one", tmp_path / "two")
    a, b = (states(tmp_path / name)["state_dict"] for name in ("one", "two"))
    torch.testing.assert_close(a["generator.mapping.w_avg"], b["generator.mapping.w_avg"])


@pytest.mark.slow
def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    line = ["total_kimg=0.032", *ADA]
    one = tiny.train(tmp_path / "one", *line)
    command(tmp_path / "two", *line, "trainer.devices=2")
    two = json.loads(tiny.only(tmp_path / "two", "result.json").read_text())
    assert (two["status"], two["kimg"], two["run"]) == ("finished", 0.032, one["run"])
    assert_losses_close(tmp_path / "one", tmp_path / "two")
    assert float(metrics(tmp_path / "two")[-1]["ada/p"]) != 0.4
    a, b = (states(tmp_path / name)["state_dict"] for name in ("one", "two"))
    for name in ("generator.mapping.w_avg", "pl_mean", "ada.p"):
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_two_processes_with_a_teacher(tmp_path: Path) -> None:
    """Shuffled, since that pairs images of the whole batch."""
    line = ["total_kimg=0.032", "data.resolution=32", "method.control=shuffled"]
    one = tiny.train(tmp_path / "one", *line, experiment="hsr_synthfaces")
    command(tmp_path / "two", *line, "trainer.devices=2", experiment="hsr_synthfaces")
    two = json.loads(tiny.only(tmp_path / "two", "result.json").read_text())
    assert (two["status"], two["kimg"], two["run"]) == ("finished", 0.032, one["run"])
    assert_losses_close(tmp_path / "one", tmp_path / "two")
    assert all(float(row["loss/Gmain/hsr"]) > 0 for row in metrics(tmp_path / "two"))


@pytest.mark.slow
def test_two_processes_with_batch_norm(tmp_path: Path) -> None:
    """In small steps: what a norm takes out has no gradient but rounding, whose sign Adam takes."""
    line = ["total_kimg=0.032", "method.lr=1e-6"]
    one = tiny.train(tmp_path / "one", *line, experiment="ghfeat_synthfaces")
    command(tmp_path / "two", *line, "trainer.devices=2", experiment="ghfeat_synthfaces")
    two = json.loads(tiny.only(tmp_path / "two", "result.json").read_text())
    assert (two["status"], two["kimg"], two["run"]) == ("finished", 0.032, one["run"])
    assert_losses_close(tmp_path / "one", tmp_path / "two", bound=1e-4)
    for a, b in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for name in ("gradient/Emain", "gradient/Dmain"):
            assert float(a[name]) == pytest.approx(float(b[name]), rel=0.02), name
    a, b = (states(tmp_path / name)["state_dict"] for name in ("one", "two"))
    running = [name for name in a if name.startswith("encoder.") and "running" in name]
    assert running
    for name in running:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "more"),
    [
        # In small steps: Adam takes the sign of a gradient, be it nothing but rounding.
        ("contrafeat_synthfaces", ["method.lr=0.001"]),
        ("contrafeat_synthfaces_proto", ["method.lr=0.001"]),
        ("navigator_synthfaces", ["method=interfacegan", "method.confident=0.25"]),
    ],
)
def test_two_processes_find_the_same_edits(tmp_path: Path, preset: str, more: list[str]) -> None:
    line = ["total_kimg=0.032", *more]
    one = tiny.train(tmp_path / "one", *line, experiment=preset)
    command(tmp_path / "two", *line, "trainer.devices=2", experiment=preset)
    two = json.loads(tiny.only(tmp_path / "two", "result.json").read_text())
    assert (two["status"], two["kimg"], two["run"]) == ("finished", 0.032, one["run"])
    rows = zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True)
    for a, b in rows:
        for name in [name for name in a if name.startswith(("loss/", "held_out/")) and a[name]]:
            assert float(a[name]) == pytest.approx(float(b[name]), abs=1e-4, rel=1e-3), name
    found = [
        load_network(tiny.only(tmp_path / name, "networks.safetensors"), "navigator").edits(
            torch.zeros(1, 8, 128)
        )
        for name in ("one", "two")
    ]
    assert float(found[0].detach().abs().max()) > 0
    torch.testing.assert_close(found[0], found[1], rtol=0.02, atol=1e-3)


@pytest.mark.slow
def test_half_precision_finds_nearly_the_same_edits(tmp_path: Path) -> None:
    """The generator draws in bf16; features and their differences are in fp32."""
    line = ["total_kimg=0.064", "method.lr=0.001"]
    for name in ("fp32", "bf16"):
        tiny.train(tmp_path / name, *line, f"precision={name}", experiment="contrafeat_synthfaces")
    full, half = (metrics(tmp_path / name) for name in ("fp32", "bf16"))
    for name in ("loss/main/same", "loss/main/other"):
        a, b = (np.mean([float(row[name]) for row in rows]) for rows in (full, half))
        assert a != b
        assert a == pytest.approx(b, rel=0.1)


def assert_losses_close(one: Path, two: Path, bound: float = 1e-5) -> None:
    for a, b in zip(metrics(one), metrics(two), strict=True):
        logged = ("loss/", "score/", "path", "ada/")
        losses = [name for name in a if name.startswith(logged) and a[name]]
        assert len(losses) >= 5
        for name in losses:
            assert float(a[name]) == pytest.approx(float(b[name]), abs=bound, rel=bound), name


def command(
    folder: Path, *line: str, experiment: str = "stylegan2_synthfaces", **more: Any
) -> "subprocess.CompletedProcess[str]":
    """``python train.py`` as somebody types it."""
    return subprocess.run(
        [sys.executable, "train.py", *tiny.overrides(folder, *line, experiment=experiment)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=300, **more,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fails", [0, 1])
def test_a_failure_with_two_processes_is_recorded(tmp_path: Path, fails: int) -> None:
    """The first process writes down what failed, its own or the other's, and is not killed."""
    script = tmp_path / "failing.py"
    script.write_text(
        "import sys, time\n"
        "from ganfeat.entry import entry_point\n"
        "from ganfeat.generators.stylegan2 import StyleGAN2\n"
        "from ganfeat.processes import rank\n"
        "from ganfeat.training.run import run\n"
        "def fail(self):\n"
        f"    if self.iteration == 2 and rank() == {fails}:\n"
        "        raise RuntimeError('power cut')\n"
        "StyleGAN2.end_iteration = fail\n"
        "try:\n"
        "    entry_point('train', run)\n"
        "finally:\n"
        "    if rank() == 0:\n"
        "        time.sleep(7)  # Lightning looks after the others every five seconds\n"
        "        print('goes on')\n"
    )
    line = tiny.overrides(tmp_path, "trainer.devices=2")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, str(script), *line],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (1, ["goes on"]), done.stderr
    result = json.loads(tiny.only(tmp_path, "result.json").read_text())
    said = "" if fails == 0 else "UserError: process 1 failed: "
    assert result["status"] == "failed"
    assert result["error"].startswith(f"{said}RuntimeError: power cut")


SLURM = {  # what a job of one task finds, as submitit asks for it
    "SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "1",
    "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
}  # fmt: skip


@pytest.mark.slow
def test_a_job_of_slurm_starts_its_own_processes(tmp_path: Path) -> None:
    line = ["total_kimg=0.016", "trainer.devices=2", "trainer.sample_kimg=1"]
    said = command(tmp_path, *line, env={**os.environ, **SLURM}).stderr
    assert "MEMBER: 2/2" in said
    result = json.loads(tiny.only(tmp_path, "result.json").read_text())
    assert (result["status"], result["kimg"]) == ("finished", 0.016)


def test_whose_processes_lightning_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environments() == []
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    (started_here,) = environments()
    assert not started_here.creates_processes_externally
    with monkeypatch.context() as patch:
        patch.setenv("SLURM_NTASKS", "2")
        assert environments() == []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    assert environments() == []


@pytest.mark.slow
def test_sigterm_from_outside(tmp_path: Path) -> None:
    line = tiny.overrides(tmp_path / "parts", "total_kimg=4")
    process = subprocess.Popen(
        [sys.executable, "train.py", *line], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for text in process.stderr:
        if text.startswith("0.4/"):
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 128 + signal.SIGTERM, rest
    assert "error: SIGTERM: checkpoint written" in rest
    reached = states(tmp_path / "parts")["global_step"]
    assert 50 <= reached < 500
    whole = f"total_kimg={(reached + 4) * 8 / 1000}"
    tiny.train(tmp_path / "whole", whole)
    folder = tiny.only(tmp_path / "parts", "result.json").parent
    tiny.train(tmp_path / "resumed", whole, f"resume={folder}")
    assert_bit_equal(states(tmp_path / "whole"), states(tmp_path / "resumed"))


def test_run_id_names_the_run_and_not_the_machine() -> None:
    config = {
        "experiment": "a", "seed": 3, "paths": {"outputs": "x"}, "logger": {"wandb": "off"},
        "device": "cpu", "threads": 1, "resume": "auto", "force": False, "init_from": None,
        "method": {"lr": 0.1},
    }  # fmt: skip
    name = run_id(config)
    assert name.endswith("-s3")
    elsewhere = {"paths": {"outputs": "y"}, "device": "cuda", "threads": 8, "resume": "never"}
    assert run_id({**config, **elsewhere, "force": True}) == name
    assert run_id({**config, "seed": 4}) == name.replace("-s3", "-s4")
    assert run_id({**config, "method": {"lr": 0.2}}) != name
    for rest in ("", "/checkpoints/last.ckpt"):
        starts = {3: f"outputs/a/0123abcd-s3{rest}", 4: f"b/0123abcd-s4{rest}"}
        warm = {run_id({**config, "seed": s, "init_from": at})[:-1] for s, at in starts.items()}
        assert len(warm) == 1  # an arm with the start of its own seed
        assert warm != {name[:-1]}
        others = {run_id({**config, "init_from": at}) for at in starts.values()}
        assert len(others) == 2
    few, many = ({"devices": n, "workers": n, "allocator": "off", "accumulate": 1} for n in (1, 8))
    assert run_id({**config, "trainer": few}) == run_id({**config, "trainer": many})


def test_wandb_offline_when_no_key_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ganfeat.training.wandb_log import wandb_mode

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert wandb_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert wandb_mode("auto") == "online"
    assert wandb_mode("off") == "off"


def test_stopped_while_measuring(tmp_path: Path) -> None:
    """What is trained is not trained again."""
    line = tiny.overrides(tmp_path, "total_kimg=0.016")

    def exams(answer: Exam) -> Any:
        return lambda *_: Exams(final=answer)

    def stopped(*_: Any) -> Found:
        raise Interrupted("stopped by SIGINT", exit_code=130)

    with pytest.raises(
        Interrupted, match=r"while measuring: the trained weights are .* without tr"
    ):
        run(compose(line), line, exams(stopped))
    forced = [*line, "force=true", f"paths.outputs={tmp_path / 'forced'}"]
    with pytest.raises(Interrupted, match="the same command without force=true measures"):
        run(compose(forced), forced, exams(stopped))
    shutil.rmtree(tmp_path / "forced")
    weights = tiny.only(tmp_path, "networks.safetensors").read_bytes()
    found = Found([{"name": "fid", "value": 1.0, "protocol": {}}], {}, {})
    result = run(compose(line), line, exams(lambda *_: found))
    assert (result["status"], result["metrics"], result["kimg"]) == (
        "finished",
        found.values,
        0.016,
    )
    assert tiny.only(tmp_path, "networks.safetensors").read_bytes() == weights


def test_a_commit_is_marked_where_the_source_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What studies write beside it does not make another program of it."""

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a"]
        command = ["git", *who, "-C", str(tmp_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    files = [tmp_path / "src/program.py", tmp_path / "experiments/study/report.md"]
    monkeypatch.setattr(record, "__file__", str(files[0]))
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("before")
    assert record.commit() is None
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    files[1].write_text("after")
    (tmp_path / "experiments/study/new.md").write_text("new")
    head = git("rev-parse", "HEAD")[:12]
    assert record.commit() == head
    files[0].write_text("after")
    assert record.commit() == head + "+"
    files[0].write_text("before")
    assert record.commit() == head
    for new in ("src/methods/mine.py", "conf/method/mine.yaml", "mine.py"):
        (tmp_path / new).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / new).write_text("new")
        assert record.commit() == head + "+"
        (tmp_path / new).unlink()
    # Installed in an environment that lies in somebody's repository.
    installed = tmp_path / "venv/program.py"
    installed.parent.mkdir()
    installed.write_text("before")
    monkeypatch.setattr(record, "__file__", str(installed))
    assert record.commit() is None
    monkeypatch.setattr(record, "__file__", str(files[0]))
    monkeypatch.setenv("PATH", str(tmp_path))  # without git
    assert record.commit() is None
