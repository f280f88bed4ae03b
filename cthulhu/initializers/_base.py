"""`Initializer`: both ways of calling, the seed, the config, the subclassing."""

import contextvars
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu.initializers._foreign_draws import refuse_foreign_draws
from cthulhu.initializers._keras import DRAWN_SEED, called_by_keras, drawn_seed
from cthulhu.initializers._signatures import accepts, first_argument
from cthulhu.programs._placement import check_divides, place, resolve_sharding
from cthulhu.random import from_seed, next_key, scope
from cthulhu.random._scope import in_scope, keys_drawn
from cthulhu.typing import DTypeLike, OutSharding, Shape

ARGUMENTS = ("key", "shape", "dtype", "out_sharding")
DRAWN = {DRAWN_SEED}

Call: TypeAlias = tuple[Any, ...]
"""`ARGUMENTS`, as a user gave them, unchecked; the last ones may be missing."""


class Initializer:
    """Initializer base class: all initializers inherit from this class.

    `cthulhu.typing.Initializer` is the protocol, which functions satisfy too.

    An instance is called JAX's way, ``init(key, shape, dtype=None,
    out_sharding=None)``, or the documented way, ``init(shape, dtype=None)``;
    either way positionally or by keyword. Called with a key, the key alone
    decides. Called without one, the instance's seed decides: an integer gives
    the same values at every call, as `jax.random.key` of that integer does; with
    `None` every call draws a fresh key from the ambient `cthulhu.random.scope`,
    or from the default generator. Outside any scope, a layer of Keras gets what
    Keras documents: an instance without a seed draws one for itself, once, and
    `keras.utils.set_random_seed` governs it.

    Subclass it with the documented signature, drawing from
    `cthulhu.backend`, or with `key` as the first argument. Both kinds can then
    be called both ways, jitted, vmapped, and handed to Flax. A subclass with
    arguments implements `get_config`, so that it can be saved, and so that
    instances of one class and config are equal.

    Law: a subclass's own.

    Raises:
        TypeError: a call has neither a shape nor a key and a shape.
        ValueError: called with a key, a subclass draws from elsewhere.
        RuntimeError: a call without key and seed, under a JAX trace, outside of
            any scope.
        NotImplementedError: the subclass implements no `__call__`.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import backend as K
        >>> class Tenth(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return 0.1 * K.random_normal(shape, dtype=dtype)
        >>> init, key = Tenth(), jax.random.key(0)
        >>> bool(np.array_equal(init(key, (2, 3)), init(key, (2, 3))))
        True
    """

    draws: ClassVar[bool] = True
    """Whether a call needs a key at all."""

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Make an instance; refuse the arguments of an instance's call."""
        if args and checks.is_key(args[0]):
            raise TypeError(
                f"{cls.__name__} is a class and was called as if it were an initializer, with a "
                f"key first. Make an instance: {cls.__name__}() in place of {cls.__name__}"
            )
        return super().__new__(cls)

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Give a subclass with its own `__call__` both ways of calling."""
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("__call__")
        if own is not None:
            cls.__call__ = _both_ways(cls, own)  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> jax.Array:
        """Make an array: ``init(key, shape, dtype, out_sharding)`` or ``init(shape, dtype)``.

        Args:
            *args: ``key, shape, dtype, out_sharding`` or ``shape, dtype,
                out_sharding``; all but the shape may be missing.
            **kwargs: the same by keyword.

        Returns:
            An array of the shape and dtype.

        Raises:
            TypeError: there is no shape, or there are unknown arguments.
            RuntimeError: there is no key, no seed and no scope under a trace.
        """
        return self._draw(*self._keyed(self._given(args, kwargs)))

    def _given(self, args: Call, kwargs: Mapping[str, object]) -> Call:
        """The arguments of a call, the key first, whichever way it was made."""
        if kwargs or not 2 <= len(args) <= 4 or not isinstance(args[0], jax.Array):
            return self._arguments(args, kwargs)
        return args

    def _keyed(self, given: Call) -> Call:
        """The arguments with a key."""
        return (self._own_key(), *given[1:]) if given[0] is None and self.draws else given

    def _arguments(self, args: Call, kwargs: Mapping[str, object]) -> Call:
        """Sort out which way of calling this is."""
        owner = type(self).__name__
        unknown = sorted(set(kwargs) - set(ARGUMENTS))
        if unknown:
            raise TypeError(
                f"{owner}: unknown argument {unknown[0]!r} in a call"
                f"{checks.did_you_mean(unknown[0], ARGUMENTS)}; the arguments are "
                "(key, shape, dtype, out_sharding) or (shape, dtype, out_sharding)"
            )
        key_first = bool(args) and (
            checks.is_key(args[0]) or (args[0] is None and (len(args) > 1 or "shape" in kwargs))
        )
        if len(args) > 1 and isinstance(args[0], int) and isinstance(args[1], tuple | list):
            raise TypeError(
                f"{owner}: key must be a PRNG key, as jax.random.key({args[0]}) makes; "
                f"got {args[0]!r} of type {type(args[0]).__name__}"
            )
        names = ARGUMENTS if key_first else ARGUMENTS[1:]
        if len(args) > len(names):
            raise TypeError(
                f"{owner}: at most {len(names)} arguments ({', '.join(names)}); got {len(args)}"
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name in given:
                raise TypeError(f"{owner}: argument {name!r} was given twice")
            given[name] = value
        if "shape" not in given:
            raise TypeError(
                f"{owner}: a call needs a shape: init(key, shape, dtype) or init(shape, dtype)"
            )
        return tuple(given.get(name) for name in ARGUMENTS)

    def _own_key(self) -> jax.Array:
        """The key of a call that brings none."""
        owner = type(self).__name__
        if _running.get() is self:
            return next_key(owner)  # `super().__call__(shape)`: the key of the outer call decides.
        seed = checks.seed(owner, getattr(self, "seed", None))
        if seed is None and not in_scope() and called_by_keras():
            seed = drawn_seed(self)
        return next_key(owner) if seed is None else from_seed(seed)

    def _owner(self) -> str:
        """The name that messages begin with."""
        return type(self).__name__

    def _source(self) -> object:
        """The user's object whose code runs in a call."""
        return self

    def _draw(
        self,
        key: jax.Array | None,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        """Make the values that belong to `key`."""
        raise NotImplementedError(
            f"{type(self).__name__}: a subclass of Initializer implements "
            "__call__(self, shape, dtype=None) or __call__(self, key, shape, dtype=None)"
        )

    def __eq__(self, other: object) -> bool:
        """Whether the class and the config are the same."""
        if type(other) is not type(self):
            return NotImplemented
        if other is self:
            return True
        compared = self._compared()
        return compared is not None and compared == other._compared()

    def __hash__(self) -> int:
        """Equal instances are one static argument, so they do not trace twice."""
        compared = self._compared()
        return object.__hash__(self) if compared is None else hash((type(self), compared))

    def _compared(self) -> Hashable:
        """The config as a value to compare; `None` if it does not tell all."""
        silent = type(self).get_config is Initializer.get_config
        if silent and (type(self).__init__ is not object.__init__ or vars(self).keys() - DRAWN):
            return None
        try:
            compared = frozen(self.get_config())
            hash(compared)
        except TypeError:
            return None
        return compared

    def __repr__(self) -> str:
        """The constructor call, as far as `get_config` tells."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({given})"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as values that JSON can hold.

        Returns:
            A dict from which `from_config` makes an equal instance.

        Example:
            >>> from cthulhu.initializers import RandomNormal
            >>> RandomNormal(stddev=0.1, seed=3).get_config()
            {'mean': 0.0, 'stddev': 0.1, 'seed': 3}
        """
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an instance from what `get_config` returned.

        Args:
            config: the constructor's arguments. Keras 2's ``"dtype"`` is read
                and ignored: the dtype belongs to the call.

        Returns:
            An instance.

        Raises:
            TypeError: `config` has an argument that the class does not know.

        Example:
            >>> from cthulhu.initializers import RandomNormal
            >>> RandomNormal.from_config({"stddev": 0.1, "seed": 3})
            RandomNormal(stddev=0.1, seed=3)
        """
        known = dict(config)
        if not accepts(cls.__init__, "dtype"):
            known.pop("dtype", None)
        return cls(**known)


_running: contextvars.ContextVar[Initializer | None] = contextvars.ContextVar(
    "cthulhu_running", default=None
)


def _both_ways(cls: type[Initializer], own: Callable[..., Any]) -> Callable[..., jax.Array]:
    """A subclass's own `__call__`, of either signature, as one that can be called both ways."""
    style = first_argument(f"{cls.__name__}.__call__", own, skip_self=True)

    def call(self: Initializer, *args: Any, **kwargs: Any) -> jax.Array:
        given = self._given(args, kwargs)
        completed = (*self._keyed(given), None, None)
        key, shape, dtype, out_sharding = completed[:4]
        bound = functools.partial(own, self)
        # Without a key, a seed of its own may decide.
        source = None if given[0] is None else self._source()
        token = _running.set(self)
        try:
            return call_custom(self._owner(), bound, style, key, shape, dtype, out_sharding, source)
        finally:
            _running.reset(token)

    call.__doc__ = own.__doc__ or Initializer.__call__.__doc__
    call.__name__, call.__qualname__ = "__call__", f"{cls.__qualname__}.__call__"
    return call


def call_custom(
    owner: str,
    function: Callable[..., Any],
    style: str,
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None,
    out_sharding: OutSharding,
    source: object = None,
) -> jax.Array:
    """Run a user's function, of either signature, as a pure function of the key.

    If the key is the caller's, `source` is the object whose code runs, and what
    draws from elsewhere is refused.
    """
    checks.single_key(owner, key)
    assert key is not None
    dims = checks.shape(owner, shape)
    target = None if dtype is None else checks.dtype(owner, dtype)
    key_ignored = False
    if style == "key":
        value = function(key, dims, target) if target is not None else function(key, dims)
    else:
        if accepts(function, "dtype"):
            function = functools.partial(function, dtype=target)
        with scope(key):
            value = function(dims)
            key_ignored = keys_drawn() == 0
    try:
        array = jnp.asarray(value, dtype=target)
    except (TypeError, ValueError):
        raise TypeError(
            f"{owner}: an initializer must return an array; it returned {value!r} "
            f"of type {type(value).__name__}"
        ) from None
    if array.shape != dims:
        raise ValueError(
            f"{owner}: asked for shape {dims!r}, and it returned an array of shape {array.shape!r}"
        )
    if key_ignored and source is not None:
        refuse_foreign_draws(owner, source, functools.partial(function, dims), array)
    return finish(owner, array, out_sharding)


def finish(owner: str, array: jax.Array, out_sharding: OutSharding) -> jax.Array:
    """An array that a user's code made, in the layout asked for."""
    sharding = resolve_sharding(owner, out_sharding)
    if sharding is None:
        return array
    check_divides(owner, array.shape, sharding)
    return place(array, sharding)


def frozen(value: object) -> Hashable:
    """A part of a config as a value that can be compared and hashed."""
    if isinstance(value, Mapping):
        return frozenset((name, frozen(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    if isinstance(value, np.ndarray | jax.Array):
        array = np.asarray(value)
        return array.shape, array.dtype.str, array.tobytes()
    # 1, 1.0 and True are equal, and do not trace alike.
    return type(value), value
