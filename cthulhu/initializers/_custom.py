"""Users' own callables and arrays, as initializers."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp

from cthulhu import checks, typing
from cthulhu._types import Array
from cthulhu.initializers._base import Initializer, finish
from cthulhu.initializers._signatures import accepts, first_argument
from cthulhu.typing import DTypeLike, OutSharding, Shape


@dataclasses.dataclass(frozen=True)
class FromCallable(Initializer):
    """A callable `(shape, dtype)` as a pure function of the key.

    While it runs, the call's key is the ambient one, so what it draws from
    `cthulhu.backend` depends on the key alone.

    Law: the callable's own.

    Args:
        function: a callable that takes a shape and, optionally, a dtype, and
            returns an array of that shape.

    Raises:
        ValueError: in a call, the callable returns another shape; or it draws,
            but not from the key.
        TypeError: in a call, it returns no array.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import backend as K, initializers
        >>> init = initializers.get(lambda shape, dtype=None: K.random_normal(shape, dtype=dtype))
        >>> jitted = jax.jit(lambda key: init(key, (3,)))
        >>> key = jax.random.key(0)
        >>> bool(np.array_equal(jitted(key), init(key, (3,))))
        True
    """

    function: Callable[..., Any]

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Any:
        """Run the function."""
        if accepts(self.function, "dtype"):
            return self.function(shape, dtype=dtype)
        return self.function(shape)

    def _owner(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def _source(self) -> object:
        return self.function


class FromArray(Initializer):
    """An array as the initializer of weights of its very shape.

    Law: the array's values.

    Args:
        array: the values.

    Raises:
        ValueError: in a call, the shape is not the array's.

    Example:
        >>> import numpy as np
        >>> FromArray(np.array([1.0, 2.0]))((2,)).tolist()
        [1.0, 2.0]
    """

    draws = False

    def __init__(self, array: Array) -> None:
        self.array = array

    def _draw(
        self,
        key: jax.Array | None,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        owner = "FromArray"
        dims = checks.shape(owner, shape)
        if dims != self.array.shape:
            raise ValueError(
                f"{owner}: an array of shape {self.array.shape!r} was passed as an initializer, "
                f"and weights of shape {dims!r} were asked for; the shapes must be equal"
            )
        values = jnp.array(self.array, dtype=checks.dtype(owner, dtype), copy=True)
        return finish(owner, values, out_sharding)


def from_callable(function: Callable[..., Any]) -> typing.Initializer:
    """A user's callable, of either signature, as an initializer."""
    name = getattr(function, "__name__", type(function).__name__)
    if first_argument(name, function) == "key":
        return function
    return cast(typing.Initializer, FromCallable(function))
