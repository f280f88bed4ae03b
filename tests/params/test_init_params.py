"""Whole models by rules: the values are those of each leaf alone, wherever they lie."""

import functools
import gc
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from cthulhu import functional, initializers
from cthulhu.params import Keep, Rules, init_params, plan
from cthulhu.random import fold_path
from cthulhu.trees import flatten, join
from tests.cases import ALL, KEY, by_id, same_bits

Spec = jax.ShapeDtypeStruct

TREE = {
    "embed": Spec((48, 16), np.float32),
    "dense": {"kernel": Spec((16, 24), np.float32), "bias": Spec((24,), np.float32)},
    "layers": {"kernel": Spec((4, 16, 8), np.float32), "scale": Spec((4, 16), np.float32)},
    "head": Spec((16, 8), jnp.bfloat16),
}
RULES = Rules(
    [
        ("embed", initializers.RandomNormal(stddev=0.02)),
        (".*/bias", "zeros"),
        (".*/scale", "ones"),
        ("dense/kernel", "orthogonal"),
        ("layers/kernel", "he_normal"),
        ("head", "glorot_uniform"),
    ]
)
STACKED = {"layers/.*": 0}


@functools.cache
def unsharded():
    return init_params(KEY, TREE, RULES, stacked=STACKED)


def mesh(kind=AxisType.Auto, shape=(4, 2)):
    return jax.make_mesh(shape, ("x", "y"), axis_types=(kind,) * 2)


def by_path(tree):
    paths, leaves, _ = flatten(tree)
    return dict(zip(map(join, paths), leaves, strict=True))


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_each_leaf_is_what_its_initializer_makes(case):
    params = init_params(KEY, {"a": {"w": Spec(case.shape, np.float32)}}, [(".*", case.instance())])
    same_bits(params["a"]["w"], case.init(fold_path(KEY, ("a", "w")), case.shape))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (2**17 + 5,), (3, 2**16), (7, 5, 3)])
@pytest.mark.parametrize("name", ["random_normal", "random_uniform", "truncated_normal"])
def test_shapes(name, shape):
    value = init_params(KEY, {"w": Spec(shape, np.float32)}, [("w", name)])["w"]
    same_bits(value, getattr(functional, name)(fold_path(KEY, ("w",)), shape))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (jnp.bfloat16, "he_normal"),
        (np.float16, "random_uniform"),
        (jnp.float8_e4m3fn, "truncated_normal"),
        (jnp.float8_e5m2, "orthogonal"),
        (np.complex64, "glorot_normal"),
        (np.int32, "zeros"),
        (np.int8, "ones"),
        (np.bool_, "ones"),
        (jnp.bfloat16, "ones"),
    ],
)
def test_dtypes(dtype, name):
    value = init_params(KEY, {"w": Spec((24, 16), dtype)}, [("w", name)])["w"]
    same_bits(value, getattr(functional, name)(fold_path(KEY, ("w",)), (24, 16), dtype))


def test_double_precision():
    def make():
        with jax.enable_x64(True):
            spec = Spec((40, 30), np.float64)
            return (
                init_params(KEY, {"w": spec}, [("w", "he_normal")])["w"],
                functional.he_normal(fold_path(KEY, ("w",)), (40, 30), np.float64),
            )

    value, expected = make()
    assert value.dtype == np.float64
    same_bits(value, expected)


def half(key, shape, dtype):
    return jnp.full(shape, 0.5, np.float32) + jax.random.uniform(key, shape)


@pytest.mark.parametrize(
    "initializer",
    [
        functional.he_normal,
        functools.partial(functional.he_normal, in_axis=1, out_axis=0),
        functools.partial(functools.partial(functional.random_normal, stddev=3.0), mean=2.0),
        jax.nn.initializers.lecun_normal(),
        half,
        functools.partial(half),
    ],
    ids=["function", "partial", "partial of a partial", "jax.nn", "custom", "custom partial"],
)
def test_callables(initializer):
    value = init_params(KEY, {"w": Spec((24, 16), np.float32)}, [("w", initializer)])["w"]
    key = jax.random.wrap_key_data(jax.random.key_data(fold_path(KEY, ("w",))))
    same_bits(value, jax.jit(lambda key: initializer(key, (24, 16), jnp.dtype("float32")))(key))


def test_a_custom_callable_is_cast_to_the_type_of_the_leaf():
    value = init_params(KEY, {"w": Spec((3, 4), jnp.bfloat16)}, [("w", half)])["w"]
    assert value.dtype == jnp.bfloat16


def test_under_jit_and_vmap():
    run = functools.partial(init_params, tree=TREE, rules=RULES, stacked=STACKED)
    jax.tree.map(same_bits, jax.jit(run)(KEY), unsharded())
    keys = jax.random.split(KEY, 2)
    rules = [("w", "random_normal")]
    stack = jax.vmap(lambda key: init_params(key, {"w": Spec((3,), np.float32)}, rules))(keys)
    for key, row in zip(keys, stack["w"], strict=True):
        same_bits(row, init_params(key, {"w": Spec((3,), np.float32)}, rules)["w"])


STACKS = {
    "first": ((5, 24, 16), 0, "he_normal"),
    "last": ((24, 16, 5), -1, "he_normal"),
    "middle": ((24, 5, 16), 1, "glorot_uniform"),
    "matrices": ((5, 24, 16), 0, "orthogonal"),
    "vectors": ((5, 16), 0, "random_normal"),
    "scalars": ((5,), 0, "random_normal"),
    "fills": ((5, 16), 0, "ones"),
    "no layers": ((0, 16), 0, "random_normal"),
    "custom": ((16, 5, 4), 1, half),
}


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("by_regex", [False, True], ids=["axis", "mapping"])
def test_stacked_layers_are_those_of_single_layers(name, by_regex):
    shape, axis, initializer = STACKS[name]
    stacked = {"layers/.*": axis} if by_regex else axis
    tree = {"layers": {"w": Spec(shape, np.float32)}}
    value = init_params(KEY, tree, [(".*", initializer)], stacked=stacked)["layers"]["w"]
    assert value.shape == shape
    single = initializers.get(initializer)
    layer_shape = np.delete(shape, axis).tolist()
    for layer in range(shape[axis]):
        key = jax.random.fold_in(fold_path(KEY, ("layers", "w")), layer)
        expected = single(key, tuple(layer_shape), jnp.dtype("float32"))
        same_bits(np.take(np.asarray(value), layer, axis), expected)


def test_fans_of_stacked_layers_are_those_of_one_layer():
    tree = {"layers": Spec((6, 400, 100), np.float32), "alone": Spec((400, 100), np.float32)}
    planned = plan(tree, [(".*", "lecun_normal")], stacked={"layers": 0})
    assert [(row.fan_in, row.fan_out, row.stddev) for row in planned.rows] == [(400, 100, 0.05)] * 2
    layers = np.asarray(planned.run(KEY)["layers"])
    assert layers.std(axis=(1, 2)) == pytest.approx(0.05, rel=0.02)


def test_of_overlapping_stacks_the_first_counts():
    tree = {"a": Spec((3, 4, 5), np.float32), "b": Spec((4, 3, 5), np.float32)}
    planned = plan(tree, [(".*", "he_normal")], stacked={"b": 1, ".*": 0})
    assert [leaf.layers for leaf in planned.leaves] == [3, 3]


LAYOUTS = [
    (kind, shape, spec)
    for kind in (AxisType.Auto, AxisType.Explicit)
    for shape, spec in [
        ((4, 2), P()),
        ((4, 2), P("x")),
        ((4, 2), P("y")),
        ((4, 2), P(("x", "y"))),
        ((8, 1), P("x")),
        ((2, 4), P("x")),
        ((2, 2), P(("y", "x"))),
    ]
]
# Each leaf in a layout of its own.
SPECS = {
    "embed": P(("x", "y")),
    "dense": {"kernel": P("y", "x"), "bias": P("x")},
    "layers": {"kernel": P(None, "x", "y"), "scale": P("x", "y")},
    "head": P(None, ("x", "y")),
}


@pytest.mark.parametrize(("kind", "shape", "spec"), LAYOUTS)
def test_a_sharding_changes_no_value(kind, shape, spec):
    sharding = NamedSharding(mesh(kind, shape), spec)
    tree = {name: TREE[name] for name in ("embed", "dense", "head")}
    rules = [
        rule
        for rule in RULES.rules
        if "/scale" not in rule.pattern and "layers" not in rule.pattern
    ]
    params = init_params(KEY, tree, rules, shardings=sharding)
    for path, leaf in by_path(params).items():
        same_bits(leaf, by_path(unsharded())[path])
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("how", ["shardings", "leaves", "bare", "jit"])
def test_each_leaf_has_the_layout_asked_for(kind, how):
    devices = mesh(kind)
    shardings = jax.tree.map(lambda spec: NamedSharding(devices, spec), SPECS)
    if how == "leaves":
        tree = jax.tree.map(
            lambda leaf, sharding: Spec(leaf.shape, leaf.dtype, sharding=sharding), TREE, shardings
        )
        params = init_params(KEY, tree, RULES, stacked=STACKED)
    elif how == "bare":
        with jax.set_mesh(devices):
            params = init_params(KEY, TREE, RULES, stacked=STACKED, shardings=SPECS)
    elif how == "jit":
        with jax.set_mesh(devices):
            run = functools.partial(
                init_params, tree=TREE, rules=RULES, stacked=STACKED, shardings=shardings
            )
            params = jax.jit(run)(KEY)
    else:
        params = init_params(KEY, TREE, RULES, stacked=STACKED, shardings=shardings)
    jax.tree.map(same_bits, params, unsharded())
    for leaf, sharding in zip(jax.tree.leaves(params), jax.tree.leaves(shardings), strict=True):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)


def test_a_prefix_of_shardings():
    devices = mesh()
    everywhere, rows = NamedSharding(devices, P()), NamedSharding(devices, P("x"))
    shardings = {"embed": rows, "dense": everywhere, "layers": None, "head": None}
    params = init_params(KEY, TREE, RULES, stacked=STACKED, shardings=shardings)
    jax.tree.map(same_bits, params, unsharded())
    assert params["embed"].sharding == rows
    assert {leaf.sharding for leaf in params["dense"].values()} == {everywhere}
    assert len(params["layers"]["kernel"].sharding.device_set) == 1


def test_another_device():
    sharding = SingleDeviceSharding(jax.devices()[3])
    params = init_params(KEY, TREE, RULES, stacked=STACKED, shardings=sharding)
    jax.tree.map(same_bits, params, unsharded())
    assert {leaf.device for leaf in jax.tree.leaves(params)} == {jax.devices()[3]}


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_a_mesh_in_use_changes_no_value(kind):
    with jax.set_mesh(mesh(kind)):
        params = init_params(KEY, TREE, RULES, stacked=STACKED)
    jax.tree.map(same_bits, params, unsharded())


def test_each_device_holds_its_share_alone():
    devices = mesh()
    before = {id(array) for array in jax.live_arrays()}
    shardings = jax.tree.map(lambda spec: NamedSharding(devices, spec), SPECS)
    params = init_params(KEY, TREE, RULES, stacked=STACKED, shardings=shardings)
    held = dict.fromkeys(jax.devices(), 0)
    for array in jax.live_arrays():
        if id(array) not in before:
            for shard in array.addressable_shards:
                held[shard.device] += shard.data.nbytes
    share = sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(params)
    )
    total = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    assert total / 8 <= share < total / 7
    assert max(held.values()) <= 1.1 * share


def test_keep():
    trained = {
        "body": {"kernel": jnp.full((3, 4), 7.0), "key": jax.random.key(3)},
        "head": {"kernel": np.full((4, 2), 7, np.float32)},
        "frozen": np.arange(3),
    }
    rules = [("head/.*", "he_normal"), (".*", Keep())]
    params = init_params(KEY, trained, rules)
    assert params["body"]["kernel"] is trained["body"]["kernel"]
    assert params["body"]["key"] is trained["body"]["key"]
    assert params["frozen"] is trained["frozen"]
    same_bits(
        params["head"]["kernel"], functional.he_normal(fold_path(KEY, ("head", "kernel")), (4, 2))
    )
    again = jax.jit(lambda key: init_params(key, trained, rules)["head"]["kernel"])(KEY)
    same_bits(again, params["head"]["kernel"])


def test_kept_parameters_go_to_the_layout_asked_for():
    sharding = NamedSharding(mesh(), P("x"))
    kept = init_params(KEY, {"a": jnp.arange(8.0)}, [("a", Keep())], shardings=sharding)["a"]
    assert kept.sharding == sharding
    same_bits(kept, np.arange(8, dtype=np.float32))


def test_parameters_own_their_memory():
    tree = {name: Spec((8,), np.float32) for name in "abc"}
    first = init_params(KEY, tree, [("a|b", "zeros"), ("c", "normal")])
    second = init_params(KEY, tree, [("a|b", "zeros"), ("c", "normal")])
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    jax.tree.map(add, first)
    jax.tree.map(same_bits, second, init_params(KEY, tree, [("a|b", "zeros"), ("c", "normal")]))


def test_progress(capsys):
    params = init_params(KEY, TREE, RULES, stacked=STACKED, progress=True)
    jax.tree.map(same_bits, params, unsharded())
    assert capsys.readouterr().err == ""
    init_params(KEY, TREE, RULES, stacked=STACKED)
    assert capsys.readouterr() == ("", "")


def resnet50():
    """The parameters of a ResNet-50: 53 convolutions of 23 shapes, and a classifier."""
    tree = {"stem": {"conv": (7, 7, 3, 64), "norm": {"scale": (64,), "bias": (64,)}}}
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            shapes = {"conv_0": (1, 1, inputs, width), "conv_1": (3, 3, width, width)}
            shapes["conv_2"] = (1, 1, width, 4 * width)
            if block == 0:
                shapes["conv_proj"] = (1, 1, inputs, 4 * width)
            for name, shape in list(shapes.items()):
                norm = name.replace("conv", "norm")
                shapes[norm] = {"scale": shape[-1:], "bias": shape[-1:]}
            tree[f"stage_{stage}/block_{block}"] = shapes
            inputs = 4 * width
    tree["head"] = {"kernel": (2048, 1000), "bias": (1000,)}
    return jax.tree.map(
        lambda shape: Spec(shape, np.float32), tree, is_leaf=lambda leaf: isinstance(leaf, tuple)
    )


RESNET_RULES = [
    (".*conv.*", initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")),
    (".*scale", "ones"),
    (".*bias", "zeros"),
    ("head/kernel", "lecun_normal"),
]


class Compilations:
    """Counts what XLA compiles."""

    def __init__(self):
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self.hear)

    def hear(self, event, duration, **_):
        self.count += event == "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compilations():
    listener = Compilations()
    yield listener
    jax.monitoring.unregister_event_duration_listener(listener.hear)


def test_a_resnet_compiles_few_programs(compilations):
    tree = resnet50()
    assert len(jax.tree.leaves(tree)) == 161
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree)) == 25_557_032
    planned = plan(tree, RESNET_RULES)
    assert planned.programs <= 2
    jax.clear_caches()
    params = planned.run(KEY)
    assert compilations.count <= 8
    kernel = params["stage_3/block_2"]["conv_1"]
    assert float(kernel.std()) == pytest.approx(math.sqrt(2 / (9 * 512)), rel=0.01)
    compilations.count = 0
    planned.run(KEY)
    assert compilations.count == 0


def test_many_small_leaves_have_smaller_blocks():
    tree = {str(number): Spec((7, 3), np.float32) for number in range(200)}
    planned = plan({**tree, "large": Spec((300, 200), np.float32)}, [(".*", "random_normal")])
    assert planned.programs == 2
    params = planned.run(KEY)
    for name in ("0", "199"):
        same_bits(params[name], functional.random_normal(fold_path(KEY, (name,)), (7, 3)))
    alone = plan({"7": tree["7"]}, [(".*", "random_normal")])
    same_bits(alone.run(KEY)["7"], params["7"])


def raises(key, shape, dtype):
    raise RuntimeError("from within")


def flat(key, shape, dtype):
    return jnp.zeros(math.prod(shape), dtype)


X = Spec((6, 4), np.float32)
ERRORS = {
    "unmatched": ({"a": X}, [], {}, ValueError, "match no rule.*\n  a\n"),
    "not an array": ({"a": {"b": 1.0}}, [(".*", "zeros")], {}, TypeError, "the leaf 'a/b' must be"),
    "kept spec": ({"a": X}, [("a", Keep())], {}, ValueError, "'a' is to be kept, but has no value"),
    "integers": (
        {"a": Spec((2,), np.int32)},
        [("a", "normal")],
        {},
        TypeError,
        "'a': .*dtype must be a floating",
    ),
    "keys": (
        {"a": jax.random.key(0)},
        [("a", "normal")],
        {},
        TypeError,
        r"'a' holds PRNG keys.*Keep\(\)",
    ),
    "rank": (
        {"a": Spec((2,), np.float32)},
        [("a", "orthogonal")],
        {},
        ValueError,
        "'a': orthogonal",
    ),
    "rank, partial": (
        {"a": Spec((2,), np.float32)},
        [("a", functools.partial(functional.orthogonal, gain=2.0))],
        {},
        ValueError,
        "'a': orthogonal",
    ),
    "stack axis": (
        {"a": X},
        [("a", "normal")],
        {"stacked": 2},
        ValueError,
        "'a': stacked must name",
    ),
    "stack of scalars": (
        {"a": Spec((), np.float32)},
        [("a", "normal")],
        {"stacked": 0},
        ValueError,
        "'a': stacked must name",
    ),
    "stack type": (
        {"a": X},
        [("a", "normal")],
        {"stacked": ["a"]},
        TypeError,
        "stacked must be an",
    ),
    "stack, no match": (
        {"a": X},
        [("a", "normal")],
        {"stacked": {"b": 0}},
        ValueError,
        "stacked names 'b', which matches no parameter",
    ),
    "stack key": (
        {"a": X},
        [("a", "normal")],
        {"stacked": {0: 0}},
        TypeError,
        "stacked maps strings",
    ),
    "stack regex": (
        {"a": X},
        [("a", "normal")],
        {"stacked": {"(": 0}},
        ValueError,
        r"invalid regular expression '\(': .*at position 0",
    ),
    "no mesh": (
        {"a": X},
        [("a", "normal")],
        {"shardings": P("x")},
        ValueError,
        "no mesh is in use",
    ),
    "raises": ({"a": X, "b": X}, [("a", "normal"), ("b", raises)], {}, RuntimeError, "from within"),
    "shape": (
        {"a": X, "b": X},
        [("a", "normal"), ("b", flat)],
        {},
        ValueError,
        r"'b' was asked for shape \(6, 4\), and it returned an array of shape \(24,\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_leave_nothing_done(name):
    tree, rules, options, error, message = ERRORS[name]
    before = len(jax.live_arrays())
    with pytest.raises(error, match=f"(?s){message}") as caught:
        init_params(KEY, tree, rules, **options)
    del caught
    gc.collect()
    assert len(jax.live_arrays()) <= before


ORDERS = {
    "tree, rules, key": ({"a": X}, [("a", "zeros")], KEY),
    "tree, rules, seed": ({"a": X}, "zeros", 0),
    "tree, key, rules": ({"a": X}, KEY, [("a", "zeros")]),
    "rules, key, tree": ([("a", "zeros")], jax.random.PRNGKey(0), {"a": X}),
}


@pytest.mark.parametrize("name", ORDERS)
def test_the_key_comes_first(name):
    message = r"init_params: the key comes first: init_params\(key, tree, rules\); got (dict|list)"
    with pytest.raises(TypeError, match=message):
        init_params(*ORDERS[name])


def test_the_key_may_be_a_seed_of_numpy_or_traced():
    for key in (np.int64(0), jax.random.PRNGKey(0)):
        same_bits(
            init_params(key, {"a": X}, "normal")["a"], init_params(0, {"a": X}, "normal")["a"]
        )
    raw = {"a": np.zeros((6, 4), np.uint32)}
    assert jax.jit(lambda key: init_params(key, raw, "ones"))(KEY)["a"].all()


def test_a_sharding_that_does_not_divide_names_the_path():
    tree = {"a": Spec((8, 4), np.float32), "b": {"kernel": Spec((6, 4), np.float32)}}
    with pytest.raises(ValueError, match=r"b.*kernel.*must divide its shape \(6, 4\)"):
        init_params(0, tree, [(".*", "normal")], shardings=NamedSharding(mesh(), P("x")))


def test_shardings_of_another_tree():
    with pytest.raises(ValueError, match=r"init_params: .*prefix"):
        init_params(0, {"a": X}, [(".*", "normal")], shardings={"b": None})


def test_an_error_of_a_custom_callable_names_its_path():
    with pytest.raises(RuntimeError) as caught:
        init_params(0, {"deep": {"b": X}}, [(".*", raises)])
    assert "This is from the initializer of 'deep/b'." in caught.value.__notes__
