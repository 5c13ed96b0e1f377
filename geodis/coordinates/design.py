"""What the sampled elements can answer: Haar-like designs, limited ones, aliasing, repeated elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geodis.errors import AliasingError
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.orbits import Stack

LEAKAGE = 0.05  # above it an invariant code would fake this much energy: theory.md §2
ROWS_READ = 1024  # the leakage of a larger design is measured on a random part of its items


@dataclass(frozen=True)
class Design:
    """How items and elements were sampled.

    Attributes
    ----------
    limited : bool
        The elements are not Haar-like (a range of angles, shared random elements, a non-compact group), so that an
        invariant code would fake equivariance and the pair loss with the identity error as denominator is needed.
    leakage : float
        The largest energy that an invariant code would fake on a non-trivial irrep; NaN where it is not measured (a
        non-compact group, a single element).
    repeated : float
        The share of pairs of rows of one item that are one measurement twice: same element of a finite group, same z.
    n_items, n_elements : int
        The number of items, and the largest number of elements an item.
    """

    limited: bool
    leakage: float
    repeated: float
    n_items: int
    n_elements: int

    @property
    def sufficient(self) -> bool:
        """Whether there are at least two items and two elements of one item."""
        return self.n_items >= 2 and self.n_elements >= 2


def read_design(group: AbstractGroup, stacks: Sequence[Stack], max_order: int, seed: int = 0) -> Design:
    """The design of these orbits: ℓ(σ) = mean_i [n_i‖mean_j σ(g_ij)‖²/d − 1]/(n_i − 1) for every σ up to 2·max_order.

    ℓ(σ) is the energy that an *invariant* code fakes at σ. The design is limited when some ℓ exceeds .05 and
    four of its standard errors, when the mean of some σ over all rows is not small (half of the rows upright),
    or when the group is not compact.

    Raises
    ------
    AliasingError
        When two irreps up to `max_order` agree on all pairs of elements that were sampled.
    """
    n_items = sum(len(s.items) for s in stacks)
    n_elements = max((s.params.shape[1] for s in stacks), default=0)
    if not any(_moves(group, stack) for stack in stacks):
        n_elements = min(n_elements, 1)  # the same element again and again is one element
    repeated = _repeated_share(group, stacks)
    if not group.compact or n_elements < 2:
        return Design(not group.compact, float("nan"), repeated, n_items, n_elements)
    parts = _part(stacks, seed)
    acting = [rep for rep in group.irreps(2 * max_order) if not rep.trivial]
    leakages = [(rep.order, *leakage(rep, parts)) for rep in acting]
    _refuse_aliases(leakages, max_order, n_elements)
    over = [value for _, value, error in leakages if value > LEAKAGE and value > 4 * error]
    over += [value for value in (_offset(rep, parts) for rep in acting) if value > LEAKAGE]
    worst = max((value for _, value, _ in leakages), default=0.0)
    return Design(bool(over), worst, repeated, n_items, n_elements)


def _moves(group: AbstractGroup, stack: Stack) -> bool:
    """Whether some item was seen at two different elements."""
    if stack.params.shape[1] < 2:
        return False
    if (stack.params == stack.params[:, :1]).all():
        return False
    step = np.asarray(
        group.compose(stack.params, group.inverse(np.broadcast_to(stack.params[:, :1], stack.params.shape)))
    )
    return bool((np.abs(step - group.identity(1)[0]) > 1e-9).any())


def _part(stacks: Sequence[Stack], seed: int) -> list[Array]:
    """The parameters (n, m, p) of at most ROWS_READ rows, whole items at random."""
    rows = sum(s.params.shape[0] * s.params.shape[1] for s in stacks)
    share = min(1.0, ROWS_READ / max(rows, 1))
    rng = np.random.default_rng(seed)
    picked = []
    for stack in stacks:
        n, m = stack.params.shape[:2]
        if m >= 2:
            keep = max(1, round(share * n))
            picked.append(stack.params if keep == n else stack.params[rng.choice(n, keep, replace=False)])
    return picked


def leakage(rep: Representation, parts: Sequence[Array]) -> tuple[float, float]:
    """ℓ(σ) and its standard error over items."""
    values = []
    for params in parts:
        m = params.shape[1]
        mean = rep(params).mean(axis=1)
        norm = np.einsum("nab,nab->n", mean, mean) / rep.dim
        values.append((m * norm - 1) / (m - 1))
    per_item = np.concatenate(values) if values else np.zeros(1)
    error = per_item.std(ddof=1) / np.sqrt(len(per_item)) if len(per_item) > 1 else np.inf
    return float(per_item.mean()), float(error)


def _offset(rep: Representation, parts: Sequence[Array]) -> float:
    """‖mean_ij σ(g_ij)‖²/d over all rows, less ten times what independent draws leave: 0 for Haar-like elements.

    Pairs (e, g) with a Haar g leak nothing, but half of the rows are upright: the mean of z holds a part of an
    equivariant code, and centring on it spoils the block (theory.md §2, Centring).
    """
    rows = [rep(params).reshape(-1, rep.dim, rep.dim) for params in parts]
    n_rows = sum(map(len, rows))
    mean = sum(r.sum(axis=0) for r in rows) / max(n_rows, 1)
    return float(np.square(mean).sum() / rep.dim - 10 / max(n_rows, 1))


def _refuse_aliases(leakages: Sequence[tuple[int, float, float]], max_order: int, n_elements: int) -> None:
    # σ(h) = 1 on all sampled h means that irreps whose orders differ by σ's coincide there.
    aliased = [order for order, value, _ in leakages if value > 1 - 1e-9]
    if aliased:
        raise AliasingError(n_elements, max_order, (min(aliased) - 1) // 2)


def _repeated_share(group: AbstractGroup, stacks: Sequence[Stack]) -> float:
    """The mean over items of the share of ordered pairs j ≠ k that show one element of a finite group *and* agree.

    Such pairs are the same measurement twice. Rows at the same element that differ are evidence like any other.
    """
    if group.order is None:
        return 0.0
    shares = []
    for stack in stacks:
        n, m, _ = stack.params.shape
        if m < 2:
            continue
        picked = np.arange(0, n, max(1, n // 2048))
        params = np.asarray(stack.params[picked], dtype=np.float64)
        canonical = np.asarray(group.compose(params, np.broadcast_to(group.identity(1)[0], params.shape)))
        same = (canonical[:, :, None] == canonical[:, None]).all(-1) & ~np.eye(m, dtype=bool)
        i, j, k = np.nonzero(same)
        a, b = stack.z[picked[i], j], stack.z[picked[i], k]
        tolerance = 64 * np.finfo(stack.z.dtype).eps * np.abs(stack.z[picked]).max()
        agree = np.abs(a - b).max(axis=1, initial=0.0) <= tolerance
        counts = np.bincount(i[agree], minlength=len(picked))
        shares.append(np.repeat(counts.mean() / (m * (m - 1)), n))
    return float(np.concatenate(shares).mean()) if shares else 0.0
