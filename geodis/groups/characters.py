"""Are these irreps irreducible, inequivalent, of the type they claim, and all of them? Integrals of characters tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodis.groups.group import AbstractGroup
from geodis.groups.representation import Representation
from geodis.linalg import Array

NULL_TOLERANCE = 1e-7
LARGEST_GENERATING_SET = 24


@dataclass(frozen=True)
class IrrepCheck:
    """Deviations from Schur orthogonality; all are zero for a correct and complete list of irreps.

    Parameters
    ----------
    names : tuple of str
        The irreps that were checked.
    irreducible : float
        The largest |<χ, χ> − t|, t = 1, 2, 4 for real, complex, quaternionic type.
    inequivalent : float
        The largest |<χ_a, χ_b>| over a ≠ b.
    types : float
        The largest deviation of the Frobenius–Schur integral ∫ χ(g²) dg from 1, 0, −2 for the three types.
    incomplete : float
        Σ d²/t − |G| of a finite group; otherwise the largest relative part of a product χ_a χ_b of irreps of orders
        a + b ≤ max_order that the listed characters do not span.

    Examples
    --------
    >>> from geodis.groups import Dihedral
    >>> check_irreps(Dihedral(5), 2).worst < 1e-9
    True
    """

    names: tuple[str, ...]
    irreducible: float
    inequivalent: float
    types: float
    incomplete: float

    @property
    def worst(self) -> float:
        """The largest of the four deviations."""
        return max(self.irreducible, self.inequivalent, self.types, abs(self.incomplete))


def inner_product(first: Representation, second: Representation, group: AbstractGroup) -> float:
    """<χ₁, χ₂> = ∫ χ₁(g) χ₂(g) dg on a compact group: t for a real irrep with itself, 0 for inequivalent irreps.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> vector = SO3().irrep("l=1")
    >>> round(inner_product(vector * vector, vector, SO3()), 9)
    1.0
    """
    params, weights = group.quadrature(first.order + second.order)
    return float(weights @ (first.character(params) * second.character(params)))


def frobenius_schur(rep: Representation, group: AbstractGroup) -> float:
    """∫ χ(g²) dg on a compact group: 1, 0, −2 for a real irrep of real, complex, quaternionic type."""
    params, weights = group.quadrature(2 * rep.order)
    return float(weights @ rep.character(group.compose(params, params)))


def commutant(rep: Representation, group: AbstractGroup, seed: int = 0) -> Array:
    """Orthonormal basis `(t, d, d)` of {X : Xρ(g) = ρ(g)X}: the null space over random elements (all of a small group).

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> commutant(SO2().irrep("m=1"), SO2()).shape
    (2, 2, 2)
    """
    small = group.order is not None and group.order <= LARGEST_GENERATING_SET
    params = group.quadrature(0)[0] if small else group.sample(8, seed)
    rho = np.asarray(rep(params), dtype=np.float64)
    eye = np.eye(rep.dim)
    # vec(Xρ − ρX), row-major: I ⊗ ρᵀ − ρ ⊗ I
    conditions = np.concatenate([np.kron(eye, r.T) - np.kron(r, eye) for r in rho])
    _, s, vh = np.linalg.svd(conditions.T @ conditions)
    null = s <= NULL_TOLERANCE**2 * max(s[0], 1.0) if s[0] > 0 else np.ones(len(s), dtype=bool)
    return vh[null].reshape(-1, rep.dim, rep.dim)


def check_irreps(group: AbstractGroup, max_order: int) -> IrrepCheck:
    """How far `group.irreps(max_order)` of a compact group is from orthogonal, correctly typed and complete."""
    return check_representations(group.irreps(max_order), group, max_order)


def check_representations(irreps: tuple[Representation, ...], group: AbstractGroup, max_order: int) -> IrrepCheck:
    """The same for any list that claims to be the irreps of order ≤ max_order."""
    params, weights = group.quadrature(2 * max_order)
    characters = np.array([rep.character(params) for rep in irreps])
    t = np.array([rep.commutant_dim for rep in irreps], dtype=np.float64)
    gram = (characters * weights) @ characters.T
    squares = np.array([rep.character(group.compose(params, params)) for rep in irreps]) @ weights
    expected = np.array([{"real": 1.0, "complex": 0.0, "quaternionic": -2.0}[rep.type] for rep in irreps])
    return IrrepCheck(
        names=tuple(rep.name for rep in irreps),
        irreducible=float(np.abs(np.diag(gram) - t).max()),
        inequivalent=float(np.abs(gram - np.diag(np.diag(gram))).max()),
        types=float(np.abs(squares - expected).max()),
        incomplete=_incomplete(irreps, group, characters, weights, t, max_order),
    )


def _incomplete(
    irreps: tuple[Representation, ...],
    group: AbstractGroup,
    characters: Array,
    weights: Array,
    t: Array,
    max_order: int,
) -> float:
    if group.order is not None:
        return float(sum(rep.dim**2 / rep.commutant_dim for rep in irreps) - group.order)
    worst = 0.0
    for a, first in enumerate(irreps):
        for b, second in enumerate(irreps[: a + 1]):
            if first.order + second.order <= max_order:
                product = characters[a] * characters[b]
                copies = (characters * weights) @ product / t
                rest = product - copies @ characters
                worst = max(worst, float(weights @ rest**2 / (weights @ product**2)))
    return worst
