"""What the library takes from `jax.extend`: the one place that imports it.

It is imported when it is first used: it takes as long as the rest of this library.
"""

import functools
from typing import Any

import jax

__all__ = ["own_draw", "prng", "under_trace"]


def prng() -> Any:
    """`jax.extend.random`: implementations of random keys."""
    from jax.extend import random

    return random


@functools.cache
def own_draw() -> Any:
    """What stands for a draw of this library in a program that is read, and never run."""
    from jax.extend.core import Primitive

    return Primitive("cthulhu_draw")


@functools.cache
def _trace_state() -> tuple[Any, Any]:
    """What tells the state of tracing, and the state in which nothing is traced."""
    from jax.extend.core import get_opaque_trace_state

    with jax.core.eval_context():
        return get_opaque_trace_state, get_opaque_trace_state()


def under_trace() -> bool:
    """Whether a JAX transformation (`jit`, `vmap`, `grad`, …) is being traced here."""
    state, clean = _trace_state()
    return bool(state() != clean)
