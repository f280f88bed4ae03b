"""The keys of parameters, which follow from their paths, and of their stacked layers."""

from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks, compat
from cthulhu._types import Array, KeyLike, Words
from cthulhu.random import from_seed, path_digest
from cthulhu.random._threefry import hash_words, threefry2x32
from cthulhu.trees import Path, join

Word: TypeAlias = jax.Array | np.uint32


def key_first(owner: str, order: str, key: object, *others: object) -> None:
    """Refuse arguments of which a later one is the key."""
    if not looks_like_key(key) and any(map(looks_like_key, others)):
        raise TypeError(
            f"{owner}: the key comes first: {owner}({order}); got {type(key).__name__} in its "
            f"place, and the key, or the seed, after it"
        )


def looks_like_key(value: object) -> bool:
    """Whether a value is a key or a seed."""
    is_seed = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_seed or checks.is_key(value)


def typed_key(owner: str, key: KeyLike) -> tuple[Word, Word]:
    """The two words of the threefry key that stands for `key`, whatever its implementation.

    An rbg key repeats the threefry key of the same seed, splits and folds, so a
    trainer's choice of implementation changes no value.
    """
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        seed = checks.seed(owner, key)
        assert seed is not None
        key = from_seed(seed)
    checks.single_key(owner, key)
    assert isinstance(key, jax.Array | np.ndarray)
    data: Array = key
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        data = jax.random.key_data(key)
    words: list[Word] = list(data if checks.is_traced(data) else np.asarray(data))
    if len(words) == 1:
        return words[0] * 0, words[0]
    left, right = words[0], words[1]
    for high, low in zip(words[2::2], words[3::2], strict=False):
        if checks.is_traced(data):
            mixed = threefry2x32((left, right), (high, low))
            same = (high == words[0]) & (low == words[1])
            left, right = jnp.where(same, left, mixed[0]), jnp.where(same, right, mixed[1])
        elif (high, low) != (words[0], words[1]):
            left, right = hash_words(np.array([left, right]), np.array([high]), np.array([low]))[0]
    return left, right


def leaf_keys(owner: str, key: KeyLike, paths: Sequence[Path]) -> Words | jax.Array:
    """The key of each path, all at once: those of `cthulhu.random.fold_path`.

    Args:
        owner: who asks, for the message of an error.
        key: one key of any implementation, or an integer seed; it may be traced.
        paths: the paths.

    Returns:
        An array of shape ``(len(paths), 2)`` of threefry key data.

    Raises:
        ValueError: two paths have one digest, which the 64 bits make improbable.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.random import fold_path
        >>> key, path = jax.random.key(0), ("encoder", "kernel")
        >>> folded = jax.random.key_data(fold_path(key, path))
        >>> bool(np.array_equal(leaf_keys("doc", key, [path])[0], folded))
        True
    """
    digests: dict[tuple[int, int], Path] = {}
    for path in paths:
        digest = path_digest(path)
        if digest in digests:
            raise ValueError(
                f"{owner}: the paths {join(digests[digest])!r} and {join(path)!r} have one digest, "
                "so they would have one key; rename one of them"
            )
        digests[digest] = path
    words = np.array(list(digests), np.uint32).reshape(-1, 2)
    left, right = typed_key(owner, key)
    zero = np.zeros(len(words), np.uint32)
    if not (checks.is_traced(left) or compat.under_trace()):
        keys = np.array([left, right], np.uint32)
        for column in range(2):
            keys = hash_words(keys, zero, words[:, column])
        return keys
    left, right = jnp.broadcast_to(left, zero.shape), jnp.broadcast_to(right, zero.shape)
    for column in range(2):
        left, right = threefry2x32((left, right), (zero, words[:, column]))
    return jnp.stack([left, right], axis=1)


def layer_keys(key: Words, layers: int) -> Words:
    """The keys of stacked layers: `jax.random.fold_in(key, layer)` for each."""
    count = np.arange(layers, dtype=np.uint32)
    return hash_words(np.asarray(key), np.zeros_like(count), count)
