"""LinearCoordinates: the estimator. Coordinates of an embedding in which the group acts linearly, block by block."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from geodis.coordinates.assemble import assemble
from geodis.coordinates.design import read_design
from geodis.coordinates.energy import orbit_energy
from geodis.coordinates.evidence import RESERVOIR_ROWS, Evidence, Settings, evidence_of, gather, pilot
from geodis.coordinates.isometric import isometric_frame
from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.lift import AbstractLift, AbstractLiftSpec, frozen
from geodis.coordinates.moments import Moments
from geodis.coordinates.solve import find
from geodis.coordinates.spectrum import IsotypicSpectrum, spectrum_of
from geodis.errors import DesignError, LengthError, ParameterError
from geodis.groups import AbstractGroup
from geodis.linalg import Array, to_numpy
from geodis.orbits import Orbits, as_embeddings, as_items, as_params


class LinearCoordinates(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Linear coordinates c = A(z − centre) with c(g·x) ≈ ρ(g) c(x), ρ a sum of irreps found by their energy.

    For every irrep the generalised eigenproblem S w = λ T w has its global optimum in closed form: λ is the share of a
    block's variance that is exactly equivariant. Copies are kept while their energy on unseen items exceeds
    `min_energy` and beats the null of permuted labels.

    Parameters
    ----------
    group : AbstractGroup
        The group that acts, e.g. ``SO2()``.
    max_order : int
        Irreps up to this order are sought.
    min_energy : float
        Cross-fitted energy that a block has to exceed, in [0, 1); .5 by default, because an irrep of which only half
        the rows are there already has energy .5.
    isometric : bool
        Whether the frame is orthonormal (Stiefel): coordinates are then a rotation of a part of the embedding, and
        `edit` is an isometry. Oblique frames have unit training variance a row and capture more.
    ridge : float or "auto"
        Fraction of the mean variance added to T in the solve; "auto" chooses it on inner folds of items.
    n_folds : int
        Folds of items for cross-fitting.
    max_components : int
        Irreps are sought in at most so many principal directions of the embedding.
    n_null : int
        Draws of the null of permuted labels, at least; with many irreps more, so that Holm's procedure can pass.
    level : float
        Confidence level of the blocks' intervals.
    random_state : int
        Seed of folds and nulls.
    verbose : bool
        Whether to show progress.
    lift : AbstractLiftSpec or AbstractLift, optional
        The solver works on φ(z) in place of z: a spec such as ``Polynomial(2)``, fitted on the rows of the fit, or a
        frozen lift. A lift that was trained on labels should have seen other items, or energies are too good.

    Attributes
    ----------
    coordinates_ : LatentCoordinates
        The frozen result: transform, act, operator, edit, save.
    spectrum_ : IsotypicSpectrum
        Energies of all candidates, also of rejected ones.
    ridge_ : float
        The ridge that was used.
    lift_ : AbstractLift or None
        The frozen lift.
    status_ : str
        ``"ok"``, ``"partial"``, ``"degenerate"`` or ``"insufficient"``.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates
    >>> from geodis.groups import SO2
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(40, 12).reshape(-1, 1)
    >>> start = np.repeat(rng.uniform(0, 6.28, (40, 1)), 12, axis=0)
    >>> Z = np.hstack([np.cos(angle + start), np.sin(angle + start)]) @ rng.normal(size=(2, 8))
    >>> Z = Z + 0.05 * rng.normal(size=Z.shape)
    >>> est = LinearCoordinates(SO2()).fit(Z, angle, items=np.repeat(np.arange(40), 12))
    >>> [block.irrep.name for block in est.coordinates_.blocks]
    ['m=1']
    """

    def __init__(
        self,
        group: AbstractGroup,
        max_order: int = 4,
        min_energy: float = 0.5,
        isometric: bool = False,
        ridge: float | str = "auto",
        n_folds: int = 5,
        max_components: int = 128,
        n_null: int = 99,
        level: float = 0.95,
        random_state: int = 0,
        verbose: bool = False,
        lift: AbstractLiftSpec | AbstractLift | None = None,
    ) -> None:
        self.group = group
        self.max_order = max_order
        self.min_energy = min_energy
        self.isometric = isometric
        self.ridge = ridge
        self.n_folds = n_folds
        self.max_components = max_components
        self.n_null = n_null
        self.level = level
        self.random_state = random_state
        self.verbose = verbose
        self.lift = lift

    def fit(self, X: Any, y: Any = None, *, items: Any = None, clusters: Any = None) -> Self:
        """Find the coordinates.

        Parameters
        ----------
        X : array (N, D)
            Embeddings.
        y : array (N, p), optional
            Group parameters of the rows; identity elements by default.
        items : array (N,), optional
            The item of each row; one pooled orbit by default (status ``"insufficient"``).
        clusters : array (N,), optional
            What was drawn independently, when that is coarser than items (the subject of a sentence): folds and
            intervals go by cluster.
        """
        X = self._embeddings(X, reset=True)
        orbits = self._orbits(X, y, items, clusters)
        settings = self._settings()
        return self._solve(gather(orbits, settings, frozen(self.lift, orbits.z, settings.seed)))

    def fit_orbits(self, orbits: Orbits) -> Self:
        """The same on `Orbits`."""
        if not isinstance(orbits, Orbits):
            raise ParameterError("orbits", "Orbits", type(orbits).__name__)
        return self.fit(orbits.z, orbits.params, items=orbits.items, clusters=orbits.clusters)

    def new_moments(self, pilot_rows: Any, basis: bool = True) -> Moments:
        """Empty moments to stream batches into, for `fit_moments`.

        Parameters
        ----------
        pilot_rows : array (n, D)
            Some rows that are like the others (a first batch): they choose the provisional centre and, when D is
            large, the principal subspace; a lift that is a spec is fitted on them. Batches then come as embeddings,
            and the moments lift them.
        basis : bool
            Whether to limit irreps to a principal subspace when D exceeds `max_components`.
        """
        settings = self._settings()
        rows = as_embeddings(pilot_rows)
        reps = self.group.irreps(settings.max_order)
        lift = frozen(self.lift, rows, settings.seed)
        shift, axes = pilot(rows, reps, settings.max_components, lift)
        return Moments(
            self.group,
            reps,
            rows.shape[1] if lift is None else lift.n_features,
            n_folds=settings.n_folds,
            basis=axes if basis else None,
            shift=shift,
            reservoir_rows=RESERVOIR_ROWS,
            seed=settings.seed,
            lift=lift,
        )

    def fit_moments(self, moments: Moments) -> Self:
        """Find the coordinates from streamed (and merged) moments; the design must be Haar-like.

        Raises
        ------
        ParameterError
            For something else than moments, or moments of another group.
        DesignError
            Without items, or when the retained rows show a limited design, which needs pairs of rows: use `fit`.
        """
        settings = self._settings()
        if not isinstance(moments, Moments):
            raise ParameterError("fit_moments: moments", "Moments", type(moments).__name__, "See `new_moments`.")
        if moments.group != self.group:
            raise ParameterError("fit_moments: moments", f"moments of {self.group!r}", repr(moments.group))
        moments.finish()
        stacks = [stack for stack, _ in moments.reservoir.stacks()]
        if not stacks:
            raise DesignError("fit_moments: expected at least one item, none was added.")
        design = read_design(self.group, stacks, settings.max_order, settings.seed)
        if design.limited:
            raise DesignError(
                "fit_moments: expected elements spread over the group (Haar draws, a full orbit, a grid), got a "
                "limited range, pairs with the identity, or a group that is not compact. Use fit on arrays, which "
                "compares pairs."
            )
        self.n_features_in_ = moments.n_features_in
        shared = len(stacks) == 1 and len(stacks[0].params) > 1 and (stacks[0].params == stacks[0].params[:1]).all()
        return self._solve(evidence_of(moments, design, crossed=bool(shared)))

    def transform(self, X: Any) -> Array:
        """Coordinates `(N, D) → (N, p)` as a numpy array."""
        check_is_fitted(self, "coordinates_")
        return np.asarray(self.coordinates_.transform(self._embeddings(X)))

    def inverse_transform(self, C: Any) -> Array:
        """Embeddings with these coordinates and an average complement `(N, p) → (N, D)`."""
        check_is_fitted(self, "coordinates_")
        return np.asarray(self.coordinates_.inverse_transform(to_numpy(C)))

    def score(self, X: Any, y: Any = None, *, items: Any = None) -> float:
        """1 − equivariance error over the non-trivial blocks: 1 − ΣL_b/Σ2T_b (skill for limited designs).

        Raises
        ------
        OverlapError
            When some of `items` were fitted.
        """
        check_is_fitted(self, "coordinates_")
        orbits = self._orbits(self._embeddings(X), y, items)
        if items is not None:
            self.coordinates_.refuse_fitted(orbits.labels)
        return orbit_energy(orbits, self.coordinates_).energy

    @property
    def _n_features_out(self) -> int:
        return self.coordinates_.n_coordinates

    def _solve(self, evidence: Evidence) -> Self:
        settings = self._settings()
        found, self.ridge_ = find(evidence, settings)
        self.spectrum_: IsotypicSpectrum = spectrum_of(found, evidence, settings, self.ridge_, {})
        coordinates: LatentCoordinates = assemble(found, evidence)
        if self.isometric and coordinates.n_coordinates:
            coordinates = isometric_frame(coordinates, evidence, self.ridge_, self.level)
        self.coordinates_ = coordinates
        self.lift_ = coordinates.lift
        self.status_ = coordinates.status
        return self

    def _embeddings(self, X: Any, reset: bool = False) -> Array:
        rows = to_numpy(X) if isinstance(X, Tensor) else X  # scikit-learn reads frames and refuses sparse matrices
        # NaN and infinity are refused where the rows are read, in geodis's own words.
        return np.asarray(
            validate_data(self, rows, dtype=[np.float64, np.float32], ensure_all_finite=False, reset=reset)
        )

    def _orbits(self, X: Array, y: Any, items: Any, clusters: Any = None) -> Orbits:
        if not isinstance(self.group, AbstractGroup):
            raise ParameterError("group", "a group such as SO2()", repr(self.group))
        params = self.group.identity(len(X)) if y is None else as_params(y, self.group)
        labels = np.zeros(len(X), dtype=int) if items is None else as_items(items)
        if not len(X) == len(params) == len(labels):
            raise LengthError(X=len(X), y=len(params), items=len(labels))
        return Orbits.from_arrays(X, params, labels, self.group, clusters)

    def _settings(self) -> Settings:
        settings = Settings(
            self.max_order,
            self.min_energy,
            self.ridge,
            self.n_folds,
            self.max_components,
            self.n_null,
            self.level,
            self.random_state,
            self.verbose,
        )
        settings.check()
        if not isinstance(self.isometric, (bool, np.bool_)):
            raise ParameterError("isometric", "True or False", repr(self.isometric))
        return settings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
