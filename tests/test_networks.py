"""Networks to files and back, and what damaged, foreign and incomplete files get."""

import errno
import json
import os
import warnings
from pathlib import Path
from typing import Any

import official
import pytest
import torch
from ending import refused
from safetensors.torch import load_file, save_file

from ganfeat import networks as weights
from ganfeat.backbone import Generator, convert, load
from ganfeat.encoders.optimise import Optimised
from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.results import LAST_CHECKPOINT

GENERATOR = "ganfeat.backbone.generator.Generator"
HEADER = {"source": {"kind": "test"}, "licence": "MIT"}


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    """Small G, D and G_ema under our names."""
    return {name.lower(): network for name, network in official.networks(label_dim=2).items()}


@pytest.fixture
def file(tmp_path: Path, networks: dict[str, Any]) -> Path:
    path = tmp_path / "w.safetensors"
    weights.save_networks(path, networks, HEADER)
    return path


def test_round_trip(file: Path, networks: dict[str, Any]) -> None:
    for name, network in networks.items():
        loaded = load(file, name)
        assert type(loaded) is type(network)
        assert loaded.config == network.config
        assert weights.state_hash(loaded) == weights.state_hash(network)
        assert not loaded.training
    header = weights.read_header(file)
    assert (header["licence"], header["format"]) == ("MIT", weights.FORMAT)
    assert weights.state_hash(load(file)) == weights.state_hash(networks["g_ema"])


def test_same_networks_same_bytes(file: Path, networks: dict[str, Any], tmp_path: Path) -> None:
    weights.save_networks(tmp_path / "again", networks, HEADER)
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_mixed_precision_networks_load_in_fp32(tmp_path: Path) -> None:
    g = official.randomised(Generator(16, channel_base=64, w_dim=4, z_dim=4, num_bf16_res=2), 0)
    weights.save_networks(tmp_path / "w", {"g": g}, {})
    loaded = load(tmp_path / "w", "g")
    assert loaded.config == {**g.config, **Generator(**g.config).config}
    assert not any(block.bf16 for _, block in loaded.synthesis.blocks())


def test_a_header_as_long_as_a_pickles_first_byte(file: Path, networks: dict[str, Any]) -> None:
    for pad in range(0, 256, 8):
        weights.save_networks(file, networks, {"pad": "x" * pad})
        if file.read_bytes()[0] == 0x80:
            break
    assert file.read_bytes()[0] == 0x80
    load(file)


def test_loading_draws_no_random_numbers(file: Path) -> None:
    before = torch.get_rng_state()
    load(file)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_missing_network_lists_what_there_is(tmp_path: Path, networks: dict[str, Any]) -> None:
    path = tmp_path / "w"
    weights.save_networks(path, {"g": networks["g"], "d": networks["d"]}, {})
    with pytest.raises(
        UserError, match=r"no network 'g_ema', which is needed here; it holds: g, d"
    ):
        load(path)
    source = official.write(tmp_path / "a.pkl", official.networks())
    with pytest.raises(
        UserError, match=r"no network 'e', which is needed here; it holds: g, d, g_ema"
    ):
        load(source, "e")


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 500, -1, -1000])
def test_cut_off(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"w\.safetensors is cut off or of another kind"):
        load(file)


@pytest.mark.parametrize("content", [b"hello, this is text", b"\x80\x04oops", b"PK\x03\x04 no zip"])
def test_other_kinds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match=str(tmp_path / "x")) as caught:
        load(tmp_path / "x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"ganfeat": "[1]"}])
def test_foreign_safetensors(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "x", metadata)
    with pytest.raises(UserError, match="is not a file of ganfeat"):
        load(tmp_path / "x")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": 99}, "has format 99: a newer ganfeat wrote it"),
        ({"networks": {"g_ema": 3}}, "header is damaged"),
        *(
            ({"networks": {"g_ema": {"class": name, "config": {}}}}, f"holds a {name}, which is no")
            for name in ("Generator", "ganfeat.errors.UserError", "os.system", "antigravity.fly")
        ),
        (
            {"networks": {"g_ema": {"class": GENERATOR, "config": {"resolution": 24}}}},
            "24 cannot be built",
        ),
        (
            {"networks": {"g_ema": {"class": GENERATOR, "config": {"size": 16}}}},
            "config that cannot be built",
        ),
    ],
)
def test_damaged_headers(file: Path, header: dict[str, Any], message: str) -> None:
    text = json.dumps(weights.read_header(file) | header)
    save_file(load_file(file), file, {"ganfeat": text})
    with pytest.raises(UserError, match=message):
        load(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("g_ema.mapping.w_avg"), "g_ema of .* lacks mapping.w_avg"),
        (lambda t: t.update({"g_ema.x": torch.zeros(1)}), "holds the unknown x"),
        (lambda t: t.update({"g_ema.mapping.w_avg": torch.zeros(9)}), r"w_avg is .* \[9\]"),
        (
            lambda t: t.update({"g_ema.mapping.w_avg": torch.zeros(5, dtype=torch.bfloat16)}),
            "w_avg is torch.bfloat16",
        ),
    ],
)
def test_tensors_that_do_not_fit(file: Path, change: Any, message: str) -> None:
    text = json.dumps(weights.read_header(file))
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"ganfeat": text})
    with pytest.raises(UserError, match=message):
        load(file)


def test_damaged_numbers(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"\0" * 5 + whole[-4:])
    with pytest.raises(UserError, match="is damaged: it holds other numbers than were written"):
        [load(file, name) for name in weights.read_header(file)["networks"]]


def test_files_of_before_their_numbers_were_hashed(file: Path) -> None:
    header, tensors = weights.read_header(file), load_file(file)
    for entry in header["networks"].values():
        assert len(entry.pop("state")) == 64
    save_file(tensors, file, {"ganfeat": json.dumps(header)})
    assert load(file)


def test_checkpoints_and_run_folders(tmp_path: Path, networks: dict[str, Any]) -> None:
    prefixes = {"g": "generator.", "d": "discriminator.", "g_ema": "average."}
    described = {
        name: {**entry, "prefix": prefixes[name]}
        for name, entry in weights.describe(networks).items()
    }
    state = {
        prefixes[name] + key: value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    path = tmp_path / LAST_CHECKPOINT
    with atomic_write(path) as opened:
        torch.save({"state_dict": state, "ganfeat": {"networks": described}}, opened)
    for name, network in networks.items():
        for given in (path, tmp_path, str(tmp_path)):
            assert weights.state_hash(load(given, name)) == weights.state_hash(network)
    with pytest.raises(UserError, match="it holds: g, d, g_ema"):
        load(path, "x")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"last\.ckpt is damaged"):
        load(path)


def test_a_foreign_checkpoint(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="no checkpoint of ganfeat"):
        load(tmp_path / "a.ckpt")
    torch.save({"call": os.system}, tmp_path / "b.ckpt")
    with pytest.raises(UserError, match="no checkpoint of ganfeat"):
        load(tmp_path / "b.ckpt")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="x does not exist"):
        load(tmp_path / "x")
    with pytest.raises(UserError, match=r"last\.ckpt does not exist"):
        load(tmp_path)


def test_full_disk(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = official.write(tmp_path / "a.pkl", official.networks())
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused(convert.main, [str(source), str(file), "--force"])
    assert capsys.readouterr().err.startswith("error: disk full: ")
    assert file.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.pkl", "w.safetensors"]


def test_state_hash(networks: dict[str, Any]) -> None:
    g = Generator(**networks["g"].config)
    g.load_state_dict(networks["g"].state_dict())
    before = weights.state_hash(g)
    assert len(before) == 64
    assert before == weights.state_hash(networks["g"])
    assert before == weights.state_hash(g.to(memory_format=torch.contiguous_format))
    for name in ("mapping.w_avg", "synthesis.b8.conv0.noise_const", "synthesis.b4.const"):
        value = g.state_dict()[name].view(-1)[0]
        kept = value.clone()
        value += 1e-6 * (1 + kept.abs())
        assert weights.state_hash(g) != before
        value.copy_(kept)
    assert weights.state_hash(g) == before
    assert weights.state_hash(torch.nn.Linear(2, 3)) != weights.state_hash(torch.nn.Linear(2, 3))


def test_state_hash_tells_names_shapes_and_types_apart() -> None:
    def hashed(name: str, value: torch.Tensor) -> str:
        module = torch.nn.Module()
        module.register_buffer(name, value)
        return weights.state_hash(module)

    zeros = [torch.zeros(4), torch.zeros(2, 2), torch.zeros(2, dtype=torch.float64)]
    hashes = {hashed("a", value) for value in zeros} | {hashed("b", zeros[0])}
    assert len(hashes) == 4


def test_a_network_that_reads_others_is_copied_whole() -> None:
    """Its shapes are found without memory, and so are those of the networks that it reads."""
    network = Optimised(steps=1)
    with torch.no_grad():
        network.generator.mapping.w_avg.add_(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy = weights.fresh_copy(network)
    assert weights.state_hash(copy) == weights.state_hash(network)
