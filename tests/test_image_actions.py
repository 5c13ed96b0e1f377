"""Where pixels go: conventions, analytic oracles, what interpolation costs; wrong images are named errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from actions_zoo import IMAGE_CASES, WIDTH, blob_parameters, blobs, random_images, smooth_images
from scipy import ndimage

from geodis.actions import (
    AbstractAction,
    HueRotation,
    ImageRotation,
    ImageScaling,
    ImageShift,
    QuarterTurns,
    SquareSymmetries,
    law_errors,
)
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic, Dihedral, Scaling, Translation

SIDE = 33
IMAGE_ACTIONS = {
    "rotation": ImageRotation,
    "shift": lambda: ImageShift(4, 4),
    "scaling": ImageScaling,
    "hue": HueRotation,
    "quarter turns": QuarterTurns,
    "square": SquareSymmetries,
}


def turned(places, angles):
    """ρ(θ)p on (row, column)."""
    return np.einsum("nij,nkj->nki", SO2().matrix(angles[:, None]), places)


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


# --- rotation ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("side", [32, 33])
def test_a_rotated_image_is_the_rotated_function(side):
    places, heights = blob_parameters(8, 3, seed=1)
    angles = np.linspace(-3, 3, 8)
    moved = ImageRotation().act(angles, blobs(places, heights, side))
    assert relative(moved, blobs(turned(places, angles), heights, side)) < 1e-5
    assert relative(moved, blobs(turned(places, -angles), heights, side)) > 0.3  # the other sense is another image


def test_rotation_is_counter_clockwise_as_displayed():
    image = np.zeros((1, 5, 5))
    image[0, 2, 4] = 1.0
    diagonal = ImageRotation().act([np.pi / 4], image)[0]
    assert np.unravel_index(diagonal.argmax(), diagonal.shape) == (1, 3)
    assert ImageRotation().act([np.pi / 2], image)[0, 0, 2] == 1


@pytest.mark.parametrize("shape", [(4, 7, 7), (4, 8, 8), (4, 3, 6, 6)])
def test_quarter_turns_are_the_same_in_three_actions(shape):
    images = random_images(*shape)(0)
    for k in range(-5, 9):
        expected = np.rot90(images, k, axes=(-2, -1))
        assert np.array_equal(QuarterTurns().act(np.full(4, float(k)), images), expected)
        assert np.array_equal(ImageRotation().act(np.full(4, k * np.pi / 2), images), expected)
        assert np.array_equal(SquareSymmetries().act(np.tile([float(k), 0.0], (4, 1)), images), expected)
    nearly = ImageRotation().act(np.full(4, np.pi / 2 + 1e-6), images)
    assert not np.array_equal(nearly, np.rot90(images, 1, axes=(-2, -1)))  # interpolated
    np.testing.assert_allclose(nearly, np.rot90(images, 1, axes=(-2, -1)), atol=1e-3)


def test_summed_angles_are_quarter_turns_too():
    images = random_images(4, 6, 6)(0)
    angles = np.cumsum(np.full(24, np.pi / 12))[5::6]
    assert not np.array_equal(angles, np.pi / 2 * np.arange(1, 5))
    expected = [np.rot90(image, k) for image, k in zip(images, (1, 2, 3, 4), strict=True)]
    assert np.array_equal(ImageRotation().act(angles, images), expected)


def test_quarter_turns_do_not_need_smooth_images_and_other_angles_do():
    rough = random_images(4, 16, 16)(0)
    eighths = ImageRotation().act(np.full(4, np.pi / 4), ImageRotation().act(np.full(4, np.pi / 4), rough))
    assert relative(eighths, np.rot90(rough, 1, axes=(-2, -1))) > 0.1


def test_elements_of_a_batch_mix():
    images = random_images(4, 2, 9, 9)(0)
    angles = np.array([0.0, 0.4, np.pi / 2, -0.4])
    mixed = ImageRotation().act(angles, images)
    alone = [ImageRotation().act(angles[i : i + 1], images[i : i + 1])[0] for i in range(4)]
    assert np.array_equal(mixed, np.stack(alone))


def test_a_full_turn_more_changes_nothing():
    images = smooth_images(3, 20)(0)
    angles = np.array([0.3, -1.2, 2.5])
    np.testing.assert_allclose(
        ImageRotation().act(angles + 2 * np.pi, images), ImageRotation().act(angles, images), atol=1e-12
    )


class SplineRotation(AbstractAction):
    """The obvious way: a cubic spline on the pixels."""

    group = SO2()
    exact = False

    def _act(self, params, items):
        moved = zip(items, np.degrees(params[:, 0]), strict=True)
        return np.stack([ndimage.rotate(image, angle, reshape=False, order=3) for image, angle in moved])

    def __repr__(self):
        return "SplineRotation()"


def test_the_floor_is_lower_than_that_of_a_spline():
    images = smooth_images(8, 24)(0)
    ours, theirs = law_errors(ImageRotation(), images), law_errors(SplineRotation(), images)
    assert ours.composition_rms < theirs.composition_rms / 10
    assert theirs.composition_rms < 1e-2  # the same rotation, less well


def test_what_turns_out_of_the_frame_is_lost():
    corner = np.zeros((1, 21, 21))
    corner[0, :3, :3] = 1.0
    moved = ImageRotation().act([np.pi / 4], corner)
    assert (moved**2).sum() < 0.02 * (corner**2).sum()


# --- shift ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("height", "width"), [(5, 7), (6, 8), (1, 4), (4, 1)])
def test_whole_shifts_roll(height, width):
    images = random_images(3, 2, height, width)(0)
    shifts = np.array([[1.0, 2.0], [-3.0, 0.0], [height, -width]])
    expected = [np.roll(image, (int(a), int(b)), axis=(1, 2)) for image, (a, b) in zip(images, shifts, strict=True)]
    assert np.array_equal(ImageShift(height, width).act(shifts, images), np.stack(expected))


def wave(shape, shift, frequencies):
    """A trigonometric polynomial, moved by `shift` pixels (rows, columns)."""
    rows, columns = (np.arange(n) - s for n, s in zip(shape, shift, strict=True))
    return sum(
        np.cos(2 * np.pi * (k * rows[:, None] / shape[0] + m * columns / shape[1]) + k + 2 * m) for k, m in frequencies
    )


@pytest.mark.parametrize("shape", [(9, 11), (8, 10)])
def test_fractional_shifts_move_waves(shape):
    frequencies = [(0, 1), (1, 0), (2, -3), (3, 4)]
    shifts = np.array([[0.25, -3.5], [7.3, 1.0], [0.0, 0.5]])
    moved = ImageShift(*shape).act(shifts, np.stack([wave(shape, (0, 0), frequencies)] * 3))
    np.testing.assert_allclose(moved, [wave(shape, shift, frequencies) for shift in shifts], atol=1e-12)


def test_even_sides_miss_the_law_by_their_nyquist_frequency_alone():
    rough = random_images(4, 8, 8)(0)
    checkers = (-1.0) ** np.arange(8)
    smooth = rough - checkers * (rough * checkers).mean(-1, keepdims=True)
    smooth -= checkers[:, None] * (smooth * checkers[:, None]).mean(-2, keepdims=True)
    action = ImageShift(8, 8)
    assert law_errors(action, smooth).worst < 1e-12
    assert law_errors(action, rough).worst > 1e-2
    assert not action.exact
    assert not ImageShift(8, 7).exact
    assert not ImageShift(7, 8).exact
    assert ImageShift(7, 9).exact


# --- scaling ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("factor", [0.6, 0.8, 1.0, 1.25, 1.5])
def test_a_scaled_image_is_the_scaled_function(factor):
    places, heights = blob_parameters(5, 3, seed=2)
    image = blobs(0.5 * places, heights, SIDE)
    expected = blobs(0.5 * factor * places, heights, SIDE, width=WIDTH * factor)
    moved = ImageScaling().act(np.full(5, np.log(factor)), image)
    assert relative(moved, expected) < 2e-3
    assert factor == 1 or relative(ImageScaling().act(np.full(5, -np.log(factor)), image), expected) > 0.1


def test_shrinking_removes_what_would_alias():
    checkers = np.indices((SIDE, SIDE)).sum(0) % 2 * 2.0 - 1
    shrunken = ImageScaling().act([np.log(0.5)], checkers[None])[0]
    assert np.abs(shrunken[12:21, 12:21]).max() < 0.1


def test_scaling_keeps_rectangles():
    flat = random_images(2, 3, 6, 11)(0)
    assert ImageScaling().act([0.1, -0.1], flat).shape == flat.shape
    np.testing.assert_allclose(ImageScaling().act([0.0, 0.0], flat), flat, atol=1e-14)
    tall = ImageScaling().act([0.1, -0.1], np.swapaxes(flat, -1, -2))
    np.testing.assert_allclose(np.swapaxes(tall, -1, -2), ImageScaling().act([0.1, -0.1], flat), atol=1e-14)


def test_the_spread_is_that_of_the_group():
    assert ImageScaling(0.3).group == Scaling(0.3)
    assert np.std(ImageScaling(0.3).orbit(np.zeros((50, 4, 4)), 40)) == pytest.approx(0.3, rel=0.1)


# --- colors -----------------------------------------------------------------------------------------------------------
def test_a_third_of_a_turn_takes_red_to_green_to_blue():
    images = random_images(3, 3, 4, 5)(0)
    np.testing.assert_allclose(
        HueRotation().act(np.full(3, 2 * np.pi / 3), images), np.roll(images, 1, axis=1), atol=1e-14
    )


def test_grey_and_lengths_stay():
    images = random_images(3, 3, 4, 5)(0)
    angles = np.array([0.3, 1.0, -2.0])
    moved = HueRotation().act(angles, images)
    np.testing.assert_allclose(moved.mean(1), images.mean(1), atol=1e-14)
    np.testing.assert_allclose((moved**2).sum(1), (images**2).sum(1), atol=1e-13)
    assert relative(moved, images) > 0.1


def test_saturated_colors_leave_the_unit_cube_and_come_back():
    """Nothing is clipped: clipping in between would not come back."""
    images = np.eye(3).reshape(3, 3, 1, 1)
    there = HueRotation().act(np.full(3, 0.5), images)
    assert there.min() < -0.1
    np.testing.assert_allclose(HueRotation().act(np.full(3, -0.5), there), images, atol=1e-14)
    assert relative(HueRotation().act(np.full(3, -0.5), np.clip(there, 0, 1)), images) > 0.1


# --- the square -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("side", [4, 5])
def test_a_pixel_moves_by_the_matrix_of_the_element(side):
    group, centre = Dihedral(4), (side - 1) / 2
    for g in group.elements():
        for place in np.ndindex(side, side):
            image = np.zeros((1, side, side))
            image[(0, *place)] = 1.0
            target = group.matrix(g) @ (np.array(place) - centre) + centre
            assert SquareSymmetries().act(g[None], image)[(0, *np.rint(target).astype(int))] == 1


def test_the_mirror_swaps_left_and_right():
    image = np.arange(9.0).reshape(1, 3, 3)
    assert np.array_equal(SquareSymmetries().act([[0.0, 1.0]], image), image[..., ::-1])


# --- layouts and groups -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", [case for case in IMAGE_CASES if case.name != "hue"], ids=str)
def test_both_layouts_agree(case):
    action, items = case.make(), case.items(0)
    params = action.orbit(items, 1)[:, 0]
    flat = items if items.ndim == 3 else items[:, 0]
    assert np.array_equal(action.act(params, flat), action.act(params, flat[:, None])[:, 0])
    channels = np.stack([flat, 2 * flat], axis=1)
    np.testing.assert_allclose(action.act(params, channels)[:, 1], 2 * action.act(params, flat), atol=1e-12)


def test_memory_order_does_not_matter():
    images = random_images(3, 6, 6)(0)
    strange = np.asfortranarray(images)
    for action, params in ((ImageRotation(), [0.1, 0.2, np.pi]), (QuarterTurns(), [1.0, 2.0, 3.0])):
        assert np.array_equal(action.act(params, strange), action.act(params, images))


def test_a_list_of_images_is_a_batch():
    images = random_images(3, 6, 6)(0)
    assert np.array_equal(
        QuarterTurns().act([1.0, 2.0, 3.0], list(images)), QuarterTurns().act([1.0, 2.0, 3.0], images)
    )


def test_groups_and_names():
    expected = {
        "rotation": (SO2(), "ImageRotation()"),
        "shift": (Translation(2, period=(4, 4)), "ImageShift(4, 4)"),
        "scaling": (Scaling(0.2), "ImageScaling(spread=0.2)"),
        "hue": (SO2(), "HueRotation()"),
        "quarter turns": (Cyclic(4), "QuarterTurns()"),
        "square": (Dihedral(4), "SquareSymmetries()"),
    }
    for name, make in IMAGE_ACTIONS.items():
        assert (make().group, repr(make())) == expected[name]


# --- malformed input --------------------------------------------------------------------------------------------------
images_of_every_action = pytest.mark.parametrize("name", IMAGE_ACTIONS)


def one(name):
    """The action, an element and one good image."""
    action = IMAGE_ACTIONS[name]()
    return action, action.group.identity(1), np.zeros((1, 3, 4, 4))


@images_of_every_action
@pytest.mark.parametrize("shape", [(1,), (1, 4), (1, 1, 3, 4, 4), (1, 0, 4), (1, 3, 4, 0)])
def test_images_have_three_or_four_axes(name, shape):
    action, g, _ = one(name)
    with pytest.raises(ShapeError, match="images"):
        action.act(g, np.zeros(shape))


@images_of_every_action
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.complex128, object, str])
def test_images_are_floats(name, dtype):
    action, g, images = one(name)
    with pytest.raises(ParameterError, match=r"floating-point.*Convert"):
        action.act(g, images.astype(dtype))


@images_of_every_action
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_images_are_finite(name, bad):
    action, g, images = one(name)
    images[0, 1, 2, 3] = bad
    with pytest.raises(FiniteError, match="images"):
        action.act(g, images)
    with pytest.raises(FiniteError, match="images"):
        action.act(g, torch.as_tensor(images))


@images_of_every_action
def test_images_have_one_shape(name):
    action, g, _ = one(name)
    with pytest.raises(ShapeError, match="several shapes"):
        action.act(np.tile(g, (2, 1)), [np.zeros((4, 4)), np.zeros((5, 5))])


@images_of_every_action
def test_one_element_an_image(name):
    action, g, images = one(name)
    assert action.act(g, images).shape == images.shape
    with pytest.raises(LengthError):
        action.act(np.tile(g, (2, 1)), images)
    for params in (np.full(g.shape, np.nan), np.zeros((1, g.shape[1] + 1))):
        with pytest.raises(GeodisError):
            action.act(params, images)


@pytest.mark.parametrize("name", ["rotation", "quarter turns", "square"])
def test_quarter_turns_need_squares(name):
    action, g, _ = one(name)
    with pytest.raises(ShapeError, match="square"):
        action.act(g, np.zeros((1, 4, 5)))


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 1, 4, 4), (1, 4, 4, 4)])
def test_hue_needs_three_channels(shape):
    with pytest.raises(ShapeError, match="red, green and blue"):
        HueRotation().act([0.1], np.zeros(shape))


@pytest.mark.parametrize("size", [(0, 4), (4, -1), (4.5, 4), ("4", 4), (None, 4)])
def test_the_size_of_shifted_images(size):
    with pytest.raises(ParameterError):
        ImageShift(*size)
    with pytest.raises(ShapeError, match="images"):
        ImageShift(4, 5).act([[0.0, 0.0]], np.zeros((1, 5, 4)))


@pytest.mark.parametrize("spread", [0.0, -1.0, np.nan, "wide", None])
def test_the_spread_of_scalings(spread):
    with pytest.raises(ParameterError, match="spread"):
        ImageScaling(spread)


@pytest.mark.parametrize("params", [[0.5], [np.nan]])
def test_steps_are_whole(params):
    with pytest.raises(GeodisError):
        QuarterTurns().act(params, np.zeros((1, 4, 4)))
    with pytest.raises(GeodisError):
        SquareSymmetries().act([[params[0], 0.0]], np.zeros((1, 4, 4)))
    with pytest.raises(ParameterError):
        SquareSymmetries().act([[0.0, 2.0]], np.zeros((1, 4, 4)))
