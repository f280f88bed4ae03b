"""Roles and ratios of parameters, with usage and without; what is ambiguous is refused."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cthulhu import mup, usage
from cthulhu.mup import LeafShape, Shapes, infer
from cthulhu.usage import LeafUsage, Usage
from tests.mup.models import leaf, mlp, shapes, spec, transformer
from tests.refusals import Refused, each

Found = tuple[str, float, float]  # The role, m_in, m_out.


def found(known: Shapes) -> dict[str, Found]:
    return {one.path: (one.role, one.m_in, one.m_out) for one in known}


# From 16 to 64, and from 32 to 192 hidden units.
TRANSFORMER: dict[str, Found] = {
    "blocks/norm": ("input", 1, 4),
    "blocks/out": ("hidden", 4, 4),
    "blocks/query": ("hidden", 4, 4),
    "blocks/up/bias": ("input", 1, 6),
    "blocks/up/kernel": ("hidden", 4, 6),
    "embed": ("input", 1, 4),
    "final_norm": ("input", 1, 4),
    "head/bias": ("scalar", 1, 1),
    "head/kernel": ("output", 4, 1),
    "temperature": ("scalar", 1, 1),
}


def test_usage_tells_the_role_of_every_parameter() -> None:
    assert found(shapes(8, 192)) == TRANSFORMER


def test_the_axes_that_grow_are_those_of_usage() -> None:
    known = shapes(8, 192)
    assert {one.path: one.infinite for one in known if one.infinite} == {
        "blocks/norm": (1,),
        "blocks/out": (1, 3),
        "blocks/query": (1, 2),
        "blocks/up/bias": (1,),
        "blocks/up/kernel": (1, 2),
        "embed": (1,),
        "final_norm": (0,),
        "head/kernel": (0,),
    }
    assert known["blocks/out"].apart == known["blocks/out"].stacked == (0,)
    assert one((5, 8, 8), (5, 16, 16), stacked=0).stacked == (0,)
    assert known["blocks/out"].law_shape == (3, 2, 8, 16)
    assert [known[path].ninf for path in ("embed", "blocks/out", "temperature")] == [1, 2, 0]


def one(base: Any, target: Any, use: LeafUsage | None = None, **options: Any) -> LeafShape:
    """What is found of a parameter of these shapes."""
    known = None if use is None else Usage((use,))
    (only,) = infer({"w": spec(*base)}, {"w": spec(*target)}, known, **options)
    return only


def used(shape: tuple[int, ...], role: Any, tied: bool = False, **axes: Any) -> LeafUsage:
    return leaf("w", shape, role, tied, **axes)


IN_OUT = {"inputs": (0,), "outputs": (1,)}
OUT_IN = {"inputs": (1,), "outputs": (0,)}
CONV = {"inputs": (2,), "outputs": (3,)}

ROLES: dict[str, tuple[Callable[[], LeafShape], Found]] = {
    "layers and experts do not count": (
        partial(
            one,
            (3, 5, 8, 8),
            (6, 7, 16, 24),
            used((3, 5, 8, 8), "kernel", inputs=(2,), outputs=(3,), batch=(1,), stacked=(0,)),
        ),
        ("hidden", 2, 3),
    ),
    "nor does a receptive field": (
        partial(one, (3, 3, 4, 8), (5, 5, 8, 8), used((3, 3, 4, 8), "kernel", **CONV)),
        ("output", 2, 1),
    ),
    "a depthwise kernel is an input": (
        partial(one, (3, 3, 1, 8), (3, 3, 1, 32), used((3, 3, 1, 8), "kernel", groups=8, **CONV)),
        ("input", 1, 4),
    ),
    "groups that stay": (
        partial(one, (3, 3, 2, 8), (3, 3, 8, 32), used((3, 3, 2, 8), "kernel", groups=4, **CONV)),
        ("hidden", 4, 4),
    ),
    "rows of a table do not count": (
        partial(one, (50, 8), (99, 16), used((50, 8), "table", **IN_OUT)),
        ("input", 1, 2),
    ),
    "a table with more rows alone": (
        partial(one, (50, 8), (99, 8), used((50, 8), "table", **IN_OUT)),
        ("scalar", 1, 1),
    ),
    "a readout (out, in)": (
        partial(one, (10, 8), (10, 16), used((10, 8), "kernel", **OUT_IN)),
        ("output", 2, 1),
    ),
    "a bias of two axes": (
        partial(one, (2, 8), (4, 24), used((2, 8), "bias", outputs=(0, 1))),
        ("input", 1, 6),
    ),
    "a token": (partial(one, (1, 8), (1, 16), used((1, 8), "token")), ("input", 1, 2)),
    "tied": (
        partial(one, (50, 8), (50, 16), used((50, 8), "table", tied=True, **IN_OUT)),
        ("tied", 2, 2),
    ),
    "a kernel in both directions": (
        partial(one, (8, 8), (16, 16), used((8, 8), "kernel", tied=True, **IN_OUT)),
        ("hidden", 2, 2),
    ),
    "nothing of an unused one grows": (
        partial(one, (8,), (8,), used((8,), "unused")),
        ("scalar", 1, 1),
    ),
    "an unused one, said": (
        partial(one, (8,), (16,), used((8,), "unused"), roles={"w": "scalar"}),
        ("scalar", 1, 1),
    ),
    "an opaque one, said": (
        partial(one, (8, 4), (16, 4), used((8, 4), "opaque"), roles={"w": "output"}),
        ("output", 2, 1),
    ),
    "a product of axes": (
        partial(
            one, (8, 2, 4), (16, 4, 12), used((8, 2, 4), "kernel", inputs=(0,), outputs=(1, 2))
        ),
        ("hidden", 2, 6),
    ),
    "without usage, a vector": (partial(one, (8,), (16,)), ("input", 1, 2)),
    "without usage, a stack of vectors": (
        partial(one, (3, 8), (3, 16), stacked=0),
        ("input", 1, 2),
    ),
    "without usage, a square": (partial(one, (8, 8), (16, 16)), ("hidden", 2, 2)),
    "in_out": (partial(one, (8, 4), (16, 8), layout="in_out"), ("hidden", 2, 2)),
    "in_out, outputs": (partial(one, (8, 4), (8, 8), layout="in_out"), ("input", 1, 2)),
    "in_out, inputs": (partial(one, (8, 4), (16, 4), layout="in_out"), ("output", 2, 1)),
    "out_in, outputs": (partial(one, (8, 4), (16, 4), layout="out_in"), ("input", 1, 2)),
    "out_in, a convolution": (
        partial(one, (8, 4, 3, 3), (8, 8, 3, 3), layout="out_in"),
        ("output", 2, 1),
    ),
    "out_in, stacked": (
        partial(one, (3, 8, 4), (6, 8, 8), layout="out_in", stacked={"w": 0}),
        ("output", 2, 1),
    ),
    "said to be an input": (partial(one, (8, 4), (8, 8), roles={"w": "input"}), ("input", 1, 2)),
    "said to be an output": (partial(one, (8, 4), (8, 8), roles={"w": "output"}), ("output", 2, 1)),
    "said to be an output, of two axes that grow": (
        partial(one, (2, 4), (4, 12), layout="in_out", roles={"w": "output"}),
        ("output", 2, 1),
    ),
    "said to be tied": (partial(one, (8, 4), (8, 8), roles={".*": "tied"}), ("tied", 2, 2)),
    "said, against the layout": (
        partial(one, (2, 4), (4, 12), layout="in_out", roles={"w": "input"}),
        ("input", 1, 3),
    ),
    "the first pattern wins": (
        partial(one, (8, 4), (8, 8), roles={"w": "input", ".*": "output"}),
        ("input", 1, 2),
    ),
    "a delta where nothing grows": (
        partial(one, (8, 4), (8, 4), layout="in_out", delta={"w": spec(16, 4)}),
        ("output", 1, 1),
    ),
    "a delta beside": (
        partial(one, (8, 4), (16, 4), layout="in_out", delta={"w": spec(16, 8)}),
        ("hidden", 2, 1),
    ),
}


@pytest.mark.parametrize("name", ROLES)
def test_a_parameter_has_its_role(name: str) -> None:
    find, (role, m_in, m_out) = ROLES[name]
    known = find()
    assert (known.role, known.m_in, known.m_out) == (role, m_in, m_out)


EVERYTHING = used((8, 4), "kernel", **IN_OUT)


def two(base: Any, target: Any, **options: Any) -> Any:
    return lambda: infer(base, target, **options)


A, B = {"w": spec(8, 4), "v": spec(8)}, {"w": spec(16, 4), "v": spec(16)}

REFUSED = [
    Refused(
        "one axis",
        two(A, B),
        ValueError,
        r"^mup\.infer: it is not known what 1 of the parameters become in a wider model:\n"
        r"  w: \(8, 4\) -> \(16, 4\): one dimension grows, of an embedding's outputs or a "
        r"readout's inputs\nPass usage=cthulhu\.usage\.infer\(.*layout='in_out'.*roles=\{",
    ),
    Refused(
        "two axes",
        lambda: one((8, 4), (16, 12)),
        ValueError,
        r"\n  w: \(8, 4\) -> \(16, 12\): two dimensions grow by different factors",
    ),
    Refused(
        "three axes",
        lambda: one((8, 4, 2), (16, 8, 4)),
        ValueError,
        r"\n  w: .*: 3 of its dimensions grow, and at most two may\n",
    ),
    Refused(
        "all of them are listed",
        two({"a": spec(8, 4), "b": spec(8, 4)}, {"a": spec(8, 8), "b": spec(9, 5)}),
        ValueError,
        r"what 2 of the parameters become.*\n  a: .*\n  b: ",
    ),
    Refused(
        "an axis besides",
        lambda: one((3, 8, 8), (6, 16, 16), layout="in_out"),
        ValueError,
        r"\n  w: .*: it grows along axis 0, which is neither inputs nor outputs\n",
    ),
    Refused(
        "unused",
        lambda: one((8,), (16,), used((8,), "unused")),
        ValueError,
        r"\n  w: \(8,\) -> \(16,\): it is used by no operation\nSay what they are: roles=",
    ),
    Refused(
        "opaque",
        lambda: one((8,), (16,), used((8,), "opaque")),
        ValueError,
        r"\n  w: .*: it is used in a way that is not known\n",
    ),
    Refused(
        "tied unevenly",
        lambda: one((8, 4), (16, 12), used((8, 4), "kernel", tied=True, **IN_OUT)),
        ValueError,
        r"\n  w: .*: a tied kernel, whose inputs and outputs grow by different factors\n",
    ),
    Refused(
        "said to be hidden",
        lambda: one((8, 4), (16, 4), roles={"w": "hidden"}),
        ValueError,
        r"\n  w: .*: said to be hidden, and inputs and outputs are not known to grow both\n",
    ),
    *(
        Refused(
            f"said to be {role}, where both grow",
            partial(one, (8, 4), (16, 12), roles={"w": role}),
            ValueError,
            rf"\n  w: .*: said to be (an )?{role}, and 2 of its dimensions grow: which are its",
        )
        for role in ("input", "output", "tied")
    ),
    Refused(
        "other paths",
        two(A, {"w": spec(16, 4), "u": spec(16)}),
        ValueError,
        r"^mup\.infer: base and target must have the same parameters, and differ in 2:\n"
        r"  v: in base alone\n  u: in target alone$",
    ),
    Refused(
        "other paths in usage",
        two(A, B, usage=Usage((EVERYTHING,))),
        ValueError,
        r"^mup\.infer: base and usage must have the same .*:\n  v: in base alone$",
    ),
    Refused(
        "other paths in delta",
        two(A, B, delta={"w": spec(8, 8)}),
        ValueError,
        r"^mup\.infer: base and delta must have the same .*:\n  v: in base alone$",
    ),
    Refused(
        "other ranks",
        two(A, {"w": spec(16, 4, 1), "v": spec(16)}),
        ValueError,
        r"of the same ranks; here 1 differ:\n  w: \(8, 4\) in base, \(16, 4, 1\) in target$",
    ),
    Refused(
        "another rank in usage",
        lambda: one((8,), (16,), EVERYTHING),
        ValueError,
        r"^mup\.infer: usage has 'w' of shape \(8, 4\), whose rank is not 1 as in base",
    ),
    Refused(
        "nothing to compare with",
        lambda: one((0, 8), (8, 8)),
        ValueError,
        r"^mup\.infer: the parameter 'w' is empty in base$",
    ),
    Refused(
        "integers",
        two({"n": spec(dtype=np.int32)}, {"n": spec(dtype=np.int32)}),
        TypeError,
        r"^mup\.infer: base: the leaf 'n' is of dtype int32, which is no weight; leave it out of",
    ),
    Refused(
        "keys",
        two({"w": spec(8)}, {"w": jax.random.key(0)}),
        TypeError,
        r"^mup\.infer: target: the leaf 'w' is of dtype key<fry>, which is no weight",
    ),
    Refused(
        "no array",
        two({"w": "text"}, A),
        TypeError,
        r"^mup\.infer: base: the leaf 'w' must be an array or a jax\.ShapeDtypeStruct; got 'text'",
    ),
    Refused(
        "usage and layout",
        two(A, B, usage=Usage(()), layout="in_out"),
        TypeError,
        r"^mup\.infer: usage tells of axes; pass it, or layout and stacked, not both$",
    ),
    Refused(
        "no usage",
        two(A, B, usage={}),
        TypeError,
        r"^mup\.infer: usage must be what cthulhu\.usage\.infer returned; got \{\} of type dict$",
    ),
    Refused(
        "layout",
        two(A, B, layout="inout"),
        ValueError,
        r"^mup\.infer: layout must be one of 'in_out', 'out_in'; got 'inout' \(did you mean",
    ),
    Refused(
        "role",
        two(A, B, roles={"w": "readout"}),
        ValueError,
        r"^mup\.infer: roles\['w'\] must be one of 'input', .*; got 'readout'",
    ),
    Refused(
        "pattern of roles",
        two(A, B, roles={"head": "output"}),
        ValueError,
        r"^mup\.infer: roles names 'head', which matches no parameter",
    ),
    Refused(
        "roles",
        two(A, B, roles=["output"]),
        TypeError,
        r"^mup\.infer: roles must map path regexes to roles; got \['output'\]$",
    ),
    Refused(
        "a pattern that is none",
        two(A, B, roles={1: "output"}),
        TypeError,
        r"^mup\.infer: roles maps strings \(regex\) to roles; got 1$",
    ),
]


@each(REFUSED)
def test_what_is_ambiguous_or_wrong_is_refused(refused: Refused) -> None:
    refused.check()


MLP: dict[str, Found] = {
    "first/kernel": ("input", 1, 3),
    "first/bias": ("input", 1, 3),
    "middle/kernel": ("hidden", 3, 3),
    "middle/bias": ("input", 1, 3),
    "last/kernel": ("output", 3, 1),
    "last/bias": ("scalar", 1, 1),
}


def test_a_function_is_traced_and_not_run() -> None:
    def model(width: int) -> Any:
        return lambda: jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), mlp(width))

    assert found(infer(model(8), model(24), layout="in_out")) == MLP
    assert found(infer(mlp(8), model(24), layout="in_out")) == MLP


def test_a_function_that_cannot_be_traced_says_whose_it_is() -> None:
    with pytest.raises(TypeError) as caught:
        infer(lambda: "text", mlp(8))
    assert any("mup.infer: base" in note for note in caught.value.__notes__)


class Linen(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(self.width, name="first")(x))
        x = nn.relu(nn.Dense(self.width, name="middle")(x))
        return nn.Dense(4, name="last")(x)


def linen(width: int) -> Any:
    made: Any = jax.eval_shape(Linen(width).init, jax.random.key(0), jnp.ones((2, 6)))
    return made["params"]


def test_usage_of_a_model_of_linen() -> None:
    params = linen(8)
    known = usage.infer(
        lambda params, x: Linen(8).apply({"params": params}, x), params, jnp.ones((2, 6))
    )
    assert found(infer(params, linen(24), known)) == MLP


class Nnx(nnx.Module):
    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(6, width, rngs=rngs)
        self.middle = nnx.Linear(width, width, rngs=rngs)
        self.last = nnx.Linear(width, 4, rngs=rngs)


def test_a_state_of_nnx() -> None:
    def state(width: int) -> Any:
        return nnx.state(nnx.eval_shape(lambda: Nnx(width, nnx.Rngs(0))), nnx.Param)

    assert found(infer(state(8), state(24), layout="in_out")) == MLP


def test_a_module_of_equinox_with_its_functions() -> None:
    def module(width: int) -> Any:
        make = lambda key: eqx.nn.MLP(6, 4, width, 2, key=key)  # noqa: E731
        return eqx.filter_eval_shape(make, jax.random.key(0))

    known = found(infer(module(8), module(24), layout="out_in"))
    names = {"first": "0", "middle": "1", "last": "2", "kernel": "weight", "bias": "bias"}
    assert known == {
        "/".join(["layers", *(names[part] for part in path.split("/"))]): of
        for path, of in MLP.items()
    }


def test_arrays_serve_as_shapes() -> None:
    def arrays(tree: Mapping[str, Any]) -> Any:
        return jax.tree.map(lambda one: np.zeros(one.shape, one.dtype), tree)

    assert found(infer(arrays(mlp(8)), arrays(mlp(24)), layout="in_out")) == MLP


def test_usage_may_be_that_of_another_width() -> None:
    known = Usage((used((2, 2), "kernel", **OUT_IN),))
    only = infer({"w": spec(4, 8)}, {"w": spec(4, 16)}, known)["w"]
    assert (only.role, only.m_in) == ("output", 2)


def test_a_base_that_is_wider_is_one_too() -> None:
    narrow = found(infer(mlp(24), mlp(8), layout="in_out"))
    assert narrow["middle/kernel"] == ("hidden", pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_the_tree_of_a_transformer_is_what_it_should_be() -> None:
    assert transformer(2, 32)["blocks"]["out"].shape == (3, 2, 8, 16)
    assert mup.infer is infer
