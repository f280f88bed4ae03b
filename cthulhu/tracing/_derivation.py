"""The derivation of keys on the host: splits and folds in NumPy.

A model has hundreds of keys. JAX takes some 60 microseconds to dispatch one
`fold_in`, and XLA more to compile them all; hashing the words here costs ten.
A key is an array of `uint32` with a last axis of its two words.
"""

import functools
from collections.abc import Callable, Hashable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import Aval, HostArray, Words
from cthulhu.random._threefry import MASK, hash_words
from cthulhu.tracing._graph import Equation, Params, is_key

LARGEST = 4096  # Integers; larger arrays are not about keys.
MOST_KEYS = 2**16  # A split for as many layers or parameters as a model has.

Rule = Callable[..., HostArray | list[HostArray]]


@functools.cache
def threefry_dtype() -> Hashable:
    """The dtype of typed threefry keys."""
    found: Hashable = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32")).dtype
    return found


def derives_from(aval: Aval) -> bool:
    """Whether values of this kind may take part in a derivation: keys and small integers."""
    if is_key(aval):
        return bool(aval.size <= MOST_KEYS)
    if aval.dtype == np.uint32 and aval.shape[-1:] == (2,):
        return bool(aval.size <= 2 * MOST_KEYS)  # The words of keys.
    exact = jnp.issubdtype(aval.dtype, np.integer) or aval.dtype == np.bool_
    return bool(exact) and aval.size <= LARGEST


def is_derivation(equation: Equation, avals: Sequence[Aval]) -> bool:
    """Whether the equation computes keys, or small integers, exactly."""
    if equation.name not in RULES:
        return False
    literals = (ref.aval for ref in equation.inputs if not isinstance(ref, int))
    return all(derives_from(avals[output]) for output in equation.outputs) and all(
        derives_from(aval) for aval in literals
    )


def seed(params: Params, seeds: HostArray) -> Words:
    unsigned = seeds.astype(np.uint64) if seeds.dtype.itemsize == 8 else seeds.astype(np.uint32)
    high = unsigned >> np.uint64(32) if unsigned.dtype == np.uint64 else np.zeros_like(unsigned)
    return np.stack([high.astype(np.uint32), (unsigned & MASK).astype(np.uint32)], -1)


def fold_in(params: Params, key: Words, data: HostArray) -> Words:
    low = data.astype(np.uint32)
    return hash_words(key, np.zeros_like(low), low)


def split(params: Params, key: Words) -> Words:
    shape = tuple(params["shape"])
    low = np.arange(int(np.prod(shape)), dtype=np.uint32).reshape(shape)
    lead = key.reshape(*key.shape[:-1], *(1 for _ in shape), 2)
    return hash_words(lead, np.zeros_like(low), low)


def slice_(params: Params, operand: HostArray) -> HostArray:
    limits, starts = params["limit_indices"], params["start_indices"]
    strides = params["strides"] or (1,) * len(starts)
    return operand[tuple(map(slice, starts, limits, strides))]


def dynamic_slice(params: Params, operand: HostArray, *starts: HostArray) -> HostArray:
    index = []
    for axis, (start, size) in enumerate(zip(starts, params["slice_sizes"], strict=True)):
        first = min(max(int(start), 0), operand.shape[axis] - size)
        index.append(slice(first, first + size))
    return operand[tuple(index)]


def unstack(params: Params, operand: HostArray) -> list[HostArray]:
    return list(np.moveaxis(operand, params["axis"], 0))


def select(params: Params, which: HostArray, *cases: HostArray) -> HostArray:
    extra = cases[0].ndim - which.ndim
    index = which.astype(np.intp).reshape(which.shape + (1,) * extra if which.ndim else ())
    return np.choose(np.broadcast_to(index, cases[0].shape), cases)


def iota(params: Params) -> HostArray:
    shape, axis = params["shape"], params["dimension"]
    lead = tuple(size if at == axis else 1 for at, size in enumerate(shape))
    count = np.arange(shape[axis], dtype=params["dtype"])
    return np.broadcast_to(count.reshape(lead), shape)


def same(params: Params, operand: HostArray) -> HostArray:
    return operand


def elementwise(function: Callable[..., HostArray]) -> Rule:
    """A rule that ignores the parameters."""
    return lambda params, *operands: function(*operands)


RULES: dict[str, Rule] = {
    "iota": iota,
    "random_wrap": same,
    "random_unwrap": same,
    "random_seed": seed,
    "random_fold_in": fold_in,
    "random_split": split,
    "copy": same,
    "stop_gradient": same,
    "slice": slice_,
    "dynamic_slice": dynamic_slice,
    "unstack": unstack,
    "squeeze": lambda params, operand: np.squeeze(operand, tuple(params["dimensions"])),
    "concatenate": lambda params, *parts: np.concatenate(parts, params["dimension"]),
    "stack": lambda params, *parts: np.stack(parts, params["axis"]),
    "rev": lambda params, operand: np.flip(operand, params["dimensions"]),
    "select_n": select,
    "add": elementwise(np.add),
    "sub": elementwise(np.subtract),
    "mul": elementwise(np.multiply),
    "and": elementwise(np.bitwise_and),
    "or": elementwise(np.bitwise_or),
    "xor": elementwise(np.bitwise_xor),
    "lt": elementwise(np.less),
    "le": elementwise(np.less_equal),
    "gt": elementwise(np.greater),
    "ge": elementwise(np.greater_equal),
    "eq": elementwise(np.equal),
    "ne": elementwise(np.not_equal),
    "convert_element_type": lambda params, operand: operand.astype(params["new_dtype"]),
    # These two need the shape of the result.
    "reshape": same,
    "broadcast_in_dim": same,
}


def derive(
    equations: Sequence[Equation], avals: Sequence[Aval], values: dict[int, HostArray]
) -> None:
    """Add the results of `equations` to `values`, in which their inputs stand."""
    for equation in equations:
        operands = [
            values[ref] if isinstance(ref, int) else np.asarray(ref.value, ref.aval.dtype)
            for ref in equation.inputs
        ]
        out = avals[equation.outputs[0]]
        if equation.name in ("reshape", "broadcast_in_dim"):
            results = [shaped(equation, operands[0], out)]
        else:
            with np.errstate(over="ignore"):
                result = RULES[equation.name](equation.params, *operands)
            results = result if isinstance(result, list) else [result]
        values.update(zip(equation.outputs, map(np.asarray, results), strict=True))


def shaped(equation: Equation, operand: HostArray, out: Aval) -> HostArray:
    """A reshape or a broadcast, with the words of a key kept."""
    words = (2,) if is_key(out) else ()
    if equation.name == "reshape":
        return operand.reshape(*out.shape, *words)
    lead = [1] * len(out.shape)
    for axis, position in enumerate(equation.params["broadcast_dimensions"]):
        lead[position] = operand.shape[axis]
    return np.broadcast_to(operand.reshape(*lead, *words), (*out.shape, *words))
