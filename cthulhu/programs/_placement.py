"""Where arrays go."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax
from jax import lax
from jax.sharding import (
    AxisType,
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
)

from cthulhu import compat
from cthulhu._types import Array, KeyPath, PyTree
from cthulhu.typing import OutSharding

OWNER = "fast_init"


def committed(arguments: Iterable[object]) -> Sharding | None:
    """Where `jax.jit` would put results that depend on arguments placed like these."""
    for argument in arguments:
        if isinstance(argument, jax.Array) and argument.committed:
            sharding = argument.sharding
            if isinstance(sharding, NamedSharding):
                return NamedSharding(sharding.mesh, PartitionSpec())
            if len(sharding.device_set) == 1:
                return SingleDeviceSharding(*sharding.device_set)
    return None


def leaf_shardings(prefix: PyTree, result: PyTree, owner: str = OWNER) -> list[Sharding | None]:
    """The sharding of each leaf of the result."""
    leaves = jax.tree_util.tree_leaves_with_path(result)
    try:
        # None is a node of the result's pytree, but a leaf of the prefix.
        marked = jax.tree.map(Marked, prefix, is_leaf=is_sharding)
        spread = jax.tree.leaves(jax.tree.broadcast(marked, result))
    except ValueError as error:
        asked, of = "shardings", "tree"
        if owner == OWNER:
            asked, of = "out_shardings", "pytree that init_fn returns"
        raise ValueError(
            f"{owner}: {asked} must be a sharding, or a prefix of the {of}, which is "
            f"{jax.tree.structure(result)}; {error}"
        ) from None
    pairs = zip(spread, leaves, strict=True)
    return [checked(owner, marked.sharding, leaf) for marked, leaf in pairs]


@dataclasses.dataclass(frozen=True, slots=True)
class Marked:
    """A leaf of the prefix, which no pytree looks into."""

    sharding: object


def is_sharding(value: object) -> bool:
    return value is None or isinstance(value, Sharding | PartitionSpec)


def checked(owner: str, sharding: Any, item: tuple[KeyPath, Array]) -> Sharding | None:
    """The sharding of one leaf, if it divides its shape."""
    path, leaf = item
    if not isinstance(sharding, Sharding):
        sharding = resolve_sharding(owner, sharding)
    if sharding is not None:
        try:
            sharding.shard_shape(leaf.shape)
        except ValueError as error:
            of = "result" if owner == OWNER else "tree"
            raise ValueError(
                f"{owner}: the sharding of {of}{jax.tree_util.keystr(path)} must divide its "
                f"shape {tuple(leaf.shape)!r}; {error}"
            ) from None
    return sharding  # type: ignore[no-any-return]


def is_addressable(sharding: Sharding | None) -> bool:
    """Whether this host holds all of an array in this sharding."""
    return sharding is None or sharding.is_fully_addressable


def runs_on_cpu(shardings: Sequence[Sharding | None]) -> bool:
    """Whether arrays in these shardings lie whole in the host's memory."""
    for sharding in shardings:
        if sharding is None:
            platforms = {default_platform()}
        elif isinstance(sharding, SingleDeviceSharding):
            devices: Any = sharding.device_set
            platforms = {device.platform for device in devices}
        else:
            return False
        if platforms != {"cpu"}:
            return False
    return bool(jax.sharding.get_mesh().empty)


def default_platform() -> str:
    """Where JAX puts what has no place of its own."""
    config: Any = jax.config
    device: Any = config.jax_default_device
    if device is None:
        return jax.default_backend()
    return str(getattr(device, "platform", device))


def resolve_sharding(owner: str, sharding: OutSharding) -> NamedSharding | None:
    """A sharding with its mesh; a bare `PartitionSpec` takes the mesh in use."""
    if sharding is None or isinstance(sharding, NamedSharding):
        return sharding
    if isinstance(sharding, PartitionSpec):
        traced = compat.under_trace()
        mesh = jax.sharding.get_abstract_mesh() if traced else jax.sharding.get_mesh()
        if mesh.empty:
            raise ValueError(
                f"{owner}: out_sharding is the bare {sharding}, and no mesh is in use. "
                "Enter one with jax.set_mesh(mesh), or pass NamedSharding(mesh, spec)"
            )
        return NamedSharding(mesh, sharding)
    raise TypeError(
        f"{owner}: out_sharding must be a NamedSharding, a PartitionSpec or None; "
        f"got {sharding!r} of type {type(sharding).__name__}"
    )


def check_divides(owner: str, shape: tuple[int, ...], sharding: NamedSharding) -> None:
    """Refuse a sharding that does not divide `shape` evenly."""
    try:
        sharding.shard_shape(shape)
    except ValueError as error:
        raise ValueError(
            f"{owner}: out_sharding {sharding.spec} on a mesh of {dict(sharding.mesh.shape)} "
            f"does not divide shape {shape!r}: {error}"
        ) from None


def place(array: jax.Array, sharding: NamedSharding) -> jax.Array:
    """An array that exists already, in another layout."""
    moved: jax.Array
    if not compat.under_trace():
        moved = jax.device_put(array, sharding)
    elif AxisType.Explicit in sharding.mesh.axis_types:
        moved = jax.sharding.reshard(array, sharding)
    else:
        moved = lax.with_sharding_constraint(array, sharding)
    return moved
