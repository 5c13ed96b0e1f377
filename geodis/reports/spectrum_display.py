"""SpectrumDisplay: energies of all irreps that act, with intervals, kept against rejected, and the null band."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, final

from sklearn.utils.validation import check_is_fitted

from geodis.coordinates.spectrum import IsotypicSpectrum
from geodis.coordinates.spectrum_bars import bar_width, draw_spectrum
from geodis.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@final
class SpectrumDisplay:
    """Bars of an isotypic spectrum, in scikit-learn's convention for displays.

    Bars are hollow where a copy was rejected. The band holds 90 % of the energies that one relabelling of the elements,
    common to all items, reaches after the same fit (null N2; `isotypic_spectrum` computes it, a fit does not); dotted
    is the mean with labels permuted within items (N1).

    Parameters
    ----------
    spectrum : IsotypicSpectrum
        What is drawn.
    invariant : bool
        Whether invariant copies, often hundreds, are drawn too.

    Attributes
    ----------
    bars_ : BarContainer
        One bar a copy.
    bands_, structure_null_, label_null_ : list of Artist
        The band and the mean of N2, and the mean of N1, one entry an irrep where it was computed.
    ax_, figure_
        Where it was drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import Orbits, isotypic_spectrum
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(60, 4))
    >>> orbits = Orbits.from_arrays(z, np.tile(np.arange(6.0), 10), np.repeat(np.arange(10), 6), Cyclic(6))
    >>> display = SpectrumDisplay.from_spectrum(isotypic_spectrum(orbits, max_order=2, n_null=19))
    >>> display.plot().ax_.get_ylabel()
    'energy on unseen items'
    """

    bars_: Any
    bands_: list[Any]
    structure_null_: list[Any]
    label_null_: list[Any]
    ax_: Axes
    figure_: Figure

    def __init__(self, spectrum: IsotypicSpectrum, *, invariant: bool = False) -> None:
        self.spectrum = spectrum
        self.invariant = invariant

    @classmethod
    def from_spectrum(cls, spectrum: IsotypicSpectrum, *, invariant: bool = False) -> Self:
        """Of what `isotypic_spectrum` found.

        Raises
        ------
        ParameterError
            For something else than a spectrum.
        """
        if not isinstance(spectrum, IsotypicSpectrum):
            raise ParameterError("SpectrumDisplay: spectrum", "IsotypicSpectrum", type(spectrum).__name__)
        return cls(spectrum, invariant=invariant)

    @classmethod
    def from_estimator(cls, estimator: Any, *, invariant: bool = False) -> Self:
        """Of the candidates of a fitted `LinearCoordinates`, whose null N2 was not computed.

        Raises
        ------
        NotFittedError
            When the estimator has no spectrum yet.
        """
        check_is_fitted(estimator, "spectrum_")
        return cls.from_spectrum(estimator.spectrum_, invariant=invariant)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        import matplotlib.pyplot as plt

        shown = self.shown
        if ax is None:
            _, ax = plt.subplots(figsize=(bar_width(shown), 3.6))
        artists = draw_spectrum(shown, ax)
        self.bars_, self.bands_ = artists.bars, artists.bands
        self.structure_null_, self.label_null_ = artists.structure_null, artists.label_null
        self.ax_, self.figure_ = ax, ax.get_figure(root=True)  # type: ignore[assignment]
        return self

    @property
    def shown(self) -> IsotypicSpectrum:
        """The part of the spectrum that is drawn."""
        if self.invariant:
            return self.spectrum
        coupling = self.spectrum.coupling
        acting = {name: e for name, e in self.spectrum.energies.items() if coupling[name] != "trivial"}
        return replace(self.spectrum, energies=acting)
