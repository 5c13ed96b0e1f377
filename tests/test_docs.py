"""The documentation builds without a warning, its blocks run and print what it shows, and it explains every name.

`python tests/test_docs.py` writes the shown outputs anew, from what the blocks print.
"""

import contextlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import blocks, commands, run_page, same_output, shown_anew
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from geodis.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
LIST = Path(__file__).parent / "public_names.json"
LAYERS = (
    "groups",
    "actions",
    "encoders",
    "orbits",
    "coordinates",
    "discovery",
    "training",
    "emulators",
    "fields",
    "metrics",
    "reports",
    "simulators",
    "cli",
    "demo",
)
GUIDES = ("index", "quickstart", "theory", "text", "catalogue", "extending", "faq", "changelog")
WITHOUT_CODE = {"changelog"}  # every other page shows how
DIRECTIVE = re.compile(r"^\.\. (?:auto(?:class|function|exception|module)|py:data):: (geodis[\w.]*)$", re.MULTILINE)
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\ssrc=\"([^\"]+)\"|<link\b[^>]*\shref=\"([^\"]+)\"")


def page_id(page):
    return page.stem


def run_command(words):
    """The output of `geodis WORDS…`, run in this process."""
    done = CliRunner().invoke(app, words, env={"COLUMNS": "118"})
    assert done.exit_code == 0, f"geodis {' '.join(words)}: exit code {done.exit_code}\n{done.output}"
    return done.output


def unknown_words(words):
    """The commands and options of a command line that `geodis` does not have."""
    known = get_command(app).commands
    if not words or words[0].startswith("-"):
        return [word for word in words if word not in ("--help", "--version")]
    if words[0] not in known:
        return [words[0]]
    command = known[words[0]]
    if isinstance(command, TyperGroup) and len(words) > 1 and not words[1].startswith("-"):
        if words[1] not in command.commands:
            return [words[1]]
        command = command.commands[words[1]]
    options = {name for option in command.params for name in option.opts} | {"--help"}
    return [word for word in words[1:] if word.startswith("--") and word.partition("=")[0] not in options]


@pytest.fixture
def here(monkeypatch, tmp_path):
    """An empty folder to run a page in, without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield tmp_path
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_blocks_of_a_page_run_and_print_what_it_shows(page, here):
    text = page.read_text(encoding="utf-8")
    differing = list(run_page(text, page.name, {"__name__": page.stem}, run_command))
    assert not differing, "\n".join([*differing, "If that is right, run `python tests/test_docs.py`."])


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_commands_that_are_only_shown_exist(page):
    shown = [block for block in blocks(page.read_text(encoding="utf-8")) if block.kind == "console"]
    assert not [(words, unknown_words(words)) for block in shown for words in commands(block) if unknown_words(words)]


def test_every_page_is_there_and_shows_how():
    assert {page.stem for page in PAGES} == {*LAYERS, *GUIDES}
    running = {p.stem for p in PAGES if any(b.kind == "python" for b in blocks(p.read_text(encoding="utf-8")))}
    running |= {p.stem for p in PAGES if any(commands(b) for b in blocks(p.read_text(encoding="utf-8")))}
    assert {*LAYERS, *GUIDES} - running == WITHOUT_CODE


# --- the runner sees what is wrong ------------------------------------------------------------------------------------
PAGE = """
```python
x = 2
```

```python
print("x is", x)
```

```text
x is 2
```
"""


def run(text):
    return list(run_page(text, "page.md", {}, lambda words: f"ran {' '.join(words)}\n"))


RIGHT = {
    "python": PAGE,
    "a command": "```console\n$ make it\n$ geodis fit a \\\n    --out b\n```\n\n```text\nran fit a --out b\n```\n",
    "a command that is only shown": "<!-- shown only: slow -->\n```console\n$ geodis demo\n```\n\n```text\n?\n```\n",
    "another language": "```bash\nexit 1\n```\n\n```text\n?\n```\n",
}


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_a_right_page_passes(case):
    assert run(RIGHT[case]) == []


PLANTED = {
    "a name that is not there": (PAGE.replace("x = 2", "y = 2"), NameError),
    "a wrong word": (PAGE.replace("\nx is 2", "\ny is 2"), None),
    "a wrong number": (PAGE.replace("\nx is 2", "\nx is 2.2"), None),
    "a number too many": (PAGE.replace("\nx is 2", "\nx is 2 2"), None),
    "nothing printed": (PAGE.replace('print("x is", x)', "pass"), None),
    "a failing assertion": ("```python\nassert 1 == 2\n```\n", AssertionError),
    "another command's output": ("```console\n$ geodis fit\n```\n\n```text\nran verify\n```\n", None),
}


@pytest.mark.parametrize("case", PLANTED, ids=str)
def test_a_planted_wrong_page_fails(case):
    text, error = PLANTED[case]
    with pytest.raises(error) if error else contextlib.nullcontext():
        assert run(text)


def test_outputs_may_round_otherwise_and_leave_out():
    assert same_output("error  .0312 (m=1)", "error .0309   (m=1)")
    assert same_output("block … ok", "block 17 anything ok")
    assert not same_output("block … ok", "block 17 anything")
    assert not same_output("error .03", "error .06")
    assert not same_output("error .03", "error nan")
    assert same_output("1, 2, … of 60", "1, 2, … of 60")
    assert not same_output("1, 2, … of 60", "1, 2, … of 70")


def test_outputs_are_written_anew():
    stale = PAGE.replace("\nx is 2", "\nx was 3\nor so")
    assert shown_anew(stale, "page.md", {}, str) == PAGE
    assert shown_anew(PAGE, "page.md", {}, str) == PAGE


def test_unknown_commands_and_options_are_found():
    assert unknown_words(["demo", "--out", "out"]) == []
    assert unknown_words(["demo", "--color"]) == ["--color"]
    assert unknown_words(["paint"]) == ["paint"]
    assert unknown_words(["--version"]) == []


# --- every public name is explained -----------------------------------------------------------------------------------
def resolved(path):
    """The object that a dotted path names; a function goes before the file of the same name."""
    first, *rest = path.split(".")
    found = importlib.import_module(first)
    for i, name in enumerate(rest):
        if not hasattr(found, name):
            importlib.import_module(".".join([first, *rest[: i + 1]]))
        found = getattr(found, name)
    return found


def explained():
    """The ids of all objects that the pages document."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    return {id(resolved(path)) for text in texts for path in DIRECTIVE.findall(text)}


def test_every_public_name_is_on_a_page():
    known = explained()
    public = json.loads(LIST.read_text(encoding="utf-8"))
    names = [f"{door}.{name}" for door, names in public.items() for name in names]
    missing = [name for name in names if id(resolved(name)) not in known]
    assert not missing, f"document these on the page of their layer: {missing}"


def test_a_name_without_a_page_is_seen():
    import geodis

    assert id(geodis.verify) in explained()
    assert id(run_page) not in explained()


# --- the site ---------------------------------------------------------------------------------------------------------
def build(source, target):
    """sphinx-build as `make docs` runs it: `(exit code, messages)`."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    return done.returncode, done.stderr


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    code, messages = build(DOCS, tmp_path / "html")
    assert code == 0, messages
    pages = sorted((tmp_path / "html").glob("*.html"))
    assert {page.stem for page in PAGES} <= {page.stem for page in pages}
    loaded = [first or second for page in pages for first, second in LOADED.findall(page.read_text(encoding="utf-8"))]
    assert loaded
    assert not [url for url in loaded if "//" in url]


def test_the_build_sees_lost_pages_and_dead_links(tmp_path):
    source = tmp_path / "docs"
    source.mkdir()
    shutil.copy(DOCS / "conf.py", source)
    (source / "index.md").write_text("# Title\n\n[gone](gone.md)\n", encoding="utf-8")
    (source / "lost.md").write_text("# Lost\n", encoding="utf-8")
    code, messages = build(source, tmp_path / "html")
    assert code != 0
    assert "gone.md" in messages
    assert "lost.md" in messages


def write_outputs():
    """Every shown output as the blocks print it now."""
    os.environ["MPLBACKEND"] = "Agg"
    import tempfile

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            new = shown_anew(text, page.name, {"__name__": page.stem}, run_command)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"{page}: written anew")


if __name__ == "__main__":
    write_outputs()
