"""Initializers as pure functions: jit, vmap over keys and scales, and shardings.

To have several devices on a CPU, set XLA_FLAGS=--xla_force_host_platform_device_count=8.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cthulhu import functional


def main() -> dict[str, jax.Array]:
    """Draw the same numbers in several ways."""
    key = jax.random.key(0)
    he_normal = functools.partial(functional.he_normal, shape=(256, 64))

    eager, jitted = he_normal(key), jax.jit(he_normal)(key)
    reference = jax.jit(lambda key: jax.nn.initializers.he_normal()(key, (256, 64)))(key)
    print(f"eager, jitted and jax.nn.initializers: same bits {same(eager, jitted, reference)}")

    # An ensemble: one key per member, the weights of all members stacked in one array.
    keys = jax.random.split(key, 5)
    ensemble = jax.vmap(he_normal)(keys)
    alone = he_normal(keys[3])
    print(f"ensemble {ensemble.shape}: member 3 is what its key gives {same(ensemble[3], alone)}")

    # A sweep: scales may be traced, so one program draws at all of them.
    scales = jnp.array([0.01, 0.1, 1.0])
    sweep = jax.vmap(lambda s: functional.random_normal(key, (256, 64), stddev=s))(scales)
    shown = ", ".join(f"{value:.3f}" for value in sweep.std(axis=(1, 2)))
    print(f"sweep {sweep.shape}: standard deviations {shown}")

    # A sharded draw: every device makes its own part, and no value depends on the layout.
    count = jax.device_count()
    mesh = jax.make_mesh((count,), ("model",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("model", None))
    sharded = functional.he_normal(key, (128 * count, 64), out_sharding=sharding)
    whole = functional.he_normal(key, (128 * count, 64))
    part = sharded.addressable_shards[0].data.shape
    print(f"{count} device(s), {part} on each: same bits {same(sharded, whole)}")
    return {"eager": eager, "ensemble": ensemble, "sweep": sweep, "sharded": sharded}


def same(*arrays: jax.Array) -> bool:
    """Whether all arrays hold the same numbers."""
    first, *others = jax.device_get(arrays)
    return all((first == other).all() for other in others)


if __name__ == "__main__":
    main()
