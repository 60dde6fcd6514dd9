"""Reads the pickles in which StyleGAN2-ADA publishes its networks, and runs nothing from them.

A pickle is a program: it names functions, and loading calls them. Official files even carry the
source text of their classes, meant to be executed. Here each name that such a file may use stands
for a harmless function of ours, any other name stops the reading, and what comes out is plain
data: dicts, lists, tuples, sets, strings, numbers, `Record` and `StoredTensor`.
"""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganfeat.errors import UserError


class Record(NamedTuple):
    """An object of the official code: the name of its class and its ``__dict__``, no behaviour."""

    class_name: str
    state: dict[str, Any]

    def __repr__(self) -> str:
        return f"<{self.class_name}>"


class StoredTensor(NamedTuple):
    """A tensor as the file describes it: numbers, and which of them stand where."""

    storage: torch.TypedStorage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<tensor {self.size}>"

    def tensor(self) -> Tensor:
        """The tensor itself.

        Raises:
            ValueError: it is larger than its numbers, or reaches beyond them.
        """
        flat = torch.empty(0, dtype=self.storage.dtype).set_(self.storage)
        try:
            view = flat.as_strided(self.size, self.stride, self.offset)
        except (RuntimeError, TypeError) as error:
            raise ValueError("reaches beyond its numbers") from error
        if view.numel() > flat.numel():
            raise ValueError("is larger than its numbers")
        return view


def read_pickle(path: Path) -> Any:
    """Everything that an official pickle holds, as plain data.

    Raises:
        UserError: ``path`` is no such file, is damaged, or names anything outside the allow-list.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: expected a StyleGAN2-ADA pickle")
    with open(path, "rb") as file:
        start = file.read(16)
        if start[:1] != b"\x80":
            raise UserError(f"{path} is not a pickle: it starts with {start!r}")
        file.seek(0)
        try:
            return _Unpickler(file).load()
        except UserError as error:
            raise UserError(f"{path} was not read: {error}") from error
        except Exception as error:  # a damaged pickle can raise anything
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            raise UserError(f"{path} is damaged, cut off or hostile ({text})") from error


class _Unpickler(pickle.Unpickler):
    """The standard unpickler with our table in place of every import."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("dnnlib.tflib"):
            raise UserError(
                "it is a TensorFlow pickle; only the PyTorch pickles of StyleGAN2-ADA are read"
            )
        if (module, name) not in _ALLOWED:
            raise UserError(f"it asks for {module}.{name}, {_REFUSAL}")
        return _ALLOWED[module, name]


_REFUSAL = "which no StyleGAN2-ADA pickle needs; nothing of it was executed"


class _Sealed:
    """Whatever a pickle can get hold of: its BUILD instruction must not set attributes on it."""

    __slots__ = ()

    def __setstate__(self, state: Any = None) -> None:
        raise UserError(f"it sets the state of an object, {_REFUSAL}")


class _Allowed(_Sealed):
    """One function that a pickle may call."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


class _EasyDict(_Sealed, dict[str, Any]):
    """The official dict with attribute access; a class, as the pickle makes it by ``__new__``."""

    __slots__ = ()


class _Dtype(_Sealed):
    """A number type of numpy, for `_numpy_scalar` alone."""

    __slots__ = ("code", "order")

    def __init__(self, code: str, order: str = "=") -> None:
        self.code, self.order = code, order

    def __setstate__(self, state: Any = None) -> None:
        """The one state that a file may set: version 3, byte order, and no fields."""
        match state:
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, -1, -1, 0):
                self.order = order
            case _:
                super().__setstate__()


def _persistent_object(meta: Any) -> Record:
    """The official object; the program text in ``module_src`` is dropped unread."""
    match meta:
        case {"type": "class", "class_name": str(name), "state": dict(state)}:
            return Record(name, state)
    raise UserError("it holds an object without class name and state")


def _storage(data: Any) -> torch.TypedStorage:
    """The numbers of a tensor: a pickle inside the pickle, read by torch's own allow-list."""
    try:
        storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        asked = f"asks for {named[1]}" if named else "is damaged"
        raise UserError(f"a pickle inside it {asked}, {_REFUSAL}") from error
    if not isinstance(storage, torch.TypedStorage):
        raise UserError(f"a pickle inside it holds a {type(storage).__name__}, not numbers")
    return storage


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    """A tensor's description; gradient flag and hooks are dropped."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, torch.TypedStorage) or not all(type(n) is int for n in numbers):
        raise UserError("it holds a tensor without numbers")
    return StoredTensor(storage, offset, tuple(size), tuple(stride))


def _parameter(data: Any, *_: Any) -> StoredTensor:
    """A trainable tensor is a tensor here."""
    if not isinstance(data, StoredTensor):
        raise UserError("it holds a parameter that is no tensor")
    return data


def _numpy_dtype(code: Any, *_: Any) -> _Dtype:
    """Numbers only: an object array would be another way to smuggle a pickle in."""
    if not isinstance(code, str) or not re.fullmatch(r"[fiu][1248]|b1", code):
        raise UserError(f"it asks for the numpy type {code!r}, {_REFUSAL}")
    return _Dtype(code)


def _numpy_scalar(dtype: Any, data: Any) -> float | int | bool:
    """One number of numpy as one of Python."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise UserError("it holds a numpy number without type or bytes")
    (value,) = np.frombuffer(data, dtype.order + dtype.code).tolist()
    return value  # type: ignore[no-any-return]


def _dict() -> dict[str, Any]:
    return {}


def _set(items: Any = ()) -> set[Any]:
    return set(items)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Allowed(_persistent_object),
    ("dnnlib.util", "EasyDict"): _EasyDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Allowed(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Allowed(_parameter),
    ("torch.storage", "_load_from_bytes"): _Allowed(_storage),
    ("collections", "OrderedDict"): _Allowed(_dict),
    ("builtins", "set"): _Allowed(_set),  # protocol 3, which the release files use
    ("numpy", "dtype"): _Allowed(_numpy_dtype),
    ("numpy.core.multiarray", "scalar"): _Allowed(_numpy_scalar),
    ("numpy._core.multiarray", "scalar"): _Allowed(_numpy_scalar),
}
