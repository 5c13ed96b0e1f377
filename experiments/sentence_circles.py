"""Question: are months and weekdays circles in MiniLM, on subjects that the fit has not seen, and can one edit by them.

Sentences are embedded once a run; a seed is a split of the subjects, two thirds fitted. Used by `core.py`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold

from geodis import (
    IsotypicSpectrum,
    LatentCoordinates,
    LinearCoordinates,
    Orbits,
    encode,
    isotypic_spectrum,
    sample_orbits,
)
from geodis.coordinates.energy import orbit_energy
from geodis.encoders.minilm import load_minilm
from geodis.simulators import month_sentences, weekday_sentences

Array = NDArray[np.float64]
SENTENCES = {"months": month_sentences, "weekdays": weekday_sentences}
STEPS = (1, 3, 5)
MAX_ORDER = 6  # all irreps of Z₁₂ and Z₇
N_NULL = 199
ALPHAS = np.logspace(-4, 2, 13)
N_FOLDS = 4


@cache
def embedded(name: str) -> Orbits:
    """All sentences of ``"months"`` or ``"weekdays"`` at all values of their slot."""
    sentences = SENTENCES[name]()
    n = len(sentences.action.values)
    return sample_orbits(_encoder(), sentences.texts, sentences.action, n, clusters=sentences.subjects)


@cache
def _encoder():
    return encode(load_minilm())


def split(name: str, seed: int) -> tuple[Orbits, Orbits]:
    """`(fitted, unseen)`: 24 and 12 of the 36 subjects."""
    return embedded(name).split(1 / 3, seed=seed)


@cache
def fitted(name: str, seed: int, isometric: bool = False) -> LatentCoordinates:
    """The coordinates of the fitted subjects."""
    orbits, _ = split(name, seed)
    return LinearCoordinates(orbits.group, max_order=MAX_ORDER, isometric=isometric).fit_orbits(orbits).coordinates_


# --- is it a circle ---------------------------------------------------------------------------------------------------
def circle_energy(name: str, seed: int) -> float:
    """Energy of the (first) block k = 1 on unseen subjects; 0 when none was kept."""
    coordinates = fitted(name, seed)
    energies = orbit_energy(split(name, seed)[1], coordinates).blocks
    circles = [e for e, block in zip(energies, coordinates.blocks, strict=True) if block.irrep.name == "k=1"]
    return circles[0] if circles else 0.0


@cache
def spectrum(name: str, seed: int) -> IsotypicSpectrum:
    """The spectrum of the fitted subjects, with the null of common relabellings (any 12 points fit some circle)."""
    return isotypic_spectrum(split(name, seed)[0], max_order=MAX_ORDER, n_null=N_NULL, seed=seed)


# --- can one edit by it -----------------------------------------------------------------------------------------------
def edit_top1(name: str, seed: int, isometric: bool = False) -> float:
    """How often the edited sentence is nearest to the right one among all sentences on unseen subjects."""
    _, unseen = split(name, seed)
    z, coordinates = unseen.z.astype(np.float64), fitted(name, seed, isometric)
    edited = {step: coordinates.edit(z, np.full((len(z), 1), float(step))) for step in STEPS}
    return float(np.mean([_top1(edited[step], z, _shifted(unseen, step)) for step in STEPS]))


def ridge_top1(name: str, seed: int) -> float:
    """The same for an affine map a step, fitted by ridge on all pairs of the fitted subjects.

    The penalty is the one with the best top-1 among subjects left out of the fit: the map's best chance.
    """
    orbits, unseen = split(name, seed)
    z, z_unseen = orbits.z.astype(np.float64), unseen.z.astype(np.float64)
    hits = []
    for step in STEPS:
        after = z[_shifted(orbits, step)]
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring=_retrieval, cv=GroupKFold(N_FOLDS))
        best = search.fit(z, after, groups=orbits.clusters)
        hits.append(_top1(best.predict(z_unseen), z_unseen, _shifted(unseen, step)))
    return float(np.mean(hits))


def _retrieval(model: Ridge, z: Array, after: Array) -> float:
    """Top-1 among the targets: they are the sentences of the fold, each once."""
    return _top1(model.predict(z), after, np.arange(len(after)))


def _shifted(orbits: Orbits, step: int) -> NDArray[np.intp]:
    """The row of the same item `step` values on, for every row."""
    n = orbits.group.order
    values, items = orbits.params[:, 0].astype(int), np.unique(orbits.items, return_inverse=True)[1]
    row_of = np.empty((items.max() + 1, n), dtype=int)
    row_of[items, values] = np.arange(len(values))
    return row_of[items, (values + step) % n]


def _top1(edited: Array, candidates: Array, targets: NDArray[np.intp]) -> float:
    """Share of rows whose nearest candidate by cosine is their target."""
    unit = candidates / np.linalg.norm(candidates, axis=1, keepdims=True)
    return float(np.mean((edited @ unit.T).argmax(axis=1) == targets))


# --- what an isometry costs -------------------------------------------------------------------------------------------
def captured(name: str, seed: int) -> float:
    """Σ d_b λ_b of the isometric frame over that of the oblique one, on unseen subjects, over the blocks that move."""
    _, unseen = split(name, seed)
    total = []
    for isometric in (True, False):
        coordinates = fitted(name, seed, isometric)
        energies = orbit_energy(unseen, coordinates).blocks
        pairs = zip(coordinates.blocks, energies, strict=True)
        total.append(sum(block.irrep.dim * energy for block, energy in pairs if not block.irrep.trivial))
    return total[0] / total[1]


def orthonormality(name: str, seed: int) -> float:
    """The largest entry of |QᵀQ − I|."""
    q = fitted(name, seed, isometric=True).synthesis
    return float(np.abs(q.T @ q - np.eye(q.shape[1])).max())
