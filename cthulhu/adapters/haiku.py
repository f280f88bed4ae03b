"""Haiku: this library's initializers where Haiku draws from its own keys.

hk.Linear(8, w_init=w_init("he_normal"))
"""

import dataclasses
from collections.abc import Callable

import jax

from cthulhu import checks, initializers
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.typing import DTypeLike, Initializer, InitializerLike, Shape

with checks.extra("cthulhu.adapters.haiku", "haiku"):
    import haiku as hk

__all__ = ["w_init"]


@dataclasses.dataclass(frozen=True)
class WInit:
    """An initializer as Haiku calls its own, `(shape, dtype)`."""

    initializer: Initializer
    draws: bool
    """Whether a call takes a key from Haiku."""

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> jax.Array:
        """Make the array of this shape and dtype that belongs to Haiku's next key."""
        if not self.draws:
            return self.initializer(None, shape, dtype)  # type: ignore[arg-type]
        return self.initializer(hk.next_rng_key(), shape, dtype)


def w_init(init: InitializerLike) -> Callable[..., jax.Array]:
    """Make of an initializer what Haiku's modules take: a function of shape and dtype.

    Each call takes its key from `haiku.next_rng_key`, as Haiku's own initializers do,
    and the values are those of the pure function with that key. What never draws, as
    `cthulhu.initializers.Zeros`, takes none, so that it changes no other parameter.

    Haiku's kernels lie (…, in, out), as the default axes expect, but for those of
    transposed convolutions: ``HeNormal(layout="conv_transpose")``.

    Args:
        init: whatever `cthulhu.initializers.get` takes.

    Returns:
        A callable ``(shape, dtype=None)``, for any argument of Haiku that ends in
        ``init``. Those of equal initializers are equal.

    Raises:
        ValueError: the name is unknown.
        TypeError: `init` is no initializer.

    Example:
        >>> import haiku as hk, jax, jax.numpy as jnp
        >>> net = hk.transform(lambda x: hk.Linear(3, w_init=w_init("orthogonal"))(x))
        >>> w = net.init(jax.random.key(0), jnp.ones((1, 4)))["linear"]["w"]
        >>> bool(jnp.allclose(w.T @ w, jnp.eye(3), atol=1e-5))
        True
    """
    found = initializers.get(init)
    if found is None:
        raise TypeError(
            "haiku.w_init: an initializer is needed; got None. For the default of a module of "
            "Haiku, pass w_init=None to the module itself"
        )
    function, _ = unbound(found)
    known = function if isinstance(function, BuiltIn) else definition_of(function)
    return WInit(found, getattr(known, "draws", True))
