"""Optimizers: each parameter has its own learning rate and ε, and the decay is that of the base."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from optax import contrib

from cthulhu import mup
from cthulhu.mup import CompleteP, Shapes, UMuP, infer
from cthulhu.trees import flatten, join
from cthulhu.usage import Usage
from tests.cases import same_bits
from tests.mup.models import leaf, mlp, shapes, spec, transformer
from tests.refusals import Refused, each


@pytest.fixture(autouse=True)
def _as_optax_promotes() -> Iterator[None]:
    """Optax raises numbers to the power of a count, which strict promotion refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield


RATE, DECAY, STEPS = 0.3, 0.1, 2


def by_path(tree: Any) -> dict[str, Any]:
    paths, leaves, _ = flatten(tree)
    return dict(zip(map(join, paths), leaves, strict=True))


def drawn(tree: Any, seed: int) -> Any:
    """Normal values for every leaf of a tree."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda one: jnp.asarray(rng.normal(size=one.shape), one.dtype), tree)


def updates_of(tx: Any, params: Any, steps: int = STEPS, jit: bool = True) -> list[Any]:
    """The updates of some steps, of gradients that do not depend on the parameters."""
    update = jax.jit(tx.update) if jit else tx.update
    state, found = tx.init(params), []
    for step in range(steps):
        updates, state = update(drawn(params, step), state, params)
        params = optax.apply_updates(params, updates)
        found.append(updates)
    return found


def assert_same(ours: list[Any], theirs: list[Any], exactly: bool = True, **near: float) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert jax.tree.structure(mine) == jax.tree.structure(other)
        for path, value in by_path(mine).items():
            if exactly:
                same_bits(value, by_path(other)[path])
            else:
                np.testing.assert_allclose(value, by_path(other)[path], err_msg=path, **near)


SCHEDULE = optax.linear_schedule(1.0, 0.1, 4)

SAME: dict[str, tuple[Any, Any, Any]] = {
    "adam": (mup.adam, optax.adam, {"b1": 0.8, "b2": 0.9, "eps_root": 1e-3, "nesterov": True}),
    "adamw": (mup.adamw, optax.adamw, {}),
    "adamw, bfloat16": (mup.adamw, optax.adamw, {"mu_dtype": jnp.bfloat16, "weight_decay": 0.1}),
    "lion": (mup.lion, optax.lion, {"b1": 0.8}),
    "sgd": (mup.sgd, optax.sgd, {}),
    "sgd, momentum": (mup.sgd, optax.sgd, {"momentum": 0.9, "nesterov": True}),
}
WIDE, BASE = shapes(8, 192), shapes(2, 32, delta=transformer(4, 64))
PARAMS, BASE_PARAMS = drawn(transformer(8, 192), 7), drawn(transformer(2, 32), 7)
KINDS: dict[str, Any] = {
    "mup": "mup",
    "spectral": "spectral",
    "completep": CompleteP(4.0, 0.5),
    "umup": UMuP(6),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "mup") for name in SAME), ("adamw", "completep"), ("sgd", "spectral")],
)
def test_as_wide_as_the_base_it_is_the_optimizer_of_optax_to_the_bit(name: str, kind: Any) -> None:
    ours, theirs, options = SAME[name]
    made = ours(RATE, BASE, kind=kind, **options), theirs(RATE, **options)
    assert_same(*(updates_of(tx, BASE_PARAMS) for tx in made))


# Each optimizer once more in NumPy, for one parameter: its state, and (state, gradient, step) to
# an update, before learning rates and decay.


def adam(state: Any, gradient: Any, step: int, eps: float) -> Any:
    first, second = 0.9 * state[0] + 0.1 * gradient, 0.999 * state[1] + 0.001 * gradient**2
    unbiased = first / (1 - 0.9**step), second / (1 - 0.999**step)
    return (first, second), unbiased[0] / (np.sqrt(unbiased[1]) + eps)


def lion(state: Any, gradient: Any, step: int, eps: float) -> Any:
    moment = 0.99 * state[0] + 0.01 * gradient
    return (moment, state[1]), np.sign(0.9 * state[0] + 0.1 * gradient)


def momentum(state: Any, gradient: Any, step: int, eps: float) -> Any:
    moment = 0.5 * state[0] + gradient
    return (moment, state[1]), moment


class Written(NamedTuple):
    """An optimizer of this package, and what it does."""

    make: Callable[..., Any]
    rule: Callable[..., Any]
    column: str
    decay: float = 0.0
    options: Any = None


WRITTEN = {
    "adam": Written(mup.adam, adam, "adam", options={"eps": 0.5}),
    "adamw": Written(mup.adamw, adam, "adam", DECAY, {"eps": 0.5}),
    "lion": Written(mup.lion, lion, "adam", DECAY),
    "sgd": Written(mup.sgd, momentum, "sgd", options={"momentum": 0.5}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRITTEN)
def test_each_parameter_has_its_own_rate_and_epsilon(name: str, kind: str) -> None:
    one = WRITTEN[name]
    if (one.column, kind) == ("sgd", "completep"):
        return
    options = {**(one.options or {}), **({"weight_decay": one.decay} if one.decay else {})}
    found = updates_of(one.make(RATE, WIDE, kind=KINDS[kind], **options), PARAMS)
    for path, multipliers in WIDE.multipliers(KINDS[kind]).items():
        value = np.asarray(by_path(PARAMS)[path], np.float64)
        state = np.zeros_like(value), np.zeros_like(value)
        for step, updates in enumerate(found):
            gradient = np.asarray(by_path(drawn(PARAMS, step))[path], np.float64)
            state, update = one.rule(state, gradient, step + 1, 0.5 * multipliers.eps)
            decay = one.decay * multipliers.decay
            expected = -RATE * (getattr(multipliers, one.column) * update + decay * value)
            np.testing.assert_allclose(
                by_path(updates)[path], expected, rtol=1e-4, atol=1e-5, err_msg=path
            )
            value = value + expected


@pytest.mark.parametrize("column", ["adam", "sgd"])
def test_scale_multiplies_by_the_column(column: str) -> None:
    tx = mup.scale(WIDE, column)
    state = tx.init(PARAMS)
    assert jax.tree.leaves(state) == []
    ones = jax.tree.map(np.ones_like, PARAMS)
    updates, _ = jax.jit(tx.update)(ones, state)
    found = {path: float(jnp.ravel(one)[0]) for path, one in by_path(updates).items()}
    expected = {path: getattr(one, column) for path, one in WIDE.multipliers().items()}
    assert found == pytest.approx(expected)


COLUMNS = {
    **dict.fromkeys(["adamw", "lion", "rmsprop", "adagrad", "adafactor", "nadam"], "adam"),
    "momentum": "sgd",
}


@pytest.mark.parametrize("optimizer", COLUMNS)
def test_optimizers_take_the_column_of_their_kin(optimizer: str) -> None:
    ones = jax.tree.map(np.ones_like, PARAMS)
    ours, theirs = (mup.scale(WIDE, name) for name in (optimizer, COLUMNS[optimizer]))
    assert_same([ours.update(ones, ours.init(PARAMS))[0]], [theirs.update(ones, ())[0]])


def test_the_factor_by_one_is_the_same_object() -> None:
    updates, _ = mup.scale(WIDE).update(PARAMS, ())
    assert updates["embed"] is PARAMS["embed"]
    assert updates["head"]["bias"] is PARAMS["head"]["bias"]


def test_narrow_and_complex_types_stay() -> None:
    known = infer({"w": spec(8, 8)}, {"w": spec(32, 32)})
    for dtype in (jnp.bfloat16, jnp.complex64, jnp.float16):
        updates, _ = mup.scale(known).update({"w": jnp.ones((32, 32), dtype)}, ())
        assert updates["w"].dtype == dtype
        assert complex(updates["w"][0, 0]) == 0.25


def test_as_many_states_as_there_are_epsilons() -> None:
    state = mup.adam(RATE, WIDE).init(PARAMS)
    assert set(state[0].inner_states) == {"eps * 1", "eps * 0.25"}
    plain = mup.adam(RATE, BASE).init(BASE_PARAMS)
    assert jax.tree.structure(plain[0]) == jax.tree.structure(
        optax.scale_by_adam().init(BASE_PARAMS)
    )


def test_the_decay_is_that_of_the_base_at_every_width() -> None:
    """Without gradients only the decay is left: learning rate times λ times the parameter."""
    still = jax.tree.map(np.zeros_like, PARAMS)
    for make in (mup.adamw, mup.lion):
        tx = make(RATE, WIDE, weight_decay=DECAY)
        updates, _ = jax.jit(tx.update)(still, tx.init(PARAMS), PARAMS)
        for path, value in by_path(updates).items():
            np.testing.assert_allclose(value, -RATE * DECAY * by_path(PARAMS)[path], rtol=1e-6)


def test_in_complete_p_it_follows_the_learning_rate_of_the_depth() -> None:
    """λ · m_N of a rate η · m_L^(α-1) / m_N, as in nanoGPT-mup."""
    still = jax.tree.map(np.zeros_like, PARAMS)
    tx = mup.adamw(RATE, WIDE, weight_decay=DECAY, kind=CompleteP(4.0, 0.5))
    updates, _ = jax.jit(tx.update)(still, tx.init(PARAMS), PARAMS)
    ratio = {path: value / by_path(PARAMS)[path] for path, value in by_path(updates).items()}
    np.testing.assert_allclose(ratio["embed"], -RATE * DECAY, rtol=1e-5)
    np.testing.assert_allclose(ratio["blocks/query"], -RATE * DECAY / 2, rtol=1e-5)
    np.testing.assert_allclose(ratio["blocks/norm"], -RATE * DECAY / 2, rtol=1e-5)


def test_biases_and_norms_need_not_decay() -> None:
    still = jax.tree.map(np.zeros_like, PARAMS)
    mask = jax.tree.map(lambda _: True, PARAMS)
    mask["final_norm"] = False
    tx = mup.adamw(RATE, WIDE, weight_decay=DECAY, mask=mask)
    updates = by_path(jax.jit(tx.update)(still, tx.init(PARAMS), PARAMS)[0])
    assert not updates["final_norm"].any()
    assert updates["embed"].any()


def test_a_learning_rate_may_be_a_schedule_or_traced() -> None:
    ours = updates_of(mup.adamw(SCHEDULE, WIDE), PARAMS)
    fixed = updates_of(mup.adamw(1.0, WIDE), PARAMS)
    np.testing.assert_allclose(ours[0]["embed"], fixed[0]["embed"] * SCHEDULE(0), rtol=1e-6)

    @jax.jit
    def one_step(rate: jax.Array) -> Any:
        tx = mup.adamw(rate, WIDE, eps=rate)
        return tx.update(drawn(PARAMS, 0), tx.init(PARAMS), PARAMS)[0]

    plain = updates_of(mup.adamw(RATE, WIDE, eps=RATE), PARAMS, 1)
    assert_same([one_step(jnp.float32(RATE))], plain, exactly=False, rtol=1e-5, atol=1e-7)


# The one whose parts are those of all others, and the one that has further parts.
ALL = {"adamw": mup.adamw, "muon": mup.muon}


@pytest.mark.parametrize("name", ALL)
def test_hyperparameters_may_be_injected(name: str) -> None:
    static = ("ns_steps",) if name == "muon" else ()
    injected = optax.inject_hyperparams(ALL[name], static)(learning_rate=SCHEDULE, shapes=WIDE)
    plain = ALL[name](SCHEDULE, WIDE)
    assert_same(
        *(updates_of(tx, PARAMS) for tx in (injected, plain)), exactly=False, rtol=1e-4, atol=1e-6
    )
    assert float(injected.init(PARAMS).hyperparams["learning_rate"]) == 1.0


@pytest.mark.parametrize("name", ALL)
def test_gradients_may_be_accumulated(name: str) -> None:
    tx = ALL[name](RATE, WIDE)
    every = optax.MultiSteps(tx, 2)
    state = every.init(PARAMS)
    gradients = drawn(PARAMS, 0)
    first, state = jax.jit(every.update)(gradients, state, PARAMS)
    assert not any(one.any() for one in jax.tree.leaves(first))
    second, state = jax.jit(every.update)(gradients, state, PARAMS)
    expected, _ = jax.jit(tx.update)(gradients, tx.init(PARAMS), PARAMS)
    assert_same([second], [expected], exactly=False, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_what_is_masked_passes(name: str) -> None:
    mask = jax.tree.map(lambda _: True, PARAMS)
    mask["embed"] = mask["blocks"]["out"] = False
    tx = ALL[name](RATE, WIDE)
    masked = updates_of(optax.masked(tx, mask), PARAMS, 1)
    expected = updates_of(tx, PARAMS, 1)
    expected[0]["embed"] = drawn(PARAMS, 0)["embed"]
    expected[0]["blocks"]["out"] = drawn(PARAMS, 0)["blocks"]["out"]
    assert_same(masked, expected, exactly=False, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_what_is_frozen_passes(name: str) -> None:
    labels = jax.tree.map(lambda _: "train", PARAMS)
    labels["embed"] = "freeze"
    parts = {"train": ALL[name](RATE, WIDE), "freeze": optax.set_to_zero()}
    (found,) = updates_of(optax.partition(parts, labels), PARAMS, 1)
    assert not found["embed"].any()
    assert found["blocks"]["out"].any()


def test_what_is_none_passes() -> None:
    params = {**PARAMS, "embed": None}
    for make in ALL.values():
        tx = make(RATE, WIDE)
        gradients = {**drawn(PARAMS, 0), "embed": None}
        updates, _ = jax.jit(tx.update)(gradients, tx.init(params), params)
        assert updates["embed"] is None
        assert updates["final_norm"].any()


def test_it_chains_under_jit() -> None:
    tx = optax.chain(optax.clip_by_global_norm(1.0), mup.sgd(RATE, WIDE))
    (found,) = updates_of(tx, PARAMS, 1)
    norm = optax.tree.norm(jax.tree.map(lambda one: one / RATE, found))
    assert 1.0 < norm < 6.0  # The largest multiplier; without clipping it would be 200.


class Module(nnx.Module):
    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(6, width, rngs=rngs)
        self.middle = nnx.Linear(width, width, rngs=rngs)
        self.last = nnx.Linear(width, 4, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(nnx.relu(self.middle(nnx.relu(self.first(x)))))


@pytest.mark.parametrize("name", ALL)
def test_a_model_of_nnx_is_trained(name: str) -> None:
    model, base = Module(24, nnx.Rngs(0)), Module(8, nnx.Rngs(0))
    known = infer(*(nnx.state(one, nnx.Param) for one in (base, model)), layout="in_out")
    optimizer = nnx.Optimizer(model, ALL[name](0.01, known), wrt=nnx.Param)
    plain, before = mlp_values(model), model.middle.kernel[...]

    @nnx.jit
    def step(model: Any, optimizer: Any) -> None:
        gradients = nnx.grad(lambda model: jnp.mean(model(jnp.ones((2, 6))) ** 2))(model)
        optimizer.update(model, gradients)

    step(model, optimizer)
    assert bool((model.middle.kernel[...] != before).any())
    # A dict of the same values goes the same way.
    tx = ALL[name](0.01, infer(mlp(8), mlp(24), layout="in_out"))
    loss = lambda params: jnp.mean(applied(params, jnp.ones((2, 6))) ** 2)  # noqa: E731
    updates, _ = jax.jit(tx.update)(jax.grad(loss)(plain), tx.init(plain), plain)
    for path, value in by_path(optax.apply_updates(plain, updates)).items():
        np.testing.assert_allclose(
            by_path(mlp_values(model))[path], value, rtol=1e-4, atol=1e-5, err_msg=path
        )


def mlp_values(model: Any) -> dict[str, Any]:
    parts = {name: getattr(model, name) for name in ("first", "middle", "last")}
    return {name: {"kernel": one.kernel[...], "bias": one.bias[...]} for name, one in parts.items()}


def applied(params: Any, x: jax.Array) -> jax.Array:
    for name in ("first", "middle", "last"):
        x = x @ params[name]["kernel"] + params[name]["bias"][None]
        x = x if name == "last" else jax.nn.relu(x)
    return x


@pytest.mark.parametrize("name", ALL)
def test_a_module_of_equinox_is_trained(name: str) -> None:
    base, model = (eqx.nn.MLP(6, 4, width, 2, key=jax.random.key(0)) for width in (8, 24))
    tx = ALL[name](0.01, infer(base, model, layout="out_in"))
    state = tx.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model: Any, state: Any) -> Any:
        gradients = eqx.filter_grad(lambda model: jnp.mean(model(jnp.ones(6)) ** 2))(model)
        updates, state = tx.update(gradients, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates)

    found = step(model, state)
    assert bool((found.layers[1].weight != model.layers[1].weight).any())
    assert found.activation is model.activation


def test_what_is_no_array_passes() -> None:
    known = infer({"w": spec(8, 8)}, {"w": spec(32, 32)})
    updates = {"w": np.ones((32, 32), np.float32), "name": "text"}
    assert mup.scale(known).update(updates, ())[0]["name"] == "text"


# Muon.

DIMENSIONS = {
    "blocks/out": contrib.MuonDimensionNumbers((1, 2), (3,)),
    "blocks/query": contrib.MuonDimensionNumbers((1,), (2, 3)),
    "blocks/up/kernel": contrib.MuonDimensionNumbers((1,), (2,)),
}


def dimensions(params: Any) -> Any:
    paths, _, structure = flatten(params)
    return jax.tree.unflatten(structure, [DIMENSIONS.get(join(path)) for path in paths])


@pytest.mark.parametrize("rms", [None, 0.2])
def test_as_wide_as_the_base_muon_is_that_of_optax(rms: float | None) -> None:
    options: Any = {"weight_decay": DECAY, "adam_weight_decay": 0.2, "consistent_rms": rms}
    ours = mup.muon(RATE, BASE, **options)
    numbers = dimensions(BASE_PARAMS)
    theirs = contrib.muon(RATE, muon_weight_dimension_numbers=numbers, **options)
    assert_same(
        *(updates_of(tx, BASE_PARAMS) for tx in (ours, theirs)),
        exactly=False,
        **{"rtol": 1e-5, "atol": 1e-6},
    )


@pytest.mark.parametrize("rms", [None, 0.2])
def test_the_norm_of_an_orthogonal_update_goes_with_the_shape(rms: float | None) -> None:
    """Of a kernel (64, 192), beside (16, 32): √(192/64) over √(32/16) times as large."""
    still = mup.muon(1.0, WIDE, consistent_rms=rms, ns_steps=12, ns_coeffs=(2.0, -1.5, 0.5))
    base = mup.muon(1.0, BASE, consistent_rms=rms, ns_steps=12, ns_coeffs=(2.0, -1.5, 0.5))
    norms = {}
    for name, tx, params in (("wide", still, PARAMS), ("base", base, BASE_PARAMS)):
        (found,) = updates_of(tx, params, 1)
        up, query = found["blocks"]["up"]["kernel"], found["blocks"]["query"]
        norms[name] = [
            float(jnp.linalg.norm(one, 2)) for one in (up[1], query[1].reshape(len(query[1]), -1))
        ]
    ratios = [wide / base for wide, base in zip(norms["wide"], norms["base"], strict=True)]
    assert ratios == pytest.approx([(3 / 2) ** 0.5, 1.0], rel=0.02)


def test_muon_leaves_the_rest_to_adam_with_its_rates() -> None:
    ours = updates_of(mup.muon(RATE, WIDE, adam_learning_rate=0.7), PARAMS)
    theirs = updates_of(mup.adamw(0.7, WIDE, weight_decay=0.0, nesterov=True), PARAMS)
    for mine, other in zip(ours, theirs, strict=True):
        for path in set(by_path(mine)) - set(DIMENSIONS):
            np.testing.assert_allclose(by_path(mine)[path], by_path(other)[path], rtol=1e-6)


def test_muon_has_the_learning_rate_of_the_depth() -> None:
    plain = updates_of(mup.muon(RATE, WIDE), PARAMS, 1)[0]
    still = updates_of(mup.muon(RATE, WIDE, kind=CompleteP(4.0, 0.5)), PARAMS, 1)[0]
    np.testing.assert_allclose(
        still["blocks"]["query"], plain["blocks"]["query"] / 2, rtol=1e-5, atol=1e-7
    )


def test_the_field_of_a_convolution_goes_with_the_inputs() -> None:
    tree = lambda width: {"w": spec(3, 3, width, 2 * width)}  # noqa: E731
    known = Usage((leaf("w", (3, 3, 4, 8), "kernel", inputs=(2,), outputs=(3,)),))
    params = drawn(tree(8), 0)
    ours = mup.muon(RATE, infer(tree(4), tree(8), known))
    numbers = {"w": contrib.MuonDimensionNumbers((0, 1, 2), (3,))}
    theirs = contrib.muon(RATE, muon_weight_dimension_numbers=numbers)
    assert_same(
        *(updates_of(tx, params) for tx in (ours, theirs)),
        exactly=False,
        **{"rtol": 1e-5, "atol": 1e-6},
    )


GROUPED = Usage((leaf("w", (3, 8, 16), "kernel", inputs=(1,), outputs=(2,), groups=4),))
NO_USAGE = infer({"w": spec(8, 8)}, {"w": spec(32, 32)})

REFUSED = [
    Refused(
        "another tree, at the start",
        lambda: mup.scale(WIDE).init({"embed": {"kernel": np.ones(2)}}),
        ValueError,
        r"^mup\.scale: the tree is not that of shapes: 1 of its parameters differ:\n"
        r"  embed/kernel: not among them \(did you mean 'head/kernel'\?\)\n"
        r"Pass to mup\.infer, as target, the very tree that is trained$",
    ),
    Refused(
        "another width, at a step",
        lambda: mup.scale(WIDE).update({"embed": np.ones((40, 8))}, ()),
        ValueError,
        r"\n  embed: of shape \(40, 8\), and they have \(40, 64\)\n",
    ),
    Refused(
        "another tree of Adam's",
        lambda: mup.adam(RATE, WIDE).init({"w": np.ones(2)}),
        ValueError,
        r"^mup\.adam: the tree is not that of shapes",
    ),
    Refused(
        "another tree of Muon's",
        lambda: mup.muon(RATE, WIDE).init({"w": np.ones(2)}),
        ValueError,
        r"^mup\.muon: the tree is not that of shapes",
    ),
    Refused(
        "a state of Adam's at another width, and so with other ε",
        lambda: mup.adam(RATE, WIDE).update(PARAMS, mup.adam(RATE, BASE).init(BASE_PARAMS)),
        ValueError,
        r"^mup\.adam: the state is not that of these shapes: it has another structure\. .* "
        r"make it with init\(params\)",
    ),
    Refused(
        "a state of another width",
        lambda: mup.sgd(RATE, WIDE, 0.9).update(
            PARAMS, mup.sgd(RATE, BASE, 0.9).init(BASE_PARAMS), PARAMS
        ),
        ValueError,
        r"^mup\.sgd: the state is not that of these shapes: \[0\]\.trace\['blocks'\]\['norm'\] "
        r"has shape \(3, 16\) in place of \(3, 64\)\.",
    ),
    Refused(
        "a state of another optimizer",
        lambda: mup.muon(RATE, WIDE).update(PARAMS, mup.adam(RATE, WIDE).init(PARAMS), PARAMS),
        ValueError,
        r"^mup\.muon: the state is not that of these shapes: it has another structure\.",
    ),
    Refused(
        "no parameters where the decay needs them, of which the state is not to blame",
        lambda: mup.adamw(RATE, WIDE).update(PARAMS, mup.adamw(RATE, WIDE).init(PARAMS)),
        ValueError,
        r"params",
    ),
    Refused(
        "an unknown optimizer",
        lambda: mup.scale(WIDE, "admw"),
        ValueError,
        r"^mup\.scale: optimizer must be one of .*; got 'admw' \(did you mean 'adamw'\?\)$",
    ),
    Refused(
        "an unknown kind",
        lambda: mup.adamw(RATE, WIDE, kind="mum"),  # type: ignore[arg-type]
        ValueError,
        r"^mup\.adamw: kind must be one of 'mup', 'completep', 'spectral', 'umup'; got 'mum'",
    ),
    Refused(
        "SGD in CompleteP",
        lambda: mup.sgd(RATE, WIDE, kind="completep"),
        ValueError,
        r"^mup\.sgd: kind 'completep' has no rule for sgd$",
    ),
    Refused(
        "Muon in u-muP",
        lambda: mup.muon(RATE, WIDE, kind="umup"),
        ValueError,
        r"^mup\.muon: kind 'umup' has no rule for muon$",
    ),
    Refused(
        "Muon without what is hidden",
        lambda: mup.muon(RATE, shapes(2, 32)),
        ValueError,
        r"^mup\.muon: no parameter is hidden\. .* pass delta to mup\.infer",
    ),
    Refused(
        "Muon of groups",
        lambda: mup.muon(RATE, infer({"w": spec(3, 8, 16)}, {"w": spec(3, 16, 32)}, GROUPED)),
        ValueError,
        r"^mup\.muon: no parameter is hidden",
    ),
    Refused(
        "Muon without axes",
        lambda: mup.muon(RATE, NO_USAGE),
        ValueError,
        r"^mup\.muon: the axes of 'w' are not known; pass usage or layout to mup\.infer$",
    ),
]


@each(REFUSED)
def test_what_does_not_fit_is_refused(refused: Refused) -> None:
    refused.check()


def test_shapes_may_be_a_static_argument() -> None:
    @functools.partial(jax.jit, static_argnums=1)
    def scaled(updates: Any, known: Shapes) -> Any:
        return mup.scale(known).update(updates, ())[0]

    again = Shapes.from_json(WIDE.to_json())
    first, second = scaled(PARAMS, WIDE), scaled(PARAMS, again)
    assert_same([first], [second])
    assert scaled._cache_size() == 1
