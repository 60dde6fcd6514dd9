"""Official pickles to safetensors: the reference's numbers, and what is refused."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import official
import parity
import pytest
import torch
from ending import refused

from ganfeat import networks as weights
from ganfeat.backbone import Generator, convert
from ganfeat.backbone import official as reader
from ganfeat.backbone.loading import load
from ganfeat.errors import UserError

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("name", ["ada_32px", "ada_16px_cond"])
def test_official_files_give_the_reference_arrays(name: str, tmp_path: Path) -> None:
    source = parity.shared(f"parity/pickles/{name}.pkl")
    target = tmp_path / "out.safetensors"
    convert.main([str(source), str(target)])
    arrays = {key: torch.as_tensor(a) for key, a in parity.load(f"pickles/{name}").items()}
    g, d = load(target), load(target, "d")
    assert weights.state_hash(g) == weights.state_hash(load(source, "g_ema"))
    assert weights.state_hash(g) != weights.state_hash(load(source, "g"))
    label = arrays["in.c"]
    with torch.no_grad():
        ws = g.broadcast(g.map(arrays["in.z"], label))
        image = g.synthesize(ws, noise="const")
        truncated = g.synthesize(g.truncate(ws, 0.7), noise="const")
        logits = d(arrays["out.image"], label)
    torch.testing.assert_close(ws, arrays["out.ws"], rtol=0, atol=1e-5)
    for got, want in ((image, "out.image"), (truncated, "out.image_psi0.7")):
        assert (got - arrays[want]).norm() <= 1e-5 * arrays[want].norm()
        torch.testing.assert_close(got, arrays[want], rtol=0, atol=1e-4)
    torch.testing.assert_close(logits, arrays["out.logits"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_dim": 3},
        {"architecture": "resnet", "conv_clamp": None},
        {"architecture": "orig", "image_channels": 1},
        {"architecture": "skip", "label_dim": 2},
    ],
    ids=str,
)
def test_every_number_survives(options: dict[str, Any], tmp_path: Path) -> None:
    modules = official.networks(**options)
    if not options:
        assert modules["D"].config["architecture"] == "resnet"
    source = official.write(tmp_path / "a.pkl", modules)
    convert.convert(source, tmp_path / "a.safetensors")
    for path in (source, tmp_path / "a.safetensors"):
        for theirs, ours in (("G", "g"), ("D", "d"), ("G_ema", "g_ema")):
            network = load(path, ours)
            assert network.config == modules[theirs].config
            assert weights.state_hash(network) == weights.state_hash(modules[theirs])
            assert not network.training


def test_the_header_says_where_from_and_under_which_licence(tmp_path: Path) -> None:
    source = official.write(tmp_path / "a.pkl", official.networks())
    header = convert.convert(source, tmp_path / "a.safetensors")
    assert header["format"] == weights.FORMAT
    assert header["resolution"] == 16
    assert "non-commercial" in header["licence"]
    assert header["source"]["file"] == "a.pkl"
    assert len(header["source"]["sha256"]) == 64
    assert header["source"]["arguments"]["g"]["synthesis_kwargs"]["num_fp16_res"] == 4
    assert {n: e["class"] for n, e in header["networks"].items()} == {
        "g": "ganfeat.backbone.generator.Generator",
        "d": "ganfeat.backbone.discriminator.Discriminator",
        "g_ema": "ganfeat.backbone.generator.Generator",
    }
    assert Generator(**header["networks"]["g"]["config"]).num_ws == 6


def part(data: dict[str, Any], path: str) -> dict[str, Any]:
    """The state of a module, as in ``G.synthesis.b4``."""
    first, *rest = path.split(".")
    stored = data[first]
    for name in rest:
        stored = stored.state["_modules"][name]
    return stored.state


def kwargs(**values: Any) -> Change:
    return lambda data: data["G"].state["_init_kwargs"].update(values)


def nested(network: str, group: str, **values: Any) -> Change:
    return lambda data: data[network].state["_init_kwargs"][group].update(values)


def put(path: str, group: str, name: str, value: Any) -> Change:
    return lambda data: part(data, path)[group].update({name: value})


def drop(path: str, group: str, name: str) -> Change:
    return lambda data: part(data, path)[group].pop(name)


class Big:
    """A tensor of five numbers that says it has six."""

    def __reduce__(self) -> Any:
        numbers = torch.zeros(5)._typed_storage()
        return torch._utils._rebuild_tensor_v2, (numbers, 0, (6,), (1,), False, {})


REFUSED: list[tuple[str, Change, str]] = [
    ("argument", kwargs(fused=True), "fused=True"),
    (
        "nested argument",
        nested("G", "synthesis_kwargs", fused_modconv_default="x"),
        "fused_modconv",
    ),
    ("block argument", nested("D", "block_kwargs", blur=1), "block_kwargs: blur=1"),
    (
        "epilogue argument",
        nested("D", "epilogue_kwargs", mbstd_group_size=None),
        "mbstd_group_size",
    ),
    ("activation", nested("G", "synthesis_kwargs", activation="relu"), "activation='relu'"),
    ("filter argument", nested("G", "synthesis_kwargs", resample_filter=[1, 2, 1]), r"\[1, 2, 1\]"),
    ("lr multiplier", nested("G", "mapping_kwargs", lr_multiplier=0.1), "lr_multiplier=0.1"),
    ("no group", kwargs(mapping_kwargs=3), "mapping_kwargs=3"),
    ("fp16 as text", nested("G", "synthesis_kwargs", num_fp16_res="4"), "num_fp16_res='4'"),
    ("resolution 24", kwargs(img_resolution=24), "24 cannot be built"),
    ("resolution 32", kwargs(img_resolution=32), "lacks synthesis.b32"),
    ("no resolution", drop("G", "_init_kwargs", "img_resolution"), "img_resolution"),
    ("w_dim", kwargs(w_dim=7), r"expected torch.float32 \["),
    ("huge", kwargs(z_dim=10**9), "expected torch.float32"),
    ("absurd", kwargs(z_dim=10**40), "cannot be built"),
    ("many layers", nested("G", "mapping_kwargs", num_layers=10**9), "mapping_layers"),
    ("more layers", nested("G", "mapping_kwargs", num_layers=3), "lacks mapping.fc2"),
    ("positional", lambda d: d["G"].state.update(_init_args=(6,)), "named arguments"),
    (
        "filter",
        lambda d: part(d, "D.b16.skip")["_buffers"]["resample_filter"].mul_(1.01),
        r"b16.skip.resample_filter is not \[1,3,3,1\]",
    ),
    (
        "filter of 8 taps",
        put("G.synthesis.b8", "_buffers", "resample_filter", torch.ones(8) / 8),
        "synthesis.b8.resample_filter",
    ),
    (
        "shape",
        put("G.synthesis.b8.conv0", "_parameters", "weight", torch.zeros(8, 8, 1, 1)),
        r"conv0.weight is torch.float32 \[8, 8, 1, 1\], expected .*\[8, 8, 3, 3\]",
    ),
    (
        "double",
        put("G.mapping", "_buffers", "w_avg", torch.zeros(5, dtype=torch.float64)),
        "w_avg is torch.float64",
    ),
    ("unknown key", put("D.b8", "_parameters", "gamma", torch.zeros(1)), "unknown b8.gamma"),
    ("missing key", drop("D.b8.conv1", "_parameters", "bias"), "lacks b8.conv1.bias"),
    ("no w_avg", drop("G_ema.mapping", "_buffers", "w_avg"), "g_ema of .*lacks mapping.w_avg"),
    ("no tensor", put("G.mapping", "_buffers", "w_avg", 3), "mapping.w_avg is no tensor"),
    ("no buffers", lambda d: d["G"].state.pop("_buffers"), "Generator in it has no _buffers"),
    ("big tensor", put("G.mapping", "_buffers", "w_avg", Big()), "w_avg reaches beyond"),
    (
        "class of StyleGAN3",
        put("G.synthesis", "_modules", "input", official.Persistent("SynthesisInput", {})),
        "synthesis.input is a SynthesisInput",
    ),
    ("no module", put("G.synthesis", "_modules", "input", "x"), "synthesis.input is a str"),
    ("swapped", lambda d: d.update(G=d["D"]), "g of|G of .* is a Discriminator"),
    ("lacks G_ema", lambda d: d.pop("G_ema"), "it holds: G, D, augment_pipe"),
    ("top key", lambda d: d.update(E=1), "unknown E"),
]


@pytest.mark.parametrize(("change", "message"), [pytest.param(c, m, id=i) for i, c, m in REFUSED])
def test_what_cannot_be_represented_is_refused_by_name(
    change: Change, message: str, tmp_path: Path
) -> None:
    source = official.write(tmp_path / "a.pkl", official.networks(), change)
    target = tmp_path / "a.safetensors"
    target.write_bytes(b"before")
    with pytest.raises(UserError, match=message) as caught:
        convert.convert(source, target, force=True)
    assert "a.pkl" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"before"


def test_a_network_that_contains_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = official.write(tmp_path / "a.pkl", official.networks())
    data = reader.read_pickle(source)  # pickle cannot write such a thing, a forger can
    loop = data["G"].state["_modules"]["synthesis"]
    loop.state["_modules"]["b4"] = loop
    monkeypatch.setattr(reader, "read_pickle", lambda _: data)
    with pytest.raises(UserError, match="b4 stands in it twice"):
        load(source, "g")


def test_command_line_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = official.write(tmp_path / "a.pkl", official.networks())
    whole = source.read_bytes()
    cut = tmp_path / "cut.pkl"
    cut.write_bytes(whole[: len(whole) // 2])
    kept = tmp_path / "kept.safetensors"
    kept.write_bytes(b"precious")
    cases = [
        (tmp_path / "none.pkl", tmp_path / "x", "does not exist"),
        (cut, tmp_path / "x", "cut.pkl is damaged, cut off"),
        (source, source, "is the pickle itself"),
        (source, tmp_path, "cannot write"),
        (source, kept, "kept.safetensors exists: give another name, or --force"),
    ]
    for given, target, message in cases:
        refused(convert.main, [str(given), str(target)])
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
    assert kept.read_bytes() == b"precious"
    convert.main([str(source), str(kept), "--force"])
    assert source.read_bytes() == whole
    assert sorted(os.listdir(tmp_path)) == ["a.pkl", "cut.pkl", "kept.safetensors"]


def test_a_real_program_in_the_file_is_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"

    def embed(data: dict[str, Any]) -> None:
        for name in ("G", "D", "G_ema"):
            data[name].meta["module_src"] = f"open({str(victim)!r}, 'w')"

    source = official.write(tmp_path / "a.pkl", official.networks(), embed)
    convert.convert(source, tmp_path / "a.safetensors")
    assert not victim.exists()


def test_numpy_numbers_as_arguments(tmp_path: Path) -> None:
    source = official.write(tmp_path / "a.pkl", official.networks(), kwargs(z_dim=np.int64(6)))
    assert convert.convert(source, tmp_path / "x")["networks"]["g"]["config"]["z_dim"] == 6


def test_a_generator_that_has_learnt_nothing() -> None:
    """It is the same whoever asks, of the size of the embedded one, and draws other images."""
    torch.manual_seed(5)
    one = load("untrained")
    torch.manual_seed(6)
    other, embedded = load("untrained"), load("embedded")
    assert one.config == embedded.config
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    z = torch.randn(2, one.z_dim)
    assert (one(z) - embedded(z)).abs().mean() > 0.1
    assert load("untrained", "d").config == load("embedded", "d").config
