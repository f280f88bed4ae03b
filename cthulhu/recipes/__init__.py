"""The initialization of real models, parameter by parameter, with its sources.

A *recipe* is a table: roles (``attention.query``, ``mlp.out``, ``norm.scale``), each with an
initializer and the file or paper that says so. Recipes of one *family*, as ``gpt2`` and
``gpt2:openai``, are of one architecture and differ in laws. A *naming* says what an
implementation calls each role, and how it lays its kernels. Both together are ordinary
`cthulhu.params.Rules`:

    recipe + naming -> rules -> init_params, plan, check, fill

Files: `_roles` (the vocabulary), `_recipe` and `families/` (the tables), `_naming` and
`names/` (what implementations call them), `_rules` and `_show` (what comes of it).
"""

from cthulhu.recipes import families as _families
from cthulhu.recipes import names as _names
from cthulhu.recipes._naming import Name, Naming
from cthulhu.recipes._recipe import Recipe, Row
from cthulhu.recipes._rules import available, get, namings, rules, shapes
from cthulhu.recipes._show import Comparison, Difference, Entry, Shown, compare, show

__all__ = [
    "Comparison",
    "Difference",
    "Entry",
    "Name",
    "Naming",
    "Recipe",
    "Row",
    "Shown",
    "available",
    "compare",
    "get",
    "namings",
    "rules",
    "shapes",
    "show",
]

del _families, _names  # Importing them registers what they hold.
