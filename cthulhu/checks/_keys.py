"""Seeds and keys."""

import operator
from typing import Any

import jax
import numpy as np

from cthulhu.caches import bounded
from cthulhu.checks._traced import holds_keys, is_key

LARGEST_SEED = 2**32 - 1


def seed(owner: str, value: Any) -> int | None:
    """An integer from 0 to 2**32 - 1, or `None`."""
    if value is None:
        return None
    if is_key(value):
        raise TypeError(
            f"{owner}: seed must be an integer or None; got a PRNG key. "
            "Pass the key when calling the instance: init(key, shape, dtype)"
        )
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: seed must be an integer or None; got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{owner}: seed must be an integer or None; got {value!r} "
            f"of type {type(value).__name__}"
        ) from None
    if not 0 <= number <= LARGEST_SEED:
        raise ValueError(
            f"{owner}: seed must be from 0 to 2**32 - 1, so that no two seeds give the same "
            f"key; got {number}"
        )
    return number


@bounded(64)
def raw_key_shape(impl: str) -> tuple[int, ...]:
    """The shape of the raw data of one key."""
    data = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=impl)))
    return tuple(data.shape)


def single_key(owner: str, value: Any) -> None:
    """Refuse what is not a PRNG key, or is a batch of keys."""
    if not is_key(value):
        described = (
            f"an array of dtype {value.dtype} and shape {value.shape}"
            if hasattr(value, "dtype") and hasattr(value, "shape")
            else f"{value!r} of type {type(value).__name__}"
        )
        raise TypeError(
            f"{owner}: key must be a PRNG key, as jax.random.key(0) makes; got {described}"
        )
    if holds_keys(value.dtype):
        batch = value.shape
    else:
        impl: str = jax.config.jax_default_prng_impl  # type: ignore[attr-defined]
        width = raw_key_shape(impl)
        if value.shape[-1:] != width:
            raise ValueError(
                f"{owner}: a raw key of the implementation {impl!r} must have shape {width}; "
                f"got shape {value.shape}"
            )
        batch = value.shape[:-1]
    if batch:
        raise ValueError(
            f"{owner}: key must be a single key; got a batch of keys of shape {batch}. "
            "Use jax.vmap to draw with each of them"
        )
