"""What `infer` finds in models of every kind is what tables, written by hand, say of them."""

import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from cthulhu import usage
from tests.usage.zoo import ZOO, Program, Row, differences, seen, told


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def found(program: Program) -> usage.Usage:
    return usage.infer(program.fn, program.params, *program.args)


# The tables are right, and what is found is not: `infer` knows no better.
NOT_FOLLOWED = {
    "linen: SpectralNorm": "The power iteration contracts the kernel with a state, both ways, as a "
    "product with activations does, and comes first.",
}

# The leaves that meet the activations in ways that have no name.
OPAQUE = {
    "pieces: a long convolution": {"filter"},
    "pieces: an inverse": {"w"},
    "pieces: sorted": {"b"},
    "forms: learned queries without biases": {"latents", "query"},
    "forms: experts of a low rank that share one factor": {"a", "b"},
    "forms: learned queries of one head": {"latents", "query"},
    "forms: experts of a low rank": {"a", "b"},
    "forms: kernels stacked and taken apart": {"a"},
}


@pytest.mark.parametrize("name", ZOO)
def test_what_the_parameters_of_a_model_are_used_as(name: str) -> None:
    program = ZOO[name].build()
    usages = found(program)
    wrong = differences(usages, told(ZOO[name].table, program.params))
    assert bool(wrong) == (name in NOT_FOLLOWED), wrong
    assert {leaf.path for leaf in usages if leaf.role == "opaque"} == OPAQUE.get(name, set())


# Where a map over examples changes what is computed: an input that was one for all, and is now of
# each example, makes a kernel of each; or there is no such map.
ONE_FOR_ALL = {
    "mixtures: LoRA merged, on an input",
    "mixtures: experts by ragged_dot",
    "programs: fori_loop to a depth",
    "forms: kernels between which an input goes",
    "papers: a Bayesian layer",
    "papers: a Bayesian layer, with a key of numbers",
}


def mapped_loss(program: Program) -> Program:
    """A loss of many inputs: through a map, a checkpoint, and sums over everything."""
    leaves, structure = jax.tree.flatten(program.args)
    known = {at: leaf for at, leaf in enumerate(leaves) if hasattr(leaf, "shape")}

    def outputs(params: Any, given: Any) -> Any:
        every = [given.get(at, leaf) for at, leaf in enumerate(leaves)]
        return program.fn(params, *jax.tree.unflatten(structure, every))

    def fn(params: Any, given: Any) -> Any:
        found = jax.vmap(jax.checkpoint(outputs), in_axes=(None, 0))(params, given)
        return sum(jnp.mean(jnp.abs(one) ** 2) for one in jax.tree.leaves(found))

    many = {at: jax.ShapeDtypeStruct((13, *one.shape), one.dtype) for at, one in known.items()}
    return Program(fn, program.params, (many,))


@pytest.mark.parametrize("name", [name for name in ZOO if name not in ONE_FOR_ALL])
def test_a_loss_of_many_inputs_uses_parameters_as_the_model_does(name: str) -> None:
    program = ZOO[name].build()
    expected = {leaf.path: seen(leaf) for leaf in found(program)}
    assert not differences(found(mapped_loss(program)), expected)


def stored_otherwise(program: Program) -> Program:
    """Parameters whose axes are in the other order, two of each together: the second is used."""

    def stored(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct((*leaf.shape[::-1], 2), leaf.dtype)

    def fn(params: Any, *args: Any) -> Any:
        return program.fn(jax.tree.map(lambda leaf: leaf[..., 1].T, params), *args)

    return Program(fn, jax.tree.map(stored, program.params), program.args)


# Of these, an index that picks one is an axis among all others.
WHOLE = {"scale": "o", "bias": "o", "token": "o", "unused": "f"}


@pytest.mark.parametrize("name", ZOO)
def test_how_parameters_are_stored_is_all_that_their_axes_depend_on(name: str) -> None:
    program = ZOO[name].build()
    expected = {leaf.path: otherwise(seen(leaf)) for leaf in found(program)}
    assert not differences(found(stored_otherwise(program)), expected)


def otherwise(row: Row) -> Row:
    """What is said of a parameter, where it is stored otherwise."""
    letters = re.findall(r"\(\w+\)|\w", row.axes)[::-1]
    axes = "".join([*letters, WHOLE.get(row.role, "b")])
    return row._replace(axes="*" if row.role == "opaque" else axes)


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("kernel kernel oi \n bias bias o <- ./kernel", "kernel"),
        ("kernel table io \n bias bias o <- ./kernel", "kernel"),
        ("kernel kernel io tied \n bias bias o <- ./kernel", "kernel"),
        ("kernel kernel io groups=2 \n bias bias o <- ./kernel", "kernel"),
        ("kernel kernel bo \n bias bias o <- ./kernel", "kernel"),
        ("kernel kernel io \n bias bias o", "bias"),
        ("kernel kernel io \n bias bias s <- ./kernel", "bias"),
    ],
)
def test_a_table_that_says_something_else_is_told_apart(table: str, wrong: str) -> None:
    program = ZOO["linen: Dense"].build()
    (line,) = differences(found(program), told(table, program.params))
    assert line.startswith(f"{wrong} ")
