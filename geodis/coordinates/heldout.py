"""Held-out codes, item by item: intervals and the null of permuted labels, without another fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from geodis.coordinates.forms import Folded
from geodis.coordinates.fourier import half_dim, half_matrices
from geodis.coordinates.pairs import Pairs, half_translation, noise_weight
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.statistics import Interval, ratio_clustered_t, ratio_two_way_t

NULL_PAIRS = 4000


@dataclass(frozen=True)
class HeldOutCodes:
    """Codes c = W̃z̃ of copies fitted on the other folds, with the elements that they were seen at.

    Attributes
    ----------
    codes : list of ndarray (r, n, m, h)
        One array a stack of equally large orbits, complex for complex type.
    inverses : list of ndarray (n, m, h, h)
        ρ(g)⁻¹ of each row.
    clusters : list of ndarray (n,)
        What was drawn independently.
    crossed : bool
        Whether all items share their elements, so that cells form one items × elements table.
    repeated : float
        The share of pairs that are one measurement twice (`Design.repeated`).
    """

    codes: list[Array]
    inverses: list[Array]
    clusters: list[Array]
    crossed: bool
    repeated: float

    @classmethod
    def of(
        cls, rep: Representation, solutions: dict[int, Array], rows: Folded, crossed: bool, repeated: float = 0.0
    ) -> HeldOutCodes:
        """Codes of retained rows under the solutions of their fold."""
        codes, inverses, clusters = [], [], []
        for stack, folds in rows:
            if stack.z.shape[1] < 2:
                continue
            r, h, _ = next(iter(solutions.values())).shape
            out = np.zeros((r, *stack.z.shape[:2], h), dtype=complex if rep.half is not None else float)
            for f, solution in solutions.items():
                mine = folds == f
                out[:, mine] = np.einsum("nme,rae->rnma", stack.z[mine], solution, optimize=True)
            codes.append(out)
            inverses.append(np.conj(np.swapaxes(half_matrices(rep, stack.params), -1, -2)))
            clusters.append(stack.clusters)
        return cls(codes, inverses, clusters, crossed and len(codes) == 1, repeated)

    def energies(self) -> Array:
        """1 − L/(2T) of each copy on these rows: (r,)."""
        num = sum(_cells(c, i).mean(2).sum(1) for c, i in zip(self.codes, self.inverses, strict=True))
        den = sum(_variation(c).mean(2).sum(1) for c in self.codes)
        return np.asarray(1.0 - num / (1 - self.repeated) / np.where(den > 0, den, np.inf))

    def interval(self, copy: int, level: float) -> Interval:
        """Two-way t interval (clusters × elements) of the energy for a crossed design, cluster-wise otherwise."""
        picked = zip(self.codes, self.inverses, strict=True)
        num = [_cells(c[copy : copy + 1], i)[0] / (1 - self.repeated) for c, i in picked]
        den = [_variation(c[copy : copy + 1])[0] for c in self.codes]
        return one_minus(ratio_interval(num, den, self.clusters, self.crossed, level))

    def label_null(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Energies of the leading copy with labels permuted within each item, independently (null N1): (n_draws,).

        Orbits of two elements swap their labels with other items: a swap within the item only inverts the step.
        """
        if all(i.shape[1] == 2 and (i == i[:1]).all() for i in self.inverses):
            # Two elements, the same for every item: exchanging labels between items changes no pair.
            return self.item_null(n_draws, rng)
        codes = [c[0] for c in self.codes]
        shuffled = ([_shuffled(i, rng) for i in self.inverses] for _ in range(n_draws))
        return np.array([self._leading_energy(codes, inverses) for inverses in shuffled])

    def item_null(self, n_draws: int, rng: np.random.Generator) -> Array:
        """The same with rows shuffled over items (null N0, for the trivial irrep): (n_draws,)."""
        shuffled = ([_rows_shuffled(c[0], rng) for c in self.codes] for _ in range(n_draws))
        return np.array([self._leading_energy(codes, self.inverses) for codes in shuffled])

    def _leading_energy(self, codes: list[Array], inverses: list[Array]) -> float:
        """1 − L/(2T) of one copy; an orthogonal action keeps |c|, so that only the mean canonical code is needed."""
        above = below = 0.0
        for c, inverse in zip(codes, inverses, strict=True):
            n, m, h = c.shape
            mean = np.matmul(inverse.swapaxes(1, 2).reshape(n, h, m * h), c.reshape(n, m * h, 1)) / m
            total = _square(c) / m
            above += m / (m - 1) * (total - _square(mean))
            below += total
        return 1.0 - above / (1 - self.repeated) / below if below > 0 else -np.inf


def ratio_interval(num: list[Array], den: list[Array], clusters: list[Array], crossed: bool, level: float) -> Interval:
    """Interval of Σnum/Σden from cells (n, m) a stack: two-way t over clusters × elements, or t over clusters.

    `num` compares the elements of an item in pairs, so that element k moves the mean by 2(e_ik − ē_i): once as the
    predicted one, once as the other.
    """
    if crossed:
        _, index = np.unique(clusters[0], return_inverse=True)
        influence = 2.0 * num[0] - num[0].mean(axis=1, keepdims=True)
        return ratio_two_way_t(_summed(influence, index), _summed(den[0], index), level=level)
    _, index = np.unique(np.concatenate(clusters), return_inverse=True)
    above, below = (_summed(np.concatenate([x.mean(axis=1) for x in xs]), index) for xs in (num, den))
    return ratio_clustered_t(above, below, level=level)


def _summed(x: Array, index: Array) -> Array:
    """Sums over the rows that share an index."""
    out = np.zeros((index.max() + 1, *x.shape[1:]))
    np.add.at(out, index, x)
    return out


def one_minus(ratio: Interval) -> Interval:
    """The interval of 1 − r from the interval of r."""
    return ratio._replace(low=1.0 - ratio.high, high=1.0 - ratio.low)


def _cells(codes: Array, inverses: Array) -> Array:
    """½ mean_{k≠j}|u_j − u_k|² of every cell: codes (r, n, m, h), inverses (n, m, h, h) → (r, n, m)."""
    m = codes.shape[2]
    u = np.einsum("nmab,rnmb->rnma", inverses, codes, optimize=True)
    u = u - u.mean(axis=2, keepdims=True)
    square = (u.real**2 + u.imag**2 if np.iscomplexobj(u) else u**2).sum(-1)
    return (m * square + square.sum(axis=2, keepdims=True)) / (2 * (m - 1))


def _variation(codes: Array) -> Array:
    """|c|² of every cell; the codes are centred on the training items."""
    return np.asarray((np.abs(codes) ** 2).sum(-1))


def _shuffled(inverses: Array, rng: np.random.Generator) -> Array:
    n, m = inverses.shape[:2]
    if m == 2:
        return inverses[rng.permutation(n)]
    order = np.argsort(rng.random((n, m)), axis=1)
    return inverses[np.arange(n)[:, None], order]


def _rows_shuffled(codes: Array, rng: np.random.Generator) -> Array:
    n, m, h = codes.shape
    return codes.reshape(n * m, h)[rng.permutation(n * m)].reshape(n, m, h)


def _square(x: Array) -> float:
    """Σ|x|²."""
    return float(np.vdot(x, x).real)


@dataclass(frozen=True)
class HeldOutPairs:
    """The same for pair losses: energy = skill = 1 − L/I (theory.md §5).

    Attributes
    ----------
    before, after : ndarray (P, h)
        Codes with their offset, of one copy.
    scale : ndarray (P,)
        s of each pair's solution, which multiplies the translation; 0 without a cocycle.
    """

    rep: Representation
    group: AbstractGroup
    pairs: Pairs
    before: Array
    after: Array
    scale: Array

    @classmethod
    def of(
        cls, rep: Representation, group: AbstractGroup, solutions: dict[int, Array], pairs: Pairs, copy: int = 0
    ) -> HeldOutPairs:
        """Codes of one copy under the solutions (r, h(q+1)+1) of each pair's fold."""
        h, size = half_dim(rep), pairs.before.shape[1]
        kind = complex if rep.half is not None else float
        before, after = np.zeros((len(pairs.fold), h), dtype=kind), np.zeros((len(pairs.fold), h), dtype=kind)
        scale = np.zeros(len(pairs.fold), dtype=kind)
        for f, solution in solutions.items():
            mine = pairs.fold == f
            w = solution[copy, :-1].reshape(h, size)
            before[mine], after[mine], scale[mine] = (
                pairs.before[mine] @ w.T,
                pairs.after[mine] @ w.T,
                solution[copy, -1],
            )
        return cls(rep, group, pairs, before, after, scale)

    def energy(self) -> float:
        """The skill of the copy."""
        return self._skill(*self._losses(self.pairs.step(self.group)))

    def interval(self, level: float) -> Interval:
        """Item-clustered t interval of the skill."""
        loss, identity = self._losses(self.pairs.step(self.group))
        _, index = np.unique(self.pairs.cluster, return_inverse=True)
        return one_minus(ratio_clustered_t(_summed(loss, index), _summed(identity, index), level=level))

    def label_null(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Skills with labels permuted within items (across items where an item has two rows): (n_draws,).

        At most NULL_PAIRS pairs are looked at, of whole items: fewer only widen the null.
        """
        part = self._part(rng)
        permute = _pair_permutation(part.pairs)
        draws = []
        for _ in range(n_draws):
            source, target = permute(rng)
            step = np.asarray(self.group.compose(target, self.group.inverse(source)))
            draws.append(part._skill(*part._losses(step)))
        return np.array(draws)

    def _part(self, rng: np.random.Generator) -> HeldOutPairs:
        n_items = int(self.pairs.item.max(initial=0)) + 1
        share = NULL_PAIRS / max(len(self.pairs.item), 1)
        if share >= 1:
            return self
        mine = np.isin(self.pairs.item, rng.permutation(n_items)[: max(2, int(share * n_items))])
        return HeldOutPairs(
            self.rep, self.group, self.pairs.part(mine), self.before[mine], self.after[mine], self.scale[mine]
        )

    def _losses(self, step: Array) -> tuple[Array, Array]:
        rho, t = half_matrices(self.rep, step), half_translation(self.rep, step)
        omega = self.pairs.weight * noise_weight(rho)
        residual = self.after - np.einsum("pab,pb->pa", rho, self.before) - self.scale[:, None] * t
        change = self.after - self.before
        return omega * (np.abs(residual) ** 2).sum(-1), omega * (np.abs(change) ** 2).sum(-1)

    @staticmethod
    def _skill(loss: Array, identity: Array) -> float:
        total = identity.sum()
        return float(1.0 - loss.sum() / total) if total > 0 else -np.inf


def _pair_permutation(pairs: Pairs) -> Callable[[np.random.Generator], tuple[Array, Array]]:
    """A sampler of permuted `(source, target)` labels of all pairs."""
    order = np.argsort(pairs.item, kind="stable")
    counts = np.bincount(pairs.item)
    counts = counts[counts > 0]
    starts = np.concatenate([[0], np.cumsum(counts)])
    if (counts <= 2).all():

        def across(rng: np.random.Generator) -> tuple[Array, Array]:
            shuffled = rng.permutation(np.flatnonzero(counts == 2))
            moved = np.arange(len(order))
            for slot in range(2):
                moved[order[starts[:-1][counts == 2] + slot]] = order[starts[:-1][shuffled] + slot]
            return pairs.source[moved], pairs.target[moved]

        return across

    elements = [
        np.unique(np.concatenate([pairs.source[rows], pairs.target[rows]]), axis=0, return_inverse=True)
        for rows in (order[a:b] for a, b in pairwise(starts))
    ]

    def within(rng: np.random.Generator) -> tuple[Array, Array]:
        source, target = np.empty_like(pairs.source), np.empty_like(pairs.target)
        for (labels, index), a, b in zip(elements, starts[:-1], starts[1:], strict=True):
            moved = labels[rng.permutation(len(labels))][index.ravel()]
            source[order[a:b]], target[order[a:b]] = moved[: b - a], moved[b - a :]
        return source, target

    return within
