"""Invertible maps: undone to rounding, edits that obey the group law, bent codes straightened, noise refused."""

import numpy as np
import pytest
import torch
from curved_codes import circle

from geodis import DeepCoordinates, LatentCoordinates, LinearCoordinates, Orbits
from geodis.coordinates import AbstractInvertibleLift
from geodis.coordinates.flow_lift import FlowLift, lift_of
from geodis.coordinates.invertible_network import LEADING, InvertibleSequence, PrincipalAxes, on_principal_axes
from geodis.coordinates.known_lifts import KNOWN_LIFTS
from geodis.coordinates.lift import same_lift
from geodis.coordinates.network_lift import NetworkLift
from geodis.errors import FileFormatError, FiniteError, ParameterError, ShapeError
from geodis.groups import SO2
from geodis.training import AbstractInvertibleNetwork, CouplingFlow, mlp

SMALL = {"max_order": 2, "n_content": 0, "max_steps": 450, "n_null": 39}


def stirred(d=6, seed=0, **options):
    """A flow far from the identity: weights as large as those of a trained one."""
    flow = CouplingFlow(d, seed=seed, width=32, **options)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for net in flow.conditioners:
            net[-1].weight.normal_(std=0.1, generator=draw)
            net[-1].bias.normal_(std=0.1, generator=draw)
    return flow


def rows(n=200, d=6, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=(n, d))


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def cycle(a, b):
    """Of data whose spread is one: closer to the centre, rounding errors stay those of the spread."""
    return np.linalg.norm(a - b) / np.hypot(np.linalg.norm(b), b.size**0.5)


# --- the maps ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", [2, 3, 6, 20])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_flow_is_undone_to_rounding_far_from_the_data_too(d, scale):
    z, lift = rows(d=d, scale=scale), FlowLift.of(on_principal_axes(stirred(d), rows(d=d)))
    h = lift(z)
    assert cycle(lift.inverse(h), z) < 1e-11
    assert cycle(lift(lift.inverse(z)), z) < 1e-11
    single = z.astype(np.float32)
    assert lift(single).dtype == np.float32
    # Rounding h to single precision is all that is lost; a thousand spreads away the flow magnifies it.
    assert cycle(lift.inverse(lift(single)), single) < (1e-5 if scale <= 1 else 1e-3)
    # It moves something: the identity would pass the lines above.
    assert relative(h, z) > 0.05


def test_in_single_precision_the_network_itself_is_undone_as_well():
    z, flow = torch.from_numpy(rows()).float(), stirred()
    with torch.no_grad():
        assert float((flow.inverse(flow(z)) - z).norm() / z.norm()) < 1e-5


def test_a_fresh_flow_is_the_identity_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    flow = CouplingFlow(5, seed=3)
    z = torch.from_numpy(rows(d=5)).float()
    assert torch.equal(flow(z), z)
    assert torch.equal(torch.get_rng_state(), before)
    again, other = CouplingFlow(5, seed=3).state_dict(), CouplingFlow(5, seed=4).state_dict()
    assert all(torch.equal(x, again[name]) for name, x in flow.state_dict().items())
    assert not all(torch.equal(x, other[name]) for name, x in flow.state_dict().items())


def test_every_leading_coordinate_is_moved_and_no_other():
    flow = stirred(150)
    z = torch.from_numpy(rows(d=150)).float()
    with torch.no_grad():
        moved = (flow(z) != z).any(0)
    assert flow.n_leading == LEADING
    assert moved[:LEADING].all()
    assert not moved[LEADING:].any()
    # Each half is moved by the other, then the other way round.
    assert torch.equal(flow.halves[0][:LEADING], ~flow.halves[1][:LEADING])


def test_principal_axes_keep_the_order_and_the_proportions_of_what_trails():
    z = rows(n=4000, d=5) * np.array([1.0, 4.0, 2.0, 0.5, 0.25]) + 7.0
    axes = PrincipalAxes.fitted(z, 3)
    h = axes(torch.from_numpy(z)).numpy()
    assert np.allclose(h.mean(axis=0), 0, atol=1e-9)
    assert np.allclose(h.std(axis=0), [1, 1, 1, 0.5, 0.25], atol=0.03)
    assert relative(axes.inverse(torch.from_numpy(h)).numpy(), z) < 1e-14


def test_gradients_flow_through_map_and_inverse():
    lift, z = FlowLift.of(stirred(3)), torch.from_numpy(rows(n=3, d=3)).requires_grad_()
    assert torch.autograd.gradcheck(lift, z)
    assert torch.autograd.gradcheck(lift.inverse, z)
    assert lift(rows(n=0, d=3)).shape == (0, 3)


def test_state_rebuilds_the_lift():
    lift = FlowLift.of(on_principal_axes(stirred(), rows()))
    again = FlowLift.from_state(*lift.state())
    assert FlowLift in KNOWN_LIFTS
    assert same_lift(lift, again)
    assert np.array_equal(again(rows()), lift(rows()))
    assert np.array_equal(again.inverse(rows()), lift.inverse(rows()))
    assert not same_lift(lift, FlowLift.of(on_principal_axes(stirred(seed=1), rows())))


def test_the_lift_can_be_undone_where_the_network_can():
    assert isinstance(lift_of(CouplingFlow(4), 4), FlowLift)
    assert isinstance(lift_of(CouplingFlow(4), 4), AbstractInvertibleLift)
    assert isinstance(lift_of(mlp(4, 4), 4), NetworkLift)
    flow = CouplingFlow(4)
    lift_of(flow, 4)
    assert next(flow.parameters()).dtype == torch.float32  # the one given is copied


# --- edits ------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def bent():
    """`(train, test, estimator)` of a circle bent so far that linear coordinates see little of it."""
    train, test = circle(n=200, m=8, bend=2.0, d=5, noise=0.005).split(0.3)
    return train, test, DeepCoordinates(SO2(), CouplingFlow(5, width=64, n_layers=6), **SMALL).fit_orbits(train)


def edit_error(coordinates, orbits, seed=0):
    """Error of edits against the embedding of the moved item, relative to no edit; other elements of the same item."""
    z, params = orbits.z.reshape(orbits.n_items, -1, orbits.z.shape[1]), orbits.params.reshape(orbits.n_items, -1)
    shift = 3
    step = (np.roll(params, -shift, axis=1) - params).reshape(-1, 1)
    target = np.roll(z, -shift, axis=1).reshape(orbits.z.shape)
    edited = coordinates.edit(orbits.z, step)
    return ((edited - target) ** 2).sum() / ((orbits.z - target) ** 2).sum()


def test_a_bent_circle_is_straightened_and_its_embeddings_are_edited(bent):
    train, test, est = bent
    linear = LinearCoordinates(SO2(), max_order=2, n_null=39).fit_orbits(train)
    best = max(block.energy for block in est.coordinates_.blocks if block.irrep.name == "m=1")
    assert best > 0.95
    assert edit_error(est.coordinates_, test) < 0.02
    assert edit_error(linear.coordinates_, test) > 5 * edit_error(est.coordinates_, test)
    assert est.score(test.z, test.params, items=test.items) > 0.95
    assert len(est.refinements_) == 2
    assert est.refinements_[-1].evaluations[-1][1] > -0.02


def test_edits_obey_the_group_law_and_are_undone(bent):
    _, test, est = bent
    c, group = est.coordinates_, SO2()
    g, h = (group.sample(len(test.z), seed=seed) for seed in (0, 1))
    z = test.z
    assert relative(c.edit(c.edit(z, h), g), c.edit(z, group.compose(g, h))) < 1e-10
    assert relative(c.edit(c.edit(z, g), group.inverse(g)), z) < 1e-10
    assert relative(c.edit(z, group.identity(len(z))), z) < 1e-10
    assert relative(c.edit(z, g), z) > 0.1
    single = c.edit(z.astype(np.float32), g)
    assert single.dtype == np.float32
    assert relative(single, c.edit(z, g)) < 1e-5
    moved = c.transform(c.edit(z, g))
    assert relative(moved, c.act(c.transform(z), g)) < 1e-10
    assert relative(c.transform(est.inverse_transform(c.transform(z))), c.transform(z)) < 1e-10


def test_fifty_edits_are_as_good_as_one(bent):
    _, test, est = bent
    c, group, z = est.coordinates_, SO2(), test.z
    total = group.identity(len(z))
    for seed in range(50):
        g = group.sample(len(z), seed=seed)
        z, total = c.edit(z, g), group.compose(g, total)
    assert relative(z, c.edit(test.z, total)) < 1e-9


def test_saved_coordinates_edit_with_the_same_bits(bent, tmp_path):
    _, test, est = bent
    est.coordinates_.save(tmp_path / "c.safetensors")
    again = LatentCoordinates.load(tmp_path / "c.safetensors")
    g = SO2().sample(len(test.z), seed=0)
    assert isinstance(again.lift, FlowLift)
    assert np.array_equal(again.edit(test.z, g), est.coordinates_.edit(test.z, g))
    assert np.array_equal(again.transform(test.z), est.transform(test.z))


def test_a_stopped_training_goes_on_with_the_same_bits(bent, tmp_path):
    train, test, _ = bent
    options = SMALL | {"max_steps": 30, "evaluate_every": 5}
    whole = DeepCoordinates(SO2(), CouplingFlow(5), **options).fit_orbits(train)
    path = tmp_path / "run.safetensors"
    DeepCoordinates(SO2(), CouplingFlow(5), **options, checkpoint=path).fit_orbits(train)
    # As if stopped in the second stage: what comes later is lost.
    (tmp_path / "run.safetensors.edits2").unlink()
    resumed = DeepCoordinates(SO2(), CouplingFlow(5), **options, checkpoint=path).fit_orbits(train)
    assert np.array_equal(resumed.transform(test.z), whole.transform(test.z))


def test_noise_is_not_edited():
    noise = Orbits.from_arrays(rows(1600, 5), SO2().orbit(200, 8).reshape(-1, 1), np.arange(1600) // 8, SO2())
    est = DeepCoordinates(SO2(), CouplingFlow(5), **SMALL | {"max_steps": 90}).fit_orbits(noise)
    assert est.status_ == "degenerate"
    assert est.refinements_ == ()
    assert relative(est.coordinates_.edit(noise.z, np.full((1600, 1), 1.0)), noise.z) < 1e-11


# --- malformed input --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [{"n_features": 1}, {"n_features": 2.0}, {"n_layers": 0}, {"width": True}, {"depth": 0}, {"stretch": 1.0}],
)
def test_sizes_without_sense_are_refused(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        CouplingFlow(**{"n_features": 4} | options)


def test_rows_of_another_size_are_refused():
    with pytest.raises(ShapeError):
        CouplingFlow(4)(torch.zeros(3, 5))
    with pytest.raises(ShapeError):
        FlowLift.of(CouplingFlow(4)).inverse(np.zeros((3, 5)))
    with pytest.raises(FiniteError):
        FlowLift.of(CouplingFlow(4)).inverse(np.full((3, 4), np.nan))
    train = circle(n=20, m=8)
    with pytest.raises(ParameterError, match="R\\^5"):
        DeepCoordinates(SO2(), CouplingFlow(4), **SMALL).fit_orbits(train)
    with pytest.raises(ParameterError, match="n_content"):
        DeepCoordinates(SO2(), CouplingFlow(5), **SMALL | {"n_content": 5}).fit_orbits(train)


class Negated(AbstractInvertibleNetwork):
    """A network of one's own."""

    def __init__(self):
        super().__init__()
        self.n_features = self.n_leading = 5
        self.factor = torch.nn.Parameter(torch.tensor(-1.0))

    def forward(self, z):
        return self.factor * z

    def inverse(self, h):
        return h / self.factor

    def arguments(self):
        return {}

    @classmethod
    def of(cls, arguments):
        return cls()


def test_ones_own_network_works_but_does_not_fit_into_a_file(tmp_path):
    lift = FlowLift.of(InvertibleSequence(Negated(), CouplingFlow(5)))
    assert relative(lift(rows(d=5)), -rows(d=5)) < 1e-12
    assert relative(lift.inverse(lift(rows(d=5))), rows(d=5)) < 1e-12
    with pytest.raises(ParameterError, match="Negated"):
        lift.state()


def test_files_with_other_weights_are_refused(bent, tmp_path):
    config, tensors = FlowLift.of(CouplingFlow(5)).state()
    with pytest.raises(ParameterError, match="CouplingFlow"):
        FlowLift.from_state(config, {name: x for name, x in tensors.items() if "halves" not in name})
    with pytest.raises((ParameterError, FileFormatError)):
        FlowLift.from_state(config | {"kind": "Spline"}, tensors)
