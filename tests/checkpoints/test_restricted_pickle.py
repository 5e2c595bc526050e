"""Hostile pickles are refused before anything of them runs; weights of all kinds come back."""

import io
import os
import pickle
import pickletools
import struct
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from cascadekit.checkpoints import load_checkpoint_file
from cascadekit.checkpoints.restricted_pickle import load_pickle
from cascadekit.errors import InputError


class Call:
    """Pickles into `function(*arguments)`, to be called when it is read."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return (self.function, self.arguments)


class Plain:
    """A class of this file: harmless, and nevertheless code."""


def write(path: Path, value, protocol: int = 2) -> Path:
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


def reduced(module: str, name: str, arguments: bytes = b")") -> bytes:
    """A pickle of one call, written by hand: GLOBAL, arguments, REDUCE."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + arguments + b"R."


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nest", [lambda c: c, lambda c: {"model": {"w": [(1, c)]}}])
def test_a_call_is_refused_and_not_made(tmp_path, protocol, nest):
    target = tmp_path / "owned"
    file = write(tmp_path / "w.pkl", nest(Call(os.mkdir, str(target))), protocol)
    with pytest.raises(InputError, match=r"w\.pkl was not opened: it asks for \w+\.mkdir, and"):
        load_pickle(file)
    assert not target.exists()
    pickle.loads(file.read_bytes())  # without care it does run: this test can fail
    assert target.exists()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda t: Call(os.system, f"touch {t}"), r"(posix|nt)\.system"),
        (lambda t: Call(eval, f"open({str(t)!r}, 'w')"), r"builtins\.eval|__builtin__\.eval"),
        (lambda t: Call(exec, f"open({str(t)!r}, 'w')"), r"\w+\.exec"),
        (lambda t: Call(getattr, "", "format"), r"\w+\.getattr"),
        (lambda t: Call(Path.touch, t), r"pathlib\S*|\w+\.getattr"),
        (lambda t: Call(np.save, str(t), 1), r"numpy\S*save"),
        (lambda t: Plain(), r"copy_reg\._reconstructor|\S*Plain"),
        (lambda t: defaultdict(list), r"collections\.defaultdict"),
        (lambda t: {"w": torch.ones(2)}, r"torch\S+"),
        (lambda t: torch.nn.Linear(1, 1), r"torch\S+"),
        (lambda t: len, r"\w+\.len"),  # the function itself, not called
        # hidden inside what is allowed
        (lambda t: OrderedDict(a=Call(os.system, f"touch {t}")), r"(posix|nt)\.system"),
        (lambda t: np.array([Call(os.system, f"touch {t}")], dtype=object), r"numpy\.dtype\('O8'"),
        (lambda t: {frozenset([("x", Call(os.system, f"touch {t}"))])}, r"(posix|nt)\.system"),
    ],
)
def test_what_is_no_weight_is_named(tmp_path, make, named):
    target = tmp_path / "owned"
    file = write(tmp_path / "w.pkl", make(target))
    with pytest.raises(InputError, match=rf"w\.pkl was not opened: it asks for ({named})"):
        load_pickle(file)
    assert not target.exists()


_DTYPE_F4 = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4\x89\x88tR"  # dtype("f4", False, True)
_RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
_EMPTY = _RECONSTRUCT + b"(cnumpy\nndarray\nK\x00\x85C\x01bt R".replace(b" ", b"")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        # numpy would take an object array's memory from the file: pointers of its author's choice
        (reduced("numpy", "dtype", b"(X\x01\x00\x00\x00O\x89\x88t"), r"numpy\.dtype\('O'\)"),
        (
            reduced("numpy", "dtype", b"(X\x06\x00\x00\x00f4,f4,\x89\x88t"),
            r"numpy\.dtype\('f4,f4,'",
        ),
        (reduced("numpy", "dtype", b"(X\x02\x00\x00\x00M8\x89\x88t"), r"numpy\.dtype\('M8'\)"),
        (reduced("numpy", "dtype", b"(K\x05\x89\x88t"), r"numpy\.dtype\(5\)"),
        (reduced("numpy", "ndarray", b"(K\x05t"), "to call numpy.ndarray itself"),
        (reduced("numpy", "load"), r"numpy\.load"),
        (reduced("numpy.core.multiarray", "fromfile"), r"numpy\.core\.multiarray\.fromfile"),
        # a dtype whose state names fields
        (
            b"\x80\x02"
            + _DTYPE_F4
            + b"(K\x03X\x01\x00\x00\x00<N(X\x01\x00\x00\x00atNJ\xff\xff\xff\xff"
            b"J\xff\xff\xff\xffK\x00tb.",
            r"a numpy\.dtype with state",
        ),
        # an array of a class of its author's choice
        (b"\x80\x02" + _RECONSTRUCT + b"(K\x01K\x00\x85C\x01btR.", "an array of another class"),
        # attributes set on a function we hand out
        (
            b"\x80\x02cnumpy\nndarray\nN}X\x08\x00\x00\x00__call__K\x01s\x86b.",
            "to set '__call__' of a function",
        ),
        (b"\x80\x02cnumpy\nndarray\n.", "to keep a function"),
        (reduced("builtins", "bytes", b"K\x05\x85"), "bytes of its choice"),
        (
            reduced("_codecs", "encode", b"(X\x01\x00\x00\x00aX\x03\x00\x00\x00hext"),
            "_codecs.encode to",
        ),
    ],
)
def test_what_only_a_hand_written_pickle_asks_for(tmp_path, content, named):
    pickletools.dis(content, out=io.StringIO())  # well formed
    with pytest.raises(InputError, match=f"was not opened: it asks for {named}"):
        load_pickle(write(tmp_path / "w.pkl", content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>404 not found</html>",
        b"\x80\x02}",  # cut off
        pickle.dumps({"w": np.ones(9)}, 2)[:-20],
        b"\x80\x02Pname\n.",  # a persistent id
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02" + _EMPTY + b"(K\x01\x8a\x04\xff\xff\xff\x7f\x85" + _DTYPE_F4 + b"\x89C\x00tb.",
        b"\x80\x02ccollections\nOrderedDict\nN}X\x01\x00\x00\x00aK\x01s\x86b.",  # sets a class
        b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"x.",  # claims a petabyte
        b"\x80\x02(((((lllll",
    ],
)
def test_bytes_that_are_no_pickle(tmp_path, content):
    with pytest.raises(InputError, match=r"w\.pkl (is damaged|was not opened)"):
        load_pickle(write(tmp_path / "w.pkl", content))
    assert not hasattr(OrderedDict, "a")


def test_deep_nesting(tmp_path):
    content = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    with pytest.raises(InputError, match="nested too deeply"):
        load_pickle(write(tmp_path / "w.pkl", content))


def test_a_renamed_torch_file_is_recognised(tmp_path):
    torch.save({"w": torch.ones(1)}, tmp_path / "w.pkl")
    with pytest.raises(InputError, match=r"file of torch\.save: rename it to \.pth"):
        load_checkpoint_file(tmp_path / "w.pkl")


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    else:
        assert found == expected


CONTENT = {
    "model": OrderedDict(
        w=np.arange(6, dtype=np.float32).reshape(2, 3),
        half=np.ones(2, np.float16),
        none=np.zeros((0, 4)),
        number=np.array(3),  # shape ()
        flags=np.array([True, False]),
    ),
    "scalar": np.float64(0.25),
    "count": np.int64(7),
    "words": np.array(["a", "bc"]),
    "bytes": np.array([b"x"]),
    "__author__": "somebody",
    "rest": [(1, 2.5, None, True), {1, 2}, frozenset({3}), b"raw\xff", "ä", 2**70, 1j],
}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_arrays_come_back(tmp_path, protocol):
    assert_same(load_pickle(write(tmp_path / "w.pkl", CONTENT, protocol)), CONTENT)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("home", ["numpy.core.", "numpy._core."])
def test_both_homes_of_numpy(tmp_path, protocol, home):
    """What numpy 1 wrote is read with numpy 2, and the other way round."""
    data = pickle.dumps({"w": np.arange(3.0), "s": np.float32(2)}, protocol)
    for old in (b"numpy.core.", b"numpy._core."):
        if old == home.encode() or old not in data:
            continue
        data = replace_names(data, old.decode(), home)
    assert home.encode() in data
    read = load_pickle(write(tmp_path / "w.pkl", data))
    assert read["w"].tolist() == [0.0, 1.0, 2.0] and read["s"] == 2


def replace_names(data: bytes, old: str, new: str) -> bytes:
    """A pickle with the modules of its globals renamed, and without the optional frames."""
    out, pieces = b"", list(pickletools.genops(data))
    for number, (code, argument, start) in enumerate(pieces):
        end = pieces[number + 1][2] if number + 1 < len(pieces) else len(data)
        if code.name == "FRAME":
            continue
        if code.name == "SHORT_BINUNICODE" and argument.startswith(old):
            text = argument.replace(old, new).encode()
            out += b"\x8c" + bytes([len(text)]) + text
        elif code.name == "GLOBAL" and argument.startswith(old):
            out += b"c" + argument.replace(old, new).replace(" ", "\n").encode() + b"\n"
        else:
            out += data[start:end]
    return out


def test_fortran_order_and_the_other_byte_order(tmp_path):
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = {"f": np.asfortranarray(value), "swapped": value.astype(">f4")}
    read = load_pickle(write(tmp_path / "w.pkl", content))
    for array in read.values():
        assert array.tolist() == value.tolist()
        assert array.dtype == np.dtype("=f4") and array.flags["C_CONTIGUOUS"]
        array += 1  # of its own memory, and writable


def test_python_2(tmp_path):
    """An array as Python 2 pickled it: text for bytes, names of Python 2, protocol 2."""
    raw = np.array([1.5, -2.0], "<f4").tobytes()
    content = (
        b"\x80\x02}q\x00U\x05blobsq\x01}q\x02(U\x07conv1_wq\x03"  # {"blobs": {"conv1_w":
        b"cnumpy.core.multiarray\n_reconstruct\nq\x04(cnumpy\nndarray\nq\x05K\x00\x85q\x06U\x01bq\x07t"
        b"Rq\x08(K\x01K\x02\x85q\x09cnumpy\ndtype\nq\x0a(U\x02f4K\x00K\x01tRq\x0b(K\x03U\x01<NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08" + raw + b"tb"
        b"U\x04listc__builtin__\nset\n]K\x01a\x85R" + b"u"  # "list": set([1])}
        b"sU\x03cfgU\x04a: \xe4s."  # "cfg": a str with a byte above 127
    )
    read = load_pickle(write(tmp_path / "w.pkl", content))
    assert read["blobs"]["conv1_w"].tolist() == [1.5, -2.0]
    assert read["blobs"]["list"] == {1}
    assert read["cfg"] == "a: \xe4"


def test_shared_and_circular_containers(tmp_path):
    shared = [np.ones(1)]
    loop = {"a": shared, "b": shared}
    loop["self"] = loop
    read = load_pickle(write(tmp_path / "w.pkl", loop))
    assert read["a"] is read["b"]
    assert read["self"] is read
    assert isinstance(read["a"][0], np.ndarray)
