"""Planted codes: without noise exactly equivariant, with noise exactly that noisy, in a frame that is a rotation."""

import numpy as np
import pytest

from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.groups import SO2, SO3
from geodis.simulators import planted, planted_cases
from geodis.simulators.planted import moved

NAMES = tuple(planted_cases())
INFINITE = [name for name in NAMES if planted_cases()[name]().group.order is None]
# The frame's product and its undoing cost a few roundings on values of size one to ten.
EXACT = 1e-12
# Composition and inversion of elements add their own roundings (the logarithm near a half turn, boosts of rapidity 2).
COMPOSED = 1e-9


def case_of(name):
    return planted_cases()[name]()


def noise_free(name, **options):
    return case_of(name).code(3, n_items=12, noise=0.0, **options)


def by_item(code, array):
    return array.reshape(len(np.unique(code.items)), -1, array.shape[-1])


@pytest.mark.parametrize("name", NAMES)
def test_without_noise_the_code_follows_the_action(name):
    code = noise_free(name)
    for block in code.blocks:
        expected = moved(block.representation, code.params, block.content[code.items])
        np.testing.assert_allclose(code.coordinates(block), expected, rtol=0, atol=EXACT)
        shuffled = np.random.default_rng(0).permutation(code.params)
        wrong = moved(block.representation, shuffled, block.content[code.items])
        noticed = np.abs(code.coordinates(block) - wrong).max() > 0.1
        assert noticed != block.representation.trivial, "other elements are noticed unless the block is invariant"


@pytest.mark.parametrize("name", NAMES)
def test_from_element_to_element_it_moves_by_their_quotient(name):
    case, code = case_of(name), noise_free(name)
    g = by_item(code, code.params)
    h = case.group.compose(g[:, 1], case.group.inverse(g[:, 0]))
    for block in code.blocks:
        c = by_item(code, code.coordinates(block))
        rep = block.representation
        np.testing.assert_allclose(moved(rep, h, c[:, 0]), c[:, 1], rtol=0, atol=COMPOSED)


@pytest.mark.parametrize("name", NAMES)
def test_the_case_holds_what_it_says(name):
    case = case_of(name)
    code = case.code(n_items=5)
    assert code.multiplicities == case.multiplicities
    assert code.z.shape == (len(code.params), 64)
    assert len(code.items) == len(code.params)
    assert list(np.unique(code.items)) == list(range(5))
    case.group.check(code.params)
    used = [i for block in code.blocks for i in range(code.frame.shape[1])[block.columns]]
    assert used == list(range(sum(block.representation.dim for block in code.blocks)))
    if name.endswith((" pairs", " base")):
        assert len(code.params) == 10
    if name.endswith(" base"):
        np.testing.assert_array_equal(code.params[::2], case.group.identity(5))


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_is_a_rotation(name):
    frame = noise_free(name).frame
    np.testing.assert_allclose(frame.T @ frame, np.eye(64), rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", INFINITE)
def test_items_share_no_elements(name):
    code = case_of(name).code(n_items=6)
    moving = code.params[1::2] if name.endswith(" base") else code.params
    assert len(np.unique(moving.round(12), axis=0)) == len(moving)


@pytest.mark.parametrize("name", [name for name in NAMES if case_of(name).haar])
def test_haar_designs_average_every_representation_to_zero(name):
    code = case_of(name).code(1, n_items=1000)
    for block in code.blocks:
        if not block.representation.trivial:
            # The mean of 2000 or more entries of size below one: five standard errors.
            assert np.abs(block.representation(code.params).mean(0)).max() < 5 / np.sqrt(len(code.params))


@pytest.mark.parametrize("name", ["SO2", "SO3 pairs", "Lorentz"])
def test_elements_are_independent_of_contents(name):
    code = case_of(name).code(1, n_items=1000)
    first = by_item(code, code.params)[:, 0]
    for block in code.blocks:
        correlation = np.corrcoef(first.T, block.content.T)[: first.shape[1], first.shape[1] :]
        assert np.abs(correlation).max() < 5 / np.sqrt(1000)


def test_limited_designs_are_limited():
    assert np.abs(case_of("SO2 limited").code().params).max() <= np.pi / 3
    assert np.linalg.norm(case_of("Lorentz").code().params[:, 3:], axis=1).max() <= 1.0
    assert np.abs(case_of("SO2").code().params).max() > 3.0


def test_rows_have_unit_variance_and_the_noise_is_what_was_asked():
    case = case_of("SO3")
    code, clean = case.code(n_items=1000), case.code(n_items=1000, noise=0.0)
    latent = clean.z @ clean.frame
    n_used = sum(block.representation.dim for block in code.blocks) + case.n_junk
    np.testing.assert_allclose(latent[:, :n_used].var(0), 1.0, rtol=0, atol=0.25)
    np.testing.assert_allclose(latent[:, n_used:], 0.0, rtol=0, atol=EXACT)
    np.testing.assert_allclose((code.z - clean.z).std(0), 0.1, rtol=0, atol=0.003)


def test_junk_follows_no_item_and_no_element():
    code = planted([(SO2().irrep("m=0"), 1)], np.zeros((2000, 2, 1)), n_features=8, n_junk=3, noise=0.0)
    junk = by_item(code, (code.z @ code.frame)[:, 1:4])
    between = np.corrcoef(junk[:, 0].T, junk[:, 1].T)[:3, 3:]
    assert np.abs(between).max() < 5 / np.sqrt(2000)
    invariant = by_item(code, code.coordinates(code.blocks[0]))
    np.testing.assert_allclose(invariant[:, 0], invariant[:, 1], rtol=0, atol=EXACT)


def test_copies_have_contents_of_their_own():
    code = case_of("SO2").code()
    first, second = [block for block in code.blocks if block.representation.name == "m=1"]
    assert np.abs(np.corrcoef(first.content.T, second.content.T)[:2, 2:]).max() < 5 / np.sqrt(200)


def test_the_seed_decides_and_nothing_else():
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what must not move
    a, b, other = case_of("SO3").code(5), case_of("SO3").code(5), case_of("SO3").code(6)
    np.testing.assert_array_equal(a.z, b.z)
    assert np.abs(a.z - other.z).max() > 0.1
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    quiet = case_of("SO3").code(5, noise=0.0)
    np.testing.assert_array_equal(a.frame, quiet.frame)
    np.testing.assert_array_equal(a.blocks[0].content, quiet.blocks[0].content)


def test_the_two_mixed_characters_of_a_product_are_planted_apart():
    multiplicities = case_of("SO2*Cyclic(3)").multiplicities
    assert multiplicities["m=1⊗k=1"] == 1
    assert multiplicities["m=1⊗k=-1"] == 2


VECTOR = SO3().irrep("l=1")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"params": np.zeros((3, 4))}, ShapeError),
        ({"params": np.zeros((0, 4, 3))}, ShapeError),
        ({"params": np.full((3, 4, 3), np.nan)}, FiniteError),
        ({"n_features": 2}, ParameterError),
        ({"n_features": 8, "n_junk": 6}, ParameterError),
        ({"n_junk": -1}, ParameterError),
        ({"noise": -0.1}, ParameterError),
        ({"noise": np.nan}, ParameterError),
        ({"irreps": [(VECTOR, -1)]}, ParameterError),
        ({"irreps": [(VECTOR, 1.5)]}, ParameterError),
    ],
)
def test_wrong_input_is_a_named_error(options, error):
    given = {"irreps": [(VECTOR, 1)], "params": np.zeros((3, 4, 3))} | options
    with pytest.raises(error) as caught:
        planted(given.pop("irreps"), given.pop("params"), **given)
    assert isinstance(caught.value, GeodisError)
