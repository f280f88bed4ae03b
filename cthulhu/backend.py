"""`K`: Keras's backend functions, for custom initializers that take the shape first.

Random functions draw their keys from the ambient `cthulhu.random.scope`, so a
callable that uses them is a pure function of the key it is called with.
"""

from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks, functional
from cthulhu.random import from_seed, next_key
from cthulhu.typing import DTypeLike, Scalar, Shape

__all__ = [
    "cast",
    "constant",
    "eye",
    "floatx",
    "ones",
    "random_normal",
    "random_uniform",
    "set_floatx",
    "truncated_normal",
    "zeros",
]

FLOATS = ("bfloat16", "float16", "float32", "float64")

_floatx = "float32"


def floatx() -> str:
    """The name of the dtype that this module's functions use by default.

    Returns:
        ``"float32"``, unless `set_floatx` changed it.

    Example:
        >>> floatx()
        'float32'
    """
    return _floatx


def set_floatx(value: str) -> None:
    """Set the dtype that this module's functions use by default.

    Args:
        value: ``"bfloat16"``, ``"float16"``, ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: `value` is none of these.

    Example:
        >>> set_floatx("bfloat16"); str(zeros((2,)).dtype)
        'bfloat16'
        >>> set_floatx("float32")
    """
    global _floatx  # noqa: PLW0603 - Keras's interface is a process-wide setting
    _floatx = checks.choice("set_floatx", "value", value, FLOATS)


def _dtype(dtype: DTypeLike | None) -> DTypeLike:
    return floatx() if dtype is None else dtype


def _key(owner: str, seed: int | None) -> jax.Array:
    number = checks.seed(owner, seed)
    return next_key(f"backend.{owner}") if number is None else from_seed(number)


def random_normal(
    shape: Shape,
    mean: Scalar = 0.0,
    stddev: Scalar = 1.0,
    dtype: DTypeLike | None = None,
    seed: int | None = None,
) -> jax.Array:
    """Draw from a normal distribution.

    Law: normal with mean `mean` and standard deviation `stddev`.

    Args:
        shape: the shape of the result.
        mean: the mean.
        stddev: the standard deviation, at least 0.
        dtype: a floating type; default: `floatx()`.
        seed: an integer fixes the values; `None` takes the next key of the
            ambient scope, or of the default generator.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError, ValueError: an argument is wrong.
        RuntimeError: no seed and no scope, under a JAX trace.

    Example:
        >>> bool((random_normal((3,), seed=1) == random_normal((3,), seed=1)).all())
        True
    """
    key = _key("random_normal", seed)
    return functional.random_normal(key, shape, _dtype(dtype), mean=mean, stddev=stddev)


def random_uniform(
    shape: Shape,
    minval: Scalar = 0.0,
    maxval: Scalar = 1.0,
    dtype: DTypeLike | None = None,
    seed: int | None = None,
) -> jax.Array:
    """Draw from a uniform distribution.

    Law: uniform on [`minval`, `maxval`).

    Args:
        shape: the shape of the result.
        minval: the lower bound.
        maxval: the upper bound, at least `minval`.
        dtype: a real floating type; default: `floatx()`.
        seed: an integer fixes the values; `None` takes the next key of the
            ambient scope, or of the default generator.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError, ValueError: an argument is wrong.
        RuntimeError: no seed and no scope, under a JAX trace.

    Example:
        >>> values = random_uniform((100,), 2.0, 3.0, seed=1)
        >>> bool((values >= 2).all() and (values < 3).all())
        True
    """
    key = _key("random_uniform", seed)
    return functional.random_uniform(key, shape, _dtype(dtype), minval=minval, maxval=maxval)


def truncated_normal(
    shape: Shape,
    mean: Scalar = 0.0,
    stddev: Scalar = 1.0,
    dtype: DTypeLike | None = None,
    seed: int | None = None,
) -> jax.Array:
    """Draw from a normal distribution cut at two standard deviations from its mean.

    Law: that of `cthulhu.functional.truncated_normal`.

    Args:
        shape: the shape of the result.
        mean: the mean.
        stddev: the standard deviation before the cut, at least 0.
        dtype: a real floating type; default: `floatx()`.
        seed: an integer fixes the values; `None` takes the next key of the
            ambient scope, or of the default generator.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError, ValueError: an argument is wrong.
        RuntimeError: no seed and no scope, under a JAX trace.

    Example:
        >>> bool((abs(truncated_normal((1000,), seed=1)) < 2).all())
        True
    """
    key = _key("truncated_normal", seed)
    return functional.truncated_normal(key, shape, _dtype(dtype), mean=mean, stddev=stddev)


def zeros(shape: Shape, dtype: DTypeLike | None = None, name: str | None = None) -> jax.Array:
    """Fill an array with 0.

    Args:
        shape: the shape of the result.
        dtype: its type; default: `floatx()`.
        name: ignored; Keras's interface has it.

    Returns:
        An array of `shape` and `dtype`.

    Example:
        >>> zeros((2,)).tolist()
        [0.0, 0.0]
    """
    return functional.zeros(None, shape, _dtype(dtype))


def ones(shape: Shape, dtype: DTypeLike | None = None, name: str | None = None) -> jax.Array:
    """Fill an array with 1.

    Args:
        shape: the shape of the result.
        dtype: its type; default: `floatx()`.
        name: ignored; Keras's interface has it.

    Returns:
        An array of `shape` and `dtype`.

    Example:
        >>> ones((2,)).tolist()
        [1.0, 1.0]
    """
    return functional.ones(None, shape, _dtype(dtype))


def constant(
    value: Any,
    dtype: DTypeLike | None = None,
    shape: Shape | None = None,
    name: str | None = None,
) -> jax.Array:
    """Make an array of a value, or of nested lists of values.

    Args:
        value: a number, an array or nested lists.
        dtype: the type of the result; default: `floatx()`.
        shape: the shape of the result, to which `value` is broadcast; default:
            the shape of `value`.
        name: ignored; Keras's interface has it.

    Returns:
        An array.

    Raises:
        ValueError: `value` cannot be broadcast to `shape`.

    Example:
        >>> constant(3, shape=(2,)).tolist()
        [3.0, 3.0]
    """
    array = jnp.asarray(value, dtype=checks.dtype("constant", _dtype(dtype)))
    if shape is None:
        return array
    dims = checks.shape("constant", shape)
    try:
        return jnp.broadcast_to(array, dims)
    except ValueError:
        raise ValueError(
            f"constant: value of shape {array.shape!r} cannot be broadcast to shape {dims!r}"
        ) from None


def eye(size: int | Shape, dtype: DTypeLike | None = None, name: str | None = None) -> jax.Array:
    """Make an identity matrix.

    Args:
        size: the number of rows and columns, or a pair of them.
        dtype: the type of the result; default: `floatx()`.
        name: ignored; Keras's interface has it.

    Returns:
        A matrix.

    Example:
        >>> eye(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    shape = (size, size) if isinstance(size, int) else size
    return functional.identity(None, shape, _dtype(dtype))


def cast(x: Any, dtype: DTypeLike) -> jax.Array:
    """Convert an array to another dtype.

    Args:
        x: an array, or nested lists.
        dtype: the type of the result.

    Returns:
        An array.

    Example:
        >>> cast([1, 2], "float32").tolist()
        [1.0, 2.0]
    """
    return jnp.asarray(x).astype(checks.dtype("cast", dtype))
