"""The generalised symmetric eigenproblem S w = λ T w of one irrep: copies in order of their energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from geodis.coordinates.forms import HaarForms, Whitening
from geodis.coordinates.fourier import half_dim
from geodis.errors import ParameterError
from geodis.linalg import Array

DENSE = 400  # up to this width a dense eigensolver is as fast as Lanczos


@dataclass(frozen=True)
class Copies:
    """Solutions of one irrep, best first.

    Attributes
    ----------
    solution : ndarray (r, h, q+1)
        W̃ = [W, −Wμ] with W T-orthonormal across copies up to the ridge; complex for complex type.
    energies : ndarray (r,)
        The energies in sample: optimistic, for comparison with the cross-fitted ones.
    """

    solution: Array
    energies: Array


def solve(forms: HaarForms, folds: Array, white: Whitening, ridge: float, n_copies: int) -> Copies:
    """The `n_copies` best copies on these folds: maximize wᴴSw/wᴴ(T + ridge·tr(T)/q)w."""
    h = half_dim(forms.rep)
    root = white.matrix(ridge)
    rank = root.shape[1]
    q = len(white.mean)
    if rank < h:
        return Copies(np.zeros((0, h, q + 1)), np.zeros(0))
    vectors = _copies(forms.matrix(folds, white, root), forms, rank, min(n_copies, rank // max(1, h // 2)))
    w = np.einsum("ex,rax->rae", root, vectors.reshape(-1, h, rank))
    solution = with_offset(w, white.mean)
    loss, den = forms.evaluate(folds, solution)
    return Copies(solution, 1.0 - loss / np.maximum(den, np.finfo(float).tiny))


def with_offset(w: Array, mean: Array) -> Array:
    """[W, −Wμ]: (r, h, q) → (r, h, q+1), so that the code is centred on these items."""
    return np.concatenate([w, -(w @ mean)[..., None]], axis=-1)


def top_eigenvectors(s: Array, k: int) -> Array:
    """The k leading eigenvectors of a Hermitian matrix as rows (k, n), largest eigenvalue first."""
    n = len(s)
    k = min(k, n)
    if n <= DENSE or k > n // 8:
        _, vectors = scipy.linalg.eigh(s, subset_by_index=[n - k, n - 1], check_finite=False)
    else:
        try:
            values, vectors = eigsh(s, k=k, which="LA", v0=np.ones(n), tol=1e-9)
            vectors = vectors[:, np.argsort(values)]
        except ArpackNoConvergence:
            _, vectors = scipy.linalg.eigh(s, subset_by_index=[n - k, n - 1], check_finite=False)
    return vectors[:, ::-1].T


def _copies(s: Array, forms: HaarForms, rank: int, k: int) -> Array:
    """Whitened copies (k, h·rank). Real type and the complex form: one eigenvector a copy."""
    if forms.rep.type != "quaternionic":
        return top_eigenvectors(s, k)
    if forms.rep.commutant is None:
        raise ParameterError(
            f"representation {forms.rep.name!r}", "its commutant, as it is of quaternionic type", None,
            "Give `Representation(..., commutant=geodis.groups.characters.commutant(rep, group))`.",
        )  # fmt: skip
    return _deflated(s, forms.rep.commutant, rank, k)


def _deflated(s: Array, commutant: Array, rank: int, k: int) -> Array:
    """Copies when EW solves with W for every E of the commutant: remove all of {EW} after each copy."""
    h = commutant.shape[-1]
    basis = np.eye(len(s))
    found: list[Array] = []
    while len(found) < k and basis.shape[1] > 0:
        top = basis @ top_eigenvectors(basis.T @ s @ basis, 1)[0]
        found.append(top)
        images = np.einsum("sab,be->sae", commutant, top.reshape(h, rank)).reshape(len(commutant), -1)
        basis = basis @ scipy.linalg.null_space(images @ basis)
    return np.array(found)
