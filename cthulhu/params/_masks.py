"""Which elements of which parameters are meant: boolean masks, by path or as a tree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType

from cthulhu import checks
from cthulhu._types import Array, PyTree
from cthulhu.params import _patterns as patterns
from cthulhu.trees import Path, flatten, join

Mask: TypeAlias = Array | bool | None
"""`None`: nothing; `True`: all of it; else an array of booleans that broadcasts to it."""


def masks_of(
    owner: str, where: PyTree, paths: Sequence[Path], shapes: Sequence[tuple[int, ...]]
) -> list[Mask]:
    """The mask of each parameter: all that name it, taken together.

    Args:
        owner: who asks, for the message of an error.
        where: a mapping of path regexes to masks, or a tree of masks. A mapping whose
            keys are among the first components of the paths is a tree.
        paths: the paths of the parameters.
        shapes: their shapes.

    Returns:
        A mask for each; those without `True` are `None`, if that is known.

    Raises:
        ValueError: a mask names no parameter, or does not broadcast to it.
        TypeError: a mask is not of booleans.
    """
    masks: list[Any] = [None] * len(paths)
    for name, mask, found in named(owner, where, paths):
        if not isinstance(mask, bool) and getattr(mask, "dtype", None) != np.bool_:
            got = f"dtype {mask.dtype}" if hasattr(mask, "dtype") else repr(mask)
            raise TypeError(
                f"{owner}: where: the mask of {name!r} must be True, or an array of booleans; got "
                f"{got}"
            )
        for at in found:
            check_broadcasts(owner, join(paths[at]), np.shape(mask), shapes[at])
            masks[at] = mask if masks[at] is None else either(masks[at], mask, shapes[at])
    return [None if mask is None else settled(mask) for mask in masks]


def named(
    owner: str, where: PyTree, paths: Sequence[Path]
) -> Iterator[tuple[str, Any, Sequence[int]]]:
    """Each mask: what names it, itself, and the numbers of the parameters that it is for."""
    names = list(map(join, paths))
    first = {path[0] for path in paths if path}
    if isinstance(where, Mapping) and not first.issuperset(map(str, where)):
        for pattern, mask in where.items():
            if not isinstance(pattern, str):
                raise TypeError(f"{owner}: where maps strings (regex) to masks; got {pattern!r}")
            regex = patterns.Pattern(f"{owner}: where has", pattern)
            found = [at for at, name in enumerate(names) if regex.matches(name)]
            if not found:
                near = checks.did_you_mean(pattern, (*names, *sorted(first)))
                below = (
                    f"; for all below it, write {f'{pattern}/.*'!r}" if pattern in first else near
                )
                raise ValueError(
                    f"{owner}: where names {pattern!r}, which matches no parameter{below}. A "
                    "regular expression must match the whole path; a tree of masks begins as the "
                    "parameters do"
                )
            if mask is not None:
                yield pattern, mask, found
        return
    under: dict[Path, list[int]] = {}
    for at, path in enumerate(paths):
        for depth in range(len(path) + 1):
            under.setdefault(path[:depth], []).append(at)
    for node, mask in zip(*flatten(where)[:2], strict=True):
        # What an Equinox module holds besides parameters may have a mask that names nothing.
        if node not in under and mask is not False:
            near = checks.did_you_mean(join(node), names)
            raise ValueError(
                f"{owner}: where has a mask at {join(node)!r}, and no parameter is there, or "
                f"below{near}"
            )
        yield join(node), mask, under.get(node, ())


def check_broadcasts(owner: str, name: str, mask: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse a mask that does not fit a parameter."""
    try:
        fits = np.broadcast_shapes(mask, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{owner}: where: the mask of {name!r} must broadcast to its shape {shape}, from the "
            f"right as in NumPy; got {mask}. Units along the last axis have a mask of shape (n,), "
            "those along the last but one mask[:, None]"
        )


def settled(mask: bool | Array) -> Mask:
    """A mask of which it is said, where that is known, whether it is of nothing, or of all."""
    if checks.is_traced(mask) or not getattr(mask, "is_fully_addressable", True):
        return mask
    values = np.asarray(mask)
    if not values.any():
        return None
    return True if values.all() else mask


def either(first: bool | Array, second: bool | Array, shape: tuple[int, ...]) -> Array:
    """What one of two masks names, or both do."""
    # Of masks that are known it stays known, also inside a program, whether they name anything.
    numpy: Any = jnp if checks.is_traced(first) or checks.is_traced(second) else np
    named: Array = numpy.broadcast_to(first, shape) | numpy.broadcast_to(second, shape)
    return named


@jax.jit
def chosen(mask: Array | bool, new: jax.Array, old: jax.Array) -> jax.Array:
    """The new elements where the mask is true, and the old ones, each bit of them, elsewhere."""
    mask = jnp.broadcast_to(mask, old.shape)
    sharding = jax.typeof(old).sharding
    if AxisType.Explicit in sharding.mesh.axis_types:
        mask, new = jax.sharding.reshard((mask, new), sharding)
    if not jnp.issubdtype(old.dtype, jnp.floating):
        return jnp.where(mask, new, old)
    # As integers: arithmetic on narrow floats may go through wider ones, and quiet a NaN.
    width = jnp.finfo(old.dtype).bits  # type: ignore[no-untyped-call]
    bits = jnp.dtype(f"uint{width}")
    new_bits, old_bits = (jax.lax.bitcast_convert_type(values, bits) for values in (new, old))
    return jax.lax.bitcast_convert_type(jnp.where(mask, new_bits, old_bits), old.dtype)


def put_where(mask: Mask, new: Array, old: Any) -> Any:
    """An array with new elements where a mask says so, which lies where it did."""
    if mask is None:
        return old
    if checks.is_traced(new) or mask is not True:
        new = chosen(mask, new, old)
    if checks.is_traced(new) or not isinstance(old, jax.Array):
        return new
    # It would commit what is not, to put it where it is.
    same = isinstance(new, jax.Array) and new.sharding == old.sharding
    return new if same else jax.device_put(new, old.sharding)
