"""JointBlocks: one frame in which many noisy operators are block diagonal at once, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator
from tqdm import trange

from geodis.discovery.block_labels import BlockLabel, isotypic_classes, label_blocks, labels_text, match_irreps
from geodis.discovery.block_refinement import (
    Blocks,
    compressed,
    off_energy,
    off_mask,
    refine_oblique,
    refine_orthogonal,
)
from geodis.discovery.common_blocks import BlockFrame, common_blocks, nothing_acts, traceless_energy
from geodis.discovery.coupling_graph import CouplingGraph, given_noise, graph_of
from geodis.discovery.disentangled_factors import Factor, disentangled_factors
from geodis.discovery.oblique_blocks import oblique_blocks
from geodis.discovery.operator_noise import OperatorNoise, operator_noise
from geodis.errors import ParameterError, ShapeError
from geodis.groups import AbstractGroup
from geodis.groups.options import count
from geodis.linalg import Array, real_array
from geodis.orbits import as_params

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SURE = 0.75  # share of half splits that have to find the same blocks
CLEAR = 1.5  # how far above the noise the next split has to leak
HOLDS = 1.5  # how far above the noise the leakage of unseen operators may lie, in energy
MAX_LEAKAGE = 0.3  # of chance, on unseen operators, whatever the noise
SAME = 0.8  # overlap of two subspaces that count as one
ALL_NOISE = 0.6  # of the leakage of a random frame is noise: what is left of the operators splits anything
FEW = 8  # operators below it are left out one at a time
EXACT = 1e-9

Refine = Callable[[Array, Array, Blocks], Array]
Start = Callable[[Array, OperatorNoise, np.random.Generator], BlockFrame]


@final
@dataclass(frozen=True, eq=False)
class BlockStructure:
    """Common blocks of operators: N_b = frame⁻¹ M_b frame is block diagonal up to noise. Called, it gives N.

    Attributes
    ----------
    frame : ndarray (D, D)
        Q, orthogonal (columns of unit length for oblique blocks). Codes are c = Q⁻¹z.
    blocks : tuple of tuple of int
        Rows of c, the larger blocks first.
    labels : tuple of BlockLabel
        One a block; `isotypic` tells copies, whose choice within the isotypic component is free.
    leakage : float
        Energy between blocks relative to what a random frame leaks, on operators that the frame has not seen.
    noise_leakage : float
        What the noise makes of it; NaN where the noise is unknown.
    next_leakage : float
        The least leakage, relative to chance, of any further split: a bound for all of them.
    graph : CouplingGraph
        Coordinates in this frame, and how strongly the operators couple them.
    activity : ndarray (B, k)
        How far operator b is from resting on a block, per row.
    factors : tuple of Factor
        Disentangled: each operator moves the blocks of at most one factor, if there is more than one.
    noise : OperatorNoise
    confidence : float
        Share of half splits of the operators in which the same isotypic components were found.
    status : {"ok", "undecided", "insufficient", "degenerate"}
        ``undecided`` when halves disagree, unseen operators leak or no gap tells noise from coupling; ``insufficient``
        for a single operator; ``degenerate`` for multiples of the identity, which any frame splits.
    notes : tuple of str
    """

    frame: Array
    blocks: Blocks
    labels: tuple[BlockLabel, ...]
    leakage: float
    noise_leakage: float
    next_leakage: float
    graph: CouplingGraph
    activity: Array
    factors: tuple[Factor, ...]
    noise: OperatorNoise
    confidence: float
    status: str
    notes: tuple[str, ...] = field(default=())

    def __call__(self, operators: Any) -> Array:
        """Operators in this frame: frame⁻¹ M frame, `(B, D, D) → (B, D, D)`."""
        matrices = real_array(operators, "operators", ("B", "D", "D"))
        if matrices.shape[-1] != len(self.frame):
            raise ShapeError("operators", f"(B, {len(self.frame)}, {len(self.frame)})", matrices.shape)
        return np.linalg.solve(self.frame, matrices @ self.frame)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Dimensions of the blocks."""
        return tuple(map(len, self.blocks))

    @property
    def isotypic(self) -> tuple[tuple[int, ...], ...]:
        """Blocks that carry the same irrep, together."""
        classes = [label.isotypic for label in self.labels]
        return tuple(tuple(i for i, c in enumerate(classes) if c == k) for k in range(max(classes) + 1))

    def parts(self, operators: Any) -> tuple[Array, ...]:
        """The diagonal blocks of operators, one `(B, d, d)` a block."""
        moved = self(operators)
        return tuple(moved[:, list(rows)][:, :, list(rows)] for rows in self.blocks)

    def named_by(self, operators: Any, params: Any, group: AbstractGroup, max_order: int = 4) -> BlockStructure:
        """The same blocks, named by the irreps of a group whose elements `params` (B, p) the operators are."""
        if not isinstance(group, AbstractGroup):
            raise ParameterError("group", "a group such as SO3()", repr(group))
        parts, elements = self.parts(operators), as_params(params, group)
        if len(elements) != len(parts[0]):
            raise ShapeError("params", f"({len(parts[0])}, {group.n_params})", elements.shape)
        levels = _levels(self.frame, self.blocks, self.noise)
        return replace(self, labels=match_irreps(parts, levels, self.labels, group.irreps(max_order), elements))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Coupling strengths of the coordinates as a matrix, block borders drawn."""
        from matplotlib import pyplot as plt

        from geodis import palette

        ax = ax if ax is not None else plt.subplots(figsize=(4.5, 4.5))[1]
        ax.imshow(self.graph.strengths, cmap=palette.ramp(), interpolation="nearest")
        for rows, label in zip(self.blocks, self.labels, strict=True):
            low, size = rows[0] - 0.5, len(rows)
            ax.add_patch(plt.Rectangle((low, low), size, size, fill=False, edgecolor=palette.NULL, linewidth=1.5))
            ax.annotate(label.name, (low + size + 0.1, low + size / 2), va="center", fontsize=8, color=palette.NULL)
        ax.set(xlabel="coordinate", ylabel="coordinate", title=f"{self.status}, confidence {self.confidence:.2f}")
        return ax

    def __repr__(self) -> str:
        dims = " + ".join(map(str, self.sizes))
        return (
            f"BlockStructure(R^{len(self.frame)} = {dims}: {labels_text(self.labels)}; leakage {self.leakage:.2g} of "
            f"chance, confidence {self.confidence:.2f}, {len(self.factors)} factors; status {self.status})"
        )


class JointBlocks(BaseEstimator):
    """The finest frame in which noisy operators are block diagonal at once: min Σ_b ‖off(Q⁻¹M_bQ)‖² over frames.

    The start is closed form: eigenspaces of a generic element of what commutes with all operators. It is refined over
    SO(D) (or over frames of unit columns), which is maximum likelihood for iid noise. The partition is judged on
    operators that were left out; halves are taken of random orthogonal combinations of the operators, so that each of
    them knows a little of every operator, and noise stays independent.

    Parameters
    ----------
    oblique : bool
        Whether frames may be oblique: for operators that are not normal (boosts, shears) or in an oblique basis.
    rest : float, optional
        The multiple of the identity that moves nothing: 1 for group elements, 0 for generators. By default 0 for skew
        operators, else 1.
    n_splits : int
        Half splits behind the confidence.
    random_state : int
    verbose : bool

    Attributes
    ----------
    structure_ : BlockStructure
    status_ : str

    References
    ----------
    Maehara, Murota (2010), "A numerical algorithm for block-diagonal decomposition of matrix star-algebras".

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> params = SO3().sample(30, seed=0)
    >>> rho = SO3().irrep("l=1") + SO3().irrep("l=2") + SO3().irrep("l=0")
    >>> rng = np.random.default_rng(0)
    >>> Q = np.linalg.qr(rng.normal(size=(9, 9)))[0]
    >>> JointBlocks().fit(Q @ rho(params) @ Q.T + 0.02 * rng.normal(size=(30, 9, 9))).structure_.sizes
    (5, 3, 1)
    """

    def __init__(
        self,
        *,
        oblique: bool = False,
        rest: float | None = None,
        n_splits: int = 8,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.oblique = oblique
        self.rest = rest
        self.n_splits = n_splits
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, operators: Any, y: Any = None, *, noise: float | None = None) -> Self:
        """Find the blocks.

        Parameters
        ----------
        operators : array (B, D, D)
            Group elements or generators, commuting or not.
        y : ignored
        noise : float, optional
            Standard deviation of an entry; estimated from broken orthogonality, symmetry or rank by default.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
        """
        matrices = real_array(operators, "operators", ("B", "D", "D"))
        count(self.n_splits, "n_splits", 1)
        if self.rest not in (None, 0, 1):
            raise ParameterError("rest", "1 (group elements), 0 (generators) or None", self.rest)
        level = operator_noise(matrices) if noise is None else given_noise(noise)
        self.structure_ = self._structure(matrices, level)
        self.status_ = self.structure_.status
        return self

    def _structure(self, operators: Array, noise: OperatorNoise) -> BlockStructure:
        start, refine = self._parts()
        whole = _fitted(operators, noise, start, refine, np.random.default_rng(self.random_state))
        moved = np.linalg.solve(whole.frame, operators @ whole.frame)
        levels = _levels(whole.frame, whole.blocks, noise)
        parts = _diagonal(moved, whole.blocks)
        rest = _rest(operators) if self.rest is None else float(self.rest)
        labels = label_blocks(parts, levels, rest)
        activity, factors = disentangled_factors(parts, levels, rest)
        names = tuple(map(str, range(len(whole.frame))))
        leakage, agreement = self._judged(operators, noise, whole, [label.isotypic for label in labels])
        share = _noise_share(operators, whole, noise)
        status, notes = _verdict(operators, noise, whole, leakage, share, agreement)
        return BlockStructure(
            whole.frame, whole.blocks, labels, leakage, share, whole.found.next, graph_of(moved, noise, names),
            activity, factors, noise, agreement, status, notes,
        )  # fmt: skip

    def _parts(self) -> tuple[Start, Refine]:
        return (oblique_blocks, refine_oblique) if self.oblique else (common_blocks, refine_orthogonal)

    def _judged(
        self, operators: Array, noise: OperatorNoise, whole: BlockFrame, classes: list[int]
    ) -> tuple[float, float]:
        """Leakage on unseen halves, and the share of halves that find the same components."""
        n = len(operators)
        if n < 2 or nothing_acts(operators):
            return math.nan, math.nan
        start, refine = self._parts()
        spaces = _spaces(whole, classes)
        leaks, agreed = [], 0
        for split in trange(self.n_splits, desc="half splits", disable=not self.verbose):
            rng = np.random.default_rng([self.random_state, split])
            mixed = np.einsum("ab,bij->aij", np.linalg.qr(rng.standard_normal((n, n)))[0], operators)
            stay = (n + 1) // 2 if n >= FEW else n - 1
            seen, unseen = mixed[:stay], mixed[stay:]
            half = start(seen, noise, rng)
            agreed += _same_spaces(spaces, _spaces(half, _classes(seen, half, noise)))
            # The leakage is that of the reported partition, refitted on the half from where the half starts.
            frame = half.frame if _sizes(half) == _sizes(whole) else whole.frame
            leaks.append(_leakage(unseen, refine(seen, frame, whole.blocks), whole.blocks))
        return float(np.median(leaks)), agreed / self.n_splits


def _fitted(
    operators: Array, noise: OperatorNoise, start: Start, refine: Refine, rng: np.random.Generator
) -> BlockFrame:
    few = compressed(operators)
    found = start(operators, noise, rng)
    return replace(found, frame=refine(few, found.frame, found.blocks))


def _verdict(
    operators: Array, noise: OperatorNoise, whole: BlockFrame, leakage: float, share: float, agreement: float
) -> tuple[str, tuple[str, ...]]:
    """Status and what speaks against the blocks."""
    if nothing_acts(operators):
        return "degenerate", ("The operators are multiples of the identity.",)
    if noise.known and share > ALL_NOISE:
        return "degenerate", ("Beyond the noise, the operators are multiples of the identity.",)
    if len(operators) < 2:
        return "insufficient", ("One operator: nothing is left to check the blocks on.",)
    against = []
    if agreement < SURE:
        against.append(f"Only {agreement:.0%} of half splits find these components.")
    if not noise.known and len(whole.blocks) < 2 and whole.found.next < MAX_LEAKAGE:
        against.append("The noise is not known, and a split with little leakage exists.")
    if noise.known and whole.found.gap < CLEAR:
        against.append("A further split leaks hardly more than noise does.")
    if len(whole.blocks) > 1:
        if leakage > MAX_LEAKAGE:
            against.append(f"Unseen operators leak {leakage:.2f} of chance.")
        if noise.known and leakage > HOLDS * share + EXACT:
            against.append(f"Unseen operators leak {leakage:.2g} of chance, noise explains {share:.2g}.")
    return ("undecided" if against else "ok"), tuple(against)


# --- what is measured -------------------------------------------------------------------------------------------------
def _leakage(operators: Array, frame: Array, blocks: Blocks) -> float:
    """Energy between blocks relative to that of a random frame; 0 for one block."""
    mask = off_mask(blocks, len(frame))
    chance = traceless_energy(operators) * float(mask.mean())
    return off_energy(operators, frame, mask) / chance if chance > 0.0 else 0.0


def _noise_share(operators: Array, whole: BlockFrame, noise: OperatorNoise) -> float:
    """The leakage that noise alone makes."""
    mask = off_mask(whole.blocks, len(whole.frame))
    energy = traceless_energy(operators) * float(mask.mean())
    return float((_variances(whole.frame, noise) * mask).sum()) * len(operators) / energy if energy > 0.0 else 0.0


def _variances(frame: Array, noise: OperatorNoise) -> Array:
    """Noise variance of each entry of frame⁻¹ M frame."""
    inverse = np.linalg.inv(frame)
    return noise.level**2 * np.outer((inverse**2).sum(axis=1), (frame**2).sum(axis=0))


def _levels(frame: Array, blocks: Blocks, noise: OperatorNoise) -> list[float]:
    """Noise level of the entries of each diagonal block."""
    variances = _variances(frame, noise)
    return [math.sqrt(float(variances[np.ix_(rows, rows)].mean())) for rows in blocks]


def _diagonal(moved: Array, blocks: Blocks) -> list[Array]:
    return [moved[:, list(rows)][:, :, list(rows)] for rows in blocks]


def _rest(operators: Array) -> float:
    skew = (operators - np.swapaxes(operators, 1, 2)) / 2
    return 0.0 if (skew**2).sum() > 0.75 * (operators**2).sum() else 1.0


# --- comparing partitions ---------------------------------------------------------------------------------------------
def _sizes(found: BlockFrame) -> tuple[int, ...]:
    return tuple(map(len, found.blocks))


def _classes(operators: Array, found: BlockFrame, noise: OperatorNoise) -> list[int]:
    moved = np.linalg.solve(found.frame, operators @ found.frame)
    return isotypic_classes(_diagonal(moved, found.blocks), _levels(found.frame, found.blocks, noise))


def _spaces(found: BlockFrame, classes: list[int]) -> list[tuple[int, Array]]:
    """(dimension of the irrep, orthonormal basis) of each isotypic component."""
    out = []
    for c in dict.fromkeys(classes):
        members = [rows for rows, k in zip(found.blocks, classes, strict=True) if k == c]
        columns = found.frame[:, [column for rows in members for column in rows]]
        out.append((len(members[0]), np.linalg.qr(columns)[0]))
    return out


def _same_spaces(one: list[tuple[int, Array]], two: list[tuple[int, Array]]) -> bool:
    """Whether each component of one is a component of the other, up to noise."""
    if len(one) != len(two):
        return False
    return all(
        any(d == e and a.shape == b.shape and float(((a.T @ b) ** 2).sum()) >= SAME * a.shape[1] for e, b in two)
        for d, a in one
    )
