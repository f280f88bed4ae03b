"""Numbers."""

import math
import numbers
from typing import TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import Option
from cthulhu.checks._traced import is_traced

Value = TypeVar("Value")


class NegativeZero(float):
    """-0.0 with a type of its own: caches tell equal values apart by their types alone."""


def told_apart(value: Value) -> Value:
    """The value; -0.0 as one that no cache takes for 0.0."""
    if isinstance(value, float | np.floating) and value == 0 and math.copysign(1, value) < 0:
        return cast(Value, NegativeZero(value))
    return value


def scalar(owner: str, argument: str, value: object) -> complex | jax.Array:
    """A Python number, for any concrete scalar; a traced scalar as it is."""
    if is_traced(value):
        if value.shape != ():
            raise ValueError(
                f"{owner}: {argument} must be a scalar; got a traced array of shape "
                f"{value.shape}. Use jax.vmap to run over many values"
            )
        return value
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {argument} must be a number; got {value!r}")
    if isinstance(value, int | float | complex):
        return told_apart(value)
    if isinstance(value, numbers.Number) or hasattr(value, "dtype"):
        array = np.asarray(value)
        if array.shape != ():
            raise ValueError(
                f"{owner}: {argument} must be a scalar; got an array of shape {array.shape}"
            )
        if not (jnp.issubdtype(array.dtype, np.number) or jnp.issubdtype(array.dtype, np.inexact)):
            raise TypeError(f"{owner}: {argument} must be a number; got dtype {array.dtype}")
        if jnp.issubdtype(array.dtype, np.complexfloating):
            return complex(array)
        return told_apart(int(array) if jnp.issubdtype(array.dtype, np.integer) else float(array))
    raise TypeError(
        f"{owner}: {argument} must be a number or a scalar array; got {value!r} "
        f"of type {type(value).__name__}"
    )


def fill_value(owner: str, argument: str, value: object) -> complex | jax.Array:
    """A number that some dtype can hold; infinities and NaN too."""
    value = scalar(owner, argument, value)
    if isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            raise ValueError(
                f"{owner}: {argument} is an integer of {value.bit_length()} bits, which no dtype "
                "can hold"
            ) from None
    return value


def finite(owner: str, argument: str, value: object) -> Option:
    """A finite real number."""
    value = scalar(owner, argument, value)
    if is_traced(value):
        return value
    if isinstance(value, complex):
        raise TypeError(f"{owner}: {argument} must be a real number; got {value!r}")
    try:
        known = math.isfinite(value)
    except OverflowError:  # An integer beyond all floating types.
        known = False
    if not known:
        raise ValueError(f"{owner}: {argument} must be finite; got {value!r}")
    return value


def bound(owner: str, argument: str, value: object) -> Option:
    """A real number, or an infinity for no bound."""
    value = scalar(owner, argument, value)
    if is_traced(value) or value in (math.inf, -math.inf):
        return value  # type: ignore[return-value]
    return finite(owner, argument, value)


def positive(owner: str, argument: str, value: object) -> Option:
    """A finite number greater than 0."""
    value = finite(owner, argument, value)
    if not is_traced(value) and value <= 0:
        raise ValueError(f"{owner}: {argument} must be greater than 0; got {value!r}")
    return value


def non_negative(owner: str, argument: str, value: object) -> Option:
    """A finite number of at least 0."""
    value = finite(owner, argument, value)
    if not is_traced(value) and value < 0:
        raise ValueError(f"{owner}: {argument} must be at least 0; got {value!r}")
    return value


def flag(owner: str, argument: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {argument} must be True or False; got {value!r}")
    return bool(value)
