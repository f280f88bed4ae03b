"""What the library takes from `jax.extend`: the one place that imports it."""

import jax
from jax.extend import random as prng
from jax.extend.core import get_opaque_trace_state

__all__ = ["define_prng_impl", "threefry_prng_impl", "under_trace"]

define_prng_impl = prng.define_prng_impl
threefry_prng_impl = prng.threefry_prng_impl

with jax.core.eval_context():
    _CLEAN = get_opaque_trace_state()


def under_trace() -> bool:
    """Whether a JAX transformation (`jit`, `vmap`, `grad`, …) is being traced here."""
    return bool(get_opaque_trace_state() != _CLEAN)
