"""The isotypic spectrum: how many copies of which irrep live in an embedding, how sure that is, against which null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geodis.coordinates.evidence import Evidence, Settings, gather
from geodis.coordinates.relabelled import StructureNull, structure_null
from geodis.coordinates.search import Found
from geodis.coordinates.solve import find
from geodis.coordinates.spectrum_bars import bar_width, draw_spectrum
from geodis.errors import ParameterError, UnknownNameError
from geodis.linalg import Array
from geodis.orbits import Orbits
from geodis.threads import one_blas_thread

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class IsotypicSpectrum:
    """Cross-fitted energies of the copies of every irrep, with intervals and nulls.

    Attributes
    ----------
    group : str
        The group's name.
    energies : dict of str to ndarray
        For every irrep the energies of its leading copies, descending: the kept ones and a few rejected candidates.
        Energy 1 is exact equivariance on unseen items, 0 is chance.
    intervals : dict of str to list of (float, float)
        Confidence intervals at `level`.
    kept : dict of str to int
        How many copies exceed `min_energy` and beat null N1.
    p_values : dict of str to ndarray
        Against labels permuted within items (N1; items shuffled, N0, for the trivial irrep), Holm-adjusted over irreps
        except for limited designs.
    null_mean : dict of str to float
        Mean energy under that null.
    structure_p, structure_mean : dict of str to float
        Against one common relabelling of the elements (N2): is this group structure special? NaN where not computed
        or not testable.
    structure_band : dict of str to (float, float)
        The range that holds 90 % of the energies under that relabelling; NaN as above.
    coupling : dict of str to str
        ``"disentangled"`` (one factor of a product acts), ``"entangled"`` or ``"trivial"``.
    status : str
    limited : bool
        Whether energies are skills against the identity operator.
    ridge, level, min_energy : float
    """

    group: str
    energies: Mapping[str, Array]
    intervals: Mapping[str, list[tuple[float, float]]]
    kept: Mapping[str, int]
    p_values: Mapping[str, Array]
    null_mean: Mapping[str, float]
    structure_p: Mapping[str, float]
    structure_mean: Mapping[str, float]
    structure_band: Mapping[str, tuple[float, float]]
    coupling: Mapping[str, str]
    status: str
    limited: bool
    ridge: float
    level: float
    min_energy: float

    def multiplicity(self, irrep: str) -> int:
        """How many copies of `irrep` were kept."""
        if irrep not in self.kept:
            raise UnknownNameError("irrep", irrep, ", ".join(self.kept))
        return self.kept[irrep]

    @property
    def multiplicities(self) -> dict[str, int]:
        """The irreps with at least one kept copy."""
        return {name: n for name, n in self.kept.items() if n}

    def to_frame(self) -> pd.DataFrame:
        """One row a copy: irrep, copy, energy with its interval, p and mean under both nulls, coupling, kept."""
        rows = []
        for name, energies in self.energies.items():
            for r, energy in enumerate(energies):
                low, high = self.intervals[name][r]
                rows.append(
                    {
                        "irrep": name,
                        "copy": r + 1,
                        "energy": float(energy),
                        "ci_low": low,
                        "ci_high": high,
                        "p": float(self.p_values[name][r]),
                        "null_mean": self.null_mean[name],
                        "structure_p": self.structure_p[name],
                        "structure_mean": self.structure_mean[name],
                        "coupling": self.coupling[name],
                        "kept": r < self.kept[name],
                    }
                )
        columns = [
            "irrep",
            "copy",
            "energy",
            "ci_low",
            "ci_high",
            "p",
            "null_mean",
            "structure_p",
            "structure_mean",
            "coupling",
            "kept",
        ]
        return pd.DataFrame(rows, columns=columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars of energy for each copy, with intervals; hollow where rejected; the nulls' means and band."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(bar_width(self), 3.2))
        draw_spectrum(self, ax)
        return ax

    def __repr__(self) -> str:
        found = ", ".join(f"{n}× {name} ({self.energies[name][0]:.3f})" for name, n in self.multiplicities.items())
        return f"IsotypicSpectrum({self.group}: {found or 'nothing found'}; status {self.status})"


@one_blas_thread
def isotypic_spectrum(
    orbits: Orbits,
    max_order: int = 4,
    *,
    min_energy: float = 0.5,
    ridge: float | str = "auto",
    n_folds: int = 5,
    max_components: int = 128,
    n_null: int = 99,
    level: float = 0.95,
    seed: int = 0,
    verbose: bool = False,
) -> IsotypicSpectrum:
    """How many copies of which irrep live in the embedding: S w = λ T w for every irrep, cross-fitted over items.

    Parameters
    ----------
    orbits : Orbits
        Embeddings of items under group elements.
    max_order : int
        Irreps up to this order (frequency, spin, …).
    min_energy : float
        Copies count when their cross-fitted energy is above it.
    ridge : float or "auto"
        Fraction of the mean variance added to T in the solve; "auto" chooses it on inner folds.
    n_folds : int
        Folds of items.
    max_components : int
        Irreps are sought in at most so many principal directions.
    n_null : int
        Draws of each null; common relabellings (N2) are refitted as a whole.
    level : float
        Confidence level of intervals.
    seed : int
    verbose : bool
        Whether to show progress bars.

    Returns
    -------
    IsotypicSpectrum

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import Orbits, isotypic_spectrum
    >>> from geodis.groups import SO2
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(40, 12).reshape(-1, 1)
    >>> start = np.repeat(rng.uniform(0, 6.28, (40, 1)), 12, axis=0)
    >>> z = np.hstack([np.cos(2 * angle + start), np.sin(2 * angle + start)]) @ rng.normal(size=(2, 8))
    >>> z = z + 0.05 * rng.normal(size=z.shape)
    >>> isotypic_spectrum(Orbits.from_arrays(z, angle, np.repeat(np.arange(40), 12), SO2())).multiplicities
    {'m=2': 1}
    """
    if not isinstance(orbits, Orbits):
        raise ParameterError("orbits", "Orbits", type(orbits).__name__, "Build them with Orbits.from_arrays.")
    settings = Settings(max_order, min_energy, ridge, n_folds, max_components, n_null, level, seed, verbose)
    evidence = gather(orbits, settings)
    found, chosen = find(evidence, settings)
    kept = {f.rep.name: f.kept for f in found if f.kept}
    nulls = structure_null(kept, [f.rep for f in found if f.kept], evidence, settings, chosen)
    return spectrum_of(found, evidence, settings, chosen, nulls)


def spectrum_of(
    found: Sequence[Found], evidence: Evidence, settings: Settings, ridge: float, nulls: Mapping[str, StructureNull]
) -> IsotypicSpectrum:
    """The result object; `nulls` holds N2 for the irreps for which it was made."""
    names = [f.rep.name for f in found]
    none = StructureNull(np.zeros(0), np.zeros(0))
    structure = {name: nulls.get(name, none) for name in names}
    orders = {f.rep.name: _descending(f) for f in found}
    degenerate = evidence.degenerate
    status = "insufficient" if not evidence.design.sufficient else "degenerate" if degenerate else "ok"
    return IsotypicSpectrum(
        group=repr(evidence.group),
        energies={f.rep.name: f.energies[orders[f.rep.name]] for f in found},
        intervals={f.rep.name: [f.intervals[r] for r in orders[f.rep.name]] for f in found},
        kept={f.rep.name: f.kept for f in found},
        p_values={f.rep.name: f.p_values[orders[f.rep.name]] for f in found},
        null_mean={f.rep.name: f.null_mean for f in found},
        structure_p={n: x.p() for n, x in structure.items()},
        structure_mean={n: x.mean for n, x in structure.items()},
        structure_band={n: x.band for n, x in structure.items()},
        coupling={f.rep.name: f.rep.coupling for f in found},
        status=status,
        limited=evidence.design.limited,
        ridge=ridge,
        level=settings.level,
        min_energy=settings.min_energy,
    )


def _descending(f: Found) -> list[int]:
    """Kept copies first, each part by falling energy."""
    return sorted(range(len(f.energies)), key=lambda r: (r >= f.kept, -f.energies[r]))
