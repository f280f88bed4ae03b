"""What a question about a function's derivative is asked of: arrays, and the function of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from cthulhu import checks, compat
from cthulhu._types import PyTree
from cthulhu.audit._expected import refuse_module
from cthulhu.diagnostics._jacobian import Arrays, Spec, is_inexact, spec_of
from cthulhu.trees import flatten, frame_of, is_array, join

Call: TypeAlias = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], Arrays]


class Asked(NamedTuple):
    """A function of lists of arrays, the arrays, and how large its derivative is."""

    call: Call
    """The function of the parameters, the inputs and the other arrays, to what it returns."""
    known: list[Any]
    given: list[Any]
    others: list[Any]
    out_specs: list[Spec]
    """The outputs that have a gradient."""
    outputs: int
    variables: int


def asked_of(
    owner: str,
    fn: Callable[..., Any],
    params: PyTree,
    x: PyTree,
    rest: Sequence[Any],
    by_parameters: bool,
    per_example: bool,
) -> Asked:
    """Take a call of a function apart; refuse what has no derivative.

    Args:
        owner: who asks.
        fn: the function ``(params, x, *rest)``.
        params: its parameters.
        x: its input.
        rest: its other arguments.
        by_parameters: whether the derivative is by them.
        per_example: whether the function gets one example of `x` at a time.

    Returns:
        What is asked. The arrays of `x` have all examples.

    Raises:
        TypeError: something is of the wrong type.
        ValueError: there is nothing to differentiate, or by numbers that are not finite.
    """
    if not callable(fn):
        raise TypeError(f"{owner}: fn must be a function (params, x, *rest); got {fn!r}")
    refuse_module(owner, params)
    frame = frame_of(params)
    paths, leaves, _ = flatten(params)
    names, known = frame.parameters(list(map(join, paths))), frame.parameters(leaves)
    for name, leaf in zip(names, known, strict=True):
        if not is_array(leaf):
            raise TypeError(
                f"{owner}: {parameter(name)} must be an array; got {leaf!r} of type "
                f"{type(leaf).__name__}"
            )
    (given, filled), (others, completed) = parted(x), parted(rest)
    places = jax.tree_util.tree_leaves_with_path(x)
    named = [f"x{jax.tree_util.keystr(at)}" for at, leaf in places if is_array(leaf)]
    called = {parameter(name): leaf for name, leaf in zip(names, known, strict=True)}
    called |= dict(zip(named, given, strict=True))
    check_values(owner, called)
    if per_example:
        check_examples(owner, given)

    def call(known: Sequence[Any], given: Sequence[Any], others: Sequence[Any]) -> Arrays:
        found = jax.tree.leaves(fn(frame.fill(known), filled(given), *completed(others)))
        for one in found:
            if not (is_array(one) or isinstance(one, int | float | complex)):
                raise TypeError(
                    f"{owner}: the function must return an array, or a tree of arrays; it returns "
                    f"{one!r} of type {type(one).__name__}"
                )
        return list(map(jnp.asarray, found))

    one = [jax.eval_shape(lambda leaf: leaf[:1] if per_example else leaf, leaf) for leaf in given]
    traced = jax.make_jaxpr(call)(known, one, others)
    out_specs = [spec_of(out) for out in traced.out_avals if is_inexact(out)]
    if not sum(spec.size for spec in out_specs):
        raise ValueError(
            f"{owner}: the function returns {', '.join(map(str, traced.out_avals)) or 'nothing'}, "
            "which has no gradient; pass one that returns activations, logits or a loss"
        )
    varying, what = (known, "params") if by_parameters else (one, "x")
    specs = [spec_of(leaf) for leaf in varying if is_inexact(leaf)]
    if not sum(spec.size for spec in specs):
        there = ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in varying) or "no arrays"
        todo = (
            "."
            if by_parameters
            else ". Of tokens, pass a function that begins behind the embedding, or take "
            "of='tangent_kernel'"
        )
        raise ValueError(f"{owner}: {what} has no real numbers to differentiate by: {there}{todo}")
    check_used(owner, traced, known, one, by_parameters)
    outputs, variables = (sum(spec.size for spec in some) for some in (out_specs, specs))
    return Asked(call, known, given, others, out_specs, outputs, variables)


def parameter(path: str) -> str:
    """How a parameter is called; a tree may be one array."""
    return f"the parameter {path!r}" if path else "params"


def parted(tree: PyTree) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The arrays of a tree, and what puts others in their places."""
    leaves, structure = jax.tree.flatten(tree)
    places = [at for at, leaf in enumerate(leaves) if is_array(leaf)]

    def filled(arrays: Sequence[Any]) -> Any:
        whole = list(leaves)
        for at, array in zip(places, arrays, strict=True):
            whole[at] = array
        return jax.tree.unflatten(structure, whole)

    return [leaves[at] for at in places], filled


def check_values(owner: str, called: dict[str, Any]) -> None:
    """Refuse arrays whose values are not there, not known, or no numbers."""
    for name, leaf in called.items():
        if checks.is_traced(leaf):
            raise TypeError(
                f"{owner}: {name} is traced, so that its values are not known. Call {owner} "
                "outside of jit, vmap and grad"
            )
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise ValueError(
                f"{owner}: {name} has no values: it is a jax.ShapeDtypeStruct. Pass an array"
            )
    real = {name: leaf for name, leaf in called.items() if is_inexact(leaf)}
    found = jax.device_get([jnp.isfinite(leaf).all() for leaf in real.values()])
    for name, finite in zip(real, found, strict=True):
        if not finite:
            raise ValueError(
                f"{owner}: {name} has values that are not finite, and so would the derivative; "
                "leave them out"
            )


def check_examples(owner: str, given: Sequence[Any]) -> None:
    """Refuse inputs without an axis of examples."""
    shapes = [tuple(leaf.shape) for leaf in given]
    counts = {shape[:1] for shape in shapes}
    if len(counts) != 1 or counts & {(), (0,)}:
        raise ValueError(
            f"{owner}: with per_example, the first axis of every array of x must count the same "
            f"examples, of which there is at least one; the shapes are {shapes}"
        )


def check_used(
    owner: str, traced: Any, known: Sequence[Any], given: Sequence[Any], by_parameters: bool
) -> None:
    """Refuse a function whose outputs do not depend on what is given to it."""
    jaxpr = compat.pruned(compat.opened(traced)[0])
    read = {id(atom) for equation in jaxpr.eqns for atom in equation.invars}
    read |= {id(atom) for atom in jaxpr.outvars}
    used = [id(variable) in read for variable in jaxpr.invars]
    if known and not any(used[: len(known)]):
        raise ValueError(
            f"{owner}: the function uses none of the parameters. They must be its first argument; "
            "does it capture them instead?"
        )
    inputs = zip(given, used[len(known) :], strict=False)
    if not by_parameters and not any(here for leaf, here in inputs if is_inexact(leaf)):
        raise ValueError(
            f"{owner}: what the function returns does not depend on x; does it take another "
            "argument there?"
        )
