"""Sphinx configuration; `make docs` builds with -n -W, so every warning fails the build."""

import logging
import os
import sys
from pathlib import Path

# The pages' code runs on CPU, with as many virtual devices as the tests have.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import cthulhu

sys.path.insert(0, str(Path(__file__).parent))  # Where `_links` is.

# One line for each executed page says nothing that a failing build would not.
logging.getLogger("traitlets").setLevel(logging.WARNING)

project = "cthulhu"
author = "The cthulhu authors"
project_copyright = author
version = release = cthulhu.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "_links",
]
exclude_patterns = ["_build"]
# Single backquotes in docstrings name code.
default_role = "code"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["cthulhu.css"]
html_title = f"cthulhu {release}"

# Pages are Markdown. Front matter with `file_format: mystnb` and a kernel makes a page a notebook,
# whose code runs at every build: a cache would not see that the library changed.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
# `_links` writes them, by the names that the code has for them.
autodoc_typehints = "none"
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# What a build that fetches nothing cannot know: the standard library, NumPy, and names that stand
# for a type in one file alone. References into cthulhu are never ignored.
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|contextlib|enum|numbers|os|pathlib|types)\..*"),
    (r"py:.*", r"(flax|haiku|jax|jaxlib|keras|np|numpy|nn|nnx|optax|equinox|rich)\..*"),
    (r"py:.*", r"(Arguments|Model|Result|Tree)(\..*)?|Activation|CustomObjects|Filter|Layer|Path"),
    (r"py:.*", r"Failure|Init|KindLike|LeafStatistic|Loss|Matrix|Role|StackedAxes|Statistic"),
    (r"py:.*", r"Array|ArrayLike|HostArray|HostNumber|KeyLike|Number|PyTree"),
    (
        r"py:.*",
        r"Console|ConsoleOptions|TreeLayout|Layout|DType|RenderResult|RulesLike|Stacked|Table|Missing",
    ),
]
