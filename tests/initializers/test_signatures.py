"""Which style a callable has is decided by its signature, or refused."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import pytest

from cthulhu import functional, initializers
from cthulhu.initializers._signatures import accepts, first_argument


class Call:
    """Objects whose `__call__` decides."""

    class Shape:
        def __call__(self, shape: Any, dtype: Any = None) -> Any: ...

    class Key:
        def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Any: ...

    class Neither:
        def __call__(self, a: Any, b: Any) -> Any: ...


def named(shape: Any, dtype: Any = None) -> Any: ...


def keyed(rng: Any, shape: Any, dtype: Any) -> Any: ...


SHAPE: dict[str, Callable[..., Any]] = {
    "shape": lambda shape: 0,
    "shape, dtype": lambda shape, dtype: 0,
    "shape, dtype=None": lambda shape, dtype=None: 0,
    "shape, dtype=None, **kwargs": lambda shape, dtype=None, **kwargs: 0,
    "shape, *, dtype=None": lambda shape, *, dtype=None: 0,
    "shape, /, dtype=None": lambda shape, /, dtype=None: 0,
    "size": lambda size: 0,
    "s": lambda s: 0,
    "s, d=None": lambda s, d=None: 0,
    "shape, dtype=None, gain=1.0": lambda shape, dtype=None, gain=1.0: 0,
    "a function": named,
    "an object": Call.Shape(),
    "a bound method": Call.Shape().__call__,
    "a partial": functools.partial(lambda gain, shape, dtype=None: 0, 2.0),
}

KEY: dict[str, Callable[..., Any]] = {
    "key, shape": lambda key, shape: 0,
    "key, shape, dtype": lambda key, shape, dtype: 0,
    "key, shape, dtype=None": lambda key, shape, dtype=None: 0,
    "key, shape, dtype=None, out_sharding=None": (
        lambda key, shape, dtype=None, out_sharding=None: 0
    ),
    "rng, shape, dtype": keyed,
    "k, s, d": lambda k, s, d: 0,
    "k, shape": lambda k, shape: 0,
    "key, s": lambda key, s: 0,
    "key, *, shape": lambda key, s, *, gain=1.0: 0,
    "an object": Call.Key(),
    "functional": functional.he_normal,
    "a partial of functional": functools.partial(functional.random_normal, stddev=0.1),
    "JAX's zeros": jax.nn.initializers.zeros,
    "JAX's he_normal()": jax.nn.initializers.he_normal(),
    "JAX's orthogonal()": jax.nn.initializers.orthogonal(),
    "JAX's jitted": jax.jit(jax.nn.initializers.normal(), static_argnums=(1, 2)),
}

NEITHER: dict[str, Callable[..., Any]] = {
    "nothing": lambda: 0,
    "a, b": lambda a, b: 0,
    "a, b, c, d": lambda a, b, c, d: 0,
    "key": lambda key: 0,
    "*args": lambda *args: 0,
    "**kwargs": lambda **kwargs: 0,
    "*, shape": lambda *, shape: 0,
    "only defaults": lambda in_axis=-2, out_axis=-1: 0,
    "key, shape, dtype, more": lambda key, shape, dtype, more: 0,
    "scale, mode, distribution, axis=0": lambda scale, mode, distribution, axis=0: 0,
    "an object": Call.Neither(),
    "JAX's he_normal": jax.nn.initializers.he_normal,
    "JAX's normal": jax.nn.initializers.normal,
    "JAX's uniform": jax.nn.initializers.uniform,
    "JAX's orthogonal": jax.nn.initializers.orthogonal,
    "JAX's variance_scaling": jax.nn.initializers.variance_scaling,
}


@pytest.mark.parametrize("function", SHAPE.values(), ids=SHAPE)
def test_shape_first(function: Callable[..., Any]) -> None:
    assert first_argument("test", function) == "shape"


@pytest.mark.parametrize("function", KEY.values(), ids=KEY)
def test_key_first(function: Callable[..., Any]) -> None:
    assert first_argument("test", function) == "key"
    assert initializers.get(function) is function


@pytest.mark.parametrize("function", NEITHER.values(), ids=NEITHER)
def test_neither_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"test: an initializer takes \(shape, dtype=None\), or"):
        first_argument("test", function)


def test_self_is_skipped() -> None:
    assert first_argument("test", Call.Shape.__call__, skip_self=True) == "shape"
    assert first_argument("test", Call.Key.__call__, skip_self=True) == "key"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda shape, dtype=None: 0, True),
        (lambda shape, **kwargs: 0, True),
        (lambda shape: 0, False),
        (lambda shape, *args: 0, False),
        (max, False),
    ],
    ids=["named", "**kwargs", "absent", "*args", "unreadable"],
)
def test_accepts(function: Callable[..., Any], expected: bool) -> None:
    assert accepts(function, "dtype") is expected
