"""Warnings where default axes look wrong; and none where they are right."""

import functools
import re
import warnings

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from cthulhu import functional, initializers
from cthulhu.params import Keep, Rules, init_params, plan, verify
from cthulhu.trees import flatten, frame_of, join

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # What Haiku does when it is imported.
    import haiku

Spec = jax.ShapeDtypeStruct
HE, KEY = initializers.HeNormal(), jax.random.key(0)


def spec(*shape):
    return Spec(shape, np.float32)


@pytest.fixture(autouse=True)
def their_numerics():
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


WEIGHT = r"(.*[/.])?(kernel|w|\w*weight\w*|embedding|layers|blocks|experts)"


def rules_for(tree):
    """He for all that is named as a weight, zeros for the rest."""
    paths = frame_of(tree).parameters(flatten(tree)[0])
    weights = [bool(re.fullmatch(WEIGHT, join(path))) for path in paths]
    return [(WEIGHT, HE)] * any(weights) + [(".*", "zeros")] * (not all(weights))


def linear(inputs=4, outputs=8):
    return equinox.nn.Linear(inputs, outputs, key=KEY)


TURNED = {
    "Equinox": (linear, "'weight' of shape (8, 4) is", "fan_in=8 and fan_out=4", "fan_in=4"),
    "Equinox, within": (
        lambda: {"model": [linear()]},
        "'model/0/weight' of shape (8, 4) is",
        "fan_in=8 and fan_out=4",
        "fan_in=4",
    ),
    "Equinox, several": (
        lambda: equinox.nn.MLP(4, 2, 8, 1, key=KEY),
        "'layers/0/weight' of shape (8, 4) (and 1 more like it) is",
        "fan_in=8",
        "fan_in=4",
    ),
    "Equinox, convolution": (
        lambda: equinox.nn.Conv2d(4, 8, 3, key=KEY),
        "'weight' of shape (8, 4, 3, 3) is",
        "fan_in=96 and fan_out=96",
        "fan_in=36 and fan_out=72",
    ),
    "Equinox, recurrent": (
        lambda: equinox.nn.GRUCell(4, 8, key=KEY),
        "'weight_ih' of shape (24, 4) (and 1 more like it) is",
        "fan_in=24",
        "fan_in=4",
    ),
    "PyTorch": (
        lambda: {"layers.0.weight": spec(8, 4), "layers.0.bias": spec(8)},
        "'layers.0.weight' of shape (8, 4) is",
        "fan_in=8",
        "fan_in=4",
    ),
    "PyTorch, nested": (
        lambda: {"layers": {"0": {"in_proj_weight": spec(12, 4)}}},
        "'layers/0/in_proj_weight' of shape (12, 4) is",
        "fan_in=12",
        "fan_in=4",
    ),
}


def caught(function, *args, **kwargs):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    return found


def both(tree, rules, **options):
    """The one warning, or `None`, that `plan` and `init_params` agree on."""
    found = [caught(plan, tree, rules, **options), caught(init_params, 0, tree, rules, **options)]
    messages = [[str(one.message) for one in warned] for warned in found]
    assert [text.replace("plan: ", "init_params: ", 1) for text in messages[0]] == messages[1]
    assert len(messages[0]) <= 1
    for one in found[0] + found[1]:
        assert one.category is UserWarning
        assert one.filename == __file__  # That of the caller.
    return messages[0][0] if messages[0] else None


@pytest.mark.parametrize("name", TURNED)
def test_default_axes_on_a_weight_of_out_in_layout(name):
    make, *parts = TURNED[name]
    tree = make()
    message = both(tree, rules_for(tree))
    for part in ["plan: ", *parts, "layout='out_in'", "HeNormal(in_axis=1, out_axis=0)"]:
        assert part in message
    for layout in ("out_in", "in_out"):
        assert both(tree, rules_for(tree), layout=layout) is None
        assert both(tree, Rules(rules_for(tree), layout=layout)) is None
    axes = [(text, initializers.HeNormal(in_axis=1, out_axis=0)) for text, _ in rules_for(tree)[:1]]
    assert both(tree, [*axes, *rules_for(tree)[1:]]) is None


SAME_EITHER_WAY = {
    "square": ((8, 8), HE),
    "average of the fans": ((8, 4), initializers.GlorotUniform()),
    "no fans": ((8, 4), initializers.RandomNormal()),
    "vector": ((8,), HE),
    "not of this library": ((8, 4), jax.nn.initializers.he_normal()),
    "kept": ((8, 4), Keep()),
    "partial with axes": ((8, 4), functools.partial(functional.he_normal, in_axis=1, out_axis=0)),
}


@pytest.mark.parametrize("name", SAME_EITHER_WAY)
def test_no_warning_where_the_axes_make_no_difference(name):
    shape, initializer = SAME_EITHER_WAY[name]
    assert both({"weight": np.ones(shape, np.float32)}, initializer) is None


def test_a_traced_scale_hides_no_wrong_axes():
    def init(scale):
        rule = functools.partial(functional.variance_scaling, scale=scale)
        return init_params(0, {"weight": spec(8, 4)}, rule)

    (warned,) = caught(jax.jit(init), 2.0)
    assert "'weight' of shape (8, 4)" in str(warned.message)


STACKED = {
    "scan": (
        {"layers": {"kernel": spec(32, 64, 256), "bias": spec(32, 256)}, "head": spec(64, 8)},
        "'layers/kernel' of shape (32, 64, 256) looks like 32 stacked layers",
        "fan_in=2048 and fan_out=8192",
        "(64, 256) has 64 and 256",
        {"layers/.*": 0},
    ),
    "an odd name": (
        {
            "body": {"a": {"kernel": spec(3, 8, 6)}, "norm": {"scale": spec(3, 8)}},
            "head": spec(6, 2),
        },
        "'body/a/kernel' of shape (3, 8, 6) looks like 3",
        "fan_in=24",
        "has 8 and 6",
        {"body/.*": 0},
    ),
    "by name": (
        {"blocks": {"q": {"kernel": spec(12, 64, 64)}, "up": {"kernel": spec(12, 64, 256)}}},
        "'blocks/q/kernel' of shape (12, 64, 64) (and 1 more like it) looks like 12",
        "fan_in=768",
        "has 64 and 64",
        {"blocks/.*": 0},
    ),
    "one array": (
        {"layers": spec(32, 64, 64), "norm": spec(64)},
        "'layers' of shape (32, 64, 64) looks like 32",
        "fan_in=2048",
        "has 64 and 64",
        {"layers": 0},
    ),
    "experts": (
        {"router": spec(64, 8), "moe": {"experts": spec(8, 64, 32), "bias": spec(8, 32)}},
        "'moe/experts' of shape (8, 64, 32) looks like 8",
        "fan_in=512",
        "has 64 and 32",
        {"moe/.*": 0},
    ),
    "all of the model": (
        {"kernel": spec(32, 64, 256), "bias": spec(32, 256)},
        "'kernel' of shape (32, 64, 256) looks like 32",
        "fan_in=2048",
        "has 64 and 256",
        0,
    ),
}


@pytest.mark.parametrize("name", STACKED)
def test_default_axes_on_what_looks_like_stacked_layers(name):
    tree, *parts, stacked = STACKED[name]
    rules = rules_for(tree)
    message = both(tree, rules)
    for part in [*parts, f"Pass stacked={stacked}, or stacked={{}}", "HeNormal(batch_axis=0)"]:
        assert part in message
    assert both(tree, rules, stacked=stacked) is None
    assert both(tree, rules, stacked={}) is None
    assert "stacked layers" in both(tree, rules, layout="in_out")


def test_a_batch_axis_says_what_is_stacked():
    tree = {"layers": {"kernel": spec(32, 64, 256), "bias": spec(32, 256)}}
    rules = [(".*kernel", initializers.HeNormal(batch_axis=0)), (".*", "zeros")]
    assert both(tree, rules) is None


def test_a_stack_of_out_in_layers_needs_both():
    keys = jax.random.split(KEY, 6)
    tree = equinox.filter_vmap(lambda key: equinox.nn.Linear(4, 8, key=key))(keys)
    rules = [("weight", HE), ("bias", "zeros")]
    assert "'weight' of shape (6, 8, 4) looks like 6 stacked layers" in both(tree, rules)
    message = both(tree, rules, layout="out_in")
    assert "fan_in=32 and fan_out=24 are used, where a layer of shape (8, 4) has 4 and 8" in message
    assert "'weight' of shape (6, 8, 4) is named" in both(tree, rules, stacked=0)
    assert both(tree, rules, stacked=0, layout="out_in") is None


def shapes_of(module, *inputs):
    return jax.eval_shape(module.init, KEY, *inputs)["params"]


X = jnp.ones((2, 10, 64))


class Block(linen.Module):
    @linen.compact
    def __call__(self, carry, _):
        return carry + linen.Dense(64)(linen.LayerNorm()(carry)), None


class Scanned(linen.Module):
    @linen.compact
    def __call__(self, x):
        layers = linen.scan(Block, {"params": 0}, split_rngs={"params": True}, length=6)
        return layers(name="body")(x, None)[0]


def haiku_shapes(layer, *arguments):
    def forward(x):
        return layer(*arguments)(x)  # Haiku builds layers only within a transformed function.

    return jax.eval_shape(haiku.transform(forward).init, KEY, X)


RIGHT = {
    "linen attention": lambda: shapes_of(linen.MultiHeadDotProductAttention(8), X, X),
    "linen attention, no bias": lambda: shapes_of(
        linen.MultiHeadDotProductAttention(8, use_bias=False), X, X
    ),
    "linen convolution": lambda: shapes_of(linen.Conv(16, (3,)), X),
    "linen convolution, even": lambda: shapes_of(linen.Conv(16, (4,)), X),
    "linen convolutions in layers": lambda: {
        "layers": {
            "a": shapes_of(linen.Conv(16, (3,), use_bias=False), X),
            "b": shapes_of(linen.Conv(16, (3,), use_bias=False), X),
        }
    },
    "linen convolutions in numbered layers": lambda: {
        "layers": [shapes_of(linen.Conv(16, (4,), use_bias=False), X) for _ in range(2)]
    },
    "linen convolution, images": lambda: shapes_of(linen.Conv(16, (3, 3)), X[..., None]),
    "linen transposed": lambda: shapes_of(linen.ConvTranspose(16, (3,)), X),
    "linen general": lambda: shapes_of(linen.DenseGeneral((4, 8)), X),
    "linen einsum": lambda: shapes_of(linen.Einsum((64, 4, 8), "abd,dhk->abhk"), X),
    "linen recurrent": lambda: shapes_of(linen.RNN(linen.LSTMCell(7)), X),
    "linen embedding": lambda: shapes_of(linen.Embed(100, 64), jnp.ones((1, 3), np.int32)),
    "nnx linear": lambda: nnx.Linear(4, 8, rngs=nnx.Rngs(0)),
    "nnx convolution": lambda: nnx.Conv(4, 8, (3,), rngs=nnx.Rngs(0)),
    "nnx attention": lambda: nnx.MultiHeadAttention(2, 8, decode=False, rngs=nnx.Rngs(0)),
    "nnx state": lambda: nnx.state(nnx.LinearGeneral(4, (2, 8), rngs=nnx.Rngs(0)), nnx.Param),
    "haiku linear": lambda: haiku_shapes(haiku.Linear, 6),
    "haiku convolution": lambda: haiku_shapes(haiku.Conv1D, 8, 4),
    "many heads": lambda: {"layers": {"q": spec(64, 8, 8), "out": spec(8, 8, 64), "n": spec(64)}},
    "equal heads": lambda: {"norm": spec(64), "kernel": spec(64, 8, 8), "bias": spec(8, 8)},
}


@pytest.mark.parametrize("name", RIGHT)
def test_no_false_alarm(name):
    tree = RIGHT[name]()
    assert both(tree, rules_for(tree)) is None


def test_a_scanned_model_of_linen():
    tree = shapes_of(Scanned(), X[0])
    rules = [(".*/kernel", HE), (".*", "zeros")]
    assert "of shape (6, 64, 64) looks like 6 stacked layers" in both(tree, rules)
    assert both(tree, rules, stacked={"body/.*": 0}) is None


def test_verification_does_not_warn_again():
    tree = {"weight": spec(8, 4)}
    params = init_params(0, tree, HE, layout="in_out")
    assert caught(verify, params, 0, HE) == []
