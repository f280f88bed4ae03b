"""A block of an array can be drawn alone, wherever in the array it is."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.programs import _draws as draws
from cthulhu.random import random_bits
from tests.cases import KEY, same_bits

LAWS: dict[str, Callable[..., Any]] = {
    "uniform": lambda *args, **rows: draws.uniform(*args, minval=-0.3, maxval=0.4, **rows),
    "normal": lambda *args, **rows: draws.normal(*args, stddev=0.02, mean=0.1, **rows),
    "truncated_normal": lambda *args, **rows: draws.truncated_normal(*args, lower=-1, **rows),
}
FLOAT32 = np.dtype(np.float32)

every_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


def threefry2x32(key: tuple[int, int], index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Salmon et al. (2011), in NumPy's 64-bit integers; `index` is the 64-bit counter."""
    mask = np.uint64(0xFFFFFFFF)
    schedule = [np.uint64(word) for word in (*key, key[0] ^ key[1] ^ 0x1BD11BDA)]
    left = ((index >> np.uint64(32)) + schedule[0]) & mask
    right = ((index & mask) + schedule[1]) & mask
    for number in range(20):
        rotation = (13, 15, 26, 6, 17, 29, 16, 24)[number % 8]
        left = (left + right) & mask
        rotated = (right << np.uint64(rotation)) | (right >> np.uint64(32 - rotation))
        right = left ^ (rotated & mask)
        if number % 4 == 3:
            injection = number // 4 + 1
            left = (left + schedule[injection % 3]) & mask
            right = (right + schedule[(injection + 1) % 3] + np.uint64(injection)) & mask
    return left, right


def bits_at(first: int, count: int) -> np.ndarray:
    """The 32 random bits of `count` elements, from the one of that index on."""
    key = tuple(int(word) for word in jax.random.key_data(KEY))
    index = np.uint64(first) + np.arange(count, dtype=np.uint64)
    left, right = threefry2x32((key[0], key[1]), index)
    return (left ^ right).astype(np.uint32)


def test_the_published_vectors_of_threefry() -> None:
    # Random123's known answers for threefry2x32-20.
    for key, counter, answer in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (
            (0x13198A2E, 0x03707344),
            (0x243F6A88, 0x85A308D3),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ):
        index = np.array([counter[0] * 2**32 + counter[1]], np.uint64)
        assert tuple(int(word[0]) for word in threefry2x32(key, index)) == answer


@pytest.mark.parametrize("start", [0, 2**16 - 3, 2**32 - 3, 2**32, 2**40 - 3, 2**63, 2**64 - 3])
def test_bits_anywhere_in_the_stream(start: int) -> None:
    words = (np.uint32(start >> 32), np.uint32(start & 0xFFFFFFFF))
    count = min(8, 2**64 - start)
    same_bits(random_bits(KEY, (count,), start=words), bits_at(start, count))


@every_law
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float8_e4m3fn])
def test_rows_are_a_slice_of_the_whole(law: Callable[..., Any], dtype: Any) -> None:
    target = np.dtype(dtype)
    # Each size of a block is a program: other shapes are checked in float32 alone.
    for shape in ((11, 13), (7, 3, 5), (9,)) if dtype == jnp.float32 else ((11, 13),):
        whole = np.asarray(law(shape, target)(KEY))
        for rows in ((0, 2), (3, 5), (shape[0] - 2, shape[0]), (4, 4)):
            same_bits(law(shape, target, rows=rows)(KEY), whole[slice(*rows)])


@every_law
def test_rows_are_a_slice_of_the_whole_in_double_precision(law: Callable[..., Any]) -> None:
    with jax.enable_x64(True):
        target = np.dtype(np.float64)
        whole = np.asarray(law((11, 13), target)(KEY))
        same_bits(law((11, 13), target, rows=(3, 7))(KEY), whole[3:7])


@every_law
def test_rows_under_transformations(law: Callable[..., Any]) -> None:
    keys = jax.random.split(KEY, 3)
    whole = np.stack([law((11, 13), FLOAT32)(key) for key in keys])
    block = law((11, 13), FLOAT32, rows=(3, 7))
    same_bits(jax.vmap(block)(keys), whole[:, 3:7])
    same_bits(jax.jit(jax.vmap(block))(keys), whole[:, 3:7])


def test_blocks_of_one_size_share_a_program() -> None:
    first = draws.normal((1000, 8), FLOAT32, rows=(0, 10))
    second = draws.normal((1000, 8), FLOAT32, rows=(500, 510), stddev=2.0)
    assert first.program is second.program


def test_rows_may_be_sharded() -> None:
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = NamedSharding(mesh, P("x"))
    whole = np.asarray(draws.normal((40, 6), FLOAT32)(KEY))
    values = draws.normal((40, 6), FLOAT32, sharding, rows=(8, 24))(KEY)
    same_bits(values, whole[8:24])
    assert values.sharding.is_equivalent_to(sharding, 2)


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((2**20, 2**14), 2**18 - 1),  # across 2**32
        ((2**20, 2**14), 2**19 + 5),
        ((2**31, 3), 2**31 - 4),
        ((2**30, 7, 11, 13), 2**30 - 4),  # beyond 2**39
    ],
    ids=str,
)
def test_rows_of_arrays_larger_than_any_memory(shape: tuple[int, ...], first: int) -> None:
    row = int(np.prod(shape[1:], dtype=object))
    values = draws.uniform(shape, FLOAT32, rows=(first, first + 2))(KEY)
    assert values.shape == (2, *shape[1:])
    mantissa = (bits_at(first * row, 2 * row) >> np.uint32(9)) | np.uint32(0x3F800000)
    same_bits(np.ravel(values), mantissa.view(np.float32) - np.float32(1))


def test_normals_beyond_32_bits_invert_the_same_bits() -> None:
    shape, first = (2**20, 2**14), 2**19 + 5
    bits = bits_at(first * 2**14, 2**14)
    unit = ((bits >> np.uint32(9)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)
    low = np.nextafter(np.float32(-1), np.float32(0))

    @jax.jit
    def invert(unit: jax.Array, scale: jax.Array) -> jax.Array:
        return jax.lax.erf_inv(unit * np.float32(2) + low) * scale

    expected = invert(unit, np.float32(np.sqrt(2)))
    values = draws.normal(shape, FLOAT32, rows=(first, first + 1))(KEY)
    np.testing.assert_allclose(np.ravel(values), expected, rtol=1e-6)


@pytest.mark.parametrize("rows", [(-1, 2), (3, 2), (0, 12), (11, 12)], ids=str)
def test_rows_outside_of_the_array_are_refused(rows: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="rows must be a pair"):
        draws.normal((11, 13), FLOAT32, rows=rows)
    with pytest.raises(ValueError, match="rows must be a pair"):
        draws.normal((), FLOAT32, rows=(0, 0))


def test_rows_need_a_key_with_random_access() -> None:
    block = draws.normal((11, 13), FLOAT32, rows=(3, 7))
    with pytest.raises(NotImplementedError, match="threefry"):
        block(jax.random.key(0, impl="rbg"))


def test_scales_do_not_compile_again() -> None:
    compilations = []

    def listen(event: str, seconds: float, **kwargs: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compilations.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    draws.normal((17, 19), FLOAT32)(KEY)
    assert compilations
    compilations.clear()
    for stddev in (0.1, 0.2, 3.0):
        for mean in (0.0, 1.0):
            draws.normal((17, 19), FLOAT32, stddev=stddev, mean=mean)(KEY)
    assert not compilations
