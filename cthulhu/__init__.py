"""Weight initializers for JAX: pure functions, explicit keys, JAX's very bits.

`cthulhu.functional` holds the pure functions, `cthulhu.initializers` the
documented classes, `cthulhu.random` keys and scopes, `cthulhu.backend` the
functions for custom callables. What initializes whole models, `fast_init`,
`init_params`, `plan`, `verify`, `fill`, `reinit`, `Rules` and `Keep`, comes from
`cthulhu.params`; `cthulhu.recipes` has the initialization of real models,
`check`, of `cthulhu.audit`, tests anyone's parameters, `report`, of
`cthulhu.diagnostics`, shows them, and `calibrate`, of `cthulhu.calibration`, fits
them to a batch. These are loaded on first use, as are
`cthulhu.layers` and `cthulhu.models`, those two with Flax. ``python -m cthulhu``
is the command line.
"""

from typing import TYPE_CHECKING, Any

from cthulhu import backend, functional, initializers, random
from cthulhu.caches import clear_caches

if TYPE_CHECKING:
    from cthulhu import audit, calibration, diagnostics, layers, models, mup, params, recipes, usage
    from cthulhu.audit import check
    from cthulhu.calibration import calibrate
    from cthulhu.diagnostics import report
    from cthulhu.params import (
        Keep,
        Rules,
        fast_init,
        fill,
        init_params,
        plan,
        reinit,
        verify,
    )

__version__ = "0.1.0"

__all__ = [
    "Keep",
    "Rules",
    "__version__",
    "audit",
    "backend",
    "calibrate",
    "calibration",
    "check",
    "clear_caches",
    "diagnostics",
    "fast_init",
    "fill",
    "functional",
    "init_params",
    "initializers",
    "layers",
    "models",
    "mup",
    "params",
    "plan",
    "random",
    "recipes",
    "reinit",
    "report",
    "usage",
    "verify",
]

_LAZY_MODULES = (
    "audit",
    "calibration",
    "diagnostics",
    "layers",
    "models",
    "mup",
    "params",
    "recipes",
    "usage",
)
_LAZY_NAMES = {
    "calibrate": "calibration",
    "check": "audit",
    "report": "diagnostics",
    **dict.fromkeys(
        ("Keep", "Rules", "fast_init", "fill", "init_params", "plan", "reinit", "verify"), "params"
    ),
}


def __dir__() -> list[str]:
    """The public names, those that are loaded on first use too."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    """Import what needs Flax, or what it brings along, when it is first asked for."""
    import importlib

    if name in _LAZY_MODULES:
        return importlib.import_module(f"cthulhu.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"cthulhu.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module 'cthulhu' has no attribute {name!r}")
