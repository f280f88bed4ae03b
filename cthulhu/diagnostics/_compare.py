"""`compare`: the signal of one function with several initializers."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from cthulhu import checks, initializers
from cthulhu._types import KeyLike, PyTree
from cthulhu.audit._expected import planned_for
from cthulhu.diagnostics._depth import Comparison
from cthulhu.diagnostics._signal import measured
from cthulhu.params import Keep, Plan, Rules
from cthulhu.params._leaves import has_value
from cthulhu.recipes import Recipe, available
from cthulhu.trees import flatten, frame_of, is_tree, join
from cthulhu.usage import Usage
from cthulhu.views import counted

OWNER = "compare"

# What a parameter is that has no value, where an initializer is said for kernels alone.
WITHOUT_VALUE: Mapping[str, Any] = {
    "bias": "zeros",
    "scale": "ones",
    "table": initializers.RandomNormal(stddev=1.0),
    "token": "zeros",
    "unused": "zeros",
}


def compare(
    fn: Callable[..., Any],
    params: PyTree,
    *inputs: Any,
    initializers: Mapping[str, Any] | Sequence[str],
    key: KeyLike,
    cotangent: PyTree = None,
    backward: bool = True,
) -> Comparison:
    """Measure the signal of one function with several initializers, as by `signal`.

    The function is traced and compiled once, and run once for each. All of them draw with the
    same key, so that they differ by their laws, and not by chance.

    Args:
        fn: any function ``(params, *inputs)``, as for `signal`.
        params: its parameters, or their `jax.ShapeDtypeStruct`: a pytree of any framework.
        *inputs: a batch, as for `signal`.
        initializers: by a name of your choice, what makes the parameters:

            - an initializer, as `cthulhu.initializers.get` takes it, draws the kernels, that
              is what the function contracts with its activations; how they lie and what is
              stacked is read off the function. All other parameters stay as they are in
              `params`. Where they have no values, biases are 0, scales 1, tables standard
              normal, and tokens, as a class token, 0.
            - `cthulhu.params.Rules`, or a list or mapping they are made of; the name of a
              recipe, or a `cthulhu.recipes.Recipe`; or a `cthulhu.params.Plan`: these make
              all parameters.
            - a tree of arrays like `params`, which is taken as it is.

            Names of initializers alone, as ``["he_normal", "lecun_normal"]``, are their own.
        key: one PRNG key of any implementation, or an integer seed.
        cotangent: as for `signal`.
        backward: as for `signal`.

    Returns:
        A `Comparison`: by name a `Signal`; a table when printed, a picture by `plot()`.

    Raises:
        ValueError: there is nothing to compare, an initializer is unknown, or the role of a
            parameter without a value is; or as `signal`.
        TypeError: a tree is not like `params`, or as `signal`.

    Example:
        In ten layers of ReLU, Glorot's law halves the second moment in each, and He's keeps it:

        >>> import jax, jax.numpy as jnp
        >>> def model(params, x):
        ...     for kernel in params:
        ...         x = jax.nn.relu(x @ kernel)
        ...     return x
        >>> shapes = [jax.ShapeDtypeStruct((256, 256), jnp.float32)] * 10
        >>> x = jax.random.normal(jax.random.key(1), (64, 256))
        >>> found = compare(model, shapes, x, initializers=["he_normal", "glorot_normal"], key=0)
        >>> found["he_normal"].leaves[-1].rms > 16 * found["glorot_normal"].leaves[-1].rms
        True
    """
    chosen = named(initializers)
    program, arrays, cotangents = measured(OWNER, fn, params, inputs, cotangent, backward)
    signals = {}
    for name, one in chosen.items():
        made = parameters_of(f"{OWNER}: {name!r}", one, params, program.usage, key)
        signals[name] = program.signal(made, arrays, cotangents)
    return Comparison(signals)


def named(given: Any) -> dict[str, Any]:
    """The initializers by name."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        if not all(isinstance(one, str) for one in given):
            raise TypeError(
                f"{OWNER}: initializers without names must be names themselves, as 'he_normal'; "
                f"give others names of your own: {{'mine': …}}; got {given!r}"
            )
        given = {one: one for one in given}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise TypeError(
            f"{OWNER}: initializers must be a mapping of names to initializers, as "
            f"{{'he': 'he_normal', 'mine': rules}}; got {given!r}"
        )
    if not given:
        raise ValueError(f"{OWNER}: initializers is empty, so there is nothing to compare")
    return dict(given)


def parameters_of(owner: str, given: Any, params: PyTree, usage: Usage, key: KeyLike) -> PyTree:
    """The parameters that an initializer, rules, a plan or a tree make."""
    if is_tree(given):
        return checked(owner, given, params)
    try:
        if is_for_kernels(given):
            given = for_kernels(given, params, usage)
        if isinstance(given, Plan):
            return checked(owner, given.run(key), params)
        return planned_for(owner, params, given, None, None, None, usage, {}).run(key)
    except (TypeError, ValueError) as error:
        if str(error).startswith(owner):
            raise
        raise checks.in_name_of(owner, error) from None


def is_for_kernels(given: Any) -> bool:
    """Whether it is one initializer, and not what makes all parameters."""
    if isinstance(given, Mapping):
        return "class_name" in given
    if isinstance(given, str):
        return given not in available()
    return callable(given) and not isinstance(given, Plan | Recipe | Rules)


def for_kernels(initializer: Any, params: PyTree, usage: Usage) -> Rules:
    """Rules by which an initializer draws the kernels, and the rest is as it is."""
    paths, values, _ = flatten(params)
    frame = frame_of(params)
    valued = {
        join(path)
        for path, value in zip(frame.parameters(paths), frame.parameters(values), strict=True)
        if has_value(value)
    }
    groups: dict[str, list[str]] = {}
    for leaf in usage:
        is_kept = leaf.role != "kernel" and leaf.path in valued
        group = "kept" if is_kept else leaf.role
        groups.setdefault(group, []).append(re.escape(leaf.path))
    if "opaque" in groups:
        known = [leaf.path for leaf in usage if leaf.role == "opaque" and leaf.path not in valued]
        said = counted(len(known), "parameter without values is", "parameters without values are")
        raise ValueError(
            f"what {said} for cannot be read off the function, as {known[0]!r}; pass arrays for "
            "them, or rules for all parameters"
        )
    laws = {"kernel": initializer, "kept": Keep(), **WITHOUT_VALUE}
    return Rules([("|".join(known), laws[group]) for group, known in groups.items()])


def checked(owner: str, tree: PyTree, params: PyTree) -> PyTree:
    """A tree of parameters, which is one that the function was traced for."""
    given: Any
    given, expected = map(jax.tree.structure, (tree, params))
    if given != expected:
        raise TypeError(f"{owner} is a tree of {given}, and params is one of {expected}")
    paths, values, _ = flatten(tree)
    for path, value, like in zip(paths, values, jax.tree.leaves(params), strict=True):
        kinds = [(tuple(one.shape), one.dtype) for one in (value, like) if hasattr(one, "dtype")]
        if len(set(kinds)) > 1:
            raise TypeError(
                f"{owner} has {join(path)!r} as {kinds[0][1]}{list(kinds[0][0])}, and params as "
                f"{kinds[1][1]}{list(kinds[1][0])}"
            )
        if isinstance(value, jax.ShapeDtypeStruct):
            raise TypeError(f"{owner} has no values: {join(path)!r} is a jax.ShapeDtypeStruct")
    return tree
