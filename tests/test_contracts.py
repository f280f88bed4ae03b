"""What holds for every initializer of the table."""

import copy
import dataclasses
import functools
import json
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cthulhu
from cthulhu import functional, initializers
from tests.cases import ALL, CASES, KEY, RANDOM, VARIANTS, Case, by_id, same_bits

every_case = pytest.mark.parametrize("case", CASES, ids=by_id)
every_row = pytest.mark.parametrize("case", ALL, ids=by_id)
every_random = pytest.mark.parametrize("case", RANDOM, ids=by_id)


def small(case: Case) -> tuple[int, ...]:
    return case.ending(6, 8)


def test_the_table_covers_the_public_names() -> None:
    classes = {
        value
        for name in initializers.__all__
        if isinstance(value := getattr(initializers, name), type)
        and issubclass(value, initializers.Initializer)
        and value is not initializers.Initializer
    }
    # An alias is the function itself, and has no row of its own.
    functions = {getattr(functional, name) for name in functional.__all__}
    assert {case.function for case in CASES} == functions
    assert sorted(case.name for case in CASES) == sorted(one.__name__ for one in functions)
    assert {case.cls for case in CASES} == classes
    assert len(CASES) == len(classes)


@every_row
def test_an_instance_with_a_key_is_the_function(case: Case) -> None:
    same_bits(case.instance()(KEY, case.shape), case.init(KEY))


@every_row
def test_calls_repeat(case: Case) -> None:
    same_bits(case.init(KEY), case.init(KEY))
    same_bits(case.instance()(KEY, case.shape), case.instance()(KEY, case.shape))


@every_random
def test_a_seed_is_the_key_of_that_seed(case: Case) -> None:
    for seed in (0, 7, 2**32 - 1):
        expected = case.init(jax.random.key(seed))
        init = case.instance(seed=seed)
        same_bits(init(case.shape), expected)
        same_bits(init(case.shape), expected)


@every_random
def test_a_key_overrides_the_seed(case: Case) -> None:
    same_bits(case.instance(seed=3)(KEY, case.shape), case.init(KEY))


@every_random
def test_keys_and_seeds_differ(case: Case) -> None:
    keys = jax.random.split(KEY, 2)
    assert not np.array_equal(case.init(keys[0]), case.init(keys[1]))
    first, second = (case.instance(seed=seed)(case.shape) for seed in (1, 2))
    assert not np.array_equal(first, second)


@every_case
def test_what_draws_nothing_needs_no_key(case: Case) -> None:
    if case.draws:
        with pytest.raises(TypeError, match="key must be a PRNG key"):
            case.init(None)
    else:
        same_bits(case.init(None), case.init(KEY))
        same_bits(case.instance()(case.shape), case.init(KEY))
        assert "seed" not in case.instance().get_config()


@every_row
def test_instances_are_values(case: Case) -> None:
    init = case.instance()
    assert init == case.instance()
    assert hash(init) == hash(case.instance())
    for twin in (
        pickle.loads(pickle.dumps(init)),
        copy.copy(init),
        copy.deepcopy(init),
        eval(repr(init), vars(initializers).copy()),
    ):
        assert type(twin) is case.cls
        assert twin == init
        assert hash(twin) == hash(init)
        assert repr(twin) == repr(init)
        same_bits(twin(KEY, case.shape), case.init(KEY))
    with pytest.raises(AttributeError):
        init.seed = 1


def test_different_instances_differ() -> None:
    instances = [case.instance() for case in ALL]
    instances += [case.instance(seed=5) for case in RANDOM]
    assert len(set(instances)) == len(instances)


@every_row
def test_configs_go_through_json(case: Case) -> None:
    seeds: tuple[dict[str, Any], ...] = ({}, {"seed": 11}) if case.draws else ({},)
    for seed in seeds:
        init = case.instance(**seed)
        assert case.cls.from_config(json.loads(json.dumps(init.get_config()))) == init
        config = json.loads(json.dumps(initializers.serialize(init)))
        for read in (initializers.deserialize, initializers.get):
            twin = read(config)
            assert type(twin) is case.cls
            assert twin == init


@every_row
def test_instances_are_truthy_and_have_no_length(case: Case) -> None:
    # Flax writes `out_kernel_init or kernel_init`.
    assert not hasattr(case.cls, "__len__")
    assert not hasattr(case.cls, "__bool__")
    assert case.instance()


@every_case
def test_all_forms_of_a_call_are_one(case: Case) -> None:
    init, shape = case.instance(), small(case)
    expected = case.init(KEY, shape)
    for values in (
        init(KEY, shape),
        init(KEY, shape, jnp.float32),
        init(KEY, shape, None, None),
        init(KEY, shape=shape, dtype="float32"),
        init(key=KEY, shape=shape, dtype=np.float32),
        case.function(KEY, shape, **case.options),
        case.function(KEY, shape, jnp.float32, None, **case.options),
        case.function(key=KEY, shape=shape, dtype="float32", out_sharding=None, **case.options),
    ):
        same_bits(values, expected)


@every_random
def test_all_forms_of_a_call_with_a_seed_are_one(case: Case) -> None:
    init, shape = case.instance(seed=4), small(case)
    expected = case.init(jax.random.key(4), shape)
    for values in (
        init(shape),
        init(shape, jnp.float32),
        init(shape, dtype="float32"),
        init(shape=shape),
        init(shape=shape, dtype=None),
        init(None, shape),
        init(key=None, shape=shape),
    ):
        same_bits(values, expected)


@every_case
def test_shapes_may_be_any_sequence_of_integers(case: Case) -> None:
    shape = small(case)
    expected = case.init(KEY, shape)
    for form in (list(shape), [np.int64(dim) for dim in shape], np.array(shape)):
        same_bits(case.init(KEY, form), expected)
        same_bits(case.instance()(KEY, form), expected)
    if not case.draws:
        return
    same_bits(case.instance(seed=1)(list(shape)), case.init(jax.random.key(1), shape))


@every_case
def test_dtypes_may_be_named_in_any_way(case: Case) -> None:
    shape = case.shape
    assert case.init(KEY, shape).dtype == np.float32
    expected = case.init(KEY, shape, jnp.bfloat16)
    assert expected.dtype == jnp.bfloat16
    for dtype in ("bfloat16", np.dtype("bfloat16"), jnp.zeros((), "bfloat16").dtype):
        same_bits(case.init(KEY, shape, dtype), expected)
    for dtype in (np.float32, np.dtype("float32"), "f4", float, jnp.float32):
        same_bits(case.init(KEY, shape, dtype), case.init(KEY, shape))


@every_case
def test_eval_shape_costs_nothing_and_agrees(case: Case) -> None:
    # A stack asks for a factor of each layer.
    leading = (48,) if case.asks_rules else case.shape[:-2]
    for dtype in (None, jnp.bfloat16):
        shape = (*leading, 2**20, 2**21)
        result = jax.eval_shape(lambda key, d=dtype, s=shape: case.init(key, s, d), KEY)
        assert (result.shape, result.dtype) == (shape, dtype or np.float32)


@every_case
def test_values_are_the_same_under_every_transformation(case: Case) -> None:
    shape = small(case)
    keys = jax.random.split(KEY, 3)
    one_by_one = np.stack([case.init(key, shape) for key in keys])

    def draw(key: jax.Array) -> jax.Array:
        return case.instance()(key, shape)

    same_bits(jax.jit(draw)(keys[1]), one_by_one[1])
    same_bits(jax.vmap(draw)(keys), one_by_one)
    same_bits(jax.jit(jax.vmap(draw))(keys), one_by_one)
    _, scanned = jax.lax.scan(lambda carry, key: (carry, draw(key)), None, keys)
    same_bits(scanned, one_by_one)
    same_bits(jax.lax.map(draw, keys), one_by_one)


@pytest.mark.parametrize("case", VARIANTS, ids=by_id)
def test_options_that_are_constants_of_a_program_change_nothing(case: Case) -> None:
    # Eagerly they are runtime scalars.
    same_bits(jax.jit(case.init)(KEY), case.init(KEY))


def test_a_uniform_of_width_one_is_the_same_in_a_program() -> None:
    # XLA would take (u - 1) * 1 + minval for u + (minval - 1), were the width known to it.
    def draw(key: jax.Array) -> jax.Array:
        return functional.random_uniform(key, (6, 8), minval=-0.3, maxval=0.7)

    same_bits(jax.jit(draw)(KEY), draw(KEY))


@every_case
def test_disabling_jit_changes_nothing_but_the_last_bit(case: Case) -> None:
    # Operations that run one by one are not contracted to fused multiply-adds.
    expected = case.init(KEY, case.ending(3, 4))
    with jax.disable_jit():
        values = case.init(KEY, case.ending(3, 4))
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [case for case in RANDOM if case.distribution], ids=by_id)
def test_leading_rows_do_not_depend_on_the_number_of_rows(case: Case) -> None:
    longer = case.init(KEY, (40, 24))
    shorter = case.init(KEY, (5, 24))
    # Fans, where they count, change the scale.
    factor = case.std((40, 24)) / case.std((5, 24))
    if factor == 1:
        same_bits(longer[:5], shorter)
    else:
        np.testing.assert_allclose(longer[:5], np.float32(factor) * shorter, rtol=1e-6)


TRACED = [
    pytest.param(case, option, id=f"{case.id}-{option}") for case in CASES for option in case.traced
]


@pytest.mark.parametrize(("case", "option"), TRACED)
def test_options_may_be_traced(case: Case, option: str) -> None:
    values, exact = case.traced[option]
    function, shape = functools.partial(case.function, **case.required), small(case)
    expected = np.stack([function(KEY, shape, **{option: value}) for value in values])
    mapped = jax.vmap(lambda value: function(KEY, shape, **{option: value}))(jnp.array(values))
    if exact:
        same_bits(mapped, expected)
    else:
        np.testing.assert_allclose(mapped, expected, rtol=3e-6, atol=1e-7)


@every_case
def test_a_row_has_values_for_every_option_that_may_be_traced(case: Case) -> None:
    fields: Any = dataclasses.fields(case.cls)  # type: ignore[arg-type]
    assert case.traced.keys() == {
        field.name for field in fields if field.metadata.get("may_be_traced")
    }


@pytest.mark.parametrize("zeros", [(0.0, -0.0), (-0.0, 0.0)], ids=str)
def test_the_sign_of_a_zero_is_remembered_with_it(zeros: tuple[float, float]) -> None:
    cthulhu.clear_caches()
    for value in zeros:
        for made in (
            functional.constant(None, (2,), value=value),
            functional.constant(None, (2,), value=np.float32(value)),
            initializers.Constant(value)((2,)),
            initializers.Constant(np.float64(value))((2,)),
        ):
            assert np.array_equal(np.signbit(made), np.full(2, np.signbit(value)))
    negative = initializers.Constant(-0.0)
    config = json.loads(json.dumps(negative.get_config()))
    for again in (pickle.loads(pickle.dumps(negative)), initializers.Constant.from_config(config)):
        assert np.signbit(again((1,)))


def test_variance_scaling_takes_a_traced_scale_in_every_distribution() -> None:
    scales = (0.5, 3.0)
    for distribution in ("untruncated_normal", "uniform"):
        options = {"distribution": distribution}
        expected = [functional.variance_scaling(KEY, (6, 8), scale=s, **options) for s in scales]
        mapped = jax.vmap(
            lambda s, o=options: functional.variance_scaling(KEY, (6, 8), scale=s, **o)
        )
        np.testing.assert_allclose(mapped(jnp.array(scales)), np.stack(expected), rtol=1e-6)


def test_scalar_arrays_become_numbers() -> None:
    for scalar in (np.float32(0.5), np.array(0.5), jnp.array(0.5), jnp.bfloat16(0.5)):
        init = initializers.RandomNormal(stddev=scalar)
        assert init == initializers.RandomNormal(stddev=0.5)
        assert json.dumps(init.get_config()) == json.dumps(
            {"mean": 0.0, "stddev": 0.5, "seed": None}
        )
        same_bits(
            functional.random_normal(KEY, (4,), stddev=scalar),
            functional.random_normal(KEY, (4,), stddev=0.5),
        )


def test_a_jitted_call_takes_an_instance_as_a_static_argument() -> None:
    traces = []

    def draw(init: Any, key: jax.Array) -> jax.Array:
        traces.append(init)
        return init(key, (3, 4))

    jitted = jax.jit(draw, static_argnums=0)
    for _ in range(3):
        jitted(initializers.HeNormal(), KEY)
    assert len(traces) == 1
