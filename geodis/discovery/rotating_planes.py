"""RotatingPlanes: the frozen result of `SequenceModes`. Planes of an embedding in which sequences rotate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from geodis.discovery.frequency_lattice import FrequencyLattice
from geodis.discovery.frequency_peaks import peak_frequencies, standard_errors
from geodis.discovery.sequence_prediction import ForwardErrors
from geodis.discovery.sequence_rows import in_gaps, read_frames
from geodis.discovery.sequence_speeds import joint_speeds, speed_margins
from geodis.errors import ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.palette import FOUND, LINE, NULL, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False)
class RotatingPlanes:
    """Coordinates c = A(z − centre) in which sequence s advances by ω_{s,r} a step in plane r.

    Attributes
    ----------
    frame : ndarray (2R, D)
        A: two rows a plane, of unit variance in training, orthonormal if `isometric`.
    synthesis : ndarray (D, 2R)
        P with AP = 1: the right inverse weighted by the covariance within sequences; Aᵀ if `isometric`.
    centre : ndarray (D,)
        The point about which the planes turn.
    labels : ndarray (n,)
        Names of the fitted sequences.
    frequencies, frequency_errors : ndarray (n, R)
        Radians a step, in [−π/gap, π/gap): sequences seen every second step tell no more than ω mod π. A common sign of
        a column is a convention (chosen so that weights lead with a positive number). Standard errors; π/√3 stands for
        "unknown".
    noise, leak : ndarray (R,)
        E|noise|² of each plane's complex code in one frame; variance, in this unit, of still parts of sequences that
        leak into the plane.
    errors : ForwardErrors
        Cross-fitted: speeds from the first half of sequences that the frame has not seen.
    skills, p_values : tuple of float
        Cross-fitted 1 − model/identity of each plane, also of the first that was rejected, and the p-value of the order
        of frames in sequences that the plane has not seen.
    lattice : FrequencyLattice
        Integer weights of the planes and the torus they leave; in units of `gap` steps.
    gap : int
        The greatest common divisor of all step differences.
    isometric : bool
    status : str
        ``"ok"``; ``"partial"`` if a plane that was asked for has no skill; ``"degenerate"`` if nothing moves or no
        plane has skill; ``"insufficient"`` with too few sequences of three frames.
    notes : tuple of str
    """

    frame: Array
    synthesis: Array
    centre: Array
    labels: Array
    frequencies: Array
    frequency_errors: Array
    noise: Array
    leak: Array
    errors: ForwardErrors
    skills: tuple[float, ...]
    p_values: tuple[float, ...]
    lattice: FrequencyLattice
    gap: int
    isometric: bool
    status: str
    notes: tuple[str, ...]

    @property
    def n_planes(self) -> int:
        """R, the number of planes."""
        return len(self.frame) // 2

    @property
    def rank(self) -> int:
        """Dimension of the torus that all sequences together run on."""
        return self.lattice.rank

    @property
    def weights(self) -> Array:
        """Integer weights W (R, k): frequencies ≡ speeds · Wᵀ."""
        return self.lattice.weights

    def transform(self, Z: Any) -> Array:
        """Coordinates A(z − centre): (..., D) → (..., 2R).

        Raises
        ------
        ShapeError, FiniteError
            For embeddings of another dimension, NaN.
        """
        z = to_numpy(Z).astype(np.float64)
        if z.ndim < 1 or z.shape[-1] != len(self.centre):
            raise ShapeError("transform: Z", f"(..., {len(self.centre)})", z.shape)
        check_finite(z, "transform: Z")
        return np.asarray((z - self.centre) @ self.frame.T)

    def inverse_transform(self, C: Any) -> Array:
        """The embedding centre + Pc that coordinates (..., 2R) stand for."""
        c = to_numpy(C).astype(np.float64)
        if c.ndim < 1 or c.shape[-1] != len(self.frame):
            raise ShapeError("inverse_transform: C", f"(..., {len(self.frame)})", c.shape)
        return np.asarray(self.centre + c @ self.synthesis.T)

    def rotation(self, speed: Any, n_steps: float = 1.0) -> Array:
        """ρ: the rotation of the coordinates by `n_steps` · gap steps at speeds (..., k): (..., 2R, 2R)."""
        v = to_numpy(speed).astype(np.float64)
        k = self.weights.shape[1]
        if v.ndim < 1 or v.shape[-1] != k:
            raise ShapeError("rotation: speed", f"(..., {k})", v.shape, "One speed for each column of `weights`.")
        check_finite(v, "rotation: speed")
        return self._turned(n_steps * (v @ self.weights.T))

    def operator(self, speed: Any, n_steps: float = 1.0) -> Array:
        """The same as a linear map of z − centre, the identity on the complement: 1 + P(ρ − 1)A, (..., D, D)."""
        rho = self.rotation(speed, n_steps)
        return np.eye(len(self.centre)) + self.synthesis @ (rho - np.eye(len(self.frame))) @ self.frame

    def frequencies_of(self, Z: Any, sequence: Any = None, step: Any = None) -> tuple[Array, Array]:
        """Frequencies (n, R) of other sequences, each plane by itself, and their standard errors."""
        frames = read_frames(Z, sequence, step, len(self.centre))
        codes = self._complex(frames.z)
        found = peak_frequencies(codes, frames, self.leak)
        return found, standard_errors(found, codes, frames, self.noise)

    def speeds_of(self, Z: Any, sequence: Any = None, step: Any = None) -> Array:
        """Speeds (n, k) a step of other sequences, from all planes at once along the integer weights."""
        frames = read_frames(Z, sequence, step, len(self.centre))
        return joint_speeds(self._complex(frames.z), in_gaps(frames, self.gap), self.weights, self.noise, self.leak)

    def speed_margins(self, Z: Any, sequence: Any = None, step: Any = None) -> Array:
        """How sure `speeds_of` is (n,): the lead of the best speed on the next, twice a difference in log-likelihood.

        Below about 9 the sequence does not tell its speed (an item with a symmetry of its own). NaN unless k = 1.
        """
        frames = in_gaps(read_frames(Z, sequence, step, len(self.centre)), self.gap)
        return speed_margins(self._complex(frames.z), frames, self.weights, self.noise, self.leak)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Frequencies of all planes against the first speed, each with its standard error, and the lines W v."""
        import matplotlib.pyplot as plt

        ax = ax if ax is not None else plt.subplots(figsize=(5, 4))[1]
        if self.n_planes and self.weights.shape[1]:
            speed = self.lattice.speeds[:, 0]
            for r, marker in zip(range(self.n_planes), "os^Dv<>pPX" * self.n_planes, strict=False):
                colour = FOUND if np.count_nonzero(self.weights[r, 1:]) == 0 else NULL
                ax.errorbar(
                    speed, self.frequencies[:, r], self.frequency_errors[:, r], fmt=marker, ms=3, lw=0.6, color=colour,
                    label=f"plane {r}: weights {self.weights[r].tolist()}",
                )  # fmt: skip
                grid = np.linspace(-np.pi, np.pi, 721)
                line = np.mod(grid * self.weights[r, 0] + np.pi, 2 * np.pi) - np.pi
                if self.weights.shape[1] == 1:
                    ax.plot(
                        grid, np.where(np.abs(np.diff(line, prepend=line[0])) > 3, np.nan, line), color=LINE, lw=0.8
                    )
            ax.legend(fontsize=7, frameon=False, labelcolor=SOFT)
        ax.set_xlabel("first speed [rad a step]")
        ax.set_ylabel("frequency [rad a step]")
        ax.set_title(f"{self.n_planes} planes on {self.lattice}"[:70], fontsize=8)
        return ax

    def __str__(self) -> str:
        head = f"RotatingPlanes({self.n_planes} planes in R^{len(self.centre)}, {self.status})"
        return f"{head}: {self.lattice}; {self.errors}"

    __repr__ = __str__

    def _complex(self, z: Array) -> Array:
        c = (z - self.centre) @ self.frame.T
        return np.asarray(c[:, 0::2] + 1j * c[:, 1::2])

    def _turned(self, angles: Array) -> Array:
        """Block rotations by angles (..., R): (..., 2R, 2R)."""
        out = np.zeros((*angles.shape[:-1], len(self.frame), len(self.frame)))
        even = np.arange(0, len(self.frame), 2)
        out[..., even, even] = out[..., even + 1, even + 1] = np.cos(angles)
        out[..., even + 1, even] = np.sin(angles)
        out[..., even, even + 1] = -np.sin(angles)
        return out
