"""Opening the `.pkl` weights of Detectron and detectron2: arrays and plain containers, no code.

A pickle names functions and has them called. Here no name leads to a real class of numpy: the few
that weights need lead to stand-ins, which only look at bytes. (numpy's own `dtype` and `ndarray`
take flags and memory from the file as they come, and so trust it.)
"""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cascadekit.errors import InputError

# bool, integers, floats, complex, bytes and words: no objects, no records.
_KINDS = "biufcSU"
_PLAIN = {"set": set, "frozenset": frozenset, "complex": complex}


class _Refusal(pickle.UnpicklingError):
    """The file asks for something that is not on the list."""


class _Dtype:
    """What `numpy.dtype(code, align, copy)` makes; its state only tells the byte order."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any) -> None:
        try:
            self.dtype = np.dtype(code if isinstance(code, str) else "O")
        except TypeError as error:
            raise _Refusal(f"numpy.dtype({code!r})") from error
        if self.dtype.kind not in _KINDS or self.dtype.fields or self.dtype.subdtype:
            raise _Refusal(f"numpy.dtype({code!r})")

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 4 else None
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise _Refusal(f"a numpy.dtype with state {state!r}")
        if order != "|":
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """What `_reconstruct` makes; its state brings the numbers."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array = np.zeros(0, np.float32)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _Refusal(f"a numpy.ndarray with state of type {type(state).__name__}")
        _, shape, dtype, fortran, data = state
        self.array = _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """An array of its own memory, in the machine's byte order."""
    if isinstance(data, str):  # the bytes of Python 2 arrive as latin-1 text
        data = data.encode("latin1")
    is_shape = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
    if not isinstance(dtype, _Dtype) or not is_shape or not isinstance(data, bytes | bytearray):
        raise _Refusal(f"a numpy.ndarray of shape {shape!r} from a {type(data).__name__}")
    flat = np.frombuffer(data, dtype.dtype) if data else np.zeros(0, dtype.dtype)
    array = flat.reshape(shape, order="F" if order == "F" else "C")
    return array.astype(dtype.dtype.newbyteorder("="), order="C")  # a copy


class _Function:
    """Something the file may call. It has no attributes, so that a file cannot set any."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __setattr__(self, name: str, value: Any) -> None:
        raise _Refusal(f"to set {name!r} of a function")

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


def _dtype(code: Any, align: Any = False, copy: Any = True) -> _Dtype:
    return _Dtype(code)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _NDARRAY:
        raise _Refusal("an array of another class than numpy.ndarray")
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    return _array(data, dtype, shape, order)


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, (), "C")[()]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    # How Python 3 writes bytes in protocols 0 to 2.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _Refusal(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    # How Python 3 writes b"" in protocols 0 to 2; with a number it would take that much memory.
    if arguments:
        raise _Refusal("bytes of its choice")
    return b""


def _no_array(*arguments: Any) -> Any:
    raise _Refusal("to call numpy.ndarray itself")


_NDARRAY = _Function(_no_array)
_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_dtype),
    ("_codecs", "encode"): _Function(_encode),
}
for _home in ("numpy.core", "numpy._core"):  # numpy 1 and 2
    _ADMITTED[_home + ".multiarray", "_reconstruct"] = _Function(_reconstruct)
    _ADMITTED[_home + ".multiarray", "scalar"] = _Function(_scalar)
    _ADMITTED[_home + ".numeric", "_frombuffer"] = _Function(_frombuffer)
for _home in ("builtins", "__builtin__"):  # Python 3 and 2
    _ADMITTED[_home, "bytes"] = _Function(_no_bytes)
    for _name, _type in _PLAIN.items():
        _ADMITTED[_home, _name] = _type


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _Refusal(f"{module}.{name}") from None


def _settled(value: Any, done: dict[int, Any]) -> Any:
    """`value` with arrays in place of their stand-ins; a shared part stays shared."""
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, _Dtype):
        return value.dtype
    if isinstance(value, _Function):
        raise _Refusal("to keep a function")
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return value
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, dict):
        made: Any = OrderedDict() if isinstance(value, OrderedDict) else {}
        done[id(value)] = made
        made.update((_settled(k, done), _settled(v, done)) for k, v in value.items())
    elif isinstance(value, list):
        made = done[id(value)] = []
        made.extend(_settled(v, done) for v in value)
    else:
        made = type(value)(_settled(v, done) for v in value)
        done[id(value)] = made
    return made


def load_pickle(path: str | os.PathLike[str]) -> Any:
    """Read a pickle of numpy arrays, plain values and plain containers; nothing in it is run.

    Args:
        path: a file of pickle protocol 0 to 5, written by Python 2 (its `str` are read as latin-1
            text) or 3, with numpy 1 or 2.

    Returns:
        dict, OrderedDict, list, tuple, set, str, bytes, numbers, None and numpy arrays without
        objects or records, in any nesting.

    Raises:
        InputError: the file asks for anything else, which is named, or is cut off or no pickle.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            return _settled(_Unpickler(stream, encoding="latin1").load(), {})
    except _Refusal as error:
        raise InputError(
            f"{file} was not opened: it asks for {error}, and reading that can run code. Weights "
            "are arrays, numbers and plain containers only; ask its author for such a file, or for "
            ".safetensors"
        ) from error
    except RecursionError as error:
        raise InputError(f"{file} was not opened: its values are nested too deeply") from error
    # Pickle's machine fails in many ways on bytes that were not made by it.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError) as error:
        raise _damaged(file, error) from error
    except (AttributeError, MemoryError, OverflowError, OSError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    hint = ""
    with file.open("rb") as stream:
        if stream.read(2) == b"PK":
            hint = " It looks like a file of torch.save: rename it to .pth."
    return InputError(
        f"{file} is damaged or is not a pickle ({reason}); fetch or save it again.{hint}"
    )
