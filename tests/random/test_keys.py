"""Keys from seeds and from paths."""

import itertools
from typing import Any

import jax
import numpy as np
import pytest

from cthulhu.random import fold_path, from_seed, path_digest
from cthulhu.random._keys import PATH_VERSION
from tests.refusals import assert_refused


def data(key: jax.Array) -> list[int]:
    return np.asarray(jax.random.key_data(key)).tolist()


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31 - 1, 2**31, 2**32 - 1, np.int64(3), np.uint32(5)])
def test_a_seed_is_the_key_that_jax_makes_of_it(seed: Any) -> None:
    expected = jax.random.key(seed)
    assert from_seed(seed).dtype == expected.dtype
    assert data(from_seed(seed)) == data(expected) == [0, int(seed)]


def test_a_seed_is_the_same_key_under_jit_and_x64() -> None:
    assert data(jax.jit(lambda: from_seed(2**32 - 1))()) == data(from_seed(2**32 - 1))
    with jax.enable_x64(True):
        assert data(from_seed(2**32 - 1)) == [0, 2**32 - 1]


def test_no_two_seeds_are_one_key() -> None:
    seeds = [0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]
    assert len({tuple(data(from_seed(seed))) for seed in seeds}) == len(seeds)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=rf"from_seed: seed must be from 0 .*; got {seed}"):
        from_seed(seed)


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_a_seed_follows_the_default_implementation(impl: str) -> None:
    with jax.default_prng_impl(impl):
        assert from_seed(3).dtype == jax.random.key(3).dtype
        assert data(from_seed(3)) == data(jax.random.key(3))
    assert jax.random.key_impl(from_seed(3)) == "threefry2x32"


GOLDEN = {
    (): (0xCA0AFA78, 0x473C8FB2),
    ("kernel",): (0x096C47C6, 0x796C5BAF),
    ("encoder", "layers_0", "kernel"): (0x894A912F, 0x6C9D0CDE),
    ("ключ", "λ"): (0x820D20D7, 0xDA3D8FF7),
}


@pytest.mark.parametrize("path", GOLDEN, ids="/".join)
def test_the_digest_of_a_path_never_changes(path: tuple[str, ...]) -> None:
    """A changed number here needs another `PATH_VERSION`, and a line in the change log."""
    assert PATH_VERSION == 1
    assert path_digest(path) == GOLDEN[path]


def test_components_do_not_run_together() -> None:
    paths = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("a", "b", "c"),
        ("abc", ""),
        ("", "abc"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("a\0b", "c"),
        ("a", "\0bc"),
    ]
    assert len({path_digest(path) for path in paths}) == len(paths)


def test_the_order_of_components_counts() -> None:
    assert path_digest(("a", "b")) != path_digest(("b", "a"))


def test_no_two_real_paths_collide() -> None:
    """A 64-bit digest of 200,000 paths collides with a chance of one in 10**9."""
    blocks = [f"layers_{index}" for index in range(1000)]
    parts = ["attention", "mlp", "norm", "cross_attention", "adapter"]
    names = ["query", "key", "value", "out", "up", "down", "gate", "scale"]
    leaves = ["kernel", "bias", "lora_a", "lora_b", "embedding"]
    paths = itertools.product(["decoder"], blocks, parts, names, leaves)
    digests = [path_digest(path) for path in paths]
    assert len(digests) == 200_000
    assert len(set(digests)) == len(digests)
    words = np.array(digests, np.float64) / 2**32
    # The mean of n uniform numbers is within five standard errors of one half.
    assert np.all(np.abs(words.mean(axis=0) - 0.5) < 5 / np.sqrt(12 * len(digests)))


def test_a_folded_key_is_the_digest_folded_in() -> None:
    key = jax.random.key(3)
    first, second = path_digest(("a", "kernel"))
    expected = jax.random.fold_in(jax.random.fold_in(key, np.uint32(first)), np.uint32(second))
    assert data(fold_path(key, ["a", "kernel"])) == data(expected)
    assert data(fold_path(key, iter(("a", "kernel")))) == data(expected)
    assert data(jax.jit(lambda key: fold_path(key, ("a", "kernel")))(key)) == data(expected)


def test_a_folded_key_is_of_the_same_kind() -> None:
    raw = fold_path(jax.random.PRNGKey(3), ["a"])
    assert raw.dtype == np.uint32
    assert np.asarray(raw).tolist() == data(fold_path(jax.random.key(3), ["a"]))
    rbg = fold_path(jax.random.key(3, impl="rbg"), ["a"])
    assert jax.random.key_impl(rbg) == "rbg"


def test_a_folded_key_differs_by_key_and_by_path() -> None:
    keys = [fold_path(jax.random.key(seed), [name]) for seed in (0, 1) for name in ("a", "b")]
    assert len({tuple(data(key)) for key in keys}) == 4


def test_a_seed_of_none_is_refused() -> None:
    assert_refused(
        lambda: from_seed(None),  # type: ignore[arg-type]
        TypeError,
        r"^from_seed: seed must be an integer; got None",
    )


def test_a_path_is_folded_into_one_key() -> None:
    assert_refused(
        lambda: fold_path(jax.random.split(jax.random.key(0)), ["a"]),
        ValueError,
        r"^fold_path: key must be a single key; got a batch of keys of shape \(2,\)",
    )
