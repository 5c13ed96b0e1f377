"""DeepCoordinates: a learned map before the spectral layer, for actions that are curved in the embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from geodis.coordinates import LatentCoordinates, LinearCoordinates
from geodis.coordinates.design import read_design
from geodis.coordinates.energy import orbit_energy
from geodis.coordinates.flow_lift import lift_of
from geodis.coordinates.invertible_network import AbstractInvertibleNetwork
from geodis.coordinates.latent import fingerprints
from geodis.coordinates.lift import AbstractLift
from geodis.coordinates.spectrum import IsotypicSpectrum
from geodis.encoders import fingerprint
from geodis.errors import DesignError, LengthError, ParameterError
from geodis.groups import AbstractGroup
from geodis.linalg import Array, to_numpy
from geodis.loop import History, Plan, train
from geodis.orbits import Orbits, as_items, as_params
from geodis.training.assigned_objective import AssignedObjective
from geodis.training.batches import OrbitBatches
from geodis.training.deep_settings import check_settings, starting_network
from geodis.training.edit_refinement import refine_edits, stage
from geodis.training.objective import SpectralObjective
from geodis.training.spectral_start import spectral_start

STARTED = 512  # items behind the closed-form start of the last layer
EVALUATED = 512  # items of the held-out part on which progress is measured
UNKEYED = {"checkpoint", "verbose", "device", "ridge", "n_folds", "n_null", "level", "min_energy", "network"}


class DeepCoordinates(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Coordinates c = A(φ(z) − centre) with a learned map φ, trained so that as much as possible becomes equivariant.

    A network φ is trained on orbits to maximise the spectral score Σ_ρ d_ρ Σ_r λ_r² of its features, the energies of
    all non-trivial irreps together; the spectral layer, `LinearCoordinates` on φ(z), then reads off which irreps came
    out, with which multiplicity. The network sees a part of the items; the spectral layer is fitted on the others, so
    that its energies are those of items that the network has not seen.

    Rows are embeddings of a frozen encoder, or whole inputs (flattened images) when the network begins at the input:
    ``network=nn.Sequential(nn.Unflatten(1, (1, 32, 32)), convnet(64))`` trains end to end.

    Parameters
    ----------
    group : AbstractGroup
        The group acting.
    network : nn.Module, optional
        Rows (N, D) → features (N, F); a perceptron by default. The one given is copied, never changed. One that can
        be inverted, such as ``CouplingFlow(D)``, gives coordinates that edit embeddings: use ``n_content=0`` with it,
        since it forgets nothing.
    n_features : int
        F of the default network.
    n_content : int
        How many of the F features (the last ones) are trained to be invariant and to tell items apart; the others are
        trained to be acted on. A code of the action alone would forget the item.
    max_order : int
        Irreps up to this order may appear.
    irreps : sequence of str, optional
        Names of the irreps that are rewarded, all non-trivial ones by default. Of a product group, those in which one
        factor acts ask for disentangled blocks. The spectral layer looks for all.
    copies : mapping of str to int, optional
        Irrep → number of copies, which the network's first features are laid out as (`AssignedObjective`): for groups
        with so many unknowns that the search over all directions learns nothing, such as SO(3) on images. The spectral
        layer still finds for itself what came out. Give a factor that shows little few copies.
    elements : float
        Weight of the contrast between elements beside assigned copies. Irreps of real type need it (SO(3)); planes tell
        their angle by themselves: 0 for circles.
    min_energy : float
        Blocks are kept above this energy.
    content : float
        Weight of the contrast between items in the content features.
    temperature : float
        Of that contrast.
    max_steps, max_seconds, learning_rate, weight_decay, evaluate_every, patience
        See `geodis.training.Plan`.
    batch_items, batch_elements : int
        Items a batch and elements an item.
    held_out : float
        Share of the items that the network does not see.
    ridge, n_folds, n_null, level
        Of the spectral layer; see `LinearCoordinates`.
    checkpoint : path, optional
        Where the state of the training is kept, and resumed from.
    device : str
        Where the network is trained.
    random_state : int
        Seed of the split, the batches, the default network and the spectral layer.
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    coordinates_ : LatentCoordinates
        The frozen result, as of the linear estimator, with the network as its lift.
    spectrum_ : IsotypicSpectrum
        Energies of the features, cross-fitted on the items that the network has not seen.
    history_ : History
        Losses and evaluations.
    refinements_ : tuple of History
        Of an invertible network: those of its edits, which follow. Each gets a third of the steps and of the seconds.
    status_ : str

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> from geodis.training import DeepCoordinates
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(200, 8).reshape(-1, 1)
    >>> phase = angle + np.repeat(rng.uniform(0, 6.28, (200, 1)), 8, axis=0)
    >>> Z = np.hstack([np.exp(np.cos(phase)), np.exp(np.sin(phase))])  # a circle, bent
    >>> est = DeepCoordinates(SO2(), max_order=2, n_features=4, n_content=0, max_steps=150)
    >>> est = est.fit(Z, angle, items=np.arange(1600) // 8)
    >>> est.coordinates_.blocks[0].energy > 0.95
    True
    """

    def __init__(
        self,
        group: AbstractGroup,
        network: nn.Module | None = None,
        n_features: int = 64,
        n_content: int = 16,
        max_order: int = 4,
        irreps: Sequence[str] | None = None,
        copies: Mapping[str, int] | None = None,
        elements: float = 3.0,
        min_energy: float = 0.5,
        content: float = 0.3,
        temperature: float = 0.1,
        max_steps: int = 1000,
        max_seconds: float | None = None,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        evaluate_every: int = 50,
        patience: int | None = 10,
        batch_items: int = 128,
        batch_elements: int = 8,
        held_out: float = 0.25,
        ridge: float | str = "auto",
        n_folds: int = 5,
        n_null: int = 99,
        level: float = 0.95,
        checkpoint: str | Path | None = None,
        device: str = "cpu",
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.group = group
        self.network = network
        self.n_features = n_features
        self.n_content = n_content
        self.max_order = max_order
        self.irreps = irreps
        self.copies = copies
        self.elements = elements
        self.min_energy = min_energy
        self.content = content
        self.temperature = temperature
        self.max_steps = max_steps
        self.max_seconds = max_seconds
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.evaluate_every = evaluate_every
        self.patience = patience
        self.batch_items = batch_items
        self.batch_elements = batch_elements
        self.held_out = held_out
        self.ridge = ridge
        self.n_folds = n_folds
        self.n_null = n_null
        self.level = level
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, items: Any = None, clusters: Any = None) -> Self:
        """Train the network, then fit the spectral layer.

        Parameters
        ----------
        X : array (N, D)
            Embeddings, or flattened inputs.
        y : array (N, p), optional
            Group parameters of the rows; identity elements by default.
        items : array (N,), optional
            The item of each row; one pooled orbit by default (status ``"insufficient"``).
        clusters : array (N,), optional
            What was drawn independently, when that is coarser than items.
        """
        X = self._embeddings(X, reset=True)
        return self._fit(self._orbits(X, y, items, clusters))

    def fit_orbits(self, orbits: Orbits) -> Self:
        """The same on `Orbits`."""
        if not isinstance(orbits, Orbits):
            raise ParameterError("orbits", "Orbits", type(orbits).__name__)
        return self.fit(orbits.z, orbits.params, items=orbits.items, clusters=orbits.clusters)

    def transform(self, X: Any) -> Array:
        """Coordinates `(N, D) → (N, p)` as a numpy array."""
        check_is_fitted(self, "coordinates_")
        return np.asarray(self.coordinates_.transform(self._embeddings(X)))

    def inverse_transform(self, C: Any) -> Array:
        """Rows with these coordinates, for a network that can be inverted.

        Raises
        ------
        NotInvertibleError
            For any other network.
        """
        check_is_fitted(self, "coordinates_")
        return np.asarray(self.coordinates_.inverse_transform(to_numpy(C)))

    def score(self, X: Any, y: Any = None, *, items: Any = None) -> float:
        """1 − equivariance error over the non-trivial blocks, as of the linear estimator.

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

    # --- the parts of a fit ---------------------------------------------------------------------------------------
    def _fit(self, orbits: Orbits) -> Self:
        check_settings(self.get_params(deep=False))
        self._plan().check()
        seen, unseen = self._parts(orbits)
        network = self._network(orbits)
        self.history_: History = self._trained(network, seen, unseen)
        self.refinements_: tuple[History, ...] = self._refined(network, seen, unseen)
        layer = self._layer(lift_of(network, orbits.n_features)).fit_orbits(unseen)
        self.spectrum_: IsotypicSpectrum = layer.spectrum_
        # What the network has seen counts as fitted, too.
        self.coordinates_: LatentCoordinates = replace(layer.coordinates_, fitted=fingerprints(orbits.labels))
        self.status_ = self.coordinates_.status
        return self

    def _parts(self, orbits: Orbits) -> tuple[Orbits, Orbits]:
        """`(what the network sees, what the spectral layer is fitted on)`; one and the same when there is one item."""
        if len(np.unique(orbits.clusters)) < 2:
            return orbits, orbits
        return orbits.split(self.held_out, seed=self.random_state)

    def _network(self, orbits: Orbits) -> nn.Module:
        n_features = self.n_features if self.copies is None else self._assigned(self.copies).n_features
        assigned = self.copies is not None
        return starting_network(self.network, orbits.z, n_features, self.random_state, assigned).to(self.device)

    def _trained(self, network: nn.Module, seen: Orbits, unseen: Orbits) -> History:
        """Train on what the network sees; progress is measured on a fixed batch of the other items."""
        design = read_design(seen.group, list(seen.stacks()), self.max_order, self.random_state)
        if not design.sufficient:
            return History((), (), 0, 0.0, "nothing to learn from")
        objective = self._objective(design.limited)
        sizes = (self.batch_items, self.batch_elements, self.random_state)
        batches = OrbitBatches.of(seen, *sizes, device=self.device)
        rows, elements = OrbitBatches.of(unseen, *sizes, device=self.device).all(EVALUATED)

        if isinstance(objective, AssignedObjective):
            spectral_start(
                network, *OrbitBatches.of(seen, STARTED, *sizes[1:], device=self.device)(0), objective.layout
            )

        # Where all that is there stays, one asks only that the leading directions be ordered by irreps.
        asked = network.n_leading if isinstance(network, AbstractInvertibleNetwork) else None

        def features(z: Tensor, params: Tensor) -> Tensor:
            return network(z).reshape(*params.shape[:2], -1)[..., :asked]

        def loss(step: int) -> Tensor:
            z, params = batches(step)
            return objective(features(z, params), params)

        def evaluate() -> float:
            return -float(objective(features(rows, elements), elements))

        return train(
            network,
            loss,
            self._plan(),
            evaluate=evaluate,
            checkpoint=self.checkpoint,
            key=self._key(seen),
            verbose=self.verbose,
            description="training the map",
        )

    def _refined(self, network: nn.Module, seen: Orbits, unseen: Orbits) -> tuple[History, ...]:
        """Of an invertible network: train its edits, too."""
        if not isinstance(network, AbstractInvertibleNetwork) or not self.history_.losses:
            return ()
        return refine_edits(
            network,
            seen,
            unseen,
            lambda lift: self._layer(lift).fit_orbits(seen).coordinates_,
            self._plan(),
            batch_items=self.batch_items,
            seed=self.random_state,
            device=self.device,
            checkpoint=self.checkpoint,
            key=self._key(seen),
            verbose=self.verbose,
        )

    def _key(self, seen: Orbits) -> dict[str, str] | None:
        """What a checkpoint must agree with to be resumed: the settings of the training and its rows."""
        if self.checkpoint is None:
            return None
        settings = {k: repr(v) for k, v in self.get_params(deep=False).items() if k not in UNKEYED}
        return settings | {"rows": fingerprint([seen.z, seen.params, seen.items])}

    def _assigned(self, copies: Mapping[str, int]) -> AssignedObjective:
        weights = {"elements": self.elements, "content": self.content, "temperature": self.temperature}
        return AssignedObjective.of(self.group, copies, self.n_content, **weights)

    def _objective(self, limited: bool) -> Callable[[Tensor, Tensor], Tensor]:
        if self.copies is not None:
            if limited:  # an invariant code agrees with itself over a small range of any irrep (theory §5)
                raise DesignError(
                    "copies: expected elements drawn over the whole group, got a limited range. Leave `copies` out."
                )
            return self._assigned(self.copies)
        every = self.group.irreps(self.max_order)
        irreps = every if self.irreps is None else tuple(self.group.irrep(name) for name in self.irreps)
        objective = SpectralObjective.of(irreps, limited, self.n_content, self.content, self.temperature)
        if not isinstance(self.network, AbstractInvertibleNetwork):
            return objective
        # An invertible network cannot forget how things move: invariant directions are progress, too.
        return replace(objective, irreps=(*objective.irreps, *(rep for rep in every if rep.trivial)))

    def _layer(self, lift: AbstractLift) -> LinearCoordinates:
        return LinearCoordinates(
            self.group,
            max_order=self.max_order,
            min_energy=self.min_energy,
            ridge=self.ridge,
            n_folds=self.n_folds,
            n_null=self.n_null,
            level=self.level,
            random_state=self.random_state,
            verbose=self.verbose,
            lift=lift,
        )

    def _plan(self) -> Plan:
        plan = Plan(
            max_steps=self.max_steps,
            max_seconds=self.max_seconds,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            evaluate_every=self.evaluate_every,
            patience=self.patience,
        )
        return stage(plan) if isinstance(self.network, AbstractInvertibleNetwork) else plan

    # --- input ----------------------------------------------------------------------------------------------------
    def _embeddings(self, X: Any, reset: bool = False) -> Array:
        rows = to_numpy(X) if isinstance(X, Tensor) else X
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
