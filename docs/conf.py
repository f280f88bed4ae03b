"""Sphinx configuration; `make docs` builds with -n -W, so every warning fails the build."""

import os

# The pages' code runs on CPU, with as many virtual devices as the tests have.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import cthulhu

project = "cthulhu"
author = "The cthulhu authors"
project_copyright = author
version = release = cthulhu.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"cthulhu {release}"

# Pages are Markdown. Front matter with `file_format: mystnb` and a kernel makes a page a notebook,
# whose code runs at every build: a cache would not see that the library changed.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# References into other projects cannot be resolved without fetching their inventories, which a
# build must not need. References into cthulhu are never ignored.
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|enum|numbers|os|pathlib|types)\..*"),
    (r"py:.*", r"(flax|haiku|jax|jaxlib|keras|np|numpy|optax|equinox)\..*"),
]
