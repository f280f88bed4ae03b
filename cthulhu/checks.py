"""Argument checks: the one place where messages are phrased.

Each check takes the `owner` (the function or class the user called), returns
the value in its canonical form, and raises the built-in exception that fits,
saying what was asked, what came and what to do. Traced values are passed on:
nothing is known of them yet.
"""

import cmath
import contextlib
import difflib
import math
import numbers
import operator
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import DType, HostNumber, Option
from cthulhu.caches import bounded

LARGEST_SEED = 2**32 - 1


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """The end of a message: the closest of `choices`, or nothing if none is close."""
    close = difflib.get_close_matches(str(name), list(choices), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


@contextlib.contextmanager
def extra(owner: str, library: str) -> Iterator[None]:
    """Around the imports of a library that an extra of its name installs."""
    try:
        yield
    except ModuleNotFoundError as error:
        # Something else that is missing is the library's own affair.
        if error.name is None or error.name.split(".")[0] != library:
            raise
        raise ModuleNotFoundError(
            f"{owner} needs {library}, which is not installed. "
            f"Install it: pip install 'cthulhu-jax[{library}]'",
            name=error.name,
        ) from error


def is_traced(value: object) -> TypeGuard[jax.Array]:
    """Whether `value` is known only to the program being traced."""
    return isinstance(value, jax.core.Tracer)


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


def choice(owner: str, argument: str, value: object, choices: Iterable[str]) -> str:
    """One of `choices`."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    listed = ", ".join(map(repr, known))
    raise ValueError(
        f"{owner}: {argument} must be one of {listed}; got {value!r}"
        f"{did_you_mean(value, known) if isinstance(value, str) else ''}"
    )


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


def unordered(
    owner: str, low_name: str, low: Option, high_name: str, high: Option, *, strict: bool
) -> None:
    """Refuse `low` above `high`, and, if `strict`, `low` equal to `high`."""
    if is_traced(low) or is_traced(high):
        return
    if low > high or (strict and low == high):
        relation = "less than" if strict else "at most"
        raise ValueError(
            f"{owner}: {low_name} must be {relation} {high_name}; "
            f"got {low_name}={low!r} and {high_name}={high!r}"
        )


def shape(owner: str, value: Any) -> tuple[int, ...]:
    """A tuple of integers of at least 0."""
    if is_key(value) and value.dtype != np.uint32:
        raise TypeError(
            f"{owner}: shape must be a sequence of integers; got a PRNG key. "
            "The key comes first and the shape after it: (key, shape, dtype)"
        )
    if hasattr(value, "ndim") and hasattr(value, "dtype") and value.ndim != 1:
        one = f". For one dimension write ({value},)" if value.ndim == 0 else ""
        raise TypeError(
            f"{owner}: shape must be a sequence of integers; got an array of dtype {value.dtype} "
            f"and shape {tuple(value.shape)}{one if not is_traced(value) else ''}"
        )
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(
            f"{owner}: shape must be a sequence of integers; got {value!r} "
            f"of type {type(value).__name__}"
            + (
                f". For one dimension write ({value},)"
                if isinstance(value, int) and not isinstance(value, bool)
                else ""
            )
        )
    dims: list[int] = []
    for dim in value:
        if dim is None:
            raise ValueError(
                f"{owner}: every dimension of shape must be known; got {tuple(value)!r}. "
                "Replace None by the size"
            )
        try:
            size = operator.index(dim)
        except TypeError:
            raise TypeError(
                f"{owner}: every dimension of shape must be an integer; got {dim!r} "
                f"of type {type(dim).__name__} in {tuple(value)!r}"
            ) from None
        if size < 0:
            raise ValueError(
                f"{owner}: every dimension of shape must be at least 0; got {size} "
                f"in {tuple(value)!r}"
            )
        dims.append(size)
    return tuple(dims)


def rank(
    owner: str, value: tuple[int, ...], least: int, most: int | None = None, why: str = ""
) -> None:
    """Refuse a shape with less than `least` or more than `most` dimensions."""
    if len(value) < least or (most is not None and len(value) > most):
        if most is None:
            wanted = f"at least {least}"
        elif most == least:
            wanted = f"exactly {least}"
        else:
            wanted = f"{least} to {most}"
        raise ValueError(
            f"{owner}: shape must have {wanted} dimensions{why}; "
            f"got {value!r}, which has {len(value)}"
        )


def axes(owner: str, argument: str, value: Any, ndim: int) -> tuple[int, ...]:
    """Distinct axes of an array of rank `ndim`, counted from 0."""
    found: list[int] = []
    for axis in axis_tuple(owner, argument, value):
        if not -ndim <= axis < ndim:
            raise ValueError(
                f"{owner}: {argument} must name axes of a shape with {ndim} dimensions, "
                f"so from {-ndim} to {ndim - 1}; got {axis}"
            )
        found.append(axis % ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"{owner}: {argument} names an axis twice; got {value!r}")
    return tuple(found)


def whole(value: Any) -> int:
    """A Python integer; `True` counts nothing and names no axis."""
    if isinstance(value, bool | np.bool_):
        raise TypeError
    return operator.index(value)


def count(owner: str, argument: str, value: Any) -> int:
    """An integer of at least 1."""
    try:
        number = whole(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer; got {value!r}") from None
    if number < 1:
        raise ValueError(f"{owner}: {argument} must be at least 1; got {number}")
    return number


def axis_tuple(owner: str, argument: str, value: Any) -> tuple[int, ...]:
    """Axes as a tuple of integers, of whatever rank."""
    try:
        return (whole(value),)
    except TypeError:
        pass
    try:
        return tuple(map(whole, value))
    except TypeError:
        raise TypeError(
            f"{owner}: {argument} must be an integer or a sequence of integers; got {value!r}"
        ) from None


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
