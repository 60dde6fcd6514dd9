"""Folders and zips of images: what comes out, and what bad ones get."""

import json
import logging
import os
import pickle
import time
import zipfile
from io import BytesIO
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from parity import shared
from pictures import encoded, files, folder, noise, zipped
from PIL import Image
from torch.utils.data import DataLoader

from ganfeat.data.images import ImageDataset
from ganfeat.data.pixels import decode
from ganfeat.errors import UserError

NAMES = [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(4)]


def uint8(image: torch.Tensor) -> np.ndarray:
    """[3, R, R] in [-1, 1] as uint8 [R, R, 3], exactly."""
    values = (image.double() + 1) * 127.5
    assert float((values - values.round()).abs().max()) < 1e-4
    return values.round().to(torch.uint8).permute(1, 2, 0).numpy()


def only(path: Path, data: bytes, suffix: str, resolution: int = 16) -> np.ndarray:
    """What a dataset of one file gives."""
    return uint8(ImageDataset(folder(path, {f"a{suffix}": data}), resolution)[0]["image"])


# What comes out.


def test_a_batch_has_the_pixels_of_the_files(tmp_path: Path) -> None:
    data = ImageDataset(folder(tmp_path / "photos", files(NAMES)))
    assert (len(data), data.resolution, data.label_dim, data.name) == (8, 16, 0, "photos")
    batch = data.__getitems__([5, 0, 5])
    assert list(batch) == ["image"]
    assert batch["image"].shape == (3, 3, 16, 16)
    assert batch["image"].dtype == torch.float32
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)  # as networks take it
    for row, seed in enumerate([5, 0, 5]):
        assert np.array_equal(uint8(batch["image"][row]), np.asarray(noise(seed)))
    assert torch.equal(data[5]["image"], batch["image"][0])
    extremes = Image.fromarray(np.tile(np.uint8([[[0, 128, 255]]]), (16, 16, 1)))
    image = ImageDataset(folder(tmp_path / "flat", {"a.png": encoded(extremes)}))[0]["image"]
    assert image[:, 0, 0].tolist() == pytest.approx([-1, 128 / 127.5 - 1, 1], abs=1e-7)
    with pytest.raises(IndexError):
        data[8]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_the_folder(tmp_path: Path, method: int) -> None:
    content = files([*NAMES, "cat/a-b.png", "cat/a.png"])
    one = ImageDataset(folder(tmp_path / "photos", content), labels=True)
    two = ImageDataset(zipped(tmp_path / "photos.zip", content, method), labels=True)
    assert one.names == two.names
    assert one.name == two.name == "photos"
    for a, b in zip(
        one.__getitems__(range(10)).values(), two.__getitems__(range(10)).values(), strict=True
    ):
        assert torch.equal(a, b)
    assert one.fingerprint() == two.fingerprint()


def test_a_zip_whose_local_headers_have_extra_fields(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for i, name in enumerate(NAMES):
            info = zipfile.ZipInfo(name)
            info.extra = b"\xfe\xca\x05\x00hello"
            file.writestr(info, encoded(noise(i)))
            info.extra = b""  # the directory no longer says so
    assert np.array_equal(uint8(ImageDataset(tmp_path / "a.zip")[7]["image"]), np.asarray(noise(7)))


def test_junk_and_other_files_are_no_images(tmp_path: Path) -> None:
    content = files(["x/cat/1.png", "x/dog/1.JPG"])
    junk = {
        "__MACOSX/x/cat/._1.png": b"junk",
        "x/cat/._1.png": b"junk",
        "x/.thumbs/1.png": b"junk",
        "x/.DS_Store": b"junk",
        "x/readme.txt": b"hello",
    }
    directories = {"x/": b"", "x/cat/": b"", "x/dog.png/": b""}
    for data in (
        ImageDataset(folder(tmp_path / "f", content | junk), labels=True),
        ImageDataset(zipped(tmp_path / "z.zip", directories | content | junk), labels=True),
    ):
        assert data.names == ["x/cat/1.png", "x/dog/1.JPG"]
        assert data.label_dim == 2


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    folder(tmp_path / "elsewhere", files(["1.png"]))
    root = folder(tmp_path / "root", files(["cat/1.png"]))
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    (root / "dog" / "up").symlink_to(root)
    assert ImageDataset(root).names == ["cat/1.png", "dog/1.png"]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", files(["cat/1.png", "dog/1.png"]))
    Path(os.fsdecode(os.fsencode(root) + b"/dog/1.png")).rename(
        os.fsdecode(os.fsencode(root) + b"/dog/\xe9.png")
    )
    data = ImageDataset(root, labels=True)
    assert np.array_equal(uint8(data[1]["image"]), np.asarray(noise(1)))
    assert data.names[1].encode() == b"dog/&#56553;.png"
    assert data.fingerprint()["files"] == 2


def test_an_lmdb_can_be_read_too(tmp_path: Path) -> None:
    with (
        lmdb.open(str(tmp_path / "church"), map_size=2**22) as base,
        base.begin(write=True) as writer,
    ):
        for i in range(5):
            writer.put(f"{i:040x}".encode(), encoded(noise(i), "WEBP", lossless=True))
    data = ImageDataset(tmp_path / "church")
    assert (len(data), data.resolution, data.name) == (5, 16, "church")
    forked = DataLoader(data, batch_sampler=[[3]], num_workers=1, collate_fn=lambda batch: batch)
    [batch] = forked
    for image in (batch["image"][0], data[3]["image"]):
        assert np.array_equal(uint8(image), np.asarray(noise(3)))
    assert data.broken == []


# Formats.


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "webp", "ppm", "tga"])
def test_formats(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "webp" else {}
    image = noise(0)
    assert np.array_equal(
        only(tmp_path, encoded(image, kind, **options), f".{kind}"), np.asarray(image)
    )


def test_grey_is_repeated(tmp_path: Path) -> None:
    grey = noise(0).convert("L")
    got = only(tmp_path, encoded(grey), ".png")
    assert all(np.array_equal(got[:, :, c], np.asarray(grey)) for c in range(3))


def test_black_and_white(tmp_path: Path) -> None:
    bits = noise(0).convert("1")
    got = only(tmp_path, encoded(bits), ".png")
    assert np.array_equal(got[:, :, 1], np.asarray(bits) * 255)


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("TIFF", ".tif"), ("PPM", ".pgm")])
def test_16_bits_become_8(tmp_path: Path, kind: str, suffix: str) -> None:
    levels = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    got = only(tmp_path, encoded(Image.fromarray(levels), kind), suffix)
    assert np.array_equal(got[:, :, 0], np.arange(256, dtype=np.uint8).reshape(16, 16))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bits_have_no_range(kind: type) -> None:
    """Divided as 16 bits are they would come out as black or white."""
    with pytest.raises(ValueError, match="32 bits, of a range that no file states"):
        decode(encoded(Image.fromarray(np.arange(256, dtype=kind).reshape(16, 16)), "TIFF"))


def test_transparent_is_white(tmp_path: Path) -> None:
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[:8] = (200, 0, 0, 0)
    rgba[8:] = (200, 0, 0, 51)  # a fifth
    got = only(tmp_path / "rgba", encoded(Image.fromarray(rgba)), ".png")
    assert (got[:8] == 255).all()
    assert got[12, 3].tolist() == [244, 204, 204]
    grey = Image.fromarray(rgba).convert("LA")
    assert (only(tmp_path / "la", encoded(grey), ".png")[:8] == 255).all()
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([9, 9, 9, 70, 80, 90])
    assert only(tmp_path / "p", encoded(palette), ".png")[0, 0].tolist() == [70, 80, 90]
    data = encoded(palette, transparency=1)
    assert (only(tmp_path / "pt", data, ".png") == 255).all()
    data = encoded(Image.new("RGB", (16, 16), (1, 2, 3)), transparency=(1, 2, 3))
    assert (only(tmp_path / "t", data, ".png") == 255).all()


def test_a_camera_held_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), "black")
    image.paste("white", (0, 0, 16, 8))  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned to the right
    got = only(tmp_path, encoded(image, exif=exif), ".png")
    assert got[:, 8:].min() == 255
    assert got[:, :8].max() == 0


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert only(tmp_path, data, ".gif")[0, 0].tolist() == [255, 0, 0]


# Size.


def test_other_sizes_are_cropped_and_resized_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = folder(tmp_path / "wide", files(["a.png", "b.png"], 48, 32))
    data = ImageDataset(root, 16)
    for _ in range(3):
        batch = data.__getitems__([0, 1])
    middle = noise(1, 48, 32).crop((8, 0, 40, 32)).resize((16, 16), Image.Resampling.LANCZOS)
    assert np.array_equal(uint8(batch["image"][1]), np.asarray(middle))
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    for part in (str(root), "48x32", "16x16", "ganfeat.data.prepare"):
        assert part in record.getMessage()


def test_the_right_size_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ImageDataset(folder(tmp_path, files(NAMES))).__getitems__(range(8))
    assert not caplog.records


@pytest.mark.parametrize("size", [(48, 32), (48, 48)])
def test_no_resolution_and_none_to_see(tmp_path: Path, size: tuple[int, int]) -> None:
    root = folder(tmp_path, files(["a.png"], *size))
    with pytest.raises(UserError, match=r"48x\d\d pixels.*data.resolution"):
        ImageDataset(root)


@pytest.mark.parametrize("resolution", [0, 8, 48, 2048])
def test_impossible_resolutions(tmp_path: Path, resolution: int) -> None:
    with pytest.raises(UserError, match=f"resolution {resolution}.*expected 16, 32"):
        ImageDataset(folder(tmp_path, files(["a.png"])), resolution)
    if resolution == 8:
        with pytest.raises(UserError, match="resolution 8"):
            ImageDataset(folder(tmp_path / "small", files(["a.png"], 8)))


# Labels.


def labelled(path: Path, labels: object) -> Path:
    """Two class folders and a dataset.json."""
    table = {"dataset.json": json.dumps({"labels": labels}).encode()}
    return zipped(path / "a.zip", files(NAMES) | table)


def test_class_folders_are_one_hot_in_sorted_order(tmp_path: Path) -> None:
    names = ["all/b/x/1.png", "all/b/2.png", "all/a/1.png", "all/c/1.png"]
    data = ImageDataset(folder(tmp_path, files(names)), labels=True)
    assert data.label_dim == 3
    label = data.__getitems__(range(4))["label"]
    assert label.dtype == torch.float32
    assert label.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert data[3]["label"].tolist() == [0, 0, 1]


def test_class_numbers_of_dataset_json_go_first(tmp_path: Path) -> None:
    numbers = [3, 0, 0, 1, 1, 1, 0, 0]
    path = labelled(tmp_path, [*zip(NAMES, numbers, strict=True), ("gone.png", 4)])
    data = ImageDataset(path, labels=True)
    assert data.label_dim == 5  # the absent image's class too
    assert data.__getitems__(range(8))["label"].argmax(1).tolist() == numbers


def test_dataset_json_may_lie_in_the_folder_that_holds_all(tmp_path: Path) -> None:
    content = files([f"set/{name}" for name in NAMES])
    table = [[name, i] for i, name in enumerate(NAMES)]
    content["set/dataset.json"] = json.dumps({"labels": table}).encode()
    content["set/cat/dataset.json"] = b"of the cats only"
    data = ImageDataset(folder(tmp_path, content), labels=True)
    assert data.__getitems__(range(8))["label"].argmax(1).tolist() == list(range(8))


def test_label_vectors(tmp_path: Path) -> None:
    vectors = np.random.RandomState(0).randn(8, 3).astype(np.float32)
    path = labelled(tmp_path, list(zip(NAMES, vectors.tolist(), strict=True)))
    data = ImageDataset(path, labels=True, xflip=True)
    assert data.label_dim == 3
    assert np.array_equal(data.__getitems__([7, 0, 8])["label"].numpy(), vectors[[7, 0, 0]])


def test_labels_are_left_alone_unless_asked_for(tmp_path: Path) -> None:
    data = ImageDataset(labelled(tmp_path, "nonsense"))
    assert data.label_dim == 0
    assert list(data[0]) == ["image"]


def test_every_part_has_all_classes(tmp_path: Path) -> None:
    root = folder(tmp_path, files([f"{c}/1.png" for c in "abcdefghijkl"]))
    dims = {ImageDataset(root, labels=True, part=p).label_dim for p in ("train", "judge")}
    assert dims == {12}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "no labels"),
        ([[name, 0] for name in NAMES[1:]], r"no label for 1 of 8 images, cat/0.png"),
        ([[name, i if i else [1.0]] for i, name in enumerate(NAMES)], "mixes kinds"),
        ([[name, 0.5] for name in NAMES], "mixes kinds"),
        ([[name, -1] for name in NAMES], "class numbers from 0"),
        ([[name, True] for name in NAMES], "mixes kinds"),
        ([[name, [0.0] * (1 + i % 2)] for i, name in enumerate(NAMES)], "lengths 1 and 2"),
        ([[name, ["x"]] for name in NAMES], "other things than numbers"),
        ([[name, [float("nan")]] for name in NAMES], "other things than finite numbers"),
        ([[name, 10**30] for name in NAMES], "has the class number 1000000000000000000"),
        ("nonsense", "cannot be understood"),
        ([1, 2], "cannot be understood"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, labels: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        ImageDataset(labelled(tmp_path, labels), labels=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("names", [["a.png", "b.png"], ["cat/a.png", "b.png"], ["cat/a.png"]])
def test_no_class_folders(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(UserError, match=r"no labels.*class folder.*dataset.json"):
        ImageDataset(folder(tmp_path, files(names)), labels=True)


# Selection.


def test_xflip_appends_the_mirrored_images(tmp_path: Path) -> None:
    data = ImageDataset(folder(tmp_path, files(NAMES)), xflip=True)
    assert len(data) == 16
    plain, mirrored = data.__getitems__([3, 11])["image"]
    assert torch.equal(mirrored, plain.flip(-1))
    assert not torch.equal(mirrored, plain)


def test_a_subset_is_drawn_by_its_seed(tmp_path: Path) -> None:
    root = folder(tmp_path, files([f"{i:03}.png" for i in range(50)]))
    names = [ImageDataset(root, subset=10, subset_seed=s).names for s in (0, 0, 1)]
    assert names[0] == names[1] == sorted(names[0])
    assert names[0] != names[2]
    assert len(set(names[0])) == 10
    nested = ImageDataset(root, subset=5, subset_seed=0).names
    assert set(nested) < set(names[0])
    for subset in (0, 51):
        with pytest.raises(UserError, match=f"subset of {subset} images.*1 to 50"):
            ImageDataset(root, subset=subset)


def test_parts_are_disjoint_and_fixed(tmp_path: Path) -> None:
    names = [f"{c}/{i:03}.png" for c in "ab" for i in range(200)]
    root = folder(tmp_path / "all", files(names))
    parts = {p: set(ImageDataset(root, part=p).names) for p in ("train", "judge", "teacher")}
    assert sorted(set.union(*parts.values())) == names
    assert sum(map(len, parts.values())) == 400
    assert len(parts["train"]) == pytest.approx(200, abs=40)
    assert len(parts["judge"]) == pytest.approx(100, abs=35)
    # Neither what lies beside an image nor the suffix nor a folder around all of it matters.
    fewer = {f"x/{name[:-4]}.jpeg": b"" for name in names[::3]}
    some = ImageDataset(zipped(tmp_path / "a.zip", fewer), 16, part="judge").names
    assert {f"{n[2:-5]}.png" for n in some} == parts["judge"] & set(names[::3])


def test_a_part_with_nothing_in_it(tmp_path: Path) -> None:
    root = folder(tmp_path, files(["a.png"]))
    assert ImageDataset(root, part="judge").names == ["a.png"]
    for part in ("train", "teacher"):
        with pytest.raises(UserError, match=f"part {part} is empty"):
            ImageDataset(root, part=part)
    with pytest.raises(UserError, match="part is tain: expected one of all, train"):
        ImageDataset(root, part="tain")


# Broken images.


def test_a_broken_image_is_named_once_and_its_neighbour_stands_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = files(NAMES)
    content["cat/3.png"] = content["cat/3.png"][:200]
    data = ImageDataset(folder(tmp_path, content), labels=True, xflip=True)
    for _ in range(2):
        batch = data.__getitems__([3, 4, 11])
    assert torch.equal(batch["image"][0], batch["image"][1])
    assert torch.equal(batch["image"][2], batch["image"][1].flip(-1))
    assert batch["label"].argmax(1).tolist() == [1, 1, 1]
    assert data.broken == ["cat/3.png"]
    [record] = caplog.records
    assert "cat/3.png" in record.getMessage()
    assert "truncated" in record.getMessage()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        encoded(noise(0), "JPEG")[:300],
        encoded(Image.fromarray(np.zeros((16, 16), np.float32)), "TIFF"),
    ],
)
def test_what_counts_as_broken(tmp_path: Path, data: bytes) -> None:
    images = ImageDataset(zipped(tmp_path / "a.zip", files(NAMES) | {"cat/0.png": data}), 16)
    assert np.array_equal(uint8(images[0]["image"]), np.asarray(noise(1)))
    assert images.broken == ["cat/0.png"]


def test_a_flipped_bit_in_a_zip_is_noticed(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {n: encoded(noise(0), "BMP") for n in NAMES})
    with zipfile.ZipFile(path) as file:
        offset = file.getinfo("cat/2.png").header_offset
    data = bytearray(path.read_bytes())
    data[offset + 300] ^= 1  # a pixel, which Pillow could not know
    path.write_bytes(data)
    images = ImageDataset(path)
    images.__getitems__(range(8))
    assert images.broken == ["cat/2.png"]


def test_a_file_that_disappears(tmp_path: Path) -> None:
    data = ImageDataset(folder(tmp_path, files(NAMES)))
    (tmp_path / "dog/3.png").unlink()
    assert torch.equal(data[7]["image"], data[0]["image"])  # round the end
    assert data.broken == ["dog/3.png"]


def test_above_one_percent_it_stops(tmp_path: Path) -> None:
    content = files([f"{i:03}.png" for i in range(300)])
    bad = {f"{i:03}.png": b"broken" for i in (7, 70, 170, 270)}
    data = ImageDataset(zipped(tmp_path / "a.zip", content | bad), 16)
    data.__getitems__(range(200))
    data.__getitems__(range(200))
    assert len(data.broken) == 3
    with pytest.raises(UserError, match=r"4 of 300 images cannot be read.*007.png, 070.png") as e:
        data.__getitems__(range(200, 300))
    assert "\n" not in str(e.value)


def test_few_images_may_have_one_broken(tmp_path: Path) -> None:
    content = files(["0.png", "1.png", "2.png"])
    one = ImageDataset(zipped(tmp_path / "1.zip", content | {"0.png": b"broken"}), 16)
    one.__getitems__([0, 1, 2])
    content |= {"0.png": b"broken", "2.png": b"broken"}
    two = ImageDataset(zipped(tmp_path / "2.zip", content), 16)
    with pytest.raises(UserError, match="2 of 3 images"):
        two.__getitems__([0, 1, 2])
    none = ImageDataset(zipped(tmp_path / "0.zip", {"0.png": b"broken"}), 16)
    with pytest.raises(UserError, match="none of its 1 images can be read"):
        none[0]


# What bad paths get.


def test_bad_paths(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    whole = zipped(tmp_path / "whole.zip", files(NAMES)).read_bytes()
    (tmp_path / "short.zip").write_bytes(whole[:-30])
    zipped(tmp_path / "texts.zip", {"a.txt": b"text"})
    zipped(tmp_path / "rare.zip", files(NAMES), zipfile.ZIP_LZMA)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "data.mdb").write_bytes(b"no database" * 1000)
    for name, message in {
        "missing": "does not exist",
        "empty": "holds no images",
        "text.zip": "is no zip",
        "short.zip": "is no zip, or it is cut short",
        "texts.zip": "holds no images",
        "rare.zip": "rare compression",
        "base": "no readable LMDB",
    }.items():
        with pytest.raises(UserError, match=message) as error:
            ImageDataset(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", files(["a.png"]))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="encrypted"):
        ImageDataset(path)


# Fingerprint and pickle.


def test_the_fingerprint_says_what_the_data_is(tmp_path: Path) -> None:
    content = files([f"{c}/{i:03}.png" for c in "ab" for i in range(50)])
    path = zipped(tmp_path / "a.zip", content)
    first = ImageDataset(path).fingerprint()
    assert json.loads(json.dumps(first)) == first
    assert first["files"] == 100
    assert first["bytes"] == sum(map(len, content.values()))
    assert str(tmp_path) not in json.dumps(first)
    assert ImageDataset(zipped(tmp_path / "copy.zip", content)).fingerprint() == first
    others = [
        ImageDataset(path, **options).fingerprint()
        for options in (
            {"xflip": True},
            {"labels": True},
            {"part": "train"},
            {"subset": 90},
            {"subset": 90, "subset_seed": 1},
            {"resolution": 32},
        )
    ]
    same_size = bytearray(encoded(noise(0), "BMP"))
    for byte in (0, 1):
        same_size[-1] ^= byte
        changed = zipped(tmp_path / f"{byte}.zip", content | {"a/000.png": bytes(same_size)})
        others.append(ImageDataset(changed).fingerprint())
    renamed = {"c/000.png" if n == "a/000.png" else n: d for n, d in content.items()}
    others.append(ImageDataset(zipped(tmp_path / "r.zip", renamed)).fingerprint())
    seen = [json.dumps(f, sort_keys=True) for f in [first, *others]]
    assert len(set(seen)) == len(seen)


def test_the_version_notices_any_file_that_changes(tmp_path: Path) -> None:
    content = files([f"{i:03}.png" for i in range(100)])
    first = ImageDataset(zipped(tmp_path / "a.zip", content))
    other = {**content, "002.png": content["002.png"][:-1] + b"x"}  # not among the 64
    second = ImageDataset(zipped(tmp_path / "b.zip", other))
    assert first.fingerprint() == second.fingerprint()
    assert first.version() != second.version()
    photos = folder(tmp_path / "photos", content)
    before = ImageDataset(photos).version()
    assert ImageDataset(photos).version() == before
    os.utime(photos / "002.png", ns=(1, 1))
    assert ImageDataset(photos).version() != before


def test_other_labels_are_another_fingerprint(tmp_path: Path) -> None:
    prints = []
    for shift in (0, 1):
        (tmp_path / str(shift)).mkdir()
        table = [[name, (i + shift) % 3] for i, name in enumerate(NAMES)]
        prints.append(ImageDataset(labelled(tmp_path / str(shift), table), labels=True))
    assert prints[0].fingerprint() != prints[1].fingerprint()


def test_a_pickled_dataset_goes_on(tmp_path: Path) -> None:
    data = ImageDataset(zipped(tmp_path / "a.zip", files(NAMES)), labels=True, xflip=True)
    data[0]  # opens the file
    copy = pickle.loads(pickle.dumps(data))
    for key, value in data.__getitems__(range(16)).items():
        assert torch.equal(copy.__getitems__(range(16))[key], value)


# Real photographs.


def test_cifar10() -> None:
    path = shared("data/cifar10-train.zip")
    data = ImageDataset(path, labels=True)
    assert (len(data), data.resolution, data.label_dim) == (50_000, 32, 10)
    batch = data.__getitems__([0, 49_999])
    assert batch["label"].argmax(1).tolist() == [0, 9]
    with zipfile.ZipFile(path) as file, Image.open(BytesIO(file.read(data.names[0]))) as image:
        assert np.array_equal(uint8(batch["image"][0]), np.asarray(image))


def test_reading_takes_little_longer_than_decoding() -> None:
    path = shared("data/cifar10-train.zip")
    data = ImageDataset(path, labels=True)
    order = np.random.RandomState(0).permutation(50_000)

    def decode(chosen: list[int]) -> None:
        for i in chosen:
            with Image.open(BytesIO(file.read(data.names[i]))) as image:
                np.asarray(image)

    ratios = []
    with zipfile.ZipFile(path) as file:
        for start in range(0, 1280, 64):
            chosen = order[start : start + 64].tolist()
            times = [time.process_time()]
            for way in (data.__getitems__, decode):
                way(chosen)
                times.append(time.process_time())
            ratios.append((times[1] - times[0]) / (times[2] - times[1]))
    assert np.median(ratios) < 2  # 1.0 here
