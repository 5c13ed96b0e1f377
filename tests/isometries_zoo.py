"""The zoo of forms and groups that invariant theory runs over, with elements, and degenerate sets of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

from geodis.emulators.forms import BilinearForm, Euclidean, Minkowski, Symplectic, isometries
from geodis.groups import SO, SO2, SO3, AbstractGroup, Lorentz, O

OBLIQUE = BilinearForm([[2.0, 0.5, 0.0], [0.5, 1.0, -0.25], [0.0, -0.25, -1.5]])
TWISTED = BilinearForm([[0.0, 1.0, 0.5, 0.0], [-1.0, 0.0, 0.25, 0.5], [-0.5, -0.25, 0.0, 1.0], [0.0, -0.5, -1.0, 0.0]])


@dataclass(frozen=True)
class Isometry:
    """A group or a form, and its name as an id."""

    symmetry: object
    name: str

    def __str__(self) -> str:
        return self.name


ZOO = [
    *(Isometry(O(d), f"O({d})") for d in (2, 3, 5)),
    *(Isometry(SO(d), f"SO({d})") for d in (2, 3, 4)),
    Isometry(SO2(), "SO2"),
    Isometry(SO3(), "SO3"),
    Isometry(Lorentz(), "Lorentz"),
    Isometry(Euclidean(3), "Euclidean(3)"),
    Isometry(Minkowski(4), "Minkowski(4)"),
    Isometry(Minkowski(2), "Minkowski(2)"),
    Isometry(Symplectic(2), "Symplectic(2)"),
    Isometry(Symplectic(4), "Symplectic(4)"),
    Isometry(OBLIQUE, "oblique"),
    Isometry(TWISTED, "twisted"),
]


def dim(case: Isometry) -> int:
    return isometries(case.symmetry).form.dim


def elements(case: Isometry, n: int = 6, seed: int = 0) -> np.ndarray:
    """Matrices of the group `(n, d, d)`, of rapidity ≤ 1: of all components of the group that the symmetry names."""
    if isinstance(case.symmetry, AbstractGroup):
        return np.asarray(case.symmetry.matrix(case.symmetry.sample(n, seed=seed)))
    form, rng = isometries(case.symmetry).form, np.random.default_rng(seed)
    noise = rng.normal(size=(n, form.dim, form.dim))
    generators = np.linalg.inv(form.matrix) @ (noise - np.swapaxes(noise, 1, 2) * (1 if form.symmetric else -1))
    generators *= rng.random((n, 1, 1)) / np.linalg.norm(generators, ord=2, axis=(1, 2), keepdims=True)
    out = np.array([expm(A) for A in generators])
    if isinstance(form, (Euclidean, Minkowski)):
        out[::2] = out[::2] * np.array([1.0] * (form.dim - 1) + [-1.0])
    return out


def clouds(n_points: int, d: int, seed: int = 0) -> np.ndarray:
    """Sets of vectors `(7, n, d)`: generic ones, coincident, collinear, coplanar, vanishing, light-like, repeated."""
    rng = np.random.default_rng(seed)
    generic = rng.normal(size=(7, n_points, d))
    out = generic.copy()
    out[1] = generic[1, :1]
    out[2] = np.arange(n_points)[:, None] * generic[2, :1]
    out[3] = generic[3, :, :2] @ generic[3, :2]
    out[4] = 0.0
    out[5, :, 0] = np.linalg.norm(out[5, :, 1:], axis=-1)
    out[6, 0] = out[6, -1]
    return out


def act(matrices: np.ndarray, v: np.ndarray) -> np.ndarray:
    """M v_i for every element: `(g, d, d)`, `(..., n, d)` → `(g, ..., n, d)`."""
    return np.einsum("gab,...nb->g...na", matrices, v)


def act_tensor(matrices: np.ndarray, t: np.ndarray, order: int) -> np.ndarray:
    """M ⊗ … ⊗ M on the last `order` axes: `(g, ..., d, …, d)`."""
    out = np.broadcast_to(t, (len(matrices), *t.shape))
    for axis in range(-order, 0):
        moved = np.moveaxis(out, axis, -1)
        flat = moved.reshape(len(matrices), -1, moved.shape[-1])
        flat = flat @ np.swapaxes(matrices, 1, 2)
        out = np.moveaxis(flat.reshape(moved.shape), -1, axis)
    return out
