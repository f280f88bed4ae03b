"""What frameworks' own layers begin with, against the frameworks."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cthulhu import recipes
from cthulhu.adapters.torch import tree
from cthulhu.audit import check
from cthulhu.params import plan
from cthulhu.recipes import Naming
from tests.recipes.against import RATE, assert_drawn_alike, assert_told

with warnings.catch_warnings():
    # What they do when they are imported is their own.
    warnings.simplefilter("ignore")
    import haiku as hk
    import keras

    torch: Any = pytest.importorskip("torch")

# Keras's variables do not take NumPy's newest argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

D, V = 64, 500


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def of_torch() -> Any:
    torch.manual_seed(0)
    modules = torch.nn
    layers = {
        "embedding": modules.Embedding(V, D),
        "conv1d": modules.Conv1d(16, D, 3),
        "grouped": modules.Conv2d(32, D, 3, groups=4),
        "depthwise": modules.Conv2d(D, D, 3, groups=D),
        "transposed": modules.ConvTranspose2d(32, D, 3, groups=2),
        "mlp": modules.Sequential(
            modules.Linear(D, 2 * D), modules.ReLU(), modules.Linear(2 * D, D)
        ),
        "bilinear": modules.Bilinear(32, 16, D),
        "attention": modules.MultiheadAttention(D, 4),
        "cross": modules.MultiheadAttention(D, 4, kdim=32, vdim=48),
        "lstm": modules.LSTM(32, D, num_layers=2),
        "gru": modules.GRU(32, D, bidirectional=True),
        "rnn": modules.RNN(32, D),
        "cell": modules.LSTMCell(32, D),
        "norm": modules.LayerNorm(D),
        "bn": modules.BatchNorm1d(D),
        "group_norm": modules.GroupNorm(4, D),
    }
    return tree(modules.ModuleDict(layers).state_dict())


def of_equinox() -> Any:
    keys = iter(jax.random.split(jax.random.key(0), 8))
    layers = {
        "embedding": eqx.nn.Embedding(V, D, key=next(keys)),
        "mlp": eqx.nn.MLP(D, 32, 2 * D, 2, key=next(keys)),
        "conv": eqx.nn.Conv2d(32, D, 3, groups=4, key=next(keys)),
        "transposed": eqx.nn.ConvTranspose2d(32, D, 3, groups=2, key=next(keys)),
        "lstm": eqx.nn.LSTMCell(32, D, key=next(keys)),
        "gru": eqx.nn.GRUCell(32, D, key=next(keys)),
        "attention": eqx.nn.MultiheadAttention(4, D, key=next(keys)),
        "norm": eqx.nn.LayerNorm(D),
        "rms_norm": eqx.nn.RMSNorm(D),
    }
    return eqx.filter(layers, eqx.is_array)


class Linen(nn.Module):
    @nn.compact
    def __call__(self, tokens: Any, image: Any) -> None:
        x = nn.Embed(V, D)(tokens)
        x = nn.LayerNorm()(nn.Dense(2 * D)(x))
        nn.MultiHeadDotProductAttention(4)(x)
        y = nn.Conv(D, (3, 3), feature_group_count=4)(image)
        y = nn.BatchNorm(use_running_average=True)(nn.ConvTranspose(32, (3, 3))(y))
        nn.GroupNorm(4)(nn.Conv(32, (3, 3), feature_group_count=32)(y))
        cells = (nn.LSTMCell, nn.OptimizedLSTMCell, nn.GRUCell, nn.MGUCell)
        for cell in cells:
            nn.RNN(cell(D))(x)


def of_linen() -> Any:
    variables = Linen().init(jax.random.key(0), jnp.zeros((1, 5), int), jnp.zeros((1, 8, 8, 32)))
    return dict(variables)


def of_nnx() -> Any:
    rngs = nnx.Rngs(0)
    layers = {
        "embed": nnx.Embed(V, D, rngs=rngs),
        "linear": nnx.Linear(D, 2 * D, rngs=rngs),
        "norm": nnx.LayerNorm(D, rngs=rngs),
        "attention": nnx.MultiHeadAttention(4, D, decode=False, rngs=rngs),
        "conv": nnx.Conv(32, D, (3, 3), feature_group_count=4, rngs=rngs),
        "transposed": nnx.ConvTranspose(32, D, (3, 3), rngs=rngs),
        "bn": nnx.BatchNorm(D, rngs=rngs),
        "lstm": nnx.LSTMCell(32, D, rngs=rngs),
        "optimized": nnx.OptimizedLSTMCell(32, D, rngs=rngs),
        "gru": nnx.GRUCell(32, D, rngs=rngs),
        "lora": nnx.LoRA(D, 8, D, rngs=rngs),
    }
    found = {}
    for name, layer in layers.items():
        state = nnx.state(layer, nnx.Any(nnx.Param, nnx.BatchStat))
        found[name] = nnx.to_pure_dict(state)
    return found


def of_keras() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(V, D)(tokens)
    x = layers.LayerNormalization()(layers.Dense(2 * D)(x))
    outputs = [layers.MultiHeadAttention(4, 16)(x, x)]
    outputs += [cell(D)(x) for cell in (layers.LSTM, layers.GRU, layers.SimpleRNN)]
    image = keras.Input((8, 8, 32))
    y = layers.BatchNormalization()(layers.Conv2D(D, 3, groups=4)(image))
    y = layers.Conv2DTranspose(32, 3)(layers.DepthwiseConv2D(3)(y))
    outputs.append(layers.GroupNormalization(4)(layers.SeparableConv2D(D, 3)(y)))
    model = keras.Model([tokens, image], outputs)
    return {one.path: np.asarray(one) for one in model.weights}


def of_haiku() -> Any:
    def forward(tokens: Any, image: Any) -> None:
        x = hk.Embed(V, D)(tokens)
        x = hk.LayerNorm(-1, create_scale=True, create_offset=True)(hk.Linear(2 * D)(x))
        hk.LSTM(D)(x[:, 0], hk.LSTM(D).initial_state(1))
        hk.GRU(D)(x[:, 0], hk.GRU(D).initial_state(1))
        y = hk.Conv2D(D, 3, feature_group_count=4)(image)
        hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9)(y, is_training=True)

    init = hk.transform_with_state(forward).init
    params, _ = init(jax.random.key(0), jnp.zeros((1, 5), int), jnp.zeros((1, 8, 8, 32)))
    return params


class Default(NamedTuple):
    """The layers of a framework, and where another's recipe differs."""

    build: Callable[[], Any]
    recipe: str
    sibling: str
    flagged: str


DEFAULTS = {
    "torch": Default(
        of_torch,
        "torch_default",
        "keras_default",
        # Keras never packs query, key and value, and counts the outputs of each.
        "table kernel kernel.bias attention.qkv attention.out recurrent.input recurrent.kernel "
        "recurrent.kernel.bias",
    ),
    "equinox": Default(
        of_equinox,
        "equinox_default",
        "keras_default",
        "table kernel kernel.bias recurrent.input recurrent.kernel recurrent.kernel.bias",
    ),
    "linen": Default(
        of_linen,
        "linen_default",
        "keras_default",
        "table kernel attention.query attention.key attention.value recurrent.input.bias",
    ),
    "nnx": Default(of_nnx, "nnx_default", "linen_default", "lora.a lora.b"),
    "keras": Default(
        of_keras,
        "keras_default",
        "linen_default",
        "table kernel attention.query attention.key attention.value attention.out "
        "recurrent.kernel.bias",
    ),
    "haiku": Default(of_haiku, "haiku_default", "linen_default", "table kernel recurrent.kernel"),
}


@pytest.fixture(scope="module", params=DEFAULTS)
def made(request: pytest.FixtureRequest) -> tuple[Default, Any]:
    """A row, and the parameters that the framework makes."""
    row = DEFAULTS[request.param]
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")
        with jax.numpy_rank_promotion("allow"):
            return row, row.build()


def named_as(recipe: str) -> Naming:
    """The naming of a framework, for the recipe of another."""
    (naming,) = (one for name, one in recipes.namings(recipe).items() if name != "roles")
    return naming


def test_a_framework_has_the_laws_of_its_recipe(made: tuple[Default, Any]) -> None:
    row, params = made
    check(params, row.recipe, rate=RATE).assert_ok()


def test_a_recipe_of_another_framework_is_told(made: tuple[Default, Any]) -> None:
    row, params = made
    assert_told(params, row.sibling, row.flagged, naming=named_as(row.recipe))


def test_the_recipe_draws_what_the_framework_draws(made: tuple[Default, Any]) -> None:
    row, params = made
    assert_drawn_alike(params, recipes.rules(row.recipe))


def test_what_torch_adds_to_keys_and_values() -> None:
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(512, 4, add_bias_kv=True)
    audit = check(tree(layer.state_dict()), "torch_default", rate=RATE)
    audit.assert_ok()
    widths = [one.expected_stddev for one in audit.leaves if one.role == "attention.bias_kv"]
    assert widths == pytest.approx([512**-0.5] * 2)


def test_a_norm_that_is_called_as_a_kernel_is_no_kernel() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(D, D), torch.nn.LayerNorm(D))
    with pytest.raises(ValueError, match=r"'1/weight' has the role 'kernel' by its name.*\(64,\)"):
        plan(tree(layers.state_dict()), recipes.rules("torch_default"))


def test_the_roles_of_a_framework_are_no_names_unless_asked_for() -> None:
    """A layer of a model may be called as a role is, and mean something else."""
    linear = torch.nn.Linear(D, 3 * D).state_dict()
    params = tree({f"layers.0.attention.qkv.{name}": one for name, one in linear.items()})
    planned = plan(params, recipes.rules("torch_default"))
    assert [leaf.role for leaf in planned.leaves] == ["kernel.bias", "kernel"]
    shapes = recipes.shapes("torch_default")
    asked = plan(shapes, recipes.rules("torch_default", naming="roles"))
    assert "attention.qkv.bias" in {leaf.role for leaf in asked.leaves}
