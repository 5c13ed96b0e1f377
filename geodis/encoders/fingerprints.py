"""Fingerprints: a hash of the content of items, models and functions, the same in every process.

Equal fingerprints mean equal content. The reverse does not hold (another version of a library gives another
fingerprint): an embedding may be computed twice, but must never be served for something else.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import json
import logging
import struct
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.encoders.code import from_library, members_of, referenced, version_of
from geodis.errors import ParameterError

VERSION = 1  # of how embeddings and fingerprints are made: what was stored under another one is not found
PART = 2**26  # bytes hashed at a time: a copy of a large array would double its memory
NAMED = "Give it a name, `name=`, and change the name when it changes."


def fingerprint(content: Any, advice: str = NAMED) -> str:
    """The sha256 of the content: arrays, tensors, texts, containers, modules, functions, and what pickle can keep.

    Of a function of your own, the code, defaults, closure and the globals that it reads count; of a class, its
    functions and constants; what comes from an installed package counts by its name and the package's version; a
    `Path` to a file by the file's bytes. A module's device, and whether it is in training mode, does not count.

    Parameters
    ----------
    content : object
        What to tell from other things.
    advice : str
        What the error says to do.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ParameterError
        For something whose content cannot be told, such as an open file.

    Examples
    --------
    >>> x = np.arange(3.0)
    >>> fingerprint(x) == fingerprint(x.copy()), fingerprint(x) == fingerprint(x.astype(np.float32))
    (True, False)
    """
    reader = _Reader(advice)
    try:
        reader.read([VERSION, content])
    except RecursionError:
        raise reader.untold(content) from None
    return reader.hash.hexdigest()


def fingerprint_if_told(content: Any) -> str | None:
    """The fingerprint, or None for what has none."""
    try:
        return fingerprint(content)
    except ParameterError:
        return None


class _Reader:
    """Feeds what it reads into one running hash; every piece comes with its kind and length."""

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self.hash = hashlib.sha256()
        self.open: list[int] = []  # what is being read now, so that a cycle ends
        self.known: dict[int, tuple[Any, bytes]] = {}  # functions and classes; held, as ids are used again

    def put(self, kind: str, data: bytes | str = b"") -> None:
        data = data.encode() if isinstance(data, str) else data
        self.hash.update(f"{kind}:{len(data)}:".encode())
        self.hash.update(data)

    def read(self, x: Any) -> None:
        plain = _PLAIN.get(type(x))
        if plain is not None:
            self.put(type(x).__name__, plain(x))
        elif id(x) in self.open:
            self.put("back", str(len(self.open) - self.open.index(id(x))))
        elif isinstance(x, (type, types.FunctionType)):
            if id(x) not in self.known:
                self.known[id(x)] = x, self.apart(x)
            self.put("known", self.known[id(x)][1])
        else:
            self._opened(x)

    def apart(self, x: Any) -> bytes:
        """The hash of x alone."""
        whole, self.hash = self.hash, hashlib.sha256()
        try:
            self._opened(x)
            return self.hash.digest()
        finally:
            self.hash = whole

    def unordered(self, kind: str, parts: Iterable[Any]) -> None:
        """Parts whose order means nothing: their hashes, sorted."""
        self.put(kind, b"".join(sorted(self.apart([part]) for part in parts)))

    def untold(self, x: Any) -> ParameterError:
        kind = f"{type(x).__module__}.{type(x).__qualname__}"
        return ParameterError("fingerprint", "content that can be told", f"an object of {kind}", self.advice)

    def _opened(self, x: Any) -> None:
        self.open.append(id(x))
        try:
            how = _EXACT.get(type(x)) or next((how for kind, how in _KINDS if isinstance(x, kind)), _object)
            how(self, x)
        finally:
            self.open.pop()


# --- data -------------------------------------------------------------------------------------------------------------
def _sequence(reader: _Reader, x: Any) -> None:
    reader.put(type(x).__name__, str(len(x)))
    for item in x:
        reader.read(item)


def _mapping(reader: _Reader, x: Any) -> None:
    reader.unordered("mapping", x.items())


def _set(reader: _Reader, x: Any) -> None:
    reader.unordered("set", x)


def _array(reader: _Reader, x: Any) -> None:
    reader.put("array", f"{x.dtype!r} {x.shape}")
    if x.dtype.hasobject or x.dtype.kind == "T":
        for item in x.ravel():
            reader.read(item)
    elif x.size:
        rows = x if x.ndim else x[None]
        step = max(1, len(rows) * PART // max(1, x.nbytes))
        for start in range(0, len(rows), step):
            reader.hash.update(rows[start : start + step].tobytes())


def _tensor(reader: _Reader, x: Tensor) -> None:
    if x.layout != torch.strided or x.is_quantized or x.is_meta:
        raise reader.untold(x)
    reader.put("tensor", f"{x.dtype} {tuple(x.shape)}")
    values = x.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    if values.numel():
        values = torch.view_as_real(values).reshape(-1) if values.is_complex() else values
        reader.hash.update(values.view(torch.uint8).numpy().data)


def _path(reader: _Reader, x: Path) -> None:
    reader.put("path", str(x))
    if x.is_file():
        with x.open("rb") as file:
            reader.put("file", hashlib.file_digest(file, "sha256").digest())


# --- code -------------------------------------------------------------------------------------------------------------
def _function(reader: _Reader, x: types.FunctionType) -> None:
    home = x.__globals__.get("__name__")
    if from_library(home):
        reader.put("function", f"{home}.{x.__code__.co_qualname} {version_of(home or '')}")
    else:
        reader.put("function", x.__qualname__)
        reader.read([x.__code__, referenced(x)])
    reader.read([x.__defaults__, x.__kwdefaults__, [_cell(cell) for cell in x.__closure__ or ()]])


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # its variable is not set
        return "empty"


def _code(reader: _Reader, x: types.CodeType) -> None:
    reader.put("code", x.co_code)
    arguments = [x.co_argcount, x.co_posonlyargcount, x.co_kwonlyargcount, x.co_flags]
    reader.read([arguments, x.co_names, x.co_varnames, x.co_freevars, x.co_cellvars, x.co_consts])


def _class(reader: _Reader, x: type) -> None:
    for cls in x.__mro__:
        if from_library(cls.__module__):
            reader.put("class", _name(cls))
        else:
            reader.put("class", cls.__qualname__)
            reader.read(members_of(cls))


def _method(reader: _Reader, x: types.MethodType) -> None:
    reader.put("method")
    reader.read([x.__func__, x.__self__])


def _builtin(reader: _Reader, x: types.BuiltinFunctionType) -> None:
    owner = x.__self__
    if owner is None or isinstance(owner, (types.ModuleType, type)):
        home = x.__module__ or getattr(owner, "__module__", None) or "builtins"
        reader.put("builtin", f"{home}.{x.__qualname__} {version_of(home)}")
    else:
        reader.read(["bound", x.__name__, owner])


def _descriptor(reader: _Reader, x: Any) -> None:
    reader.put(type(x).__name__)
    reader.read([x.fget, x.fset] if isinstance(x, property) else x.__func__)


def _package(reader: _Reader, x: types.ModuleType) -> None:
    if not from_library(x.__name__):
        raise reader.untold(x)
    reader.put("package", f"{x.__name__} {version_of(x.__name__)}")


# --- objects ----------------------------------------------------------------------------------------------------------
def _module(reader: _Reader, x: nn.Module) -> None:
    if isinstance(x, torch.jit.ScriptModule):
        raise reader.untold(x)
    reader.put("module")
    reader.read(type(x))
    # Hooks are kept under numbers that another process counts differently.
    state = {name: list(y.values()) if name.endswith("_hooks") else y for name, y in vars(x).items()}
    reader.read({name: y for name, y in state.items() if name != "training"})


def _object(reader: _Reader, x: Any) -> None:
    """Any other object: its class, and the state that pickle would keep."""
    reader.put("object")
    reader.read(type(x))
    reader.read(_tokenizer(x) if is_called(x, "PreTrainedTokenizerBase", "transformers") else _state(reader, x))


def _state(reader: _Reader, x: Any) -> Any:
    try:
        known = copyreg.dispatch_table.get(type(x))
        parts = x.__reduce_ex__(4) if known is None else known(x)
    except Exception as error:
        raise reader.untold(x) from error
    if not isinstance(parts, str):
        make, arguments, state, items, pairs = (*parts, None, None, None)[:5]
        return [make, arguments, state, list(items) if items else None, list(pairs) if pairs else None]
    home = getattr(x, "__module__", None)
    if not from_library(home):  # a global that pickle keeps by its name alone, such as a cached function
        try:
            return [parts, x.__wrapped__]
        except AttributeError:
            raise reader.untold(x) from None
    return f"{home}.{parts} {version_of(home or '')}"


def _tokenizer(x: Any) -> Any:
    """What a transformers tokenizer does; not its padding and truncation, which every call sets anew."""
    fast = getattr(x, "backend_tokenizer", None)
    if fast is None:
        return x.__reduce_ex__(4)[2]
    told = json.loads(fast.to_str())
    rules = {key: value for key, value in told.items() if key not in ("padding", "truncation")}
    return [rules, x.model_max_length, x.model_input_names, x.special_tokens_map, x.truncation_side]


def is_called(x: Any, name: str, package: str) -> bool:
    """Whether x is an instance of a class of `package`, told by names: importing the package takes seconds."""
    return any(cls.__name__ == name and cls.__module__.partition(".")[0] == package for cls in type(x).__mro__)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__} {version_of(cls.__module__)}"


_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda x: b"",
    type(...): lambda x: b"",
    bool: lambda x: str(x).encode(),
    int: lambda x: str(x).encode(),
    str: lambda x: x.encode("utf-8", "surrogatepass"),
    bytes: lambda x: x,
    float: lambda x: struct.pack("<d", x),  # by its bits: 0.0 is not -0.0
    complex: lambda x: struct.pack("<dd", x.real, x.imag),
}
# Subclasses may hold more than their items: they are read as objects.
_EXACT: dict[type, Callable[[_Reader, Any], None]] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    types.MappingProxyType: _mapping,
    set: _set,
    frozenset: _set,
    np.ndarray: _array,
    np.memmap: _array,
    Tensor: _tensor,
    nn.Parameter: _tensor,
}
_KINDS: list[tuple[Any, Callable[[_Reader, Any], None]]] = [
    (nn.Module, _module),
    (type, _class),
    (types.FunctionType, _function),
    (types.MethodType, _method),
    (types.CodeType, _code),
    (types.BuiltinFunctionType, _builtin),
    (types.ModuleType, _package),
    ((classmethod, staticmethod, property), _descriptor),
    (functools.cached_property, lambda reader, x: reader.read(["cached", x.func])),
    (np.generic, lambda reader, x: reader.read(["scalar", np.asarray(x)])),
    (Path, _path),
    (logging.Logger, lambda reader, x: reader.put("logger", x.name)),
    (enum.Enum, lambda reader, x: reader.put("enum", f"{_name(type(x))} {x.name} {x.value!r}")),
    (Tensor, lambda reader, x: reader.read(_refused(reader, x))),
    ((torch.dtype, torch.device, torch.layout, torch.memory_format), lambda reader, x: reader.put("torch", str(x))),
]


def _refused(reader: _Reader, x: Any) -> Any:
    """Tensors of other classes may compute what they hold."""
    raise reader.untold(x)
