"""The Lie algebras that have a name, each from explicit matrices.

Names are those of the fields that meet them: sp(n) are the real symplectic n×n matrices, sl(n) the real traceless ones,
iso(p,q) = so(p,q) ⋉ R^{p+q}, heisenberg(2n+1) has n pairs [x_i, y_i] = z. Isomorphic names stand beside the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import final

import numpy as np

from geodis.errors import UnknownNameError
from geodis.groups.algebra import AlgebraInvariants, algebra_invariants, killing_form, span_basis, structure_constants
from geodis.linalg import Array

ZERO = 1e-7  # eigenvalues of ad below this share of the largest: the Cartan subalgebra
LONG = 1.5  # squared lengths of roots are 1, or 1 and 2 (or 3)


@final
@dataclass(frozen=True, eq=False)
class KnownAlgebra:
    """A Lie algebra with its names.

    Attributes
    ----------
    name : str
        What it is called here.
    aliases : tuple of str
        Isomorphic algebras of other names.
    generators : array (k, d, d)
        A faithful representation.
    """

    name: str
    aliases: tuple[str, ...]
    generators: Array

    def __repr__(self) -> str:
        return f"KnownAlgebra({', '.join((self.name, *self.aliases))}; dimension {self.dim})"

    @property
    def dim(self) -> int:
        """K."""
        return len(self.generators)

    @cached_property
    def constants(self) -> Array:
        """Structure constants (k, k, k) in an orthonormal basis of the generators' span."""
        return structure_constants(span_basis(self.generators, self.name))

    @cached_property
    def invariants(self) -> AlgebraInvariants:
        """Dimensions and Killing signature."""
        return algebra_invariants(self.generators)

    @property
    def semisimple(self) -> bool:
        """Whether the Killing form is regular."""
        return self.invariants.killing[2] == 0


def abelian(n: int) -> Array:
    """Diagonal matrices of size n."""
    return np.stack([np.diag(row) for row in np.eye(n)])


def special_orthogonal(p: int, q: int = 0) -> Array:
    """so(p, q): Aη + ηAᵀ = 0 with η = diag(1, …, −1, …)."""
    n, eta = p + q, np.diag([1.0] * p + [-1.0] * q)
    return np.stack([(_unit(n, b, a) - _unit(n, a, b)) @ eta for b in range(n) for a in range(b)])


def special_linear(n: int) -> Array:
    """sl(n): traceless real matrices."""
    off = [_unit(n, a, b) for a in range(n) for b in range(n) if a != b]
    return np.stack(off + [_unit(n, a, a) - _unit(n, a + 1, a + 1) for a in range(n - 1)])


def symplectic(n: int) -> Array:
    """sp(n), n even: JS with S symmetric."""
    half = n // 2
    form = np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(half))
    return np.stack([form @ (_unit(n, a, b) + _unit(n, b, a)) for a in range(n) for b in range(a + 1)])


def special_unitary(p: int, q: int = 0) -> Array:
    """su(p, q), real 2n×2n matrices in the place of complex n×n ones."""
    n, eta = p + q, np.diag([1.0] * p + [-1.0] * q)
    skew = [_real((_unit(n, a, b) - _unit(n, b, a)) @ eta) for a in range(n) for b in range(a)]
    symmetric = [_real(1j * (_unit(n, a, b) + _unit(n, b, a)) @ eta) for a in range(n) for b in range(a)]
    diagonal = [_real(1j * (_unit(n, a, a) - _unit(n, a + 1, a + 1))) for a in range(n - 1)]
    return np.stack(skew + symmetric + diagonal)


def complexified(generators: Array) -> Array:
    """The complex span of real matrices, as a real algebra of twice the dimension."""
    return np.stack([_real(factor * A) for A in generators for factor in (1.0, 1j)])


def affine(linear: Array) -> Array:
    """`linear` ⋉ R^d: matrices that act on R^d, and the translations."""
    k, d, _ = linear.shape
    out = np.zeros((k + d, d + 1, d + 1))
    out[:k, :d, :d] = linear
    out[k + np.arange(d), np.arange(d), d] = 1.0
    return out


def with_scaling(linear: Array) -> Array:
    """Matrices and the identity."""
    return np.concatenate([linear, np.eye(linear.shape[1])[None]])


def heisenberg(pairs: int, *rotations: Array) -> Array:
    """[x_i, y_i] = z, with symplectic matrices (2·pairs, 2·pairs) that turn the x and y."""
    n, form = 2 * pairs, np.kron(np.array([[0.0, 1.0], [-1.0, 0.0]]), np.eye(pairs))
    out = []
    for v in np.eye(n):
        A = np.zeros((n + 2, n + 2))
        A[0, 1:-1], A[1:-1, -1] = v @ form / 2, v
        out.append(A)
    out.append(_unit(n + 2, 0, n + 1))
    for turn in rotations:
        A = np.zeros((n + 2, n + 2))
        A[1:-1, 1:-1] = turn
        out.append(A)
    return np.stack(out)


def semidirect(action: Array) -> Array:
    """R ⋉ R^n: one generator J with [J, P_i] = Σ_j action_ji P_j."""
    return affine(np.asarray(action, dtype=np.float64)[None])


def direct_sum(*parts: Array) -> Array:
    """The direct sum, block by block."""
    d = sum(part.shape[1] for part in parts)
    out, at = [], 0
    for part in parts:
        blocks = np.zeros((len(part), d, d))
        blocks[:, at : at + part.shape[1], at : at + part.shape[1]] = part
        out.append(blocks)
        at += part.shape[1]
    return np.concatenate(out)


_TURN, _BOOST = np.array([[0.0, -1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
_SIMPLE: tuple[tuple[str, tuple[str, ...], Callable[[], Array]], ...] = (
    ("so(3)", ("su(2)", "usp(2)"), lambda: special_orthogonal(3)),
    ("sl(2)", ("so(1,2)", "sp(2)", "su(1,1)"), lambda: special_linear(2)),
    ("so(1,3)", ("sl(2,C)",), lambda: special_orthogonal(1, 3)),
    ("su(3)", (), lambda: special_unitary(3)),
    ("sl(3)", (), lambda: special_linear(3)),
    ("su(1,2)", (), lambda: special_unitary(1, 2)),
    ("so(5)", ("usp(4)",), lambda: special_orthogonal(5)),
    ("so(1,4)", ("usp(2,2)",), lambda: special_orthogonal(1, 4)),
    ("sp(4)", ("so(2,3)",), lambda: symplectic(4)),
    ("so(6)", ("su(4)",), lambda: special_orthogonal(6)),
    ("so(1,5)", ("su*(4)",), lambda: special_orthogonal(1, 5)),
    ("so(2,4)", ("su(2,2)",), lambda: special_orthogonal(2, 4)),
    ("su(1,3)", ("so*(6)",), lambda: special_unitary(1, 3)),
    ("sl(4)", ("so(3,3)",), lambda: special_linear(4)),
    ("sl(3,C)", (), lambda: complexified(special_linear(3))),
    ("so(7)", (), lambda: special_orthogonal(7)),
    ("so(1,6)", (), lambda: special_orthogonal(1, 6)),
    ("so(2,5)", (), lambda: special_orthogonal(2, 5)),
    ("so(3,4)", (), lambda: special_orthogonal(3, 4)),
    ("sp(6)", (), lambda: symplectic(6)),
)  # fmt: skip
_OTHERS: tuple[tuple[str, tuple[str, ...], Callable[[], Array]], ...] = (
    ("aff(1)", (), lambda: semidirect(np.eye(1))),
    ("se(2)", ("iso(2)", "so(2) ⋉ R^2"), lambda: affine(special_orthogonal(2))),
    ("e(1,1)", ("iso(1,1)", "so(1,1) ⋉ R^2"), lambda: affine(special_orthogonal(1, 1))),
    ("heisenberg(3)", ("galilei(1)",), lambda: heisenberg(1)),
    ("heisenberg(5)", (), lambda: heisenberg(2)),
    ("heisenberg(7)", (), lambda: heisenberg(3)),
    ("sim(2)", ("aff(1,C)",), lambda: affine(with_scaling(special_orthogonal(2)))),
    ("oscillator(4)", ("so(2) ⋉ heisenberg(3)",), lambda: heisenberg(1, _TURN)),
    ("boosted heisenberg(4)", ("so(1,1) ⋉ heisenberg(3)",), lambda: heisenberg(1, _BOOST)),
    ("sl(2) ⋉ R^2", ("saff(2)",), lambda: affine(special_linear(2))),
    ("se(3)", ("iso(3)", "so(3) ⋉ R^3"), lambda: affine(special_orthogonal(3))),
    ("iso(1,2)", ("so(1,2) ⋉ R^3",), lambda: affine(special_orthogonal(1, 2))),
    ("aff(2)", ("gl(2) ⋉ R^2",), lambda: affine(with_scaling(special_linear(2)))),
    ("sl(2) ⋉ heisenberg(3)", ("schrodinger(1)",), lambda: heisenberg(1, *special_linear(2))),
    ("sim(3)", (), lambda: affine(with_scaling(special_orthogonal(3)))),
    ("iso(1,3)", ("poincare(1,3)", "so(1,3) ⋉ R^4"), lambda: affine(special_orthogonal(1, 3))),
)  # fmt: skip


@cache
def simple_algebras(dim: int) -> tuple[KnownAlgebra, ...]:
    """The simple ones of a dimension that have a name here, up to 21."""
    return tuple(a for a in _built() if a.dim == dim and a.semisimple)


@cache
def other_algebras(dim: int) -> tuple[KnownAlgebra, ...]:
    """The indecomposable ones of a dimension that are not simple; those of `three_dimensional` are not among them."""
    return tuple(a for a in _built() if a.dim == dim and not a.semisimple)


def known_algebra(name: str) -> KnownAlgebra:
    """The algebra of a name or alias.

    Raises
    ------
    UnknownNameError
        For a name that is not in the catalogue.

    Examples
    --------
    >>> known_algebra("so(2,3)")
    KnownAlgebra(sp(4), so(2,3); dimension 10)
    """
    for algebra in _built():
        if name in (algebra.name, *algebra.aliases):
            return algebra
    raise UnknownNameError("algebra", name, ", ".join(algebra.name for algebra in _built()))


def simple_algebra(c: Array) -> KnownAlgebra | None:
    """The catalogue's algebra that exact structure constants of a simple algebra belong to, or None.

    Dimension, rank and the lengths of the roots tell the complex type, the signature of the Killing form which of its
    real forms it is, for all simple algebras up to dimension 21.

    Examples
    --------
    >>> simple_algebra(known_algebra("so(1,3)").constants).aliases
    ('sl(2,C)',)
    """
    found = [known for known in simple_algebras(len(c)) if simple_type(known.constants) == simple_type(c)]
    return found[0] if found else None


def simple_type(c: Array) -> tuple[int, int, int, int]:
    """Positive and negative eigenvalues of the Killing form, rank, and number of long roots, of a simple algebra."""
    killing = np.linalg.eigvalsh(killing_form(c))
    lengths = root_lengths(c)
    positive = int((killing > 0).sum())
    return positive, len(c) - positive, len(c) - len(lengths), int((lengths > LONG * lengths.min()).sum())


def root_lengths(c: Array) -> Array:
    """Squared lengths of the roots in the Killing form, ascending, from the eigenvectors of one generic ad_x."""
    x = np.random.default_rng(7).normal(size=len(c))
    killing = killing_form(c)
    values, vectors = np.linalg.eig(np.einsum("i,ijm->mj", x, c))
    lengths = []
    for i in np.flatnonzero(np.abs(values) > ZERO * np.abs(values).max()):
        e, f = vectors[:, i], vectors[:, int(np.argmin(np.abs(values + values[i])))]
        coroot = np.einsum("i,j,ijm->m", e, f, c) / (e @ killing @ f)  # dual to the root, whatever the scale of e and f
        lengths.append(float((coroot @ killing @ coroot).real))
    return np.sort(np.array(lengths))


def joined(summands: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The name of a direct sum and its other names.

    Examples
    --------
    >>> joined(("so(3)", "so(3)"))
    ('so(4)', ('so(3) + so(3)',))
    >>> joined(("sl(3)", "abelian(1)"))
    ('sl(3) + abelian(1)', ('gl(3)',))
    """
    name = " + ".join(summands)
    if summands in _WHOLE:
        return _WHOLE[summands], (name,)
    if len(summands) == 1 and name.startswith("abelian"):
        n = name[8:-1]
        return name, (f"so(2)^{n}", f"R^{n}")
    return name, _SUMS.get(summands, ())


def plane_flow(
    half: float, square: float, error: float, size: float
) -> tuple[str, tuple[str, ...], tuple[tuple[str, float, float], ...]]:
    """The name of R ⋉ R² for eigenvalues half ± √−square, or "" where the noise leaves it open."""
    if abs(square) <= 2 * error * size:
        return "", (), ()
    root = math.sqrt(abs(square))
    if abs(half) <= error:
        return ("se(2)", ("iso(2)", "so(2) ⋉ R^2"), ()) if square > 0 else ("e(1,1)", ("iso(1,1)", "so(1,1) ⋉ R^2"), ())
    if square > 0:
        a = abs(half) / root
        return f"spiral(a={a:.3g})", (), (("a", a, error / root),)
    small, large = sorted((half - root, half + root), key=abs)
    b = small / large
    return f"R ⋉ diag(1, {b:.3g})", (), (("b", b, error / abs(large)),)


_WHOLE = {("so(3)", "so(3)"): "so(4)", ("sl(2)", "sl(2)"): "so(2,2)"}
_SUMS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("sl(2)", "so(3)"): ("so*(4)",),
    ("so(3)", "abelian(1)"): ("u(2)",),
    ("su(3)", "abelian(1)"): ("u(3)",),
    ("so(6)", "abelian(1)"): ("u(4)",),
    ("sl(2)", "abelian(1)"): ("gl(2)", "u(1,1)"),
    ("sl(3)", "abelian(1)"): ("gl(3)",),
    ("sl(4)", "abelian(1)"): ("gl(4)",),
    ("so(1,3)", "abelian(2)"): ("gl(2,C)",),
    ("aff(1)", "abelian(1)"): ("upper triangular 2×2",),
}


@lru_cache(maxsize=1)
def _built() -> tuple[KnownAlgebra, ...]:
    return tuple(KnownAlgebra(name, aliases, make()) for name, aliases, make in (*_SIMPLE, *_OTHERS))


def _unit(n: int, row: int, column: int) -> Array:
    out = np.zeros((n, n))
    out[row, column] = 1.0
    return out


def _real(matrix: Array) -> Array:
    """The real matrix (2n, 2n) that acts as a complex one."""
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])
