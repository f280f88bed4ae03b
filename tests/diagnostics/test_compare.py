"""`compare`: one function with several initializers, and what each of them makes of it."""

import json
from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, init_params, initializers, plan, recipes
from cthulhu.diagnostics import Comparison, Signal, _signal, compare, signal
from cthulhu.initializers import HeNormal, RandomNormal
from cthulhu.params import Keep, Rules

KEY = jax.random.key(3)
X = jax.random.normal(jax.random.key(1), (6, 8))
IDS = jnp.array([[0, 2, 1], [3, 4, 4]])


def shape(*sizes: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


TREE = {"in": {"kernel": shape(8, 16), "bias": shape(16)}, "out": {"kernel": shape(16, 4)}}


def apply(p: Any, x: Any) -> Any:
    h = jax.nn.relu(x @ p["in"]["kernel"] + p["in"]["bias"][None])
    return h @ p["out"]["kernel"]


def filled(value: float) -> Any:
    return jax.tree.map(lambda one: jnp.full(one.shape, value), TREE)


RULES = [(".*/kernel", "lecun_normal"), (".*/bias", "ones")]
HE = [(".*/kernel", "he_normal"), (".*/bias", "zeros")]

# What is compared, and the rules that make the same, or the parameters themselves.
KINDS: dict[str, tuple[Any, Any]] = {
    "a name": ("he_normal", HE),
    "a class": (HeNormal, HE),
    "an instance": (HeNormal(), HE),
    "a function": (functional.he_normal, HE),
    "a function of JAX": (
        jax.nn.initializers.normal(0.1),
        [(".*/kernel", RandomNormal(stddev=0.1)), (".*", "zeros")],
    ),
    "a config": ({"class_name": "HeNormal", "config": {}}, HE),
    "rules": (RULES, RULES),
    "rules of a mapping": (dict(RULES), RULES),
    "rules that are made": (Rules(RULES), RULES),
    "a plan": (plan(TREE, RULES), RULES),
    "a tree": (filled(0.5), filled(0.5)),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_compared_is_what_it_makes(name: str) -> None:
    given, made = KINDS[name]
    params = init_params(KEY, TREE, made) if isinstance(made, list) else made
    (found,) = compare(apply, TREE, X, initializers={"it": given}, key=KEY).values()
    assert found == signal(apply, params, X)


def test_an_initializer_leaves_all_but_kernels_as_they_are() -> None:
    found = compare(apply, filled(-0.2), X, initializers={"it": "he_normal"}, key=KEY)["it"]
    rules = [(".*/kernel", "he_normal"), (".*", Keep())]
    assert found == signal(apply, init_params(KEY, filled(-0.2), rules), X)
    assert found != compare(apply, TREE, X, initializers={"it": "he_normal"}, key=KEY)["it"]


class Model(nn.Module):
    """A parameter of each role that can be told."""

    @nn.compact
    def __call__(self, ids: Any) -> Any:
        x = nn.Embed(5, 8, name="table")(ids)
        token = self.param("token", nn.initializers.ones, (1, 1, 8))
        x = jnp.concatenate([jnp.tile(token, (ids.shape[0], 1, 1)), x], axis=1)
        x = x + nn.MultiHeadDotProductAttention(2, name="attention")(nn.LayerNorm(name="norm")(x))
        return nn.Conv(6, (3,), name="conv")(x)


def test_parameters_without_values_are_those_of_no_surprise() -> None:
    """And the fans of kernels are those of their use, heads and taps among them."""
    model = Model()
    shapes = jax.eval_shape(model.init, jax.random.key(0), IDS)["params"]
    shapes["unused"] = shape(3)

    def fn(p: Any, ids: Any) -> Any:
        return model.apply({"params": {name: p[name] for name in p if name != "unused"}}, ids)

    found = compare(fn, shapes, IDS, initializers={"it": "lecun_normal"}, key=KEY)["it"]
    qkv = initializers.LecunNormal(in_axis=0, out_axis=(1, 2))
    out = initializers.LecunNormal(in_axis=(0, 1), out_axis=2)
    rules = [
        ("attention/(query|key|value)/kernel", qkv),
        ("attention/out/kernel", out),
        ("conv/kernel", "lecun_normal"),
        ("norm/scale", "ones"),
        ("table/embedding", RandomNormal(stddev=1.0)),
        (".*", "zeros"),
    ]
    assert found == signal(fn, init_params(KEY, shapes, rules, stacked={}), IDS)
    assert found["table/embedding"].rms == pytest.approx(1.0, rel=0.5)
    assert [row.path for row in found.streams] == ["x + attention/out/kernel"]


def test_stacked_layers_are_drawn_one_by_one() -> None:
    tree = {"layers": shape(3, 8, 8)}

    def looped(p: Any, x: Any) -> Any:
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, p["layers"])[0]

    (found,) = compare(looped, tree, X, initializers=["glorot_normal"], key=KEY).values()
    params = init_params(KEY, tree, "glorot_normal", stacked=0)
    assert found == signal(looped, params, X)


SIZES = {"layers": 1, "width": 8, "hidden": 16, "heads": 2, "vocabulary": 5, "positions": 3}


def test_a_recipe_makes_all_parameters() -> None:
    tree = recipes.shapes("gpt2", **SIZES)

    def fn(p: Any, ids: Any) -> Any:
        mlp = p["layers"]["0"]["mlp"]
        x = p["embedding"]["table"][ids] + p["position"]["table"]
        return x + jax.nn.gelu(x @ mlp["in"]["kernel"] + mlp["in"]["bias"]) @ mlp["out"]["kernel"]

    with jax.numpy_rank_promotion("allow"):
        found = compare(
            fn,
            tree,
            IDS,
            initializers={"name": "gpt2", "it": recipes.get("gpt2", stddev=0.5)},
            key=KEY,
        )
        params = init_params(KEY, tree, recipes.rules("gpt2"))
        assert found["name"] == signal(fn, params, IDS)
        assert found["it"]["embedding/table"].rms > 10 * found["name"]["embedding/table"].rms


def test_an_equinox_module_is_compared() -> None:
    model = eqx.nn.MLP(8, 4, 16, 1, key=KEY)

    def fn(p: Any, x: Any) -> Any:
        return jax.vmap(p)(x)

    chosen: Any = {"he": "he_normal", "mine": model}
    found = compare(fn, model, X, initializers=chosen, key=KEY)
    assert found["mine"] == signal(fn, model, X)
    # The kernels lie (out, in), and biases stay.
    std = float(np.sqrt(2 / 8))
    assert found["he"].leaves[0].rms == pytest.approx(std * np.sqrt(8), rel=0.3)


def test_it_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = {"fn": 0, "run": 0}

    def fn(p: Any, x: Any) -> Any:
        traced["fn"] += 1
        return apply(p, x)

    def counting(*arguments: Any) -> Any:
        run = measuring(*arguments)

        def counted(*given: Any) -> Any:
            traced["run"] += 1
            return run(*given)

        return counted

    measuring = _signal.measuring
    monkeypatch.setattr(_signal, "measuring", counting)
    chosen: Any = {"he": "he_normal", "rules": RULES, "tree": filled(0.1), "lecun": "lecun_normal"}
    found = compare(fn, TREE, X, initializers=chosen, key=KEY)
    assert traced == {"fn": 1, "run": 1}
    assert list(found) == ["he", "rules", "tree", "lecun"]


def test_the_key_is_the_same_for_all() -> None:
    chosen = {"one": "he_normal", "two": HeNormal(), "three": "lecun_normal"}
    found = compare(apply, TREE, X, initializers=chosen, key=7)
    assert found["one"] == found["two"] != found["three"]
    assert found == compare(apply, TREE, X, initializers=chosen, key=jax.random.key(7))
    assert found != compare(apply, TREE, X, initializers=chosen, key=8)
    # LeCun's law is He's, divided by √2: of the same draws.
    ratio = found["one"].leaves[0].rms / found["three"].leaves[0].rms
    assert ratio == pytest.approx(np.sqrt(2), rel=1e-5)


def test_a_comparison_is_data() -> None:
    found = compare(apply, TREE, X, initializers=["he_normal", "lecun_normal"], key=0)
    assert Comparison.from_json(found.to_json()) == found
    assert len(found) == 2
    assert all(isinstance(one, Signal) for one in found.values())
    with pytest.raises(KeyError, match=r"no initializer 'he_norml' \(did you mean 'he_normal'"):
        found["he_norml"]
    with pytest.raises(ValueError, match=r"Comparison.from_json: text must be what"):
        Comparison.from_json(json.dumps({"signal": []}))
    table = str(found)
    for name in ("he_normal", "lecun_", "normal", "rms", "gradient", "in/kernel", "2 rows"):
        assert name in table
    assert found._grid().names[3:] == ["lecun_\nnormal\nrms", "lecun_\nnormal\ngradient"]
    assert f"{found['he_normal']['in/kernel'].rms:.4g}" in table
    assert (
        repr(found) == "<Comparison of he_normal: <Signal: 2 rows>, lecun_normal: <Signal: 2 rows>>"
    )
    forward = compare(apply, TREE, X, initializers=["he_normal"], key=0, backward=False)
    assert "gradient" not in str(forward)


def only(**options: Any) -> Callable[[], Any]:
    given = {"initializers": ["he_normal"], "key": 0, **options}
    return lambda: compare(given.pop("fn", apply), given.pop("params", TREE), X, **given)


def opaque(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["w"]) @ jnp.linalg.qr(p["q"])[0]


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "none": (only(initializers={}), ValueError, r"^compare: initializers is empty"),
    "one alone": (
        only(initializers="he_normal"),
        TypeError,
        r"^compare: initializers must be a mapping of names to initializers.*got 'he_normal'",
    ),
    "others without names": (
        only(initializers=[HeNormal()]),
        TypeError,
        r"^compare: initializers without names must be names themselves",
    ),
    "an unknown name": (
        only(initializers=["he_norml"]),
        ValueError,
        r"^compare: 'he_norml'.*did you mean 'he_normal'",
    ),
    "rules that lack some": (
        only(initializers={"mine": [(".*/kernel", "zeros")]}),
        ValueError,
        r"^compare: 'mine': .*match no rule",
    ),
    "another tree": (
        only(initializers={"mine": {"w": jnp.ones(3)}}),
        TypeError,
        r"^compare: 'mine' is a tree of .*, and params is one of",
    ),
    "another shape": (
        only(initializers={"mine": {**filled(0.0), "out": {"kernel": jnp.ones((4, 16))}}}),
        TypeError,
        r"^compare: 'mine' has 'out/kernel' as float32\[4, 16\], and params as float32\[16, 4\]",
    ),
    "another type": (
        only(initializers={"mine": jax.tree.map(lambda one: one.astype("bfloat16"), filled(0.0))}),
        TypeError,
        r"^compare: 'mine' has 'in/bias' as bfloat16\[16\], and params as float32\[16\]",
    ),
    "a tree of shapes": (
        only(initializers={"mine": TREE}),
        TypeError,
        r"^compare: 'mine' has no values: 'in/bias' is a jax.ShapeDtypeStruct",
    ),
    "no role": (
        only(fn=opaque, params={"w": shape(8, 8), "q": shape(8, 8)}),
        ValueError,
        r"^compare: 'he_normal': what 1 parameter without values is for.*as 'q'; pass",
    ),
    "what signal refuses": (
        only(fn=lambda p, x: x),
        ValueError,
        r"^compare: .*uses none of the parameters",
    ),
    "no key": (only(key=None), TypeError, r"^compare: 'he_normal': .*key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        call()
