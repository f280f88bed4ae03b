"""Keys: from seeds, and from the paths of parameters."""

import hashlib
from collections.abc import Iterable, Sequence

import jax
import numpy as np

from cthulhu import checks, compat
from cthulhu.caches import bounded

PATH_VERSION = 1
"""Changes when the derivation of keys from paths does."""


def from_seed(seed: int) -> jax.Array:
    """The key that an initializer with this seed draws with: `jax.random.key(seed)`.

    Args:
        seed: an integer from 0 to 2**32 - 1.

    Returns:
        A typed key of JAX's default implementation.

    Raises:
        TypeError: `seed` is not an integer.
        ValueError: `seed` is out of range. JAX itself keeps only 32 bits of a
            seed unless `jax_enable_x64` is set, so larger ones would collide.

    Example:
        >>> import jax
        >>> bool(from_seed(7) == jax.random.key(7))
        True
    """
    number = checks.seed("from_seed", seed)
    if number is None:
        raise TypeError("from_seed: seed must be an integer; got None")
    if compat.under_trace():
        return jax.random.key(number)
    return _concrete(number, jax.config.jax_default_prng_impl)  # type: ignore[attr-defined]


@bounded(1024)
def _concrete(seed: int, impl: str) -> jax.Array:
    return jax.random.key(seed, impl=impl)


def path_digest(path: Sequence[str]) -> tuple[int, int]:
    """A 64-bit digest of a path, as two 32-bit words.

    Components are hashed with their lengths, so ``("ab", "c")`` and
    ``("a", "bc")`` differ. The digest is part of what a seed means: it changes
    with `PATH_VERSION` only.

    Args:
        path: the components of a parameter's path.

    Returns:
        Two integers below 2**32.

    Example:
        >>> path_digest(("ab", "c")) == path_digest(("a", "bc"))
        False
    """
    digest = hashlib.blake2b(digest_size=8, person=b"cthulhu%d" % PATH_VERSION)
    for component in path:
        encoded = component.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    first, second = np.frombuffer(digest.digest(), "<u4").tolist()
    return first, second


def fold_path(key: jax.Array, path: Iterable[str]) -> jax.Array:
    """The key of the parameter at `path`, derived from the whole model's key.

    The key depends on `key` and the path alone: adding, removing or reordering
    other parameters changes nothing.

    Args:
        key: one key, typed or raw.
        path: the components of the path, as ``("encoder", "kernel")``.

    Returns:
        A key of the same kind.

    Raises:
        TypeError, ValueError: `key` is no key, or a batch of keys.

    Example:
        >>> import jax
        >>> key = jax.random.key(0)
        >>> bool(fold_path(key, ["a", "kernel"]) == fold_path(key, ["b", "kernel"]))
        False
    """
    checks.single_key("fold_path", key)
    for word in path_digest(tuple(path)):
        key = jax.random.fold_in(key, np.uint32(word))
    return key
