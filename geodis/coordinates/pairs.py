"""Pair moments: linear coordinates from limited designs and non-compact groups (theory.md §5).

For a pair (j → k) of one item with h = g_k g_j⁻¹ the residual  W z_k + b − ρ(h)(W z_j + b) − s·t(h)  is linear in the
unknowns W̃ = [W, b] and s. The denominator is the identity error Σ ω|W(z_k − z_j)|², in which constants and invariants
vanish, so that neither can fake a solution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from geodis.coordinates.forms import Folded, Whitening, homogeneous, sandwich
from geodis.coordinates.fourier import half_dim, half_matrices
from geodis.coordinates.spectral import top_eigenvectors
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.orbits import Stack

PAIRS_PER_ELEMENT = 4  # at most 4m ordered pairs an item: theory.md §5


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of rows of one item, both directions.

    Attributes
    ----------
    before, after : ndarray (P, q+1)
        Homogeneous rows z̃_j and z̃_k.
    source, target : ndarray (P, p)
        The elements g_j and g_k.
    fold, item, cluster : ndarray (P,)
        The fold, the (running number of the) item and the cluster of each pair.
    weight : ndarray (P,)
        1/(pairs of the item), so that items weigh the same.
    """

    before: Array
    after: Array
    source: Array
    target: Array
    fold: Array
    item: Array
    cluster: Array
    weight: Array

    def step(self, group: AbstractGroup) -> Array:
        """The steps h = g_k g_j⁻¹: (P, p)."""
        return np.asarray(group.compose(self.target, group.inverse(self.source)))

    def part(self, mine: Array) -> Pairs:
        """The pairs selected by a mask or index."""
        return Pairs(*(getattr(self, name)[mine] for name in self.__dataclass_fields__))

    def through(self, lift: Array) -> Pairs:
        """The pairs with rows `z̃ @ lift`."""
        return replace(self, before=self.before @ lift, after=self.after @ lift)


def make_pairs(rows: Folded, group: AbstractGroup, seed: int = 0) -> Pairs:
    """Ordered pairs j ≠ k within items, at most 4m an item, which together weigh 1.

    Pairs at the same element of a finite group are left out: they agree for free.
    """
    rng = np.random.default_rng([seed, 2])
    parts, start = [], 0
    for stack, folds in rows:
        n, m, _ = stack.z.shape
        if m >= 2:
            parts.append(_stack_pairs(stack, folds, start, rng))
        start += n
    if not parts:
        size = rows[0][0].z.shape[-1] if rows else 1
        empty, none = np.zeros((0, size)), np.zeros((0, group.n_params))
        nobody = np.zeros(0, dtype=int)
        return Pairs(empty, empty, none, none, nobody, nobody, nobody, np.zeros(0))
    pairs = Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if group.order is None:
        return pairs
    moving = pairs.part(~(pairs.step(group) == group.identity(1)[0]).all(-1))
    return replace(moving, weight=1.0 / np.bincount(moving.item)[moving.item])


def _stack_pairs(stack: Stack, folds: Array, start: int, rng: np.random.Generator) -> tuple[Array, ...]:
    z = stack.z
    n, m, _ = z.shape
    j, k = _unordered(n, m, rng)
    first, second = np.concatenate([j, k], axis=1), np.concatenate([k, j], axis=1)
    item = np.arange(n)[:, None]
    elements = np.asarray(stack.params, dtype=np.float64)
    columns = (z[item, first], z[item, second], elements[item, first], elements[item, second])
    owner = np.repeat(np.arange(n), first.shape[1])
    flat = [x.reshape(-1, x.shape[-1]) for x in columns]
    return (*flat, folds[owner], owner + start, stack.clusters[owner], np.full(len(owner), 1.0 / first.shape[1]))


def _unordered(n: int, m: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """The pairs j < k of each item (n, P): all of them when there are at most 2m, else 2m at random."""
    a, b = np.triu_indices(m, 1)
    wanted = PAIRS_PER_ELEMENT * m // 2
    if len(a) <= wanted:
        return np.tile(a, (n, 1)), np.tile(b, (n, 1))
    picked = np.argsort(rng.random((n, len(a))), axis=1)[:, :wanted]
    return a[picked], b[picked]


@dataclass(frozen=True)
class PairForms:
    """Residual and identity moments of one representation, fold by fold.

    Attributes
    ----------
    rep : Representation
    residual : ndarray (K, h(q+1)+1, h(q+1)+1)
        Σ ω EᴴE over the unknowns (W̃, s); the row and column of s vanish without a cocycle.
    change : ndarray (K, q+1, q+1)
        Σ ω (z̃_k − z̃_j)(z̃_k − z̃_j)ᵀ.
    weight : ndarray (K,)
        Σ ω.
    """

    rep: Representation
    residual: Array
    change: Array
    weight: Array

    def evaluate(self, folds: Array, solution: Array) -> tuple[Array, Array]:
        """`(loss, identity loss)` of held-out folds for copies (r, h(q+1)+1) of (W̃, s): (r,), (r,)."""
        loss = np.einsum("ri,ij,rj->r", solution.conj(), self.residual[folds].sum(0), solution, optimize=True).real
        size = self.change.shape[-1]
        w = solution[:, :-1].reshape(len(solution), half_dim(self.rep), size)
        identity = np.einsum("rae,ef,raf->r", w.conj(), self.change[folds].sum(0), w, optimize=True).real
        return loss, identity

    def restrict(self, subspace: Array) -> PairForms:
        """The same forms on z-coordinates limited to the columns of `subspace` (q, q')."""
        lift = homogeneous(subspace)
        full = scipy.linalg.block_diag(np.kron(np.eye(half_dim(self.rep)), lift), np.eye(1))
        residual = np.stack([full.T @ part @ full for part in self.residual])
        change = np.stack([lift.T @ part @ lift for part in self.change])
        return PairForms(self.rep, residual, change, self.weight)


def pair_forms(rep: Representation, pairs: Pairs, group: AbstractGroup, n_folds: int) -> PairForms:
    """The moments Σz'z'ᵀ, Σρᵀρ⊗zzᵀ, Σρ⊗z'zᵀ with ω(h) = 2/(1 + ‖ρ(h)‖²/d), which is inverse noise variance."""
    h, size = half_dim(rep), pairs.before.shape[1]
    kind = complex if rep.half is not None else float
    residual = np.zeros((n_folds, h * size + 1, h * size + 1), dtype=kind)
    change = np.zeros((n_folds, size, size))
    weight = np.zeros(n_folds)
    step = pairs.step(group)
    for f in range(n_folds):
        mine = pairs.fold == f
        before, after = pairs.before[mine], pairs.after[mine]
        rho, shift = half_matrices(rep, step[mine]), half_translation(rep, step[mine])
        omega = pairs.weight[mine] * noise_weight(rho)
        residual[f] = _residual_moments(rho, shift, omega, before, after)
        change[f] = ((after - before) * omega[:, None]).T @ (after - before)
        weight[f] = omega.sum()
    return PairForms(rep, residual, change, weight)


def noise_weight(rho: Array) -> Array:
    """ω(h) = 2/(1 + ‖ρ(h)‖²_F/d): 1 for orthogonal ρ, the inverse noise variance of the residual in general."""
    return 2.0 / (1.0 + np.einsum("pab,pab->p", rho.conj(), rho).real / rho.shape[-1])


def half_translation(rep: Representation, step: Array) -> Array:
    """t(h) as (P, h), complex for complex type."""
    t = np.asarray(rep.translation(step))
    if rep.half is None:
        return t
    h = half_dim(rep)
    return t[:, :h] + 1j * t[:, h:]


def _residual_moments(rho: Array, t: Array, omega: Array, before: Array, after: Array) -> Array:
    """Σ ω EᴴE with E = [I ⊗ z_kᵀ − ρ ⊗ z_jᵀ, −t], as h² weighted products of (P, q+1) arrays."""
    h, size = rho.shape[-1], before.shape[1]
    out = np.zeros((h, size, h, size), dtype=rho.dtype)
    kk = (after * omega[:, None]).T @ after
    gram = np.einsum("pab,pac->pbc", rho.conj(), rho)
    for b in range(h):
        out[b, :, b] += kk
        for c in range(h):
            cross = _weighted(after, omega * rho[:, b, c], before)
            out[b, :, c] -= cross
            out[c, :, b] -= cross.conj().T
            out[b, :, c] += _weighted(before, omega * gram[:, b, c], before)
    full = np.zeros((h * size + 1, h * size + 1), dtype=rho.dtype)
    full[:-1, :-1] = out.reshape(h * size, h * size)
    moved = np.einsum("pab,pa->pb", rho.conj(), t)
    edge = -(after.T @ (omega[:, None] * t) - before.T @ (omega[:, None] * moved)).T.reshape(-1)
    full[:-1, -1], full[-1, :-1] = edge, edge.conj()
    full[-1, -1] = (omega * np.einsum("pa,pa->p", t.conj(), t).real).sum()
    return full


def _weighted(left: Array, weight: Array, right: Array) -> Array:
    """Σ_p weight_p left_p right_pᵀ, `(q+1, q+1)`, complex for complex weights."""
    if weight.dtype.kind != "c":
        return (left * weight[:, None]).T @ right
    return (left * weight.real[:, None]).T @ right + 1j * ((left * weight.imag[:, None]).T @ right)


@dataclass(frozen=True)
class PairCopies:
    """Solutions (r, h(q+1)+1) of (W̃, s), best first, with their in-sample skill (r,)."""

    solution: Array
    energies: Array


def solve_pairs(forms: PairForms, folds: Array, white: Whitening, ridge: float, n_copies: int) -> PairCopies:
    """Largest κ of (Î − L)w = κ(Î + L + ridge)w with b and s eliminated: without ridge, skill = 2κ/(1 + κ)."""
    h, q = half_dim(forms.rep), len(white.mean)
    root = white.matrix(0.0)
    rank = root.shape[1]
    if rank == 0 or forms.weight[folds].sum() <= 0:
        return PairCopies(np.zeros((0, h * (q + 1) + 1)), np.zeros(0))
    total = forms.residual[folds].sum(0) / forms.weight[folds].sum()
    lift = np.vstack([root, np.zeros((1, rank))])
    # The offsets b sit behind each row of W, s at the very end.
    free = np.append(np.arange(1, h + 1) * (q + 1) - 1, h * (q + 1))
    ww = sandwich(total[:-1, :-1], lift, h)
    wq = np.matmul(lift.T, total[:-1, free].reshape(h, q + 1, h + 1)).reshape(h * rank, h + 1)
    eliminate = -np.linalg.pinv(total[np.ix_(free, free)], rcond=1e-10, hermitian=True) @ wq.conj().T
    loss = ww + wq @ eliminate
    change = root.T @ (forms.change[folds].sum(0)[:-1, :-1] / forms.weight[folds].sum()) @ root
    gain = np.kron(np.eye(h), change)
    # The ridge belongs to the denominator of (I − L)/(I + L): beside L/(L + I) it would reward directions that nothing
    # moves. It is a fraction of the mean variance of z, hence large on directions that hold little but noise.
    penalty = ridge * white.variances.sum() / q / white.variances + 1e-9
    metric = gain + loss + np.kron(np.eye(h), np.diag(penalty))
    vectors = _largest(gain - loss, metric, n_copies)
    solution = np.zeros((vectors.shape[1], h * (q + 1) + 1), dtype=vectors.dtype)
    w = np.einsum("ex,axr->rae", lift, vectors.reshape(h, rank, vectors.shape[1]))
    solution[:, :-1] = w.reshape(len(solution), h * (q + 1))
    solution[:, free] += (eliminate @ vectors).T
    losses, identity = forms.evaluate(folds, solution)
    return PairCopies(solution, np.where(identity > 0, 1.0 - losses / np.where(identity > 0, identity, 1.0), 0.0))


def _largest(form: Array, metric: Array, k: int) -> Array:
    """Eigenvectors (n, k) of form w = κ metric w with the largest κ."""
    lower = scipy.linalg.cholesky((metric + metric.conj().T) / 2, lower=True, check_finite=False)
    half = scipy.linalg.solve_triangular(lower, form, lower=True, check_finite=False)
    reduced = scipy.linalg.solve_triangular(lower, half.conj().T, lower=True, check_finite=False)
    vectors = top_eigenvectors((reduced + reduced.conj().T) / 2, k).T
    return np.asarray(scipy.linalg.solve_triangular(lower, vectors, lower=True, trans="C", check_finite=False))
