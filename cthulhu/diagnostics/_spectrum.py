"""`spectrum`: how far a function stretches each direction of its input."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu import checks
from cthulhu._types import HostArray, Key, KeyLike, PyTree
from cthulhu.diagnostics._asked import Asked, asked_of
from cthulhu.diagnostics._jacobian import (
    Arrays,
    NoWayBackError,
    apart,
    finite,
    is_inexact,
    kernel,
    matrix,
    narrowed,
    spec_of,
    vector,
    way,
    way_back,
    wide_type,
    widened,
)
from cthulhu.diagnostics._lanczos import largest, mean_square
from cthulhu.diagnostics._singular import JACOBIAN, KERNEL, Matrix, Spectrum, SpectrumRow
from cthulhu.params._keys import looks_like_key
from cthulhu.random import from_seed

OWNER = "spectrum"
SMALL = 2**22  # Elements of a matrix whose values are all computed.
SOME = 16  # Values that are looked for in a larger one.
TOLERANCE = 1e-5  # At ten times as much, one of two values that are close is missed at times.
PROBES = 32


class Found(NamedTuple):
    """What a program tells of one matrix, or, of a kernel by products, of its Jacobian."""

    values: jax.Array
    residuals: jax.Array | None = None
    square: jax.Array | None = None
    """The mean square, in units of the largest value's."""
    square_error: jax.Array | None = None


class Task(NamedTuple):
    """What is to be computed."""

    kernel: bool
    exact: bool
    wanted: int
    """How many values."""
    total: int
    """How many there are."""
    steps: int


def spectrum(
    fn: Callable[..., Any],
    params: PyTree,
    x: PyTree,
    *rest: Any,
    of: Matrix = "jacobian",
    per_example: bool = False,
    k: int | None = None,
    exact: bool | None = None,
    steps: int | None = None,
    key: KeyLike = 0,
) -> Spectrum:
    """Compute the singular values of the Jacobian of a function's outputs by its inputs.

    They say how far the function stretches each direction of a small change of `x`. Where all
    are near 1, as of deep networks of orthogonal matrices, changes and gradients of every
    direction get through: dynamical isometry.

    A Jacobian of up to 2²² elements (2,048 by 2,048) is computed, by as few products with it as
    it has rows or columns, and decomposed. Of a larger one, Golub and Kahan's bidiagonalization
    finds the `k` largest values, by products alone, until no residual is above 10⁻⁵ of the
    largest value; of values that are there several times it may find fewer.

    Args:
        fn: any function ``(params, x, *rest)``. What it returns, an array or a tree, counts as
            one vector, without what has no gradient, as integers.
        params: the parameters: a pytree of arrays, of any framework.
        x: the input: an array, or a tree of which all real arrays together are one vector.
        *rest: the other arguments, which stay as they are.
        of: ``"jacobian"``, of the outputs by `x`; or ``"tangent_kernel"``, whose eigenvalues are
            the squared singular values of the Jacobian by the parameters: J Jᵀ, of the outputs
            for all of `x` with each other.
        per_example: whether the first axis of `x` counts examples, of which each has a spectrum:
            the function is given one after the other, as a batch of one. Else `x` is one input;
            of a batch, the Jacobian has those of the examples as blocks.
        k: how many of the largest values. Default: all if they are computed exactly, else 16.
        exact: whether to compute the matrix whatever its size, or never; default: by its size,
            for a tangent kernel up to 2,048 outputs.
        steps: how many steps of the bidiagonalization at most. Default: 64 + 8 `k`.
        key: the key, or its seed, of what it starts from.

    Returns:
        A `Spectrum`: a table when printed, `values` as data, a picture by `plot()`. Complex
        numbers count as two real ones. It is computed in float32, or in float64 where an array
        is; the products in the types that the function has.

    Raises:
        ValueError: `x` or the outputs have nothing to differentiate, the function does not use
            `x` or the parameters, a number is not finite, or an argument is out of range.
        TypeError: an argument is of the wrong type.

    Example:
        Twenty orthogonal matrices keep all lengths; of Gaussian ones, some directions are lost
        and others grow, although the mean square is kept as well:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.initializers import LecunNormal, Orthogonal
        >>> def model(params, x):
        ...     for kernel in params:
        ...         x = x @ kernel
        ...     return x
        >>> keys = jax.random.split(jax.random.key(0), 20)
        >>> for init in Orthogonal(), LecunNormal():
        ...     found = spectrum(model, [init(key, (64, 64)) for key in keys], jnp.ones(64))
        ...     print(round(found.largest), found.condition > 1e6)
        1 False
        4 True

    References:
        Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear dynamics of
        learning in deep linear neural networks", https://arxiv.org/abs/1312.6120. Pennington,
        Schoenholz and Ganguli (2017), "Resurrecting the sigmoid in deep learning through
        dynamical isometry", https://arxiv.org/abs/1711.04735. Jacot, Gabriel and Hongler (2018),
        "Neural tangent kernel", https://arxiv.org/abs/1806.07572. Golub and Kahan (1965),
        "Calculating the singular values and pseudo-inverse of a matrix",
        https://doi.org/10.1137/0702016. Simon and Zha (2000), "Low-rank matrix approximation
        using the Lanczos bidiagonalization process", https://doi.org/10.1137/S1064827597327309.
        Barlow (2013), "Reorthogonalization for the Golub-Kahan-Lanczos bidiagonal reduction",
        https://doi.org/10.1007/s00211-013-0518-8
    """
    of_kernel = checks.choice(OWNER, "of", of, (JACOBIAN, KERNEL)) == KERNEL
    checks.flag(OWNER, "per_example", per_example)
    if exact is not None:
        checks.flag(OWNER, "exact", exact)
    own = single_key(key)
    asked = asked_of(OWNER, fn, params, x, rest, of_kernel, per_example)
    outputs, variables = asked.outputs, asked.variables
    total = outputs if of_kernel else min(outputs, variables)
    whole = exact if exact is not None else outputs * (outputs if of_kernel else variables) <= SMALL
    there = f"{total:,}, the number of values that there are"
    count = number("k", k, total if whole else min(SOME, total), 1, total, f"1 to {there}")
    most = total
    if not whole:
        usual = min(total, 64 + 8 * count)
        most = number("steps", steps, usual, count, total, f"k = {count:,} to {there}")
    task = Task(of_kernel, whole, count, total, most)

    def run(known: Arrays, given: Arrays, others: Arrays) -> Found:
        if not per_example:
            return computed(asked, task, known, given, others, own)
        return lax.map(  # type: ignore[no-any-return]
            lambda one: computed(asked, task, known, [array[None] for array in one], others, own),
            given,
        )

    # In TF32, a GPU's default, products would be off by more than the tolerance.
    with jax.default_matmul_precision("highest"):
        found = jax.device_get(jax.jit(run)(asked.known, asked.given, asked.others))
    rows = [found] if not per_example else each(found)
    return Spectrum(of, outputs, variables, whole, tuple(row_of(one, task) for one in rows))


def single_key(key: Any) -> Key:
    """A key, for a key or its seed."""
    if not looks_like_key(key):
        raise TypeError(f"{OWNER}: key must be a PRNG key or the integer seed of one; got {key!r}")
    if not checks.is_key(key):
        return from_seed(int(key))
    checks.single_key(OWNER, key)
    return jnp.asarray(key)


def number(argument: str, value: Any, usual: int, least: int, most: int, wanted: str) -> int:
    """A number of values or of steps."""
    if value is None:
        return usual
    known = checks.count(OWNER, argument, value)
    if not least <= known <= most:
        raise ValueError(f"{OWNER}: {argument} must be from {wanted}; got {known:,}")
    return known


def computed(
    asked: Asked, task: Task, known: Arrays, given: Arrays, others: Arrays, key: Key
) -> Found:
    """The values of one matrix: pure, of arrays."""
    varying = known if task.kernel else given
    specs = [spec_of(array) for array in varying if is_inexact(array)]
    dtype = wide_type([*specs, *asked.out_specs])

    def outputs(variables: Arrays) -> jax.Array:
        wide = iter(zip(variables, specs, strict=True))
        arrays = [narrowed(*next(wide)) if is_inexact(one) else one for one in varying]
        out = asked.call(*((arrays, given) if task.kernel else (known, arrays)), others)
        return vector([widened(one, dtype) for one in out if is_inexact(one)])

    at = [widened(array, dtype) for array in varying if is_inexact(array)]
    if task.exact and not task.kernel:
        jacobian, factor = finite(matrix(outputs, at, specs, asked.outputs, dtype))
        return Found(factor * jnp.linalg.svd(jacobian, compute_uv=False))
    try:
        there, back = way(outputs, at), way_back(outputs, at)
    except NoWayBackError as error:
        advice = "" if task.kernel else ", or pass exact=True, which does without"
        raise ValueError(
            f"{OWNER}: there is no way back through the function, which this needs{advice}: {error}"
        ) from None
    if task.exact:
        symmetric, factor = finite(kernel(there, back, specs, asked.outputs, dtype))
        values = jnp.linalg.eigvalsh(symmetric)[::-1]
        # A product of a matrix and its transpose has none below 0: what is, is rounding.
        return Found(factor * jnp.where(values < 0, 0, values))
    wide = task.kernel or asked.outputs < asked.variables
    first: Callable[[Any], Any] = back if wide else lambda one: there(apart(one, specs))
    second: Callable[[Any], Any] = there if wide else lambda one: vector(back(one))
    near = largest(
        first,
        second,
        task.total,
        dtype,
        count=task.wanted,
        steps=task.steps,
        tolerance=TOLERANCE,
        key=key,
    )
    own = jax.random.fold_in(key, task.steps + 1)
    square = mean_square(first, near, probes=PROBES, key=own)
    return Found(near.values, near.residuals, *square)


def each(found: Found) -> list[Found]:
    """What was found for each example."""
    arrays = [array for array in found if array is not None]
    return [Found(*parts) for parts in zip(*arrays, strict=True)]


def row_of(found: Found, task: Task) -> SpectrumRow:
    """The values of one matrix, as data; they are squared here, where no square overflows."""
    values: HostArray = np.asarray(found.values, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"{OWNER}: the {'kernel' if task.kernel else 'Jacobian'} has values that are not "
            "finite; cthulhu.diagnostics.signal shows in which layer that begins"
        )
    if found.residuals is None or found.square is None or found.square_error is None:
        square = float(np.mean(values if task.kernel else values**2))
        return SpectrumRow(tuple(values[: task.wanted].tolist()), square)
    unit = float(values[0]) ** 2
    residuals: HostArray = np.asarray(found.residuals, np.float64)
    if task.kernel:
        values, residuals = values**2, values * residuals
    return SpectrumRow(
        tuple(values.tolist()),
        unit * float(found.square),
        unit * float(found.square_error),
        tuple(residuals.tolist()),
    )
