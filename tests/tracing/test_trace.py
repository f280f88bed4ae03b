import functools

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cthulhu.tracing._trace import count_programs, fast_init

KEY = jax.random.key(0)


def assert_same(fast, reference):
    """The same pytree, of the same types, with the same bits."""
    assert jax.tree.structure(fast) == jax.tree.structure(reference)
    for (path, a), (_, b) in zip(
        jax.tree_util.tree_leaves_with_path(fast),
        jax.tree_util.tree_leaves_with_path(reference),
        strict=True,
    ):
        where = jax.tree_util.keystr(path)
        assert isinstance(a, jax.Array), where
        assert (a.dtype, a.shape) == (b.dtype, b.shape), where
        assert getattr(a, "weak_type", None) == getattr(b, "weak_type", None), where
        assert data(a).tobytes() == data(b).tobytes(), where


def data(array):
    is_key = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(array) if is_key else array)


def check(init_fn, *args, **kwargs):
    fast = fast_init(init_fn)
    reference = jax.jit(init_fn)(*args, **kwargs)
    assert_same(fast(*args, **kwargs), reference)
    assert_same(fast(*args, **kwargs), reference)
    return fast


class Blocks(nn.Module):
    depth: int
    width: int = 16
    remat: bool = False

    @nn.compact
    def __call__(self, tokens):
        table = nn.Embed(50, self.width)
        x = table(tokens)
        block = nn.remat(Block) if self.remat else Block
        for _ in range(self.depth):
            x = block(self.width)(x)
        return table.attend(nn.LayerNorm()(x))


class Block(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        x = x + nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(x))
        return x + nn.Dense(self.width)(nn.gelu(nn.Dense(4 * self.width)(x)))


class Convolutions(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), kernel_init=nn.initializers.he_normal())(x)
        x = nn.BatchNorm(use_running_average=False)(x)
        x = nn.ConvTranspose(8, (3, 3), dtype=jnp.float32, param_dtype=jnp.bfloat16)(x)
        return nn.DenseGeneral((3, 5), axis=(-3, -1))(x)


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.RNN(nn.LSTMCell(8))(x)


class Step(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return nn.Dense(8)(nn.LayerNorm()(x)), None


class Scanned(nn.Module):
    @nn.compact
    def __call__(self, x):
        layers = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=4)
        return layers()(x, None)[0]


class WeightNorm(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.WeightNorm(nn.Dense(8))(nn.Dense(8)(x))


class ActNorm(nn.Module):
    """Takes its scale from its first inputs."""

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(8)(x)
        scale = self.param("scale", lambda key: jax.lax.rsqrt(jnp.var(x, axis=0)))
        return nn.Dense(4)(x * scale[None])


MATRIX = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
IMAGES = np.ones((1, 8, 8, 3), np.float32)
LINEN = {
    "dense": (nn.Dense(8), MATRIX),
    "transformer": (Blocks(1), np.zeros((1, 4), np.int32)),
    "remat": (Blocks(1, remat=True), np.zeros((1, 4), np.int32)),
    "convolutions": (Convolutions(), IMAGES),
    "lstm": (Recurrent(), np.ones((2, 3, 8), np.float32)),
    "scan": (Scanned(), np.ones((2, 8), np.float32)),
    "weight norm": (WeightNorm(), MATRIX),
    "actnorm": (ActNorm(), MATRIX),
    "partitioned": (
        nn.Dense(8, kernel_init=nn.with_partitioning(nn.initializers.lecun_normal(), (None, "m"))),
        MATRIX,
    ),
}


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("name", LINEN)
def test_linen(name, raw):
    model, inputs = LINEN[name]
    check(model.init, jax.random.PRNGKey(3) if raw else KEY, inputs)


def test_a_dict_of_keys_and_keyword_arguments():
    class Noisy(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            if train:
                x = nn.Dropout(0.5, deterministic=False)(x)
            return nn.Dense(8)(x)

    keys = {"params": KEY, "dropout": jax.random.key(1)}
    fast = fast_init(Noisy().init)
    for train in (True, False):
        reference = jax.jit(functools.partial(Noisy().init, train=train))(keys, MATRIX)
        assert_same(fast(keys, MATRIX, train=train), reference)


def build_nnx(key):
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.embed = nnx.Embed(20, 8, rngs=rngs)
            self.norm = nnx.BatchNorm(8, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)
            self.layers = nnx.List([nnx.Linear(8, 8, rngs=rngs) for _ in range(3)])
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

    return nnx.state(Net(nnx.Rngs(key)))


def build_haiku(key, inputs):
    return hk.transform(lambda x: hk.nets.MLP([8, 8, 8])(hk.LayerNorm(-1, True, True)(x))).init(
        key, inputs
    )


def build_equinox(key):
    first, second = jax.random.split(key)
    model = (eqx.nn.MLP(4, 4, 8, 3, key=first), eqx.nn.GRUCell(4, 8, key=second))
    return eqx.filter(model, eqx.is_array)


def build_by_hand(key):
    first, second = jax.random.split(key)
    shared = jax.random.normal(first, (4, 4))
    stacked = jax.vmap(lambda key: jax.random.uniform(key, (3, 5)))(jax.random.split(second, 4))
    return {
        "tied": (shared, shared, shared.T),
        "stacked": stacked,
        "key": second,
        "keys": jax.random.split(second, 3),
        "raw": jax.random.key_data(first),
        "new": jax.random.key(7),
        "none": None,
        "step": 0,
        "flag": np.True_,
        "rate": 0.1,
        "weak": jnp.asarray(2.0) * 3,
        "ones": [jnp.ones((3,), jnp.bfloat16), jnp.zeros((3,)), jnp.zeros((0, 3))],
        "scalar": jax.random.normal(second),
        "captured": jnp.asarray(MATRIX),
        "positions": jnp.arange(12).reshape(3, 4),
        "permuted": jax.random.permutation(first, 10),
        "orthogonal": jax.nn.initializers.orthogonal()(first, (6, 4)),
        "bernoulli": jax.random.bernoulli(first, np.float32(0.3), (7,)),
        "integers": jax.random.randint(first, (7,), 0, 10),
        "gumbel": jax.random.gumbel(first, (7,)),
        "gamma": jax.random.gamma(first, np.float32(2), (3,)),
        "bits": jax.random.bits(first, (5, 3), jnp.uint8),
        "product": jax.random.normal(first, (5,)) * jax.random.normal(second, (5,)),
        "picked": jax.random.normal(jax.random.split(first, 5)[jnp.asarray(3)], (4,)),
    }


BUILDERS = {
    "nnx": (build_nnx, (KEY,)),
    "haiku": (build_haiku, (jax.random.PRNGKey(0), MATRIX)),
    "haiku typed": (build_haiku, (KEY, MATRIX)),
    "equinox": (build_equinox, (KEY,)),
    "by hand": (build_by_hand, (KEY,)),
    "rbg": (build_equinox, (jax.random.key(0, impl="rbg"),)),
    "linen rbg": (Blocks(1).init, (jax.random.key(0, impl="rbg"), np.zeros((1, 4), np.int32))),
    "no key": (lambda: {"a": jnp.zeros((3,)), "b": jax.random.normal(jax.random.key(3), (4,))}, ()),
    "seed": (lambda seed: jax.random.normal(jax.random.key(seed), (4,)), (7,)),
    "forwarded": (lambda key, x, n: (x, x, key, n), (KEY, MATRIX, 2.5)),
    "inputs": (lambda key, x: jax.random.normal(key, x.shape) + x, (KEY, MATRIX)),
    "inner jit": (jax.jit(build_by_hand), (KEY,)),
    "nothing": (lambda key: {}, (KEY,)),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_functions_of_all_kinds(name):
    init_fn, arguments = BUILDERS[name]
    check(init_fn, *arguments)


INITIALIZERS = {
    "normal": nn.initializers.normal(0.02),
    "uniform": nn.initializers.uniform(0.3),
    "truncated": nn.initializers.truncated_normal(0.7, lower=-1.0, upper=3.0),
    "lecun normal": nn.initializers.lecun_normal(),
    "he uniform": nn.initializers.he_uniform(),
    "glorot normal": nn.initializers.glorot_normal(),
    "untruncated": nn.initializers.variance_scaling(3.0, "fan_avg", "normal"),
    "scaled thrice": lambda *a: 1.7 * (0.3 * nn.initializers.normal(0.1)(*a)),
    "divided": lambda *a: nn.initializers.normal(0.1)(*a) / 3,
    "shifted": lambda *a: nn.initializers.normal(0.1)(*a) + 3,
    "negated": lambda *a: -nn.initializers.uniform(0.1)(*a) * 0.7,
    "bounds": lambda key, shape, dtype: jax.random.uniform(
        key, shape, dtype, np.float32(-0.3), np.float32(0.7)
    ),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "float32") for name in INITIALIZERS), ("normal", "bfloat16"), ("uniform", "float16")],
)
def test_initializers_of_many_sizes(name, dtype):
    def init_fn(key):
        keys = jax.random.split(key, 3)
        shapes = [(7, 9), (400, 333), (3, 8, 4)]
        return [
            INITIALIZERS[name](k, s, jnp.dtype(dtype)) for k, s in zip(keys, shapes, strict=True)
        ]

    check(init_fn, KEY)


def test_programs_do_not_depend_on_depth():
    counts = [
        count_programs(fast_init(Blocks(depth).init), KEY, np.zeros((1, 4), np.int32))
        for depth in (1, 3)
    ]
    assert counts[0] == counts[1] <= 3


def test_a_scale_is_no_part_of_a_program():
    def init_fn(key):
        return [jax.random.normal(key, (4, n)) * np.float32(n) for n in range(6, 12)]

    assert count_programs(fast_init(init_fn), KEY) == 1


def test_programs_are_reused_by_other_models(monkeypatch):
    from cthulhu.programs import _pool as compiled

    fast_init(Blocks(1, 8).init)(KEY, np.zeros((1, 4), np.int32))
    known = set(compiled._programs.values)
    fast_init(Blocks(2, 12).init)(jax.random.key(1), np.zeros((2, 5), np.int32))
    assert set(compiled._programs.values) == known


def test_traced_once():
    calls = []

    def init_fn(key, x):
        calls.append(None)
        return jax.random.normal(key, x.shape)

    fast = fast_init(init_fn)
    for seed in range(3):
        fast(jax.random.key(seed), MATRIX)
    assert len(calls) == 1
    fast(KEY, MATRIX[:2])
    assert len(calls) == 2


def test_buffers_can_be_donated():
    def init_fn(key):
        zeros, draw = jnp.zeros((64, 64)), jax.random.normal(key, (64, 64))
        return [zeros, zeros, jnp.zeros((64, 64)), draw, draw]

    fast = fast_init(init_fn)
    expected = jax.tree.map(np.asarray, jax.jit(init_fn)(KEY))
    overwrite = jax.jit(lambda x: x * 0 + 7, donate_argnums=0)
    leaves = fast(KEY)
    for at, leaf in enumerate(leaves):
        overwrite(leaf).block_until_ready()
        for other in range(at + 1, len(leaves)):
            np.testing.assert_array_equal(leaves[other], expected[other])
    assert_same(fast(KEY), jax.jit(init_fn)(KEY))


def test_captured_and_given_arrays_are_not_aliased():
    def init_fn(x):
        return x

    given = jnp.asarray(MATRIX)
    result = fast_init(init_fn)(given)
    result.delete()
    np.testing.assert_array_equal(given, MATRIX)


def test_static_arguments():
    def init_fn(key, activation, width_of, *, bias="zeros"):
        weights = jax.random.normal(key, (width_of["n"], 3))
        return {"w": activation(weights), "b": getattr(jnp, bias)((3,))}

    fast = fast_init(init_fn)
    for bias in ("zeros", "ones"):
        result = fast(KEY, jnp.tanh, Frozen(n=4), bias=bias)
        reference = jax.jit(lambda key, bias=bias: init_fn(key, jnp.tanh, {"n": 4}, bias=bias))
        assert_same(result, reference(KEY))
    with pytest.raises(TypeError, match="static, and must be hashable"):
        fast(KEY, jnp.tanh, Frozen(n=[4]))


class Frozen:
    def __init__(self, **fields):
        self.fields = fields

    def __getitem__(self, name):
        return self.fields[name]

    def __eq__(self, other):
        return isinstance(other, Frozen) and self.fields == other.fields

    def __hash__(self):
        return hash(tuple(self.fields.items()))


def shape_of(value):
    return jax.ShapeDtypeStruct(value.shape, value.dtype)


@pytest.mark.parametrize("name", ["dense", "transformer", "convolutions", "lstm", "scan"])
def test_shapes_are_enough_for_what_the_forward_pass_reads(name):
    model, inputs = LINEN[name]
    fast, shapes = fast_init(model.init), shape_of(inputs)
    reference = jax.jit(model.init)(KEY, inputs)
    assert_same(fast(KEY, shapes), reference)
    assert_same(jax.jit(lambda key: fast(key, shapes))(KEY), reference)
    assert_same(fast(jax.random.PRNGKey(0), shapes), reference)
    assert_same(fast_init(build_haiku)(KEY, shape_of(MATRIX)), jax.jit(build_haiku)(KEY, MATRIX))


def reads(key, scale, *more, **named):
    return {"w": jax.random.normal(key, (3,)) * scale["w"], "v": [sum(more), named]}


NEEDED = {
    "by place": (lambda spec: ((KEY, {"w": spec}), {}), r"argument scale\['w'\] is a"),
    "by name": (lambda spec: ((KEY,), {"scale": {"w": spec}}), r"argument scale\['w'\] is a"),
    "beyond the names": (lambda spec: ((KEY, {"w": 1.0}, spec), {}), r"argument args\[2\] is a"),
    "further names": (lambda spec: ((KEY, {"w": 1.0}), {"b": spec}), "argument b is a"),
    "the key": (lambda spec: ((shape_of(KEY), {"w": 1.0}), {}), "argument key is a"),
}


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("inside", [False, True])
def test_a_shape_where_values_are_needed_is_named(name, inside):
    args, message = NEEDED[name]
    args, named = args(jax.ShapeDtypeStruct((), np.float32))
    fast = fast_init(reads)
    with pytest.raises(TypeError, match=f"fast_init: the {message} jax.ShapeDtypeStruct"):
        jax.jit(lambda: fast(*args, **named))() if inside else fast(*args, **named)


def test_an_initialization_from_data_needs_the_data():
    model, inputs = LINEN["actnorm"]
    with pytest.raises(TypeError, match=r"the argument args\[1\] is a jax.ShapeDtypeStruct"):
        fast_init(model.init)(KEY, shape_of(inputs))


def test_inside_other_transformations():
    init_fn = nn.Dense(4).init
    fast = fast_init(init_fn)
    assert_same(jax.jit(fast)(KEY, MATRIX), jax.jit(init_fn)(KEY, MATRIX))
    assert jax.eval_shape(fast, KEY, MATRIX) == jax.eval_shape(init_fn, KEY, MATRIX)
    stacked = jax.jit(jax.vmap(fast, (0, None)))(jax.random.split(KEY, 2), MATRIX)
    assert jax.tree.leaves(stacked)[0].shape[0] == 2


def test_settings_that_change_the_stream():
    init_fn = nn.Dense(4).init
    fast = fast_init(init_fn)
    kernels = []
    for partitionable in (True, False):
        with jax.threefry_partitionable(partitionable):
            result = fast(KEY, MATRIX)
            assert_same(result, jax.jit(init_fn)(KEY, MATRIX))
            kernels.append(result["params"]["kernel"])
    assert not np.array_equal(*kernels)


def test_float64():
    with jax.enable_x64(True):
        check(lambda key: jax.random.normal(key, (300,), jnp.float64) * np.float64(0.1), KEY)


def test_results_lie_where_the_arguments_are_committed():
    device = jax.devices()[-1]
    key = jax.device_put(KEY, device)
    result = fast_init(build_nnx)(key)
    assert_same(result, jax.jit(build_nnx)(KEY))
    assert all(leaf.devices() == {device} for leaf in jax.tree.leaves(result))


def test_wrapped_like_the_original():
    fast = fast_init(build_by_hand)
    assert fast.__name__ == "build_by_hand"
    assert fast.__wrapped__ is build_by_hand


@pytest.mark.parametrize(
    ("init_fn", "error", "message"),
    [
        (lambda key: jax.debug.print("{}", 1) or key, ValueError, "must have no side effects"),
        (
            lambda key: jax.experimental.io_callback(lambda: np.int32(1), jnp.int32(0)),
            ValueError,
            "must have no side effects",
        ),
        (lambda key: {"a": jnp.tanh}, TypeError, r"at result\['a'\]"),
        (lambda key: {"a": "relu"}, TypeError, "got 'relu' of type str"),
        (lambda key: jax.random.normal(jax.random.split(key), (3,)), ValueError, "single key"),
    ],
    ids=["print", "callback", "function", "string", "batch of keys"],
)
def test_errors(init_fn, error, message):
    with pytest.raises(error, match=message):
        fast_init(init_fn)(KEY)


def test_errors_of_the_wrapper():
    with pytest.raises(TypeError, match="must be a function"):
        fast_init({"w": 1})
    with pytest.raises(TypeError, match="what fast_init returned"):
        count_programs(build_by_hand, KEY)


def test_an_error_leaves_nothing_behind():
    fast = fast_init(lambda key, good: (jax.random.normal(key, (3,)), 0 if good else jnp.tanh))
    with pytest.raises(TypeError):
        fast(KEY, False)
    fast(KEY, True)


@pytest.mark.parametrize("name", ["nnx", "equinox", "by hand"])
def test_many_threads(name):
    from concurrent.futures import ThreadPoolExecutor

    init_fn, arguments = BUILDERS[name]
    fast = fast_init(init_fn)
    reference = jax.jit(init_fn)(*arguments)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: fast(*arguments), range(8)):
            assert_same(result, reference)
