"""Which Lie algebra is it? A name for noisy generators or structure constants, up to isomorphism, or none.

An algebra is split into its abelian part and indecomposable ideals; each is compared with the algebras that have a
name. What is found is an exact Lie algebra beside the noisy one, and two distances decide: the one to it must be within
what the noise allows, the one from it to where its type changes (a rank, a sign) must be clearly beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from geodis.discovery.ideals import Summand, abelian_part, named_ideals, restricted, series, summed
from geodis.discovery.known_algebras import joined
from geodis.errors import ParameterError, ShapeError
from geodis.groups.algebra import (
    brackets,
    centre_dimension,
    descended,
    jacobi,
    killing_signature,
    outside,
    room_around,
    span_basis,
    structure_constants,
)
from geodis.linalg import Array, check_finite, to_numpy

EXACT = 1e-8  # noise that rounding makes
ROUNDED = 1e-6  # distance that the last steps of a search leave
OPEN = 0.06  # noise [rad] above which nothing is named
WIDE = 2.5  # times the noise: how far brackets may leave the span, and structure constants an exact algebra
NEAR = 1.25  # the same for algebras that small brackets turn into others: none may hide in the distance
CLEAR = 6.0  # times the noise in one direction: how far off the next type must be
RIVAL = 3.0  # a second candidate must be this many times further
POLISHED = 10  # largest dimension in which the whole is fitted once more
N_RANDOM = 999  # random spans behind the closure of small matrices
SMALL = 2_000_000  # numbers in their brackets, at most
LARGE = 40  # dimensions beside the span from which no random span comes near to being closed
SCATTERED = 0.5  # share of the brackets that lies off the span if they are noise
TORUS = "a torus and R^n have the same algebra: whether orbits close is not told by it"


@final
@dataclass(frozen=True, eq=False)
class AlgebraName:
    """What an algebra is called, how sure, and what does not change with its basis.

    Attributes
    ----------
    name : str
        "so(3)", "se(2)", "so(3) + abelian(1)", …; the status where there is none.
    aliases : tuple of str
        Isomorphic algebras of other names.
    dim : int
        Linearly independent generators.
    derived, lower_central : tuple of int
        Dimensions of the two series, from the algebra itself on.
    killing : (int, int, int)
        Positive, negative and zero eigenvalues of the Killing form.
    centre : int
        Dimension of what commutes with everything.
    trace_ad : float
        Norm of x ↦ tr ad_x relative to that of the structure constants: 0 for unimodular algebras.
    closure : float
        √(Σ‖[A_i, A_j] off the span‖² / Σ‖[A_i, A_j]‖²); for structure constants the miss of the Jacobi identity.
    noise : float
        Angle [rad] between the span and an algebra's: as given, or as estimated from the closure.
    distance : float
        To the exact algebra of that name, relative to the structure constants; NaN without one.
    room : float
        From there to the nearest algebra of another rank or signature, in the same unit.
    summands : tuple of str
        Indecomposable ideals.
    parameters : tuple of (str, float, float)
        Of summands that come in families: the name, the value, and how far off the noise may put it.
    status : str
        ``ok``; ``not closed``; ``ambiguous`` where the noise allows more than one; ``unnamed`` where it is an algebra
        that is not in the catalogue; ``degenerate`` where the noise is too large to tell anything.
    candidates : tuple of (str, float)
        What it was compared with and the relative distances, nearest first.
    notes : tuple of str
        What else is to be known.
    """

    name: str
    status: str
    dim: int
    aliases: tuple[str, ...] = ()
    derived: tuple[int, ...] = ()
    lower_central: tuple[int, ...] = ()
    killing: tuple[int, int, int] = (0, 0, 0)
    centre: int = 0
    trace_ad: float = 0.0
    closure: float = math.nan
    noise: float = math.nan
    distance: float = math.nan
    room: float = math.nan
    summands: tuple[str, ...] = ()
    parameters: tuple[tuple[str, float, float], ...] = ()
    candidates: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        same = f" = {' = '.join(self.aliases)}" if self.aliases else ""
        return (
            f"AlgebraName({self.name}{same}; status={self.status!r}, dim={self.dim}, "
            f"distance={self.distance:.2g}, room={self.room:.2g}, noise={self.noise:.2g})"
        )

    def answers_to(self, name: str) -> bool:
        """Whether `name` is one of its names.

        Examples
        --------
        >>> from geodis.discovery.known_algebras import symplectic
        >>> name_algebra(symplectic(4)).answers_to("so(2,3)")
        True
        """
        return self.status == "ok" and name in (self.name, *self.aliases)


def name_algebra(generators: Any, *, noise: float | None = None, seed: int = 0) -> AlgebraName:
    """The name of the Lie algebra that matrices span: any basis, any size of matrices, up to noise.

    Parameters
    ----------
    generators : array (k, d, d)
        Matrices that span the algebra. Representations need not be faithful as long as the matrices are independent.
    noise : float, optional
        The angle [rad] by which the span may miss an algebra's, or its relative Frobenius error. Without it, what the
        brackets leave the span by is taken to be the noise, if random spans never close as well.
    seed : int
        Of the starts of comparisons and of the random spans.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than real square matrices, NaN, only zeros, a noise outside [0, 1).

    Notes
    -----
    Algebras are named up to isomorphism: sp(4) is so(2,3), a torus is R^n. A name says that no algebra with fewer
    brackets fits; one with more of them, each below the noise, can never be excluded (a large sphere is flat).

    Examples
    --------
    >>> turn, x, y = np.zeros((3, 3, 3))
    >>> turn[0, 1], turn[1, 0], x[0, 2], y[1, 2] = -1.0, 1.0, 1.0, 1.0
    >>> print(name_algebra([turn + x, x - y, x + y]))
    se(2)
    """
    _check_noise(noise)
    basis = span_basis(generators, "generators")
    k, d, _ = basis.shape
    size, left = float(np.linalg.norm(brackets(basis))), float(np.linalg.norm(outside(basis)))
    rounding = size <= EXACT * k
    closure = 0.0 if rounding else left / size
    angle = 0.0 if k == d * d else left / _noise_off_span(k, d)
    known = Evidence(closure, max(angle if noise is None else noise, EXACT), seed)
    if angle > (OPEN if noise is None else max(WIDE * noise, EXACT)):
        off = f"brackets leave the span by {angle:.2g} rad, {closure:.0%} of their size"
        return _without("not closed", k, known, off)
    if known.noise > OPEN:
        return _without("degenerate", k, known, f"nothing can be told at a noise of {known.noise:.2g} rad")
    if angle > _random_closure(k, d, seed):
        return _without("ambiguous", k, known, "random spans of so few dimensions close as well")
    if rounding or size <= WIDE * known.noise * _unit_brackets(k, d):
        if rounding or closure >= SCATTERED:
            return _abelian(k, known)
        note = "the brackets are no larger than what the noise makes, and yet lie in the span"
        return _without("ambiguous", k, known, note)
    return _named(structure_constants(basis), known)


def name_structure_constants(c: Any, *, noise: float | None = None, seed: int = 0) -> AlgebraName:
    """The name of the Lie algebra [x_i, x_j] = Σ_m c_ijm x_m.

    Parameters
    ----------
    c : array (k, k, k)
        Structure constants in any basis; noise is best of one size in it.
    noise : float, optional
        Relative Frobenius error of c. Without it, what the Jacobi identity is missed by is taken, which sees no error
        in dimension 2 and part of it in few dimensions: give it for constants that were measured.
    seed : int
        Of the starts of comparisons.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For another shape, NaN, constants that are not antisymmetric within the noise, a noise outside [0, 1).

    Examples
    --------
    >>> c = np.zeros((3, 3, 3))
    >>> c[0, 1, 2], c[1, 0, 2] = 1.0, -1.0
    >>> print(name_structure_constants(c))
    heisenberg(3)
    """
    _check_noise(noise)
    found = to_numpy(c)
    if found.ndim != 3 or len(set(found.shape)) != 1 or found.size == 0:
        raise ShapeError("c", "(k, k, k)", found.shape)
    if found.dtype.kind not in "fiu":
        raise ParameterError("c", "real structure constants", f"dtype {found.dtype}")
    c, k = found.astype(np.float64), len(found)
    check_finite(c, "c")
    size = float(np.linalg.norm(c))
    if size == 0.0:
        return _abelian(k, Evidence(0.0, EXACT, seed))
    skew = (c - np.swapaxes(c, 0, 1)) / 2
    uneven = float(np.linalg.norm(c - skew)) / size
    if uneven > max(1e-6, 2 * (noise or 0.0)):
        raise ParameterError("c", "c_ijm = −c_jim", f"a symmetric part of relative size {uneven:.2g}")
    missed = float(np.linalg.norm(jacobi(skew))) / size**2
    known = Evidence(missed, max(missed if noise is None else noise, EXACT), seed)
    if missed > (OPEN if noise is None else max(WIDE * noise, EXACT)):
        return _without("not closed", k, known, f"the Jacobi identity is missed by {missed:.2g} of the squared size")
    if known.noise > OPEN:
        return _without("degenerate", k, known, f"nothing can be told at a relative noise of {known.noise:.2g}")
    return _named(skew, known)


class Evidence(NamedTuple):
    """How well brackets close, and the noise that decisions go by."""

    closure: float
    noise: float
    seed: int


def _named(c: Array, known: Evidence) -> AlgebraName:
    """The name of an algebra that closes and does not commute."""
    k, size = len(c), float(np.linalg.norm(c))
    wide, sharp = WIDE * known.noise * size, CLEAR / 2 * known.noise * size / math.sqrt(k)
    rest, commuting = abelian_part(c, sharp)
    if len(rest) == 0:
        return _abelian(k, known)
    parts = named_ideals(restricted(c, rest), rest, wide, sharp, known.seed)
    about: dict[str, Any] = {
        "closure": known.closure,
        "noise": known.noise,
        "trace_ad": float(np.linalg.norm(np.einsum("iaa->i", c))) / size,
    }
    if len(commuting):
        flat = np.zeros((len(commuting),) * 3)
        parts = [*parts, Summand(commuting, f"abelian({len(commuting)})", (), flat, rigid=True)]
    names = tuple(part.name for part in parts)
    rivals = tuple((name, far / size) for part in parts for name, far in part.rivals)
    if "" in names:
        derived, central = series(c, sharp)
        shown = tuple(name or f"unnamed({len(part.rows)})" for name, part in zip(names, parts, strict=True))
        return AlgebraName(
            "unnamed", "unnamed", k, derived=derived, lower_central=central, killing=killing_signature(c, sharp),
            centre=centre_dimension(c, sharp), summands=shown, candidates=_sorted(rivals), **about,
        )  # fmt: skip
    exact = summed([part.exact for part in parts], [part.rows for part in parts])
    if k <= POLISHED:
        exact, _ = descended(exact, c, 15)
    return _judged(c, exact, parts, names, rivals, about, known)


def _judged(
    c: Array,
    exact: Array,
    parts: list[Summand],
    names: tuple[str, ...],
    rivals: tuple[tuple[str, float], ...],
    about: dict[str, Any],
    known: Evidence,
) -> AlgebraName:
    """The proposal with its two distances, which decide whether it is a name."""
    k, size = len(c), float(np.linalg.norm(c))
    name, aliases = joined(names)
    if len(parts) == 1:
        aliases = (*parts[0].aliases, *aliases)
    distance, room = float(np.linalg.norm(exact - c)) / size, room_around(exact) / size
    tiny = 1e-6 * float(np.linalg.norm(exact))
    about |= {"distance": distance, "room": room}
    about |= {"killing": killing_signature(exact, tiny), "centre": centre_dimension(exact, tiny)}
    about["derived"], about["lower_central"] = series(exact, tiny)
    apart = min((far for rival, far in rivals if rival not in names), default=1.0)
    near = WIDE if all(part.rigid for part in parts) else NEAR
    status = "ok"
    if distance > WIDE * known.noise + ROUNDED:
        status = "unnamed"
    elif (
        distance > near * known.noise + ROUNDED
        or room < CLEAR * known.noise / math.sqrt(k)
        or apart < max(RIVAL * distance, WIDE * known.noise)
    ):
        status = "ambiguous"
    notes = (TORUS,) if any(n.startswith("abelian") for n in names) else ()
    return AlgebraName(
        name if status == "ok" else status, status, k, aliases if status == "ok" else (), summands=names,
        candidates=_sorted(((name, distance), *rivals, ("another rank or signature", room))), notes=notes,
        parameters=tuple(p for part in parts for p in part.parameters), **about,
    )  # fmt: skip


def _abelian(k: int, known: Evidence) -> AlgebraName:
    name, aliases = joined((f"abelian({k})",))
    return AlgebraName(
        name, "ok", k, aliases, (k, 0), (k, 0), (0, 0, k), k, closure=known.closure, noise=known.noise,
        distance=0.0, summands=(name,), candidates=((name, 0.0),), notes=(TORUS,),
    )  # fmt: skip


def _unit_brackets(k: int, d: int) -> float:
    """√Σ_ij E‖[E_i, A_j] + [A_i, E_j]‖² for independent unit matrices E: what noise of size one makes of brackets."""
    return 2.0 * math.sqrt(k * max(k - 1, 1) / d)


def _noise_off_span(k: int, d: int) -> float:
    """What of the brackets of unit noise lies off the span, the share 1 − k/d² of its square."""
    return _unit_brackets(k, d) * math.sqrt(1.0 - k / d**2)


def _random_closure(k: int, d: int, seed: int) -> float:
    """The angle [rad] by which the best of many random spans misses to be closed; infinite where none comes near."""
    if d * d - k > LARGE or k in (1, d * d):
        return math.inf
    rng = np.random.default_rng([seed, 47])
    n = min(N_RANDOM, SMALL // (k * d) ** 2 + 1)
    spans = np.swapaxes(np.linalg.qr(rng.normal(size=(n, d * d, k)))[0], 1, 2)
    products = np.einsum("niab,njbc->nijac", *[spans.reshape(n, k, d, d)] * 2, optimize=True)
    found = (products - np.swapaxes(products, 1, 2)).reshape(n, k * k, d * d)
    off = found - found @ np.swapaxes(spans, 1, 2) @ spans
    return float(np.linalg.norm(off, axis=(1, 2)).min()) / _noise_off_span(k, d)


def _without(status: str, k: int, known: Evidence, note: str) -> AlgebraName:
    return AlgebraName(status, status, k, closure=known.closure, noise=known.noise, notes=(note,))


def _sorted(candidates: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(candidates, key=lambda pair: pair[1]))


def _check_noise(noise: float | None) -> None:
    if noise is not None and not (math.isfinite(noise) and 0.0 <= noise < 1.0):
        raise ParameterError("noise", "an angle in [0, 1) rad, or None to estimate it", noise)
