"""Greedy search on pair moments, for limited designs and non-compact groups (theory.md §5).

Irreps look alike on a small range of elements, so that a true m = 2 code fakes an m = 1 code. The best representation
is accepted first and its directions are taken out (orthogonally in the within-item covariance) before the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from geodis.coordinates.assemble import real_rows
from geodis.coordinates.crossfit import PAIR_RIDGES, CrossFit, Folds, choose_ridges, cross_fit, fit_copies
from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.forms import haar_forms_of_rows, homogeneous
from geodis.coordinates.fourier import half_dim
from geodis.coordinates.frequencies import best_frequency
from geodis.coordinates.heldout import HeldOutPairs
from geodis.coordinates.pairs import PairForms, Pairs, make_pairs, pair_forms
from geodis.coordinates.search import ALPHA, Found, search
from geodis.groups import Representation
from geodis.linalg import Array
from geodis.statistics import permutation_p

HOPELESS = 0.1  # representations this far below min_energy cannot pass on a smaller space
DISTINCT = 0.05  # least eigenvalue of the correlations of rows that count as different
SLACK = 0.02  # how much less energy copies may have that are solved at once
MOVED = 0.05  # least share of a position block's displacement that the translation must explain


@dataclass(frozen=True)
class Accepted:
    """One accepted copy, in the whole principal subspace: rows (h, q) and offset (h,)."""

    energy: float
    interval: tuple[float, float]
    p: float
    null_mean: float
    rows: Array
    offset: Array


@dataclass
class Scene:
    """What was accepted so far, and what is left to search.

    Copies of one representation solve one eigenproblem, as for Haar designs. Different representations are kept apart:
    each is sought on the complement N of the others' rows A, AΔN = 0 with the within-item covariance Δ.
    """

    evidence: Evidence
    pairs: Pairs
    within: Array
    ridge: float
    reps: dict[str, Representation]
    forms: dict[str, PairForms]
    accepted: dict[str, list[Accepted]]
    rejected: dict[str, float]

    @classmethod
    def of(cls, evidence: Evidence, settings: Settings) -> Scene:
        """Nothing accepted yet."""
        pairs = make_pairs(evidence.rows, evidence.group, settings.seed)
        delta = pairs.after[:, :-1] - pairs.before[:, :-1]
        within = (delta * pairs.weight[:, None]).T @ delta
        return cls(evidence, pairs, within, 0.0, {}, {}, {}, {})

    def add(self, rep: Representation) -> None:
        """Make a representation a candidate."""
        if rep.name not in self.reps:
            self.reps[rep.name] = rep
            self.forms[rep.name] = pair_forms(rep, self.pairs, self.evidence.group, len(self.evidence.folds.n))

    def space(self, but: str | None = None, metric: Array | None = None) -> Array:
        """The complement (q, q') of everything accepted, except under the name `but`, in the metric Δ by default."""
        others = [real_rows(self.reps[n], a.rows) for n, copies in self.accepted.items() if n != but for a in copies]
        if not others:
            return np.eye(self.evidence.n_components)
        inside = np.concatenate(others) @ (self.within if metric is None else metric)
        return scipy.linalg.null_space(inside / np.linalg.norm(inside, axis=1, keepdims=True), rcond=1e-9)

    def fit(self, name: str, subspace: Array, n_copies: int) -> Fitted:
        """The cross-fit of `n_copies` copies of `name` on a subspace."""
        folds = self.evidence.folds.restrict(subspace)
        forms = self.forms[name].restrict(subspace)
        fitted = cross_fit(forms, folds, self.ridge, n_copies)
        energy = float(fitted.energies[-1]) if len(fitted.energies) == n_copies else float("-inf")
        return Fitted(self.reps[name], subspace, folds, forms, fitted, energy)

    def next_copy(self, name: str) -> Fitted:
        """The best copy of `name` on the complement of everything accepted, its own earlier copies included.

        On few elements EW is almost a solution beside W for *any* matrix E, so that rows must not come twice.
        """
        return self.fit(name, self.space(), 1)


@dataclass(frozen=True)
class Fitted:
    """Cross-fitted copies of a representation on a subspace, with the energy of the last."""

    rep: Representation
    subspace: Array
    folds: Folds
    forms: PairForms
    fitted: CrossFit
    energy: float


def greedy_search(evidence: Evidence, settings: Settings) -> tuple[list[Found], float]:
    """`(what was found of every representation, the ridge)`: linear ones first, then positions and frequencies."""
    scene = Scene.of(evidence, settings)
    linear = [rep for rep in evidence.group.irreps(settings.max_order) if not rep.trivial]
    affine = list(evidence.group.affine_representations())
    for rep in (*linear, *affine):
        scene.add(rep)
    scene.ridge = _ridge([scene.forms[rep.name] for rep in (linear or affine)], scene, settings)
    _accept_linear([rep.name for rep in linear], scene, settings)
    _accept_affine([rep.name for rep in affine], scene, settings)
    return _found(scene, settings), scene.ridge


def _ridge(forms: list[PairForms], scene: Scene, settings: Settings) -> float:
    if settings.ridge != "auto":
        return float(settings.ridge)
    folds = scene.evidence.folds
    first = [cross_fit(f, folds, PAIR_RIDGES[0], 1) for f in forms]
    return choose_ridges(forms, first, folds, settings.min_energy, 1, PAIR_RIDGES)[0] if forms else PAIR_RIDGES[0]


def _accept_linear(names: list[str], scene: Scene, settings: Settings) -> None:
    """Accept the best next copy of any representation, again and again."""
    alive = list(names)
    while alive:
        candidates = {name: scene.next_copy(name) for name in alive}
        scene.rejected |= {name: c.energy for name, c in candidates.items()}
        alive = [name for name in alive if candidates[name].energy > settings.min_energy - HOPELESS]
        if not alive:
            return
        best = candidates[max(alive, key=lambda name: candidates[name].energy)]
        if best.energy <= settings.min_energy:
            return
        if not _accept(best, scene, settings):
            alive.remove(best.rep.name)


def _accept_affine(names: list[str], scene: Scene, settings: Settings) -> None:
    """Positions (one block each) and characters of a continuous frequency, whichever is better first."""
    alive = list(names)
    family = scene.evidence.group.continuous_family()
    while alive or family is not None:
        candidates = [scene.next_copy(name) for name in alive]
        rep = None
        if family is not None:
            rep = best_frequency(family, scene.pairs, scene.space(), scene.evidence, settings, scene.ridge)
        if rep is None:
            family = None
        else:
            scene.add(rep)
            candidates.append(scene.next_copy(rep.name))
        if not candidates:
            return
        scene.rejected |= {c.rep.name: c.energy for c in candidates}
        best = max(candidates, key=lambda c: c.energy)
        taken = best.energy > settings.min_energy and _accept(best, scene, settings)
        alive = [name for name in alive if name != best.rep.name]
        if not taken and best.rep.cocycle is None:
            family = None


def _accept(candidate: Fitted, scene: Scene, settings: Settings) -> bool:
    """Accept the candidate if it beats permuted labels."""
    name, group = candidate.rep.name, scene.evidence.group
    pairs = scene.pairs.through(homogeneous(candidate.subspace))
    held = HeldOutPairs.of(candidate.rep, group, candidate.fitted.solutions, pairs)
    null = held.label_null(settings.n_null, np.random.default_rng([settings.seed, 3]))
    p = permutation_p(held.energy(), null)
    if p > ALPHA:
        return False
    known = scene.accepted.get(name, [])
    evidence = [(a.p, a.null_mean) for a in known] + [(p, float(null.mean()))]
    copies = _solved(candidate, scene, settings, evidence[-1:])
    if copies is None:
        return False
    together = _together(candidate, scene, settings, evidence) if scene.accepted else None
    scene.accepted[name] = together if together is not None else [*known, *copies]
    scene.rejected.pop(name, None)
    return True


def _together(
    candidate: Fitted, scene: Scene, settings: Settings, evidence: list[tuple[float, float]]
) -> list[Accepted] | None:
    """All copies of the representation solved at once, where that is as good and no row comes twice.

    The later copy is then free of the errors of the earlier ones' rows: first on everything, so that the rows of other
    representations do not matter either, then on their complement.
    """
    name = candidate.rep.name
    if candidate.rep.cocycle is not None:
        return None  # a vector may be added to a position: only the complement of the vectors tells them apart
    others = [real_rows(scene.reps[n], a.rows) for n, copies in scene.accepted.items() if n != name for a in copies]
    for subspace in (np.eye(scene.evidence.n_components), scene.space(but=name)):
        joint = scene.fit(name, subspace, len(evidence))
        copies = _solved(joint, scene, settings, evidence) if joint.energy >= candidate.energy - SLACK else None
        if copies is not None:
            rows = [real_rows(candidate.rep, copy.rows) for copy in copies]
            if _distinct(np.concatenate([*rows, *others]), scene.within):
                return copies
    return None


def _distinct(rows: Array, within: Array) -> bool:
    """Whether no combination of the rows is almost constant, measured by the correlations within items."""
    spread = rows @ within @ rows.T
    scale = 1.0 / np.sqrt(np.maximum(spread.diagonal(), 1e-300))
    return bool(np.linalg.eigvalsh(spread * np.outer(scale, scale))[0] > DISTINCT)


def _solved(
    candidate: Fitted, scene: Scene, settings: Settings, evidence: list[tuple[float, float]]
) -> list[Accepted] | None:
    """The copies on all folds, with cross-fitted energies and intervals; None for a position that nothing moves."""
    stay, white = candidate.folds.without()
    solutions, _ = fit_copies(candidate.forms, stay, white, scene.ridge, len(evidence))
    pairs = scene.pairs.through(homogeneous(candidate.subspace))
    copies = []
    for copy, (p, null_mean) in enumerate(evidence):
        scaled = _scaled(candidate.forms, solutions[copy], white.cov, white.mean)
        if scaled is None:
            return None
        held = HeldOutPairs.of(candidate.rep, scene.evidence.group, candidate.fitted.solutions, pairs, copy)
        interval = held.interval(settings.level)
        copies.append(
            Accepted(
                float(candidate.fitted.energies[copy]),
                (interval.low, interval.high),
                p,
                null_mean,
                scaled[0] @ candidate.subspace.T,
                scaled[1],
            )
        )
    return copies


def _scaled(forms: PairForms, solution: Array, cov: Array, mean: Array) -> tuple[Array, Array] | None:
    """Rows and offset with unit variance a real row; positions in the unit of the translation, s = 1."""
    h, size = half_dim(forms.rep), forms.change.shape[-1]
    w, s = solution[:-1].reshape(h, size), solution[-1]
    if forms.rep.cocycle is None:
        variance = np.einsum("ae,ef,af->", w[:, :-1], cov, w[:, :-1].conj()).real / forms.rep.dim
        w = w / np.sqrt(max(variance, 1e-300))
        return w[:, :-1], w[:, -1]
    explained = abs(s) ** 2 * forms.residual[:, -1, -1].real.sum()
    moved = np.einsum("ae,ef,af->", w.conj(), forms.change.sum(0), w).real
    if explained <= MOVED * moved:
        return None
    w = w / s
    offsets = np.arange(1, h + 1) * size - 1
    if not forms.residual.sum(0)[np.ix_(offsets, offsets)].any():
        # ρ = 1 leaves the origin of a position free: put it at the mean.
        w = np.concatenate([w[:, :-1], -(w[:, :-1] @ mean)[:, None]], axis=1)
    return w[:, :-1], w[:, -1]


def _found(scene: Scene, settings: Settings) -> list[Found]:
    """One `Found` a representation, and the trivial irrep on what is left."""
    out = [_trivial(scene, settings)]
    for name, rep in scene.reps.items():
        mine = scene.accepted.get(name, [])
        if rep.name not in scene.rejected and not mine:
            continue
        failed = [scene.rejected[name]] if name in scene.rejected else []
        h, q = half_dim(rep), scene.evidence.n_components
        out.append(
            Found(
                rep,
                np.array([a.energy for a in mine] + failed),
                [a.interval for a in mine] + [(float("nan"), float("nan"))] * len(failed),
                len(mine),
                np.array([a.p for a in mine] + [1.0] * len(failed)),
                mine[0].null_mean if mine else float("nan"),
                np.array([a.rows for a in mine]) if mine else np.zeros((0, h, q)),
                np.array([a.offset for a in mine]) if mine else np.zeros((0, h)),
            )
        )
    return out


def _trivial(scene: Scene, settings: Settings) -> Found:
    """Invariants: the between-item share of what is left, against shuffled items.

    How many there are is judged on what is uncorrelated with everything that moves, because a moving code has a mean,
    which differs from item to item too. The same number is then solved on the complement AΔN = 0 where that is better:
    codes of few items are correlated by chance, and staying uncorrelated would cost the invariants a part of theirs.
    """
    _, white = scene.evidence.folds.without()
    careful = _invariants(scene, scene.space(metric=white.cov), settings, None)
    better = _invariants(scene, scene.space(), settings, careful.kept)
    as_many = better.kept == careful.kept and better.kept > 0
    return (
        better if as_many and better.energies[: better.kept].sum() > careful.energies[: careful.kept].sum() else careful
    )


def _invariants(scene: Scene, subspace: Array, settings: Settings, most: int | None) -> Found:
    """The trivial irrep on a subspace, at most `most` copies."""
    evidence = scene.evidence
    lift = homogeneous(subspace)
    rows = [(stack._replace(z=stack.z @ lift), folds) for stack, folds in evidence.rows]
    forms = haar_forms_of_rows([evidence.group.irreps(0)[0]], rows, len(evidence.folds.n))
    folds = Folds.of(forms[0].second, forms[0].n, evidence.folds.floor)
    limited = replace(evidence, forms=forms, folds=folds, rows=rows, basis=subspace)
    found = search(limited, replace(settings, ridge=scene.ridge), most)[0][0]
    return replace(found, rows=found.rows @ subspace.T)
