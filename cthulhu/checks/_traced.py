"""What a value is, of JAX."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu.caches import bounded


def is_traced(value: object) -> TypeGuard[jax.Array]:
    """Whether `value` is known only to the program being traced."""
    return isinstance(value, jax.core.Tracer)


def finite_inputs(owner: str, arrays: Sequence[Any]) -> None:
    """Refuse inputs of which nothing could be said; of those that are traced, nothing is known."""
    for at, array in enumerate(arrays, 1):
        if not jnp.issubdtype(array.dtype, jnp.inexact):
            continue
        finite = jnp.isfinite(array).all()
        # A trace around it makes traced values of those that are known, too.
        if not is_traced(finite) and not bool(finite):
            raise ValueError(
                f"{owner}: input {at} has values that are not finite, so that all activations "
                "would be; leave them out"
            )


@bounded(64)
def holds_keys(dtype: Any) -> bool:
    """Whether `dtype` is that of typed PRNG keys."""
    return bool(jnp.issubdtype(dtype, jax.dtypes.prng_key))


def is_key(value: object) -> bool:
    """Whether `value` is a PRNG key: typed, or the raw `uint32` data of one."""
    if not isinstance(value, jax.Array | np.ndarray):
        return False
    if holds_keys(value.dtype):
        return True
    return value.dtype == np.uint32 and value.ndim >= 1
