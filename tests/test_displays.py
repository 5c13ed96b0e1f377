"""Displays keep scikit-learn's convention, draw the numbers that they hold, and refuse what does not fit."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from groups_zoo import ZOO
from matplotlib.colors import to_rgb
from planted_reports import circle, planted_halves, planted_report
from sklearn.exceptions import NotFittedError

from geodis import LinearCoordinates, Orbits, isotypic_spectrum, palette
from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.errors import DesignError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic
from geodis.metrics import error_by_size
from geodis.metrics.by_size import row_sizes
from geodis.reports import EditDisplay, ErrorDisplay, OrbitDisplay, SpectrumDisplay
from geodis.reports.edits import moved_rows, nearest_rows
from geodis.reports.plots import plot_edit, plot_errors, plot_orbits, plot_sizes

NAMES = ["SO2", "Cyclic(12)", "SO3", "SE(2)", "SO2*Cyclic(3)", "Dihedral(4)", "SO2 limited"]


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    before = plt.get_fignums()
    yield
    plt.close("all")
    assert plt.get_fignums() == before


def made(name="SO2"):
    """`(coordinates, unseen orbits)`."""
    report, test = planted_report(name)
    return report.coordinates, test


def sums(group, n=8, m=6, seed=0):
    """Coordinates that are the embedding itself, with the group's first irreps as blocks, and orbits to draw."""
    reps = group.irreps(2)[:4]
    d = sum(rep.dim for rep in reps)
    starts = np.cumsum([0, *(rep.dim for rep in reps)])
    blocks = tuple(
        Block(rep, tuple(range(a, a + rep.dim)), 0.9, (0.8, 1.0)) for rep, a in zip(reps, starts, strict=False)
    )
    coordinates = LatentCoordinates(
        group, blocks, np.eye(d), np.eye(d), np.zeros(d), "ok", not group.compact, np.zeros(0, dtype=np.uint64)
    )
    params = group.orbit(n, m, seed=seed)
    z = np.random.default_rng(seed).normal(size=(params.shape[0] * params.shape[1], d))
    items = np.repeat(np.arange(n), params.shape[1])
    return coordinates, Orbits.from_arrays(z, params.reshape(len(z), -1), items, group)


def fitted(name="SO2"):
    train, test = planted_halves(name)
    return LinearCoordinates(train.group, max_order=2, n_null=39).fit_orbits(train), test


# --- the convention ---------------------------------------------------------------------------------------------------
DISPLAYS = {
    "orbits": lambda: OrbitDisplay.from_coordinates(*made()),
    "errors": lambda: ErrorDisplay.from_coordinates(*made()),
    "edits": lambda: EditDisplay.from_coordinates(*made()),
    "spectrum": lambda: SpectrumDisplay.from_estimator(fitted()[0]),
}


@pytest.mark.parametrize("make", DISPLAYS.values(), ids=DISPLAYS)
def test_nothing_is_drawn_before_plot(make):
    before = plt.get_fignums()
    display = make()
    assert plt.get_fignums() == before
    for name in ("ax_", "figure_"):
        assert name not in vars(display)


@pytest.mark.parametrize("make", DISPLAYS.values(), ids=DISPLAYS)
def test_plot_draws_into_the_given_axes_or_new_ones(make):
    display = make()
    assert display.plot() is display
    assert display.ax_.figure is display.figure_
    n_before = len(plt.get_fignums())
    fig, (left, right) = plt.subplots(1, 2)
    display.plot(right)
    assert display.ax_ is right
    assert display.figure_ is fig
    assert not left.has_data()
    assert right.has_data()
    assert len(plt.get_fignums()) == n_before + 1


@pytest.mark.parametrize("display", [OrbitDisplay, ErrorDisplay, EditDisplay])
def test_from_estimator_is_from_coordinates(display):
    est, test = fitted()
    one = display.from_estimator(est, test.z, test.params, items=test.items).plot()
    two = display.from_coordinates(est.coordinates_, test).plot()
    drawn = [[np.asarray(line.get_xydata()) for line in d.ax_.lines] for d in (one, two)]
    spots = [[np.asarray(c.get_offsets()) for c in d.ax_.collections] for d in (one, two)]
    for a, b in (drawn, spots):
        assert len(a) == len(b)
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    with pytest.raises(NotFittedError):
        display.from_estimator(LinearCoordinates(SO2()), test.z, test.params, items=test.items)


# --- every group ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ZOO, ids=str)
def test_every_group_can_be_drawn(case):
    coordinates, orbits = sums(case.make())
    _, (first, second, third) = plt.subplots(1, 3)
    for block in {b.irrep.dim: i for i, b in enumerate(coordinates.blocks)}.values():
        OrbitDisplay.from_coordinates(coordinates, orbits, block).plot(first)
        if orbits.sizes.max() >= 2:
            EditDisplay.from_coordinates(coordinates, orbits, block, n_edits=3).plot(second)
            ErrorDisplay.from_coordinates(coordinates, orbits, block).plot(third)
    first.figure.canvas.draw()


@pytest.mark.parametrize("name", NAMES)
def test_every_report_can_be_drawn(name):
    report, _ = planted_report(name)
    for plot in (plot_orbits, plot_errors, plot_sizes, plot_edit):
        fig = plot(report)
        assert any(ax.has_data() for ax in fig.axes)
        plt.close(fig)


# --- orbits -----------------------------------------------------------------------------------------------------------
def test_a_plane_is_drawn_as_it_is():
    coordinates, orbits = made("SO2")
    block = next(i for i, b in enumerate(coordinates.blocks) if b.irrep.name == "m=1")
    display = OrbitDisplay.from_coordinates(coordinates, orbits, block).plot()
    codes = coordinates.transform(orbits.z)[:, coordinates.blocks[block].columns]
    assert np.asarray(display.scatter_.get_offsets()) == pytest.approx(codes)
    assert np.asarray(display.scatter_.get_array()) == pytest.approx(np.mod(orbits.params[:, 0], 2 * np.pi))
    assert display.limits == (0.0, 2 * np.pi)
    assert len(display.lines_.get_segments()) == orbits.n_items
    first = display.lines_.get_segments()[0]
    assert len(first) == orbits.sizes[0] + 1, "closed"
    order = np.argsort(orbits.params[: orbits.sizes[0], 0])
    assert first[:-1] == pytest.approx(codes[: orbits.sizes[0]][order])


def test_a_part_of_the_circle_is_not_closed():
    coordinates, orbits = made("SO2 limited")
    display = OrbitDisplay.from_coordinates(coordinates, orbits, 0)
    assert len(display.lines[0]) == orbits.sizes[0]


def test_larger_blocks_are_seen_along_their_principal_directions():
    coordinates, orbits = made("SO3")
    display = OrbitDisplay.from_coordinates(coordinates, orbits, 0, max_items=1000)
    codes = coordinates.transform(orbits.z)[:, coordinates.blocks[0].columns]
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    assert display.points.var(axis=0, ddof=1) == pytest.approx(values[:2])
    assert f"({100 * values[0] / values.sum():.0f} %)" in display.names[0]
    assert display.shades.values == pytest.approx(row_sizes(orbits))
    assert "size" in display.shades.label


def test_a_line_is_drawn_against_its_parameter():
    coordinates, orbits = sums(Cyclic(4))
    sign = next(i for i, b in enumerate(coordinates.blocks) if b.irrep.name == "k=2")
    display = OrbitDisplay.from_coordinates(coordinates, orbits, sign)
    assert display.points[:, 0].tolist() == orbits.params[:, 0].tolist()
    assert display.points[:, 1] == pytest.approx(orbits.z[:, coordinates.blocks[sign].rows[0]])
    assert not display.plane


def test_elements_are_named_where_their_means_are_apart():
    angles = np.arange(12) * np.pi / 6
    months = circle(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    coordinates = LinearCoordinates(Cyclic(12), max_order=1, n_null=39).fit_orbits(months).coordinates_
    display = OrbitDisplay.from_coordinates(coordinates, months)
    assert display.labels == [str(k) for k in range(12)]
    assert display.plot().means_.get_xydata() == pytest.approx(display.means)
    named = OrbitDisplay.from_coordinates(coordinates, months, labels=list("JFMAMJJASOND")).plot()
    assert [text.get_text() for text in named.ax_.texts] == list("JFMAMJJASOND")
    twice = circle(np.stack([np.cos(2 * angles), np.sin(2 * angles)], axis=1))
    double = LinearCoordinates(Cyclic(12), max_order=2, n_null=39).fit_orbits(twice).coordinates_
    met = OrbitDisplay.from_coordinates(double, twice).plot().ax_.texts
    assert {text.get_text() for text in met} == {f"{k}, {k + 6}" for k in range(6)}
    # A code that starts anywhere on the circle has no mean to name.
    mixed, orbits = made("Cyclic(12)")
    assert OrbitDisplay.from_coordinates(mixed, orbits).labels is None


def test_colors_can_be_chosen():
    coordinates, orbits = made("SO2*Cyclic(3)")
    options = {"max_items": 1000}
    angle = OrbitDisplay.from_coordinates(coordinates, orbits, colour=0, **options)
    step = OrbitDisplay.from_coordinates(coordinates, orbits, colour=1, **options)
    own = OrbitDisplay.from_coordinates(coordinates, orbits, colour=orbits.items, **options).plot(colorbar=True)
    assert (angle.shades.period, step.shades.period, own.shades.period) == (2 * np.pi, 3.0, None)
    assert step.shades.values.tolist() == orbits.params[:, 1].tolist()
    assert own.shades.values.tolist() == orbits.items.tolist()
    assert own.colorbar_ is not None
    for wrong in (2, -1, True, "red", np.ones((3, 2)), ["a", "b"]):
        with pytest.raises(ParameterError, match="colour"):
            OrbitDisplay.from_coordinates(coordinates, orbits, colour=wrong)
    with pytest.raises(LengthError):
        OrbitDisplay.from_coordinates(coordinates, orbits, colour=np.ones(3))


def test_few_items_are_drawn_of_many():
    coordinates, orbits = made("SO2")
    display = OrbitDisplay.from_coordinates(coordinates, orbits, max_items=5)
    assert len(np.unique(display.items)) == len(display.lines) <= 5
    with pytest.raises(ParameterError, match="max_items"):
        OrbitDisplay.from_coordinates(coordinates, orbits, max_items=0)


def test_labels_belong_to_shared_elements():
    coordinates, orbits = made("SO2")
    with pytest.raises(ParameterError, match="labels"):
        OrbitDisplay.from_coordinates(coordinates, orbits, labels=["a"] * 12)
    coordinates, orbits = made("Cyclic(12)")
    with pytest.raises(LengthError):
        OrbitDisplay.from_coordinates(coordinates, orbits, labels=["a"] * 11)


# --- errors -----------------------------------------------------------------------------------------------------------
def test_the_drawn_errors_are_the_table():
    coordinates, orbits = made("Cyclic(12)")
    display = ErrorDisplay.from_coordinates(coordinates, orbits, n_bins=4).plot()
    table = error_by_size(orbits, coordinates, n_bins=4)
    line, _, (bars,) = display.errors_
    assert np.asarray(line.get_xydata()) == pytest.approx(table[["size", "error"]].to_numpy())
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert ends == pytest.approx(table[["ci_low", "ci_high"]].to_numpy())
    assert display.identity_.get_ydata() == pytest.approx(table.identity.to_numpy())
    assert display.other_.get_ydata() == pytest.approx(table.other.to_numpy())
    assert display.ceiling_ is None
    assert display.floor_ is None


def test_a_report_brings_ceiling_and_floor():
    report, _ = planted_report("SO2")
    display = ErrorDisplay.from_report(report).plot()
    assert display.ceiling_.get_ydata()[0] == report.rows.ceiling.iloc[-1]
    assert display.floor_ is None, "rotations of codes are exact"
    details = report.details.assign(floor=np.linspace(0.01, 0.02, len(report.details)))
    floored = ErrorDisplay.from_report(replace(report, details=details), 0).plot()
    assert floored.floor_.get_ydata()[0] == 0.01
    assert floored.ceiling_.get_ydata()[0] == report.rows.ceiling.iloc[0]
    assert "floor" in " ".join(text.get_text() for text in floored.ax_.get_legend().get_texts())


def test_small_errors_are_drawn_on_a_logarithmic_axis():
    coordinates, orbits = made("SO2")
    assert ErrorDisplay.from_coordinates(coordinates, orbits).plot().ax_.get_yscale() == "log"
    noise = orbits.map(lambda z: np.random.default_rng(0).normal(size=z.shape))
    assert ErrorDisplay.from_coordinates(coordinates, noise).plot().ax_.get_yscale() == "linear"


def test_bars_of_a_report_are_its_errors():
    report, _ = planted_report("SO3")
    acting = [i for i, b in enumerate(report.coordinates.blocks) if not b.irrep.trivial]
    ax = plot_errors(report).axes[0]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(report.rows.value.iloc[[*acting, -1]].tolist())
    assert [t.get_text() for t in ax.get_yticklabels()] == report.rows.block.iloc[[*acting, -1]].tolist()


# --- edits ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_edits_move_codes_by_the_step_between_two_rows(name):
    coordinates, orbits = made(name)
    display = EditDisplay.from_coordinates(coordinates, orbits, n_edits=6, seed=3).plot()
    assert (orbits.items[display.source] == orbits.items[display.target]).all()
    assert (display.source != display.target).all()
    assert len(np.unique(orbits.items[display.source])) == len(display.source) == 6
    group = orbits.group
    there = group.compose(display.step, orbits.params[display.source])
    assert np.asarray(group.matrix(there)) == pytest.approx(group.matrix(orbits.params[display.target]), abs=1e-8)
    edited = coordinates.edit(orbits.z[display.source].astype(float), display.step)
    block = coordinates.blocks[0]
    if block.irrep.dim == 2:
        assert display.edited == pytest.approx(coordinates.transform(edited)[:, block.columns], abs=1e-8)
    near = np.linalg.norm(display.edited - display.truth, axis=1).mean()
    assert near < 0.5 * np.linalg.norm(display.before - display.truth, axis=1).mean()
    assert display.found.tolist() == nearest_rows(edited, orbits.z).tolist()
    assert np.asarray(display.edited_.get_offsets()) == pytest.approx(display.edited)
    assert np.column_stack([display.arrows_.U, display.arrows_.V]) == pytest.approx(display.edited - display.before)


def test_cyclic_edits_are_those_of_the_edit_scores():
    coordinates, orbits = made("Cyclic(12)")
    display = EditDisplay.from_coordinates(coordinates, orbits)
    for source, step, target in zip(display.source, display.step[:, 0], display.target, strict=True):
        assert moved_rows(orbits, int(step))[source] == target


def test_wrong_coordinates_do_not_edit():
    _, orbits = made("SO2")
    other = replace(made("SO2")[0], group=SO2())
    turned = replace(other, blocks=tuple(replace(b, irrep=SO2().irrep("m=3")) for b in other.blocks[:1]))
    display = EditDisplay.from_coordinates(turned.only(0), orbits, n_edits=20)
    near = np.linalg.norm(display.edited - display.truth, axis=1).mean()
    assert near > 0.5 * np.linalg.norm(display.before - display.truth, axis=1).mean()


def test_pictures_of_edits():
    coordinates, orbits = made("SO2")
    images = np.random.default_rng(0).normal(size=(len(orbits), 5, 4))
    display = EditDisplay.from_coordinates(coordinates, orbits, images=images, n_edits=3)
    shown = display.plot_images().axes_
    assert shown.shape == (3, 3)
    for line, rows in zip(shown, (display.source, display.target, display.found), strict=True):
        for ax, row in zip(line, rows, strict=True):
            assert np.array_equal(ax.images[0].get_array(), images[row])
    marks = [ax.get_xlabel() for ax in shown[2]]
    assert marks == ["✓" if right else "✗" for right in display.right]
    colored = EditDisplay.from_coordinates(coordinates, orbits, images=np.stack([images] * 3, axis=1))
    assert colored.images.shape == (len(orbits), 5, 4, 3)
    assert (colored.images.min(), colored.images.max()) == (0.0, 1.0)
    two = EditDisplay.from_coordinates(coordinates, orbits, images=np.stack([images, images], axis=1))
    assert np.array_equal(two.images, images)
    with pytest.raises(ShapeError):
        display.plot_images(shown[:2])
    with pytest.raises(ParameterError, match="images"):
        EditDisplay.from_coordinates(coordinates, orbits).plot_images()
    for wrong in (images[:-1], images[0], images * np.nan, images.astype(str)):
        with pytest.raises(GeodisError):
            EditDisplay.from_coordinates(coordinates, orbits, images=wrong)


def test_words_of_edits():
    coordinates, orbits = made("SO2")
    texts = [f"row {i}" for i in range(len(orbits))]
    display = EditDisplay.from_coordinates(coordinates, orbits, texts=texts)
    frame = display.to_frame()
    assert frame.columns.tolist() == ["before", "element", "truth", "nearest", "right"]
    assert frame.truth.tolist() == [texts[i] for i in display.target]
    assert frame.right.tolist() == [a == b for a, b in zip(frame.truth, frame.nearest, strict=True)]
    assert EditDisplay.from_coordinates(coordinates, orbits).to_frame().before.tolist() == display.source.tolist()
    with pytest.raises(LengthError):
        EditDisplay.from_coordinates(coordinates, orbits, texts=texts[:-1])


def test_a_report_has_codes_only():
    report, orbits = planted_report("SO2")
    display, whole = EditDisplay.from_report(report), EditDisplay.from_coordinates(report.coordinates, orbits)
    assert display.edited == pytest.approx(whole.edited)
    for look in (lambda: display.right, display.to_frame, display.plot_images):
        with pytest.raises(ParameterError):
            look()


def test_lone_rows_cannot_be_edited():
    coordinates, orbits = made("SO2")
    lone = Orbits.from_arrays(orbits.z[::12], orbits.params[::12], orbits.items[::12], SO2())
    with pytest.raises(DesignError):
        EditDisplay.from_coordinates(coordinates, lone)
    with pytest.raises(ParameterError, match="n_edits"):
        EditDisplay.from_coordinates(coordinates, orbits, n_edits=0)


# --- the spectrum -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def spectrum():
    angles = np.arange(12) * np.pi / 6
    months = circle(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return isotypic_spectrum(months, max_order=3, n_null=39)


def test_the_bars_are_the_energies_of_what_acts(spectrum):
    display = SpectrumDisplay.from_spectrum(spectrum).plot()
    frame = spectrum.to_frame()
    frame = frame[(frame.energy > -0.2) & (frame.coupling != "trivial")]
    assert [bar.get_height() for bar in display.bars_] == pytest.approx(frame.energy.tolist())
    kept = [to_rgb(bar.get_facecolor()) == to_rgb(palette.FOUND) for bar in display.bars_]
    assert kept == frame.kept.tolist()
    assert sum(kept) == 1
    whole = SpectrumDisplay.from_spectrum(spectrum, invariant=True).plot()
    assert len(whole.bars_) > len(display.bars_)


def test_the_band_holds_the_relabelled_energies(spectrum):
    low, high = spectrum.structure_band["k=1"]
    assert -1 < low < spectrum.structure_mean["k=1"] < high < spectrum.energies["k=1"][0]
    assert np.isnan(spectrum.structure_band["k=2"]).all(), "what is not kept is not tested"
    display = SpectrumDisplay.from_spectrum(spectrum).plot()
    (band,) = display.bands_
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (low, high)
    assert display.structure_null_[0].get_segments()[0][0, 1] == spectrum.structure_mean["k=1"]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert {"kept", "rejected", "threshold"} <= {*labels}
    assert any("5–95 %" in label for label in labels)


def test_a_fit_has_no_band():
    est, _ = fitted()
    display = SpectrumDisplay.from_estimator(est).plot()
    assert display.bands_ == display.structure_null_ == []
    assert display.label_null_
    with pytest.raises(NotFittedError):
        SpectrumDisplay.from_estimator(LinearCoordinates(SO2()))
    with pytest.raises(ParameterError, match="IsotypicSpectrum"):
        SpectrumDisplay.from_spectrum(est)


# --- malformed --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("display", [OrbitDisplay, ErrorDisplay, EditDisplay])
def test_malformed_input_is_refused(display):
    coordinates, orbits = made("SO2")
    other = planted_report("SO3")[1]
    for block in (len(coordinates.blocks), -1, 0.0, True, "m=1"):
        with pytest.raises(ParameterError, match="block"):
            display.from_coordinates(coordinates, orbits, block)
        with pytest.raises(ParameterError, match="block"):
            display.from_report(planted_report("SO2")[0], block)
    with pytest.raises(ParameterError, match="orbits of SO2"):
        display.from_coordinates(coordinates, other)
    with pytest.raises(ParameterError, match="Orbits"):
        display.from_coordinates(coordinates, orbits.z)
    with pytest.raises(ParameterError, match="LatentCoordinates"):
        display.from_coordinates(planted_report("SO2")[0], orbits)
    with pytest.raises(ShapeError):
        display.from_coordinates(coordinates, orbits.map(lambda z: z[:, 1:]))
    nothing = replace(coordinates, blocks=(), analysis=np.zeros((0, 32)), synthesis=np.zeros((32, 0)))
    with pytest.raises(ParameterError, match="none was kept"):
        display.from_coordinates(nothing, orbits)


# --- colors -----------------------------------------------------------------------------------------------------------
def test_the_wheel_closes_and_is_told_apart_without_red_and_green():
    colors = palette.wheel()(np.arange(256))[:, :3]
    steps = np.linalg.norm(np.diff(np.concatenate([colors, colors[:1]]), axis=0), axis=1)
    assert steps.max() < 5 * np.median(steps)
    gray = colors @ [0.2126, 0.7152, 0.0722]
    assert gray.min() > 0.05
    assert gray.max() < 0.85, "seen on white"
    # Brettel-like: what is left without the red-green difference, luminance and blue, still goes round.
    left = np.column_stack([(colors[:, 0] + colors[:, 1]) / 2, colors[:, 2]])
    angle = np.unwrap(np.arctan2(*(left - left.mean(axis=0)).T))
    assert abs(angle[-1] - angle[0]) > 1.8 * np.pi


def test_series_have_markers_of_their_own():
    report, _ = planted_report("SO2")
    display = ErrorDisplay.from_report(report).plot()
    lines = [display.errors_[0], display.identity_, display.other_, display.ceiling_]
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == len(lines)
    assert len({line.get_color() for line in lines}) == len(lines)


def test_orbits_of_another_group_of_the_same_shape_are_refused():
    coordinates, orbits = sums(SO3())
    assert OrbitDisplay.from_coordinates(coordinates, orbits).points.shape[1] == 2
    with pytest.raises(ParameterError):
        OrbitDisplay.from_coordinates(sums(SO2())[0], orbits)
