"""Fingerprints: equal for equal content in any process, different after any change that can change an embedding."""

import functools
import os
import re
import subprocess
import sys
import textwrap
import threading
import types
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import randomized
from torch import nn

from geodis.encoders import AbstractEncoder, encode, fingerprint, flatten, mean_grid
from geodis.errors import ParameterError

X = np.arange(12.0).reshape(3, 4)
Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class Text:
    template: str
    values: tuple[str, ...]


DISTINCT = {
    "array": lambda: X,
    "another number": lambda: X + np.eye(3, 4) * 1e-12,
    "another shape": lambda: X.reshape(4, 3),
    "another dtype": lambda: X.astype(np.float32),
    "whole numbers": lambda: X.astype(np.int64),
    "as unsigned": lambda: X.astype(np.uint64),
    "transposed": lambda: X.T,
    "negative zero": lambda: np.array(-0.0),
    "zero": lambda: np.array(0.0),
    "tensor": lambda: torch.from_numpy(X),
    "half": lambda: torch.from_numpy(X).bfloat16(),
    "complex": lambda: torch.from_numpy(X).cdouble(),
    "conjugated": lambda: (1j * torch.from_numpy(X)).conj(),
    "texts": lambda: ["ab", "c"],
    "cut elsewhere": lambda: ["a", "bc"],
    "one text": lambda: ["abc"],
    "tuple": lambda: ("ab", "c"),
    "nested": lambda: [["ab"], "c"],
    "object array": lambda: np.array(["ab", "c"], dtype=object),
    "text array": lambda: np.array(["ab", "c"]),
    "empty": lambda: [],
    "empty texts": lambda: ["", ""],
    "none": lambda: [None],
    "false": lambda: [False],
    "nought": lambda: [0],
    "nought point nought": lambda: [0.0],
    "mapping": lambda: {"a": 1, "b": 2},
    "values exchanged": lambda: {"a": 2, "b": 1},
    "set": lambda: {"a", "b"},
    "named tuple": lambda: Point(1, 2),
    "dataclass": lambda: [Text("In {}.", ("May", "June"))],
    "its other value": lambda: [Text("In {}.", ("May", "July"))],
    "structured": lambda: np.zeros(2, dtype=[("a", "f8"), ("b", "f8")]),
    "other fields": lambda: np.zeros(2, dtype=[("a", "f8"), ("c", "f8")]),
    "masked": lambda: np.ma.masked_array(X, X > 3),
    "masked elsewhere": lambda: np.ma.masked_array(X, X > 4),
    "pattern": lambda: re.compile("a+"),
    "generator": lambda: np.random.default_rng(0),
    "another seed": lambda: np.random.default_rng(1),
    "ordered": lambda: OrderedDict(a=1),
    "partial": lambda: functools.partial(np.sum, axis=1),
    "another axis": lambda: functools.partial(np.sum, axis=2),
    "numpy number": lambda: [np.float32(1)],
    "other number": lambda: [np.float64(1)],
    "class": lambda: Text,
    "library class": lambda: nn.Linear,
    "builtin": lambda: len,
    "ufunc": lambda: np.abs,
    "another ufunc": lambda: np.square,
    "surrogate": lambda: "\ud800",
    "dtype": lambda: torch.float32,
}


def test_distinct_content_has_distinct_fingerprints():
    marks = {name: fingerprint(make()) for name, make in DISTINCT.items()}
    assert len(set(marks.values())) == len(marks), marks
    assert marks == {name: fingerprint(make()) for name, make in DISTINCT.items()}
    assert all(re.fullmatch("[0-9a-f]{64}", mark) for mark in marks.values())


def test_how_content_lies_in_memory_does_not_count():
    assert fingerprint(X) == fingerprint(np.asfortranarray(X)) == fingerprint(np.repeat(X, 2, axis=1)[:, ::2])
    assert fingerprint(torch.from_numpy(X.T.copy()).T) == fingerprint(torch.from_numpy(X))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(nn.Parameter(torch.ones(2))) == fingerprint(torch.ones(2))
    text = "".join(["a", "b"])
    assert fingerprint([text, text]) == fingerprint(["ab", "".join(["a", "b"])])


def test_large_arrays_are_read_in_parts(monkeypatch):
    whole = fingerprint(X), fingerprint(X.T)
    monkeypatch.setattr("geodis.encoders.fingerprints.PART", 40)
    assert (fingerprint(X), fingerprint(X.T)) == whole


def test_cycles_end():
    first, second = [1], [1]
    first.append(first)
    second.append([1])
    assert fingerprint(first) != fingerprint(second)
    deep = []
    for _ in range(10**5):
        deep = [deep]
    with pytest.raises(ParameterError, match="fingerprint"):
        fingerprint(deep)


def test_a_file_counts_by_its_content(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    first = fingerprint([path])
    assert fingerprint([Path(path)]) == first
    path.write_bytes(b"two")
    assert fingerprint([path]) != first


@pytest.mark.parametrize(
    "content",
    [
        threading.Lock(),
        (x for x in X),
        torch.eye(2).to_sparse(),
        types.ModuleType("mine"),
        sys.stderr,
        [memoryview(b"a")],
    ],
    ids=lambda content: type(content).__name__,
)
def test_what_cannot_be_told_is_a_named_error(content):
    with pytest.raises(ParameterError, match=r"can be told.*name"):
        fingerprint(content)


# --- functions --------------------------------------------------------------------------------------------------------
def functions(*sources, **names):
    """The functions called f of several texts of a user's module."""
    found = []
    for source in sources:
        module = types.ModuleType("users_own")
        vars(module).update(names, np=np, torch=torch)
        exec(textwrap.dedent(source), vars(module))
        found.append(module.f)
    return found


CHANGES = {
    "code": ("def f(h): return h + h", "def f(h): return h - h"),
    "constant": ("def f(h): return h + 1", "def f(h): return h + 2"),
    "type of a constant": ("def f(h): return h + 1", "def f(h): return h + 1.0"),
    "text in a lambda": ("f = lambda: 'a'", "f = lambda: 'b'"),
    "default": ("def f(h, n=1): return h + n", "def f(h, n=2): return h + n"),
    "keyword default": ("def f(h, *, n=1): return h + n", "def f(h, *, n=2): return h + n"),
    "closure": (
        "def g(n):\n    return lambda h: h + n\nf = g(1)",
        "def g(n):\n    return lambda h: h + n\nf = g(2)",
    ),
    "global": ("n = 1\ndef f(h): return h + n", "n = 2\ndef f(h): return h + n"),
    "function called": (
        "def g(h): return h\ndef f(h): return g(h)",
        "def g(h): return -h\ndef f(h): return g(h)",
    ),
    "called in a lambda inside": (
        "n = 1\ndef f(h): return [(lambda x: x + n)(x) for x in h]",
        "n = 2\ndef f(h): return [(lambda x: x + n)(x) for x in h]",
    ),
    "attribute": ("def f(h): return h.mean(1)", "def f(h): return h.sum(1)"),
    "library function": ("def f(h): return np.sin(h)", "def f(h): return np.cos(h)"),
    "wrapped": (
        "def g(n):\n    @torch.no_grad()\n    def f(h): return h + n\n    return f\nf = g(1)",
        "def g(n):\n    @torch.no_grad()\n    def f(h): return h + n\n    return f\nf = g(2)",
    ),
    "cached": (
        "import functools\n@functools.cache\ndef g(h): return h\ndef f(h): return g(h)",
        "import functools\n@functools.cache\ndef g(h): return -h\ndef f(h): return g(h)",
    ),
    "partial": (
        "import functools\nf = functools.partial(lambda n, h: h + n, 1)",
        "import functools\nf = functools.partial(lambda n, h: h + n, 2)",
    ),
    "method": (
        "class A:\n    n = 1\n    def g(self, h): return h + self.n\nf = A().g",
        "class A:\n    n = 2\n    def g(self, h): return h + self.n\nf = A().g",
    ),
    "state": (
        "class A:\n    def __init__(self, n): self.n = n\n    def __call__(self, h): return h + self.n\nf = A(1)",
        "class A:\n    def __init__(self, n): self.n = n\n    def __call__(self, h): return h + self.n\nf = A(2)",
    ),
    "slots": (
        "class A:\n    __slots__ = 'n',\n    def __init__(self, n): self.n = n\n    def g(self): pass\nf = A(1).g",
        "class A:\n    __slots__ = 'n',\n    def __init__(self, n): self.n = n\n    def g(self): pass\nf = A(2).g",
    ),
    "base class": (
        "class B:\n    def g(self, h): return h\nclass A(B): pass\nf = A().g",
        "class B:\n    def g(self, h): return -h\nclass A(B): pass\nf = A().g",
    ),
    "property": (
        "class A:\n    @property\n    def n(self): return 1\nf = A()",
        "class A:\n    @property\n    def n(self): return 2\nf = A()",
    ),
    "static method": (
        "class A:\n    @staticmethod\n    def g(h): return h\nf = A()",
        "class A:\n    @staticmethod\n    def g(h): return -h\nf = A()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_function_has_another_fingerprint(change):
    first, second = functions(*CHANGES[change])
    again, _ = functions(*CHANGES[change])
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(second)


def test_what_a_function_does_not_use_does_not_count():
    first, second = functions("n = 1\nm = 1\ndef f(h): return h + n", "n = 1\nm = 2\ndef f(h): return h + n")
    assert fingerprint(first) == fingerprint(second)
    other = textwrap.dedent("\n\n\n    def f(h):\n        # a remark\n        return h + n")
    assert fingerprint(first) == fingerprint(functions("n = 1\n" + textwrap.dedent(other))[0])


def test_names_inside_a_module_of_the_users_count():
    own = [types.ModuleType("users_tools"), types.ModuleType("users_tools")]
    own[0].shift, own[1].shift = 1, 2
    marks = [fingerprint(functions("def f(h): return h + tools.shift", tools=tools)[0]) for tools in own]
    assert marks[0] != marks[1]


def test_functions_that_call_each_other():
    source = "def f(h): return g(h) if h else 0\ndef g(h): return f(h - {})"
    first, again, other = functions(source.format(1), source.format(1), source.format(2))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)


# --- encoders ---------------------------------------------------------------------------------------------------------
class Net(nn.Module):
    def __init__(self, slope=0.1):
        super().__init__()
        self.slope = slope
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        return self.head(nn.functional.leaky_relu(self.norm(self.conv(x)), self.slope).mean((2, 3)))


class Bent(Net):
    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean((2, 3)))


def net(kind=Net, **options):
    return randomized(kind(**options))


def changed(change):
    module = net()
    with torch.no_grad():
        change(module)
    return module


ENCODERS = {
    "net": lambda: encode(net()),
    "layer": lambda: encode(net(), "conv"),
    "pooling": lambda: encode(net(), "conv", pool=mean_grid),
    "own pooling": lambda: encode(net(), "conv", pool=lambda h: h.amax((2, 3))),
    "other pooling": lambda: encode(net(), "conv", pool=lambda h: h.amin((2, 3))),
    "preparation": lambda: encode(net(), prepare=lambda batch: batch[:, :1]),
    "one weight": lambda: encode(changed(lambda m: m.conv.weight[0, 0, 0, 0].add_(1e-7))),
    "buffer": lambda: encode(changed(lambda m: m.norm.running_mean.add_(1e-7))),
    "architecture": lambda: encode(changed(lambda m: setattr(m.norm, "eps", 1e-3))),
    "attribute": lambda: encode(net(slope=0.2)),
    "forward": lambda: encode(net(Bent)),
    "dtype": lambda: encode(net().double()),
    "hook": lambda: encode(changed(lambda m: m.conv.register_forward_hook(lambda *_: None))),
    "stride": lambda: encode(changed(lambda m: setattr(m.conv, "stride", (2, 2)))),
    "name": lambda: encode(net(), name="mine"),
    "other name": lambda: encode(net(), name="mine-v2"),
    "name and layer": lambda: encode(net(), "conv", name="mine"),
    "name and pooling": lambda: encode(net(), "conv", name="mine", pool=mean_grid),
    "named function": lambda: encode(np.asarray, name="mine"),
    "other function": lambda: encode(np.asarray, name="mine-v2"),
    "array": lambda: encode(),
    "width": lambda: encode(X),
}


def test_every_change_of_an_encoder_changes_its_fingerprint():
    marks = {name: make().fingerprint() for name, make in ENCODERS.items()}
    assert len(set(marks.values())) == len(marks), marks
    assert marks == {name: make().fingerprint() for name, make in ENCODERS.items()}


def test_use_and_batches_do_not_change_a_fingerprint():
    f = encode(net().train(), "conv", batch_size=2, verbose=False)
    before = f.fingerprint()
    f(np.zeros((5, 1, 6, 6)))
    assert f.fingerprint() == before == encode(net(), "conv", batch_size=100, verbose=True).fingerprint()
    assert encode(net(), "conv", pool=flatten).fingerprint() == before


def test_a_function_needs_a_name():
    with pytest.raises(ParameterError, match=r'cannot be told.*name="mine-v1"'):
        encode(np.asarray).fingerprint()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_cannot_be_told_asks_for_a_name():
    module = net()
    module.lock = threading.Lock()
    with pytest.raises(ParameterError, match="name="):
        encode(module).fingerprint()
    assert encode(module, name="locked").fingerprint()
    scripted = torch.jit.script(nn.Linear(2, 2))
    with pytest.raises(ParameterError, match="name="):
        encode(scripted).fingerprint()


class Own(AbstractEncoder):
    """An encoder of the user's."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def _embed(self, batch):
        return self.factor * np.asarray(batch)


class Other(Own):
    def _embed(self, batch):
        return self.factor + np.asarray(batch)


def test_an_encoder_of_the_users_is_told_by_its_code_and_attributes():
    marks = [f.fingerprint() for f in (Own(1.0), Own(2.0), Other(1.0))]
    assert len(set(marks)) == 3
    assert Own(1.0).fingerprint() == marks[0]


SCRIPT = """
import numpy as np, sys
sys.path.insert(0, {tests!r})
from test_fingerprints import DISTINCT, ENCODERS, fingerprint
from geodis.actions import SlotAction, slot_texts
told = {{name: fingerprint(make()) for name, make in DISTINCT.items()}}
told |= {{"encoder " + name: make().fingerprint() for name, make in ENCODERS.items()}}
texts = slot_texts(["In {{slot}}."], ["May", "June"])
told["slot"] = fingerprint(texts)
print(fingerprint(told), told["slot"], sep="\\n")
"""


def test_another_process_tells_the_same():
    told = {name: fingerprint(make()) for name, make in DISTINCT.items()}
    told |= {"encoder " + name: make().fingerprint() for name, make in ENCODERS.items()}
    from geodis.actions import slot_texts

    told["slot"] = fingerprint(slot_texts(["In {slot}."], ["May", "June"]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(tests=str(Path(__file__).parent))],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [fingerprint(told), told["slot"]]
