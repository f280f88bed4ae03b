"""`check` and the numbers it looks at: large and small ones, rounded ones, few of them."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import functional
from cthulhu.audit import _drawn as drawn
from cthulhu.audit import check
from cthulhu.audit._observed import on_host
from cthulhu.initializers import Masked, RandomNormal, RandomUniform, ZeroFirst, ZeroLast
from cthulhu.params import FromSiblings, Keep, Tied, init_params, plan
from tests.cases import KEY


def kinds(params: Any, rules: Any, **options: Any) -> dict[str, list[str]]:
    return {
        leaf.path: [flag.kind for flag in leaf.flags]
        for leaf in check(params, rules, **options).failures
    }


FAR = {
    "around one": RandomNormal(mean=1.0, stddev=1e-3),
    "around a thousand": RandomNormal(mean=1000.0, stddev=1.0),
    "uniform, around a thousand": RandomUniform(minval=1000.0, maxval=1001.0),
    "so small that squares vanish": RandomNormal(stddev=1e-30),
    "so large that squares overflow": RandomNormal(stddev=1e30),
}
PLACES = {
    "on the host": np.asarray,
    "on devices": lambda x: jax.device_put(
        x, NamedSharding(jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,)), P("x"))
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FAR)
def test_sums_lose_nothing(name: str, place: str) -> None:
    law = FAR[name]
    values = law(KEY, (400, 200))
    assert check({"w": PLACES[place](values)}, law)
    around = values.mean()
    wide = around + (values - around) * np.float32(1.05)
    assert kinds({"w": PLACES[place](wide)}, law)["w"][0] == "scale"


def test_what_was_drawn_in_a_narrow_type_is_looked_at_like_all_else() -> None:
    law = RandomNormal(stddev=0.02)
    values = law(KEY, (200, 200), jnp.bfloat16)
    assert kinds({"w": values.astype(np.float32)}, law) == {"w": ["narrow"]}
    twice = (values * 2).astype(np.float32)
    assert kinds({"w": twice}, law) == {"w": ["narrow", "scale"]}


def test_the_type_is_that_of_the_values() -> None:
    """A plan in float32 serves for a checkpoint in bfloat16, and knows how that is rounded."""
    law = RandomNormal(stddev=0.02)
    planned = plan({"w": jax.ShapeDtypeStruct((200, 200), np.float32)}, law)
    values = law(KEY, (200, 200), jnp.bfloat16)
    assert check({"w": values}, planned)
    assert kinds({"w": values * 2}, planned) == {"w": ["scale"]}


def test_float32_draws_are_narrow_in_float64() -> None:
    with jax.enable_x64(True):
        values = functional.random_normal(KEY, (64, 64), np.float64)
        assert check({"w": values}, RandomNormal())
        narrow = values.astype(np.float32).astype(np.float64)
        assert kinds({"w": narrow}, RandomNormal()) == {"w": ["narrow"]}


ROUNDED = {
    "to its mean": (RandomNormal(mean=1.0, stddev=1e-6), jnp.bfloat16),
    "to 0": (RandomNormal(stddev=1e-9), jnp.float8_e5m2),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_what_rounding_makes_one_number_is_not_dead(name: str) -> None:
    law, dtype = ROUNDED[name]
    values = law(KEY, (64, 64), dtype)
    assert len(np.unique(np.asarray(values, np.float32))) == 1
    assert check({"w": values}, law)
    assert kinds({"w": np.zeros((64, 64), np.float32)}, law) in (
        {"w": ["zeroed"]},
        {"w": ["dead"]},
    )


def test_keys_that_are_kept_are_not_looked_at() -> None:
    tree = {"rng": jax.random.key(0), "w": functional.he_normal(KEY, (64, 64))}
    assert check(tree, {"rng": Keep(), "w": "he_normal"})


SIBLINGS = {
    "tied": Tied("w"),
    "of its own function": FromSiblings(lambda key, shape, dtype, w: 2 * w, w="w"),
}


@pytest.mark.parametrize("name", SIBLINGS)
def test_what_is_made_of_siblings_is_made_of_those_that_are_there(name: str) -> None:
    spec = jax.ShapeDtypeStruct((64, 64), np.float32)
    rules = {"w": "he_normal", "made": SIBLINGS[name]}
    params = init_params(0, {"w": spec, "made": spec}, rules)
    assert check(params, rules)
    other = init_params(1, {"w": spec, "made": spec}, rules)
    assert kinds({**params, "made": other["made"]}, rules) == {"made": ["value"]}


MASKS = {
    "the first row": (ZeroFirst(RandomNormal()), (0, 3)),
    "the last columns": (ZeroLast(RandomNormal(), 2, axis=1), (3, -1)),
    "a row within": (Masked(RandomNormal(), (np.arange(40) != 7)[:, None]), (7, 0)),
}


@pytest.mark.parametrize("name", MASKS)
def test_zeros_are_where_they_should_be(name: str) -> None:
    """Of 100 at a rate of 0.05, at most 16 are found wrong, but for one time in 10,000."""
    law, place = MASKS[name]
    planned = plan({"w": jax.ShapeDtypeStruct((40, 24), np.float32)}, law)
    made = [planned.run(seed) for seed in range(100)]
    assert sum(not check(params, planned, rate=0.05) for params in made) <= 16
    assert kinds({"w": made[0]["w"].at[place].set(1e-3)}, planned) == {"w": ["not zeroed"]}


LAWLESS = {
    "cauchy": jax.random.cauchy,
    "lognormal": lambda key, shape: jnp.exp(2 * jax.random.normal(key, shape)),
    "one or zero": lambda key, shape: jax.random.bernoulli(key, 0.5, shape).astype(np.float32),
    "few integers": lambda key, shape: jax.random.randint(key, shape, -3, 4).astype(np.float32),
    "of a random width": lambda key, shape: (
        jax.random.normal(key, shape) * jnp.exp(jax.random.normal(jax.random.split(key)[0]))
    ),
}


@pytest.mark.parametrize("shape", [(3,), (8, 8), (40, 40)])
@pytest.mark.parametrize("name", LAWLESS)
def test_draws_are_seldom_unlike_others(name: str, shape: tuple[int, ...]) -> None:
    """At a rate of 1e-3, at most 2 of 100, as many as share eight draws may be by chance."""
    draw = jax.jit(lambda key: LAWLESS[name](key, shape))
    keys = jax.random.split(jax.random.key(7), 108)
    arrays = [np.asarray(draw(key)) for key in keys]
    known = drawn.known_of(lambda number: arrays[number])
    least = [min(t.p for t in drawn.compare(on_host(one, 0.0), known, 1e-7)) for one in arrays[8:]]
    assert sum(12 * p < 1e-3 for p in least) <= 2


def test_draws_that_are_always_the_same_are_compared_one_by_one() -> None:
    def ramp(key: jax.Array, shape: Any, dtype: Any) -> jax.Array:
        return jnp.arange(shape[0], dtype=dtype)

    values = np.arange(50, dtype=np.float32)
    assert check({"w": values}, ramp)
    assert kinds({"w": values[::-1].copy()}, ramp) == {"w": ["value"]}


EXPLICIT = {
    "a matrix": (RandomNormal(), (256, 64), P("x", "y"), None),
    "stacked": (RandomNormal(), (4, 64, 64), P("x", None, "y"), 0),
    "orthogonal": ("orthogonal", (4, 64, 64), P("x", None, "y"), 0),
}


@pytest.mark.parametrize("around", [False, True], ids=["alone", "in the mesh"])
@pytest.mark.parametrize("name", EXPLICIT)
def test_arrays_whose_type_says_how_they_lie(name: str, around: bool) -> None:
    law, shape, spec, stacked = EXPLICIT[name]
    made = init_params(0, {"w": jax.ShapeDtypeStruct(shape, np.float32)}, law, stacked=stacked)
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Explicit,) * 2)
    params = jax.device_put(made, {"w": NamedSharding(mesh, spec)})
    with jax.set_mesh(mesh) if around else contextlib.nullcontext():
        assert check(params, law, stacked=stacked)
        assert not check({"w": params["w"] * 2}, law, stacked=stacked)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("law", [RandomNormal(), RandomUniform(minval=0.0, maxval=1.0)], ids=repr)
def test_units_that_are_zeroed_are_found(law: Any, place: str) -> None:
    values = np.array(law(KEY, (256, 256)))
    assert check({"w": PLACES[place](values)}, law)
    values[:, 7] = 0
    (leaf,) = check({"w": PLACES[place](values)}, law).leaves
    assert dict(leaf.flags)["zeroed"] == "has 256 zeros among 65536 values"
