"""The mutations that the suite must kill: each edit fits the code, and its test is there; a slow run kills all."""

from __future__ import annotations

import ast
import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from geodis.errors import ContentError
from geodis.metrics import subspace_overlap

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "experiments"))

from catalogue_mutations import MUTATIONS, outcomes  # noqa: E402

# What metrics.md §12 lists, each by a word of the names of its mutations.
LISTED = (
    "centring", "axis of the FFT", "ddof", "not clipped", "in sample", "interval of pairs", "ties to the target",
    "SO for O", "stretch",
)  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_an_edit_fits_once_and_its_test_exists(mutation):
    assert mutation.source() != (ROOT / mutation.path).read_text(encoding="utf-8")
    ast.parse(mutation.source())
    file, _, name = mutation.test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name.partition("[")[0] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_all_that_is_listed_is_there_under_names_of_its_own():
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))
    assert not [word for word in LISTED if not any(word in name for name in names)]


@pytest.mark.parametrize("old", ["not in the file at all", "import"])
def test_an_edit_that_does_not_fit_once_is_refused(old):
    with pytest.raises(ContentError, match="once in the file"):
        dataclasses.replace(MUTATIONS[0], old=old).source()


def test_the_overlap_of_a_space_with_itself_is_no_more_than_one():
    # Singular values of BᵀB exceed 1 by rounding for a part of all frames.
    rng = np.random.default_rng(0)
    frames = [rng.normal(size=(7, 3)) for _ in range(100)]
    found = np.array([subspace_overlap([frame, frame @ rng.normal(size=(3, 3))]) for frame in frames])
    assert found.max() <= 1.0
    assert found.min() > 1.0 - 1e-9


@pytest.mark.slow
def test_every_mutation_is_killed():
    assert not [name for name, killed in outcomes(MUTATIONS).items() if not killed]


@pytest.mark.slow
def test_an_edit_that_changes_nothing_survives():
    harmless = dataclasses.replace(MUTATIONS[0], old="def n_items(self)", new="def n_items(self, /)")
    assert outcomes([harmless]) == {harmless.name: False}
