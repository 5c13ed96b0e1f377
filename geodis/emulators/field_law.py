"""An equation of fields that was found: printed term by term, integrated from any state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy import fft

from geodis.emulators.field_terms import FieldLibrary, FieldTerm
from geodis.errors import DesignError, FileFormatError, LengthError, ShapeError
from geodis.files import write_text
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.palette import FOUND, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT = "geodis.field_law"
VERSION = 1


@final
@dataclass(frozen=True, eq=False, repr=False)
class FieldLaw:
    """∂(field)/∂t = Σ c_k term_k on a periodic grid, with the errors of its coefficients.

    Derivatives are spectral; what products make beyond the 2/3 rule is cut, so that they do not fold back. A law of
    equivariant terms commutes with shifts and with all symmetries of the grid, whatever its coefficients.

    Attributes
    ----------
    library : FieldLibrary
        What the terms were chosen from.
    terms : dict of str to tuple of FieldTerm
        For every field of the state.
    coefficients, standard_errors : dict of str to ndarray
        In units of the grid's length and the snapshots' time; errors with runs as independent units.
    interval : float
        Time between snapshots.
    length : float
        Of the periodic square's or cube's side.
    substeps : int
        Runge–Kutta steps of fourth order in an interval.
    unexplained : float
        Mean squared error of a step on the data it was fitted to, over the mean square of what a step changes.

    Examples
    --------
    >>> library = FieldLibrary({"c": (0, 1)}, derivatives=(2,))
    >>> heat = FieldLaw.of(library, {"c": {"∂_j∂_j c": 0.1}}, interval=1.0)
    >>> print(heat)
    ∂c/∂t = 0.1 ∂_j∂_j c
    >>> wave = np.cos(np.arange(16) * 2 * np.pi / 16)[None, None, None, :] * np.ones((1, 1, 16, 1))
    >>> bool(np.allclose(heat.rollout(wave, 2)[:, 2], np.exp(-0.2) * wave, atol=1e-5))
    True
    """

    library: FieldLibrary
    terms: Mapping[str, tuple[FieldTerm, ...]]
    coefficients: Mapping[str, Array]
    standard_errors: Mapping[str, Array]
    interval: float
    length: float
    substeps: int
    unexplained: float

    def __post_init__(self) -> None:
        for name in self.library.state:
            lengths = [len(part[name]) for part in (self.terms, self.coefficients, self.standard_errors)]
            if len(set(lengths)) != 1:
                raise LengthError(terms=lengths[0], coefficients=lengths[1], standard_errors=lengths[2])

    @classmethod
    def of(
        cls,
        library: FieldLibrary,
        coefficients: Mapping[str, Mapping[str, float]],
        *,
        interval: float,
        length: float = 2 * np.pi,
        substeps: int = 4,
    ) -> FieldLaw:
        """A law written down: field → {text of a term: coefficient}.

        Raises
        ------
        DesignError
            For terms that the library does not have.
        """
        chosen: dict[str, tuple[FieldTerm, ...]] = {}
        for name, terms in library.terms.items():
            known = {term.text: term for term in terms}
            if missing := [text for text in coefficients.get(name, {}) if text not in known]:
                raise DesignError(
                    f"FieldLaw: expected terms of the library for {name}, got {missing}. It has: {', '.join(known)}."
                )
            chosen[name] = tuple(known[text] for text in coefficients.get(name, {}))
        values = {name: np.array(list(coefficients.get(name, {}).values()), dtype=float) for name in library.state}
        unknown = {name: np.full(len(v), np.nan) for name, v in values.items()}
        return cls(library, chosen, values, unknown, float(interval), float(length), int(substeps), float("nan"))

    def __str__(self) -> str:
        lines = []
        for name in self.library.state:
            parts = [f"{c:.4g} {term}" for c, term in zip(self.coefficients[name], self.terms[name], strict=True)]
            lines.append(f"∂{name}/∂t = {' + '.join(parts) or '0'}".replace("+ -", "- "))
        return "\n".join(lines)

    __repr__ = __str__

    def __len__(self) -> int:
        """How many terms there are in all."""
        return sum(map(len, self.terms.values()))

    def tendency(self, state: Array, fixed: Array | None = None) -> Array:
        """∂(state)/∂t of states `(runs, components, *grid)`."""
        grid = Grid.of(state.shape[-self.library.dim :], self.length)
        needed = {atom for terms in self.terms.values() for term in terms for atom in term.atoms}
        jets = jets_of(self.library, needed, state, fixed, grid)
        shape = (len(state), *state.shape[-self.library.dim :])
        parts = []
        for name, (order, _) in self.library.state.items():
            total = np.zeros((self.library.dim**order, *shape))
            for c, term in zip(self.coefficients[name], self.terms[name], strict=True):
                total += c * term.of(jets, self.library.dim, shape)
            parts.append(total)
        return grid.cut(np.moveaxis(np.concatenate(parts), 0, 1))

    def step(self, state: Array, fixed: Array | None = None) -> Array:
        """States after one interval."""
        h = self.interval / self.substeps
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.substeps):
                a = self.tendency(state, fixed)
                b = self.tendency(state + h / 2 * a, fixed)
                c = self.tendency(state + h / 2 * b, fixed)
                state = state + h / 6 * (a + 2 * b + 2 * c + self.tendency(state + h * c, fixed))
        return state

    def rollout(self, start: Any, n_steps: int, fixed: Any = None) -> Array:
        """States `(runs, components, *grid)` → `(runs, n_steps + 1, components, *grid)`, the start included.

        What the grid cannot dealias is removed from the start. A run that leaves every bound is infinite from there on.

        Raises
        ------
        ShapeError, FiniteError, ParameterError, DesignError
            For other shapes, NaN, too few steps, fixed fields that are missing.
        """
        count(n_steps, "n_steps", 1)
        state, still = checked_fields(self.library, start, "start"), None
        if self.library.fixed:
            still = checked_fixed(self.library, fixed, len(state))
        state = Grid.of(state.shape[2:], self.length).cut(state)
        out = [state]
        for _ in range(n_steps):
            state = self.step(state, still)
            out.append(np.where(np.isfinite(state), state, np.inf))
        return np.stack(out, 1)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Coefficients with two standard errors; the axes come back."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(6, 1 + 0.3 * len(self)), layout="constrained").subplots() if ax is None else ax
        names = [f"∂{name}/∂t: {term}" for name in self.library.state for term in self.terms[name]]
        values = np.concatenate([self.coefficients[name] for name in self.library.state])
        errors = np.nan_to_num(np.concatenate([self.standard_errors[name] for name in self.library.state]))
        places = np.arange(len(values))[::-1]
        axes.axvline(0.0, color=LINE, lw=0.8)
        axes.errorbar(values, places, xerr=2 * errors, fmt="o", ms=4, color=FOUND)
        axes.set_yticks(places, names)
        axes.set_xlabel("coefficient")
        return axes

    def save(self, path: str | Path) -> None:
        """Write the law as JSON; `FieldLaw.load` reads it back."""
        library = self.library
        record = {
            "format": FORMAT, "version": VERSION, "state": library.state, "fixed": library.fixed,
            "derivatives": library.derivatives, "dim": library.dim, "interval": self.interval, "length": self.length,
            "substeps": self.substeps, "unexplained": _plain(self.unexplained),
            "terms": {
                name: [[str(t), float(c), _plain(e)] for t, c, e in zip(
                    self.terms[name], self.coefficients[name], self.standard_errors[name], strict=True)]
                for name in library.state
            },
        }  # fmt: skip
        write_text(Path(path), json.dumps(record, ensure_ascii=False, indent=1))

    @classmethod
    def load(cls, path: str | Path) -> FieldLaw:
        """What `save` wrote; `FileFormatError` for anything else."""
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
            if (record["format"], record["version"]) != (FORMAT, VERSION):
                raise ValueError(record["format"])
            kinds = [{name: tuple(kind) for name, kind in record[part].items()} for part in ("state", "fixed")]
            library = FieldLibrary(*kinds, derivatives=record["derivatives"], dim=record["dim"])
            known = {name: {term.text: term for term in terms} for name, terms in library.terms.items()}
            terms = {name: tuple(known[name][row[0]] for row in rows) for name, rows in record["terms"].items()}
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise FileFormatError(path, "a field law saved by geodis (JSON)", repr(error)) from error
        values, errors = (
            {
                name: np.array([np.nan if row[i] is None else row[i] for row in rows], dtype=float)
                for name, rows in record["terms"].items()
            }
            for i in (1, 2)
        )
        unexplained = record["unexplained"]
        return cls(
            library, terms, values, errors, record["interval"], record["length"], record["substeps"],
            float("nan") if unexplained is None else unexplained,
        )  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class Grid:
    """A periodic grid: spectral derivatives, and the cut of the 2/3 rule.

    Attributes
    ----------
    sides : tuple of int
    waves : tuple of ndarray
        i k along each axis, shaped to be multiplied; zero at the highest frequency, which has no derivative.
    kept : ndarray
        |k_i| < N_i/3.
    """

    sides: tuple[int, ...]
    waves: tuple[Array, ...]
    kept: Array

    @classmethod
    def of(cls, sides: tuple[int, ...], length: float) -> Grid:
        """The grid with these numbers of cells a side, made once."""
        return _grid(tuple(sides), float(length))

    @classmethod
    def _made(cls, sides: tuple[int, ...], length: float) -> Grid:
        dim, waves, kept = len(sides), [], np.ones((), dtype=bool)
        for axis, n in enumerate(sides):
            k = fft.rfftfreq(n, 1 / n) if axis == dim - 1 else fft.fftfreq(n, 1 / n)
            shape = [1] * dim
            shape[axis] = len(k)
            kept = kept & (3 * np.abs(k) < n).reshape(shape)
            waves.append((1j * k * (2 * np.pi / length) * (2 * np.abs(k) < n)).reshape(shape))
        return cls(sides, tuple(waves), kept)

    def cut(self, fields: Array) -> Array:
        """Fields without what the 2/3 rule cuts."""
        return self.back(self.spectrum(fields) * self.kept)

    def spectrum(self, fields: Array) -> Array:
        """The Fourier coefficients of fields over the last axes."""
        return np.asarray(fft.rfftn(fields, axes=range(-len(self.sides), 0)))

    def back(self, spectrum: Array) -> Array:
        """`spectrum` undone."""
        return np.asarray(fft.irfftn(spectrum, s=self.sides, axes=range(-len(self.sides), 0)))


@lru_cache(maxsize=16)
def _grid(sides: tuple[int, ...], length: float) -> Grid:
    """Every tendency of a solution asks for the same one."""
    return Grid._made(sides, length)


def jets_of(
    library: FieldLibrary, atoms: set[tuple[str, int]], state: Array, fixed: Array | None, grid: Grid
) -> dict[tuple[str, int], Array]:
    """Derivatives `(d^(derivatives + order), runs, *grid)` of fields `(runs, components, *grid)`, as atoms ask."""
    parts = _split(state, library.widths(library.state))
    if fixed is not None:
        parts |= _split(fixed, library.widths(library.fixed))
    jets = {}
    for name in sorted({name for name, _ in atoms}):
        value = np.moveaxis(parts[name], 1, 0)
        most = max(m for other, m in atoms if other == name)
        spectrum = grid.spectrum(value) if most else value
        for m in range(most + 1):
            if m:
                spectrum = np.concatenate([wave * spectrum for wave in grid.waves])
            if (name, m) in atoms:
                jets[name, m] = grid.back(spectrum) if m else value
    return jets


def checked_fields(library: FieldLibrary, fields: Any, what: str, axes: tuple[str, ...] = ("runs",)) -> Array:
    """Fields `(*axes, components, *grid)` of the state as float64, or a named error."""
    array = to_numpy(fields)
    width = sum(library.widths(library.state).values())
    if array.ndim != len(axes) + 1 + library.dim or array.shape[len(axes)] != width:
        raise ShapeError(what, f"({', '.join(axes)}, {width}, {', '.join('N' * library.dim)})", array.shape)
    check_finite(array, what)
    return array.astype(np.float64)


def checked_fixed(library: FieldLibrary, fixed: Any, n_runs: int) -> Array | None:
    """Fixed fields `(runs, components, *grid)` as float64, or a named error."""
    if not library.fixed:
        if fixed is not None:
            raise DesignError("fixed: expected none, since the library names no fixed fields.")
        return None
    if fixed is None:
        raise DesignError(f"fixed: expected the fields {', '.join(library.fixed)}, got none.")
    array, width = to_numpy(fixed), sum(library.widths(library.fixed).values())
    if array.ndim != 2 + library.dim or array.shape[1] != width:
        raise ShapeError("fixed", f"(runs, {width}, {', '.join('N' * library.dim)})", array.shape)
    if len(array) != n_runs:
        raise LengthError(fixed=len(array), runs=n_runs)
    check_finite(array, "fixed")
    return array.astype(np.float64)


def _split(fields: Array, widths: Mapping[str, int]) -> dict[str, Array]:
    ends = np.cumsum(list(widths.values()))
    return dict(zip(widths, np.split(fields, ends[:-1], axis=1), strict=True))


def _plain(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
