"""What the Markdown pages claim: their Python, their commands and the output that they print."""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass

FENCE = re.compile(r"(?P<note><!--\s*shown only:[^\n]*-->\n)?^```(?P<kind>\w+)[^\n]*\n(?P<text>.*?)^```", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.])[-−]?(?:\d+(?:\.\d+)?|\.\d+)(?!\w)")
ABSOLUTE, RELATIVE = 0.02, 0.05  # by which printed numbers may differ: other machines round otherwise


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line in the page, its language, its text, and whether a note says "shown only"."""

    line: int
    kind: str
    text: str
    shown_only: bool


def blocks(text):
    """The fenced blocks of a page that name a language."""
    return [
        Block(text.count("\n", 0, found.start("text")), found["kind"], found["text"], found["note"] is not None)
        for found in FENCE.finditer(text)
    ]


def python_blocks(text):
    """`(first line, source)` of every Python block."""
    return [(block.line, block.text) for block in blocks(text) if block.kind == "python"]


def commands(block):
    """The words of every `$ geodis …` of a console block; a line that ends in a backslash goes on."""
    lines = block.text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]
    return [line[1:] for line in words if line and line[0].removeprefix(".venv/bin/") == "geodis"]


def run_page(text, name, namespace, command):
    """Run the Python and console blocks of a page in order; yields a sentence for each output that differs.

    A ``text`` block after them is what the last of them prints. `command(words)` runs a command line and returns its
    output.
    """
    for block, printed in _outputs(text, name, namespace, command):
        if not same_output(block.text, printed):
            yield f"{name}:{block.line}: the page shows\n{block.text}\nbut this is printed:\n{printed}"


def shown_anew(text, name, namespace, command):
    """The page with every output that differs replaced by what is printed."""
    for block, printed in list(_outputs(text, name, namespace, command)):
        if not same_output(block.text, printed):
            lines = "\n".join(line.rstrip() for line in printed.rstrip().splitlines())
            text = text.replace(f"```text\n{block.text}```", f"```text\n{lines}\n```", 1)
    return text


def _outputs(text, name, namespace, command):
    """`(text block, what the block before it printed)`, as the page is run."""
    printed = None
    for block in blocks(text):
        if block.kind == "text":
            if printed is not None:
                yield block, printed
            printed = None
        elif block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile("\n" * block.line + block.text, name, "exec"), namespace)
            printed = out.getvalue()
        elif block.kind == "console":
            printed = None if block.shown_only else "".join(command(words) for words in commands(block))


def same_output(shown, printed):
    """Whether the words agree and the numbers nearly do; ``…`` on the page may stand for anything."""
    words, found = (NUMBER.sub("0", _squeezed(text)) for text in (shown, printed))
    if words != found:
        return "…" in words and re.fullmatch(".*".join(re.escape(part) for part in words.split("…")), found) is not None
    pairs = zip(_numbers(shown), _numbers(printed), strict=True)
    return all(abs(a - b) <= max(ABSOLUTE, RELATIVE * abs(a)) for a, b in pairs)


def _squeezed(text):
    return " ".join(text.split())


def _numbers(text):
    return [float(number.replace("−", "-")) for number in NUMBER.findall(_squeezed(text))]
