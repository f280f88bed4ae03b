"""float32 values are those of jitted `jax.nn.initializers`, bit for bit."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.random import fused
from tests.cases import ALL, CASES, KEY, Case, by_id, same_bits, ulps

FLOAT32 = np.dtype(np.float32)
REFERENCED = [case for case in ALL if case.reference is not None]
PLAIN = [case for case in REFERENCED if case.distribution and not case.follows_fans]
SCALED = [case for case in REFERENCED if case.follows_fans and not case.names_axes]
FILLS = [case for case in REFERENCED if not case.draws and 0 in case.ranks]

# Odd, prime and single dimensions, of one to five axes.
ANY_SHAPES = [(1,), (131,), (1, 1), (13, 1), (1, 8), (31, 17), (3, 7, 11), (2, 3, 1, 5, 7)]
KERNELS = [(31, 17), (1, 1), (3, 3, 5, 8)]
NARROW = [(50, 3), (17, 4), (2, 3, 5)]

# On CPU, JAX 0.11 and later contract the inverse error function's multiplications and additions
# differently where the innermost dimension is 3, 4 or 5: there, a few percent of the elements of
# JAX's own jitted normals differ, in their last bits, from JAX's own draw of as many elements in
# one dimension. Ours are always the latter (`test_values_do_not_depend_on_the_shape`).
JAX_DEPENDS_ON_SHAPE = jax.__version_info__ >= (0, 11)
JAX_CONTRACTION_ULPS = 4


def equals_jax(case: Case, shape: tuple[int, ...], whole: bool = True) -> None:
    """Compare with the jitted reference.

    JAX's own bits take seconds to compile in three and more dimensions. Where the comparison is
    not of the `whole` of JAX, JAX's initializer runs on the fused bits, which are JAX's bits
    (tests/random/test_bits.py).
    """
    ours = case.init(KEY, shape)
    key = KEY if whole or len(shape) < 3 else fused(KEY)
    theirs = case.jitted_reference(key, shape, FLOAT32)
    if JAX_DEPENDS_ON_SHAPE and shape[-1] in (3, 4, 5) and case.gaussian:
        assert ours.shape == theirs.shape
        assert ulps(ours, theirs) <= JAX_CONTRACTION_ULPS
    else:
        same_bits(ours, theirs)


@pytest.mark.parametrize("case", REFERENCED, ids=by_id)
def test_equal_at_the_row_of_the_table(case: Case) -> None:
    equals_jax(case, case.shape, whole=False)


@pytest.mark.parametrize("shape", [*ANY_SHAPES, *NARROW], ids=str)
@pytest.mark.parametrize("case", [case for case in PLAIN if case.witness], ids=by_id)
def test_plain_draws_equal_in_any_shape(case: Case, shape: tuple[int, ...]) -> None:
    equals_jax(case, shape, whole=case.in_full)


@pytest.mark.parametrize("case", [case for case in PLAIN if not case.witness], ids=by_id)
def test_other_plain_draws_are_the_same_programs_with_other_numbers(case: Case) -> None:
    """So they equal JAX's in any shape too, for they do in that of the table."""
    numbers = case.instance().draw(case.shape).scalars
    for shape in (*ANY_SHAPES, *NARROW):
        draw = case.instance().draw(shape)
        compared = [like.instance().draw(shape).program for like in PLAIN if like.witness]
        assert any(draw.program is program for program in compared)
        assert draw.scalars == numbers


@pytest.mark.parametrize("shape", [*KERNELS, *NARROW], ids=str)
@pytest.mark.parametrize("case", [case for case in SCALED if not case.label], ids=by_id)
def test_scaled_draws_equal_in_any_shape(case: Case, shape: tuple[int, ...]) -> None:
    equals_jax(case, shape, whole=case.in_full)


@pytest.mark.parametrize("case", SCALED, ids=by_id)
def test_scaled_draws_equal_in_a_kernel(case: Case) -> None:
    equals_jax(case, (3, 5, 7, 11), whole=False)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((7, 11), {"in_axis": 0, "out_axis": 1}),
        ((7, 11), {"in_axis": 1, "out_axis": 0}),
        ((97, 11), {"out_axis": 0}),
        ((6, 7, 11), {"batch_axis": 0}),
        ((6, 7, 11), {"in_axis": 0, "out_axis": 2, "batch_axis": (1,)}),
        ((2, 3, 7, 11), {"batch_axis": (0, 1)}),
        ((2, 3, 7, 11), {"in_axis": (0, 2), "out_axis": [1, 3]}),
        ((7,), {"in_axis": 0, "out_axis": 0}),
        ((7,), {"in_axis": (), "out_axis": 0}),
    ],
    ids=str,
)
def test_axes_mean_what_they_mean_in_jax(shape: tuple[int, ...], axes: dict[str, Any]) -> None:
    for mode in ("fan_in", "fan_out", "fan_avg"):
        reference = jax.nn.initializers.variance_scaling(2.0, mode, "uniform", **axes)
        options = {"scale": 2.0, "mode": mode, "distribution": "uniform", **axes}
        same_bits(
            functional.variance_scaling(KEY, shape, **options),
            jax.jit(reference, static_argnums=1)(fused(KEY), shape),
        )
    for name in ("he_normal", "glorot_uniform", "lecun_normal"):
        reference = getattr(jax.nn.initializers, name)(**axes)
        same_bits(
            getattr(functional, name)(KEY, shape, **axes),
            jax.jit(reference, static_argnums=1)(fused(KEY), shape),
        )


@pytest.mark.parametrize(
    "shape", [(7, 7), (1, 1), (13, 6), (6, 13), (2, 6, 7), (2, 1, 7, 1, 8)], ids=str
)
def test_orthogonal_equals_in_any_shape(shape: tuple[int, ...]) -> None:
    for axis in {-1, 0, len(shape) // 2}:
        reference = jax.jit(jax.nn.initializers.orthogonal(1.3, axis), static_argnums=1)
        same_bits(
            functional.orthogonal(KEY, shape, gain=1.3, axis=axis),
            reference(KEY, shape),
        )


@pytest.mark.parametrize(
    "shape", [(3, 6, 7), (4, 1, 1), (3, 3, 6, 8), (2, 4, 2, 2), (1, 2, 3, 6, 7)], ids=str
)
def test_delta_orthogonal_equals_in_any_shape(shape: tuple[int, ...]) -> None:
    for axis in (-1, -2):
        reference = jax.jit(jax.nn.initializers.delta_orthogonal(0.7, axis), static_argnums=1)
        same_bits(
            functional.delta_orthogonal(KEY, shape, gain=0.7, axis=axis),
            reference(KEY, shape),
        )


def test_orthogonal_is_close_where_gaussians_of_jax_depend_on_the_shape() -> None:
    for shape in ((13, 5), (4, 4), (3, 20)):
        reference = jax.jit(jax.nn.initializers.orthogonal(), static_argnums=1)
        np.testing.assert_allclose(
            functional.orthogonal(KEY, shape), reference(KEY, shape), atol=2e-6, rtol=0
        )


@pytest.mark.parametrize("case", FILLS, ids=by_id)
def test_fixed_values_equal_in_any_shape_and_type(case: Case) -> None:
    for shape in ((), (5,), (2, 3, 1, 5, 7)):
        for dtype in (jnp.float32, jnp.bfloat16, jnp.float8_e4m3fn, jnp.complex64):
            same_bits(case.init(KEY, shape, dtype), case.reference(KEY, shape, np.dtype(dtype)))
    if case.mean(()).is_integer():
        same_bits(case.init(KEY, (3,), np.int32), case.reference(KEY, (3,), np.dtype(np.int32)))


@pytest.mark.parametrize("case", [case for case in PLAIN if case.witness], ids=by_id)
def test_values_do_not_depend_on_the_shape(case: Case) -> None:
    size = 60
    flat = case.init(KEY, (size * 20,))
    same_bits(flat, case.jitted_reference(KEY, (size * 20,), FLOAT32))
    for innermost in range(1, 21):
        shape = (size, innermost)
        same_bits(np.ravel(case.init(KEY, shape)), flat[: math.prod(shape)])
    for shape in ((60,), (3, 4, 5), (5, 4, 3), (2, 3, 2, 5), (1, 60, 1), (2, 2, 3, 1, 5)):
        same_bits(np.ravel(case.init(KEY, shape)), flat[:60])


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_empty_shapes_give_empty_arrays(case: Case) -> None:
    # JAX divides by zero in the fans of these.
    shapes = [
        shape
        for shape in ((0,), (0, 8), (5, 0), (0, 0), (3, 0, 4), (2, 3, 0, 4, 8))
        if len(shape) in case.ranks and not (case.cubic and len(set(shape[:-2])) > 1)
    ]
    eager = [case.init(KEY, shape) for shape in shapes]
    jitted = jax.jit(lambda key: [case.init(key, shape) for shape in shapes])(KEY)
    for shape, *made in zip(shapes, eager, jitted, strict=True):
        for values in made:
            assert values.shape == shape
            assert values.dtype == np.float32


@pytest.mark.parametrize("case", [case for case in PLAIN if not case.label], ids=by_id)
def test_jax_and_ours_agree_inside_programs(case: Case) -> None:
    # Eager, jitted, mapped and scanned calls of ours agree (test_contracts.py); here JAX's own
    # transformations of JAX's own initializers are the reference.
    keys, shape, dtype = jax.random.split(KEY, 3), (7, 11), FLOAT32
    assert case.reference is not None
    theirs = jax.jit(jax.vmap(lambda key: case.reference(key, shape, dtype)))(keys)
    same_bits(jax.jit(jax.vmap(lambda key: case.init(key, shape)))(keys), theirs)
    same_bits(jax.vmap(lambda key: case.init(key, shape))(keys), theirs)
    same_bits(jax.lax.map(lambda key: case.init(key, shape), keys), theirs)


@pytest.mark.parametrize("case", [case for case in CASES if case.draws], ids=by_id)
def test_raw_keys_are_keys(case: Case) -> None:
    raw = jax.random.key_data(KEY)
    same_bits(case.init(raw), case.init(KEY))
    same_bits(case.init(np.asarray(raw)), case.init(KEY))
    same_bits(case.instance()(raw, case.shape), case.init(KEY))
    same_bits(jax.jit(case.init)(raw), case.init(KEY))
    # Three of them, in the programs of tests/test_contracts.py.
    keys, shape = jax.random.split(KEY, 3), case.ending(6, 8)
    mapped = jax.vmap(lambda key: case.init(key, shape))(jax.random.key_data(keys))
    same_bits(mapped, np.stack([case.init(key, shape) for key in keys]))


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg", "philox2x32", "philox4x32", "threefry4x32"])
def test_keys_of_other_implementations_keep_their_own_stream(impl: str) -> None:
    key, shape, dtype = jax.random.key(42, impl=impl), (7, 11), FLOAT32
    for case in (case for case in PLAIN if not case.label):
        same_bits(case.init(key, shape), case.jitted_reference(key, shape, dtype))
        assert not np.array_equal(case.init(key, shape), case.init(jax.random.key(42), shape))
    same_bits(
        functional.orthogonal(key, shape),
        jax.jit(jax.nn.initializers.orthogonal(), static_argnums=1)(key, shape),
    )


def test_raw_keys_of_the_default_implementation_are_honoured() -> None:
    with jax.default_prng_impl("rbg"):
        typed = jax.random.key(42)
        raw = jax.random.key_data(typed)
        assert raw.shape == (4,)
        same_bits(functional.random_normal(raw, (7,)), functional.random_normal(typed, (7,)))
        # A seed means jax.random.key of it, whatever the default is.
        init = initializers.RandomNormal(seed=42)
        same_bits(init((7,)), functional.random_normal(typed, (7,)))
    assert not np.array_equal(init((7,)), functional.random_normal(typed, (7,)))
