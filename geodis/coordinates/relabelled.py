"""Null N2: one common relabelling of the elements, the whole pipeline refitted. Is this group structure special?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from geodis.coordinates.crossfit import Folds, cross_fit
from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.forms import Folded, HaarForms, haar_forms_of_rows
from geodis.coordinates.pairs import PairForms, make_pairs, pair_forms
from geodis.coordinates.search import Found
from geodis.groups import AbstractGroup, Product, Representation
from geodis.linalg import Array

TESTABLE = 0.05  # a floor of p above it means that the structure cannot be tested


def structure_null(found: Sequence[Found], evidence: Evidence, settings: Settings, ridge: float) -> dict[str, Array]:
    """Energies of the leading copy under common relabellings, for every irrep with a kept copy: name → (B,).

    Each draw relabels the elements once, for all items and folds, and repeats the cross-fitted solve.
    """
    acting = [f.rep for f in found if f.kept and not f.rep.trivial and testable(evidence.group, f.rep)]
    draws: dict[str, list[float]] = {rep.name: [] for rep in acting}
    bar = tqdm(range(settings.n_null), desc="relabelling", disable=not settings.verbose or not acting)
    for draw in bar:
        for factor in sorted({rep.factors[0] for rep in acting}):
            mine = [rep for rep in acting if rep.factors[0] == factor]
            moved = relabelled_rows(evidence, factor, np.random.default_rng([settings.seed, 4, draw, factor]))
            if moved is None:
                continue
            for rep, energy in zip(mine, leading_energies(mine, moved, evidence, ridge), strict=True):
                draws[rep.name].append(energy)
    return {name: np.array(values) for name, values in draws.items()}


def testable(group: AbstractGroup, rep: Representation) -> bool:
    """Whether enough relabellings differ: for C_n, 2n of the n! leave its circles as they are."""
    order = (group.groups[rep.factors[0]] if isinstance(group, Product) else group).order
    return order is None or 2 * order / math.factorial(min(order, 20)) <= TESTABLE


def relabelled_rows(evidence: Evidence, factor: int, rng: np.random.Generator) -> Folded | None:
    """The retained rows under one random common relabelling."""
    params = np.concatenate([stack.params.reshape(-1, stack.params.shape[-1]) for stack, _ in evidence.rows])
    relabelling = evidence.group.relabelling(params, rng, factor)
    if relabelling is None:
        return None
    return [
        (
            stack._replace(
                params=np.asarray(relabelling(stack.params.reshape(-1, stack.params.shape[-1]))).reshape(
                    stack.params.shape
                )
            ),
            folds,
        )
        for stack, folds in evidence.rows
    ]


def leading_energies(reps: Sequence[Representation], rows: Folded, evidence: Evidence, ridge: float) -> list[float]:
    """The cross-fitted energy of the best copy of each irrep on these rows."""
    n_folds = len(evidence.folds.n)
    forms: Sequence[HaarForms | PairForms]
    if evidence.design.limited:
        pairs = make_pairs(rows, evidence.group)
        forms = [pair_forms(rep, pairs, evidence.group, n_folds) for rep in reps]
        folds = evidence.folds
    else:
        forms = haar_forms_of_rows(reps, rows, n_folds, evidence.design.repeated)
        # Relabelling leaves the covariance alone; with all rows retained its whitenings are there already.
        complete = np.isclose(forms[0].n.sum(), evidence.folds.n.sum())
        folds = evidence.folds if complete else Folds.of(forms[0].second, forms[0].n, evidence.folds.floor)
    energies = [cross_fit(f, folds, ridge, 1).energies for f in forms]
    return [float(e[0]) if len(e) else float("-inf") for e in energies]
