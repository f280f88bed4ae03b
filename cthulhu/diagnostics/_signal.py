"""`signal`: what becomes of an input on its way through a model, and of a gradient back."""

import math
import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.caches import Recent
from cthulhu.diagnostics._depth import Signal
from cthulhu.diagnostics._layer import Kind, SignalRow
from cthulhu.diagnostics._measuring import (
    Backward,
    Forward,
    Run,
    check_cotangent,
    measuring,
)
from cthulhu.trees import frame_of, is_array, join
from cthulhu.usage import Usage
from cthulhu.usage._activations import Activation, Flat, followed_in
from cthulhu.usage._bodies import STACKING
from cthulhu.usage._infer import Traced, traced
from cthulhu.usage._streams import streams
from cthulhu.usage._values import Place

OWNER = "signal"
KEPT = 16  # Programs.
SMALL = 4096  # Bytes of a constant that may be compared by its values.


class Tap(NamedTuple):
    """Where it is measured."""

    activation: Activation
    kind: Kind
    loops: tuple[int, ...]
    """How long the beginnings of its place are that are loops, from the outermost."""


class Program(NamedTuple):
    """A function as it is measured: compiled once, whatever the values."""

    usage: Usage
    taps: tuple[Tap, ...]
    run: Run
    """It holds the program's constants, which tell it from others, and no parameters."""

    def signal(self, params: PyTree, arrays: list[Any], cotangents: list[Any] | None) -> Signal:
        """The signal of some parameters."""
        forward, back = jax.device_get(self.run(parameters(params), arrays, cotangents))
        rows: list[tuple[Place, SignalRow]] = []
        for tap in self.taps:
            name = tap.activation.name
            rows += rows_of(tap, forward[name], back.get(name))
        # As they run: all that is in one step of a loop, and then the next step.
        return Signal(tuple(row for _, row in sorted(rows, key=lambda pair: pair[0])))


programs: Recent[Program] = Recent(KEPT)


def signal(
    fn: Callable[..., Any],
    params: PyTree,
    *inputs: Any,
    cotangent: PyTree = None,
    backward: bool = True,
) -> Signal:
    """Measure the signal at every layer of a function, forward and backward, in one pass each.

    A layer is a contraction of which one side is a parameter, or a lookup in a table, with its
    bias. A residual stream is a sum ``x + branch(x)`` with a layer in the branch, be it a plain
    one, scaled, or with a layer as its shortcut. They are found in the program, as by
    `cthulhu.usage.infer`, and no framework takes part. In a ``scan`` there is a row for each step.

    A call traces the function, and compiles what it measures, unless a call before, of the same
    function and shapes, gave the same program: the last 16 are kept.

    Args:
        fn: any function ``(params, *inputs)``, as for `cthulhu.usage.infer`.
        params: the parameters: a pytree of arrays, of any framework.
        *inputs: a batch; its first axis counts the examples. What is no array is given to the
            function as it is.
        cotangent: the gradient that comes from behind, a tree like what `fn` returns. Default: 1
            for a scalar, as a loss is, and else standard normal values of a fixed key.
        backward: whether to go back; a ``while`` loop has no way back.

    Returns:
        A `Signal`: a table when printed, `leaves` as data, a picture by `plot()`. Of each layer
        and stream the mean, the root mean square and the standard deviation of its output; the
        mean cosine between one example and the next; the root mean square of the gradient that
        arrives at the output, and the fraction of units, along the last axis, to which none
        arrives, from no example: those are dead.

    Raises:
        ValueError: the function uses none of the parameters, or returns nothing that has a
            gradient; an input is not finite, or a parameter has no values.
        TypeError: as `cthulhu.usage.infer`.

    Example:
        With He's law, the second moment and the gradient keep their size in a ReLU network; with
        LeCun's, both are halved in each layer:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.initializers import LecunNormal
        >>> keys = jax.random.split(jax.random.key(0), 8)
        >>> params = [LecunNormal()(key, (256, 256)) for key in keys]
        >>> def model(params, x):
        ...     for kernel in params:
        ...         x = jax.nn.relu(x @ kernel)
        ...     return x
        >>> x = jax.random.normal(jax.random.key(1), (64, 256))
        >>> rows = signal(model, params, x).leaves
        >>> forward, back = rows[-1].rms / rows[0].rms, rows[0].gradient / rows[-1].gradient
        >>> [round(float(ratio ** (1 / 7)), 1) for ratio in (forward, back)]  # √½ a layer.
        [0.7, 0.7]

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852. Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli (2016),
        "Exponential expressivity in deep neural networks through transient chaos",
        https://arxiv.org/abs/1606.05340
    """
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)):
        raise ValueError(
            f"{OWNER}: params has shapes where arrays are needed; cthulhu.diagnostics.compare "
            "makes them with the initializers that it compares, and cthulhu.init_params by rules"
        )
    program, arrays, cotangents = measured(OWNER, fn, params, inputs, cotangent, backward)
    return program.signal(params, arrays, cotangents)


def measured(
    owner: str,
    fn: Callable[..., Any],
    params: PyTree,
    inputs: Sequence[Any],
    cotangent: PyTree,
    backward: bool,
) -> tuple[Program, list[Any], list[Any] | None]:
    """The program of a function, and what it runs on beside the parameters."""
    arrays = [leaf for leaf in jax.tree.leaves(inputs) if is_array(leaf)]
    checks.finite_inputs(owner, arrays)
    found = traced(owner, fn, params, inputs, {})
    batch = batch_of(arrays)
    key = key_of(fn, found, (batch, cotangent is None, backward))
    cotangents = check_cotangent(owner, found.jaxpr.out_avals, cotangent) if backward else None

    def make() -> Program:
        return program_of(owner, found, batch, cotangents is not None, backward)

    program = make() if key is None else programs.get(key, make)
    return program, arrays, cotangents


def program_of(owner: str, found: Traced, batch: int, given: bool, backward: bool) -> Program:
    """The program of a function that was traced."""
    known = followed_in(owner, found)
    layers = [one for one in known.activations if one.path is not None]
    summed = streams(known)
    run = jax.jit(measuring(found.jaxpr, [*layers, *summed], batch, given, backward))
    taps = [tap_of(one, "layer", known.flat) for one in layers]
    taps += [tap_of(one, "stream", known.flat) for one in summed]
    return Program(known.usage, tuple(taps), run)


def key_of(fn: Callable[..., Any], found: Traced, options: Hashable) -> Hashable:
    """What a program is kept by; `None` if that cannot be known.

    A function may trace to another program if what it reads beside its arguments has changed,
    so it is traced each time, and the text of the program is a part of the key. The function is
    too, since the text does not tell the rules of derivatives. An array of JAX does not change.
    """
    constants: list[Hashable] = []
    for constant in found.jaxpr.consts:
        if isinstance(constant, jax.Array):
            constants.append(id(constant))
        elif hasattr(constant, "nbytes") and constant.nbytes <= SMALL:
            constants.append(np.asarray(constant).tobytes())
        else:
            return None
    text = re.sub(r"0x[0-9a-f]+", "", str(found.jaxpr))
    key = (fn, text, tuple(constants), tuple(map(join, found.paths)), options)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def tap_of(activation: Activation, kind: Kind, flat: Flat) -> Tap:
    """A tap, and the loops around it."""
    place = activation.start
    ends = [end for end in range(1, len(place)) if place[:end] in flat.at]
    loops = [end for end in ends if flat.nodes[flat.at[place[:end]]].name in STACKING]
    return Tap(activation, kind, tuple(loops))


def parameters(params: PyTree) -> list[Any]:
    """The parameters, without what is around them, in types that no other parameters lack."""
    leaves = frame_of(params).parameters(jax.tree.leaves(params))
    weak = [getattr(leaf, "weak_type", False) for leaf in leaves]  # As of jnp.full(shape, 0.1).
    return [
        jnp.asarray(leaf, leaf.dtype) if is_weak else leaf
        for leaf, is_weak in zip(leaves, weak, strict=True)
    ]


def batch_of(arrays: Sequence[Any]) -> int:
    """The number of examples: the size of the first axis that an input has."""
    return next((array.shape[0] for array in arrays if len(array.shape)), 0)


def rows_of(tap: Tap, forward: Forward, back: Backward | None) -> list[tuple[Place, SignalRow]]:
    """The rows of a tap, one, or one for each step of the loops around it; and when each runs."""
    activation, rows = tap.activation, []
    name, shape = activation.name, np.shape(forward.rms)
    for at, steps in enumerate(np.ndindex(shape)):
        mean, rms, cosine = (float(values[steps]) for values in forward)
        gradient, dead = (None, None) if back is None else (float(one[steps]) for one in back)
        order: list[int] = []
        for start, end, step in zip((0, *tap.loops), tap.loops, steps, strict=False):
            order += [*activation.start[start:end], step]
        order += activation.start[tap.loops[-1] if tap.loops else 0 :]
        row = SignalRow(
            path=f"{name}[{at}]" if shape else name,
            parameter=activation.path or name,
            step=at if shape else None,
            mean=mean,
            rms=rms,
            stddev=math.sqrt(max(rms * rms - mean * mean, 0.0)),
            cosine=None if math.isnan(cosine) else cosine,
            gradient=gradient,
            dead=dead,
            kind=tap.kind,
        )
        rows.append((tuple(order), row))
    return rows
