"""The preparation tool: what it writes, and that nothing can make it lose or spoil anything."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from ending import refused
from parity import shared
from pictures import encoded, files, folder, noise, zipped
from PIL import Image

import ganfeat
from ganfeat.data import prepare as tool
from ganfeat.data.growing_zip import GrowingZip
from ganfeat.data.images import ImageDataset
from ganfeat.data.prepare import main, prepare
from ganfeat.errors import UserError

NAMES = [f"{c}/{i:02}.png" for c in ("cat", "dog") for i in range(20)]


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        return {info.filename: file.read(info) for info in file.infolist()}


def pixels(data: bytes) -> np.ndarray:
    image = Image.open(BytesIO(data))
    assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
    return np.asarray(image)


def command(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """The tool as a process."""
    env = os.environ | {"PYTHONPATH": str(Path(ganfeat.__file__).parents[1])}
    words = [sys.executable, "-m", "ganfeat.data.prepare", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=env, text=True, stdout=pipe, stderr=pipe, **options)


# What it writes.


def test_a_zip_that_everything_can_read(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", files(NAMES, 40, 24))
    done = prepare(source, tmp_path / "new" / "dst.zip", 16)
    assert done is not None
    assert (done.images, done.unreadable) == (40, [])
    with zipfile.ZipFile(tmp_path / "new" / "dst.zip") as file:
        infos = file.infolist()
        assert {i.compress_type for i in infos} == {zipfile.ZIP_STORED}
        assert {i.date_time for i in infos} == {(1980, 1, 1, 0, 0, 0)}
        file.extractall(tmp_path / "out")
    content = contents(tmp_path / "new" / "dst.zip")
    assert list(content) == ["prepare.json", *NAMES, "dataset.json"]
    for seed in (0, 39):
        middle = noise(seed, 40, 24).crop((8, 0, 32, 24))
        expected = middle.resize((16, 16), Image.Resampling.LANCZOS)
        assert np.array_equal(pixels(content[NAMES[seed]]), np.asarray(expected))
    labels = json.loads(content["dataset.json"])["labels"]
    assert labels == [[name, int(name.startswith("dog"))] for name in NAMES]
    assert not list(tmp_path.rglob("*.partial"))


def test_the_bytes_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", files(NAMES))
    for workers in (1, 3):
        prepare(source, tmp_path / f"{workers}.zip", 16, workers=workers)
    prepare(zipped(tmp_path / "src.zip", files(NAMES)), tmp_path / "0.zip", 16)
    one, *others = [(tmp_path / f"{w}.zip").read_bytes() for w in (1, 3, 0)]
    assert others == [one, one]


def stripes(width: int, height: int) -> bytes:
    """Red, green and blue from left to right, or from top to bottom where that is longer."""
    image = np.zeros((max(width, height), min(width, height), 3), np.uint8)
    for channel, part in enumerate(np.array_split(np.arange(len(image)), 3)):
        image[part, :, channel] = 255
    return encoded(Image.fromarray(image if height > width else image.transpose(1, 0, 2)))


@pytest.mark.parametrize(("width", "height"), [(96, 32), (32, 96)])
def test_fits(tmp_path: Path, width: int, height: int) -> None:
    source = folder(tmp_path / "src", {"a.png": stripes(width, height)})
    got = {}
    for fit in ("crop", "pad", "stretch"):
        prepare(source, tmp_path / f"{fit}.zip", 16, fit)
        image = pixels(contents(tmp_path / f"{fit}.zip")["a.png"])
        image = image.astype(int) // 20  # Lanczos rings a little
        got[fit] = image if height > width else image.transpose(1, 0, 2)
    colours = [[12, 0, 0], [0, 12, 0], [0, 0, 12]]
    assert (got["crop"] == colours[1]).all()
    assert got["stretch"][[1, 8, 14], 8].tolist() == colours
    assert (got["pad"][:, [0, 4, 11, 15]] == 0).all()
    assert got["pad"][[1, 8, 14], 8].tolist() == colours


def test_shrinking_averages_and_does_not_alias(tmp_path: Path) -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    source = folder(tmp_path / "src", {"a.png": encoded(Image.fromarray(board.astype(np.uint8)))})
    prepare(source, tmp_path / "dst.zip", 16)
    assert np.abs(pixels(contents(tmp_path / "dst.zip")["a.png"]).astype(int) - 127.5).max() < 4


def test_namesakes_stay_apart_and_in_order(tmp_path: Path) -> None:
    names = ["a.jpeg", "a.jpg", "a.png", "a.png.png", "b/a.tif", "a-b.png"]
    kinds = ["BMP"] * len(names)  # the suffix need not be true
    content = {n: encoded(noise(i), k) for i, (n, k) in enumerate(zip(names, kinds, strict=True))}
    source = ImageDataset(folder(tmp_path / "src", content))
    prepare(tmp_path / "src", tmp_path / "dst.zip", 16)
    made = ImageDataset(tmp_path / "dst.zip")
    assert len(set(made.names)) == len(made) == len(source) == 6
    order = range(6)
    assert torch.equal(made.__getitems__(order)["image"], source.__getitems__(order)["image"])


def test_folder_and_prepared_zip_are_the_same_data(tmp_path: Path) -> None:
    suffixes = [".png", ".JPG", ".webp", ".bmp"]
    names = [n.replace(".png", suffixes[i % 4]) for i, n in enumerate(NAMES)]
    source = folder(tmp_path / "src" / "all", files(names, 24, 40)).parent
    prepare(source, tmp_path / "dst.zip", 16)
    for options in (
        {"labels": True},
        {"part": "train"},
        {"part": "judge", "labels": True},
        {"part": "teacher", "xflip": True},
        {"subset": 13, "subset_seed": 3},
    ):
        one = ImageDataset(source, 16, **options)
        two = ImageDataset(tmp_path / "dst.zip", **options)
        assert len(one) == len(two)
        a, b = (data.__getitems__(range(len(one))) for data in (one, two))
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_labels_of_dataset_json_are_kept(tmp_path: Path) -> None:
    vectors = np.random.RandomState(0).randn(40, 3).round(3)
    for name, labels in {
        "vectors": vectors.tolist(),
        "numbers": [7 * (i % 2) for i in range(40)],
        "none": None,
    }.items():
        table = labels and [[n, label] for n, label in zip(NAMES, labels, strict=True)]
        written = {"dataset.json": json.dumps({"labels": table}).encode()}
        source = zipped(tmp_path / f"{name}.zip", files(NAMES) | written)
        prepare(source, tmp_path / f"{name}-16.zip", 16)
        made = json.loads(contents(tmp_path / f"{name}-16.zip")["dataset.json"])["labels"]
        if labels is None:
            assert made is None
        else:
            assert [n for n, _ in made] == NAMES
            assert np.allclose([label for _, label in made], labels, atol=1e-6)
    assert ImageDataset(tmp_path / "numbers-16.zip", labels=True).label_dim == 8


def test_lsun(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "church"), map_size=2**22) as base, base.begin(write=True) as w:
        for i in range(5):
            w.put(f"{i:040x}".encode(), encoded(noise(i, 24, 16), "WEBP", lossless=True))
        w.put(b"f" * 40, b"broken")
    done = prepare(tmp_path / "church", tmp_path / "dst.zip", 16)
    assert done is not None
    assert (done.images, done.labels) == (5, None)
    assert [name for name, _ in done.unreadable] == ["f" * 40]
    image = pixels(contents(tmp_path / "dst.zip")[f"{3:040x}.png"])
    assert np.array_equal(image, np.asarray(noise(3, 24, 16).crop((4, 0, 20, 16))))


def test_lsun_without_lmdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "church", {"data.mdb": b""})
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match=r"is an LMDB: run `pip install ganfeat\[lmdb\]`"):
        prepare(tmp_path / "church", tmp_path / "dst.zip", 16)


# The command line.


def test_unreadable_images_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = files(NAMES) | {"cat/03.png": b"broken", "dog/19.png": files(["a"])["a"][:300]}
    source = folder(tmp_path / "src", content)
    main([str(source), str(tmp_path / "dst.zip"), "--resolution", "16"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{tmp_path / 'dst.zip'}: 38 images of 16x16, 2 classes"
    assert said[1] == "2 could not be read and were left out:"
    assert "cat/03.png: no image, or of a format" in said[2]
    assert "dog/19.png: image file is truncated" in said[3]
    made = contents(tmp_path / "dst.zip")
    assert len(made) == 40
    assert len(json.loads(made["dataset.json"])["labels"]) == 38


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "dst.zip", "--resolution", "16"], "missing does not exist"),
        (["missing", "old.zip", "--resolution", "16"], "missing does not exist"),
        (["empty", "dst.zip", "--resolution", "16"], "empty holds no images"),
        (["broken", "dst.zip", "--resolution", "16"], "none of its 2 images can be read"),
        (["src", "dst.zip", "--resolution", "33"], "resolution 33 .* expected 16, 32"),
        (["src", "dst", "--resolution", "16"], "expected the name of a zip"),
        (["src", "file/dst.zip", "--resolution", "16"], "cannot write file/dst.zip: "),
        (["src", "old.zip", "--resolution", "16"], "old.zip exists .* --force"),
        (["old.zip", "old.zip", "--resolution", "16", "--force"], "is the source itself"),
        (["src", "foreign.zip", "--resolution", "16"], "foreign.zip.partial is not ours"),
        (["src", "dst.zip", "--resolution", "16", "--workers", "0"], "workers is 0"),
        (["src", "dst.zip", "--resolution", "16", "--workers", "99999"], "workers is 99999"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder(Path("src"), files(NAMES[:2]))
    folder(Path("broken"), {"a.png": b"", "b.png": b"x"})
    folder(Path(), {"file": b"", "old.zip": b"precious", "foreign.zip.partial": b"precious"})
    Path("empty").mkdir()
    before = sorted(map(str, Path().rglob("*")))
    with pytest.raises(UserError, match=message):
        raise UserError(_error(arguments, capsys))
    assert sorted(map(str, Path().rglob("*"))) == before
    assert Path("old.zip").read_bytes() == b"precious"
    assert Path("foreign.zip.partial").read_bytes() == b"precious"


def test_a_link_that_leads_nowhere_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder(tmp_path / "src", files(NAMES[:3]))
    (source / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    main([str(source), str(tmp_path / "dst.zip"), "--resolution", "16"])
    said = capsys.readouterr().out
    assert "3 images of 16x16" in said
    assert "cat/gone.png" in said


def _error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    refused(main, arguments)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_what_is_there_already(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder(tmp_path / "src", files(NAMES))
    dst = tmp_path / "dst.zip"
    words = [str(source), str(dst), "--resolution", "16"]
    main(words)
    before = dst.stat()
    main(words)
    assert "is there already" in capsys.readouterr().out
    assert dst.stat() == before
    refused(main, [*words, "--fit", "pad"])
    (source / "cat/00.png").write_bytes(encoded(noise(99), "BMP"))  # the source has changed
    refused(main, words)
    assert dst.stat() == before
    main([*words, "--force"])
    assert np.array_equal(pixels(contents(dst)["cat/00.png"]), np.asarray(noise(99)))


def test_help() -> None:
    process = command("--help")
    assert "SRC DST.zip" in process.communicate()[0]
    assert process.returncode == 0


# Interruptions.


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are converted."""
    names: list[str] = []
    real: Callable[..., Generator[Any, None, None]] = tool.convert_all

    def spy(job: Any, todo: list[str], workers: int) -> Generator[Any, None, None]:
        names.extend(todo)
        return real(job, todo, workers)

    monkeypatch.setattr(tool, "convert_all", spy)
    return names


def test_a_cut_off_partial_is_gone_on_with(tmp_path: Path, converted: list[str]) -> None:
    source = folder(tmp_path / "src", files(NAMES[:6]))
    dst, partial = tmp_path / "dst.zip", tmp_path / "dst.zip.partial"
    prepare(source, dst, 16, workers=1)
    whole = dst.read_bytes()
    with zipfile.ZipFile(dst) as file:
        ends = [i.header_offset for i in file.infolist()[1:]] + [file.start_dir]
    dst.unlink()
    for size in [0, 1, *range(20, len(whole), 467), *ends, len(whole) - 1, len(whole)]:
        partial.write_bytes(whole[:size])
        converted.clear()
        prepare(source, dst, 16, workers=1)
        assert dst.read_bytes() == whole
        assert not partial.exists()
        dst.unlink()
        entries = sum(end <= size for end in ends)  # the settings, then the images
        assert converted == NAMES[max(0, min(entries - 1, 6)) : 6]


def test_a_spoilt_partial_keeps_what_comes_before(tmp_path: Path, converted: list[str]) -> None:
    source = folder(tmp_path / "src", files(NAMES[:6]))
    dst, partial = tmp_path / "dst.zip", tmp_path / "dst.zip.partial"
    prepare(source, dst, 16)
    whole = dst.read_bytes()
    with zipfile.ZipFile(dst) as file:
        middle = file.getinfo(NAMES[3]).header_offset
    dst.unlink()
    partial.write_bytes(whole[: middle + 200] + bytes(500) + whole[middle + 700 :])
    converted.clear()
    prepare(source, dst, 16)
    assert dst.read_bytes() == whole
    assert converted == NAMES[3:6]


def test_a_partial_of_something_else(tmp_path: Path) -> None:
    one, two = (folder(tmp_path / d, files([f"{d}.png"])) for d in "ab")
    dst, partial = tmp_path / "dst.zip", tmp_path / "dst.zip.partial"
    prepare(one, dst, 16)
    os.replace(dst, partial)
    with pytest.raises(UserError, match=r"dst.zip.partial is unfinished.*--force"):
        prepare(two, dst, 16)
    assert partial.exists()
    prepare(two, dst, 16, force=True)
    assert list(contents(dst)) == ["prepare.json", "b.png", "dataset.json"]


def test_two_at_once(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", files(NAMES[:2]))
    other = GrowingZip(tmp_path / "dst.zip.partial")
    with pytest.raises(UserError, match="being written by another process"):
        prepare(source, tmp_path / "dst.zip", 16)
    other.close()
    assert prepare(source, tmp_path / "dst.zip", 16) is not None


def started(source: Path, dst: Path, **options: Any) -> subprocess.Popen[str]:
    """The tool at work: some images are written."""
    process = command(source, dst, "--resolution", 64, "--workers", 2, **options)
    partial = dst.with_name(f"{dst.name}.partial")
    deadline = time.monotonic() + 60
    while not partial.exists() or partial.stat().st_size < 200_000:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough images to be interrupted at: one file under 800 names."""
    path = tmp_path_factory.mktemp("large")
    data = encoded(noise(0, 200), "BMP")
    (path / "0.bmp").write_bytes(data)
    for i in range(1, 800):
        (path / f"{i}.bmp").hardlink_to(path / "0.bmp")
    return path


def test_kill(tmp_path: Path, large: Path, converted: list[str]) -> None:
    dst, partial = tmp_path / "dst.zip", tmp_path / "dst.zip.partial"
    process = started(large, dst)
    process.kill()
    process.communicate()
    assert not dst.exists()
    size = partial.stat().st_size
    done = prepare(large, dst, 64)
    assert done is not None
    assert done.images == 800
    assert len(converted) <= 800 - size // (64 * 64 * 3 + 500)
    prepare(large, tmp_path / "again.zip", 64)
    assert dst.read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_ctrl_c(tmp_path: Path, large: Path) -> None:
    process = started(large, tmp_path / "dst.zip", start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.communicate()[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "error: interrupted: run the same command again to go on"
    assert "Traceback" not in said
    assert [p.name for p in tmp_path.iterdir()] == ["dst.zip.partial"]


def test_a_full_disk(tmp_path: Path) -> None:
    source = folder(tmp_path / "src", files(NAMES))
    (tmp_path / "dst.zip").write_bytes(b"precious")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = [source, tmp_path / "dst.zip", "--resolution", 16, "--force", "--workers", 1]
    process = command(*words, preexec_fn=limit)
    said = process.communicate()[1].splitlines()
    assert process.returncode == 1
    assert "dst.zip: File too large; once there is room, the same" in said[-1]
    assert said[-1].startswith("error: ")
    assert not any("Traceback" in line or "Exception" in line for line in said)
    assert (tmp_path / "dst.zip").read_bytes() == b"precious"
    main(list(map(str, words)))
    assert len(contents(tmp_path / "dst.zip")) == 42


# Real photographs.


def test_cifar10(tmp_path: Path) -> None:
    with zipfile.ZipFile(shared("data/cifar10-train.zip")) as file:
        for i in range(20):
            for name in ("frog", "ship", "cat"):
                file.extract(f"{name}/{i:04}.jpg", tmp_path / "src")
    prepare(tmp_path / "src", tmp_path / "dst.zip", 32)
    one = ImageDataset(tmp_path / "src", labels=True).__getitems__(range(60))
    two = ImageDataset(tmp_path / "dst.zip", labels=True).__getitems__(range(60))
    assert torch.equal(one["image"], two["image"])
    assert torch.equal(one["label"], two["label"])
