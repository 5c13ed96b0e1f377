"""Question: does an edit of an embedding reach the right sentence, on subjects and in templates that no fit has seen.

Crossed sentences (subjects × templates × values), splits that hold out both, and three ways to move an embedding:
geodis's operator, a vector of mean differences, a ridge map for each step. Used by `text_transformations.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold

from geodis import LatentCoordinates, LinearCoordinates, Orbits, sample_orbits
from geodis.coordinates.energy import orbit_energy
from geodis.errors import ParameterError
from geodis.simulators import Sentences
from geodis.statistics import ratio_two_way_t

Array = NDArray[np.float64]
UNSEEN = 1 / 3  # of the subjects
MOST_FOLDS = 4  # of templates
ALPHAS = np.logspace(-3, 2, 6)


@dataclass(frozen=True)
class Corpus:
    """Embedded sentences with the subject and the template of every item, which are 0, 1, 2 and so on."""

    orbits: Orbits
    subjects: NDArray[np.str_]
    templates: NDArray[np.str_]

    def only(self, items: NDArray[np.bool_]) -> Corpus:
        """The part with these items (a mask), their templates as clusters.

        Sentences in one template share what has nothing to do with the transformation: cross-fitting has to leave out
        whole templates, or it takes what holds in these templates for the transformation.
        """
        part = self.orbits.select(np.flatnonzero(items))
        return replace(self, orbits=replace(part, clusters=self.templates[part.items]))


def corpus(encoder, sentences: Sentences, n_elements: int) -> Corpus:
    orbits = sample_orbits(encoder, sentences.texts, sentences.action, n_elements, clusters=sentences.subjects)
    return Corpus(orbits, sentences.subjects, sentences.templates)


def unseen_subjects(whole: Corpus, seed: int) -> NDArray[np.bool_]:
    """Which items are about a subject that this seed holds out: a third of the subjects."""
    known = np.unique(whole.subjects)
    drawn = np.random.default_rng(seed).permutation(known)
    return np.isin(whole.subjects, drawn[: round(UNSEEN * len(known))])


def template_folds(whole: Corpus, seed: int) -> Iterator[tuple[Corpus, Corpus]]:
    """`(fitted, unseen)`, once for each fold of templates: neither subject nor template of `unseen` is fitted."""
    aside, known = unseen_subjects(whole, seed), np.unique(whole.templates)
    if len(known) < 2:
        raise ParameterError("templates", "at least two", len(known), "One of them is held out.")
    drawn = np.random.default_rng([seed, 1]).permutation(known)
    for held_out in np.array_split(drawn, min(MOST_FOLDS, len(known))):
        mine = np.isin(whole.templates, held_out)
        yield whole.only(~aside & ~mine), whole.only(aside & mine)


# --- where an edit should lead ----------------------------------------------------------------------------------------
def shifted(orbits: Orbits, step: Sequence[float]) -> NDArray[np.intp]:
    """The row of the same item one `step` on, for every row; −1 where there is none."""
    place = {key: row for row, key in enumerate(zip(orbits.items.tolist(), _keys(orbits, orbits.params), strict=True))}
    moved = orbits.params + np.asarray(step, dtype=float)
    return np.array([place.get(key, -1) for key in zip(orbits.items.tolist(), _keys(orbits, moved), strict=True)])


def _keys(orbits: Orbits, params: Array) -> list[tuple[int, ...]]:
    """Group elements that can be compared: whole numbers, modulo the periods."""
    periods = [np.inf if period is None else period for period in orbits.group.periods]
    return [tuple(row) for row in np.mod(np.rint(params), periods).astype(int).tolist()]


def top1(edited: Array, targets: NDArray[np.intp], candidates: Array) -> float:
    """Share of the edited rows whose nearest candidate by cosine is their target; rows without a target are left out.

    The sentence itself is among the candidates, so that an edit that does nothing scores 0.
    """
    asked = targets >= 0
    unit = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    return float(np.mean((edited[asked] @ unit.T).argmax(axis=1) == targets[asked]))


def retrieved(edited: Array, unseen: Orbits, step: Sequence[float], candidates: Orbits) -> float:
    """`top1` among `candidates`, of which the unseen rows are a part."""
    own = shifted(unseen, step)
    row_of = {key: row for row, key in enumerate(_names(candidates))}
    here = np.array([row_of[name] for name in _names(unseen)])
    return top1(edited, np.where(own >= 0, here[own], -1), candidates.z.astype(np.float64))


def _names(orbits: Orbits) -> list[tuple[int, tuple[int, ...]]]:
    return list(zip(orbits.items.tolist(), _keys(orbits, orbits.params), strict=True))


# --- three ways to move an embedding ----------------------------------------------------------------------------------
def operator_edit(coordinates: LatentCoordinates, unseen: Orbits, step: Sequence[float]) -> Array:
    """Op(g)z, the same map for every sentence."""
    return coordinates.edit(unseen.z.astype(np.float64), np.tile(np.asarray(step, float), (len(unseen), 1)))


def difference_edit(fitted: Orbits, unseen: Orbits, step: Sequence[float]) -> Array:
    """Add mean(target) − mean(start) over the fitted sentences: it is told which value each sentence starts from."""
    keys = np.array(_keys(fitted, fitted.params))
    means = {key: fitted.z[(keys == key).all(1)].mean(0, dtype=np.float64) for key in set(map(tuple, keys.tolist()))}
    start, end = _keys(unseen, unseen.params), _keys(unseen, unseen.params + np.asarray(step, float))
    still = np.zeros(fitted.n_features)
    moves = [means[b] - means[a] if b in means else still for a, b in zip(start, end, strict=True)]
    return unseen.z.astype(np.float64) + np.array(moves)


def ridge_edit(fitted: Orbits, unseen: Orbits, step: Sequence[float]) -> Array:
    """An affine map for this step, by ridge; the penalty has the best top-1 in templates left out of the fit."""
    after = shifted(fitted, step)
    asked = after >= 0
    before, target = fitted.z[asked].astype(np.float64), fitted.z[after[asked]].astype(np.float64)
    groups = fitted.clusters[asked]
    folds = GroupKFold(min(3, len(np.unique(groups))))
    search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring=_own_top1, cv=folds)
    return search.fit(before, target, groups=groups).predict(unseen.z.astype(np.float64))


def _own_top1(model: Ridge, before: Array, after: Array) -> float:
    return top1(model.predict(before), np.arange(len(after)), after)


# --- coordinates ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Fit:
    """Coordinates with the default threshold, and with any block that beats its null where `wanted` is not kept."""

    default: LinearCoordinates
    all_blocks: LinearCoordinates

    @classmethod
    def of(cls, fitted: Orbits, wanted: Sequence[str], **options) -> Fit:
        """Both fits; they are one if it keeps a block of every irrep in `wanted`."""
        default = LinearCoordinates(fitted.group, **options).fit_orbits(fitted)
        if {block.irrep.name for block in default.coordinates_.blocks} >= set(wanted):
            return cls(default, default)
        return cls(default, LinearCoordinates(fitted.group, min_energy=0.0, **options).fit_orbits(fitted))

    @property
    def editing(self) -> LatentCoordinates:
        """The default coordinates, unless they move nothing."""
        default = self.default.coordinates_
        moving = any(not block.irrep.trivial for block in default.blocks)
        return default if moving else self.all_blocks.coordinates_

    def judge(self, irrep: str, unseen: Orbits) -> ItemErrors:
        """The errors of the first block of `irrep`; of a code that foretells nothing, where there is none."""
        for coordinates in (self.default.coordinates_, self.all_blocks.coordinates_):
            energy = orbit_energy(unseen, coordinates)
            for block, cells in zip(coordinates.blocks, energy.cells, strict=True):
                if block.irrep.name == irrep:
                    below = cells.identity if coordinates.limited else cells.variation
                    return ItemErrors(unseen.labels, *(x[0].mean(1) for x in (cells.loss, below, cells.mismatch)))
        one = np.ones(unseen.n_items)
        return ItemErrors(unseen.labels, one, one, one)

    def p(self, irrep: str) -> float:
        """The p-value of the first block against labels permuted within items (N1), adjusted over irreps."""
        values = self.all_blocks.spectrum_.p_values.get(irrep, np.ones(1))
        return float(values[0]) if len(values) else 1.0


@dataclass(frozen=True)
class ItemErrors:
    """Loss of every item, what it is divided by for an energy (2T, or I for limited designs), and against others."""

    items: NDArray[np.int_]
    loss: Array
    below: Array
    mismatch: Array


def pooled(parts: Sequence[ItemErrors], whole: Corpus, level: float) -> dict[str, float]:
    """Energy with its two-way interval (templates × subjects), and the item-specific error, over all folds."""
    items = np.concatenate([part.items for part in parts])
    loss, below, mismatch = (
        np.concatenate([getattr(part, x) for part in parts]) for x in ("loss", "below", "mismatch")
    )
    rows = np.unique(whole.templates[items], return_inverse=True)[1]
    columns = np.unique(whole.subjects[items], return_inverse=True)[1]
    tables = np.zeros((3, rows.max() + 1, columns.max() + 1))
    np.add.at(tables, (slice(None), rows, columns), np.stack([loss, below, np.ones(len(items))]))
    interval = ratio_two_way_t(tables[0] / tables[2], tables[1] / tables[2], level=level)
    return {
        "energy": 1.0 - float(loss.sum() / below.sum()),
        "low": 1.0 - float(interval.high),
        "high": 1.0 - float(interval.low),
        "item_error": float(loss.sum() / mismatch.sum()),
    }
