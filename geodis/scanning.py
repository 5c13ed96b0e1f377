"""Scanning a network: which of its layers hold which irreps, found and measured in one pass over the items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from geodis.actions.action import AbstractAction
from geodis.coordinates.design import read_design
from geodis.coordinates.evidence import Settings
from geodis.encoders.layers import MAX_WIDTH, Layer, LayersEncoder, computing_layers, layer_label, layered, named_layers
from geodis.encoders.pooling import Pooling
from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.metrics.discoveries import discoveries
from geodis.metrics.scan import irreps_held
from geodis.orbits import Orbits
from geodis.reports.layer_scan import COLUMNS, LayerScan
from geodis.sampling import sample_orbits

if TYPE_CHECKING:
    from geodis.encoders import EmbeddingStore

COMPONENTS = 64  # principal directions of a layer in which irreps are sought


def scan_layers(
    model: Any,
    items: Sequence[Any] | Array,
    action: AbstractAction,
    layers: Sequence[Layer] | Layer | None = None,
    *,
    pool: Pooling | None = None,
    n_elements: int = 24,
    max_order: int = 4,
    min_energy: float = 0.5,
    test_size: float = 1 / 3,
    n_null: int = 99,
    level: float = 0.95,
    seed: int = 0,
    item_ids: Any = None,
    clusters: Any = None,
    max_width: int = MAX_WIDTH,
    max_components: int = COMPONENTS,
    batch_size: int = 64,
    verbose: bool = False,
    store: EmbeddingStore | str | Path | None = None,
) -> LayerScan:
    """Which layers of a network hold which irreps of the group, how equivariantly, on items that no fit has seen.

    Every moved item runs through the network once, and all layers are read on the way. Then, layer by layer, the best
    copy of every irrep is sought on a part of the items and its energy measured on the others.

    Parameters
    ----------
    model : nn.Module, transformers or sentence-transformers model, PreparedModel, ModuleEncoder
        The network. `geodis.encoders.load_transformer` makes a `PreparedModel` of a folder.
    items : sequence
        The items, in the form that the action moves.
    action : AbstractAction
        How the group acts on items.
    layers : str, int, or a sequence of them, optional
        Names from `module.named_modules()`, patterns such as ``"conv*"``, numbers of hidden states of a transformers
        model. By default the leaves that compute (no dropout, no reshaping), or the hidden states: at most 16, spread
        evenly over the network.
    pool : callable, optional
        Activation `(batch, ...)` → `(batch, D)` for all layers. By default the mean over the tokens of texts, and
        every number of anything else.
    n_elements : int
        Elements an item, as in `sample_orbits`.
    max_order : int
        Irreps up to this order.
    min_energy : float
        Energy above which a copy counts.
    test_size : float
        Share of the items (or clusters) on which energies are measured.
    n_null : int
        Draws of the null. Their p-values are 1/(n_null + 1) at least, and no q-value is smaller.
    level : float
        Confidence level of intervals.
    seed : int
        Seed of elements, split and nulls.
    item_ids, clusters : array (n,), optional
        As in `sample_orbits`.
    max_width : int
        A pooled layer of more numbers goes through a fixed random projection (`geodis.encoders.sketch`) to so many.
    max_components : int
        Irreps are sought in so many leading principal directions of each layer.
    batch_size : int
        Moved items a call of the network.
    verbose : bool
        Whether to show progress bars.
    store : EmbeddingStore or path, optional
        Folder that keeps the embeddings of all layers, as in `sample_orbits`.

    Returns
    -------
    LayerScan
        `.rows`, one a layer and irrep; `.best(irrep)`; `.summary`; `.plot()`; `.to_json()`, `.to_html()`.

    Raises
    ------
    ParameterError, UnknownNameError, ShapeError, LengthError
        For a model without layers, layers that it does not have or that do not run, options outside their range, items
        and labels that do not fit together.
    AliasingError
        When so few elements cannot tell irreps up to `max_order` apart; before anything is embedded.

    Notes
    -----
    A layer may hold no more than its input held: pixels turn linearly to begin with, and so do the layers of a network
    with random weights. What training added is seen beside the same scan of the untrained network.

    Choosing the best of many layers by the energies on unseen items would be optimistic: `LayerScan.best` chooses by
    the fitted ones. Groups that are not compact, or seen on a limited range only, take minutes a layer with many
    elements, as frequencies are sought by a scan of their own: take few elements, layers and components.

    Examples
    --------
    >>> from geodis.actions import ImageRotation
    >>> from geodis.encoders import load_digits_encoder
    >>> from geodis.simulators import digit_images, digit_split
    >>> unseen = digit_images()[0][digit_split()[1][:60]]
    >>> net, quick = load_digits_encoder(), {"n_elements": 8, "max_order": 1, "n_null": 19}
    >>> scan = scan_layers(net, unseen, ImageRotation(), "conv*", **quick)
    >>> scan.rows[["layer", "irrep", "status"]]
       layer irrep status
    0  conv1   m=1     ok
    1  conv2   m=1     ok
    2  conv3   m=1     ok
    """
    if not isinstance(action, AbstractAction):
        raise ParameterError("action", "an action such as ImageRotation()", type(action).__name__)
    settings = Settings(
        max_order, min_energy, n_null=n_null, level=level, seed=seed, max_components=max_components
    )  # bars of every layer's own would bury the one over layers
    settings.check()
    module, prepare = layered(model)
    probe = _probe(items, action)
    _check_design(items, action, n_elements, settings)
    if layers is None:
        chosen = computing_layers(module, prepare, probe)
    else:
        chosen = named_layers(module, [layers] if isinstance(layers, (str, int)) else list(layers))
    encoder = LayersEncoder(module, chosen, pool=pool, prepare=prepare, max_width=max_width, batch_size=batch_size)
    widths = [part.shape[1] for part in encoder.read(probe).values()]
    orbits = sample_orbits(
        encoder, items, action, n_elements, seed,
        item_ids=item_ids, clusters=clusters, batch_size=batch_size, verbose=verbose, store=store,
    )  # fmt: skip
    fitted, unseen = orbits.split(test_size, seed)
    frames = []
    ends = np.cumsum(widths)
    for layer, end, width in tqdm(
        list(zip(chosen, ends, widths, strict=True)), desc="scanning layers", disable=not verbose
    ):
        here = slice(int(end) - width, int(end))
        frame = irreps_held(_columns(fitted, here), _columns(unseen, here), settings)
        frames.append(frame.assign(layer=layer_label(layer), width=width))
    rows = discoveries(pd.concat(frames, ignore_index=True)).rename(columns={"q_value": "q"})
    return LayerScan(
        rows=rows[COLUMNS],
        layers=tuple(chosen),
        group=repr(action.group),
        n_fitted=fitted.n_items,
        n_unseen=unseen.n_items,
        n_clusters=len(np.unique(unseen.clusters)),
        n_elements=int(orbits.sizes.max()),
        level=level,
        min_energy=min_energy,
    )


def _columns(orbits: Orbits, here: slice) -> Orbits:
    return orbits.map(lambda z: z[:, here])


def _probe(items: Any, action: AbstractAction) -> Any:
    """One or two items as the network gets them."""
    try:
        n = min(2, len(items))
    except TypeError:
        raise ParameterError("items", "a sequence or an array of items", type(items).__name__) from None
    if n == 0:
        raise ParameterError("items", "at least one item", "none")
    first = items[:n] if isinstance(items, np.ndarray) else [items[i] for i in range(n)]
    return action.act(action.group.identity(n), first)


def _check_design(items: Any, action: AbstractAction, n_elements: int, settings: Settings) -> None:
    """Raise `AliasingError` before the network runs, and not after."""
    params = action.orbit(items, n_elements, seed=settings.seed)
    n, m = params.shape[:2]
    bare = Orbits.from_arrays(
        np.arange(n * m, dtype=float)[:, None], params.reshape(n * m, -1), np.repeat(np.arange(n), m), action.group
    )
    read_design(action.group, list(bare.stacks()), settings.max_order, settings.seed)
