"""Sphinx configuration; `make docs` builds with -n -W, so every warning fails the build."""

import dataclasses
import inspect
import logging
import os

# The pages' code runs on CPU, with as many virtual devices as the tests have.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import cthulhu

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
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
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
    (r"py:.*", r"(flax|haiku|jax|jaxlib|keras|np|numpy|optax|equinox|rich)\..*"),
    # Type variables and the private base of the built-in classes, in signatures.
    (r"py:class", r"cthulhu\..*\._\w+\.(BuiltIn|Bound|Result|Tree)"),
]


def name_public_bases(app, name, obj, options, bases):
    """Show `Initializer` as the base where the real one is an internal helper."""
    base = cthulhu.initializers.Initializer
    if isinstance(obj, type) and issubclass(obj, base) and obj is not base:
        bases[:] = [base]


def show_fields(app, what, name, obj, options, signature, returns):
    """Show the arguments of a frozen value, which its `__new__` hides."""
    if what == "class" and dataclasses.is_dataclass(obj) and "kwargs" in (signature or ""):
        own = [p for p in inspect.signature(obj.__init__).parameters.values() if p.name != "self"]
        plain = [p.replace(annotation=p.empty) for p in own]
        signature = str(inspect.Signature(plain))
    return signature, returns


def setup(app):
    """Connect the hooks."""
    app.connect("autodoc-process-signature", show_fields)
    app.connect("autodoc-process-bases", name_public_bases)
