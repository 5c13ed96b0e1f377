"""Equivariant polynomials fitted in closed form: tiny, exact on polynomial laws, readable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.emulators.equivariant_basis import basis_tensors, tensors_of
from geodis.emulators.forms import Euclidean, Isometries, Symmetry, isometries
from geodis.emulators.forward_selection import ForwardSelection, fewest, selection_errors
from geodis.emulators.invariant_variables import KINDS, InvariantVariables
from geodis.emulators.orthonormal_polynomials import OrthonormalPolynomials
from geodis.emulators.polynomial_law import PolynomialLaw, products_of, read_inputs
from geodis.emulators.ridge_path import RIDGES, RidgePath, cross_validated
from geodis.emulators.symmetric_terms import SymmetricTerms, exchanges, symmetric_terms
from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.threads import one_blas_thread

MAX_ENTRIES = 2**27  # of the features' matrix: one gigabyte


@final
class PolynomialFit(BaseEstimator):
    """The best equivariant polynomial T(v_1, …, v_n; numbers) up to a degree, by (ridge) least squares.

    T = Σ_b f_b(invariants) T_b with the basis tensors T_b of `equivariant_basis` and polynomials f_b in the
    fundamental invariants and in the given numbers: all equivariant polynomials are of this form, and every fit is
    equivariant to rounding. f_b is expanded in polynomials that are orthonormal for each invariant's own distribution,
    so that degree 8 and more stay well conditioned. Interchangeable points cost no data: their products are joined
    into sums that no exchange changes.

    Parameters
    ----------
    symmetry : group or form
        `O(d)`, `SO(d)`, `SO2()`, `SO3()`, `Lorentz()`, or a form, which stands for all that keep it.
    order : int
        Of the tensor that comes out: 0 a number, 1 a vector, 2 a d × d matrix (upper indices).
    degree : int or sequence of int
        Largest total degree in the components of the vectors and the numbers: ⟨v_i, v_j⟩ counts 2, v_i as a basis
        vector 1. Of several degrees cross-validation takes the best.
    interchangeable : sequence of sequences, optional
        Groups of points whose exchange changes nothing: [[0, 1, 2]], or [[(0, 3), (1, 4)]] for points that hold two
        vectors each. Numbers of a point move with it.
    variables : str
        What f_b is a polynomial in: ``"products"``, the fundamental invariants; ``"lengths"``, |v_i| and cosines of
        angles in place of inner products, for laws that are smooth in distances (O(d) and SO(d) only);
        ``"logarithms"``, arsinh(x/s) of each fundamental invariant x with s a hundredth of its size, for laws with
        powers and poles, such as 1/x², over several decades. The latter two are of degree 1 each.
    sparse : bool
        Whether to keep few products: monomials are taken one by one, each the best beside those before, and
        cross-validation says how many (the fewest within a standard error of the best, at most 40). It needs fewer
        samples, averages more noise away and reads better, where the law has few terms; the ridge then plays no role.
    ridge : float or "auto"
        Penalty, relative to the largest squared singular value of the features; "auto" takes the best of 0 and 10^−16
        … 10 in cross-validation.
    n_folds : int
        Folds of the samples.
    random_state : int
        Seed of the folds.
    verbose : bool
        Whether to show a progress bar over the degrees.

    Attributes
    ----------
    law_ : PolynomialLaw
        The fitted law: called, printed, plotted, saved.
    degree_, ridge_ : int, float
        What was chosen.
    residual_ : float
        Mean squared error of left-out samples over the variance of the targets, at the chosen degree and ridge.
    residual_error_ : float
        Its standard error over samples.
    n_features_, n_terms_ : int
        Features of the law, and how many of them it uses: those that the samples determine, or the selected ones.

    Raises
    ------
    ParameterError, ShapeError, LengthError, FiniteError, DesignError
        In `fit`, for options out of range, shapes that do not fit, NaN, fewer samples than folds, too many features.

    Notes
    -----
    For Lorentz and symplectic vectors the *error* that is minimised is that of the components, which depends on the
    frame; the law does not. Outside the range of the fitted data a polynomial says little.

    References
    ----------
    Villar, Hogg, Storey-Fisher, Yao, Blum-Smith, "Scalars are universal", NeurIPS 2021, arXiv:2106.06610. Gregory,
    Tonelli-Cueto, Marshall, Lee, Villar, "Tensor learning with orthogonal, Lorentz, and symplectic symmetries", 2024,
    arXiv:2406.01552.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> v = np.random.default_rng(0).normal(size=(60, 2, 3))
    >>> torque = 2.0 * np.cross(v[:, 0], v[:, 1])
    >>> fit = PolynomialFit(SO3(), order=1, degree=3).fit(v, torque)
    >>> bool(fit.residual_ < 1e-20), [(round(term.coefficient, 9), term.name) for term in fit.law_.terms[:1]]
    (True, [(2.0, 'ε^a(v0,v1)')])
    """

    def __init__(
        self,
        symmetry: Symmetry,
        *,
        order: int = 0,
        degree: int | Sequence[int] = 4,
        interchangeable: Sequence[Sequence[Any]] | None = None,
        variables: str = "products",
        sparse: bool = False,
        ridge: float | str = "auto",
        n_folds: int = 5,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.symmetry = symmetry
        self.order = order
        self.degree = degree
        self.interchangeable = interchangeable
        self.variables = variables
        self.sparse = sparse
        self.ridge = ridge
        self.n_folds = n_folds
        self.random_state = random_state
        self.verbose = verbose

    @one_blas_thread
    def fit(self, vectors: Any, targets: Any, *, scalars: Any = None, point_scalars: Any = None) -> Self:
        """Fit vectors `(N, n, d)` to targets `(N, d, …, d)`, with numbers `(N, s)` and `(N, n, a)` of the points."""
        kept, degrees, ridges = self._options()
        data = _data(self, kept, vectors, targets, scalars, point_scalars)
        rng = np.random.default_rng(self.random_state)
        folds = rng.permutation(np.arange(len(data.targets)) % self.n_folds)
        y = data.targets.reshape(len(folds), -1)
        variance = float(((y - y.mean(axis=0)) ** 2).sum(axis=1).mean())
        bar = tqdm(degrees, desc="degrees", disable=not self.verbose)
        found = [_solution(self, _candidate(self, data, degree), y, folds, ridges) for degree in bar]
        best = min(found, key=lambda one: float(one.errors.mean()))
        error, spread = float(best.errors.mean()), float(best.errors.std(ddof=1)) / len(folds) ** 0.5
        self.ridge_, self.degree_ = best.ridge, best.candidate.degree
        self.residual_, self.residual_error_ = (x / variance if variance > 0 else x for x in (error, spread))
        self.n_features_, self.n_terms_ = best.candidate.terms.n_features, best.n_terms
        self.law_ = _law(self, data, best, self.residual_)
        return self

    def predict(self, vectors: Any, *, scalars: Any = None, point_scalars: Any = None) -> Array:
        """The law's values `(N, d, …, d)` as a numpy array."""
        check_is_fitted(self)
        return to_numpy(self.law_(vectors, scalars=scalars, point_scalars=point_scalars))

    def score(self, vectors: Any, targets: Any, *, scalars: Any = None, point_scalars: Any = None) -> float:
        """R²: 1 − mean squared error / variance of the targets."""
        predicted = self.predict(vectors, scalars=scalars, point_scalars=point_scalars)
        y = to_numpy(targets).reshape(predicted.shape)
        return float(1.0 - ((predicted - y) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum())

    def _options(self) -> tuple[Isometries, list[int], tuple[float, ...]]:
        kept = isometries(self.symmetry)
        if not isinstance(self.sparse, (bool, np.bool_)):
            raise ParameterError("sparse", "True or False", repr(self.sparse))
        if self.variables not in KINDS:
            raise ParameterError("variables", f"one of {', '.join(KINDS)}", repr(self.variables))
        if self.variables == "lengths" and not isinstance(kept.form, Euclidean):
            raise ParameterError("variables", "products or logarithms for a form without lengths", self.variables)
        count(self.n_folds, "n_folds", 2)
        given = list(self.degree) if isinstance(self.degree, (list, tuple, range)) else [self.degree]
        degrees = [count(one, "degree", 0) for one in given]
        if not degrees:
            raise ParameterError("degree", "at least one degree", self.degree)
        if self.ridge == "auto":
            return kept, degrees, RIDGES
        known = isinstance(self.ridge, (int, float, np.number)) and not isinstance(self.ridge, bool)
        if not known or not np.isfinite(float(self.ridge)) or float(self.ridge) < 0:
            raise ParameterError("ridge", '"auto" or a finite number ≥ 0', repr(self.ridge))
        return kept, degrees, (float(self.ridge),)


class _Data(NamedTuple):
    """What a fit reads: the variables, their values `(N, V)` and sizes, tensors `(N, E, c)`, targets, exchanges."""

    variables: InvariantVariables
    values: Array
    sizes: tuple[float, ...]
    tensors: Array
    targets: Array
    generators: tuple[tuple[int, ...], ...]


class _Candidate(NamedTuple):
    """A degree: its features `(N, c, F)` of root mean square 1, and the factors that made them so."""

    degree: int
    terms: SymmetricTerms
    polynomials: tuple[OrthonormalPolynomials, ...]
    features: Array
    scales: Array


class _Solution(NamedTuple):
    """A candidate without its features, their weights, and the squared errors of left-out samples `(N,)`."""

    candidate: _Candidate
    weights: Array
    ridge: float
    n_terms: int
    errors: Array


def _solution(
    fit: PolynomialFit, candidate: _Candidate, y: Array, folds: Array, ridges: tuple[float, ...]
) -> _Solution:
    features = candidate.features
    rows, candidate = features.reshape(-1, features.shape[-1]), candidate._replace(features=features[:0])
    if fit.sparse:
        errors = selection_errors(features, y, folds)
        n_terms = fewest(errors)
        weights = ForwardSelection.of(rows, y.ravel(), n_terms).weights(n_terms) if n_terms else np.zeros(rows.shape[1])
        return _Solution(candidate, weights, 0.0, n_terms, errors[n_terms])
    checked = cross_validated(features, y, folds, ridges)
    path, ridge = RidgePath.of(rows, y.ravel()), checked.ridges[checked.best]
    return _Solution(candidate, path.weights(ridge), ridge, path.rank, checked.errors[checked.best])


def _data(fit: PolynomialFit, kept: Isometries, vectors: Any, targets: Any, scalars: Any, point_scalars: Any) -> _Data:
    shape = tuple(np.shape(vectors))
    if len(shape) != 3 or not shape[0] or not shape[1]:
        raise ShapeError("vectors", f"(N, n, {kept.form.dim}), N and n ≥ 1", shape)
    variables = InvariantVariables(kept, shape[1], _last(point_scalars, 3), _last(scalars, 2), fit.variables)
    basis = basis_tensors(shape[1], kept, fit.order)
    x, s, a = (t.detach().to("cpu", torch.float64) for t in read_inputs(variables, vectors, scalars, point_scalars))
    y = to_numpy(targets).astype(np.float64)
    if len(y) != len(x):
        raise LengthError(vectors=len(x), targets=len(y))
    expected = (len(x), *(kept.form.dim,) * fit.order)
    if y.shape != expected:
        raise ShapeError("targets", f"{expected}, a tensor of order {fit.order} a sample", y.shape)
    check_finite(y, "targets")
    if len(x) < fit.n_folds:
        raise DesignError(f"PolynomialFit: expected at least {fit.n_folds} samples, one a fold, got {len(x)}.")
    tensors = tensors_of(x, kept, basis).reshape(len(x), len(basis), -1)
    generators = exchanges(fit.interchangeable or (), shape[1])
    values = variables.evaluated(x, s, a)
    if variables.kind == "logarithms":
        variables = variables.logarithmic(values, generators)
        values = variables.evaluated(x, s, a)
    return _Data(variables, values.numpy(), variables.sizes(x, values), tensors.numpy(), y, generators)


def _last(numbers: Any, ndim: int) -> int:
    """How many numbers come; one where the last axis is left out."""
    if numbers is None:
        return 0
    shape = tuple(np.shape(numbers))
    return shape[-1] if len(shape) >= ndim else 1


def _candidate(fit: PolynomialFit, data: _Data, degree: int) -> _Candidate:
    polynomials = _polynomials(data, degree)
    if fit.sparse:
        polynomials = tuple(p.as_powers() for p in polynomials)
    basis = basis_tensors(data.variables.n, data.variables.kept, fit.order)
    terms = symmetric_terms(data.variables, basis, degree, [p.degree for p in polynomials], data.generators)
    n, c = len(data.targets), data.tensors.shape[-1]
    if not terms.n_features:
        raise ParameterError("degree", f"a degree with equivariant tensors of order {fit.order}", degree)
    if n * c * terms.n_features > MAX_ENTRIES:
        raise DesignError(
            f"PolynomialFit: {n} samples × {c} components × {terms.n_features} features are more than {MAX_ENTRIES} "
            "numbers. Lower the degree, or fit fewer samples."
        )
    products = products_of(polynomials, terms.exponents, torch.from_numpy(data.values)).numpy()
    features = np.zeros((n, c, terms.n_features))
    for b, join in enumerate(terms.joins):
        used = np.flatnonzero(np.diff(join.tocsc().indptr))
        if len(used):
            joined = np.ascontiguousarray((join[:, used].T @ products.T).T)
            features[:, :, used] += data.tensors[:, b, :, None] * joined[:, None, :]
    size = np.sqrt((features**2).mean(axis=(0, 1)))
    scales = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    return _Candidate(degree, terms, polynomials, features * scales, scales)


def _polynomials(data: _Data, degree: int) -> tuple[OrthonormalPolynomials, ...]:
    """Of each variable; variables that exchanges move onto each other share theirs."""
    variables = data.variables.variables
    owner = data.variables.owners(data.generators)
    of_owner = {}
    for k in set(owner):
        shared = [j for j in range(len(variables)) if owner[j] == k]
        even = bool(data.generators) and variables[k].skew
        highest, size = degree // variables[k].weight, max(data.sizes[j] for j in shared)
        of_owner[k] = OrthonormalPolynomials.of(data.values[:, shared], highest, size=size, even=even)
    return tuple(of_owner[k] for k in owner)


def _law(fit: PolynomialFit, data: _Data, best: _Solution, residual: float) -> PolynomialLaw:
    chosen = best.candidate
    weights = best.weights * chosen.scales
    coefficients = np.stack([join @ weights for join in chosen.terms.joins], axis=1)
    marks = np.arange(1, len(weights) + 1)
    alike = np.stack([np.asarray(abs(join) @ marks) for join in chosen.terms.joins], axis=1).astype(int) - 1
    sizes = np.concatenate([
        np.sqrt((data.values**2).mean(axis=0)), np.sqrt((data.tensors**2).sum(axis=2).mean(axis=0))
    ])  # fmt: skip
    return PolynomialLaw(
        data.variables, int(fit.order), chosen.degree, chosen.terms.exponents, coefficients, alike,
        chosen.polynomials, sizes, best.ridge, residual,
    )  # fmt: skip
