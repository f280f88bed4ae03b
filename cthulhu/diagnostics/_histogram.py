"""`histogram`: the picture of one array, or of what one initializer makes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks, initializers
from cthulhu._types import Array, HostArray, KeyLike
from cthulhu.audit._audit import number
from cthulhu.audit._looks import indexable, is_real
from cthulhu.audit._observed import lies_on_host
from cthulhu.diagnostics._leaf import LeafReport
from cthulhu.diagnostics._outlook import outlook
from cthulhu.diagnostics._report import parts, report
from cthulhu.params import plan
from cthulhu.random import from_seed
from cthulhu.trees import is_array
from cthulhu.typing import InitializerLike

OWNER = "histogram"
SHAPE = (1024, 256)
FINE = 801  # Points of a density.
MOST = 10_000


def histogram(
    source: Any,
    expected: InitializerLike | None = None,
    *,
    shape: Sequence[int] = SHAPE,
    key: KeyLike = 0,
    bins: int = 60,
    title: str | None = None,
) -> Any:
    """Draw the distribution of an array, or of what an initializer makes, with its law over it.

    All values are counted, where they lie; the counts come to the host.

    Args:
        source: an array of JAX or of NumPy; or an initializer, in any form that
            `cthulhu.initializers.get` takes, of which an array is made.
        expected: the initializer whose law is drawn over the values of an array; default:
            none, and for an initializer that one.
        shape: the shape of what an initializer makes.
        key: the key for that, or a seed.
        bins: the number of bins.
        title: what is written above; default: the initializer, or the shape and the type.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows and ``savefig`` writes.

    Raises:
        TypeError: `source` is neither an array of real or complex numbers nor an initializer.
        ValueError: the array is empty or has no finite numbers, an initializer is unknown, or
            an argument is out of range.
        ModuleNotFoundError: matplotlib is not installed.

    Example:
        >>> from cthulhu.diagnostics import histogram
        >>> figure = histogram("he_normal", shape=(512, 64))
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['law: stddev 0.0625']
    """
    bins = checks.count(OWNER, "bins", bins)
    if not 1 <= bins <= MOST:
        raise ValueError(f"{OWNER}: bins must be from 1 to {MOST:,}; got {bins}")
    with checks.extra(OWNER, "matplotlib", name="plot"):
        from cthulhu.diagnostics import _pictures as pictures
    if is_array(source) and not isinstance(source, type):
        values, name = source, f"{tuple(source.shape)}, {source.dtype}"
    elif source is None:
        raise TypeError(f"{OWNER}: source must be an array or an initializer; got None")
    else:
        try:
            init: Any = initializers.get(source)
        except (TypeError, ValueError) as error:
            raise checks.in_name_of(OWNER, error) from None
        expected = init if expected is None else expected
        seed: Any = key
        own = seed if checks.is_key(seed) else from_seed(seed)
        values = init(own, checks.shape(OWNER, shape), np.dtype(np.float32))
        name = f"{getattr(init, '__name__', None) or init!r}, {tuple(shape)}"
    if not is_real(values.dtype):
        raise TypeError(f"{OWNER}: source must hold numbers; it is of type {values.dtype}")
    leaf = report({"values": values}, expected).leaves[0]
    if leaf.minimum is None or leaf.maximum is None:
        raise ValueError(f"{OWNER}: source has no finite numbers; it is of shape {leaf.shape}")
    edges = edges_of(leaf, bins)
    moments = f"mean {number(leaf.mean)}, stddev {number(leaf.stddev)}"
    return pictures.one(
        edges,
        counted(values, edges),
        density(leaf, expected, values, edges),
        title if title is not None else f"{name}\n{moments}",
        f"law: stddev {number(leaf.expected_stddev)}",
    )


def edges_of(leaf: LeafReport, bins: int) -> HostArray:
    """The ends of the bins: all of one width, from the least value to the greatest."""
    assert leaf.minimum is not None
    assert leaf.maximum is not None
    low, high = leaf.minimum, leaf.maximum
    if low == high:
        reach = abs(low) / 2 or 0.5
        low, high = low - reach, high + reach
    return np.linspace(low, high, bins + 1)


def counted(values: Array, edges: HostArray) -> list[int]:
    """How many values are in each bin."""
    if lies_on_host(values):
        flat = np.asarray(parts(np.asarray(values))).reshape(-1)
        if flat.dtype.kind not in "fiu":
            flat = flat.astype(np.float32)
        ends = (float(edges[0]), float(edges[-1]))
        counts, _ = np.histogram(flat[np.isfinite(flat)], len(edges) - 1, ends)
        return [int(count) for count in counts]
    array = parts(indexable(values)).astype(np.float32)
    upto = np.asarray(below(array, edges[1:-1].astype(np.float32)))
    total = int(jnp.sum(jnp.isfinite(array)))
    return [int(count) for count in np.diff(upto, prepend=0, append=total)]


@jax.jit
def below(array: Array, edges: Array) -> Array:
    """How many finite values are less, as NumPy counts them in bins."""

    def of(edge: jax.Array) -> jax.Array:
        return jnp.sum((array < edge) & jnp.isfinite(array), dtype=np.int32)

    found: Array = jax.lax.map(of, edges)
    return found


def density(
    leaf: LeafReport, expected: InitializerLike | None, values: Array, edges: HostArray
) -> tuple[HostArray, HostArray] | None:
    """The density of the law: the slope of its distribution."""
    if expected is None or not leaf.expected_stddev:
        return None
    spec = jax.ShapeDtypeStruct(leaf.shape, values.dtype)
    planned = plan({"values": spec}, expected, stacked={}).leaves[0]
    margin = 0.04 * float(edges[-1] - edges[0])
    x = np.linspace(edges[0] - margin, edges[-1] + margin, FINE)
    known = outlook(planned, values.dtype).below(x)
    if known is None:
        return None
    return (x[1:] + x[:-1]) / 2, np.diff(known) / np.diff(x)
