"""One compiled program for a law, a shape, a dtype: scales and shifts are its arguments."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers, random
from cthulhu.layers import Daoloth
from cthulhu.params import init_params, verify
from tests.cases import CASES, Case, by_id

KEY = jax.random.key(0)
COMPILED = "/jax/core/compile/backend_compile_duration"

# The listener stays for the whole process, since JAX has no public way to remove one.
_counted: list[str] = []


def _listen(event: str, duration: float, **_: Any) -> None:
    if event == COMPILED:
        _counted.append(event)


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextlib.contextmanager
def compilations() -> Iterator[Callable[[], int]]:
    """Count the programs that XLA compiles in a block."""
    # What is compiled once in a process, for all draws, is not counted.
    initializers.HeNormal()(KEY, (2, 2))
    before = len(_counted)
    yield lambda: len(_counted) - before


CONSTANT_KEY_SHAPES = [(1,), (3,), (7,), (8,), (17,), (33,), (65, 1), (100, 7), (129,), (257,)]


@pytest.mark.parametrize("name", ["HeNormal", "RandomNormal", "RandomUniform", "TruncatedNormal"])
def test_a_key_known_to_the_compiler_draws_the_same_bits(name: str) -> None:
    """LLVM would compute a remainder of the loop itself, without fused multiply-add."""
    inits = [getattr(initializers, name)(seed=seed) for seed in range(4)]
    calls = [(init, shape) for init in inits for shape in CONSTANT_KEY_SHAPES]
    jitted = jax.jit(lambda: [init(shape) for init, shape in calls])()
    derived = jax.jit(lambda: [init(jax.random.key(init.seed), shape) for init, shape in calls])()
    for (init, shape), *others in zip(calls, jitted, derived, strict=True):
        eager = np.asarray(init(shape))
        for other in others:
            assert np.array_equal(eager, np.asarray(other)), (init, shape)


def test_verify_finds_nothing_wrong_with_a_jitted_init_params_of_a_seed() -> None:
    shapes = {str(n): jax.ShapeDtypeStruct((n, 1), np.float32) for n in (17, 33, 65, 129)}
    rules = [(".*", "he_normal")]
    params = jax.jit(lambda: init_params(0, shapes, rules))()
    assert verify(params, 0, rules, sample=0)


def test_a_compilation_is_counted() -> None:
    """Without this, a count of events that never come would pass."""
    scale = np.random.default_rng(0).normal()

    @jax.jit
    def fresh(x: Any) -> Any:
        return x * scale

    values = jnp.ones((3, 17))
    with compilations() as count:
        fresh(values)
        fresh(values)
    assert count() == 1


SWEEPS = [case for case in CASES if case.traced]


@pytest.mark.parametrize("case", SWEEPS, ids=by_id)
def test_a_hundred_arguments_compile_once(case: Case) -> None:
    # A shape of its own, so that no other sweep has compiled this program.
    shape = case.ending(11, 23 + SWEEPS.index(case))
    swept = {
        name: np.linspace(min(of.values), max(of.values), 120) for name, of in case.traced.items()
    }
    with compilations() as count:
        for number in range(120):
            options = {name: values[number] for name, values in swept.items()}
            case.cls(**{**case.required, **options})(KEY, shape)
    assert count() == 1


def test_the_modes_of_variance_scaling_compile_once() -> None:
    with compilations() as count:
        for number, mode in enumerate(("fan_in", "fan_out", "fan_avg", "fan_geo_avg")):
            initializers.VarianceScaling(0.1 * (number + 1), mode, "uniform")(KEY, (11, 47))
    assert count() == 1


def test_seeds_and_keys_compile_nothing_more() -> None:
    initializers.HeNormal(seed=0)((13, 29))
    with compilations() as count:
        for seed in range(1, 110):
            initializers.HeNormal(seed=seed)((13, 29))
    assert count() == 0


def test_unseeded_calls_compile_nothing_more() -> None:
    init = initializers.GlorotUniform()
    init((13, 31))
    with random.scope(KEY):
        init((13, 31))
    with compilations() as count:
        for _ in range(110):
            init((13, 31))
        with random.scope(KEY):
            for _ in range(110):
                init((13, 31))
    assert count() == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (initializers.HeNormal(), initializers.LecunNormal()),
        (initializers.HeNormal(), initializers.GlorotNormal()),
        (initializers.HeUniform(), initializers.RandomUniform()),
        (initializers.HeNormal(), initializers.TruncatedNormal()),
        (initializers.Zeros(), initializers.Ones()),
        (initializers.Ones(), initializers.Constant(3.0)),
    ],
    ids=str,
)
def test_initializers_of_one_law_share_a_program(first: Any, second: Any) -> None:
    first(KEY, (17, 37))
    with compilations() as count:
        second(KEY, (17, 37))
    assert count() == 0


def test_functions_and_classes_share_a_program() -> None:
    initializers.RandomNormal()(KEY, (17, 41))
    with compilations() as count:
        functional.random_normal(KEY, (17, 41), stddev=3.0)
        functional.random_normal(KEY, [17, np.int64(41)], "float32", mean=1)
    assert count() == 0


def test_two_shapes_and_two_dtypes_are_different_programs() -> None:
    with compilations() as count:
        for dtype in ("float32", "bfloat16"):
            for shape in ((19, 43), (43, 19)):
                initializers.RandomNormal()(KEY, shape, dtype)
                initializers.RandomNormal(stddev=2.0)(KEY, shape, dtype)
    assert count() == 4


def test_ten_layers_of_one_shape_compile_one_kernel() -> None:
    inputs = jnp.ones((1, 19))
    # The layer's own arithmetic, its bias, and Flax's keys are compiled here.
    Daoloth(19, kernel_initializer="ones", bias_initializer="zeros").init(KEY, inputs)
    with compilations() as count:
        for number in range(10):
            layer = Daoloth(19, kernel_initializer=initializers.RandomNormal(stddev=1.0 + number))
            layer.init(jax.random.fold_in(KEY, number), inputs)
    assert count() == 1


def test_it_nests_in_a_users_program() -> None:
    init = initializers.HeNormal()

    @jax.jit
    def layers(key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, 3)
        return jnp.stack([jax.jit(init, static_argnums=1)(one, (5, 7)) for one in keys])

    expected = jnp.stack([init(one, (5, 7)) for one in jax.random.split(KEY, 3)])
    values = layers(KEY)
    assert np.array_equal(values, expected)
    with compilations() as count:
        layers(jax.random.key(1))
    assert count() == 0


def test_a_sweep_over_traced_stddevs_is_one_program() -> None:
    @jax.jit
    def sweep(stddevs: jax.Array) -> jax.Array:
        return jax.vmap(lambda s: functional.random_normal(KEY, (5, 7), stddev=s))(stddevs)

    stddevs = jnp.arange(1.0, 5.0)
    values = sweep(stddevs)
    expected = [functional.random_normal(KEY, (5, 7), stddev=float(s)) for s in stddevs]
    np.testing.assert_allclose(values, np.stack(expected), rtol=1e-6)
    other = stddevs + 1.0
    with compilations() as count:
        sweep(other)
    assert count() == 0
