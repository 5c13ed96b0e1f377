"""Digits turned, read in every layer of a classifier, fitted, verified and edited: what the demo asks of images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from geodis.actions import ImageRotation
from geodis.coordinates import IsotypicSpectrum, LatentCoordinates, LinearCoordinates, isotypic_spectrum
from geodis.demo.flows import Moves, moved_rows
from geodis.encoders import DigitsNet, encode
from geodis.encoders.modules import evaluating
from geodis.errors import ParameterError
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.orbits import Orbits
from geodis.reports import Report, verify
from geodis.reports.edits import ALPHAS, FOLDS, nearest_rows
from geodis.sampling import sample_orbits
from geodis.simulators import digit_images, digit_split

N_ELEMENTS = 16  # angles a digit, a quarter turn being four of them
MAX_ORDER = 4
ORDERS = tuple(f"m={m}" for m in range(MAX_ORDER + 1))
CHOOSING = ("m=1", "m=2")  # orders by which the best layer is chosen
STEP = math.pi / 2  # of the edit
WINDOWS = 4  # a side: maps are read as means over so many
PIXEL_WINDOWS = 14
COMPONENTS = 48
UNSEEN = 1 / 3  # share of the digits that no fit sees
UNTRAINED = 1  # seed of the network without training
FEW_NULLS = 19  # relabellings where only the error is wanted
TRAINED, RANDOM, PIXELS = "trained", "without training", "pixels"


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of one network (or the pixels): its orbits, and what the fit found in it.

    Attributes
    ----------
    name, network : str
    maps : bool
        Whether it holds maps, of a convolution or the image itself.
    fitted, unseen : Orbits
    coordinates : LatentCoordinates
    spectrum : IsotypicSpectrum
        Of the fitted digits, cross-fitted.
    """

    name: str
    network: str
    maps: bool
    fitted: Orbits
    unseen: Orbits
    coordinates: LatentCoordinates
    spectrum: IsotypicSpectrum

    def energy(self, order: str) -> float:
        """The energy of the best copy of an order, kept or not; NaN where there is no candidate."""
        energies = self.spectrum.energies.get(order, np.zeros(0))
        return float(energies[0]) if len(energies) else math.nan

    @property
    def weakest(self) -> float:
        """The smallest energy of the orders that choose the best layer."""
        return float(np.nan_to_num([self.energy(order) for order in CHOOSING], nan=-np.inf).min())


@dataclass(frozen=True, eq=False)
class Finding:
    """All that was measured.

    Attributes
    ----------
    layers : tuple of Layer
        Of the trained network, in its order.
    controls : tuple of Layer
        The pixels, and the layers of a network without training.
    best : Layer
        The layer of maps with the best energies at the fit.
    reports : dict of str to Report
        Of the layers of the trained network, on unseen digits.
    moves : Moves
        Edits of the best layer by a quarter turn.
    ridge : float
        The share of them that a free map gets right.
    accuracy : float
        How often the last layer names the unseen digits, turned.
    images : ndarray (rows, side, side)
        What the unseen rows show.
    """

    layers: tuple[Layer, ...]
    controls: tuple[Layer, ...]
    best: Layer
    reports: dict[str, Report]
    moves: Moves
    ridge: float
    accuracy: float
    images: Array

    @property
    def report(self) -> Report:
        """Of the best layer."""
        return self.reports[self.best.name]

    @property
    def planes(self) -> list[int]:
        """The first block of each order that turns in the best layer, by order: it was the best one at the fit."""
        names = self.report.rows.block
        return sorted((i for i in turning(self.report) if names.iloc[i] in ORDERS), key=lambda i: names.iloc[i])

    def control(self, network: str, name: str) -> Layer | None:
        """A layer of the controls."""
        return next((c for c in self.controls if (c.network, c.name) == (network, name)), None)


Reading = tuple[tuple[str, str], bool, Tensor]  # (network, layer), whether it holds maps, (n, d)


class LayerReader:
    """Images `(n, H, W)` → the pixels and all layers of some networks side by side `(n, D)`, in one pass.

    Parameters
    ----------
    networks : dict of str to nn.Module
        Chains of stages: each child takes what the one before it returns, the first images `(n, 1, H, W)`.
    side : int
        H = W.
    """

    def __init__(self, networks: dict[str, nn.Module], side: int) -> None:
        self.networks = networks
        self.columns: dict[tuple[str, str], slice] = {}
        self.maps: dict[tuple[str, str], bool] = {}
        start = 0
        for key, maps, rows in self._readings(torch.zeros(1, side, side)):
            self.columns[key], self.maps[key] = slice(start, start + rows.shape[1]), maps
            start += rows.shape[1]

    def __call__(self, images: Array) -> Array:
        """All readings of a batch."""
        return torch.cat([rows for _, _, rows in self._readings(torch.from_numpy(images))], dim=1).numpy()

    def _readings(self, images: Tensor) -> list[Reading]:
        found: list[Reading] = [((PIXELS, PIXELS), True, _windows(images[:, None], PIXEL_WINDOWS))]
        for network, net in self.networks.items():
            h = images[:, None]
            with evaluating(net), torch.no_grad():
                for layer, stage in net.named_children():
                    h = stage(h)
                    maps = h.ndim == 4
                    found.append(((network, layer), maps, _windows(h, WINDOWS) if maps else h.flatten(1)))
        return found


def _windows(maps: Tensor, side: int) -> Tensor:
    """Means over side × side windows: `(n, C, H, W)` → `(n, C·side²)`."""
    return adaptive_avg_pool2d(maps, side).flatten(1)


def investigate(net: nn.Module, seed: int, verbose: bool, n_items: int, n_null: int) -> Finding:
    """Embed all layers in one pass and fit each; verify those of the network, edit in the best one."""
    images, classes = digit_images()
    fitted, unseen = chosen_digits(n_items, seed)
    reader = LayerReader({TRAINED: net, RANDOM: DigitsNet(UNTRAINED).eval()}, images.shape[-1])
    if not any(maps for (network, _), maps in reader.maps.items() if network == TRAINED):
        raise ParameterError("network", "a chain of stages of which one returns maps (n, C, H, W)", net)
    labels = np.concatenate([fitted, unseen])
    orbits = sample_orbits(
        encode(reader), images[labels], ImageRotation(), N_ELEMENTS, seed, item_ids=labels, verbose=verbose
    )
    parts = orbits.select(fitted), orbits.select(unseen)
    layers = [_layer(reader, key, *parts, seed, n_null if key[0] == TRAINED else 0) for key in reader.columns]
    trained = tuple(layer for layer in layers if layer.network == TRAINED)
    best = max((layer for layer in trained if layer.maps), key=lambda layer: layer.weakest)
    reports = {
        layer.name: verify(layer.unseen, layer.coordinates, seed=seed, n_null=n_null if layer is best else FEW_NULLS)
        for layer in trained
    }
    last = trained[-1].unseen
    return Finding(
        layers=trained,
        controls=tuple(layer for layer in layers if layer.network != TRAINED),
        best=best,
        reports=reports,
        moves=quarter_turns(best.coordinates, best.unseen),
        ridge=ridge_top1(best.fitted, best.unseen),
        accuracy=float(np.mean(last.z.argmax(axis=1) == classes[last.items])),
        images=ImageRotation().act(best.unseen.params, images[best.unseen.items]),
    )


def turning(report: Report) -> list[int]:
    """The blocks that the group moves."""
    return [i for i, b in enumerate(report.coordinates.blocks) if not b.irrep.trivial]


def chosen_digits(n_items: int, seed: int) -> tuple[Array, Array]:
    """Indices of digits to fit, among those the network was trained on, and of digits that neither has seen."""
    rng = np.random.default_rng([seed, 6])
    trained, unseen = digit_split()
    n_unseen = max(1, round(UNSEEN * n_items))
    return rng.choice(trained, n_items - n_unseen, replace=False), rng.choice(unseen, n_unseen, replace=False)


def quarter_turns(coordinates: LatentCoordinates, unseen: Orbits) -> Moves:
    """Turn every embedding by 90° and look for its nearest neighbour (cosine) among all unseen embeddings."""
    z = unseen.z.astype(np.float64)
    edited = np.asarray(coordinates.edit(z, np.full((len(z), 1), STEP)))
    return Moves(moved_rows(unseen, (STEP,)), nearest_rows(edited, z), unseen.clusters)


def ridge_top1(fitted: Orbits, unseen: Orbits) -> float:
    """The same for a free affine map, fitted on the quarter turns of the fitted digits, ridge chosen on their folds."""
    z, rows = fitted.z.astype(np.float64), unseen.z.astype(np.float64)
    folds = list(GroupKFold(min(FOLDS, fitted.n_items)).split(z, groups=fitted.items))
    alphas = ALPHAS * np.trace(np.cov(z.T))  # in the unit of the features
    model = RidgeCV(alphas, cv=folds, scoring="neg_mean_squared_error").fit(z, z[moved_rows(fitted, (STEP,))])
    return float(np.mean(nearest_rows(model.predict(rows), rows) == moved_rows(unseen, (STEP,))))


def _layer(reader: LayerReader, key: tuple[str, str], fitted: Orbits, unseen: Orbits, seed: int, n_null: int) -> Layer:
    """Fit a layer; with `n_null`, its spectrum has the null of common relabellings as well."""
    columns = reader.columns[key]
    mine, others = (orbits.map(lambda z: z[:, columns]) for orbits in (fitted, unseen))
    est = LinearCoordinates(SO2(), max_order=MAX_ORDER, max_components=COMPONENTS, random_state=seed).fit_orbits(mine)
    spectrum = est.spectrum_
    if n_null:
        spectrum = isotypic_spectrum(mine, max_order=MAX_ORDER, max_components=COMPONENTS, n_null=n_null, seed=seed)
    network, name = key
    return Layer(name, network, reader.maps[key], mine, others, est.coordinates_, spectrum)
