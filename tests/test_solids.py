"""Rendered solids: rays agree with marching, no object is symmetric, actions obey their laws, twins look alike."""

import time
from dataclasses import replace

import numpy as np
import pytest

import geodis
from geodis.errors import LengthError, ParameterError, ShapeError, UnknownNameError
from geodis.groups import SO3
from geodis.simulators import (
    FactorAction,
    Hue,
    HueCircle,
    Light,
    LightTurn,
    Orientation,
    Orthographic,
    OutOfPlane,
    Perspective,
    Renderer,
    Solids,
    XRay,
    depth_twin,
    headlight,
    solid_objects,
    tumbled,
    upright,
)
from geodis.simulators.cells import PRIMITIVES, ball, block, rod, wedge
from geodis.simulators.shapes import FAMILIES
from geodis.simulators.solids import assembled, normalised

ACTIONS = {
    "pose, one axis": OutOfPlane(),
    "pose": Orientation(),
    "hue": Hue(),
    "light": LightTurn(),
    "all": FactorAction((OutOfPlane(), Hue(), LightTurn())),
    "all, any axis": FactorAction((LightTurn(), Orientation(), Hue())),
}


def one_solid(*cells):
    """A single object out of cells, in its own frame."""
    return assembled(["own"], [normalised(cells)], np.eye(3)[None], np.zeros(1))


# --- an oracle that knows nothing of screen coordinates ---------------------------------------------------------------
def constraints(solid, points):
    """The left sides of all inequalities of each cell at points (k, 3) of space: a list of (k, m), inside where ≤ 0."""
    own = np.concatenate([points @ solid.poses[0], np.ones((len(points), 1))], 1)
    values = []
    for kind, cell in zip(solid.kinds[0], solid.cells[0], strict=True):
        if kind >= 0:
            h = own @ np.linalg.inv(cell).T
            quadric = (h * h) @ PRIMITIVES[kind].quadric
            values.append(np.column_stack([h @ PRIMITIVES[kind].planes.T, quadric, -h[:, 3]]))
    return values


def inside(solid, points):
    return np.any([(values <= 0).all(1) for values in constraints(solid, points)], 0)


def rays(camera, n):
    """Origins and directions (n², 3) of the rays through the pixels, so that the ball lies at t in [0, 2]."""
    axis = (2 * np.arange(n) + 1) / n - 1
    v, u = (grid.ravel() for grid in np.meshgrid(-axis, axis, indexing="ij"))
    if isinstance(camera, Orthographic):
        return np.column_stack([u, v, np.ones(n * n)]), np.tile([0.0, 0.0, -1.0], (n * n, 1))
    d = camera.distance
    slope = np.column_stack([u, v, np.zeros(n * n)]) / np.sqrt(d * d - 1) + [0, 0, -1]
    return np.array([0, 0, d]) + (d - 1) * slope, slope


def marched(solid, camera, light, n, steps=1500):
    """Brightness (n, n) by walking along rays, with normals by finite differences."""
    origins, slopes = rays(camera, n)
    first = np.full(len(origins), np.inf)
    for t in np.linspace(0, 2, steps)[::-1]:
        first[inside(solid, origins + t * slopes)] = t
    image = np.zeros(len(origins))
    hit = np.flatnonzero(np.isfinite(first))
    low, high = first[hit] - 2 / (steps - 1), first[hit]
    for _ in range(30):
        middle = (low + high) / 2
        within = inside(solid, origins[hit] + middle[:, None] * slopes[hit])
        low, high = np.where(within, low, middle), np.where(within, middle, high)
    points = origins[hit] + low[:, None] * slopes[hit]
    deeper = origins[hit] + (high + 1e-9)[:, None] * slopes[hit]
    cell = np.argmax([(values <= 0).all(1) for values in constraints(solid, deeper)], 0)
    towards = light.frames(solid.lights)[0, 0]
    for i, (point, which) in enumerate(zip(points, cell, strict=True)):
        shifts = point + 1e-6 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
        values = constraints(solid, shifts)[which]
        gradient = (values[1:4] - values[4:])[:, values[0].argmax()]
        cosine = gradient @ towards / np.linalg.norm(gradient)
        brightness = light.ambient + (1 - light.ambient) * max(0.0, (cosine + light.wrap) / (1 + light.wrap))
        image[hit[i]] = brightness * solid.albedos[0, which]
    return image.reshape(n, n)


ZOO = {
    "box": [block([0, 0, 0], [0.5, 0.8, 0.3])],
    "pyramid": [block([0, 0, 0], [0.5, 0.8, 0.6], top=0.1)],
    "ramp": [wedge([0, 0, 0], [0.5, 0.8, 0.6])],
    "cone": [rod([0, -1, 0], [0.3, 1, 0.2], 0.6, 0.1)],
    "widening cone": [rod([0, 0, 0.9], [0, 0.1, -1], 0.2, 4.0)],
    "ellipsoid": [ball([0, 0, 0], [1, 0.5, 0.3])],
    **{name: [name] for name in FAMILIES},
}
CAMERAS = {"perspective": Perspective(2.5), "orthographic": Orthographic()}


def zoo_solid(case, seed):
    own = solid_objects(1, seed, families=[case]) if case in FAMILIES else one_solid(*ZOO[case])
    return own.rotated([tumbled(np.random.default_rng(seed))])


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("case", ZOO)
def test_rays_agree_with_marching(case, camera):
    light = Light(tilt=0.7, ambient=0.2, wrap=0.1)
    solid = zoo_solid(case, 3).with_lights(1.1)
    seen = Renderer(12, camera, light, oversampling=1)(solid)[0, 0]
    wrong = np.abs(seen - marched(solid, camera, light, 12, 300)) > 2e-3
    assert wrong.mean() < 0.02, f"{wrong.sum()} pixels"  # walking may step over an edge
    turned = Renderer(12, camera, light, oversampling=1)(solid, [np.diag([-1.0, 1.0, -1.0])])[0, 0]
    assert (np.abs(turned - seen) > 2e-3).mean() > 0.02


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_faces_seen_edge_on_hide_nothing(camera):
    """Upright boxes and cylinders have faces along the rays, and are looked at along their axes."""
    solids = {
        "box": one_solid(block([0, 0, 0], [1, 1, 1])),
        "cylinder": one_solid(rod([0, 0, -1], [0, 0, 1], 1)),
        "upright": one_solid(rod([0, -1, 0], [0, 1, 0], 1)),
    }
    for solid in solids.values():
        image = Renderer(32, camera, headlight())(solid)[0, 0]
        assert image[16, 16] == pytest.approx(0.9, abs=0.01)
        expected = marched(solid, camera, headlight(), 32, 200) > 0
        assert ((image > 0) != expected).mean() < 0.08


def test_nothing_leaves_the_image():
    solids = solid_objects(140, 4, orientation=tumbled)
    points = np.random.default_rng(0).normal(size=(4000, 3))
    points *= 1.001 / np.linalg.norm(points, axis=1, keepdims=True)
    assert not any(inside(solids[[i]], points).any() for i in range(0, 140, 5))
    images = Renderer(64)(solids)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() <= 1
    rim = np.concatenate([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], -1)
    assert (rim > 0).mean() < 0.002
    assert (images > 0).mean() > 0.1


@pytest.mark.parametrize("light", [Light(), XRay()], ids=repr)
def test_images_do_not_depend_on_their_company(light):
    solids, see = solid_objects(150, 1, orientation=tumbled), Renderer(24, light=light)
    together = see(solids)
    for i in (0, 77, 149):
        assert (np.abs(see(solids[[i]])[0] - together[i]) > 1e-4).mean() < 1e-3
    assert np.array_equal(see(solids), together)


def test_no_two_faces_coincide():
    """Where two cells enter at one depth, the image would depend on the order of cells and flicker with the pose."""
    solids, see = solid_objects(140, 6, orientation=tumbled), Renderer(32)
    backwards = replace(
        solids, kinds=solids.kinds[:, ::-1], cells=solids.cells[:, ::-1], albedos=solids.albedos[:, ::-1]
    )
    differing = (np.abs(see(solids) - see(backwards)) > 1e-3).mean((1, 2, 3))
    assert not [(solids.families[i], differing[i]) for i in np.flatnonzero(differing > 0.003)]


def test_images_are_smooth_in_the_pose():
    solids, turn, see = solid_objects(56, 2, orientation=tumbled), OutOfPlane(), Renderer(32)
    still = see(solids)
    change = [np.linalg.norm(see(turn.act(np.full(56, angle), solids)) - still) for angle in (0.01, 0.1, 1.0)]
    assert change[0] < 0.08 * np.linalg.norm(still)
    assert change[0] < change[1] / 3
    assert change[1] < change[2] / 1.5


def test_oversampling_converges():
    solids = solid_objects(28, 3)
    best = Renderer(24, oversampling=8)(solids)
    errors = [np.abs(Renderer(24, oversampling=k)(solids) - best).mean() for k in (1, 2, 4)]
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]


# --- objects ----------------------------------------------------------------------------------------------------------
def asymmetry(solid, n_points=30000):
    """The least share of the volume that a rotation about the centre of mass moves out of the object."""
    points = np.random.default_rng(0).uniform(-1, 1, (n_points, 3))
    within = points[inside(solid, points)]
    centre = within.mean(0)
    axes = np.linalg.eigh(np.cov((within - centre).T))[1].T  # a symmetry's axis is a principal one
    between = [axes[i] + sign * axes[j] for i, j in ((0, 1), (0, 2), (1, 2)) for sign in (-1, 1)]
    axes = np.concatenate([axes, between, solid.poses[0].T])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    vectors = [angle * axis for axis in axes for angle in (np.pi, 2 * np.pi / 3)]  # order 4 squares to order 2
    turned = SO3().irrep("l=1")(np.array(vectors))
    return min(1 - inside(solid, centre + (within - centre) @ rotation.T).mean() for rotation in turned)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_object_is_symmetric(family):
    solids = solid_objects(2, 11, families=[family])
    assert min(asymmetry(solids[[i]]) for i in range(2)) > 0.035


def test_symmetric_objects_would_be_noticed():
    assert asymmetry(one_solid(block([0, 0, 0], [1, 0.6, 0.3]))) < 0.02
    assert asymmetry(one_solid(rod([0, 0, 0], [0, 1, 0], 0.5))) < 0.02
    assert asymmetry(one_solid(block([0, 0, 0], [1, 0.2, 0.2]), block([0, 0.5, 0], [0.2, 0.5, 0.2]))) < 0.025
    assert asymmetry(one_solid(block([0, 0, 0], [1, 0.2, 0.2]), block([0.4, 0.5, 0.1], [0.2, 0.5, 0.2]))) > 0.05


def test_there_are_many_families_with_unlimited_instances():
    assert len(FAMILIES) >= 20
    for family in FAMILIES:
        solids = solid_objects(12, 5, families=[family])
        images = Renderer(32)(replace(solids, poses=np.tile(upright(np.random.default_rng(1)), (12, 1, 1))))
        rows = images.reshape(12, -1)
        distance = np.linalg.norm(rows[:, None] - rows, axis=2) + 1e9 * np.eye(12)
        assert distance.min() > 0.2 * np.linalg.norm(rows, axis=1).mean(), family


def test_an_object_does_not_depend_on_how_many_there_are():
    few, many = solid_objects(3, 7), solid_objects(60, 7)[:3]
    for name in ("kinds", "cells", "albedos", "poses", "hues", "lights"):
        assert np.array_equal(getattr(few, name), getattr(many, name)), name
    assert few.families == many.families
    assert not np.array_equal(few.hues, solid_objects(3, 8).hues)
    assert not np.array_equal(few.poses, solid_objects(3, 7, orientation=tumbled).poses)


def test_solids_are_a_sequence():
    solids = solid_objects(30, 0)
    assert len(solids) == 30
    assert len(list(solids)) == 30
    assert solids[np.array([4, 2])].families == (solids.families[4], solids.families[2])
    assert solids[-1].families == (solids.families[29],)
    assert len(solids[np.arange(30) % 2 == 0]) == 15
    assert len(solids[5:]) == 25
    with pytest.raises(IndexError):
        solids[30]


def test_upright_objects_stand_and_tumbled_ones_lie_anyhow():
    standing, lying = solid_objects(60, 1), solid_objects(60, 1, orientation=tumbled)
    assert np.allclose(standing.poses[:, 1], [0, 1, 0])
    assert np.abs(lying.poses.mean(0)).max() < 0.3
    for solids in (standing, lying):
        assert np.allclose(solids.poses @ solids.poses.swapaxes(1, 2), np.eye(3))
        assert np.allclose(np.linalg.det(solids.poses), 1)


# --- actions ----------------------------------------------------------------------------------------------------------
def differences(a, b):
    """The largest difference of pose, hue and light."""
    angles = [np.abs(np.exp(1j * getattr(a, k)) - np.exp(1j * getattr(b, k))).max() for k in ("hues", "lights")]
    return max(np.abs(a.poses - b.poses).max(), np.abs(a.cells - b.cells).max(), *angles)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_actions_obey_the_laws(action):
    x = solid_objects(20, 1, orientation=tumbled)
    g, h = action.group.sample(20, seed=1), action.group.sample(20, seed=2)
    assert differences(action.act(action.group.identity(20), x), x) < 1e-12
    both = action.act(action.group.compose(g, h), x)
    assert differences(action.act(g, action.act(h, x)), both) < 1e-12
    assert differences(action.act(action.group.inverse(g), action.act(g, x)), x) < 1e-12
    assert differences(both, x) > 0.1
    assert len(both) == 20
    assert both.families == x.families


def test_the_product_moves_each_factor_and_nothing_else():
    x, action = solid_objects(4, 1), ACTIONS["all"]
    params = np.array([[0.3, 0, 0], [0, 0.4, 0], [0, 0, 0.5], [0.3, 0.4, 0.5]])
    moved = action.act(params, x)
    assert np.allclose(moved.hues - x.hues, [0, 0.4, 0, 0.4])
    assert np.allclose(moved.lights - x.lights, [0, 0, 0.5, 0.5])
    assert np.allclose(moved.poses[[1, 2]], x.poses[[1, 2]])
    assert differences(moved[[0]], OutOfPlane().act([0.3], x[[0]])) < 1e-12


def test_rotations_are_what_they_say():
    ahead = replace(one_solid(block([0, 0, 0], [1, 0.1, 0.1])), poses=np.eye(3)[None])
    moved = OutOfPlane().act([np.pi / 2], ahead).poses[0]
    assert np.allclose(moved @ [0, 0, 1], [1, 0, 0])  # from the viewer to the right
    assert np.allclose(Orientation().act([[0, np.pi / 2, 0]], ahead).poses[0], moved)
    see, globe = Renderer(32), assembled(["own"], [[ball([0, 0, 0], [0.9] * 3)]], np.eye(3)[None], np.zeros(1))
    right = see(globe.with_lights(0.0))[0, 0]
    above = see(LightTurn().act([np.pi / 2], globe.with_lights(0.0)))[0, 0]
    assert right[16, 26] > 1.5 * right[16, 5]
    assert np.abs(above - np.rot90(right)).mean() < 1e-3
    assert np.abs(above - np.rot90(right, -1)).mean() > 0.1


def test_the_light_stays_where_the_camera_is():
    """An in-plane half turn of object and light together turns the image; of the object alone it does not."""
    x, see = solid_objects(28, 2, orientation=tumbled), Renderer(32)
    half = np.tile([0, 0, np.pi], (28, 1))
    turned = Orientation().act(half, x)
    expected = np.rot90(see(x), 2, axes=(2, 3))
    assert np.abs(see(turned.with_lights(x.lights + np.pi)) - expected).mean() < 1e-3
    assert np.abs(see(turned) - expected).mean() > 0.01


def test_the_hue_acts_by_one_harmonic():
    x = solid_objects(5, 1)
    see, angles = Renderer(16, colour=HueCircle(0.7)), 2 * np.pi * np.arange(12) / 12
    images = np.stack([see(Hue().act(np.full(5, angle), x)) for angle in angles])
    power = (np.abs(np.fft.fft(images, axis=0)) ** 2).sum((1, 2, 3, 4))
    assert power[2:-1].max() < 1e-9 * power[1]
    assert power[1] > 0.01 * power[0]
    red = Renderer(16, colour=HueCircle(1.0))(x.with_hues(0.0))
    assert red[:, 0].max() > 3 * red[:, 1].max()
    assert np.allclose(red[:, 0], Renderer(16)(x)[:, 0], atol=1e-6)


def test_orbits_are_sampled_through_a_renderer(tmp_path):
    solids, see = solid_objects(6, 2), Renderer(12, colour=HueCircle())

    def encoder(batch):
        return see(batch).reshape(len(batch), -1)

    named = geodis.encode(encoder, name="pixels")
    action = ACTIONS["all"]
    orbits = [geodis.sample_orbits(f, solids, action, 5, seed=1, batch_size=7) for f in (encoder, named)]
    orbits += [geodis.sample_orbits(named, solids, action, 5, seed=1, store=tmp_path, batch_size=7) for _ in range(2)]
    z, params, items = orbits[0].arrays()
    assert z.shape == (30, 3 * 12 * 12)
    assert np.allclose(z, encoder(action.act(params, solids[items])), atol=1e-5)
    assert all(np.array_equal(z, other.arrays()[0]) for other in orbits[1:])


# --- ambiguous depth --------------------------------------------------------------------------------------------------
def test_the_twin_turns_the_other_way_under_x_rays():
    x, turn = solid_objects(28, 3, orientation=tumbled), OutOfPlane()
    angles = np.random.default_rng(0).uniform(-3, 3, 28)
    there, back = turn.act(angles, x), turn.act(-angles, depth_twin(x))
    flat = Renderer(24, Orthographic(), XRay())
    assert np.abs(flat(there) - flat(back)).max() < 1e-3
    assert np.abs(flat(there) - flat(turn.act(-angles, x))).mean() > 0.01
    half = flat(turn.act(angles + np.pi, x))
    assert np.abs(half - flat(there)[..., ::-1]).mean() < 1e-4
    deep = Renderer(24, Perspective(2.0), XRay())
    assert np.abs(deep(there) - deep(back)).mean() > 0.01


def test_opaque_twins_share_the_outline_only():
    x = solid_objects(28, 3, orientation=tumbled)
    see = Renderer(32, Orthographic(), headlight(), oversampling=1)
    image, twin = see(x), see(depth_twin(x))
    assert ((image > 0) != (twin > 0)).mean() < 1e-3
    assert np.abs(image - twin).mean() > 0.01
    assert np.abs(see(x.with_lights(1.0)) - image).max() < 1e-5


def test_the_twin_is_a_mirror_image():
    x = solid_objects(28, 5, orientation=tumbled)
    twin = depth_twin(x)
    assert np.allclose(np.linalg.det(twin.poses), 1)
    assert differences(depth_twin(twin), x) < 1e-12
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    for i in (0, 13):
        assert np.array_equal(inside(x[[i]], points), inside(twin[[i]], points * [1, 1, -1]))


def test_the_thickness_of_a_ball():
    ball_ = replace(one_solid(ball([0, 0, 0], [1, 1, 1])), albedos=np.eye(1, 12))
    for camera, away in ((Orthographic(), 1.0), (Perspective(50.0), 1.001)):
        image = Renderer(65, camera, XRay(0.5), oversampling=1)(ball_)[0, 0]
        radius = np.linalg.norm(surface(ball_), axis=1).max()
        assert image[32, 32] == pytest.approx(1 - np.exp(-0.5 * 2 * radius), abs=2e-3 * away)


def surface(solid):
    """The ends of the axes of a ball `(6, 3)`."""
    return np.concatenate([np.eye(3), -np.eye(3)]) @ solid.cells[0, 0, :3, :3].T


# --- speed ------------------------------------------------------------------------------------------------------------
def test_rendering_is_fast():
    """Half of what the issue asks of an idle core, as tests share theirs; `experiments/render_speed.py` measures."""
    solids, see = solid_objects(512, 3, orientation=tumbled), Renderer(32)
    see(solids[:128])
    start = time.process_time()
    see(solids)
    assert 512 / (time.process_time() - start) > 1000


# --- malformed input --------------------------------------------------------------------------------------------------
SOLIDS = solid_objects(2)
MALFORMED = {
    "no objects": (lambda: solid_objects(0), ParameterError),
    "half an object": (lambda: solid_objects(1.5), ParameterError),
    "a negative seed": (lambda: solid_objects(1, -1), ParameterError),
    "an unknown family": (lambda: solid_objects(1, families=["unicorn"]), UnknownNameError),
    "no family": (lambda: solid_objects(1, families=[]), ParameterError),
    "one rotation": (lambda: SOLIDS.rotated(np.eye(3)), ShapeError),
    "three rotations": (lambda: Renderer()(SOLIDS, np.tile(np.eye(3), (3, 1, 1))), LengthError),
    "a scaling": (lambda: SOLIDS.rotated(np.tile(2 * np.eye(3), (2, 1, 1))), ParameterError),
    "a reflection": (lambda: SOLIDS.rotated(np.tile(np.diag([1, 1, -1]), (2, 1, 1))), ParameterError),
    "rotations that are not finite": (lambda: SOLIDS.rotated(np.full((2, 3, 3), np.nan)), geodis.errors.FiniteError),
    "three hues": (lambda: SOLIDS.with_hues(np.zeros(3)), ShapeError),
    "a light that is not finite": (lambda: SOLIDS.with_lights(np.inf), geodis.errors.FiniteError),
    "three elements": (lambda: Hue().act(np.zeros(3), SOLIDS), LengthError),
    "arrays": (lambda: Renderer()(np.zeros((2, 3))), ParameterError),
    "arrays that an action should move": (lambda: OutOfPlane().act(np.zeros(2), np.zeros((2, 3))), ParameterError),
    "a pixel": (lambda: Renderer(1), ParameterError),
    "half a ray": (lambda: Renderer(oversampling=0.5), ParameterError),
    "a camera within": (lambda: Perspective(0.9), ParameterError),
    "a light beyond": (lambda: Light(tilt=4.0), ParameterError),
    "no light": (lambda: Light(ambient=float("nan")), ParameterError),
    "no absorption": (lambda: XRay(0.0), ParameterError),
    "too much colour": (lambda: HueCircle(1.5), ParameterError),
    "no factor": (lambda: FactorAction(()), ParameterError),
    "a group as factor": (lambda: FactorAction((SO3(),)), ParameterError),
    "two poses": (lambda: FactorAction((OutOfPlane(), Orientation())), ParameterError),
    "two hues": (lambda: FactorAction((Hue(), Hue())), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_is_refused(case):
    call, error = MALFORMED[case]
    with pytest.raises(error, match="xpected"):
        call()


def test_what_they_print_says_what_they_do():
    assert repr(ACTIONS["all"]) == "FactorAction((OutOfPlane(), Hue(), LightTurn()))"
    assert repr(Renderer(16, Orthographic(), XRay())) == (
        "Renderer(size=16, camera=Orthographic(), light=XRay(absorption=1.0), colour=Gray(), oversampling=2)"
    )
    assert isinstance(SOLIDS, Solids)
    assert repr(SOLIDS) == "Solids(2 objects of 2 families)"
