"""Types of arrays."""

import cmath
import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import DType, HostNumber


def representable(owner: str, argument: str, value: Any, target: DType) -> HostNumber:
    """A concrete number in the type `target`, if that can hold it."""
    if isinstance(value, complex) and not jnp.issubdtype(target, np.complexfloating):
        raise TypeError(f"{owner}: {argument} {value!r} is complex; dtype {target} is not")
    if jnp.issubdtype(target, np.integer):
        limits = jnp.iinfo(target)  # type: ignore[no-untyped-call]
        if not math.isfinite(value) or value != int(value):
            raise ValueError(f"{owner}: {argument} {value!r} is no integer, and dtype is {target}")
        if not limits.min <= value <= limits.max:
            raise ValueError(
                f"{owner}: dtype {target} holds integers from {limits.min} to {limits.max}; "
                f"got {argument}={value!r}"
            )
    with np.errstate(over="ignore"):
        converted: HostNumber = target.type(value)
    if cmath.isfinite(value) and not np.isfinite(converted):
        raise ValueError(f"{owner}: {argument}={value!r} overflows dtype {target}")
    return converted


def dtype(owner: str, value: Any) -> DType:
    """A NumPy dtype that JAX has now; `None` is JAX's default float."""
    if value is None:
        return np.dtype(jax.dtypes.canonicalize_dtype(float))
    try:
        asked = jnp.dtype(value)
        given = np.dtype(jax.dtypes.canonicalize_dtype(asked))
        if not (jnp.issubdtype(given, np.number) or given == np.bool_):
            raise TypeError
    except TypeError:
        raise TypeError(
            f"{owner}: dtype must name a dtype, as 'float32' or jnp.bfloat16 do; got {value!r}"
        ) from None
    # `float` and `complex` ask for the default precision, as they do in JAX.
    if given != asked and not any(value is generic for generic in (float, complex, int)):
        warnings.warn(
            f"{owner}: dtype {asked} was asked for, but is not available: the result is "
            f"{given}. Set jax_enable_x64 to have 64-bit types",
            UserWarning,
            stacklevel=2,
        )
    return given


def inexact_dtype(owner: str, value: Any) -> DType:
    """A floating or complex dtype."""
    found = dtype(owner, value)
    if not jnp.issubdtype(found, np.inexact):
        raise TypeError(
            f"{owner}: dtype must be a floating or complex type for a random draw; got {found}. "
            "For random integers use jax.random.randint"
        )
    return found


def real_dtype(owner: str, value: Any) -> DType:
    """A floating dtype that is not complex."""
    found = inexact_dtype(owner, value)
    if jnp.issubdtype(found, np.complexfloating):
        raise TypeError(f"{owner}: dtype must be a real floating type; got {found}")
    return found
