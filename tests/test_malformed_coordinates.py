"""Malformed options, fits, rows and elements are named errors."""

import numpy as np
import pytest
import torch
from fitted_codes import coordinates_of

from geodis import LinearCoordinates
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic

BAD_OPTIONS = [
    {"group": None},
    {"group": "SO2"},
    {"max_order": -1},
    {"max_order": 1.5},
    {"max_order": True},
    {"min_energy": 1.0},
    {"min_energy": -0.1},
    {"min_energy": float("nan")},
    {"min_energy": "half"},
    {"ridge": -1.0},
    {"ridge": "automatic"},
    {"ridge": float("inf")},
    {"n_folds": 1},
    {"n_folds": 2.0},
    {"max_components": 0},
    {"n_null": 5},
    {"level": 0.0},
    {"level": 1.0},
    {"random_state": -1},
    {"random_state": None},
    {"random_state": "seed"},
    {"isometric": "yes"},
]


@pytest.mark.parametrize("option", BAD_OPTIONS, ids=str)
def test_options_outside_their_range_are_refused_by_fit(option):
    params = SO2().orbit(10, 8).reshape(-1, 1)
    z, items = np.random.default_rng(0).normal(size=(80, 4)), np.repeat(np.arange(10), 8)
    est = LinearCoordinates(**({"group": SO2(), "max_order": 2} | option))
    (name,) = option
    with pytest.raises(ParameterError, match=name):
        est.fit(z, params, items=items)
    LinearCoordinates(SO2(), max_order=2).fit(z, params, items=items)


def test_malformed_fits():
    group = Cyclic(4)
    est = LinearCoordinates(group, max_order=1)
    z, params, items = (
        np.random.default_rng(0).normal(size=(40, 4)),
        np.tile(np.arange(4.0), 10),
        np.repeat(range(10), 4),
    )
    for arguments, options, error in (
        ((z * np.nan, params), {"items": items}, FiniteError),
        ((z, params * np.nan), {"items": items}, FiniteError),
        ((z, params + 0.5), {"items": items}, ParameterError),
        ((z, params[1:]), {"items": items}, LengthError),
        ((z, params), {"items": items[1:]}, LengthError),
        ((z, np.stack([params, params], 1)), {"items": items}, ShapeError),
        ((z, params), {"items": items[:, None]}, ShapeError),
        ((z, params), {"items": items, "clusters": items[1:]}, LengthError),
        ((z, params), {"items": items, "clusters": np.arange(40)}, ParameterError),
        ((z[:, 0], params), {"items": items}, ValueError),
        ((z[:0], params[:0]), {"items": items[:0]}, ValueError),
    ):
        with pytest.raises(error):
            est.fit(*arguments, **options)
    for thing in (z, None, [1, 2]):
        with pytest.raises(ParameterError, match="Orbits"):
            est.fit_orbits(thing)
    est.fit(z, params, items=items)
    with pytest.raises(ParameterError):
        est.score(z, params + 0.5)
    with pytest.raises(FiniteError):
        est.score(z * np.nan, params)
    with pytest.raises(LengthError):
        est.score(z, params[1:])
    with pytest.raises(ValueError, match="features"):
        est.transform(z[:, :2])
    with pytest.raises(FiniteError):
        est.transform(z * np.inf)
    for pilot in (z[:, 0], z[:0], z * np.nan):
        with pytest.raises(GeodisError):
            est.new_moments(pilot)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "act", "edit"])
def test_malformed_rows_are_named_errors(method):
    coords = coordinates_of("SO3")
    width = coords.n_features if method in ("transform", "edit") else coords.n_coordinates
    rows = np.zeros((3, width))
    arguments = (coords.group.identity(3),) if method in ("act", "edit") else ()
    call = getattr(coords, method)
    assert len(call(rows, *arguments)) == 3
    assert len(call(rows[:0], *arguments and (coords.group.identity(1),))) == 0
    for bad, error in (
        (rows[:, 1:], ShapeError),
        (rows[0], ShapeError),
        (rows[None], ShapeError),
        (rows + np.nan, FiniteError),
        (torch.full((3, width), float("inf")), FiniteError),
        (rows.astype(str), ParameterError),
        (rows + 1j, ParameterError),
        (torch.tensor(rows + 1j), ParameterError),
        (rows.astype(object), ParameterError),
        (None, GeodisError),
    ):
        with pytest.raises(error):
            call(bad, *arguments)


@pytest.mark.parametrize("method", ["operator", "act", "edit"])
def test_malformed_elements_are_named_errors(method):
    coords = coordinates_of("Dihedral(4)")
    rows = {"operator": (), "act": (np.zeros((3, coords.n_coordinates)),), "edit": (np.zeros((3, coords.n_features)),)}
    good = coords.group.identity(3)
    call = getattr(coords, method)
    assert len(call(*rows[method], good)) == 3
    bad = [
        (good[:, :1], ShapeError),
        (good[0], ShapeError),
        (0.0, ShapeError),
        (good * np.nan, FiniteError),
        (good + 0.5, ParameterError),
        (good.astype(str), ParameterError),
    ]
    if method != "operator":
        bad.append((good[:2], LengthError))
    for elements, error in bad:
        with pytest.raises(error):
            call(*rows[method], elements)
