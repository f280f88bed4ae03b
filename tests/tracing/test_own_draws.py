"""Inside a traced init function, this library's initializers are known as the laws they are."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import cthulhu
from cthulhu import backend as K
from cthulhu import functional, initializers, random
from cthulhu.initializers import _builtin
from cthulhu.params import count_programs, fast_init, plan
from cthulhu.programs import _pool
from cthulhu.programs._build import recipe_of
from tests.cases import ALL, KEY, by_id, same_bits

SHAPE = (40, 30)
HE = functional.he_normal


def same_as_jit(init, *args):
    """The results of `fast_init`, once they are found to be those of `jax.jit`."""
    made = fast_init(init)(*args)
    jax.tree.map(same_bits, made, jax.jit(init)(*args))
    return made


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_every_initializer(case):
    def init(key):
        first, second = jax.random.split(key)
        return {"a": case.init(first, case.shape), "b": case.init(second, case.shape)}

    key = jax.random.key(3)
    first, second = jax.random.split(key)
    made = same_as_jit(init, key)
    same_bits(made["a"], case.init(first, case.shape))
    same_bits(made["b"], case.init(second, case.shape))
    # JAX's own program of a raw key is no other (tests/test_jax_equality.py).
    jax.tree.map(same_bits, fast_init(init)(jax.random.PRNGKey(3)), made)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "complex64"])
def test_every_type(dtype):
    same_as_jit(lambda key: HE(key, SHAPE, jnp.dtype(dtype)), KEY)


def test_wide_types():
    with jax.enable_x64(True):
        made = fast_init(lambda key: HE(key, SHAPE, np.float64))(KEY)
        np.testing.assert_allclose(made, HE(KEY, SHAPE, np.float64), rtol=1e-14)


# Each is a use of one draw; a transformed one is not known, and is right all the same.
USES = {
    "alone": (lambda key: HE(key, SHAPE), 1),
    "an instance": (lambda key: initializers.HeNormal()(key, SHAPE), 1),
    "in jit": (jax.jit(lambda key: HE(key, SHAPE)), 1),
    "twice in jit": (jax.jit(jax.jit(lambda key: HE(key, SHAPE))), 1),
    "in remat": (jax.checkpoint(lambda key: HE(key, SHAPE)), 1),
    "reshaped": (lambda key: HE(key, SHAPE).reshape(5, 8, 30), 1),
    "flat": (lambda key: jnp.expand_dims(HE(key, SHAPE).ravel(), 0), 1),
    "transposed": (lambda key: HE(key, SHAPE).T, 0),
    "scaled": (lambda key: HE(key, SHAPE) * np.float32(0.5), 0),
    "used twice": (lambda key: [HE(key, SHAPE)] * 2, 1),
    "vectorized over keys": (lambda key: jax.vmap(lambda k: HE(k, SHAPE))(split(key)), 0),
    "vectorized over scales": (
        lambda key: jax.vmap(
            lambda s: functional.random_normal(key, SHAPE, stddev=s),
        )(np.float32([1, 2, 3])),
        0,
    ),
    "mapped": (lambda key: lax.map(lambda k: HE(k, SHAPE), split(key)), 0),
    "in a loop": (lambda key: lax.scan(lambda c, k: (c, HE(k, SHAPE)), 0, split(key))[1], 0),
    "in a branch": (
        lambda key: lax.cond(
            jax.random.bits(key) % 2 == 0,
            lambda k: HE(k, SHAPE),
            lambda k: functional.lecun_normal(k, SHAPE),
            key,
        ),
        0,
    ),
    "a traced scale": (
        lambda key: functional.random_normal(key, SHAPE, stddev=jax.random.uniform(key)),
        0,
    ),
    "differentiated": (
        lambda key: jax.grad(
            lambda s: functional.random_normal(key, SHAPE, stddev=s).sum(),
        )(np.float32(2)),
        0,
    ),
    "pushed forward": (
        lambda key: jax.jvp(
            lambda s: functional.random_normal(key, SHAPE, stddev=s),
            (np.float32(2),),
            (np.float32(1),),
        ),
        0,
    ),
}


def split(key):
    return jax.random.split(key, 3)


def draws_known(init, *args):
    """How many equations are known, in jaxprs that are called as they stand."""

    def count(jaxpr):
        found = 0
        for equation in jaxpr.eqns:
            if recipe_of(equation) is not None:
                found += 1
            elif equation.primitive.name in ("jit", "pjit", "checkpoint", "remat2"):
                inner = equation.params["jaxpr"]
                found += count(getattr(inner, "jaxpr", inner))
        return found

    return count(jax.make_jaxpr(init)(*args).jaxpr)


@pytest.mark.parametrize("name", USES)
def test_uses(name):
    init, known = USES[name]
    if name in ("differentiated", "pushed forward", "vectorized over scales"):
        made, expected = fast_init(init)(KEY), jax.jit(init)(KEY)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), made, expected)
    else:
        same_as_jit(init, KEY)
    law = [row.initializer for row in plan(init, KEY).rows]
    assert (law == ["HeNormal()"] * len(law)) == (known == 1)


def test_a_draw_is_one_equation_with_the_name_of_its_law():
    equations = jax.make_jaxpr(lambda key: HE(key, SHAPE))(KEY).eqns
    assert [equation.params["name"] for equation in equations] == ["truncated_normal"]
    recipe = recipe_of(equations[0])
    assert recipe.shape == SHAPE
    assert recipe.law.moments(SHAPE, *(atom.val for atom in equations[0].invars[1:])).stddev == (
        pytest.approx((2 / 40) ** 0.5, rel=1e-6)
    )


def test_a_call_that_was_transformed_is_not_taken_for_the_draw():
    def vectorized(key):
        return jax.vmap(lambda k: HE(k, SHAPE))(split(key))

    assert draws_known(vectorized, KEY) == 0
    assert draws_known(USES["differentiated"][0], KEY) == 0
    assert draws_known(USES["in jit"][0], KEY) == 1


def test_a_function_of_the_same_name_and_kind_is_not_taken_for_the_draw():
    functional.random_normal(KEY, SHAPE)  # Its program is known from here on.

    @jax.jit
    def normal(key, scale, shift):
        return jnp.full(SHAPE, scale + shift)

    def init(key):
        ours = functional.random_normal(key, SHAPE)
        return {"ours": ours, "theirs": normal(key, np.float32(2), np.float32(1))}

    assert draws_known(init, KEY) == 1
    assert (same_as_jit(init, KEY)["theirs"] == 3).all()


class Model(nn.Module):
    """A transformer's parameters, without the transformer."""

    layers: int

    @nn.compact
    def __call__(self, x):
        he = initializers.HeNormal()
        for _ in range(self.layers):
            x = x + nn.MultiHeadDotProductAttention(4, kernel_init=he)(x, x)
            x = nn.Dense(x.shape[-1], kernel_init=he, bias_init=initializers.Zeros())(x)
        return nn.Dense(7, kernel_init=he)(x)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_model_needs_one_program(layers):
    inputs = np.ones((2, 5, 16), np.float32)
    init = Model(layers).init
    same_as_jit(init, KEY, inputs)
    assert count_programs(fast_init(init), KEY, inputs) == 1


def test_the_plan_knows_laws_and_fans():
    def init(key):
        keys = jax.random.split(key, 3)
        return {
            "a": functional.he_normal(keys[0], (64, 32)),
            "b": functional.orthogonal(keys[1], (16, 4)),
            "c": functional.random_uniform(keys[2], (8, 4)),
        }

    a, b, c = plan(init, KEY).rows
    assert (a.initializer, a.fan_in, a.fan_out, a.stddev) == ("HeNormal()", 64, 32, 0.176777)
    assert (b.initializer, b.stddev) == ("Orthogonal()", 0.25)
    assert c.initializer == "RandomUniform()"


def test_the_plan_knows_the_options_of_an_initializer():
    """Its axes count, and not those that a law by itself would be looked at with."""
    experts = initializers.LecunNormal(in_axis=1, out_axis=2, batch_axis=0)
    shape = (8, 16, 24)
    (row,) = plan(lambda key: experts(key, shape), KEY).rows
    (by_rules,) = plan({"w": jax.ShapeDtypeStruct(shape, np.float32)}, {"w": experts}).rows
    assert row.initializer == "LecunNormal(in_axis=1, out_axis=2, batch_axis=0)"
    for name in ("initializer", "fan_in", "fan_out", "mean", "stddev"):
        assert getattr(row, name) == getattr(by_rules, name), name


def test_a_scope_of_the_user_with_the_name_of_an_initializer_is_not_believed():
    functional.he_normal(KEY, (6, 7))  # So that the label is known.

    def init(key):
        with jax.named_scope("HeNormal()"), random.scope(key):
            return K.random_normal((6, 7), stddev=3.0)

    def other(key):
        with jax.named_scope("HeNormal()"):
            return jax.random.normal(key, (6, 7))

    for function in (init, other):
        (row,) = plan(function, KEY).rows
        assert "HeNormal" not in row.initializer
        assert row.initializer in ("RandomNormal(stddev=3.0)", "random_normal(stddev=1)")


def test_a_label_is_believed_only_if_it_names_this_very_law():
    functional.lecun_normal(KEY, (6, 7))
    known = _builtin._labelled.peek("LecunNormal()")
    cthulhu.clear_caches()
    _builtin._labelled.get("HeNormal()", lambda: known)
    (row,) = plan(lambda key: HE(key, (6, 7)), KEY).rows
    assert (row.initializer, row.stddev) == ("he_normal", pytest.approx((2 / 6) ** 0.5, rel=1e-3))


def test_a_traced_option_leaves_nothing_behind():
    cthulhu.clear_caches()
    draw = jax.jit(lambda key, stddev: functional.random_normal(key, (6, 7), stddev=stddev))
    with jax.check_tracer_leaks():
        draw(KEY, 0.5)
    assert _builtin._labelled.peek("RandomNormal()") is None
    (row,) = plan(lambda key: functional.random_normal(key, (6, 7)), KEY).rows
    assert (row.initializer, row.stddev) == ("RandomNormal()", 0.05)


def test_a_label_that_is_forgotten_leaves_the_name_of_the_law():
    init = jax.jit(lambda key: HE(key, (6, 7)))
    assert plan(init, KEY).rows[0].initializer == "HeNormal()"
    _builtin._labelled.clear()
    assert plan(init, KEY).rows[0].initializer == "he_normal"


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_sharded(kind):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    sharding = NamedSharding(mesh, P("x"))

    def init(key):
        return {"a": HE(key, SHAPE), "b": functional.orthogonal(key, SHAPE)}

    made = fast_init(init, out_shardings=sharding)(KEY)
    for value in made.values():
        assert value.sharding.is_equivalent_to(sharding, 2)
    jax.tree.map(same_bits, made, init(KEY))


def test_keys_of_another_implementation():
    def init(key):
        return HE(key, SHAPE)

    same_as_jit(init, jax.random.key(0, impl="rbg"))
    with jax.default_prng_impl("rbg"):
        same_as_jit(init, jax.random.PRNGKey(0))


def test_what_fast_init_has_traced_runs_everywhere_else_too():
    """JAX remembers the trace of a jitted function, with the one operation in it."""
    inner = jax.jit(lambda words: HE(jax.random.wrap_key_data(words), (6, 10)))
    words = jax.random.key_data(KEY)
    expected = HE(KEY, (6, 10))
    same_bits(fast_init(lambda words: {"a": inner(words)})(words)["a"], expected)
    assert "cthulhu_draw" in str(inner.trace(words).jaxpr)
    same_bits(inner(words), expected)
    same_bits(jax.jit(lambda words: {"a": inner(words)})(words)["a"], expected)
    mapped = jax.vmap(inner)(jnp.stack([words, words]))
    same_bits(mapped[1], expected)
    looped = lax.map(inner, jnp.stack([words, words]))
    same_bits(looped[0], expected)
    for platforms in (["cpu"], ["cuda"], ["tpu"]):
        exported = jax.export.export(inner, platforms=platforms)(words)
        assert "cthulhu_draw" not in exported.mlir_module().replace("cthulhu_draw)", "")
    same_bits(jax.export.export(inner)(words).call(words), expected)


@pytest.mark.parametrize("shape", [(300, 500), (6, 7)])
def test_the_program_is_compiled_while_the_rest_is_traced(shape):
    seen = []

    def init(key):
        made = HE(key, shape)
        seen.append(len(_pool._programs))
        return made

    cthulhu.clear_caches()
    same_bits(fast_init(init)(KEY), HE(KEY, shape))
    assert seen == [shape[0] == 300]  # A small one may share a program of another kind.
    cthulhu.clear_caches()
    plan(init, KEY)
    assert seen[1:] == [0]
