"""A tapped program has the values of the program, and shows what is in its midst."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.sharding import PartitionSpec

from cthulhu import compat
from cthulhu.usage._taps import tapped

X = jax.random.normal(jax.random.key(0), (4, 4)) / 2
W = jax.random.normal(jax.random.key(1), (4, 4)) / 2


def places(held: Any, name: str, prefix: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The places of the equations of a name, looked for without knowing what holds jaxprs."""
    found = []
    for index, equation in enumerate(compat.opened(held)[0].eqns):
        if equation.primitive.name == name:
            found.append((*prefix, index))
        params = equation.params
        if equation.primitive.name == "while":
            inner = [((0,), params["cond_jaxpr"]), ((1,), params["body_jaxpr"])]
        elif equation.primitive.name == "cond":
            inner = [((at,), branch) for at, branch in enumerate(params["branches"])]
        else:
            inner = [((), value) for value in params.values() if hasattr(value, "eqns")]
            inner += [
                ((), value)
                for value in params.values()
                if not hasattr(value, "eqns") and hasattr(value, "jaxpr")
            ]
        for between, one in inner:
            found += places(one, name, (*prefix, index, *between))
    return found


def square(value: jax.Array) -> dict[str, jax.Array]:
    return {"square": jnp.sum(jnp.square(value)), "ran": jnp.int32(1)}


def looked_into(function: Any, *arguments: Any, name: str = "dot_general") -> Any:
    """The plain outputs, the tapped ones, and the values of all equations of a name."""
    program = jax.make_jaxpr(function)(*arguments)
    at = places(program, name)
    run = jax.jit(tapped(program, {place: place for place in at}, lambda value: value))
    outputs, found = run(*jax.tree.leaves(arguments))
    return jax.tree.leaves(jax.jit(function)(*arguments)), outputs, [found[place] for place in at]


def scanned(x, w):
    return lax.scan(lambda c, y: (jnp.tanh(c @ w + y), c.sum()), x, jnp.stack([x, 2 * x, 3 * x]))


def nested(x, w):
    def outer(c, y):
        c, inner = lax.scan(lambda d, _: (jnp.tanh(d @ w), d), c + y, None, length=2)
        return c @ w, inner.sum()

    return lax.scan(outer, x, jnp.stack([x, x, x]))


@jax.custom_vjp
def doubled(x, w):
    return 2 * (x @ w)


doubled.defvjp(lambda x, w: (doubled(x, w), (x, w)), lambda res, g: (g * 100, g))


@jax.custom_jvp
def tripled(x, w):
    return 3 * (x @ w)


tripled.defjvp(lambda p, t: (tripled(*p), t[0] * 100))


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.remat(nn.Dense)(8)(x)
        x = nn.MultiHeadDotProductAttention(2)(nn.gelu(x)[None])[0]
        return nn.Dense(3)(nn.relu(nn.LayerNorm()(x)))


PLAIN = {
    "dot": (lambda x, w: jnp.sin(x @ w) @ w, lambda x, w: [x @ w, jnp.sin(x @ w) @ w]),
    "jit": (lambda x, w: jax.jit(jnp.matmul)(x, w) + 1, lambda x, w: [x @ w]),
    "einsum": (lambda x, w: jnp.einsum("ab,cb->ac", x, w), lambda x, w: [x @ w.T]),
    "remat": (lambda x, w: jax.checkpoint(lambda y: jnp.sin(y @ w))(x), lambda x, w: [x @ w]),
    "custom_vjp": (lambda x, w: doubled(x, w) + 1, lambda x, w: [x @ w]),
    "custom_jvp": (lambda x, w: tripled(x, w) + 1, lambda x, w: [x @ w]),
    "relu": (lambda x, w: jax.nn.relu(x @ w) @ w, lambda x, w: [x @ w, jax.nn.relu(x @ w) @ w]),
    "not read": (lambda x, w: (x @ w, x)[1], lambda x, w: [x @ w]),
    "output": (lambda x, w: (x @ w, x, 1), lambda x, w: [x @ w]),
    "constant": (lambda x, w: x @ jnp.asarray(np.eye(4, dtype=np.float32)), lambda x, w: [x]),
}


@pytest.mark.parametrize("name", PLAIN)
def test_values_and_what_is_within(name):
    function, within = PLAIN[name]
    plain, outputs, found = looked_into(function, X, W)
    for one, other in zip(plain, outputs, strict=True):
        np.testing.assert_array_equal(one, other)
    for value, expected in zip(found, within(X, W), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_a_scan_is_stacked():
    plain, outputs, (found,) = looked_into(scanned, X, W)
    jax.tree.map(np.testing.assert_array_equal, plain, outputs)
    c = X
    for at in range(3):
        np.testing.assert_allclose(found[at], c @ W, rtol=1e-5, atol=1e-6)
        c = jnp.tanh(c @ W + (at + 1) * X)


def test_a_scan_in_reverse_is_stacked_as_its_inputs_are():
    def function(x, w):
        return lax.scan(lambda c, y: (c + 1, (c * y) @ w), 1.0, jnp.stack([x, x]), reverse=True)

    plain, outputs, (found,) = looked_into(function, X, W)
    jax.tree.map(np.testing.assert_array_equal, plain, outputs)
    np.testing.assert_allclose(found[0], 2 * X @ W, rtol=1e-5, atol=1e-6)


def test_a_scan_in_a_scan_is_stacked_twice():
    plain, outputs, (inner, outer) = looked_into(nested, X, W)
    jax.tree.map(np.testing.assert_array_equal, plain, outputs)
    assert inner.shape == (3, 2, 4, 4)
    np.testing.assert_allclose(outer, jnp.tanh(inner[:, 1]) @ W, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_of_branches_one_is_seen(taken):
    def function(x, w):
        return lax.switch(
            jnp.int32(taken) + x.astype(jnp.int32)[0, 0] * 0,
            [lambda y: y @ w, lambda y: y, lambda y: (2 * y) @ w],
            x,
        )

    program = jax.make_jaxpr(function)(X, W)
    first, second = places(program, "dot_general")
    run = jax.jit(tapped(program, {first: "first", second: "second"}, square))
    (output,), found = run(X, W)
    np.testing.assert_array_equal(output, jax.jit(function)(X, W))
    ran = [int(found[name]["ran"]) for name in ("first", "second")]
    assert ran == [int(taken == 0), int(taken == 2)]
    assert bool(jnp.isnan(found["first"]["square"])) == (taken != 0)
    if taken == 2:
        assert found["second"]["square"] == pytest.approx(4 * np.square(X @ W).sum(), rel=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_of_a_while_loop_the_last_step_is_seen(steps):
    def function(x, w, count):
        return lax.while_loop(lambda c: c[1] < count, lambda c: (c[0] @ w, c[1] + 1), (x, 0))

    plain, outputs, (found,) = looked_into(function, X, W, jnp.int32(steps))
    jax.tree.map(np.testing.assert_array_equal, plain, outputs)
    expected = plain[0] if steps else np.full((4, 4), np.nan)
    np.testing.assert_array_equal(found, expected)


def test_of_shards_each_device_says_its_own():
    mesh = jax.make_mesh((2, 4), ("a", "b"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    spec = PartitionSpec(("a", "b"), None)
    function = jax.shard_map(
        lambda x, w: x @ w, mesh=mesh, in_specs=(spec, PartitionSpec()), out_specs=spec
    )
    x = jax.random.normal(jax.random.key(2), (16, 4))
    plain, outputs, (found,) = looked_into(function, x, W)
    np.testing.assert_array_equal(plain[0], outputs[0])
    assert found.shape == (8, 2, 4)
    np.testing.assert_array_equal(found.reshape(16, 4), plain[0])


def test_a_jit_that_says_where_values_lie_is_heard():
    mesh = jax.make_mesh((8,), ("a",), axis_types=(jax.sharding.AxisType.Auto,))
    lying = jax.sharding.NamedSharding(mesh, PartitionSpec("a"))
    x = jax.random.normal(jax.random.key(2), (16, 4))
    function = jax.jit(jnp.matmul, out_shardings=lying)
    _, (output,), _ = looked_into(function, x, W)
    assert output.sharding.is_equivalent_to(lying, 2)


def of_linen() -> Any:
    params = jax.jit(Linen().init)(jax.random.key(0), X)
    return (lambda params, x: Linen().apply(params, x)), params, 7


def of_nnx() -> Any:
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.up, self.down = nnx.Linear(4, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)

        def __call__(self, x):
            return self.down(nnx.silu(self.up(x)))

    graph, params = nnx.split(Model(nnx.Rngs(0)))
    return (lambda params, x: nnx.merge(graph, params)(x)), params, 2


@pytest.mark.parametrize("make", [of_linen, of_nnx])
def test_a_model_computes_what_it_did(make):
    function, params, count = make()
    plain, outputs, found = looked_into(function, params, X)
    np.testing.assert_array_equal(plain[0], outputs[0])
    assert len(found) == count + (make is of_linen)


def test_gradients_go_through():
    program = jax.make_jaxpr(nested)(X, W)
    taps = dict.fromkeys(places(program, "dot_general")[:1], "inner")
    run = tapped(program, taps, square)
    plain = jax.jit(jax.grad(lambda w: nested(X, w)[0].sum()))(W)
    through = jax.jit(jax.grad(lambda w: run(X, w)[0][0].sum()))(W)
    np.testing.assert_array_equal(plain, through)
    found = jax.grad(lambda w: run(X, w)[1]["inner"]["square"].sum())(W)
    assert 0 < float(jnp.abs(found).max()) < np.inf


def test_a_rule_is_kept_where_no_tap_is_inside():
    def function(x, w):
        return doubled(x, w) @ w

    program = jax.make_jaxpr(function)(X, W)
    inside, beside = places(program, "dot_general")
    plain, kept, entered = (
        jax.grad(lambda x, run=run: run(x).sum())(X)
        for run in (
            lambda x: function(x, W),
            lambda x: tapped(program, {beside: 0}, square)(x, W)[0][0],
            lambda x: tapped(program, {inside: 0}, square)(x, W)[0][0],
        )
    )
    np.testing.assert_array_equal(plain, kept)
    np.testing.assert_allclose(entered, 2 * jnp.ones((4, 4)) @ W.T @ W.T, rtol=1e-5)


def test_remat_recomputes_where_a_tap_is_inside():
    program = jax.make_jaxpr(jax.checkpoint(lambda y: jnp.sin(y @ W) @ W))(X)
    run = tapped(program, dict.fromkeys(places(program, "dot_general")[:1], "first"), square)
    backward = jax.make_jaxpr(jax.grad(lambda x: run(x)[0][0].sum()))(X)
    assert places(backward, "remat2") or places(backward, "checkpoint")


def test_a_batch_of_programs_is_tapped():
    program = jax.make_jaxpr(scanned)(X, W)
    run = tapped(program, dict.fromkeys(places(program, "dot_general"), "product"), square)
    many = jnp.stack([X, 2 * X])
    outputs, found = jax.vmap(run, in_axes=(0, None))(many, W)
    again, single = run(2 * X, W)
    assert found["product"]["square"].shape == (2, 3)
    np.testing.assert_allclose(outputs[0][1], again[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        found["product"]["square"][1], single["product"]["square"], rtol=1e-5
    )


def test_nothing_but_the_statistics_is_kept_of_a_scan():
    def function(x, w):
        return lax.scan(lambda c, _: (c @ w, None), x, None, length=50)

    program = jax.make_jaxpr(function)(jnp.zeros((64, 4)), W)
    run = tapped(program, dict.fromkeys(places(program, "dot_general"), "product"), square)
    outer = jax.make_jaxpr(run)(jnp.zeros((64, 4)), W)
    assert max(one.aval.size for one in outer.jaxpr.eqns[-1].outvars) <= 64 * 4


BAD = {
    "no such equation": (lambda x: x @ W, (7,), "must be one of the program's; equation 7"),
    "nowhere": (lambda x: x @ W, (), "must be one of the program's"),
    "no such branch": (
        lambda x: lax.cond(x[0, 0] > 0, lambda y: y, lambda y: y @ W, x),
        (-1, 2, 0),
        "there are 2",
    ),
    "two outputs": (lambda x: lax.top_k(x, 1), (0,), "one output; 'top_k' has 2"),
    "not entered": (lambda x: x @ W, (0, 0), "inside of 'dot_general', which cannot"),
    "condition": (
        lambda x: lax.while_loop(lambda y: y.sum() < 0, lambda y: y @ W, x),
        (0, 0, 0),
        "the condition of a while loop",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_tap_is_refused(name):
    function, place, message = BAD[name]
    program = jax.make_jaxpr(function)(X)
    if place and place[0] == -1:
        place = (len(program.eqns) - 1, *place[1:])
    with pytest.raises(ValueError, match=f"^tapped: .*{message}"):
        tapped(program, {place: "tap"}, square)


def test_an_equation_and_what_is_inside_of_it_are_not_one_tap():
    program = jax.make_jaxpr(jax.jit(lambda y: y @ W))(X)
    with pytest.raises(ValueError, match=r"^tapped: 'jit' was asked for, and an equation inside"):
        tapped(program, {(0,): "call", (0, 0): "product"}, square)


def test_each_tap_may_have_a_statistic_and_a_change_of_its_own():
    program = jax.make_jaxpr(lambda x: (x @ W) @ W)(X)
    first, second = places(program, "dot_general")
    statistics = {"first": jnp.mean, "second": jnp.max}
    changes = {
        "first": lambda value, more: value + more,
        "second": lambda value, more: value - more,
    }
    run = tapped(program, {second: "second", first: "first"}, statistics, changes)
    (out,), found = run(X, given={"first": 1.0, "second": 2.0})
    np.testing.assert_allclose(found["first"], jnp.mean(X @ W), rtol=1e-5)
    np.testing.assert_allclose(found["second"], jnp.max((X @ W + 1) @ W), rtol=1e-5)
    np.testing.assert_allclose(out, (X @ W + 1) @ W - 2, rtol=1e-5)


def moved(function: Any, *arguments: Any) -> tuple[Any, Any]:
    """A program at whose contractions something is added, and zeros of the shapes of that."""
    program = jax.make_jaxpr(function)(*arguments)
    at = places(program, "dot_general")
    taps = {place: number for number, place in enumerate(at)}
    run = tapped(program, taps, lambda value: value, lambda value, more: value + more)
    zeros = jax.tree.map(
        lambda one: jnp.zeros(one.shape, one.dtype), jax.eval_shape(run, *arguments)[1]
    )
    return run, zeros


GIVEN = {
    "plain": lambda x, w: jnp.tanh(x @ w) @ w,
    "jit": jax.jit(lambda x, w: jnp.tanh(x @ w)),
    "remat": jax.checkpoint(lambda x, w: jnp.tanh(x @ w) @ w),
    "scan": lambda x, w: scanned(x, w)[0],
    "scan in a scan": lambda x, w: nested(x, w)[0],
    "a branch": lambda x, w: lax.cond(x.sum() > -99, lambda: jnp.tanh(x @ w), lambda: x @ w @ w),
    "twice read": lambda x, w: (y := x @ w) * jnp.tanh(y),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_to_a_tap_is_heard_there(name):
    """What is added to the output of a contraction is found by finite differences, too."""
    function = GIVEN[name]
    run, zeros = moved(function, X, W)

    def loss(given: Any) -> Any:
        return jnp.sum(run(X, W, given=given)[0][0] ** 2)

    plain = jnp.sum(function(X, W) ** 2)
    np.testing.assert_allclose(loss(zeros), plain, rtol=1e-6)
    gradients = jax.jit(jax.grad(loss))(zeros)
    key, seen = jax.random.key(3), []
    for number, zero in zeros.items():
        step = 1e-3 * jax.random.normal(jax.random.fold_in(key, number), zero.shape)
        up, down = (loss({**zeros, number: sign * step}) for sign in (1, -1))
        expected = float(jnp.vdot(gradients[number], step))
        np.testing.assert_allclose(float(up - down) / 2, expected, rtol=2e-2, atol=2e-6)
        seen.append(expected)
    assert any(seen)


def test_of_what_is_given_each_step_and_device_has_its_own():
    run, zeros = moved(lambda x, w: scanned(x, w)[0], X, W)
    shifted = {0: zeros[0].at[1].set(1.0)}
    _, values = run(X, W, given=shifted)
    _, plain = run(X, W)
    # What is found is what was there before: the next step is the first to show it.
    np.testing.assert_array_equal(values[0][:2], plain[0][:2])
    np.testing.assert_array_equal(values[0][2], jnp.tanh(plain[0][1] + 1.0 + 2 * X) @ W)

    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
    halves = jax.shard_map(
        lambda x, w: x @ w,
        mesh=mesh,
        in_specs=(PartitionSpec("d"), PartitionSpec()),
        out_specs=PartitionSpec("d"),
    )
    run, zeros = moved(halves, X, W)
    ((out,), _) = run(X, W, given={0: zeros[0].at[1].set(1.0)})
    np.testing.assert_allclose(
        out - X @ W, np.repeat([[0.0], [1.0]], 2, axis=0) * np.ones(4), atol=1e-6
    )


def test_a_tap_to_which_nothing_is_given_changes_nothing():
    run, _ = moved(GIVEN["plain"], X, W)
    np.testing.assert_array_equal(run(X, W, given={})[0][0], run(X, W)[0][0])
