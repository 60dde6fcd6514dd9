"""SynthFaces: what it promises, checked on pixels and against independent arithmetic."""

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from ending import refused
from PIL import Image
from scipy import stats
from torch import Tensor
from torch.utils.data import DataLoader

from ganfeat.data.synthfaces import (
    CLASSES,
    FACTORS,
    LANDMARKS,
    NAMES,
    SPLITS,
    SynthFaces,
    denormalise,
    factor,
    normalise,
    render,
    sample,
)
from ganfeat.data.synthfaces.grid import main
from ganfeat.errors import UserError

EXTRAS = ("factors", "identity", "landmarks", "visible", "mask")
CODE = {name: code for code, name in enumerate(CLASSES)}
IDENTITY = [i for i, spec in enumerate(FACTORS) if spec.level == "identity"]


def keep(batch: object) -> object:
    return batch


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def extremes(name: str) -> list[float]:
    spec = factor(name)
    if spec.classes:
        return [float(value) for value in range(spec.classes)]
    # The ends of a circle are one point: its far side is the other extreme.
    return [spec.low, spec.low + math.pi if spec.kind == "circular" else spec.high]


@pytest.fixture(scope="module")
def faces64() -> dict[str, Tensor]:
    data = SynthFaces("train", 64, extras=EXTRAS)
    return data.__getitems__(list(range(0, 6000, 30)))


# An image is a pure function of (seed, split, index).


def test_image_does_not_depend_on_batch_order_or_length() -> None:
    data = SynthFaces("train", 32, extras=EXTRAS)
    whole = data.__getitems__(list(range(300)))  # more than one chunk of the renderer
    back = data.__getitems__(list(range(299, -1, -1)))
    assert same(whole, {k: v.flip(0) for k, v in back.items()})
    for i in (0, 7, 299):
        assert same({k: v[i] for k, v in whole.items()}, data[i])
    assert torch.equal(whole["image"][5], SynthFaces("train", 32, length=6)[-1]["image"])


@pytest.mark.parametrize("resolution", [16, 128])
def test_image_does_not_depend_on_batch_at_other_sizes(resolution: int) -> None:
    data = SynthFaces("test", resolution, extras=EXTRAS)
    batch = data.__getitems__([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    assert same({k: v[5] for k, v in batch.items()}, data[9])


def test_image_does_not_depend_on_workers_or_threads() -> None:
    data = SynthFaces("val", 32, length=24, extras=EXTRAS)
    alone = data.__getitems__(list(range(24)))
    for workers in (0, 2):
        loader = DataLoader(data, batch_size=5, num_workers=workers, collate_fn=keep)
        parts = list(loader)
        assert same(alone, {k: torch.cat([p[k] for p in parts]) for k in alone})
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert same(alone, data.__getitems__(list(range(24))))
    finally:
        torch.set_num_threads(threads)


def test_global_random_state_is_neither_used_nor_touched() -> None:
    data = SynthFaces("train", 16)
    torch.manual_seed(1)
    first, state = data[3]["image"], torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, data[3]["image"])
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_seeds_and_splits_show_other_images() -> None:
    images = [SynthFaces(split, 16)[0]["image"] for split in SPLITS]
    images += [SynthFaces("train", 16, seed=seed)[0]["image"] for seed in (1, 2, -1)]
    for i, a in enumerate(images):
        for b in images[:i]:
            assert (a - b).abs().mean() > 0.02


def test_frozen_look() -> None:
    """Weights are trained on these pictures: who changes one raises RENDERER and trains anew."""
    seen = SynthFaces("train", 32).fingerprint()
    assert seen["renderer"] == 1
    assert seen["sha256"] == "200e05ca501c5b0f44aee8b78d7046649377924817986f7a00fe130ad94f66af"


def test_fingerprint_is_plain_and_tells_settings_apart() -> None:
    base = SynthFaces("test", 16, length=10)
    print_ = base.fingerprint()
    assert json.loads(json.dumps(print_)) == print_
    same = SynthFaces("test", 16, length=10)
    same.device = "meta"  # what is drawn elsewhere is the same data
    assert print_ == same.fingerprint()
    assert same.device == "meta"
    planted = SynthFaces("test", 16, length=10, correlate=[["yaw", "gaze", 0.5]])
    others = [SynthFaces("test", 16, 10, seed=1), SynthFaces("val", 16, 10), planted]
    assert len({o.fingerprint()["sha256"] for o in [base, *others]}) == 4
    assert planted.fingerprint()["correlations"] == [["yaw", "gaze", 0.5]]


# The data set as a data set.


def test_interface() -> None:
    assert (len(SynthFaces()), len(SynthFaces("test")), len(SynthFaces(length=7))) == (
        50_000, 10_000, 7,
    )  # fmt: skip
    data = SynthFaces("train", 16, extras=EXTRAS)
    assert (data.name, data.label_dim, data.resolution) == ("synthfaces", 0, 16)
    batch = data.__getitems__([0, 1, 2])
    shapes = {name: tuple(value.shape) for name, value in batch.items()}
    assert shapes == {
        "image": (3, 3, 16, 16), "factors": (3, 37), "identity": (3,), "landmarks": (3, 10, 2),
        "visible": (3, 10), "mask": (3, 16, 16),
    }  # fmt: skip
    assert batch["image"].dtype == torch.float32
    assert batch["image"].min() >= -1
    assert batch["image"].max() <= 1
    assert not batch["identity"].is_floating_point()
    assert not batch["mask"].is_floating_point()
    assert batch["visible"].dtype == torch.bool
    assert set(SynthFaces("train", 16)[0]) == {"image"}
    assert set(SynthFaces("train", 16, extras=["mask"])[0]) == {"image", "mask"}
    assert data.__getitems__([])["image"].shape == (0, 3, 16, 16)
    with pytest.raises(IndexError):
        SynthFaces(length=4)[4]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"split": "training"}, "training"),
        ({"resolution": 48}, "48"),
        ({"resolution": 8}, "8"),
        ({"resolution": 2048}, "2048"),
        ({"length": -1}, "-1"),
        ({"extras": ["depth"]}, "depth"),
        ({"correlate": {("glases", "yaw"): 0.5}}, "glases"),
        ({"correlate": {("glasses", "hair_style"): 0.5}}, "hair_style"),
        ({"correlate": {("yaw", "background_hue"): 0.5}}, "background_hue"),
        ({"correlate": {("yaw", "yaw"): 0.5}}, "yaw"),
        ({"correlate": {("yaw", "glasses"): 0.9}}, "0.866"),
        ({"correlate": {("yaw", "pitch"): 1.0}}, "out of reach"),
        ({"correlate": [["yaw", "pitch"]]}, "yaw"),
        ({"correlate": [["yaw", "pitch", "much"]]}, "much"),
        ({"correlate": [["yaw", "pitch", 0.2], ["pitch", "yaw", 0.2]]}, "twice"),
        (
            {"correlate": [["yaw", "pitch", 0.9], ["pitch", "roll", 0.9], ["yaw", "roll", -0.9]]},
            "contradict",
        ),
    ],
)
def test_bad_arguments_get_one_clear_line(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named) as caught:
        SynthFaces(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_render_refuses_what_it_does_not_know() -> None:
    for factors in ({"age": 3.0}, {"yaw": torch.zeros(2), "roll": torch.zeros(3)}):
        with pytest.raises(UserError, match="expected"):
            render(factors, 32)
    with pytest.raises(UserError, match="identity"):
        render({}, 32, extras=["identity"])
    with pytest.raises(UserError, match="power of two"):
        render({}, 40)


# People.


def test_a_person_keeps_identity_in_every_image() -> None:
    data = SynthFaces("test", 16, extras=("factors", "identity"))
    first, later = data.__getitems__([7, 8, 9]), data.__getitems__([407, 1208, 4009])
    assert first["identity"].tolist() == later["identity"].tolist() == [7, 8, 9]
    assert torch.equal(first["factors"][:, IDENTITY], later["factors"][:, IDENTITY])
    others = [i for i in range(len(FACTORS)) if FACTORS[i].level in ("layout", "expression")]
    assert ((first["factors"] - later["factors"])[:, others].abs() > 0).all()


def test_freckles_stay_with_the_person() -> None:
    here = torch.tensor([5, 5, 6])
    bare = render({"freckles": torch.tensor([0.0, 0.0, 0.0])}, 128, person_key=here)
    dots = render({"freckles": torch.tensor([1.0, 1.0, 1.0])}, 128, person_key=here) != bare
    assert dots[0].any()
    assert torch.equal(dots[0], dots[1])
    assert not torch.equal(dots[0], dots[2])


def test_splits_share_no_person() -> None:
    people = {
        tuple(row)
        for split, spec in SPLITS.items()
        for row in normalise(sample(split, 0, range(spec.people)).values)[:, IDENTITY].tolist()
    }
    assert len(people) == sum(spec.people for spec in SPLITS.values())


# Labels.


@pytest.mark.parametrize("spec", FACTORS, ids=NAMES)
def test_labels_are_uniform(spec: object) -> None:
    column = NAMES.index(spec.name)  # type: ignore[attr-defined]
    spec = FACTORS[column]
    count = SPLITS["train"].people if spec.level == "identity" else 20_000
    values = normalise(sample("train", 0, range(count)).values)[:, column].double().numpy()
    if spec.classes:
        seen = torch.bincount(torch.from_numpy(values).long(), minlength=spec.classes)
        assert len(seen) == spec.classes
        chance = stats.chisquare(seen.numpy()).pvalue
    elif spec.kind == "circular":
        chance = stats.kstest(values, stats.uniform(0, 2 * math.pi).cdf).pvalue
    else:
        chance = stats.kstest(values, stats.uniform(-1, 2).cdf).pvalue
    assert chance > 1e-3


def test_labels_are_independent_by_default() -> None:
    table = normalise(sample("train", 0, range(20_000)).values)
    free = [i for i in range(len(FACTORS)) if i not in IDENTITY]
    for columns, count in ((free, 20_000), (IDENTITY, 2_000)):
        seen = torch.corrcoef(table[:count, columns].T) - torch.eye(len(columns))
        assert seen.abs().max() < 4.5 / math.sqrt(count)


def test_the_table_and_the_pictures_are_the_same_facts() -> None:
    data = SynthFaces("judge", 32, extras=("factors",))
    batch, faces = data.__getitems__([1, 2, 3]), data.sample([1, 2, 3])
    again = render(
        denormalise(batch["factors"]), 32, person_key=faces.person_key, image_key=faces.image_key
    )
    assert (again - batch["image"]).abs().max() < 1e-3
    direct = render(faces.factors, 32, person_key=faces.person_key, image_key=faces.image_key)
    assert torch.equal(direct, batch["image"])


@pytest.mark.parametrize(
    ("a", "b", "r"),
    [
        ("glasses", "wrinkles", 0.6),
        ("glasses", "hat", -0.8),
        ("yaw", "smile", 0.7),
        ("light_azimuth", "gaze", -0.95),
        ("beard", "pitch", 0.8),
        ("glasses", "skin_tone", 0.5),  # an image's factor with a person's
        ("eye_size", "jaw_shape", 0.6),  # two of a person
    ],
)
def test_planted_correlations_have_the_size_asked_for(a: str, b: str, r: float) -> None:
    data = SynthFaces("train", 16, length=40_000, correlate={(a, b): r})
    table = normalise(data.sample(range(40_000)).values)
    pair = table[:, [NAMES.index(a), NAMES.index(b)]]
    assert torch.corrcoef(pair.T)[0, 1] == pytest.approx(r, abs=0.04)
    for name, column in zip((a, b), pair.T, strict=True):
        ends = (0.5, 0.5) if factor(name).classes else (0.0, 1 / math.sqrt(3))
        assert float(column.mean()) == pytest.approx(ends[0], abs=0.04)
        assert float(column.std()) == pytest.approx(ends[1], abs=0.03)
    assert torch.equal(table[:2000, IDENTITY], table[2000:4000, IDENTITY])
    free = [i for i, n in enumerate(NAMES) if n not in (a, b)]
    plain = normalise(sample("train", 0, range(100)).values)
    assert torch.equal(table[:100, free], plain[:, free])


def test_correlations_combine_and_read_from_yaml() -> None:
    spec = [["yaw", "pitch", 0.5], ["pitch", "roll", 0.5], ["glasses", "beard", 0.4]]
    data = SynthFaces(correlate=spec)
    table = normalise(data.sample(range(30_000)).values)
    for a, b, r in spec:
        seen = torch.corrcoef(table[:, [NAMES.index(str(a)), NAMES.index(str(b))]].T)[0, 1]
        assert seen == pytest.approx(r, abs=0.03)
    as_dict = SynthFaces(correlate={(a, b): r for a, b, r in spec})  # type: ignore[misc]
    assert torch.equal(data[0]["image"], as_dict[0]["image"])


# Pictures.


@pytest.mark.parametrize("small", [16, 32, 64, 128])
def test_same_picture_at_two_resolutions(small: int) -> None:
    factors = sample("train", 0, range(0, 960, 60)).factors
    a, b = render(factors, small, grain=False), render(factors, 2 * small, grain=False)
    far = render(factors, 512, grain=False)
    for large in (b, far):
        pooled = F.avg_pool2d(large, large.shape[-1] // small)
        assert (pooled - a).abs().mean((1, 2, 3)).max() < 0.03


@pytest.mark.slow
def test_same_picture_at_the_largest_resolution() -> None:
    factors = sample("train", 0, range(0, 160, 20)).factors
    large = render(factors, 1024, grain=False)
    for small in (16, 32, 256, 512):
        pooled = F.avg_pool2d(large, 1024 // small)
        assert (pooled - render(factors, small, grain=False)).abs().mean((1, 2, 3)).max() < 0.03


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_each_factor_changes_the_picture(name: str, resolution: int) -> None:
    images = render({name: torch.tensor(extremes(name))}, resolution)
    for i in range(len(images)):
        for j in range(i):
            assert (images[i] - images[j]).abs().mean() > 0.004


COLOURS = ("skin_tone", "eye_colour", "hair_colour", "freckles", "gaze", "wrinkles", "camera_grain")
FACE = ("skin", "beard", "glasses")
TOUCHES = {
    "brow_thickness": ("brows", "eyes", *FACE),
    "brow_tilt": ("brows", "eyes", *FACE),
    "brow_raise": ("brows", "eyes", "hair", *FACE),
    "eye_size": ("eyes", "brows", "nose", *FACE),
    "eye_opening": ("eyes", "brows", *FACE),
    # Turned far, an eye or a brow reaches the edge of the head, and a lip the chin.
    "eye_spacing": ("eyes", "brows", "nose", "hair", "ears", "background", *FACE),
    "nose_length": ("nose", "mouth", "eyes", *FACE),
    "nose_width": ("nose", "mouth", "eyes", *FACE),
    "mouth_width": ("mouth", *FACE),
    "lip_fullness": ("mouth", "neck", *FACE),
    "smile": ("mouth", "neck", *FACE),
    "mouth_opening": ("mouth", "neck", *FACE),
    "ear_size": ("ears", "background", "hair", "neck", *FACE),
    "glasses": ("glasses", "skin", "eyes", "brows", "nose", "hair", "ears", "beard"),
    "beard": ("beard", "skin", "neck", "ears", "background", "hair"),
    "hat": ("hat", "hair", "background", "skin", "brows", "ears", "neck", "beard"),
    "hair_style": (
        "hair",
        "hat",
        "glasses",
        "background",
        "skin",
        "brows",
        "eyes",
        "ears",
        "neck",
        "beard",
    ),
    "forehead_height": ("hair", "skin", "brows", "eyes", "ears", "beard", "background"),
    "jaw_shape": ("skin", "beard", "neck", "background", "hair", "ears", "mouth"),
    **dict.fromkeys(COLOURS, ()),
    **{spec.name: () for spec in FACTORS if spec.level == "scene"},
}


@pytest.mark.parametrize("name", TOUCHES)
def test_no_factor_changes_the_masks_of_parts_it_cannot_touch(name: str) -> None:
    base = sample("train", 0, range(24)).factors
    masks = []
    for value in extremes(name):
        changed = base | {name: torch.full((24,), value)}
        masks.append(render(changed, 64, extras=["mask"])["mask"])
    changes = {
        part
        for part, code in CODE.items()
        if any(((mask == code) != (masks[0] == code)).any() for mask in masks)
    }
    assert changes <= set(TOUCHES[name])
    # ... and what it is named after does change.
    own = [part for part in CLASSES if part.rstrip("s") in name.split("_")]
    assert not TOUCHES[name] or all(part in changes for part in own)


PART = ("eyes", "eyes", "eyes", "eyes", "nose", "mouth", "mouth", "skin", "brows", "brows")


@pytest.mark.parametrize("resolution", [16, 32, 64, 128])
def test_visible_landmarks_lie_in_their_part(resolution: int) -> None:
    data = SynthFaces("train", resolution, extras=EXTRAS)
    batch = data.__getitems__(list(range(0, 6000, 30)))
    grid = torch.arange(resolution) + 0.5
    for k, part in enumerate(PART):
        mask = batch["mask"] == CODE[part]
        if part == "skin":  # a chin may have a beard
            mask |= batch["mask"] == CODE["beard"]
        x, y = batch["landmarks"][:, k, 0, None, None], batch["landmarks"][:, k, 1, None, None]
        # From the point to the nearest edge of each pixel's square.
        dx = ((grid[None, None, :] - x).abs() - 0.5).clamp(min=0)
        dy = ((grid[None, :, None] - y).abs() - 0.5).clamp(min=0)
        away = torch.where(mask, torch.hypot(dx, dy), torch.inf).flatten(1).amin(1)
        assert away[batch["visible"][:, k]].max() <= 1, LANDMARKS[k]
        assert batch["visible"][:, k].float().mean() > 0.35, LANDMARKS[k]


def test_hidden_landmarks_are_hidden(faces64: dict[str, Tensor]) -> None:
    covers = torch.tensor([CODE[name] for name in ("hair", "hat", "glasses", "nose")])
    checked = 0
    for k in range(10):
        point = faces64["landmarks"][:, k]
        inside = ((point > 0) & (point < 64)).all(1)
        assert not (faces64["visible"][:, k] & ~inside).any()
        for i in (inside & ~faces64["visible"][:, k]).nonzero()[:, 0]:
            x, y = point[i].long().tolist()
            near = faces64["mask"][i, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            assert torch.isin(near, covers).any()
            checked += 1
    assert checked > 50


def test_landmarks_follow_the_layout() -> None:
    """Roll, scale and shift by arithmetic that knows nothing of the renderer."""
    move = {
        "roll": torch.tensor([0.0, 15.0, 0.0, 0.0]),
        "scale": torch.tensor([1.0, 1.0, 0.8, 1.0]),
        "shift_x": torch.tensor([0.0, 0.0, 0.0, 0.1]),
        "shift_y": torch.tensor([0.0, 0.0, 0.0, -0.05]),
    }
    base, rolled, scaled, moved = render(move, 128, extras=["landmarks"])["landmarks"]
    eyes = rolled[1] - rolled[0]
    assert math.degrees(math.atan2(eyes[1], eyes[0])) == pytest.approx(15, abs=1e-3)
    assert float(base[1, 1]) == pytest.approx(float(base[0, 1]))
    assert torch.allclose(torch.pdist(scaled), 0.8 * torch.pdist(base), atol=1e-3)
    assert torch.allclose(moved - base, torch.tensor([12.8, -6.4]).expand(10, 2), atol=1e-3)


def test_yaw_is_more_than_a_shift() -> None:
    out = render({"yaw": torch.tensor([-35.0, 0.0, 35.0])}, 128, extras=["landmarks", "mask"])
    left, front, right = out["landmarks"][..., 0]
    travel = right - left
    nose, chin, eyes = travel[4], travel[7], travel[:2].mean()
    assert nose > 1.15 * eyes > 0
    assert eyes > 1.5 * chin > 0
    # The far eye is closer to the nose than the near one.
    assert (right[1] - right[4]) < 0.5 * (right[4] - right[0])
    mirrored = [1, 0, 3, 2, 4, 6, 5, 7, 9, 8]
    assert torch.allclose(128 - left[mirrored], right, atol=1e-3)
    assert torch.allclose(128 - front[mirrored], front, atol=1e-3)
    ears = [(mask == CODE["ears"]) for mask in out["mask"]]
    half = 64
    assert ears[1][:, :half].sum() > 50
    assert ears[1][:, half:].sum() > 50
    assert ears[2][:, 80:].sum() == 0  # turned right: the right ear hides
    assert ears[0][:, :48].sum() == 0


def test_pitch_moves_the_face_up() -> None:
    out = render({"pitch": torch.tensor([-15.0, 15.0])}, 128, extras=["landmarks"])["landmarks"]
    assert (out[1, :7, 1] < out[0, :7, 1] - 5).all()


def test_light_comes_from_where_it_says() -> None:
    image = render({"light_azimuth": torch.tensor([-75.0, 75.0]), "light_strength": 1.0}, 64)
    face = image[:, :, 24:44, 16:48]
    left, right = face[..., :16].mean((1, 2, 3)), face[..., 16:].mean((1, 2, 3))
    assert left[0] > right[0] + 0.15
    assert right[1] > left[1] + 0.15
    background = image[:, :, :4, :4]
    assert torch.equal(background[0], background[1])


def test_grain_is_noise_of_one_strength_at_every_size() -> None:
    grey = {"camera_grain": 1.0, "light_strength": 0.0, "background_pattern": 0.0}
    for resolution in (16, 64, 256):
        noisy, clean = (render(grey, resolution, grain=on)[0] for on in (True, False))
        # Away from white, where clamping would cut the noise.
        noise = (noisy - clean)[0][clean[0].abs() < 0.7]
        assert float(noise.std()) == pytest.approx(0.05, rel=0.12)
        assert float(noise.mean()) == pytest.approx(0, abs=0.2 / resolution)
    two = render(grey, 64, image_key=torch.tensor([1, 2])) - render(grey, 64, grain=False)
    assert torch.corrcoef(two[:, 0].flatten(1))[0, 1].abs() < 0.05


def test_hair_hat_and_glasses_cover_what_is_under_them() -> None:
    both = {"glasses": torch.tensor([0.0, 1.0]), "hair_style": 1.0}
    mask = render(both, 128, extras=["mask"])["mask"]
    assert (mask[0][mask[1] == CODE["glasses"]] != CODE["glasses"]).all()
    hats = {"hat": torch.tensor([0.0, 1.0]), "hair_style": 3.0}
    seen = render(hats, 128, extras=["mask"])["mask"]
    top = (seen[0] == CODE["hair"]) & (torch.arange(128)[:, None] < 24)
    assert not (seen[1] == CODE["hair"])[top].any()


def test_every_class_is_seen_and_nothing_else(faces64: dict[str, Tensor]) -> None:
    shares = (
        torch.bincount(faces64["mask"].flatten().long(), minlength=12) / faces64["mask"].numel()
    )
    assert len(shares) == 12
    assert (shares > 0.003).all()
    assert shares[CODE["background"]] < 0.6  # the face fills most of the frame


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_the_same() -> None:
    data = SynthFaces("train", 64, extras=EXTRAS)
    here = data.__getitems__(list(range(32)))
    data.device = "cuda"
    there = data.__getitems__(list(range(32)))
    assert there["image"].is_cuda
    assert torch.equal(here["factors"], there["factors"].cpu())
    assert (here["image"] - there["image"].cpu()).abs().max() < 1e-3


# The command.


def test_grid_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "grid.png"
    main(["--grid", str(out), "--resolution", "32", "--split", "test", "--seed", "3"])
    with Image.open(out) as picture:
        assert picture.width > 8 * 32 + 3 * 7 * 32
        assert picture.height >= 13 * 32
    refused(main, ["--grid", str(out), "--resolution", "33"])
    refused(main, ["--grid", str(out), "--split", "nobody"])
    refused(main, ["--grid", str(tmp_path / "grid.doc")])
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("error: ") for line in errors)
    assert "expected a power of two" in errors[0]
    assert "expected one of train" in errors[1]
    assert "give --grid one such as out.png" in errors[2]
    main(["--grid", str(tmp_path / "new" / "folder" / "grid.jpg")])
    assert (tmp_path / "new" / "folder" / "grid.jpg").exists()
