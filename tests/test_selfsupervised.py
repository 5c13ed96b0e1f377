"""Encoders trained without labels: each objective's law gets better on unseen items, controls do not, bits are kept."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import geodis
from geodis import isotypic_spectrum
from geodis.actions import FieldSymmetries, ImageRotation, QuarterTurns
from geodis.encoders import PreparedModel
from geodis.errors import (
    AliasingError,
    DesignError,
    FileFormatError,
    FiniteError,
    GeodisError,
    LengthError,
    ParameterError,
    ShapeError,
)
from geodis.groups import SO2, SO3, Cyclic, Scaling
from geodis.orbits import Orbits
from geodis.training import (
    CARE,
    AbstractObjective,
    ActionViews,
    GivenViews,
    Hybrid,
    Plan,
    SimCLR,
    Spectral,
    TrainedEncoder,
    VICReg,
    convnet,
    gram_loss,
    mlp,
    nt_xent,
    train_encoder,
)
from geodis.training.action_views import moved_together
from geodis.training.contrastive import unit
from geodis.training.views import chunk_sizes

PLAN = Plan(max_steps=80, evaluate_every=40, patience=None)


def bent(n=160, m=12, seed=0, shuffled=False):
    """A circle bent into R⁴ beside an invariant number of each item; angles permuted within items if `shuffled`."""
    rng, angle = np.random.default_rng(seed), SO2().orbit(n, m, seed=seed)
    phase = angle[..., 0] + rng.uniform(0, 2 * np.pi, (n, 1))
    who = np.broadcast_to(rng.normal(size=(n, 1)), phase.shape)
    z = np.stack([np.exp(np.cos(phase)), np.exp(np.sin(phase)), np.cos(phase) * who, who], axis=-1)
    given = np.take_along_axis(angle, rng.random(angle.shape).argsort(axis=1), axis=1) if shuffled else angle
    return GivenViews(z, given, SO2())


def network(seed=0):
    return mlp(4, 12, width=48, seed=seed)


def trained(objective, views=None, n_elements=4, plan=PLAN, seed=0, **options):
    views = bent() if views is None else views
    options = {"batch_items": 48, "batch_elements": n_elements, "held_out": 0.25, "seed": seed} | options
    return train_encoder(network(seed), views, objective, plan, **options)


def spectral(views, **options):
    return Spectral.on(views, **{"max_order": 2, "n_content": 4} | options)


def same_bits(a, b):
    states = a.module.state_dict(), b.module.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


# --- each objective's law, on items that were never seen --------------------------------------------------------------
def best_energy(encoder, views):
    z = encoder(views.views.reshape(-1, 4)).astype(np.float64)
    n, m = views.params.shape[:2]
    orbits = Orbits.from_arrays(z, views.params.reshape(n * m, 1), np.repeat(np.arange(n), m), SO2())
    energies = isotypic_spectrum(orbits, 2, n_null=19).energies
    return max(max(energies[name], default=0.0) for name in ("m=1", "m=2"))


def moved_apart(encoder, views):
    """How far an item moves compared with how far items are apart: 0 for an invariant code."""
    h = encoder(views.views.reshape(-1, 4)).reshape(*views.params.shape[:2], -1)
    return h.var(axis=1).sum() / h.reshape(-1, h.shape[-1]).var(axis=0).sum()


def lost_products(encoder, views):
    """How much a common step changes inner products on the sphere, by their variance."""
    h = unit(torch.from_numpy(encoder(views.views.reshape(-1, 4)))).reshape(*views.params.shape[:2], -1)
    gram = h[:, 0] @ h[:, 0].T
    return float(np.mean([gram_loss(h[:, 0], h[:, k]) for k in range(1, h.shape[1])]) / gram.var())


@pytest.fixture(scope="module")
def other():
    return bent(seed=9)


def untrained(objective, views=None):
    return trained(objective, views, plan=replace(PLAN, max_steps=1, learning_rate=0.0))


def test_the_explicit_objective_makes_dimensions_that_follow_the_group(other):
    objective = spectral(bent())
    done = trained(objective)
    energy, before = best_energy(done, other), best_energy(untrained(objective), other)
    control = best_energy(trained(spectral(views := bent(shuffled=True)), views), other)
    assert energy > 0.97
    assert energy > before
    assert energy > control
    assert done.score > done.initial + 0.2
    assert trained(spectral(views), views).score < done.score - 0.2, "shuffled elements teach nothing"


def test_contrast_makes_codes_invariant(other):
    done = trained(SimCLR(), n_elements=2)
    assert done.score > done.initial
    assert moved_apart(done, other) < 0.5 * moved_apart(untrained(SimCLR()), other)


def test_vicreg_does_not_collapse(other):
    done = trained(VICReg(), n_elements=2)
    h = done(other.views.reshape(-1, 4))
    assert done.score > done.initial
    assert moved_apart(done, other) < 0.5 * moved_apart(untrained(VICReg()), other)
    assert (h.std(axis=0) > 0.3).mean() > 0.5


def test_care_keeps_inner_products_better_than_contrast_alone(other):
    n_elements, plan = 2, replace(PLAN, max_steps=150)
    care = lost_products(trained(CARE(weight=20.0, chunks=6), None, n_elements, plan), other)
    alone = lost_products(trained(SimCLR(), None, n_elements, plan), other)
    assert care < 0.5 * alone


def test_the_hybrid_has_both(other):
    views = bent()
    explicit = spectral(views, content=0.0)
    done = trained(Hybrid(((0.3, CARE(chunks=6)), (1.0, explicit))), views)
    assert done.score > done.initial
    assert best_energy(done, other) > 0.9


def test_items_on_the_spot(other):
    rng = np.random.default_rng(0)
    axis = np.arange(16) - 7.5
    places = rng.uniform(-4, 4, (40, 2, 1, 1))
    images = np.exp(-((axis[:, None] - places[:, :1]) ** 2 + (axis - places[:, 1:]) ** 2) / 8)
    views = ActionViews(images, ImageRotation())
    net = convnet(8, (1, 16, 16), width=4, hidden=16)
    objective = Spectral.on(views, max_order=1, n_content=2)
    plan = Plan(max_steps=15, evaluate_every=5)
    done = train_encoder(net, views, objective, plan, batch_items=16, batch_elements=4)
    assert done.score > done.initial
    assert done(images.astype(np.float32)).shape == (40, 8)
    orbits = geodis.sample_orbits(geodis.encode(done.model), images.astype(np.float32), ImageRotation(), 8)
    assert orbits.z.shape == (320, 8)
    assert geodis.encode(done.model, "3")(images).shape[0] == 40, "layers can be read"


# --- bits -------------------------------------------------------------------------------------------------------------
class Killed(Exception):
    """What stops a run."""


@pytest.mark.parametrize("kind", ["given", "moved"])
def test_a_run_that_was_killed_goes_on_with_the_same_bits(tmp_path, monkeypatch, kind):
    rng = np.random.default_rng(0)
    if kind == "given":
        views, net = bent(40), network()
    else:
        views, net = ActionViews(rng.normal(size=(20, 1, 16, 16)), QuarterTurns()), convnet(6, (1, 16, 16), width=2)
    objective = CARE(chunks=2)
    plan, path = Plan(max_steps=12, evaluate_every=4, patience=None), tmp_path / "run.safetensors"

    def run(checkpoint=None):
        return train_encoder(net, views, objective, plan, batch_items=8, checkpoint=checkpoint)

    whole = run()
    draw, calls = type(views).draw, []

    def dying(self, *arguments):
        calls.append(0)
        if len(calls) == 9:
            raise Killed
        return draw(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(views), "draw", dying)
        with pytest.raises(Killed):
            run(path)
    resumed = run(path)
    assert same_bits(resumed, whole)
    assert resumed.history.losses == whole.history.losses
    assert resumed.history.evaluations == whole.history.evaluations
    with pytest.raises(FileFormatError, match="very run"):
        train_encoder(net, views, CARE(chunks=3), plan, batch_items=8, checkpoint=path)


def test_another_start_or_other_views_are_another_run(tmp_path):
    path, plan = tmp_path / "run.safetensors", Plan(max_steps=2, evaluate_every=1)
    train_encoder(network(0), bent(20), SimCLR(), plan, checkpoint=path)
    for net, views in ((network(1), bent(20)), (network(0), bent(20, seed=1))):
        with pytest.raises(FileFormatError, match="very run"):
            train_encoder(net, views, SimCLR(), plan, checkpoint=path)


def test_the_network_that_is_given_does_not_change():
    net = network()
    before = {name: x.clone() for name, x in net.state_dict().items()}
    state = torch.get_rng_state()
    done = train_encoder(net, bent(20), SimCLR(), Plan(max_steps=3))
    assert all(torch.equal(x, net.state_dict()[name]) for name, x in before.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not done.module.training
    assert not any(p.requires_grad for p in done.module.parameters())


def test_seeds_tell_the_split_and_the_batches():
    views, plan = bent(40), Plan(max_steps=3)
    one, again, two = (train_encoder(network(), views, SimCLR(), plan, seed=seed) for seed in (0, 0, 1))
    assert same_bits(one, again)
    assert not same_bits(one, two)
    assert one.held.tolist() != two.held.tolist()
    assert len(one.held) == 4


@pytest.mark.parametrize("kind", ["rows", "images"])
def test_files_hold_every_bit(tmp_path, kind):
    rng = np.random.default_rng(0)
    if kind == "rows":
        done, x = trained(SimCLR(), bent(40), 2, Plan(max_steps=3)), rng.normal(size=(7, 4))
    else:
        x = rng.normal(size=(12, 2, 16, 16)).astype(np.float32)
        net = convnet(6, (2, 16, 16), width=2)
        done = train_encoder(net, ActionViews(x, ImageRotation()), CARE(), Plan(max_steps=3), batch_items=6)
    done.save(tmp_path / "e.safetensors")
    again = TrainedEncoder.load(tmp_path / "e.safetensors")
    assert same_bits(done, again)
    assert np.array_equal(done(x), again(x))
    assert (again.history, again.initial, again.shape, again.about) == (
        done.history, done.initial, done.shape, done.about,
    )  # fmt: skip
    assert again.held.tolist() == done.held.tolist()
    assert geodis.encode(done.model).fingerprint() == geodis.encode(again.model).fingerprint()
    assert [file.name for file in tmp_path.iterdir()] == ["e.safetensors"]
    again.save(tmp_path / "again.safetensors")
    assert same_bits(TrainedEncoder.load(tmp_path / "again.safetensors"), done)


class Own(nn.Module):
    """A layer that no file can describe."""

    def __init__(self):
        super().__init__()
        self.inner = mlp(4, 3, width=8)

    def forward(self, x):
        return self.inner(x)


def test_a_network_of_its_own_needs_its_code(tmp_path):
    done = train_encoder(Own(), bent(20), SimCLR(), Plan(max_steps=2))
    done.save(tmp_path / "e.safetensors")
    with pytest.raises(ParameterError, match="network"):
        TrainedEncoder.load(tmp_path / "e.safetensors")
    shell = nn.Sequential(done.module[0], Own())
    again = TrainedEncoder.load(tmp_path / "e.safetensors", network=shell)
    assert same_bits(done, again)
    with pytest.raises(ParameterError, match="fit"):
        TrainedEncoder.load(tmp_path / "e.safetensors", network=mlp(4, 3))


def test_foreign_files_are_refused_and_nothing_is_unpickled(tmp_path):
    path = tmp_path / "e.safetensors"
    train_encoder(network(), bent(20), SimCLR(), Plan(max_steps=2)).save(path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
    told = json.loads(meta["encoder"])
    for changes in (
        {"version": "9"},
        {"format": "geodis.orbits"},
        {"encoder": "not json"},
        {"encoder": "{}"},
        {"encoder": json.dumps(told | {"network": {"kind": "os.system"}})},
        {"encoder": json.dumps(told | {"history": {}})},
    ):
        save_file(tensors, path, metadata=meta | changes)
        with pytest.raises(FileFormatError):
            TrainedEncoder.load(path)

    class Trap:
        def __reduce__(self):
            return (exec, ("raise RuntimeError('unpickled')",))

    for junk in (pickle.dumps(Trap()), b"", b"x" * 100):
        path.write_bytes(junk)
        with pytest.raises(FileFormatError):
            TrainedEncoder.load(path)
    with pytest.raises(FileNotFoundError):
        TrainedEncoder.load(tmp_path / "none")


# --- views ------------------------------------------------------------------------------------------------------------
def residual(group, params, other):
    """How far elements are from others, by their matrices."""
    return np.abs(np.asarray(group.matrix(params)) - np.asarray(group.matrix(other))).max()


@pytest.mark.parametrize("group", [SO2(), SO3(), Cyclic(6), Scaling(), SO2() * Cyclic(3)], ids=repr)
def test_chunks_share_their_steps_and_nothing_else(group):
    g = moved_together(group, 12, 3, 3, np.random.default_rng(0))
    step = np.asarray(group.compose(g, group.inverse(np.broadcast_to(g[:, :1], g.shape))))
    for k in range(3):
        assert residual(group, step[4 * k : 4 * k + 4], np.broadcast_to(step[4 * k], (4, *step.shape[1:]))) < 1e-9
    assert residual(group, step[0, 1:], step[4, 1:]) > 1e-3 or group == Cyclic(6)
    assert residual(group, g[0, 0], g[1, 0]) > 1e-3 or residual(group, g[0, 0], g[2, 0]) > 1e-3
    assert residual(group, step[0, 1], group.identity(1)[0]) > 1e-3, "two views of an item differ"


@pytest.mark.parametrize("chunks", [0, 2])
def test_moved_views_are_what_the_action_makes(chunks):
    images = np.random.default_rng(0).normal(size=(9, 4, 4))
    views = ActionViews(torch.from_numpy(images), QuarterTurns())
    which = np.array([3, 0, 8, 5])
    x, g = views.draw(which, 8, chunks, np.random.default_rng(1))
    assert x.shape == (4, 4, 4, 4), "a finite group has no more than its elements"
    for i, item in enumerate(which):
        assert len(np.unique(g[i, :, 0] % 4)) == 4
        again = QuarterTurns().act(g[i].numpy(), np.repeat(images[item : item + 1], 4, axis=0))
        assert np.allclose(x[i], again, atol=1e-6)


@pytest.mark.parametrize("chunks", [0, 2])
def test_given_views_are_picked_with_their_elements(chunks):
    views = bent(20, 6)
    which = np.array([3, 0, 8, 5])
    x, g = views.draw(which, 3, chunks, np.random.default_rng(1))
    step = np.round((g.numpy()[..., 0] - views.params[which, :1, 0]) / (np.pi / 3)).astype(int) % 6
    for i, item in enumerate(which):
        assert len(set(step[i])) == 3
        assert np.array_equal(x[i].numpy(), views.views[item, step[i]].astype(np.float32))
    shared = (step[0] == step[1]).all() and (step[2] == step[3]).all()
    assert shared == (chunks == 2)


def test_orbits_are_views():
    orbits = Orbits.from_arrays(np.arange(14.0).reshape(7, 2), np.zeros((7, 1)), [0, 0, 0, 1, 1, 2, 2], SO2())
    with pytest.raises(ParameterError, match="four items"):
        GivenViews.of_orbits(orbits)
    n, m = 6, 3
    z, g = np.random.default_rng(0).normal(size=(n * m, 2)), SO2().orbit(n, m).reshape(-1, 1)
    items = np.repeat(np.arange(n), m)
    views = GivenViews.of_orbits(Orbits.from_arrays(z, g, items, SO2()))
    assert np.array_equal(views.views, z.reshape(n, m, 2))
    ragged = GivenViews.of_orbits(Orbits.from_arrays(z[:-1], g[:-1], items[:-1], SO2()))
    assert ragged.views.shape == (n, m - 1, 2)
    with pytest.raises(DesignError):
        GivenViews.of_orbits(Orbits.from_arrays(z[::m], g[::m], items[::m], SO2()))


@pytest.mark.parametrize(("n", "chunks"), [(10, 3), (5, 8), (2, 1), (1, 4), (128, 16)])
def test_chunks_add_up(n, chunks):
    sizes = chunk_sizes(n, chunks)
    assert sum(sizes) == n
    assert len(sizes) <= chunks
    assert min(sizes) >= min(2, n)
    assert max(sizes) - min(sizes) <= 1


# --- objectives are their definitions ---------------------------------------------------------------------------------
def test_care_is_contrast_plus_kept_products_chunk_by_chunk():
    h = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(0))
    by_hand = []
    for k in (1, 2):
        a, b = unit(h[:, 0]), unit(h[:, k])
        kept = (gram_loss(a[:4], b[:4]) + gram_loss(a[4:], b[4:])) / 2
        by_hand.append(nt_xent(a, b, 0.2) + 0.7 * kept)
    loss = CARE(weight=0.7, temperature=0.2, chunks=2)(h, torch.zeros(7, 3, 1))
    assert torch.isclose(loss, torch.stack(by_hand).mean())


def test_a_hybrid_is_the_weighted_sum():
    views = bent(20)
    x, g = views.draw(np.arange(10), 4, 2, np.random.default_rng(0))
    h = mlp(4, 12)(x)
    explicit = spectral(views)
    whole = Hybrid(((2.0, CARE(chunks=2)), (0.5, explicit), (0.0, SimCLR())))
    assert whole.chunks == 2
    assert torch.isclose(whole(h, g), 2 * CARE(chunks=2)(h, g) + 0.5 * explicit(h, g))


def test_the_explicit_objective_reads_the_design():
    assert "spectral_score" in repr(spectral(bent()))
    few = np.random.default_rng(0).uniform(-0.5, 0.5, (60, 6, 1))
    assert "pair_score" in repr(spectral(GivenViews(np.zeros((60, 6, 4)), few, SO2())))
    sizes = ActionViews(np.zeros((20, 1, 16, 16)), geodis.actions.ImageScaling())
    assert "pair_score" in repr(Spectral.on(sizes, max_order=1))
    cube = ActionViews(np.zeros((20, 1, 8, 8)), FieldSymmetries(((0, 1, 1),), d=2))
    assert "spectral_score" in repr(Spectral.on(cube))
    with pytest.raises(AliasingError):
        Spectral.on(GivenViews(np.zeros((60, 4, 4)), SO2().orbit(60, 4), SO2()), max_order=4)
    with pytest.raises(DesignError):
        Spectral.on(GivenViews(np.zeros((60, 4, 4)), np.zeros((60, 4, 1)), SO2()))


# --- malformed --------------------------------------------------------------------------------------------------------
IMAGES = np.zeros((8, 1, 16, 16))
GIVEN = (np.zeros((8, 6, 3)), SO2().orbit(8, 6), SO2())
WRONG_VIEWS = {
    "integers": lambda: ActionViews(IMAGES.astype(int), ImageRotation()),
    "NaN": lambda: ActionViews(IMAGES * np.nan, ImageRotation()),
    "three items": lambda: ActionViews(IMAGES[:3], ImageRotation()),
    "no action": lambda: ActionViews(IMAGES, SO2()),
    "texts": lambda: ActionViews(["a", "b", "c", "d"], ImageRotation()),
    "one view": lambda: GivenViews(GIVEN[0][:, :1], GIVEN[1][:, :1], SO2()),
    "flat params": lambda: GivenViews(GIVEN[0], GIVEN[1].reshape(-1, 1), SO2()),
    "fewer params": lambda: GivenViews(GIVEN[0], GIVEN[1][:7], SO2()),
    "fewer elements": lambda: GivenViews(GIVEN[0], GIVEN[1][:, :5], SO2()),
    "other group": lambda: GivenViews(GIVEN[0], GIVEN[1], SO3()),
    "no group": lambda: GivenViews(GIVEN[0], GIVEN[1], "SO2"),
    "NaN params": lambda: GivenViews(GIVEN[0], GIVEN[1] * np.nan, SO2()),
}


@pytest.mark.parametrize("case", WRONG_VIEWS)
def test_wrong_views_are_refused(case):
    with pytest.raises((ParameterError, ShapeError, LengthError, FiniteError)) as caught:
        WRONG_VIEWS[case]()
    assert isinstance(caught.value, GeodisError)


class Bad(nn.Module):
    """Returns a map where a row is needed."""

    def __init__(self):
        super().__init__()
        self.inner = nn.utils.skip_init(nn.Conv2d, 1, 2, 3)
        nn.init.zeros_(self.inner.weight)
        nn.init.zeros_(self.inner.bias)

    def forward(self, x):
        return self.inner(x)


WRONG = {
    "network": ({"network": "mlp"}, ParameterError),
    "double": ({"network": mlp(3, 2).double()}, ParameterError),
    "other inputs": ({"network": mlp(4, 2)}, ParameterError),
    "no rows": ({"network": Bad(), "views": ActionViews(IMAGES + 1, ImageRotation())}, ShapeError),
    "views": ({"views": IMAGES}, ParameterError),
    "objective": ({"objective": nt_xent}, ParameterError),
    "objective class": ({"objective": SimCLR}, ParameterError),
    "batch_items": ({"batch_items": 1}, ParameterError),
    "batch_elements": ({"batch_elements": 1}, ParameterError),
    "held_out": ({"held_out": 1.0}, ParameterError),
    "plan": ({"plan": Plan(max_steps=0)}, ParameterError),
    "steps differ": (
        {"objective": CARE(), "views": GivenViews(GIVEN[0], SO2().sample(48).reshape(8, 6, 1), SO2())}, ParameterError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_choices_are_refused(case):
    options, error = WRONG[case]
    given = {"network": mlp(3, 2), "views": GivenViews(*GIVEN), "objective": SimCLR(), "plan": Plan(max_steps=1)}
    with pytest.raises(error):
        train_encoder(**given | options)


def test_objectives_outside_their_range():
    for make in (lambda: CARE(chunks=0), lambda: CARE(chunks=True), lambda: Hybrid(()),
                 lambda: Hybrid(((float("nan"), SimCLR()),)),
                 lambda: Hybrid(((1.0, CARE(chunks=2)), (1.0, CARE(chunks=3))))):  # fmt: skip
        with pytest.raises(ParameterError):
            make()
    with pytest.raises(ShapeError):
        SimCLR()(torch.zeros(4, 1, 3), torch.zeros(4, 1, 1))
    with pytest.raises(ParameterError):
        SimCLR(temperature=0.0)(torch.ones(4, 2, 3), torch.zeros(4, 2, 1))


class Broken(AbstractObjective):
    """A loss that is no number."""

    def __call__(self, h, params):
        return h.sum() * float("nan")


def test_a_loss_that_is_no_number_is_told():
    with pytest.raises(FiniteError, match="step 0"):
        trained(Broken(), bent(20), 2)


def test_inputs_of_another_shape_are_told():
    done = trained(SimCLR(), bent(20), 2, Plan(max_steps=2))
    assert isinstance(done.model, PreparedModel)
    with pytest.raises(ShapeError, match=r"\(n, 4\)"):
        done(np.zeros((3, 5)))
    with pytest.raises(FiniteError):
        done(np.full((3, 4), np.nan))
