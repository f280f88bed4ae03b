"""Initializers made of others hold what the others make, bit for bit."""

import functools
import json
import math
import os
import pickle
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import backend, functional, initializers, laws
from cthulhu.initializers import (
    Blocked,
    ByDepth,
    HeNormal,
    LogUniform,
    Mapped,
    Masked,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    Scaled,
    Stacked,
    TruncatedNormal,
    ZeroFirst,
    ZeroLast,
)
from cthulhu.initializers._by_depth import DEPTH
from cthulhu.laws import _applied as applied
from tests.cases import CASES, KEY, Case, by_id, same_bits
from tests.refusals import Refused, each

MATRICES = [case for case in CASES if case.makes_matrices]


def folded(init: Any, number: int, shape: tuple[int, ...], key: jax.Array = KEY) -> jax.Array:
    """What an initializer makes for the key of a part."""
    made: jax.Array = init(jax.random.fold_in(key, number), shape)
    return made


@pytest.mark.parametrize("case", MATRICES, ids=by_id)
def test_a_stack_holds_its_layers(case: Case) -> None:
    init, shape = case.instance(), case.ending(6, 8)
    layers = np.stack([folded(init, layer, shape) for layer in range(3)])
    same_bits(Stacked(init)(KEY, layers.shape), layers)


@pytest.mark.parametrize("axis", [1, -1])
def test_a_stack_may_be_along_any_axis(axis: int) -> None:
    for init in (HeNormal(), RandomUniform(), Orthogonal(), LogUniform(0.5, 2)):
        layers = np.stack([folded(init, layer, (6, 8)) for layer in range(3)], axis)
        same_bits(Stacked(init, axis)(KEY, layers.shape), layers)


@pytest.mark.parametrize("axis", [0, -1])
def test_blocks_are_those_that_stand_alone(axis: int) -> None:
    """Of all initializers side by side, in one program."""
    cases = [case for case in MATRICES if case.ending(6, 8) == (6, 8)]
    inits = [case.instance() for case in cases]
    shape = np.concatenate([np.ones((6, 8))] * len(cases), axis).shape
    blocks = np.split(np.asarray(Blocked(inits, len(cases), axis)(KEY, shape)), len(cases), axis)
    assert len(cases) > 40
    for at, (case, block) in enumerate(zip(cases, blocks, strict=True)):
        assert np.array_equal(block, folded(case.instance(), at, (6, 8))), case.id


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_parts_are_the_same_for_keys_of_every_implementation(impl: str) -> None:
    key = jax.random.key(3, impl=impl)
    for init in (RandomNormal(), HeNormal(), Orthogonal()):
        layers = [folded(init, layer, (6, 40), key) for layer in range(3)]
        same_bits(Stacked(init)(key, (3, 6, 40)), np.stack(layers))
        same_bits(Blocked(init, 3, axis=0)(key, (18, 40)), np.concatenate(layers))


def test_gates_are_orthogonal_each() -> None:
    """As PyTorch's users do by hand, for weights (out, in) and (in, out)."""
    for axis, shape in ((-1, (8, 32)), (0, (32, 8))):
        for gate in np.split(np.asarray(Blocked("orthogonal", 4, axis)(KEY, shape)), 4, axis):
            np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-5)


def test_a_packed_projection_has_the_fans_of_a_block() -> None:
    packed = Blocked("glorot_uniform", 3)(KEY, (256, 768))
    alone = functional.glorot_uniform(KEY, (256, 256))
    assert float(jnp.abs(packed).max()) == pytest.approx(math.sqrt(6 / 512), rel=1e-3)
    assert float(packed.std()) == pytest.approx(float(alone.std()), rel=0.02)
    # Without blocks, the variance is half: the fans are those of the whole.
    assert float(functional.glorot_uniform(KEY, (256, 768)).std() / packed.std()) < 0.75


def test_blocks_may_differ_and_may_be_empty() -> None:
    made = Blocked(["zeros", "ones", "random_normal"], (2, 0, 3))(KEY, (5,))
    assert made[:2].tolist() == [0, 0]
    same_bits(made[2:], folded(RandomNormal(), 2, (3,)))
    assert Blocked("ones", 2)(KEY, (0, 4)).shape == (0, 4)


FACTORS = {
    "1/sqrt(2 * L)": lambda layer, layers: 1 / math.sqrt(2 * layers),
    "1/sqrt(2 * (l + 1))": lambda layer, layers: 1 / math.sqrt(2 * (layer + 1)),
    "1/sqrt(L)": lambda layer, layers: layers**-0.5,
    "1/L": lambda layer, layers: 1 / layers,
    "(8 * L)**-0.25": lambda layer, layers: (8 * layers) ** (-1 / 4),
}


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("init", [RandomNormal(), Orthogonal(), LogUniform(0.5, 2)], ids=str)
def test_a_stack_by_depth_holds_layers_that_know_theirs(name: str, init: Any) -> None:
    layers = [
        folded(ByDepth(init, name, layer=layer, layers=4), layer, (5, 40)) for layer in range(4)
    ]
    for factor in (name, name.replace(" ", ""), FACTORS[name]):
        same_bits(ByDepth(init, factor, axis=0)(KEY, (4, 5, 40)), np.stack(layers))
        same_bits(ByDepth(init, factor, axis=1)(KEY, (5, 4, 40)), np.stack(layers, 1))
    for layer, values in enumerate(layers):
        alone = np.asarray(folded(init, layer, (5, 40)))
        np.testing.assert_allclose(values, alone * FACTORS[name](layer, 4), rtol=3e-7)


def test_the_names_of_factors_are_those_that_are_tested() -> None:
    assert DEPTH.keys() == FACTORS.keys()


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_scaled_values_are_the_values_scaled(case: Case) -> None:
    init, shape = case.instance(), case.ending(6, 8)
    plain, scaled = init(KEY, shape), Scaled(init, -2.0)(KEY, shape)
    # A power of two, so that nothing is rounded; a zero may have another sign.
    np.testing.assert_array_equal(scaled, -2 * np.asarray(plain))


def test_what_has_a_scale_keeps_its_program() -> None:
    for init in (RandomNormal(), HeNormal(), RandomUniform(), Orthogonal(), TruncatedNormal()):
        plain, scaled = (one.draw((8, 8)) for one in (init, Scaled(init, 0.3)))
        if not isinstance(plain.recipe.law, laws.Uniform):
            assert scaled.program is plain.program
    nested = Scaled(Scaled(Blocked("he_normal", 2), 0.5), 0.5)
    assert nested.draw((8, 8)).program is Blocked("he_normal", 2).draw((8, 8)).program


FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "logit": lambda x: np.log(x / (1 - x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "inverse_softplus": lambda x: np.log(np.expm1(x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_mapped_values_are_the_function_of_the_values(fn: str) -> None:
    inner = RandomUniform(0.1, 0.9)
    drawn = np.asarray(inner(KEY, (500,))).astype(float)
    mapped = Mapped(inner, fn)
    np.testing.assert_allclose(mapped(KEY, (500,)), FUNCTIONS[fn](drawn), rtol=2e-6, atol=2e-6)
    draw = mapped.draw((500,))
    law, scalars = draw.recipe.law, draw.scalars
    ends = FUNCTIONS[fn](np.array([0.1, 0.9]))
    assert law.support(*scalars) == pytest.approx(ends.tolist(), rel=1e-6)
    # The distribution and the moments, of the distribution of the uniform.
    points = FUNCTIONS[fn](np.linspace(0.1, 0.9, 9))
    below = law.distribution(points, *scalars)  # type: ignore[attr-defined]
    np.testing.assert_allclose(below, np.linspace(0, 1, 9), atol=1e-6)
    even = FUNCTIONS[fn](np.linspace(0.1, 0.9, 200_001))
    moments = draw.moments()
    assert moments is not None
    assert moments.mean == pytest.approx(np.trapezoid(even) / 200_000, rel=1e-5, abs=1e-6)
    assert moments.stddev == pytest.approx(even.std(), rel=1e-4)


def test_the_names_of_functions_are_those_that_are_tested() -> None:
    assert applied.FUNCTIONS.keys() == FUNCTIONS.keys()


def test_the_moments_of_a_log_normal() -> None:
    moments = Mapped(RandomNormal(0.3, 0.5), "exp").draw((8,)).moments()
    expected = stats.lognorm(0.5, scale=math.exp(0.3))
    assert moments is not None
    assert moments.mean == pytest.approx(expected.mean(), rel=1e-5)
    assert moments.stddev == pytest.approx(expected.std(), rel=1e-5)


def test_a_narrow_type_is_rounded_once() -> None:
    """As the peers do not: they draw in the narrow type, where ln has few digits left."""
    for init in (Mapped(RandomUniform(1, 16), "log"), Scaled(LogUniform(1, 2), 0.3)):
        wide = init(KEY, (1000,), jnp.float32)
        same_bits(init(KEY, (1000,), jnp.bfloat16), wide.astype(jnp.bfloat16))
    narrow = np.log(np.asarray(RandomUniform(1, 16)(KEY, (1000,), jnp.bfloat16)))
    wide = np.asarray(Mapped(RandomUniform(1, 16), "log")(KEY, (1000,), jnp.bfloat16))
    assert len(np.unique(wide)) > len(np.unique(narrow))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_constants_combine_in_every_type(dtype: Any) -> None:
    half = jnp.asarray(0.5, dtype)
    for init in (
        Scaled("ones", 0.5),
        ByDepth("ones", lambda layer, layers: 0.5, axis=0),
        Blocked([Scaled("ones", 0.5), Scaled("random_normal", 0.0)], (2, 1), axis=0),
        Masked(Scaled("ones", 0.5), [1, 0]),
    ):
        values = init(KEY, (3, 2), dtype)
        assert values.dtype == dtype
        assert values[0, 0] == half
    jitted = jax.jit(lambda by: functional.scaled(KEY, (2,), dtype, init="ones", factor=by))
    assert jitted(0.5).tolist() == [0.5, 0.5]


def test_a_function_of_ones_own() -> None:
    mapped = Mapped("random_normal", jnp.square)
    values = np.asarray(mapped(KEY, (50,)))
    np.testing.assert_allclose(values, np.square(functional.random_normal(KEY, (50,))), rtol=1e-6)
    moments = mapped.draw((50,)).moments()
    assert moments is not None
    assert moments.mean == pytest.approx(0.05**2, rel=1e-4)
    with pytest.raises(TypeError, match=r"the function .* cannot be saved; those with"):
        mapped.get_config()


def test_masks() -> None:
    normal = np.asarray(functional.random_normal(KEY, (4, 6)))
    some = np.random.default_rng(0).integers(0, 2, (4, 6))
    for mask, expected in (
        ("tril", np.tril(normal)),
        ("triu", np.triu(normal)),
        (some, normal * some),
        (some.astype(float).tolist(), normal * some),
        (jnp.asarray(some[:1]), normal * some[:1]),
        (lambda shape: np.arange(shape[1]) < 2, normal * (np.arange(6) < 2)),
    ):
        np.testing.assert_array_equal(Masked("random_normal", mask)(KEY, (4, 6)), expected)
    for init, expected in (
        (ZeroFirst("random_normal", 2), normal * (np.arange(4) >= 2)[:, None]),
        (ZeroLast("random_normal", 2, axis=-1), normal * (np.arange(6) < 4)),
        (ZeroFirst("random_normal", 4), normal * 0),
    ):
        np.testing.assert_array_equal(init(KEY, (4, 6)), expected)


def test_masked_moments_count_the_zeros() -> None:
    cases = (
        (Masked("random_normal", "triu"), (5, 9), np.triu(np.ones((5, 9))).mean()),
        (Masked("random_normal", "tril"), (5, 9), np.tril(np.ones((5, 9))).mean()),
        (Masked("orthogonal", [[1, 0, 0]]), (5, 3), 1 / 3),
    )
    for init, shape, share in cases:
        inner = initializers.get(init.init).draw(shape).moments()
        moments = init.draw(shape).moments()
        assert moments is not None
        assert moments.stddev == pytest.approx(inner.stddev * math.sqrt(share))
    # Where elements differ, the array itself tells.
    eye = Masked("identity", [1, 0, 0]).draw((3, 3)).moments()
    assert eye is not None
    assert eye.mean == pytest.approx(1 / 9)
    # Where they differ and are random, nothing does.
    assert Masked("delta_orthogonal", [1, 0]).draw((3, 2, 2)).moments() is None


def test_large_masks_are_told_apart_and_shown_in_short() -> None:
    one, other = (np.eye(200, k=k) for k in (0, 1))
    masks = [Masked("ones", mask) for mask in (one, other, one)]
    assert masks[0] == masks[2] != masks[1]
    assert len(repr(masks[0])) < 120
    assert repr(masks[0]) != repr(masks[1])
    assert initializers.get(json.loads(json.dumps(initializers.serialize(masks[1])))) == masks[1]


class Tenth(initializers.Initializer):
    """A user's own, with the documented signature."""

    def __init__(self, size: float = 0.1) -> None:
        self.size = size

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self.size * backend.random_normal(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size}


def by_key(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.normal(key, shape, dtype)


@pytest.mark.parametrize(
    "init",
    [Tenth(), by_key, jax.nn.initializers.he_normal(), backend.random_normal],
    ids=["class", "function", "jax", "documented"],
)
def test_initializers_of_others_can_be_combined(init: Any) -> None:
    alone = initializers.get(init)
    np.testing.assert_allclose(
        Scaled(init, 0.5)(KEY, (4, 40)), 0.5 * alone(KEY, (4, 40)), rtol=2e-7
    )
    layers = [folded(alone, layer, (4, 40)) for layer in range(2)]
    np.testing.assert_allclose(Stacked(init)(KEY, (2, 4, 40)), np.stack(layers), rtol=1e-6)
    np.testing.assert_allclose(Blocked(init, 2, 0)(KEY, (8, 40)), np.concatenate(layers), rtol=1e-6)
    assert Scaled(init, 0.5).draw((4, 4)).moments() is None


def test_functions_and_partials_become_instances() -> None:
    assert Scaled(functional.he_normal, 2.0) == Scaled("he_normal", 2.0)
    bound = functools.partial(functional.he_normal, in_axis=1, out_axis=0)
    assert Scaled(bound, 2.0).init == HeNormal(in_axis=1, out_axis=0)
    assert Scaled(initializers.Ones, 2.0).init == initializers.Ones()


def test_configs_hold_what_is_within() -> None:
    init = Blocked([Scaled("he_normal", 0.5), Masked("orthogonal", "tril")], 2, seed=3)
    config = json.loads(json.dumps(initializers.serialize(init)))
    assert initializers.deserialize(config) == init
    own = Stacked(Scaled(Tenth(0.3), 2.0))
    config = json.loads(json.dumps(initializers.serialize(own)))
    read = initializers.deserialize(config, custom_objects={"Tenth": Tenth})
    assert read == own
    with pytest.raises(ValueError, match="unknown initializer 'Tenth'"):
        initializers.deserialize(config)
    with pytest.raises(TypeError, match=r"serialize: <function by_key.* a bare function has no"):
        initializers.serialize(Scaled(by_key, 2.0))
    with pytest.raises(TypeError, match=r"cannot be saved; those with a name can: .1/sqrt"):
        initializers.serialize(ByDepth("ones", lambda layer, layers: 1.0, axis=0))
    with pytest.raises(TypeError, match="cannot be saved; pass the mask that it makes"):
        initializers.serialize(Masked("ones", np.ones))


def call(init: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    return lambda: init(KEY, shape, dtype)


@each(
    [
        Refused(
            "blocks that do not divide",
            call(Blocked("ones", 5), (2, 8)),
            ValueError,
            r"^blocked: axis 1 of shape \(2, 8\) has 8 entries, which are no 5 blocks of one size",
        ),
        Refused(
            "blocks that do not add up",
            call(Blocked("ones", (3, 4)), (2, 8)),
            ValueError,
            r"^blocked: the sizes \(3, 4\) add up to 7, and axis 1 of shape \(2, 8\) has 8",
        ),
        Refused(
            "too many blocks",
            call(Blocked(["ones", "zeros"], 4), (2, 8)),
            ValueError,
            r"^blocked: init names 2 initializers, and there are 4 blocks; name one for each",
        ),
        Refused(
            "a block that its initializer refuses",
            call(Blocked("orthogonal", 2), (8,)),
            ValueError,
            r"^blocked: orthogonal: ",
        ),
        Refused(
            "no such axis",
            call(Stacked("ones", 2), (2, 8)),
            ValueError,
            r"^stacked: axis must name axes of a shape with 2 dimensions, .*; got 2$",
        ),
        Refused(
            "no layer",
            call(ByDepth("ones", "1/L"), (2, 8)),
            ValueError,
            r"^by_depth: which layer is this\? Name the axis .*layers_\(\?P<layer>\\d\+\)/\.\*'$",
        ),
        Refused(
            "a factor that is none",
            call(
                ByDepth("ones", lambda layer, layers: 1 / layer if layer else math.inf, axis=0),
                (2,),
            ),
            ValueError,
            r"^by_depth: factor must give a finite number for each layer; it gave inf for layer 0",
        ),
        Refused(
            "integers",
            call(Scaled("ones", 2.0), (2,), jnp.int32),
            TypeError,
            r"^scaled: ",
        ),
        Refused(
            "what overflows",
            call(Scaled("random_normal", 1e9), (2,), jnp.float16),
            ValueError,
            r"^scaled: the values overflow float16",
        ),
        Refused(
            "what overflows when mapped",
            call(Mapped(RandomUniform(0, 20), "exp"), (2,), jnp.float16),
            ValueError,
            r"^mapped: the values overflow float16",
        ),
        Refused(
            "what overflows in one layer",
            call(ByDepth("ones", lambda layer, layers: 1e6**layer, axis=0), (3,), jnp.float16),
            ValueError,
            r"^by_depth: the values overflow float16",
        ),
        Refused(
            "the logarithm of a negative number",
            call(Mapped("random_normal", "log"), (2,)),
            ValueError,
            r"^mapped: the values of init must be greater than 0 for fn='log'; they lie from -inf",
        ),
        Refused(
            "the logarithm of zero",
            call(Mapped(RandomUniform(0, 1), "log"), (2,)),
            ValueError,
            r"^mapped: the values of init must be greater than 0 .*; they lie from 0 to 1$",
        ),
        Refused(
            "the logit of one",
            call(Mapped("ones", "logit"), (2,)),
            ValueError,
            r"^mapped: the values of init must be greater than 0 and less than 1 for fn='logit'",
        ),
        Refused(
            "a complex type",
            call(Mapped("random_normal", "exp"), (2,), jnp.complex64),
            TypeError,
            r"^mapped: ",
        ),
        Refused(
            "a mask that does not fit",
            call(Masked("ones", np.ones((3, 2))), (2, 3)),
            ValueError,
            r"^masked: a mask of shape \(3, 2\) does not broadcast to weights of shape \(2, 3\)$",
        ),
        Refused(
            "a triangle of a vector",
            call(Masked("ones", "tril"), (3,)),
            ValueError,
            r"^masked: shape must have at least 2 dimensions for mask='tril'; got \(3,\)",
        ),
        Refused(
            "more zeros than entries",
            call(ZeroFirst("ones", 3), (2, 4)),
            ValueError,
            r"^zero_first: count must be at most 2, the size of axis 0 of shape \(2, 4\); got 3$",
        ),
        Refused(
            "a traced mask",
            lambda: jax.jit(lambda mask: Masked("ones", mask)(KEY, (2,)))(jnp.ones(2)),
            TypeError,
            r"^Masked: mask must be concrete.* Multiply by a mask that is traced$",
        ),
        Refused(
            "another shape",
            call(Scaled(lambda key, shape, dtype: jnp.ones(3), 2.0), (2,)),
            ValueError,
            r"the initializer <lambda> was asked for shape \(2,\), and it returned .* \(3,\)$",
        ),
    ]
)
def test_what_does_not_fit_is_refused(refused: Refused) -> None:
    refused.check()


def test_the_square_root_takes_zero() -> None:
    assert Mapped("zeros", "sqrt")(KEY, (2,)).tolist() == [0.0, 0.0]


def test_integers_can_be_blocked_stacked_and_masked() -> None:
    for init in (Blocked("ones", 2), Stacked("ones"), Masked("ones", [1, 0]), ZeroFirst("ones")):
        values = init(KEY, (2, 2), jnp.int32)
        assert values.dtype == jnp.int32


def test_functions_of_ones_own_may_be_written_with_jax_numpy() -> None:
    """Also where all is traced, as in a layer's init."""
    mask = Masked("ones", lambda shape: jnp.tril(jnp.ones(shape)))
    depth = ByDepth("ones", lambda layer, layers: 1 / jnp.sqrt(2.0 * layers), axis=0)
    for init in (mask, depth):
        same_bits(jax.jit(lambda key, init=init: init(key, (2, 2)))(KEY), init(KEY, (2, 2)))
    assert depth(KEY, (2, 1)).tolist() == [[0.5], [0.5]]


def test_a_function_must_keep_the_shape() -> None:
    for init in ("random_normal", "orthogonal"):
        with pytest.raises(ValueError, match="must be of each element: of an array of"):
            Mapped(init, jnp.sum)(KEY, (3, 3))


def test_a_mask_hashes_alike_in_every_process() -> None:
    mask = Masked("ones", [[1, 0], [1, 1]])
    check = """if True:
        import pickle, sys
        from cthulhu.initializers import Masked
        mask = pickle.loads(sys.stdin.buffer.read())
        print(mask in {mask: 1}, hash(mask) == hash(Masked("ones", [[1, 0], [1, 1]])))
    """
    done = subprocess.run(
        [sys.executable, "-c", check],
        input=pickle.dumps(mask),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.split() == [b"True", b"True"]
