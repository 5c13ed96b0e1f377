"""The public surface is a checked-in list: no name comes or goes unnoticed, and every one is explained.

`python tests/test_front_door.py` writes the list anew.
"""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).parent / "public_names.json"
UPDATE = "If that is meant, run `python tests/test_front_door.py` and commit tests/public_names.json."
DOORS = ["geodis", *sorted(f"geodis.{file.parent.name}" for file in (ROOT / "geodis").glob("*/__init__.py"))]

# DESIGN §3: checks outside the repository call these, so the list may grow past them and never shrink below.
PINNED = {
    "geodis": "Orbits sample_orbits isotypic_spectrum LinearCoordinates LatentCoordinates verify encode metrics",
    "geodis.groups": "SO2 SO3 SO Cyclic Dihedral Permutations Hyperoctahedral Translation Scaling SE Lorentz",
}
PINNED_MEMBERS = {
    "geodis.groups.AbstractGroup": "sample compose inverse identity contains exp log matrix irreps irrep __mul__",
    "geodis.Orbits": "from_arrays from_pairs split arrays save load",
    "geodis.IsotypicSpectrum": "energies multiplicity plot",
    "geodis.LinearCoordinates": "fit transform inverse_transform score",
    "geodis.LatentCoordinates": "transform act operator edit inverse_transform blocks save load",
    "geodis.Block": "irrep rows energy interval",
    "geodis.Report": "rows to_html to_json certificate",
}


def exports(source):
    """Names that an `__init__.py` hands out, all of the form `from … import X as X`."""
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    return sorted(alias.asname for node in nodes for alias in node.names if alias.asname == alias.name)


def source_of(door):
    return (ROOT.joinpath(*door.split(".")) / "__init__.py").read_text(encoding="utf-8")


def public_names():
    """Door → names; the named errors count, since users catch them."""
    tree = ast.parse((ROOT / "geodis" / "errors.py").read_text(encoding="utf-8"))
    errors = sorted(node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")
    return {door: exports(source_of(door)) for door in DOORS} | {"geodis.errors": errors}


def differences(listed, found):
    """One sentence per door whose names are not those of the list."""
    for door in sorted({*listed, *found}):
        gone = sorted({*listed.get(door, ())} - {*found.get(door, ())})
        new = sorted({*found.get(door, ())} - {*listed.get(door, ())})
        if gone or new or (door in listed) != (door in found):
            yield f"{door}: removed {gone or 'nothing'}, added {new or 'nothing'}"


def objects():
    names = public_names()
    return [pytest.param(door, name, id=f"{door}.{name}") for door in sorted(names) for name in names[door]]


def test_the_public_names_are_those_of_the_list():
    found = list(differences(json.loads(LIST.read_text(encoding="utf-8")), public_names()))
    assert not found, "The public names have changed.\n" + "\n".join([*found, UPDATE])


def test_the_list_notices_every_change():
    listed = {"geodis": ["a", "b"], "geodis.groups": ["c"]}
    assert list(differences(listed, listed)) == []
    assert list(differences(listed, listed | {"geodis": ["a"]})) == ["geodis: removed ['b'], added nothing"]
    assert list(differences(listed, listed | {"geodis": ["a", "b", "z"]})) == ["geodis: removed nothing, added ['z']"]
    assert list(differences(listed, {"geodis": ["a", "b"]})) == ["geodis.groups: removed ['c'], added nothing"]
    assert list(differences(listed, listed | {"geodis.new": []})) == ["geodis.new: removed nothing, added nothing"]


@pytest.mark.parametrize("door", DOORS)
def test_a_door_lists_names_and_computes_nothing(door):
    first, *rest = ast.parse(source_of(door)).body
    assert isinstance(first, ast.Expr), f"{door}: expected a docstring first"
    for node in rest:
        if isinstance(node, ast.ImportFrom):
            plain = [alias.name for alias in node.names if alias.asname != alias.name]
            assert not plain, f"{door}:{node.lineno}: write `X as X` for {plain}"
        else:
            version = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
            assert version, f"{door}:{node.lineno}: expected only re-exports, got {ast.unparse(node)[:60]!r}"


@pytest.mark.parametrize("door", sorted(PINNED))
def test_pinned_names_are_there(door):
    assert not {*PINNED[door].split()} - {*public_names()[door]}


@pytest.mark.parametrize("owner", sorted(PINNED_MEMBERS))
def test_pinned_members_are_there(owner):
    door, _, name = owner.rpartition(".")
    cls = getattr(importlib.import_module(door), name)
    known = {*dir(cls), *inspect.signature(cls).parameters, *getattr(cls, "__annotations__", {})}
    assert not {*PINNED_MEMBERS[owner].split()} - known


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    import geodis

    assert geodis.__version__ == version("geodis")


def undocumented(name, value):
    """What a public object leaves unexplained: itself, and the public methods and properties of a class."""
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return []
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    generated = inspect.isclass(value) and (own or "").startswith(f"{value.__name__}(")  # by @dataclass
    missing = [] if own and own.strip() and not generated else [name]
    members = vars(value) if inspect.isclass(value) else {}
    explained = (property, staticmethod, classmethod, type(lambda: None))
    public = [key for key, member in members.items() if key[0] != "_" and isinstance(member, explained)]
    return missing + [f"{name}.{key}" for key in public if not inspect.getdoc(getattr(value, key))]


@pytest.mark.parametrize(("door", "name"), objects())
def test_every_public_object_has_a_docstring(door, name):
    module = importlib.import_module(door)
    assert not undocumented(name, getattr(module, name))


def test_the_docstring_test_sees_their_absence():
    class Bare:
        def method(self):
            return 0

    class Told:
        """Told."""

        @property
        def value(self):
            """The value."""
            return 0

    assert undocumented("Bare", Bare) == ["Bare", "Bare.method"]
    assert undocumented("Told", Told) == []
    assert undocumented("f", lambda: 0) == ["f"]


def test_the_types_are_shipped():
    assert files("geodis").joinpath("py.typed").is_file()


def test_the_command_exists_and_names_its_parts():
    (script,) = entry_points(group="console_scripts", name="geodis")
    assert script.value == "geodis.cli:app"
    command = Path(sys.executable).parent / "geodis"
    done = subprocess.run([command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


if __name__ == "__main__":
    LIST.write_text(json.dumps(public_names(), indent=2) + "\n", encoding="utf-8")
    print(f"{LIST}: {sum(map(len, public_names().values()))} names")
