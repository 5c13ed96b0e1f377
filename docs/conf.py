"""Settings of the documentation: `make docs` builds it into out/docs, offline, with warnings as errors."""

import re
from importlib.metadata import version as version_of

project = "geodis"
author = "The geodis authors"
copyright = "the geodis authors, MIT license"
release = version = version_of("geodis")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
# Headings get anchors, so that pages can point into one another.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
# `x` in the docstrings is code, as in the Markdown pages; no docstring is a reference that could go stale.
default_role = "literal"

# Types stand in the docstrings, with shapes and units; a signature shows the names and the defaults.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
# As lists of plain text: types such as "array (N, D)" are words, not cross-references.
napoleon_custom_sections = [("Attributes", "params_style"), ("Raises", "params_style")]

html_theme = "furo"
html_title = "geodis"
html_static_path = ["wide.css"]
html_css_files = ["wide.css"]
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "native"

# scikit-learn's own methods, whose docstrings refer to scikit-learn's pages.
ROUTED = ("fit", "predict", "score", "transform", "inverse_transform")
autodoc_default_options = {"exclude-members": ", ".join([f"set_{name}_request" for name in ROUTED])}
BAR = re.compile(r"(``.*?``|`.*?`)|\|")
FOOTNOTE = re.compile(r"\[(\d+)\]_|^\.\. \[(\d+)\]")  # of one docstring; a page holds several
COLON = "\ue000"  # stands for a colon while napoleon reads


def before_napoleon(app, what, name, obj, options, lines):
    """Norms |x| are no substitutions, and "labels: one each" is no type of a property."""
    lines[:] = [line if ">>>" in line else BAR.sub(lambda bar: bar[1] or r"\|", line) for line in lines]
    lines[:] = [FOOTNOTE.sub(lambda found: f"[{found[1] or found[2]}]", line) for line in lines]
    if what == "property":
        lines[:] = [line.replace(":", COLON) for line in lines]


def after_napoleon(app, what, name, obj, options, lines):
    """The colons again."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def setup(app):
    """Napoleon's priority is 500."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
