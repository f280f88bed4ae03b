"""`calibrate`: outputs of a chosen size at every layer, measured on a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from cthulhu import checks
from cthulhu._types import KeyLike, PyTree
from cthulhu.calibration._data import AGAIN, BY_SCALE, CalibratedLayer, Calibration, complaint_of
from cthulhu.calibration._layers import Layer, Left, layers_of
from cthulhu.calibration._orthonormal import started
from cthulhu.calibration._passes import Result, calibrating
from cthulhu.calibration._targets import OWNER
from cthulhu.trees import frame_of, is_array
from cthulhu.usage._activations import followed


def calibrate(
    fn: Callable[..., Any],
    params: PyTree,
    *batch: Any,
    targets: float | Mapping[str, Any] = 1.0,
    orthonormal: KeyLike | None = None,
    tolerance: float = 0.01,
    passes: int = 10,
    bounds: tuple[float, float] = (1e-3, 1e3),
    strict: bool = True,
) -> tuple[PyTree, Calibration]:
    """Scale each kernel so that the output of its layer has a chosen standard deviation.

    This is layer-sequential unit-variance initialization, for any function: a layer is a
    contraction of which one side is a parameter, with its bias, found in the program as by
    `cthulhu.usage.infer`. Of layers that are stacked in one array, each has a factor of its own,
    whether a ``scan`` goes over them or they are taken by their numbers.

    The function runs once with every output corrected as it is made, so that the next is measured
    after it, and once more with the corrected parameters, to see that it is so. Where a bias that
    is not zero, a nonlinearity of the parameter or another use of it stands between, it is run
    until every output is at its target, at most `passes` times.

    The factor belongs to the first use of a parameter; outputs of later ones are reported. What is
    constant stays as it is, bit for bit, as a branch that begins with zeros; likewise tables,
    unless `targets` names them, and whatever is no kernel: biases, scales of norms.

    Args:
        fn: any function ``(params, *batch)``, as for `cthulhu.usage.infer`. Norms should be as in
            training, and dropout off.
        params: the parameters: a pytree of arrays, of any framework.
        *batch: real data, or noise of its mean and variance: some thousand elements an output at
            least. If it is sharded, statistics are of all of it.
        targets: the standard deviation of every output, or a mapping of path regexes to standard
            deviations, of which the first that matches the whole path counts, and 1 where none
            does. `None` leaves a parameter alone, as gates and routers; an array holds one for
            each slice of a stack. What makes up one output together, as kernels that are
            concatenated, has one target.
        orthonormal: a key or a seed, to begin with zero biases, and with kernels that are
            orthonormal from their inputs to their outputs, as the paper does. Default: the
            parameters as they are.
        tolerance: how far from its target, of it, a standard deviation may be.
        passes: how often the function is run at most; the last time only looks.
        bounds: the least and the greatest factor, at which it stops.
        strict: whether a layer that is not at its target in the end is an error. Else its
            parameter stays as far as it came, which the calibration tells.

    Returns:
        The new parameters, in a tree like `params`, and a `Calibration`: a table when printed,
        factors that can be saved and applied again, and what was measured. All of it may be
        traced, as by `jax.jit`; nothing is an error then, and
        `Calibration.assert_calibrated` is for afterwards.

    Raises:
        ValueError: a layer is not at its target in the end; the function uses none of the
            parameters, or nothing is to be calibrated; a value of the batch is not finite; or an
            argument is out of range.
        TypeError: as `cthulhu.usage.infer`.

    Example:
        A network of 100 layers, of a law that is too narrow for it:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu import calibrate
        >>> from cthulhu.initializers import RandomUniform
        >>> keys = jax.random.split(jax.random.key(0), 100)
        >>> params = [RandomUniform()(key, (128, 128)) for key in keys]
        >>> def model(params, x):
        ...     for kernel in params:
        ...         x = jnp.tanh(x @ kernel)
        ...     return x
        >>> x = jax.random.normal(jax.random.key(1), (64, 128))
        >>> float(model(params, x).std()) < 1e-38
        True
        >>> params, found = calibrate(model, params, x)
        >>> round(float(model(params, x).std()), 2), int(found.passes)
        (0.63, 2)

    References:
        Mishkin and Matas (2016), "All you need is a good init",
        https://arxiv.org/abs/1511.06422
    """
    tolerance = check_options(tolerance, passes, bounds, strict)
    arrays = [leaf for leaf in jax.tree.leaves(batch) if is_array(leaf)]
    leaves = frame_of(params).parameters(jax.tree.leaves(params))
    check_values(leaves, arrays)
    found = followed(OWNER, fn, params, *batch, scaled=False)
    layers, left = layers_of(found, targets)
    if not layers:
        reasons = "; ".join(f"{one.path!r}: {one.why}" for one in left)
        raise ValueError(
            f"{OWNER}: there is nothing to calibrate: the function has no layer whose parameter is "
            f"a kernel with a target{f' ({reasons})' if reasons else ''}"
        )
    if orthonormal is not None:
        leaves = started(orthonormal, leaves, layers, found.usage)
        params = frame_of(params).fill(leaves)
    run = calibrating(found.traced.jaxpr, layers, tolerance=tolerance, passes=passes, bounds=bounds)
    result: Result = jax.jit(run)(leaves, arrays)
    # What the function captures may be traced, too.
    traced = any(map(checks.is_traced, jax.tree.leaves(result)))
    if not traced:
        result = jax.device_get(result)
    calibration = told(layers, left, result, tolerance, bounds)
    complaint = complaint_of(calibration) if strict and not traced else ""
    if complaint:
        raise ValueError(f"{OWNER}: {complaint}")
    return calibration.apply(params), calibration


def check_options(tolerance: Any, passes: Any, bounds: Any, strict: Any) -> float:
    """Refuse what is out of range; the tolerance as a number."""
    checks.flag(OWNER, "strict", strict)
    if checks.count(OWNER, "passes", passes) < 2:
        raise ValueError(
            f"{OWNER}: passes must be at least 2, to correct and to look; got {passes}"
        )
    known = tuple(bounds) if isinstance(bounds, Sequence) else ()
    if (
        len(known) != 2
        or not all(isinstance(one, int | float) for one in known)
        or not (0 < known[0] <= 1 <= known[1])
    ):
        raise ValueError(
            f"{OWNER}: bounds must be the least factor, above 0 and at most 1, and the greatest, "
            f"at least 1; got {bounds!r}"
        )
    return float(checks.positive(OWNER, "tolerance", tolerance))


def check_values(leaves: Sequence[Any], arrays: Sequence[Any]) -> None:
    """Refuse parameters without values, and batches of which nothing could be said."""
    for one in (*leaves, *arrays):
        if isinstance(one, jax.ShapeDtypeStruct):
            raise ValueError(
                f"{OWNER}: parameters and batch must be arrays; got {one}, which has no values"
            )
    checks.finite_inputs(OWNER, arrays)


def told(
    layers: Sequence[Layer],
    left: Sequence[Left],
    result: Result,
    tolerance: float,
    bounds: tuple[float, float],
) -> Calibration:
    """What was measured, as data."""
    rows: list[CalibratedLayer] = []
    state = result.state
    for one in layers:
        measured = one.target, state.before[one.name], state.after[one.name]
        ran = state.ran[one.name]
        if not one.members:
            rows.append(CalibratedLayer(one.name, one.path, (), *measured, ran=ran, note=AGAIN))
        for at, member in enumerate(one.members):
            rows.append(
                CalibratedLayer(
                    member.name if at else one.name,
                    member.path,
                    member.slices.axes,
                    *measured,
                    result.factors[member.name],
                    ran,
                    result.constant[member.name],
                    f"with {one.path}" if at else "" if member.path == one.path else BY_SCALE,
                    member.slices.taken,
                )
            )
    rows += [CalibratedLayer(one.path, one.path, note=one.why) for one in left]
    low, high = bounds
    return Calibration(tuple(rows), state.passes, tolerance, (float(low), float(high)))
