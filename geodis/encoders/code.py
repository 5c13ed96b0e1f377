"""What a function or a class of the user's consists of, apart from the packages that it calls."""

from __future__ import annotations

import dis
import sys
import sysconfig
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

# Set by the interpreter, or of no consequence for what instances do.
IDLE = {
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__firstlineno__",
    "__static_attributes__", "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations_cache__",
    "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__parameters__", "__orig_bases__",
    "__slots__", "__slotnames__", "_abc_impl",
}  # fmt: skip
ATTRIBUTES = (types.MemberDescriptorType, types.GetSetDescriptorType)  # made by __slots__


@cache
def from_library(module: str | None) -> bool:
    """Whether a module belongs to an installed package, the standard library or the interpreter itself."""
    if module is None:
        return True
    if module == "__main__":
        return False
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:  # part of an extension, or a namespace: what its package is
        package = module.rpartition(".")[0]
        return bool(package) and from_library(package)
    return any(Path(path).resolve().is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_paths()[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def version_of(module: str) -> str:
    """The version of the package that a module belongs to; the interpreter's where it has none."""
    package = sys.modules.get(module.partition(".")[0])
    return str(getattr(package, "__version__", sys.version_info[:2]))


def members_of(cls: type) -> dict[str, Any]:
    """Functions and constants that a class itself defines."""
    return {name: x for name, x in vars(cls).items() if name not in IDLE and not isinstance(x, ATTRIBUTES)}


def referenced(function: types.FunctionType) -> dict[str, Any]:
    """What the function's code reads of its globals; of a module of the user's, what it names inside."""
    codes = list(_codes(function.__code__))
    read = [i.argval for code in codes for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    found = {name: function.__globals__[name] for name in dict.fromkeys(read) if name in function.__globals__}
    own = {name: x for name, x in found.items() if isinstance(x, types.ModuleType) and not from_library(x.__name__)}
    attributes = dict.fromkeys(name for code in codes for name in code.co_names)
    inside = {f"{name}.{part}": vars(x)[part] for name, x in own.items() for part in attributes if part in vars(x)}
    return {name: x for name, x in found.items() if name not in own} | inside


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
