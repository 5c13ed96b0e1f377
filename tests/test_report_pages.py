"""A report fits the terminal, is finite JSON and one self-contained page."""

import json
import re
from dataclasses import replace
from html import unescape

import matplotlib.pyplot as plt
import numpy as np
import pytest
from html_pages import Page, parsed
from planted_reports import COLUMNS, PLANTED, collapsed, planted_halves, planted_report, so2_orbits

from geodis import LinearCoordinates, verify
from geodis.groups import SO2
from geodis.reports.html import cell, facts, figure, page, paragraph, section, table
from geodis.reports.page import STATUS, pictures, report_part, sure, tables


@pytest.mark.parametrize("name", PLANTED)
def test_a_report_fits_the_terminal(name):
    lines = str(planted_report(name)[0]).splitlines()
    assert max(map(len, lines)) <= 120
    assert any(line.startswith("all") for line in lines)


@pytest.mark.parametrize("name", ["SO2", "SO2*Cyclic(3)", "SE(2)"])
def test_json_holds_finite_numbers_or_null(name, tmp_path):
    report, _ = planted_report(name)
    text = report.to_json(tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == text

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(text, parse_constant=refuse)
    assert content["format"] == "geodis.report"
    assert [list(row) for row in content["rows"]] == [COLUMNS] * len(report.rows)
    assert content["rows"][-1]["value"] == report.rows.value.iloc[-1]
    assert content["rows"][-1]["null_p"] is None


@pytest.mark.parametrize("name", ["SO2", "SO3", "SE(2)", "Dihedral(4)"])
def test_the_page_is_self_contained_and_well_formed(name, tmp_path):
    report, _ = planted_report(name)
    text = report.to_html(tmp_path / "r.html", sections=[("More <b>", "<p>beside</p>")])
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == text
    page = Page()
    page.feed(text)
    assert not page.bad
    assert not page.open
    assert page.contained
    assert not {"script", "link", "iframe"} & {*page.tags}
    assert page.tags.count("img") >= 4
    assert all(len(alt) > 20 for alt in page.alts)
    assert page.tags.count("h1") == page.tags.count("nav") == page.tags.count("main") == 1
    assert len(text) < 1_500_000
    assert "More &lt;b&gt;" in text
    assert "Certificate." in text


def test_the_parser_sees_a_tag_that_is_left_open():
    page = Page()
    page.feed("<main><p>text</main>")
    assert page.bad or page.open


@pytest.mark.parametrize("text", ['<img src="x.png">', '<a href="https://example.org">x</a>', '<a href="#none">x</a>'])
def test_the_parser_sees_what_comes_from_outside(text):
    assert not parsed(text).contained
    assert parsed('<p id="none">x</p><a href="#none">x</a>').contained


def test_a_page_of_nothing_found_says_so(tmp_path):
    train, test = so2_orbits(collapsed("noise"), 20, 8).split(0.5)
    coordinates = LinearCoordinates(SO2(), max_order=3).fit_orbits(train).coordinates_
    text = verify(test, coordinates, n_null=19).to_html()
    assert "no coordinates were found" in text
    assert "no candidate that the group moves passed" in text
    assert "<img" not in text
    assert "Null." not in text


# --- what the page says -----------------------------------------------------------------------------------------------
def told(report):
    """The page's text by its section titles."""
    parts = report.to_html().split("<h2")[1:]
    return {re.sub("<.*?>", "", part.split("</h2>")[0]).split(">")[-1]: unescape(part) for part in parts}


def test_the_page_says_what_was_asked_found_and_how_sure():
    report, test = planted_report("SO2*Cyclic(3)")
    parts = told(report)
    assert list(parts) == ["What was asked", "What was found", "How sure that is", "Pictures", "All numbers"]
    asked = parts["What was asked"]
    assert "SO2() * Cyclic(3)" in asked
    assert f"{test.n_items} other items, each seen at 12 elements" in asked
    assert f"A fit on {len(report.coordinates.fitted)} items" in asked
    assert "2 × m=1⊗k=-1" in asked
    total = report.rows.iloc[-1]
    assert report.summary in parts["What was found"]
    sure = parts["How sure that is"]
    assert f"between {total.ci_low:.3f} and {total.ci_high:.3f} (95 % confidence)" in sure
    assert f"leaves {total.ceiling:.3f}" in sure
    assert str(report.certificate) in sure
    assert "Status ok:" in sure
    assert "Floor." not in sure
    assert "tested blocks do better" in sure or "tested blocks do better than that" in sure


def test_a_floor_is_told_and_tabled():
    report, _ = planted_report("SO2")
    low = replace(report, details=report.details.assign(floor=1e-5))
    high = replace(report, details=report.details.assign(floor=0.9 * report.rows.value.iloc[-1]))
    assert "the rest is the encoder's" in dict(sure(low))["Floor."]
    assert "most of the error measured is the interpolation's" in dict(sure(high))["Floor."]
    assert '<th scope="col">floor</th>' in tables(low)
    assert "<td>1e-05</td>" in tables(low)
    exact = replace(report, details=report.details.assign(floor=float("nan")))
    assert "Floor." not in dict(sure(exact))
    assert "floor</th>" not in tables(exact)


@pytest.mark.parametrize("status", STATUS)
def test_every_status_is_explained(status):
    report, _ = planted_report("SO2")
    rows = report.rows.copy()
    rows.loc[0, "status"] = status
    text = dict(sure(replace(report, rows=rows)))
    if status == "ok":
        assert [name for name in text if name.startswith("Status")] == ["Status ok:"]
    else:
        assert text[f"Status {status} ({rows.block[0]}):"] == STATUS[status]
    rows["status"] = status
    assert dict(sure(replace(report, rows=rows)))[f"Status {status}:"] == STATUS[status]


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.01, 0.01, 0.01], "structure of this group is special"),
        ([0.5, 0.5, 0.5], "No block does better"),
        ([0.01, 0.5, 0.5], "1 of 3 tested blocks do better: "),
        ([np.nan] * 3, "No relabelling of the elements could be tested"),
    ],
)
def test_the_null_is_told_as_it_is(p, words):
    report, _ = planted_report("SO2")
    rows = report.rows.copy()
    acting = [i for i, b in enumerate(report.coordinates.blocks) if not b.irrep.trivial]
    assert len(acting) == 3
    rows.loc[acting, "null_p"] = p
    assert words in dict(sure(replace(report, rows=rows)))["Null."]


@pytest.mark.parametrize(
    ("ceiling", "words"), [(1.0, "more than the group's own"), (1e-9, ", less:"), (None, "about as much")]
)
def test_the_ceiling_is_told_as_it_is(ceiling, words):
    report, _ = planted_report("SO2")
    rows = report.rows.copy()
    rows.loc[len(rows) - 1, "ceiling"] = rows.value.iloc[-1] if ceiling is None else ceiling
    assert words in dict(sure(replace(report, rows=rows)))["Ceiling."]


def test_a_spectrum_is_drawn_when_given():
    train, _ = planted_halves("SO2")
    spectrum = LinearCoordinates(SO2(), max_order=2, n_null=39).fit_orbits(train).spectrum_
    report, _ = planted_report("SO2")
    assert report_part(report, spectrum).count("<img") == pictures(report).count("<img") + 1


# --- parts of a page --------------------------------------------------------------------------------------------------
def test_several_sections_have_a_list_of_contents():
    body = "".join(section(f"Part {c}", "<p>x</p>") for c in "A<B")
    text = parsed(page(body))
    assert text.contained
    assert text.ids == ["part-1", "part-2", "part-3"]
    assert "nav" in text.tags
    assert "nav" not in parsed(page(section("One", "") + section("Two", ""))).tags


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (0.0, "0.000"), (0.00031, "3e-04"), (-2e-7, "-2e-07"), (np.nan, "–"), (np.inf, "–"), (3, "3"),
     ("a<b", "a<b"), (np.float32(0.5), "0.500")],
)  # fmt: skip
def test_digits(value, text):
    assert cell(value) == text
    assert f"<td>{text.replace('<', '&lt;')}</td>" in table(["x"], [[value]])


def test_what_users_write_is_escaped():
    text = page(section("<i>", paragraph("a < b", "<b>", "note")) + facts([("<x>", "&")]), "<title>")
    assert parsed(text).tags.count("i") == 0
    assert "a &lt; b" in text
    assert "&lt;x&gt;" in text


def test_a_picture_says_what_it_shows_and_is_closed():
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 1])
    text = figure(fig, 'A "line"', "seen: a line")
    assert parsed(text).alts == ["seen: a line"]
    assert not plt.fignum_exists(fig.number)


def test_files_go_into_folders_that_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing folder"):
        planted_report("SO2")[0].to_html(tmp_path / "none" / "r.html")


def test_drawing_leaves_no_figure_open():
    before = plt.get_fignums()
    planted_report("SO2")[0].to_html()
    assert plt.get_fignums() == before
