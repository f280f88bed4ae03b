"""`Usage` as data, what follows from it for optimizers, and what `infer` refuses."""

import re
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cthulhu import usage
from cthulhu.fans import Fans, Layout
from cthulhu.usage import LeafUsage, Usage, Use


def spec(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


class Network(nn.Module):
    """Something of each kind, with paths whose order differs as text and as numbers."""

    @nn.compact
    def __call__(self, ids: Any, *, flag: bool = False) -> Any:
        assert isinstance(flag, bool)
        x = nn.Embed(9, 6, name="embed")(ids)
        x = nn.MultiHeadDotProductAttention(2, qkv_features=8, out_features=6, name="mix")(x)
        x = nn.Conv(6, (3,), name="conv")(nn.LayerNorm(name="norm")(x))
        x = nn.Conv(6, (3,), feature_group_count=6, name="depthwise")(x)
        return nn.Dense(9, name="head")(x)


IDS = spec(2, 5, dtype=jnp.int32)


@pytest.fixture(scope="module")
def tree() -> Any:
    return jax.eval_shape(Network().init, jax.random.key(0), IDS)["params"]


@pytest.fixture(scope="module")
def found(tree: Any) -> Usage:
    return usage.infer(lambda p, ids: Network().apply({"params": p}, ids), tree, IDS)


def test_a_usage_is_a_table_of_its_leaves(found: Usage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = str(found)
    (line,) = (line for line in text.splitlines() if line.startswith("│ mix/out/kernel "))
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    assert cells == ["mix/out/kernel", "(2, 4, 6)", "kernel", "0, 1", "2", "8", "6", "1", ""]
    assert repr(found) == "<Usage: 17 leaves: 7 kernel, 1 table, 1 scale, 8 bias>"
    assert "<table>" in found._repr_html_()


def test_a_usage_is_found_by_path_and_goes_over_its_leaves(found: Usage) -> None:
    assert [leaf.path for leaf in found][:2] == ["conv/bias", "conv/kernel"]
    assert len(found) == 17
    assert found["head/kernel"].fans == Fans(6, 9)
    assert found.get("head") is None
    with pytest.raises(KeyError, match="there is no parameter 'head'"):
        found["head"]


def test_a_usage_is_json(found: Usage) -> None:
    again = Usage.from_json(found.to_json())
    assert again == found
    assert hash(again) == hash(found)
    assert isinstance(again["mix/out/kernel"].uses[0].inputs, tuple)


@pytest.mark.parametrize("text", ["[]", "{}", '{"usage": [{"shape": 3}]}', '{"usage": 3}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Usage.from_json: text must be what Usage.to_json wrote"):
        Usage.from_json(text)


def test_a_use_says_where_it_is_and_how_often() -> None:
    def recurrent(p: Any, x: Any) -> Any:
        def cell(state: Any, now: Any) -> Any:
            with jax.named_scope("cell"):
                return jnp.tanh(state @ p["w"] + now), None

        return jax.lax.scan(cell, x[0], x)[0]

    (use,) = usage.infer(recurrent, {"w": spec(6, 6)}, spec(7, 2, 6))["w"].uses
    assert (use.times, use.operation, use.where) == (7, "dot_general", "cell")

    def until(p: Any, x: Any) -> Any:
        return jax.lax.while_loop(lambda x: jnp.sum(x) < 1, lambda x: x @ p["w"], x)

    (use,) = usage.infer(until, {"w": spec(6, 6)}, spec(2, 6))["w"].uses
    assert use.times is None


def test_a_use_says_which_axes_the_loops_around_it_take() -> None:
    def deep(p: Any, x: Any) -> Any:
        def block(x: Any, kernel: Any) -> Any:
            return jax.lax.scan(lambda x, _: (x @ kernel, None), x, None, length=2)[0], None

        def group(x: Any, kernels: Any) -> Any:
            return jax.lax.scan(block, x, jnp.moveaxis(kernels, 1, 0))[0], None

        return jax.lax.scan(group, x, p["w"])[0]

    found = usage.infer(deep, {"w": spec(3, 6, 4, 6)}, spec(2, 6))
    (use,) = found["w"].uses
    assert (use.stacked, use.loops, use.times) == ((0, 2), ((0,), (2,), ()), 2)
    assert Usage.from_json(found.to_json()) == found


def test_a_use_says_which_layer_of_a_stack_is_taken_by_its_number() -> None:
    def written_out(p: Any, x: Any) -> Any:
        for layer in range(3):
            x = jnp.tanh(x @ p["w"][layer, :, 1])
        x = x @ p["w"][1:][0, :, -1]  # A part of a part: its number is not that of the whole.
        return x @ p["w"][jnp.argmax(x[0]) % 3, :, 0]

    found = usage.infer(written_out, {"w": spec(3, 6, 2, 6)}, spec(2, 6))["w"]
    expected = [((0, layer), (2, 1)) for layer in range(3)] + [((2, 1),), ()]
    assert [use.taken for use in found.uses] == expected
    assert not found.tied


def test_a_lookup_is_where_rows_are_picked() -> None:
    def fn(p: Any, ids: Any) -> Any:
        with jax.named_scope("embed"):
            x = p["table"][ids]
        with jax.named_scope("scale"):
            return x * jnp.sum(ids).astype(x.dtype)

    (use,) = usage.infer(fn, {"table": spec(9, 6)}, IDS)["table"].uses
    assert (use.role, use.operation, use.where) == ("table", "gather", "embed")


def test_layouts_count_the_fans_of_each_role() -> None:
    shape = (4, 3, 5, 6)
    kernel = Use("kernel", "dot_general", (1,), (2, 3), (), (0,))
    assert LeafUsage("k", shape, "kernel", (kernel,)).layout == Layout(1, (2, 3), 0)
    assert LeafUsage("k", shape, "kernel", (kernel,)).fans == Fans(3, 30)
    convolution = Use("kernel", "conv_general_dilated", (2,), (3,), groups=2)
    assert LeafUsage("c", shape, "kernel", (convolution,)).field == (0, 1)
    assert LeafUsage("c", shape, "kernel", (convolution,)).fans == Fans(60, 36)
    table = Use("table", "gather", (0,), (1,))
    assert LeafUsage("t", (100, 8), "table", (table,)).fans == Fans(8, 8)
    both = Use("kernel", "dot_general", (0,), (1,), (0,))
    for leaf in (LeafUsage("m", (6, 4), "kernel", (both,)), LeafUsage("u", (6, 4), "unused")):
        assert leaf.layout is None
        assert leaf.fans is None


def test_an_axis_of_two_kinds_is_said_and_not_guessed() -> None:
    def grouped(p: Any, x: Any) -> Any:
        return jnp.einsum("bsd,sdf->bsf", x, p["w"].reshape(5, 6, 4))

    leaf = usage.infer(grouped, {"w": spec(30, 4)}, spec(2, 5, 6))["w"]
    assert (leaf.inputs, leaf.batch, leaf.layout) == ((0,), (0,), None)
    assert leaf.note == "axis 0 is a stack, and inputs or outputs"


def test_what_is_lost_is_said() -> None:
    leaf = usage.infer(lambda p, x: x * jnp.sort(p["b"]), {"b": spec(6)}, spec(6))["b"]
    assert (leaf.role, leaf.note) == ("opaque", "sort")


def test_a_kernel_has_the_axes_that_most_of_its_uses_have() -> None:
    def power(p: Any, x: Any, v: Any) -> Any:
        """One step of a power iteration, and what is divided by it."""
        u = v @ p["w"].T
        return x @ p["w"] / jnp.sum((u @ p["w"]) * v)

    leaf = usage.infer(power, {"w": spec(6, 4)}, spec(3, 6), spec(1, 4))["w"]
    assert [use.inputs for use in leaf.uses] == [(1,), (0,), (0,)]
    assert (leaf.inputs, leaf.outputs, leaf.tied, leaf.fans) == ((0,), (1,), True, Fans(6, 4))


def test_derivatives_do_not_count() -> None:
    def pulled(p: Any, x: Any, *along: Any) -> Any:
        out, pull = jax.vjp(lambda x: jnp.tanh(x @ p["w"]), x)
        return out.sum() + sum(jnp.sum(pull(one)[0] ** 2) for one in along)

    leaf = usage.infer(pulled, {"w": spec(6, 4)}, spec(3, 6), spec(3, 4), spec(3, 4))["w"]
    assert [use.goes_backwards for use in leaf.uses] == [False, True, True]
    assert (leaf.inputs, leaf.outputs, leaf.tied) == ((0,), (1,), False)


def test_muon_gets_the_axes_of_kernels(found: Usage, tree: Any) -> None:
    axes = usage.muon_axes(found, exclude=["head/kernel"])
    numbers = {
        jax.tree_util.keystr(path, simple=True, separator="/"): (of.reduction_axis, of.output_axis)
        for path, of in jax.tree_util.tree_leaves_with_path(
            axes, is_leaf=lambda node: isinstance(node, optax.contrib.MuonDimensionNumbers)
        )
    }
    assert numbers == {
        "conv/kernel": ((0, 1), (2,)),
        "mix/key/kernel": ((0,), (1, 2)),
        "mix/out/kernel": ((0, 1), (2,)),
        "mix/query/kernel": ((0,), (1, 2)),
        "mix/value/kernel": ((0,), (1, 2)),
    }
    with pytest.raises(KeyError, match="there is no parameter 'heat/kernel'"):
        usage.muon_axes(found, exclude=["heat/kernel"])


@pytest.mark.parametrize(
    ("shape", "use"),
    {
        "groups": ((3, 2, 8), Use("kernel", "conv", (1,), (2,), groups=4)),
        "one output": ((6, 1), Use("kernel", "dot_general", (0,), (1,))),
        "one input": ((1, 6), Use("kernel", "dot_general", (0,), (1,))),
        "a table": ((6, 4), Use("table", "gather", (0,), (1,))),
        "axes that are not told": ((6,), Use("kernel", "dot_general", (0,), (0,))),
    }.values(),
)
def test_what_is_no_matrix_is_not_for_muon(shape: tuple[int, ...], use: Use) -> None:
    other = LeafUsage("v", (6, 4), "kernel", (Use("kernel", "dot_general", (0,), (1,)),))
    axes = usage.muon_axes(Usage((LeafUsage("w", shape, use.role, (use,)), other)))
    assert axes["w"] is None
    assert axes["v"].reduction_axis == (0,)


def test_muon_takes_its_axes_and_orthogonalizes_along_them(found: Usage, tree: Any) -> None:
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)
    keys = iter(jax.random.split(jax.random.key(0), 32))
    grads = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), tree)
    tx = optax.contrib.muon(
        1.0, muon_weight_dimension_numbers=usage.muon_axes(found), ns_steps=12, consistent_rms=None
    )
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = tx.update(grads, tx.init(params), params)
    query = updates["mix"]["query"]["kernel"].reshape(6, 8)
    singular = np.linalg.svd(query, compute_uv=False) / np.sqrt(8 / 6)
    assert 0.6 < singular.min() < singular.max() < 1.3
    embed = np.abs(updates["embed"]["embedding"])
    assert np.ptp(embed) < 1e-4  # Adam's first step has one size.


def test_kernels_and_tables_decay(found: Usage, tree: Any) -> None:
    mask = usage.decay_mask(found)
    assert jax.tree.structure(mask) == jax.tree.structure(tree)
    names = {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, decays in jax.tree_util.tree_leaves_with_path(mask)
        if decays
    }
    kernels = (
        "conv",
        "depthwise",
        "head",
        *(f"mix/{name}" for name in ["key", "out", "query", "value"]),
    )
    assert names == {"embed/embedding", *(f"{name}/kernel" for name in kernels)}
    read = usage.decay_mask(Usage.from_json(found.to_json()))
    assert read == mask


def test_the_order_of_a_read_usage_is_that_of_its_paths() -> None:
    tree = [spec(6)] * 11 + [spec(6, 6)]

    def fn(p: Any, x: Any) -> Any:
        for leaf in p[:11]:
            x = x * leaf
        return x @ p[11]

    read = Usage.from_json(usage.infer(fn, tree, spec(6)).to_json())
    assert [path for path, decays in usage.decay_mask(read).items() if decays] == ["11"]


def test_flags_and_keys_are_given_as_they_are(tree: Any) -> None:
    def fn(p: Any, ids: Any, key: Any, flag: Any, *, option: Any) -> Any:
        assert flag is True
        assert option == "text"
        return Network().apply({"params": p}, ids, flag=flag, rngs={"dropout": key})

    found = usage.infer(fn, tree, IDS, jax.random.key(0), True, option="text")
    assert found["head/kernel"].role == "kernel"


def test_the_function_does_not_run() -> None:
    def fn(p: Any, x: Any) -> Any:
        assert isinstance(x, jax.core.Tracer)
        return x @ p

    huge = spec(2**20, 2**20)
    assert usage.infer(fn, huge, spec(1, 2**20))[""].fans == Fans(2**20, 2**20)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no function": (
        lambda: usage.infer({"w": spec(3)}, lambda p: p),  # type: ignore[arg-type]
        TypeError,
        r"usage.infer: fn must be a function \(params, \*args\); got {'w'",
    ),
    "a leaf that is no array": (
        lambda: usage.infer(lambda p: p, {"w": "text"}),
        TypeError,
        "usage.infer: the leaf 'w' must be an array or a jax.ShapeDtypeStruct; got 'text' of type",
    ),
    "captured parameters": (
        lambda: usage.infer(lambda p, x: x * np.ones(3, np.float32), {"w": spec(3)}, spec(3)),
        ValueError,
        "usage.infer: the function uses none of the parameters",
    ),
    "no parameter of that path": (
        lambda: usage.infer(lambda p, x: x @ p["w"], {"w": spec(3)}, spec(3))["v"],
        KeyError,
        "there is no parameter 'v'",
    ),
    "a path with a slip": (
        lambda: usage.infer(lambda p, x: x @ p["kernel"], {"kernel": spec(3)}, spec(3))["kernl"],
        KeyError,
        r"there is no parameter 'kernl' \(did you mean 'kernel'\?\)",
    ),
    "one path in place of several": (
        lambda: usage.muon_axes(
            usage.infer(lambda p, x: x @ p["w"], {"w": spec(3)}, spec(3)), exclude="w"
        ),
        TypeError,
        r"^usage\.muon_axes: exclude must hold paths: \['w'\]; got a string$",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error) as caught:
        call()
    assert re.search(message, str(caught.value))
