"""Chosen units are drawn again, to the bit, with what the optimizer knows of them."""

import contextlib
import functools
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.core import FrozenDict
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from optax import contrib

from cthulhu.initializers import ByDepth
from cthulhu.params import Keep, Tied, WeightNormScale, init_params, reinit
from cthulhu.trees import flatten, join
from tests.cases import KEY, same_bits
from tests.compare import bits_of
from tests.refusals import Refused, each


def spec(*shape: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def by_path(tree: Any) -> dict[str, Any]:
    paths, leaves, _ = flatten(tree)
    return dict(zip(map(join, paths), leaves, strict=True))


SHAPES = {
    "hidden": {"kernel": spec(4, 3), "bias": spec(3)},
    "out": {"kernel": spec(3, 2), "bias": spec(2)},
}
RULES = [(".*/kernel", "he_normal"), (".*/bias", "normal")]
OLD = init_params(1, SHAPES, RULES)
NEW = by_path(init_params(KEY, SHAPES, RULES))
DEAD = np.array([False, True, False])
ROWS = DEAD[:, None]


def check(made: Any, old: Any, new: dict[str, Any], masks: dict[str, Any]) -> None:
    """New where a mask says so, and else old; the same object if there is no mask."""
    assert jax.tree.structure(made) == jax.tree.structure(old)
    for path, value in by_path(made).items():
        before = by_path(old)[path]
        if path not in masks:
            assert value is before
            continue
        mask = np.broadcast_to(masks[path], before.shape)
        same_bits(value, np.where(mask, np.asarray(new[path]), np.asarray(before)))


UNITS = {"hidden/kernel": DEAD, "hidden/bias": DEAD, "out/kernel": ROWS}
ALL = dict.fromkeys(by_path(OLD), True)
HIDDEN = {path: True for path in ALL if path.startswith("hidden")}
WHERE: dict[str, tuple[Any, dict[str, Any]]] = {
    "by path": ({"hidden/(kernel|bias)": DEAD, "out/kernel": ROWS}, UNITS),
    "of JAX": ({"hidden/(kernel|bias)": jnp.array(DEAD), "out/kernel": jnp.array(ROWS)}, UNITS),
    "a tree": (
        {"hidden": {"kernel": DEAD, "bias": DEAD}, "out": {"kernel": ROWS, "bias": None}},
        UNITS,
    ),
    "a part of a tree": ({"hidden": {"kernel": DEAD}}, {"hidden/kernel": DEAD}),
    "a mask for a node": ({"hidden": DEAD, "out": {"kernel": ROWS}}, UNITS),
    "True for a node": ({"hidden": True, "out": None}, HIDDEN),
    "True for all": (True, ALL),
    "a regex for all": ({".*": True}, ALL),
    "an array of True": ({"hidden/.*": np.array(True)}, HIDDEN),
    "elements": (
        {"hidden/kernel": np.eye(4, 3, dtype=bool)},
        {"hidden/kernel": np.eye(4, 3, dtype=bool)},
    ),
    "several for one": (
        {"hidden/kernel": DEAD, "hidden/kerne.": np.arange(4)[:, None] == 2},
        {"hidden/kernel": DEAD[None] | (np.arange(4)[:, None] == 2)},
    ),
    "all and some": (
        {"hidden/kernel": DEAD, ".*/kernel": True},
        {"hidden/kernel": True, "out/kernel": True},
    ),
    "None by path": ({"hidden/kernel": None, "hidden/bias": DEAD}, {"hidden/bias": DEAD}),
    "nothing": (None, {}),
    "no mask": ({}, {}),
    "all False": ({".*": False, "hidden/.*": np.zeros(3, bool)}, {}),
}


@pytest.mark.parametrize("name", WHERE)
def test_masks(name: str) -> None:
    where, masks = WHERE[name]
    check(reinit(OLD, KEY, RULES, where), OLD, NEW, masks)


@pytest.mark.parametrize("name", WHERE)
def test_under_jit(name: str) -> None:
    where, masks = WHERE[name]
    masks = {path: np.asarray(mask) for path, mask in masks.items()}
    named = masks if name not in ("all False", "no mask", "nothing") else {}
    run = jax.jit(lambda params, key: reinit(params, key, RULES, where))
    whole = {path: named.get(path, False) for path in by_path(OLD)}
    check(run(OLD, KEY), OLD, NEW, whole)
    # And with masks that only the program knows.
    traced = jax.jit(lambda params, key, masks: reinit(params, key, RULES, masks))
    if all(mask is not True for mask in jax.tree.leaves(where)):
        check(traced(OLD, KEY, where), OLD, NEW, whole)


def test_under_vmap() -> None:
    keys = jax.random.split(KEY, 2)
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), OLD)
    dead = np.array([DEAD, ~DEAD])

    def run(params: Any, key: Any, dead: Any) -> Any:
        return reinit(params, key, RULES, {"hidden/.*": dead, "out/kernel": dead[:, None]})

    made = jax.vmap(run)(stack, keys, dead)
    new = jax.vmap(lambda key: init_params(key, SHAPES, RULES))(keys)
    rows = {"hidden/kernel": dead[:, None], "hidden/bias": dead, "out/kernel": dead[:, :, None]}
    check(made, stack, by_path(new), {**rows, "out/bias": False})


class Model(eqx.Module):
    hidden: eqx.nn.Linear
    out: eqx.nn.Linear
    activation: Any
    rate: float

    def __init__(self) -> None:
        self.activation, self.rate = jax.nn.relu, 0.5
        first, second = jax.random.split(jax.random.key(0))
        self.hidden = eqx.nn.Linear(4, 3, key=first)
        self.out = eqx.nn.Linear(3, 2, key=second)


class Module(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(4, 3, rngs=rngs)
        self.out = nnx.Linear(3, 2, rngs=rngs)


MODEL = Model()
OUT_IN = {"hidden": {"weight": DEAD[:, None], "bias": DEAD}, "out": {"weight": DEAD}}
IN_OUT = {"hidden": DEAD, "out": {"kernel": ROWS}}
LISTS = [[OLD["hidden"]["kernel"], OLD["hidden"]["bias"]], (OLD["out"]["kernel"],)]
TREES: dict[str, tuple[Any, Any, Any]] = {
    "FrozenDict": (FrozenDict(OLD), IN_OUT, UNITS),
    "masks in a FrozenDict": (OLD, FrozenDict(IN_OUT), UNITS),
    "lists": (LISTS, [DEAD, (ROWS,)], {"0/0": DEAD, "0/1": DEAD, "1/0": ROWS}),
    "one array": (OLD["hidden"]["kernel"], DEAD, {"": DEAD}),
    "nnx.State": (nnx.state(Module(nnx.Rngs(0))), IN_OUT, UNITS),
    "Equinox": (
        MODEL,
        OUT_IN,
        {"hidden/weight": DEAD[:, None], "hidden/bias": DEAD, "out/weight": DEAD},
    ),
    "masks in an Equinox module": (
        MODEL,
        eqx.tree_at(
            lambda model: (model.hidden.bias,), jax.tree.map(lambda leaf: False, MODEL), (DEAD,)
        ),
        {"hidden/bias": DEAD},
    ),
}


@pytest.mark.parametrize("kind", TREES)
def test_trees_of_every_framework(kind: str) -> None:
    params, where, masks = TREES[kind]
    new = by_path(init_params(KEY, params, "normal"))
    made = reinit(params, KEY, "normal", where)
    assert isinstance(made, type(params))
    check(made, params, new, masks)


VALUES: dict[str, Any] = {
    name: np.asarray(values, dtype)
    for name, values, dtype in (
        ("double zeros", [-0.0, 0.0, -0.0], np.float32),
        ("infinities", [np.inf, -np.inf, 1e-45], np.float32),
        ("integers", [1, -2, 3], np.int32),
        ("narrow integers", [1, 2, 255], np.uint8),
        ("booleans", [True, False, True], np.bool_),
    )
}
PAYLOADS = {
    "float32": (np.uint32, 0xFFA12345),
    "float16": (np.uint16, 0x7D01),
    "bfloat16": (np.uint16, 0xFF81),
    "float8_e4m3fn": (np.uint8, 0xFF),
    "float8_e5m2": (np.uint8, 0x7D),
    "float8_e4m3fnuz": (np.uint8, 0x80),
}
for dtype, (bits, payload) in PAYLOADS.items():
    VALUES[f"a signaling NaN of {dtype}"] = np.array([payload, 1, payload], bits).view(
        jnp.dtype(dtype)
    )
    VALUES[f"-0.0 of {dtype}"] = np.array([-0.0, 1, -0.0], jnp.dtype(dtype))
VALUES["complex numbers"] = (
    np.array([0xFFA12345, 0x80000000] * 3, np.uint32).view(np.float32).view(np.complex64)
)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", VALUES)
def test_of_what_is_not_drawn_every_bit_stays(name: str, traced: bool) -> None:
    old = VALUES[name]
    run = functools.partial(reinit, rules="ones")
    run = jax.jit(run) if traced else run
    made = run({"a": jnp.asarray(old)}, KEY, where={"a": DEAD})["a"]
    expected = bits_of(old).copy()
    at = [1] if old.dtype != np.complex64 else [2, 3]
    expected[at] = bits_of(np.ones(1, old.dtype))
    np.testing.assert_array_equal(bits_of(made), expected)
    assert made.dtype == old.dtype


WHOLE: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "stacked": (
        {"w": spec(3, 6, 4), "b": spec(3, 4)},
        [("w", "he_normal"), ("b", "normal")],
        {"stacked": 0},
    ),
    "layers of paths": (
        {f"layer_{at}": spec(6, 4) for at in range(3)},
        [(r"layer_(?P<layer>\d+)", ByDepth("he_normal", "1/sqrt(L)"))],
        {},
    ),
    "siblings": (
        {"v": spec(6, 4), "g": spec(4), "tied": spec(4, 6)},
        [("v", "he_normal"), ("g", WeightNormScale()), ("tied", Tied("v", transpose=True))],
        {},
    ),
    "(out, in)": ({"weight": spec(6, 4)}, "he_normal", {"layout": "out_in"}),
    "narrow": ({"w": spec(6, 4, dtype=jnp.bfloat16)}, "orthogonal", {}),
    "custom": ({"w": spec(6, 4)}, lambda key, shape, dtype: jax.random.normal(key, shape), {}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_new_values_are_those_of_init_params(name: str) -> None:
    """Each parameter alone, of which any element may be meant, and all of them."""
    tree, rules, options = WHOLE[name]
    old = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 7, leaf.dtype), tree)
    new = by_path(init_params(KEY, tree, rules, **options))
    for path in new:
        mask = np.arange(np.prod(old[path].shape)).reshape(old[path].shape) % 3 == 1
        made = reinit(old, KEY, rules, {path: mask}, **options)
        check(made, old, new, {path: mask})
    check(reinit(old, KEY, rules, {".*": True}, **options), old, new, dict.fromkeys(new, True))


def test_nothing_else_is_drawn() -> None:
    made: list[tuple[int, ...]] = []

    def seen(key: Any, shape: Any, dtype: Any) -> jax.Array:
        made.append(shape)
        return jnp.zeros(shape, dtype)

    where = {"hidden/kernel": DEAD, "hidden/bias": np.zeros(3, bool), "out/bias": False}
    reinit(OLD, KEY, seen, where)
    assert made == [(4, 3)]


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("masks", ["of the host", "of the mesh", "traced"])
@pytest.mark.parametrize("how", ["alone", "in a mesh", "jit", "jit in a mesh"])
def test_arrays_stay_where_they_are(kind: AxisType, masks: str, how: str) -> None:
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2)
    tree = {"a": spec(8, 6), "b": spec(8), "c": spec(8), "d": spec(8)}
    homes = {name: NamedSharding(mesh, P("x")) for name in tree}
    homes["a"] = NamedSharding(mesh, P("x", "y"))
    homes["c"] = NamedSharding(mesh, P())
    old = init_params(1, tree, "normal", shardings=homes)
    dead = np.arange(8) == 3
    where = {"a": dead[:, None], "b": dead, "c": dead, "d": True}
    given: Any = where
    if masks == "of the mesh":
        home = NamedSharding(mesh, P("x"))
        given = {name: jax.device_put(mask, home) for name, mask in where.items() if name != "d"}
        given["d"] = True
    if masks == "traced":
        given = {**where, "d": np.array(True)}
    run: Any = functools.partial(reinit, rules="normal")
    if how.startswith("jit"):
        run = jax.jit(run) if masks == "traced" else jax.jit(functools.partial(run, where=given))
    given = {} if how.startswith("jit") and masks != "traced" else {"where": given}
    with jax.set_mesh(mesh) if how.endswith("mesh") else contextlib.nullcontext():
        made = run(old, KEY, **given)
    check(made, old, by_path(init_params(KEY, tree, "normal")), where)
    for name, home in homes.items():
        # Where a program puts what depends on nothing that has a place is the compiler's affair.
        if how.startswith("jit") and kind is AxisType.Auto and name == "d":
            continue
        assert made[name].sharding.is_equivalent_to(home, made[name].ndim), name


def test_an_array_of_another_device_stays_there() -> None:
    home = jax.devices()[3]
    old = jax.tree.map(lambda leaf: jax.device_put(leaf, home), OLD)
    made = reinit(old, KEY, RULES, {"hidden/kernel": DEAD, "out/.*": True})
    assert {leaf.device for leaf in jax.tree.leaves(made)} == {home}
    plain = reinit(OLD, KEY, RULES, {"hidden/kernel": DEAD, "out/.*": True})
    jax.tree.map(same_bits, made, plain)
    assert not any(leaf.committed for leaf in jax.tree.leaves(plain))


# For each optimizer, how many leaves of its state are like a parameter that has a mask; of these
# all elements that the masks name begin again, and nothing else changes.
LABELS = {"hidden": "a", "out": "b"}
ADAM = optax.adam(1e-3)
OPTIMIZERS: dict[str, tuple[Any, int]] = {
    "sgd": (optax.sgd(0.1), 0),
    "momentum": (optax.sgd(0.1, momentum=0.9), 3),
    "adam": (ADAM, 6),
    "adam in bfloat16": (optax.adam(1e-3, mu_dtype=jnp.bfloat16), 6),
    "adamw": (optax.adamw(1e-3), 6),
    "lion": (optax.lion(1e-3), 3),
    "rmsprop": (optax.rmsprop(1e-3, momentum=0.9), 6),
    "adafactor of small parameters": (optax.adafactor(1e-3), 3),
    "chain": (optax.chain(optax.clip_by_global_norm(1.0), optax.trace(0.9), optax.scale(-1.0)), 3),
    "named_chain": (optax.named_chain(("first", optax.trace(0.9)), ("then", ADAM)), 9),
    "masked": (optax.masked(ADAM, {"hidden": True, "out": False}), 4),
    "masked by a function": (
        optax.masked(ADAM, lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree)),
        4,
    ),
    "partition": (optax.partition({"a": ADAM, "b": optax.sgd(0.1, momentum=0.9)}, LABELS), 5),
    "freeze": (optax.partition({"a": ADAM, "b": optax.set_to_zero()}, LABELS), 4),
    "inject_hyperparams": (optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), 6),
    "MultiSteps": (optax.MultiSteps(ADAM, 2), 9),
    "apply_if_finite": (optax.apply_if_finite(ADAM, 3), 6),
    "ema": (optax.chain(optax.ema(0.9), optax.scale(-0.1)), 3),
    "lookahead": (optax.lookahead(ADAM, 5, 0.5), 6),
    "schedule_free": (contrib.schedule_free(optax.sgd(0.1), learning_rate=0.1), 3),
    "schedule_free_adamw": (contrib.schedule_free_adamw(1e-2), 6),
    "prodigy": (contrib.prodigy(), 12),
    "muon": (contrib.muon(1e-3), 4),
}


def trained(optimizer: Any, params: Any) -> tuple[Any, Any]:
    """Parameters and state after three steps, in which nothing is at its initial value."""
    ahead = isinstance(optimizer.init(params), optax.LookaheadState)
    params = optax.LookaheadParams.init_synced(params) if ahead else params
    state = optimizer.init(params)
    # Optax adds numbers of several types and ranks, which the strict settings refuse.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for step in range(3):
            fast = params.fast if ahead else params
            gradients = jax.tree.map(lambda leaf, step=step: jnp.cos(9 * leaf + step), fast)
            updates, state = optimizer.update(gradients, state, params)
            params = optax.apply_updates(params, updates)
    return (params.fast if ahead else params), state


def reset_leaves(old: Any, state: Any, made: Any, fresh: Any, masks: dict[str, Any]) -> int:
    """The number of leaves that changed, each as its mask says; the rest are the same objects."""
    count = 0
    leaves = jax.tree_util.tree_leaves_with_path(state)
    rest = zip(leaves, jax.tree.leaves(made), jax.tree.leaves(fresh), strict=True)
    for (entries, before), after, initial in rest:
        ends = jax.tree_util.keystr(entries, simple=True, separator="/")
        path = next((one for one in masks if ends.endswith(one)), None)
        if path is None or before.shape != by_path(old)[path].shape:
            assert after is before, ends
            continue
        mask = np.broadcast_to(masks[path], before.shape)
        same_bits(after, np.where(mask, np.asarray(initial), np.asarray(before)))
        count += 1
    return count


@pytest.mark.filterwarnings("ignore:.*only fast parameters")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_begins_again_where_the_parameters_do(name: str) -> None:
    optimizer, count = OPTIMIZERS[name]
    params, state = trained(optimizer, OLD)
    where = {"hidden/(kernel|bias)": DEAD, "out/kernel": ROWS}
    made, reset = reinit(params, KEY, RULES, where, opt_state=state, optimizer=optimizer)
    check(made, params, NEW, UNITS)
    fresh = optimizer.init(made)
    assert jax.tree.structure(reset) == jax.tree.structure(state)
    assert reset_leaves(params, state, reset, fresh, UNITS) == count


def test_counters_go_on_and_a_step_of_training_too() -> None:
    params, state = trained(ADAM, OLD)

    @jax.jit
    def step(params: Any, state: Any, key: Any, dead: Any) -> Any:
        where = {"hidden/(kernel|bias)": dead, "out/kernel": dead[:, None]}
        return reinit(params, key, RULES, where, opt_state=state, optimizer=ADAM)

    made, reset = step(params, state, KEY, DEAD)
    plain = {"hidden/(kernel|bias)": DEAD, "out/kernel": ROWS}
    expected = reinit(params, KEY, RULES, plain, opt_state=state, optimizer=ADAM)
    jax.tree.map(same_bits, (made, reset), expected)
    assert int(reset[0].count) == 3
    # Nobody died.
    jax.tree.map(same_bits, step(params, state, KEY, np.zeros(3, bool)), (params, state))


FACTORED = optax.adafactor(1e-3, min_dim_size_to_factor=2)


@pytest.mark.parametrize(
    ("where", "again"),
    [
        ({"hidden/kernel": DEAD}, False),
        ({"hidden/kernel": True}, True),
        ({"hidden/kernel": np.ones((4, 3), bool)}, True),
        ({"hidden/kernel": DEAD, "hidden/k.*": ~DEAD}, True),
        ({"hidden/kernel": jnp.array(DEAD), "hidden/k.*": True}, True),
        ({"hidden/kernel": None}, False),
    ],
    ids=["a unit", "True", "all", "all together", "True and some", "None"],
)
def test_factored_moments_begin_again_with_the_whole_of_their_parameter(
    where: Any, again: bool
) -> None:
    params, state = trained(FACTORED, OLD)
    made, reset = reinit(params, KEY, RULES, where, opt_state=state, optimizer=FACTORED)
    fresh, before, after = (state[0] for state in (FACTORED.init(made), state, reset))
    for name in ("v_row", "v_col"):
        old, new = (getattr(one, name)["hidden"]["kernel"] for one in (before, after))
        assert (new is old) == (not again)
        if again:
            same_bits(new, getattr(fresh, name)["hidden"]["kernel"])
        assert getattr(after, name)["out"]["kernel"] is getattr(before, name)["out"]["kernel"]
    # Masks that are known are known inside a program too.
    renew = functools.partial(reinit, rules=RULES, where=where, optimizer=FACTORED)
    jitted = jax.jit(lambda params, state: renew(params, KEY, opt_state=state))
    jax.tree.map(same_bits, jitted(params, state), (made, reset))


@pytest.mark.parametrize("kind", ["Equinox", "nnx.State", "FrozenDict"])
def test_states_of_every_framework(kind: str) -> None:
    params, where, masks = TREES[kind]
    filtered = eqx.filter(params, eqx.is_array) if kind == "Equinox" else params
    state = jax.tree.map(lambda leaf: leaf + 1, ADAM.init(filtered))
    made, reset = reinit(params, KEY, "normal", where, opt_state=state, optimizer=ADAM)
    check(made, params, by_path(init_params(KEY, params, "normal")), masks)
    for moment in ("mu", "nu"):
        found = by_path(getattr(reset[0], moment))
        for path, mask in masks.items():
            shape = found[path].shape
            same_bits(
                found[path], np.where(np.broadcast_to(mask, shape), np.float32(0), np.float32(1))
            )
        assert found["out/bias"].tolist() == [1, 1]


def test_a_state_stays_where_it_is() -> None:
    home = NamedSharding(jax.make_mesh((8,), ("x",)), P("x"))
    params = {"a": jax.device_put(jnp.ones((8, 2)), home)}
    state = jax.tree.map(lambda leaf: leaf + 1, ADAM.init(params))
    where = {"a": np.arange(8)[:, None] == 3}
    _, reset = reinit(params, KEY, "zeros", where, opt_state=state, optimizer=ADAM)
    assert reset[0].mu["a"].sharding.is_equivalent_to(home, 2)
    assert reset[0].mu["a"][:, 0].tolist() == [1, 1, 1, 0, 1, 1, 1, 1]


def test_a_state_keeps_its_type() -> None:
    state = jax.tree.map(lambda leaf: (leaf + 1).astype(jnp.bfloat16), ADAM.init(OLD))
    _, reset = reinit(OLD, KEY, RULES, {"hidden": DEAD}, opt_state=state, optimizer=ADAM)
    assert reset[0].mu["hidden"]["bias"].dtype == jnp.bfloat16
    assert reset[0].mu["hidden"]["bias"].tolist() == [1, 0, 1]


def test_only_what_is_drawn_is_warned_of() -> None:
    params = {"a": {"weight": jnp.ones((8, 4))}, "b": {"bias": jnp.ones(8)}}
    with pytest.warns(
        UserWarning, match=r"^reinit: 'a/weight' of shape \(8, 4\) is named as"
    ) as one:
        reinit(params, KEY, "he_normal", {"a": True})
    assert one[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reinit(params, KEY, [("a/weight", "he_normal"), ("b/bias", "ones")], {"b": True})


ADAM_STATE = ADAM.init(OLD)
NO_TWO = r"both are needed: the state that is to change, and the optimizer, whose init makes"
REFUSED = (
    Refused(
        "a state alone",
        lambda: reinit(OLD, KEY, RULES, True, opt_state=ADAM_STATE),  # type: ignore[call-overload]
        TypeError,
        rf"^reinit: opt_state was given without optimizer; {NO_TWO}",
    ),
    Refused(
        "an optimizer alone",
        lambda: reinit(OLD, KEY, RULES, True, optimizer=ADAM),  # type: ignore[call-overload]
        TypeError,
        rf"^reinit: optimizer was given without opt_state; {NO_TWO}",
    ),
    Refused(
        "a state of another",
        lambda: reinit(OLD, KEY, RULES, True, opt_state=optax.sgd(1.0).init(OLD), optimizer=ADAM),
        TypeError,
        r"^reinit: opt_state must be what optimizer\.init\(params\) returned, or an update of it",
    ),
    Refused(
        "a state that is not like the parameters",
        lambda: reinit(
            OLD, KEY, RULES, True, opt_state=optax.sm3(1e-3).init(OLD), optimizer=optax.sm3(1e-3)
        ),
        TypeError,
        r"^reinit: optax\.tree_utils\.tree_map_params does not tell what in the state of this",
    ),
    Refused(
        "no such parameter by regex",
        lambda: reinit(OLD, KEY, RULES, {"hidden/kernl": DEAD}),
        ValueError,
        r"^reinit: where names 'hidden/kernl', which matches no parameter \(did you mean "
        r"'hidden/kernel'\?\)\. A regular expression must match the whole path",
    ),
    Refused(
        "a node among regexes",
        lambda: reinit(OLD, KEY, RULES, {"out/kernel": ROWS, "hidden": True}),
        ValueError,
        r"^reinit: where names 'hidden', which matches no parameter; for all below it, write "
        r"'hidden/\.\*'\. A",
    ),
    Refused(
        "no such node",
        lambda: reinit(OLD, KEY, RULES, {"hiden": {"kernel": DEAD}}),
        ValueError,
        r"^reinit: where names 'hiden', which matches no parameter \(did you mean 'hidden'\?\)\. ",
    ),
    Refused(
        "no such parameter in a tree",
        lambda: reinit(OLD, KEY, RULES, {"hidden": {"kernl": DEAD}}),
        ValueError,
        r"^reinit: where has a mask at 'hidden/kernl', and no parameter is there, or below \(did "
        r"you mean 'hidden/kernel'\?\)$",
    ),
    Refused(
        "what is no parameter",
        lambda: reinit(MODEL, KEY, "normal", jax.tree.map(lambda _: True, MODEL)),
        ValueError,
        r"^reinit: where has a mask at 'activation', and no parameter is there, or below$",
    ),
    Refused(
        "an invalid regex",
        lambda: reinit(OLD, KEY, RULES, {"(a": True}),
        ValueError,
        r"^reinit: where has the invalid regular expression '\(a'",
    ),
    Refused(
        "no regex",
        lambda: reinit(OLD, KEY, RULES, {3: True}),
        TypeError,
        r"^reinit: where maps strings \(regex\) to masks; got 3$",
    ),
    Refused(
        "numbers of units",
        lambda: reinit(OLD, KEY, RULES, {"hidden/.*": np.array([1])}),
        TypeError,
        r"^reinit: where: the mask of 'hidden/\.\*' must be True, or an array of booleans; got "
        r"dtype int64$",
    ),
    Refused(
        "a list",
        lambda: reinit(OLD, KEY, RULES, {"hidden/.*": [True]}),
        TypeError,
        r"must be True, or an array of booleans; got \[True\]$",
    ),
    Refused(
        "a number",
        lambda: reinit(OLD, KEY, RULES, {"hidden": 1}),
        TypeError,
        r"^reinit: where: the mask of 'hidden' must be True, or an array of booleans; got 1$",
    ),
    Refused(
        "the wrong side",
        lambda: reinit(OLD, KEY, RULES, {"out/kernel": DEAD}),
        ValueError,
        r"^reinit: where: the mask of 'out/kernel' must broadcast to its shape \(3, 2\), from the "
        r"right as in NumPy; got \(3,\)\. .* last but one mask\[:, None\]$",
    ),
    Refused(
        "too many axes",
        lambda: reinit(OLD, KEY, RULES, {"out/bias": np.ones((1, 2), bool)}),
        ValueError,
        r"must broadcast to its shape \(2,\), from the right as in NumPy; got \(1, 2\)",
    ),
    Refused(
        "what is kept",
        lambda: reinit(OLD, KEY, [("hidden/.*", Keep()), (".*", "zeros")], True),
        ValueError,
        r"^reinit: 'hidden/bias' is named by a mask, and its rule keeps it; give it an initializer",
    ),
    Refused(
        "a shape",
        lambda: reinit(SHAPES, KEY, RULES, True),
        ValueError,
        r"^reinit: 'hidden/bias' has no value, .*cthulhu\.params\.fill initializes what is missing",
    ),
    Refused(
        "no rule",
        lambda: reinit(OLD, KEY, RULES[:1], {"hidden": True}),
        ValueError,
        r"^Rules: 2 of the parameters match no rule",
    ),
    Refused(
        "no key",
        lambda: reinit(OLD, "seed", RULES, True),  # type: ignore[call-overload]
        TypeError,
        r"^reinit: key ",
    ),
)


@each(REFUSED)
def test_refusals(refused: Refused) -> None:
    refused.check()


@pytest.mark.filterwarnings("ignore:.*float64 was asked for")
def test_double_precision_is_not_lost() -> None:
    params = {"a": np.arange(3) / 7, "b": jnp.ones(3)}
    made = reinit(params, KEY, "normal", {"b": DEAD})
    assert made["a"] is params["a"]
    with pytest.raises(
        TypeError, match=r"^reinit: 'a' is of dtype float64, and is drawn as float32"
    ):
        reinit(params, KEY, "normal", {"a": DEAD})
