"""A report fits the terminal, is finite JSON and one self-contained page."""

import json

import pytest
from html_pages import Page
from planted_reports import COLUMNS, PLANTED, collapsed, planted_report, so2_orbits

from geodis import LinearCoordinates, verify
from geodis.groups import SO2


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
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"script", "link", "iframe"} & {*page.tags}
    assert page.tags.count("img") >= 2
    assert "More &lt;b&gt;" in text
    assert "Certificate." in text


def test_the_parser_sees_a_tag_that_is_left_open():
    page = Page()
    page.feed("<main><p>text</main>")
    assert page.bad or page.open


def test_a_page_of_nothing_found_says_so(tmp_path):
    train, test = so2_orbits(collapsed("noise"), 20, 8).split(0.5)
    coordinates = LinearCoordinates(SO2(), max_order=3).fit_orbits(train).coordinates_
    text = verify(test, coordinates, n_null=19).to_html()
    assert "no coordinates were found" in text
    assert "<img" not in text


def test_files_go_into_folders_that_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing folder"):
        planted_report("SO2")[0].to_html(tmp_path / "none" / "r.html")


def test_drawing_leaves_no_figure_open():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    planted_report("SO2")[0].to_html()
    assert plt.get_fignums() == before
