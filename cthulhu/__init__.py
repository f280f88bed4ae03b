"""Weight initializers for JAX: pure functions, explicit keys, JAX's very bits.

`cthulhu.functional` holds the pure functions, `cthulhu.initializers` the
documented classes, `cthulhu.random` keys and scopes, `cthulhu.backend` the
functions for custom callables. `cthulhu.layers`, `cthulhu.models` and
`cthulhu.params` are loaded on first use, the first two with Flax.
"""

from typing import TYPE_CHECKING, Any

from cthulhu import backend, functional, initializers, random

if TYPE_CHECKING:
    from cthulhu import layers, models, params

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "backend",
    "functional",
    "initializers",
    "layers",
    "models",
    "params",
    "random",
]

_LAZY = ("layers", "models", "params")


def __dir__() -> list[str]:
    """The public names, those that are loaded on first use too."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    """Import what needs Flax, or what it brings along, when it is first asked for."""
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"cthulhu.{name}")
    raise AttributeError(f"module 'cthulhu' has no attribute {name!r}")
