"""Published benchmarks, on small folders of the same structure."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.io import savemat

from ganfeat import backbone, evaluate
from ganfeat.config import compose
from ganfeat.data.benchmarks import LFW, CelebA, ClassFolders, LSUNRooms
from ganfeat.encoders.ghfeat import GHFeatNet
from ganfeat.encoders.ghfeat.latents import layout
from ganfeat.errors import UserError
from ganfeat.features import Features
from ganfeat.metrics.reference import References
from ganfeat.networks import save_networks, state_hash
from ganfeat.tasks.categories import Categories
from ganfeat.tasks.points import Landmarks, LayoutTransfer
from ganfeat.tasks.trial import Trial
from ganfeat.tasks.verification import Verification

FOLDS, EACH = 4, 3


def picture(path: Path, size: tuple[int, int], colour: Any, *dots: Any, kind: str = "png") -> None:
    """A file of one colour with white dots of 9 px."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    pen = ImageDraw.Draw(image)
    for x, y in dots:
        pen.rectangle((x - 4, y - 4, x + 4, y + 4), fill="white")
    image.save(path, format=kind, **({"quality": 100} if kind == "jpeg" else {}))


class Brightest(Features):
    """Says the mean colour, and where the brightest places are on average."""

    name = "brightest"

    def encode(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        side = images.shape[-1]
        bright = (images.mean(dim=1) > 0.8).float() + 1e-9
        at = torch.arange(side) + 0.5
        weights = bright / bright.sum(dim=[1, 2], keepdim=True)
        x, y = (weights.sum(dim=1) @ at), (weights.sum(dim=2) @ at)
        return {"colour": images.mean(dim=[2, 3]), "place": torch.stack([x, y], dim=1)}


def trial(data: Any, network: Features | None = None) -> Trial:
    return Trial(network or Brightest(), References(data))


# LFW.


def lfw(folder: Path) -> Path:
    """As LFW comes: a colour is a person."""
    rng = np.random.default_rng(0)
    people = [f"Person_{chr(65 + i)}" for i in range(8)]
    for i, person in enumerate(people):
        colour = np.array([40 + 150 * (i >> bit & 1) for bit in range(3)])
        for number in (1, 2, 3):
            shade = tuple(int(x) for x in colour + rng.integers(-2, 3, 3))
            picture(folder / "lfw" / person / f"{person}_{number:04d}.jpg", (250, 250), shade)
    lines = []
    for fold in range(FOLDS):
        a, b = people[2 * fold], people[2 * fold + 1]
        lines += [f"{a}\t1\t2", f"{b}\t1\t3", f"{a}\t2\t3"]
        lines += [f"{a}\t1\t{b}\t1", f"{a}\t2\t{b}\t3", f"{b}\t2\t{a}\t3"]
    (folder / "pairs.txt").write_text("\n".join([f"{FOLDS}\t{EACH}", *lines]) + "\n")
    for part, first in (("Train", people), ("Test", people[2:4])):
        some = [f"{first[0]}\t1\t2", *(f"{a}\t1\t{first[0]}\t2" for a in first[1:])]
        (folder / f"pairsDev{part}.txt").write_text("\n".join([f"{len(some) // 2}", *some]))
    return folder


def test_lfw(tmp_path: Path) -> None:
    data = LFW(str(lfw(tmp_path)), 32)
    assert len(data) == 9  # of eight people one image each, and A's second
    assert data.names[:2] == [f"lfw/Person_A/Person_A_000{i}.jpg" for i in (1, 2)]
    pairs = data.pairs("test")
    assert pairs.same.tolist() == ([True] * 3 + [False] * 3) * FOLDS
    assert pairs.folds.tolist() == [i for i in range(FOLDS) for _ in range(6)]
    first, second = pairs.images(torch.tensor([4]))  # A's second image and B's third
    expected = data.images_of(["lfw/Person_A/Person_A_0002.jpg", "lfw/Person_B/Person_B_0003.jpg"])
    assert torch.equal(torch.cat([first, second]), expected)
    test = data.reference("test", 10_000)
    assert (len(test), test.split, len(data.reference("val", 2))) == (24, "test", 3)
    found = Verification().result(trial(data))
    assert found.arrays["levels/verification"]["colour"] == 1
    assert found.values[0].protocol["pairs"]["pairs"] == 24


def test_lists_that_are_damaged(tmp_path: Path) -> None:
    folder = lfw(tmp_path)
    pairs = folder / "pairs.txt"
    whole = pairs.read_text()
    pairs.write_text(whole.rsplit("\n", 2)[0])
    with pytest.raises(UserError, match="23 pairs, 12 of one person: expected 4 folds of 3"):
        LFW(str(folder), 32).pairs("test")
    pairs.write_text(whole.replace("Person_A\t1\t2", "Person_A\tone\t2", 1))
    with pytest.raises(UserError, match=r"line 2: .* is no pair"):
        LFW(str(folder), 32, "test")
    pairs.write_text("1\t3\n" + "\n".join(whole.split("\n")[1:7]))
    with pytest.raises(UserError, match="pairs of test are 1 fold: expected ten"):
        Verification().check(trial(LFW(str(folder), 32)))
    pairs.write_text(whole.replace("Person_A", "Nobody"))
    with pytest.raises(UserError, match="has no folder Nobody, whom a list of pairs names"):
        LFW(str(folder), 32, "test")
    pairs.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        LFW(str(folder), 32, "test")
    pairs.unlink()
    with pytest.raises(UserError, match=r"has no pairs\.txt"):
        LFW(str(folder), 32, "test")


# CelebA and MAFL.


def celeba(folder: Path, n: int = 120) -> Path:
    """As CelebA comes: the dots are the landmarks; who is red wears a hat."""
    rng = np.random.default_rng(1)
    files = [f"{i:06d}.jpg" for i in range(1, n + 1)]
    hats = rng.random(n) < 0.5
    points = [rng.integers([12, 32], [166, 186]) for _ in range(n)]
    for file, hat, at in zip(files, hats, points, strict=True):
        colour = (150, 20, 20) if hat else (20, 20, 150)
        picture(folder / "Img/img_align_celeba" / file, (178, 218), colour, at, kind="jpeg")
    lists = {
        "Anno/list_attr_celeba.txt": (
            "Hat Young", [f"{1 if hat else -1} -1" for hat in hats],
        ),
        "Anno/list_landmarks_align_celeba.txt": (
            "lefteye_x lefteye_y righteye_x righteye_y",
            [f"{x} {y} {x + 10} {y}" for x, y in points],
        ),
    }  # fmt: skip
    for name, (head, rows) in lists.items():
        lines = [f"{file}  {row}" for file, row in zip(files, rows, strict=True)]
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join([str(n), head, *lines]) + "\n")
    (folder / "Eval").mkdir()
    parts = [0] * (n // 2) + [1] * (n // 4) + [2] * (n - n // 2 - n // 4)
    lines = [f"{file} {part}" for file, part in zip(files, parts, strict=True)]
    (folder / "Eval/list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    (folder / "training.txt").write_text("\n".join(files[:80]))
    (folder / "testing.txt").write_text("\n".join(files[80:]))
    return folder


def test_celeba(tmp_path: Path) -> None:
    data = CelebA(str(celeba(tmp_path)), 64, extras=["factors", "landmarks"])
    sizes = [len(data.reference(part, 1)) for part in ("train", "val", "test")]
    assert sizes == [60, 30, 30]
    batch = data.__getitems__(range(60))
    red = batch["image"][:, 0].mean(dim=[1, 2]) > batch["image"][:, 2].mean(dim=[1, 2])
    assert torch.equal(batch["factors"][:, 0] > 0.5, red)
    assert batch["factors"][:, 1].sum() == 0
    # Where the dot is in the square: its centre in the file was at the landmark.
    dots = Brightest().encode(batch["image"])["place"]
    assert (dots - batch["landmarks"][:, 0]).abs().max() < 0.6
    across = batch["landmarks"][:, 1] - batch["landmarks"][:, 0]
    torch.testing.assert_close(across, torch.tensor([[10 * 64 / 178, 0.0]]).expand(60, 2))
    assert data.facts()["columns"] == [["Hat", "binary", 2], ["Young", "binary", 2]]


def test_mafl(tmp_path: Path) -> None:
    data = CelebA(str(celeba(tmp_path)), 64, protocol="mafl")
    train, val, test = (data.reference(part, 1) for part in ("train", "val", "test"))
    assert len(test) == 40
    assert sorted([*train.names, *val.names]) == [
        f"Img/img_align_celeba/{i:06d}.jpg" for i in range(1, 81)
    ]
    assert 2 <= len(val) <= 16
    found = Landmarks().result(trial(data))
    assert found.arrays["levels/landmarks_best"] == "place"
    # The points are 10 px apart in the file, and the dot is found within one px there.
    assert found.values[0].value < 0.15
    assert found.values[0].value < 0.1 * found.arrays["landmarks_of_the_mean"]


def test_lists_of_celeba_that_are_damaged(tmp_path: Path) -> None:
    folder = celeba(tmp_path, 12)
    path = folder / "Anno/list_attr_celeba.txt"
    whole = path.read_text()
    path.write_text(whole.replace("000003.jpg  ", "000003.jpg 1 ", 1))
    with pytest.raises(UserError, match=r"line 5 is '000003.jpg .*: expected a file's name"):
        CelebA(str(folder), 32)
    path.write_text("\n".join(line for line in whole.split("\n") if "000003" not in line))
    with pytest.raises(UserError, match=r"lack 000003\.jpg"):
        CelebA(str(folder), 32)
    path.write_text(whole)
    points = folder / "Anno/list_landmarks_align_celeba.txt"
    places = points.read_text()
    odd = [line.rpartition(" ")[0].rstrip() for line in places.rstrip().split("\n")[1:]]
    points.write_text("\n".join([places.split("\n")[0], *odd]))
    with pytest.raises(UserError, match="has 3 columns: expected x and y of each point"):
        CelebA(str(folder), 32)
    points.write_text(places)
    partition = folder / "Eval/list_eval_partition.txt"
    parts = partition.read_text()
    for text, said in (
        (parts.replace("jpg 0", "jpg zero", 1), "line 1 is"), ("", "is empty"),
        (parts.replace("jpg 0", "jpg 1"), "the part train of celeba is empty"),
    ):  # fmt: skip
        partition.write_text(text)
        with pytest.raises(UserError, match=said):
            CelebA(str(folder), 32)
    partition.write_text(parts)
    (folder / "Img/img_align_celeba/000003.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"000003\.jpg cannot be read"):
        CelebA(str(folder), 32).__getitems__(range(6))


# Rooms.


def rooms(folder: Path, n: int = 60) -> Path:
    """As the challenge of LSUN comes: the first corner is a dot."""
    rng = np.random.default_rng(2)
    for part, count in (("training", n), ("validation", n // 2)):
        table = []
        for i in range(count):
            name, kind = f"{part}{i:03d}", 4 if i % 5 else 1
            corner = rng.integers([60, 20], [140, 100])
            corners = [corner, corner + np.array([20, 0])] if kind == 4 else [corner]
            picture(folder / "images" / f"{name}.jpg", (200, 120), (60, 60, 60), corner)
            scene = "bedroom" if i % 2 else "kitchen"
            table.append((name, scene, kind, np.array(corners, float), np.array([120, 200])))
        fields = [(name, object) for name in ("image", "scene", "type", "point", "resolution")]
        savemat(folder / f"{part}.mat", {part: np.array(table, dtype=fields)})
    return folder


def test_lsun_rooms(tmp_path: Path) -> None:
    data = LSUNRooms(str(rooms(tmp_path)), 64, extras=["layout"])
    assert data.room_type == 4
    batch = data.__getitems__(range(len(data)))
    assert batch["layout"].shape[1:] == (2, 2)
    dots = Brightest().encode(batch["image"])["place"]
    assert (dots - batch["layout"][:, 0]).abs().max() < 1
    second = data.second()
    assert (len(data.reference("test", 1)), len(second)) == (12, 12)
    assert not {*data.reference("test", 1).names} & {*second.names}
    found = LayoutTransfer().result(trial(data))
    assert found.values[0].value < 0.01
    assert found.values[0].protocol["data"]["others"] is True
    with pytest.raises(UserError, match="scene=attic: there are bedroom, kitchen"):
        LSUNRooms(str(tmp_path), 64, scene="attic")
    with pytest.raises(
        UserError, match=r"no room of type 9 in scene bedroom; .* type 1, 4: choose"
    ):
        LSUNRooms(str(tmp_path), 64, room_type=9)
    (tmp_path / "training.mat").write_bytes(b"nothing")
    with pytest.raises(UserError, match="is no list of rooms"):
        LSUNRooms(str(tmp_path), 64)


# Pairs of images.


def test_pairs_show_different_images(tmp_path: Path) -> None:
    """Where there are more than are needed they come from all over, and never twice."""
    data = CelebA(str(celeba(tmp_path)), 32)
    found = [*References(data, "train").pairs(20)]
    first, second = (torch.cat([pair[i]["image"] for pair in found]) for i in (1, 2))
    assert len(first) == 20
    everything = torch.cat([first, second]).flatten(1)
    assert len(torch.unique(everything, dim=0)) == 40
    with pytest.raises(UserError, match="31 pairs need 62 images; there are 60"):
        next(References(data, "train").pairs(31))


# Classes.


def classes(folder: Path) -> Path:
    rng = np.random.default_rng(3)
    for part, count in (("train", 40), ("val", 10)):
        for name, colour in (("n01", (200, 30, 30)), ("n02", (30, 200, 30)), ("n03", (9, 9, 200))):
            for i in range(count):
                shade = tuple(int(c) for c in np.array(colour) + rng.integers(-9, 10, 3))
                picture(folder / part / name / f"{i}.png", (48, 40), shade)
    return folder


def test_class_folders(tmp_path: Path) -> None:
    data = ClassFolders(str(classes(tmp_path)), 32, extras=["category"])
    sizes = [len(data.reference(part, 1)) for part in ("train", "val", "test")]
    assert sizes[0] + sizes[1] == 120
    assert 3 <= sizes[1] <= 24
    assert sizes[2] == 30
    assert data.facts()["classes"] == 3
    found = Categories().result(trial(data))
    assert [value.value for value in found.values] == [1, 1]
    assert found.arrays["levels/categories"]["place"] < 0.7
    # ImageNet's test has no classes; where both have some, val is there to choose on.
    picture(tmp_path / "test" / "0.png", (40, 40), (0, 0, 0))
    assert len(data.reference("test", 1)) == 30
    assert len(ClassFolders(str(tmp_path), 32, "test").names) == 30
    picture(tmp_path / "test" / "n01" / "0.png", (40, 40), (200, 30, 30))
    (tmp_path / "test" / "0.png").unlink()
    sizes = [len(ClassFolders(str(tmp_path), 32, part)) for part in ("train", "val", "test")]
    assert sizes == [120, 30, 1]
    shutil.rmtree(tmp_path / "test")
    picture(tmp_path / "val" / "n04" / "0.png", (40, 40), (0, 0, 0))
    with pytest.raises(UserError, match="train has no class n04"):
        ClassFolders(str(tmp_path), 32, "test")


def test_an_encoder_on_a_benchmark(tmp_path: Path) -> None:
    """By `evaluate.py`, and the other tasks say n/a."""
    g = backbone.load("embedded")
    network = GHFeatNet(32, layout(g, "s"), 18, 8, 16, True, "embedded", state_hash(g))
    path = tmp_path / "encoder.safetensors"
    save_networks(path, {"encoder_ema": network}, {"source": {}, "licence": ""})
    line = [
        f"checkpoint={path}", f"paths.outputs={tmp_path}", "logger=csv", "device=cpu", "threads=1",
        "tasks=published", "data=class_folders", f"data.path={classes(tmp_path / 'data')}",
    ]  # fmt: skip
    found = {
        v["name"]: v["value"] for v in evaluate.run(compose(line, "evaluate"), line)["metrics"]
    }
    assert found.pop("categories30") > 0.9
    assert found.pop("categories_all30") > 0.9
    assert {*found.values()} == {None}


def test_what_does_not_fit(tmp_path: Path) -> None:
    folder = classes(tmp_path)
    for options, message in (
        ({"split": "judge"}, "no split judge: expected train, val or test"),
        ({"extras": ["landmarks"]}, "does not know the landmarks of images, only their category"),
        ({"resolution": 33}, "resolution 33"),
    ):
        with pytest.raises(UserError, match=message):
            ClassFolders(str(folder), **{"resolution": 32, **options})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"data\.crop=44 does not fit"):
        ClassFolders(str(folder), 32, crop=44).__getitems__([0])
    with pytest.raises(UserError, match="is no folder"):
        ClassFolders(str(tmp_path / "nowhere"), 32)
