"""The Hamiltonian that was found: printed term by term, called, integrated, saved."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from geodis.emulators.extrapolation import solve
from geodis.emulators.hamiltonian_field import HamiltonianField
from geodis.emulators.hamiltonian_library import HamiltonianLibrary
from geodis.emulators.monomial import Monomial, stacked
from geodis.emulators.unit_scalars import UnitScalars
from geodis.emulators.weak_form import ascending
from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.files import read_safetensors, write_atomically
from geodis.linalg import Array, to_numpy
from geodis.palette import FOUND, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT = "geodis.learned_hamiltonian"
VERSION = 1


@final
@dataclass(frozen=True, eq=False, repr=False)
class LearnedHamiltonian:
    """H = Σ_k c_k φ_k with the errors of its coefficients, and whether it follows the data it was learned from.

    Attributes
    ----------
    library : HamiltonianLibrary
        What the terms were chosen from.
    terms : tuple of Monomial
        φ_k, units of energy.
    coefficients, standard_errors : ndarray (terms,)
        Pure numbers; errors with trajectories as the independent units.
    status : str
        ``"ok"``: solutions follow the data as closely as their noise lets anything do. ``"misspecified"``: they do not,
        so that terms are missing from the library. ``"insufficient"``: the data do not determine the coefficients, or
        are too few windows to tell.
    p_value : float
        Of "no window is followed worse than its noise explains"; below 1 − level the status is ``"misspecified"``.
    excess : float
        Median over windows of the deviation over the noise that is visible in the data without any model; 1 where
        noise explains all, smaller where there is none to be seen.
    residual : float
        Median root-mean-square deviation in a window, relative to the size of positions and momenta there.
    threshold : float
        Least share of the motion that a kept term explains, chosen by cross-validation.
    n_runs : int
        Trajectories that it was learned from.
    """

    library: HamiltonianLibrary
    terms: tuple[Monomial, ...]
    coefficients: Array
    standard_errors: Array
    status: str
    p_value: float
    excess: float
    residual: float
    threshold: float
    n_runs: int

    def __post_init__(self) -> None:
        lengths = {len(self.terms), len(self.coefficients), len(self.standard_errors)}
        if len(lengths) != 1:
            raise LengthError(
                terms=len(self.terms), coefficients=len(self.coefficients), standard_errors=len(self.standard_errors)
            )

    def __len__(self) -> int:
        return len(self.terms)

    def __call__(self, x: Mapping[str, Any]) -> Any:
        """The energy."""
        return self.energy(x)

    def energy(self, x: Mapping[str, Any]) -> Any:
        """H `(...)` of vectors `(..., d)` and numbers `(...)` by name, up to a constant; tensors keep gradients.

        Raises
        ------
        UnknownNameError, ParameterError, ShapeError, FiniteError
            For names that are missing or unknown, shapes that do not fit, NaN.
        """
        field, state = self._field_and_state(x)
        return field.energy(state)

    def flow(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """Time derivatives of positions and momenta by name: ∂H/∂p and −∂H/∂q, `(..., d)`."""
        field, state = self._field_and_state(x)
        moved = field(state)
        return {name: moved[..., i, :] for i, name in enumerate(self.library.names)}

    def rollout(
        self, x: Mapping[str, Any], times: Any, *, tolerance: float = 1e-9, strict: bool = True
    ) -> dict[str, Any]:
        """Positions and momenta at `times` from those at times[0]: `(n, d)` → `(n, T, d)` by name.

        Explicit, of order 12, the same steps for all n systems, every step's error checked (`extrapolation.solve`).

        Parameters
        ----------
        x : mapping of str to array or tensor
            Positions and momenta `(n, d)`, constant vectors `(n, d)` or `(d,)`, numbers `(n,)` or `()`.
        times : array (T,)
            Ascending.
        tolerance : float
            Error of a step in every system, relative to its positions and momenta at the start.
        strict : bool
            Whether a solution that leaves the numbers is an error; else it is NaN from there on, and says so.

        Raises
        ------
        UnknownNameError, ParameterError, ShapeError, FiniteError
            For names, shapes, NaN; or where a solution leaves the numbers.
        """
        at = ascending(times)
        field, state = self._field_and_state(x)
        if state.ndim != 3:
            shapes = {name: tuple(np.shape(x[name])) for name in self.library.names}
            raise ShapeError("rollout", "(n, d) for every position and momentum", shapes)
        if not tolerance > 0:
            raise ParameterError("tolerance", "a positive number", tolerance)
        path = stacked(solve_in_scale(field, state, at, tolerance), 1)
        bad = int((~np.isfinite(to_numpy(path))).any(axis=(1, 2, 3)).sum())
        if bad and strict:
            raise FiniteError("rollout", bad, "These solutions leave the numbers: a shorter time, or a better model.")
        return {name: path[:, :, i] for i, name in enumerate(self.library.names)}

    def text(self, digits: int = 5, errors: bool = True) -> str:
        """One term a line, the largest coefficients first, with their standard errors."""
        order = sorted(range(len(self)), key=lambda k: -abs(self.coefficients[k]))
        lines = []
        for k in order:
            sign = "−" if self.coefficients[k] < 0 else "+"
            error = f" ± {self.standard_errors[k]:.0e}" if errors else ""
            lines.append(f"  {sign} {abs(self.coefficients[k]):.{digits}f}{error}   {self.terms[k]!r}")
        return "\n".join(["H =", *lines])

    def __repr__(self) -> str:
        head = f"LearnedHamiltonian({len(self)} of {len(self.library)} terms, status={self.status!r}, "
        return f"{head}residual={self.residual:.1e}, excess={self.excess:.2g})\n{self.text()}"

    def plot(self, axes: Axes | None = None) -> Axes:
        """Coefficients of all terms with two standard errors; the axes come back."""
        from matplotlib.figure import Figure

        ax = Figure(figsize=(5, 0.35 * len(self) + 1.2)).subplots() if axes is None else axes
        place = np.arange(len(self))[::-1]
        ax.axvline(0.0, color=LINE, lw=0.8)
        ax.errorbar(self.coefficients, place, xerr=2 * self.standard_errors, fmt="o", color=FOUND, ms=4)
        ax.set_yticks(place, [repr(term) for term in self.terms])
        ax.set(xlabel="coefficient", title=f"status: {self.status}")
        return ax

    def save(self, path: str | Path) -> None:
        """Write the terms, their coefficients and the library's quantities to a safetensors file."""
        scalars = self.library.scalars
        meta = {
            "vectors": scalars.vectors, "scalars": scalars.scalars, "lengths": list(scalars.lengths),
            "denominators": list(scalars.system.denominators), "pairs": [list(pair) for pair in self.library.pairs],
            "energy": self.library.energy, "library": [term.exponents for term in self.library.terms],
            "status": self.status, "p_value": self.p_value, "excess": self.excess, "residual": self.residual,
            "threshold": self.threshold, "n_runs": self.n_runs,
        }  # fmt: skip
        arrays = {
            "exponents": np.array([term.exponents for term in self.terms], dtype=np.int64),
            "coefficients": np.ascontiguousarray(self.coefficients),
            "standard_errors": np.ascontiguousarray(self.standard_errors),
        }
        text = {"format": FORMAT, "version": str(VERSION), "hamiltonian": json.dumps(meta)}
        write_atomically(path, lambda temporary: save_file(arrays, temporary, metadata=text))

    @staticmethod
    def load(path: str | Path) -> LearnedHamiltonian:
        """Read what `save` wrote; `FileFormatError` for anything else."""
        meta, arrays = read_safetensors(path, FORMAT, VERSION)
        said = json.loads(meta["hamiltonian"])
        scalars = UnitScalars(
            said["vectors"], said["scalars"], lengths=said["lengths"], denominators=said["denominators"]
        )
        library = HamiltonianLibrary.of_terms(
            scalars, [(q, p) for q, p in said["pairs"]], _monomials(scalars, said["library"]), energy=said["energy"]
        )
        numbers = {name: said[name] for name in ("status", "p_value", "excess", "residual", "threshold", "n_runs")}
        return LearnedHamiltonian(
            library,
            _monomials(scalars, arrays["exponents"].tolist()),
            arrays["coefficients"],
            arrays["standard_errors"],
            **numbers,
        )

    def _field_and_state(self, x: Mapping[str, Any]) -> tuple[HamiltonianField, Any]:
        values = self.library.scalars.checked(x)
        parts = [values[name] for name in self.library.names]
        shape = np.broadcast_shapes(*(tuple(part.shape) for part in parts))
        spread = [p.expand(shape) if isinstance(p, Tensor) else np.broadcast_to(p, shape) for p in parts]
        constants = {name: value for name, value in values.items() if name not in self.library.names}
        return HamiltonianField(self.library, self.terms, self._numbers(parts[0]), constants), stacked(spread, -2)

    def _numbers(self, like: Any) -> list[Any]:
        if isinstance(like, Tensor):
            return list(torch.as_tensor(self.coefficients, dtype=like.dtype, device=like.device))
        return self.coefficients.tolist()


def solve_in_scale(field: Any, start: Any, times: Array, tolerance: float) -> list[Any]:
    """`solve` with errors relative to the positions and to the momenta of every system, `(n, vectors, d)`."""
    half = start.shape[1] // 2

    def lengths(z: Any) -> list[Any]:
        return [(z[:, piece] ** 2).sum((1, 2)) ** 0.5 for piece in (slice(half), slice(half, None))]

    # Momenta may start at zero: their scale is what half a time step of the forces gives them, at least.
    moved = field(start) * float(times[1] - times[0])
    scales = [a + b for a, b in zip(lengths(start), lengths(moved), strict=True)]

    def size(difference: Any) -> Any:
        q, p = (d / (s + (s == 0)) for d, s in zip(lengths(difference), scales, strict=True))
        return (q**2 + p**2) ** 0.5

    with np.errstate(all="ignore"):
        return solve(field, start, times, size, tolerance)


def _monomials(scalars: UnitScalars, exponents: Sequence[Sequence[int]]) -> tuple[Monomial, ...]:
    return tuple(Monomial(scalars.names, tuple(int(a) for a in row)) for row in exponents)
