"""Where weights of big networks are looked for, and what is said when they are not there."""

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganfeat.errors import UserError
from ganfeat.features.files import Published, fill, find, read_state

STATE = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def published(path: Path) -> Published:
    """The file at ``path`` as a package would state it, and the file under that name."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    name = f"net-{digest[:8]}.pth"
    path.rename(path.with_name(name))
    return Published(name, "somebody", "https://example.invalid/net.pth")


def test_the_path_goes_first_then_the_cache(tmp_path: Path, cache: Path) -> None:
    torch.save(STATE, cache / "net.pth")
    given = published(cache / "net.pth")
    assert find(given) == cache / given.file
    elsewhere = tmp_path / "mine" / "renamed.pth"
    elsewhere.parent.mkdir()
    torch.save(STATE, elsewhere)
    assert find(given, str(elsewhere)) == elsewhere
    os.link(cache / given.file, elsewhere.with_name(given.file))
    assert find(given, str(elsewhere.parent)) == elsewhere.with_name(given.file)


def test_one_message_says_what_is_missing_who_has_it_and_where_it_goes(cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        find(Published("net-01234567.pth", "torchvision", "https://example.invalid/x"))
    text = str(caught.value)
    for part in ("net-01234567.pth", "torchvision", str(cache), "download=true"):
        assert part in text
    assert "\n" not in text


def test_a_download_that_fails_says_where_the_file_goes(cache: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be downloaded.*put it at"):
        find(Published("net.pth", "somebody", "file:///nowhere/net.pth"), download=True)


def test_a_download_lands_in_the_cache(tmp_path: Path, cache: Path) -> None:
    torch.save(STATE, tmp_path / "served.pth")
    given = Published("net.pth", "somebody", (tmp_path / "served.pth").as_uri())
    assert find(given, download=True) == cache / "net.pth"


def test_another_checksum_is_refused(cache: Path) -> None:
    torch.save(STATE, cache / "net-01234567.pth")
    with pytest.raises(UserError, match=r"is not the file that somebody publishes.*01234567"):
        find(Published("net-01234567.pth", "somebody"))


def test_states_are_read_without_executing_anything(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.safetensors")
    torch.save(STATE, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        assert torch.equal(read_state(tmp_path / name)["weight"], STATE["weight"])

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "victim"),)

    torch.save({"weight": Hostile()}, tmp_path / "hostile.pth")
    (tmp_path / "text.pth").write_text("hello")
    for name in ("hostile.pth", "text.pth"):
        with pytest.raises(UserError, match="cannot be read as weights"):
            read_state(tmp_path / name)
    assert not (tmp_path / "victim").exists()
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="no plain state dict"):
        read_state(tmp_path / "list.pth")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.ones(2, 3)}, "Missing key"),
        ({**STATE, "more": torch.ones(1)}, "Unexpected key"),
        ({**STATE, "bias": torch.ones(3)}, "size mismatch"),
    ],
)
def test_a_state_must_fit(tmp_path: Path, state: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(UserError, match=f"a.pth does not fit: {message}"):
        fill(torch.nn.Linear(3, 2), state, tmp_path / "a.pth")
