"""The restricted unpickler: official structures come out as data, hostile ones do nothing."""

import io
import os
import pickle
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import official
import pytest
import torch

from ganfeat.backbone.unpickle import Record, StoredTensor, read_pickle
from ganfeat.errors import UserError

# torch remarks on the protocol of what it then refuses
pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


def read(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    return read_pickle(path)


class Call:
    """An object whose unpickling is a call, and perhaps a state set on what the call gives."""

    def __init__(self, function: Callable[..., Any], *args: Any, state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.reduced


def saved(obj: Any, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


WEIGHT = torch.arange(6.0).reshape(2, 3)


def small_file(protocol: int = 3) -> bytes:
    state = {
        "_parameters": {"weight": torch.nn.Parameter(WEIGHT), "bias": None},
        "_buffers": {"part": WEIGHT.flatten()[2:4], "turned": WEIGHT.T},
        "names": {"a"},
        "gain": np.float64(0.25),
        "n": np.int32(7),
        "kwargs": official.EasyDict(a=1),
    }
    return official.dumps({"G": official.Persistent("Generator", state)}, protocol)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_reads_what_official_files_hold(tmp_path: Path, protocol: int) -> None:
    record = read(tmp_path, small_file(protocol))["G"]
    assert isinstance(record, Record)
    assert record.class_name == "Generator"
    state = record.state
    assert (state["names"], state["kwargs"], state["gain"], state["n"]) == (
        {"a"},
        {"a": 1},
        0.25,
        7,
    )
    assert type(state["gain"]) is float
    assert isinstance(state["_parameters"]["weight"], StoredTensor)
    assert torch.equal(state["_parameters"]["weight"].tensor(), WEIGHT)
    assert state["_buffers"]["part"].tensor().tolist() == [2.0, 3.0]
    assert torch.equal(state["_buffers"]["turned"].tensor(), WEIGHT.T)


def test_reads_numbers_of_numpy_1(tmp_path: Path) -> None:
    data = official.dumps(np.float64(1.5)).replace(b"numpy._core", b"numpy.core")
    assert read(tmp_path, data) == 1.5


def test_the_embedded_program_is_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    source = f"open({str(victim)!r}, 'w')"
    data = official.dumps(official.Persistent("Generator", {"a": 1}, module_src=source))
    assert read(tmp_path, data) == Record("Generator", {"a": 1})
    assert not victim.exists()


EVIL = {
    "os.system": lambda v: Call(os.system, f"touch {v}"),
    "open": lambda v: Call(open, v, "w"),
    "eval": lambda v: Call(eval, f"open({v!r}, 'w')"),
    "exec": lambda v: Call(exec, f"open({v!r}, 'w')"),
    "pathlib": lambda v: Call(Path.touch, Path(v)),
    "numpy.save": lambda v: Call(np.save, v, 1),
    "torch.save": lambda v: Call(torch.save, 1, v),
    "torch.load": lambda v: Call(torch.load, Call(io.BytesIO, saved(Call(open, v, "w"), True))),
    "object array": lambda v: np.array([Call(open, v, "w"), None], dtype=object),
    "in a record": lambda v: official.Persistent("Generator", {"a": Call(open, v, "w")}),
    "in an EasyDict": lambda v: official.EasyDict(a=Call(open, v, "w")),
    "as a set's items": lambda v: Call(set, Call(open, v, "w")),
    "as a state": lambda v: Call(official.EasyDict, state=Call(open, v, "w")),
    "nested pickle": lambda v: Call(
        torch.storage._load_from_bytes, pickle.dumps(Call(open, v, "w"))
    ),
    "nested zip": lambda v: Call(torch.storage._load_from_bytes, saved(Call(open, v, "w"), True)),
    "nested legacy": lambda v: Call(
        torch.storage._load_from_bytes, saved(Call(open, v, "w"), False)
    ),
}


@pytest.mark.parametrize("kind", EVIL)
def test_hostile_calls_are_not_made(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim.npy"
    data = official.dumps({"G": EVIL[kind](str(victim))})
    if kind != "torch.load":  # which does no harm by itself since torch 2.6
        with suppress(Exception), official.official_modules():
            pickle.loads(data)  # the trap works: a careless reader does create the file
        assert victim.exists()
        victim.unlink()
    with pytest.raises(UserError, match="nothing of it was executed"):
        read(tmp_path, data)
    assert not victim.exists()


def test_the_refused_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.pkl was not read: it asks for posix\.system"):
        read(tmp_path, pickle.dumps(Call(os.system, "true")))
    nested = Call(torch.storage._load_from_bytes, saved(Call(os.system, "true"), False))
    with pytest.raises(UserError, match=r"a pickle inside it asks for (posix|os)\.system"):
        read(tmp_path, pickle.dumps(nested))


# BUILD, the instruction that sets an object's state, on everything that a pickle can get hold of.
FUNCTION = b"ctorch._utils\n_rebuild_parameter\n"
EASY = b"cdnnlib.util\nEasyDict\n"
DTYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R"
DICT_STATE = b"}X\x09\x00\x00\x00_functionNs"
SLOT_STATE = b"N" + DICT_STATE + b"\x86"


@pytest.mark.parametrize("state", [DICT_STATE, SLOT_STATE], ids=["dict", "slots"])
@pytest.mark.parametrize("target", [FUNCTION, EASY, EASY + b")\x81", DTYPE, b"}", b"]", b"N"])
def test_no_state_is_set(tmp_path: Path, target: bytes, state: bytes) -> None:
    with pytest.raises(UserError, match=r"x\.pkl"):
        read(tmp_path, b"\x80\x03" + target + state + b"b.")
    assert read(tmp_path, small_file())["G"].class_name == "Generator"  # nothing was altered


@pytest.mark.parametrize(
    ("reduce", "message"),
    [
        (b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R", "'O8'"),
        (b"cnumpy\ndtype\nX\x05\x00\x00\x00f8,O8\x85R", "'f8,O8'"),
        (b"cdnnlib.tflib.network\nNetwork\n", "TensorFlow"),
        (b"cbuiltins\ngetattr\n", "builtins.getattr"),
        (b"ccollections\nOrderedDict.fromkeys\n", "fromkeys"),
        (b"cnumpy.core.multiarray\n_reconstruct\n", "_reconstruct"),
        (b"ctorch._utils\n_rebuild_parameter\nN\x85R", "no tensor"),
        (b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n}\x85R", "class name"),
        (b"cbuiltins\nset\nN\x85R", "damaged"),
    ],
)
def test_refusals_say_what(tmp_path: Path, reduce: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, b"\x80\x03" + reduce + b".")


def test_a_tensor_must_lie_inside_its_numbers(tmp_path: Path) -> None:
    storage = torch.arange(4.0)._typed_storage()
    for offset, size, stride in ((2, (3,), (1,)), (0, (1000,), (0,)), (0, (-1,), (1,))):
        call = Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})
        stored = read(tmp_path, pickle.dumps(call))
        with pytest.raises(ValueError, match="its numbers"):
            stored.tensor()


@pytest.mark.parametrize("start", [b"", b"<!DOCTYPE html>", b"PK\x03\x04", b"cos\nsystem\n"])
def test_what_is_no_pickle(tmp_path: Path, start: bytes) -> None:
    with pytest.raises(UserError, match="is not a pickle"):
        read(tmp_path, start)


def test_a_cut_or_damaged_file_gives_a_user_error(tmp_path: Path) -> None:
    data = small_file()
    for length in range(1, len(data), 97):
        with pytest.raises(UserError):
            read(tmp_path, data[:length])
    rng = random.Random(0)
    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.randrange(1, len(data))] = rng.randrange(256)
        with suppress(UserError):  # any other exception fails the test
            read(tmp_path, bytes(damaged))
