"""`report`: what is in the parameters of a model, beside what should be."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cthulhu import checks
from cthulhu._types import Array, HostArray, PyTree
from cthulhu.audit._check import misfit
from cthulhu.audit._expected import planned_for, refuse_module, there_of
from cthulhu.audit._looks import indexable, is_real, resolution, type_of
from cthulhu.audit._observed import (
    NOTHING,
    Begun,
    Observed,
    Reading,
    begin,
    begin_on_host,
    lies_on_host,
    on_host,
)
from cthulhu.diagnostics._data import TreeReport
from cthulhu.diagnostics._flags import flags_of, narrow_flags, narrow_type, off_by, unlike
from cthulhu.diagnostics._leaf import Histogram, LeafReport
from cthulhu.diagnostics._outlook import COARSE, UNKNOWN, Outlook, outlook, scores
from cthulhu.params import Keep, Plan
from cthulhu.params._described import called
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, Stacked
from cthulhu.params._progress import bar
from cthulhu.params._rules import RulesLike
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype
from cthulhu.recipes import Naming, Recipe
from cthulhu.trees import Path, flatten, is_array, join
from cthulhu.usage import Usage

OWNER = "report"
NO_MESH = Mesh(np.empty((), object), ())
BINS = 32
EMPTY = Reading((), lambda _: NOTHING)


def report(
    params: PyTree,
    rules: Plan[PyTree] | Recipe | RulesLike | None = None,
    *,
    z: float = 6.0,
    naming: Naming | str | None = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    usage: Usage | None = None,
    progress: bool = False,
    **hyperparameters: Any,
) -> TreeReport:
    """Say what is in each parameter, beside what should be, and flag what is wrong.

    Each array is read once, where it lies, under whatever sharding; numbers come to the host,
    those of all parameters together, and a sample of at most 4,096 values of each. Arrays of
    the host are read one after the other, so that those of a file need not fit into memory.

    `cthulhu.check` takes longer, tests whole distributions at a rate of error that can be said,
    and explains. This is for a look: at any parameters, also without knowing their laws.

    Args:
        params: a tree of arrays, of any framework.
        rules: what made them, if that is known: a plan; the name of a recipe, as
            ``"gpt2:openai"``, or a `cthulhu.recipes.Recipe`; `cthulhu.params.Rules`, or what
            they are made of, as the name of an initializer. A plan made before is fastest.
        z: how many standard errors a mean or a standard deviation may be off.
        naming: with a recipe, as for `cthulhu.recipes.rules`.
        stacked: with rules, as for `cthulhu.params.init_params`.
        layout: with rules, as for `cthulhu.params.init_params`.
        usage: with rules, as for `cthulhu.params.init_params`.
        progress: whether to show a bar.
        **hyperparameters: with the name of a recipe, as for `cthulhu.recipes.rules`.

    Returns:
        A `TreeReport`: a table when printed, `leaves` as data, pictures by `plot()`, and true if
        nothing is wrong, which `assert_healthy()` asserts.

    Raises:
        ValueError: there are no parameters, one matches no rule, or an argument is out of range.
        TypeError: a leaf is no array, or the arguments do not fit each other.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import init_params
        >>> from cthulhu.diagnostics import report
        >>> specs = {"kernel": jax.ShapeDtypeStruct((256, 64), np.float32)}
        >>> params = init_params(0, specs, "he_normal")
        >>> bool(report(params, "he_normal"))
        True
        >>> leaf = report(params, "lecun_normal").leaves[0]
        >>> leaf.expected_stddev, round(leaf.stddev, 3), [flag.kind for flag in leaf.flags]
        (0.0625, 0.089, ['stddev', 'support'])
    """
    given: Any = z
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise ValueError(f"{OWNER}: z must be a number of standard errors above 0; got {z!r}")
    checks.flag(OWNER, "progress", progress)
    refuse_module(OWNER, params)
    check_values(params)
    told = rules is not None
    planned = planned_for(
        OWNER,
        params,
        rules if rules is not None else Keep(),
        naming,
        stacked,
        layout,
        usage,
        hyperparameters,
    )
    there = there_of(OWNER, params, planned)
    with (
        jax.set_mesh(NO_MESH),  # Each array lies as it says, not as its surroundings do.
        bar("Reading", max(1, planned.nbytes), shown=progress) as advance,
    ):
        rows = []
        for leaf, seen in zip(planned.leaves, looks(planned, there), strict=True):
            rows.append(row(leaf, there.get(leaf.path), *seen, told, z))
            advance(leaf.nbytes)
    return TreeReport(tuple(rows), z)


def check_values(params: PyTree) -> None:
    """Refuse what is no tree of arrays, and arrays whose values are not known."""
    paths, leaves, _ = flatten(params)
    if not leaves:
        raise ValueError(f"{OWNER}: params has no parameters; got {params!r}")
    for path, leaf in zip(paths, leaves, strict=True):
        if path == () and not is_array(leaf):
            raise TypeError(
                f"{OWNER}: params must be a tree of arrays; got {leaf!r} of type "
                f"{type(leaf).__name__}"
            )
        if isinstance(leaf, jax.core.Tracer):
            raise TypeError(
                f"{OWNER}: {join(path)!r} is traced, so that its values are not known. Call report "
                "outside of jit, vmap and grad"
            )
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise ValueError(
                f"{OWNER}: {join(path)!r} has no values: it is a jax.ShapeDtypeStruct. Pass "
                "arrays, as init_params makes them"
            )


def looks(
    planned: Plan[PyTree], there: Mapping[Path, Any]
) -> Iterator[tuple[Outlook, Observed | None]]:
    """What is expected of each parameter, and what is seen of it.

    What lies on devices is begun at once, and fetched together. What lies in the host's memory
    is read by threads, also while something is done with what they have read.
    """
    known: list[Outlook] = []
    begun: list[Begun | Reading | None] = []
    for leaf in planned.leaves:
        value: Any = there.get(leaf.path)
        expected = UNKNOWN
        one: Begun | Reading | None = None
        if misfit(leaf, value) is None and is_real(value.dtype):
            expected = outlook(leaf, type_of(leaf, value))
            one = look(value, expected)
        known.append(expected)
        begun.append(one)
    sums = pool.results([job for one in begun if isinstance(one, Reading) for job in one.jobs])
    found = iter(jax.device_get([one.found for one in begun if isinstance(one, Begun)]))
    for expected, one in zip(known, begun, strict=True):
        seen = None
        if isinstance(one, Reading):
            seen = one.finish([next(sums) for _ in one.jobs])
        elif one is not None:
            seen = one.finish(next(found))
        yield expected, seen


def look(value: Any, known: Outlook) -> Begun | Reading:
    """Begin to look at an array."""
    if not math.prod(value.shape):
        return EMPTY
    if not lies_on_host(value):
        return begin(parts(indexable(value)), known.mean, known.stddev)
    if isinstance(value, np.ndarray | jax.Array):
        return begin_on_host(host(value), known.mean, exact=True)
    # It is read from a file when its turn comes, and let go after it.
    return Reading((), lambda _: on_host(host(value), known.mean, exact=True))


def host(value: Array) -> HostArray:
    """The real numbers of an array that lies in the host's memory."""
    return np.asarray(parts(np.asarray(value)))


def parts(array: Array) -> Array:
    """Real numbers: of complex ones, the real parts beside the imaginary ones."""
    if not jnp.issubdtype(array.dtype, np.complexfloating):
        return array
    if isinstance(array, np.ndarray):  # Without a copy.
        return np.ascontiguousarray(array).reshape(-1).view(array.real.dtype)
    found: Array = jnp.stack([array.real, array.imag], axis=-1)
    return found


def row(
    leaf: Leaf, value: Any, known: Outlook, seen: Observed | None, told: bool, z: float
) -> LeafReport:
    """What is said of one parameter."""
    flag = misfit(leaf, value)
    expected = called(leaf) if told and not leaf.kept else None
    common: dict[str, Any] = {
        "path": join(leaf.path),
        "shape": leaf.shape,
        "dtype": str(leaf.dtype if flag else value.dtype),
        "role": leaf.role,
        "expected": expected,
        "expected_mean": exact(known.mean),
        "expected_stddev": exact(known.stddev),
    }
    if flag is not None:
        return LeafReport(**common, flags=(flag,))
    if seen is None:
        return LeafReport(**common, note="holds no numbers, so was not looked at")
    if not seen.size:
        return LeafReport(**common, note="is empty")
    dtype = type_of(leaf, value)
    values = in_order(seen)
    distinct = int(np.count_nonzero(values[1:] != values[:-1])) + bool(values.size)
    off: tuple[float | None, float | None] = (None, None)
    thin = narrow_type(leaf, seen, known, dtype, distinct)
    if not (seen.bad or seen.constant or leaf.kept):
        off = scores(seen, known, dtype if thin is None else jnp.dtype(thin))
    flags = [*flags_of(leaf, seen, known, dtype, told), *off_by(seen, known, off, z)]
    flags += narrow_flags(leaf, seen, known, dtype, thin)
    histogram, distance = histogram_of(values, known)
    if not (seen.bad or flags) and distance is not None and resolution(dtype) < COARSE:
        flags += unlike(distance, values.size, z)
    return LeafReport(
        **common,
        mean=finite(seen.mean),
        stddev=finite(seen.stddev),
        minimum=finite(seen.low),
        maximum=finite(seen.high),
        distinct=distinct,
        sampled=seen.sample.size,
        zeros=seen.zeros,
        non_finite=seen.bad,
        z_mean=off[0],
        z_stddev=off[1],
        flags=tuple(flags),
        note="kept, so only looked at for numbers that are not finite"
        if told and leaf.kept
        else "",
        histogram=histogram,
    )


def in_order(seen: Observed) -> HostArray:
    """The finite values of a sample, in a type that holds each of them; of equal ones, one."""
    if (
        seen.sample.dtype.kind in "iu"
    ):  # Of large ones float32, which says what is equal, knows few.
        return np.sort(seen.sample.astype(np.float64))
    values = seen.sample[:1] if seen.constant else seen.sample
    values = values.astype(compute_dtype(values.dtype), copy=False)
    return np.sort(values[np.isfinite(values)] if seen.bad else values)


def exact(value: float | None) -> float | None:
    """A number of a law without what float32 leaves of its scalars."""
    return None if value is None else float(f"{value:.6g}") + 0.0


def finite(value: float) -> float | None:
    """A number, if it is one."""
    return value if math.isfinite(value) else None


def histogram_of(values: HostArray, known: Outlook) -> tuple[Histogram | None, float | None]:
    """How values, in order, are distributed, unless all are one; and how far from their law."""
    if values.size < 2 or values[0] == values[-1]:
        return None, None
    low, high = float(values[0]), float(values[-1])
    if not math.isfinite(high - low):
        return None, None
    edges = np.linspace(low, high, BINS + 1)
    upto = np.searchsorted(values, edges[1:-1].astype(values.dtype), "right")
    ends = np.concatenate([[0], upto, [values.size]])
    counts = tuple((ends[1:] - ends[:-1]).tolist())
    below = known.below(edges)
    if below is None:
        return Histogram(low, high, counts), None
    # Of a law in parts, a sample of neighbours may have more of one part than is its share.
    alike = known.law is not None
    distance = float(np.abs(upto / values.size - below[1:-1]).max()) if alike else None
    return Histogram(low, high, counts, tuple((below[1:] - below[:-1]).tolist())), distance
