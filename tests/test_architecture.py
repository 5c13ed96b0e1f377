"""The house of DESIGN §2 as a test: import directions, sizes, names, no global state. Planted violations must fail."""

import ast
import functools
import json
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

PACKAGE = Path(__file__).parent.parent / "geodis"
MAX_LINES = 400
VAGUE = {"utils", "util", "base", "misc", "common", "helpers"}

# The leaves, lowest first; each may import those before it, every layer may import all.
LEAVES = (
    "errors",
    "threads",
    "linalg",
    "files",
    "loop",
    "mesh",
    "statistics",
    "bounds",
    "invariance_test",
    "multiplicity",
    "palette",
)
LAYERS = {
    "groups": set(),
    "encoders": set(),
    "actions": {"groups"},
    "simulators": {"groups", "actions"},
    "emulators": {"groups", "actions"},
    "orbits": {"groups", "actions", "encoders"},
    "sampling": {"groups", "actions", "encoders", "orbits"},
    "coordinates": {"groups", "orbits"},
    "discovery": {"groups", "orbits", "coordinates"},
    "training": {"groups", "actions", "encoders", "orbits", "coordinates"},
    "metrics": {"groups", "actions", "encoders", "orbits", "sampling", "coordinates"},
    "reports": {"metrics", "coordinates", "orbits"},
    "scanning": {"actions", "encoders", "orbits", "sampling", "coordinates", "metrics", "reports"},
    "formats": {"groups", "orbits", "coordinates", "reports", "simulators"},
}
ALLOWED = {leaf: set(LEAVES[:i]) for i, leaf in enumerate(LEAVES)}
ALLOWED |= {layer: below | set(LEAVES) for layer, below in LAYERS.items()}
ALLOWED["__init__"] = set(LEAVES) | set(LAYERS)
ALLOWED["demo"] = ALLOWED["__init__"] | {"__init__"}
ALLOWED["cli"] = ALLOWED["demo"] | {"demo"}
ALLOWED["__main__"] = {"cli"}

# Calls that read or set state which the whole process shares; the constructors of numpy.random make their own
# (RandomState, for the streams of published benchmarks, too).
GLOBAL_CALLS = {
    "logging.basicConfig", "matplotlib.use", "matplotlib.pyplot.switch_backend", "numpy.seterr",
    "numpy.set_printoptions",
    "torch.manual_seed", "torch.seed", "torch.set_default_dtype", "torch.set_default_device", "torch.set_grad_enabled",
    "torch.set_num_threads", "torch.set_printoptions", "torch.use_deterministic_algorithms",
}  # fmt: skip
GLOBAL_FILTERS = {"warnings.filterwarnings", "warnings.simplefilter"}
CONSTRUCTORS = {"default_rng", "Generator", "RandomState", "SeedSequence", "PCG64", "Philox", "BitGenerator"}
TORCH_DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
TENSOR_DRAWS = {"normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_"}


def layer_of(path):
    return path.parts[0].removesuffix(".py")


def imports(tree, path):
    """`(line, module)` of every import of geodis, in functions, under TYPE_CHECKING and by name too."""
    here = ("geodis", *path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level + 1] if node.level else ()
            module = ".".join((*start, node.module) if node.module else start)
            names = [f"geodis.{alias.name}" for alias in node.names] if module == "geodis" else [module]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = [node.args[0].value] if function in ("import_module", "__import__") else []
        else:
            continue
        yield from ((node.lineno, name) for name in names if isinstance(name, str) and name.split(".")[0] == "geodis")


def target(module):
    """The layer that an imported module belongs to; names of the front door itself belong to `__init__`."""
    name = (*module.split("."), "__init__")[1]
    return name if name in ALLOWED or (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists() else "__init__"


def direction_violations(path, tree):
    layer = layer_of(path)
    if layer not in ALLOWED:
        return [f"{path}: layer {layer!r} is not in the table of DESIGN §2; settle its place there and in this test"]
    return [
        f"{path}:{line}: {layer} imports {module}; it may import only {', '.join(sorted(ALLOWED[layer])) or 'nothing'}"
        for line, module in imports(tree, path)
        if target(module) != layer and target(module) not in ALLOWED[layer]
    ]


def size_violations(path, source):
    n_lines = source.count("\n")
    return [f"{path}: {n_lines} lines, more than {MAX_LINES}: it holds two ideas"] if n_lines > MAX_LINES else []


def place_violations(path):
    found = []
    if len(path.parts) > 2:
        found.append(f"{path}: deeper than geodis/folder/file")
    if VAGUE & {part.removesuffix(".py") for part in path.parts}:
        found.append(f"{path}: a name that says nothing; name the file after its idea")
    return found


def aliases(tree):
    """Local name → dotted name, of everything imported in the file."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def dotted(node, known):
    """The full name of `np.random.rand`, or "" where the root is not an imported name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    root = known.get(node.id, "") if isinstance(node, ast.Name) else ""
    return ".".join([root, *reversed(parts)]) if root else ""


def touches_global_state(call, name):
    module, _, function = name.rpartition(".")
    seeded = any(keyword.arg == "generator" for keyword in call.keywords)
    return (
        name in GLOBAL_CALLS
        or (name == "logging.getLogger" and not call.args)
        or (module == "numpy.random" and function not in CONSTRUCTORS)
        or (module == "random" and function != "Random")
        or (module == "torch" and function in TORCH_DRAWS and not seeded)
        or (isinstance(call.func, ast.Attribute) and call.func.attr in TENSOR_DRAWS and not seeded)
    )


def catches_warnings(block, known):
    managers = [item.context_expr for item in block.items]
    return any(isinstance(m, ast.Call) and dotted(m.func, known) == "warnings.catch_warnings" for m in managers)


def statement_violations(path, tree):
    known = aliases(tree)
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With) and catches_warnings(node, known)]
    caught = {id(inner) for block in blocks for inner in ast.walk(block)}
    for node in ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Assert):
            yield f"{where}: assert vanishes under `python -O`; raise a named error"
        elif isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{where}: NotImplementedError; make the method abstract, or do not publish it"
        elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"{where}: a star import hides where names come from"
        elif isinstance(node, ast.Call):
            name = dotted(node.func, known)
            if touches_global_state(node, name) or (name in GLOBAL_FILTERS and id(node) not in caught):
                yield f"{where}: {name or node.func.attr} touches state that the whole process shares"


def violations(path, source):
    """Everything that one file of the package, at `path` below geodis/, does against the rules of the house."""
    tree = ast.parse(source)
    found = [*place_violations(path), *size_violations(path, source), *direction_violations(path, tree)]
    return [*found, *statement_violations(path, tree)]


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_a_file_keeps_the_rules(file):
    found = violations(PurePosixPath(file.relative_to(PACKAGE).as_posix()), file.read_text(encoding="utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_the_package_was_found():
    assert len(FILES) > 50


def test_nothing_else_lies_deeper():
    paths = [
        PurePosixPath(p.relative_to(PACKAGE).as_posix()) for p in PACKAGE.rglob("*") if "__pycache__" not in p.parts
    ]
    assert not [path for path in paths if place_violations(path)]


def test_the_directions_form_no_cycle():
    order = list(TopologicalSorter(ALLOWED).static_order())
    assert set(order) == set(ALLOWED)
    assert order[-2:] == ["cli", "__main__"]
    with pytest.raises(ValueError, match="cycle"):
        list(TopologicalSorter(ALLOWED | {"groups": {"cli"}}).static_order())


PLANTED = {
    "upward import": ("groups/so2.py", "from geodis.coordinates import Block", "groups imports geodis.coordinates"),
    "sideways import": ("encoders/encode.py", "from geodis.groups import SO2", "encoders imports geodis.groups"),
    "inside a function": ("orbits.py", "def f():\n    from geodis.metrics import a", "orbits imports geodis.metrics"),
    "plain import": ("actions/text.py", "import geodis.reports.page as page", "actions imports geodis.reports.page"),
    "a layer from the root": ("coordinates/linear.py", "from geodis import metrics", "imports geodis.metrics"),
    "the front door": ("metrics/content.py", "from geodis import Block", "imports geodis.Block"),
    "the bare package": ("metrics/content.py", "import geodis", "metrics imports geodis;"),
    "relative": ("groups/so2.py", "from ..reports import page", "groups imports geodis.reports"),
    "relative, root": ("groups/so2.py", "from .. import reports", "groups imports geodis.reports"),
    "by name": ("groups/so2.py", "import importlib\nimportlib.import_module('geodis.orbits')", "imports geodis.orbits"),
    "for types": ("groups/so2.py", "if TYPE_CHECKING:\n    from geodis.orbits import Orbits", "imports geodis.orbits"),
    "reports and groups": ("reports/page.py", "from geodis.groups import SO2", "reports imports geodis.groups"),
    "leaf": ("errors.py", "from geodis.linalg import Array", "errors imports geodis.linalg"),
    "the demo imports the CLI": ("demo.py", "from geodis.cli import app", "demo imports geodis.cli"),
    "unknown layer": ("plugins/one.py", "x = 1", "not in the table"),
    "too deep": ("groups/finite/cyclic.py", "x = 1", "deeper"),
    "too long": ("groups/so2.py", "x = 1\n" * (MAX_LINES + 1), "two ideas"),
    "vague file": ("groups/utils.py", "x = 1", "says nothing"),
    "vague folder": ("common/so2.py", "x = 1", "says nothing"),
    "assert": ("groups/so2.py", "def f(x):\n    assert x > 0", "assert"),
    "not implemented": ("groups/so2.py", "def f():\n    raise NotImplementedError('later')", "NotImplementedError"),
    "star": ("groups/so2.py", "from numpy import *", "star"),
    "numpy draw": ("groups/so2.py", "import numpy as np\nnp.random.rand(3)", "numpy.random.rand"),
    "numpy draw, renamed": ("groups/so2.py", "from numpy import random as r\nr.seed(0)", "numpy.random.seed"),
    "numpy draw, imported": ("groups/so2.py", "from numpy.random import normal\nnormal()", "numpy.random.normal"),
    "python draw": ("groups/so2.py", "import random\nrandom.shuffle([])", "random.shuffle"),
    "torch draw": ("groups/so2.py", "import torch\ntorch.randn(3)", "torch.randn"),
    "torch draw in place": ("groups/so2.py", "def f(x):\n    x.normal_()", "normal_"),
    "torch seed": ("groups/so2.py", "import torch as t\nt.manual_seed(0)", "torch.manual_seed"),
    "default dtype": ("linalg.py", "import torch\ntorch.set_default_dtype(torch.float64)", "set_default_dtype"),
    "logging": ("linalg.py", "import logging\nlogging.basicConfig()", "logging.basicConfig"),
    "root logger": ("linalg.py", "from logging import getLogger\ngetLogger().setLevel(10)", "logging.getLogger"),
    "warnings": ("linalg.py", "import warnings\nwarnings.filterwarnings('ignore')", "warnings.filterwarnings"),
    "pyplot backend": ("reports/plots.py", "import matplotlib\nmatplotlib.use('Agg')", "matplotlib.use"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANTED, ids=str)
def test_planted_violations_are_found(case):
    path, source, expected = PLANTED[case]
    found = violations(PurePosixPath(path), source)
    assert any(expected in text for text in found), found


FINE = {
    "own layer": ("groups/so2.py", "from geodis.groups.so3 import SO3\nfrom . import so3"),
    "leaves": ("groups/so2.py", "from geodis.errors import ShapeError\nimport geodis.linalg"),
    "downward": ("metrics/energy.py", "from geodis.coordinates import Block\nfrom geodis import orbits"),
    "cli": ("cli.py", "from geodis.demo import run\nimport geodis"),
    "own generator": ("groups/so2.py", "import numpy as np\nrng = np.random.default_rng(0)\nrng.normal()"),
    "torch generator": ("groups/so2.py", "import torch\ntorch.randn(3, generator=g)"),
    "own logger": ("linalg.py", "import logging\nlogging.getLogger('geodis')"),
    "local filter": (
        "linalg.py",
        "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')",
    ),
    "other packages": ("groups/so2.py", "from scipy.spatial import transform\nimport geodisx"),
}


@pytest.mark.parametrize("case", FINE, ids=str)
def test_what_is_allowed_passes(case):
    path, source = FINE[case]
    assert violations(PurePosixPath(path), source) == []


STATE = """
import json, logging, os, random, sys
import numpy as np, torch
import rich.style  # it draws from Python's random as it is imported, for the ids of its links

def state():
    root = logging.getLogger()
    return {
        "root logger": [root.level, [repr(handler) for handler in root.handlers], root.disabled],
        "torch default dtype": str(torch.get_default_dtype()),
        "torch threads": torch.get_num_threads(),
        "torch grad": torch.is_grad_enabled(),
        "torch random state": torch.get_rng_state().tolist(),
        "numpy random state": [part.tolist() if hasattr(part, "tolist") else part for part in np.random.get_state()],
        "numpy errors": np.geterr(),
        "python random state": random.getstate(),
    }

before = state()
IMPORT
after = state()
print(json.dumps({"changed": [name for name in before if before[name] != after[name]], "modules": sorted(sys.modules)}))
"""
MODULES = ["geodis." + ".".join(f.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__") for f in FILES]
EVERYTHING = "\n".join(f"import {name}" for name in MODULES if name not in ("geodis.__init__", "geodis.__main__"))


@functools.cache
def fresh_import(statements):
    """Run the imports in a new interpreter: which state they changed, which modules they loaded."""
    program = STATE.replace("IMPORT", statements)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("statements", ["import geodis", EVERYTHING], ids=["front door", "every module"])
def test_importing_changes_no_global_state(statements):
    assert fresh_import(statements)["changed"] == []


def test_the_state_test_sees_changes():
    careless = (
        "torch.set_default_dtype(torch.float64); logging.basicConfig(level=10); np.random.seed(3); torch.manual_seed(3)"
    )
    seen = {"root logger", "torch default dtype", "numpy random state", "torch random state"}
    assert seen <= set(fresh_import(careless)["changed"])


HEAVY = {"geomstats", "sentence_transformers", "transformers", "matplotlib.pyplot", "onnxruntime", "e3nn"}


def test_importing_geodis_leaves_heavy_packages_alone():
    assert not (HEAVY | {"typer"}) & set(fresh_import("import geodis")["modules"])


def test_heavy_packages_are_imported_where_they_are_used():
    assert not HEAVY & set(fresh_import(EVERYTHING)["modules"])
