"""Two processes, four devices each: every shard is that of one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

WORKER = """
import sys

import jax
import numpy as np

jax.config.update("jax_cpu_collectives_implementation", "gloo")
address, rank = sys.argv[1], int(sys.argv[2])
jax.distributed.initialize(address, 2, rank)

from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

from cthulhu.params import fast_init, init_params, plan, verify

assert (jax.device_count(), jax.local_device_count()) == (8, 4)
mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)


def spec(*shape):
    return jax.ShapeDtypeStruct(shape, np.float32)


def compare(made, alone):
    count = 0
    for value, expected in zip(jax.tree.leaves(made), jax.tree.leaves(alone), strict=True):
        expected = np.asarray(expected)
        for shard in value.addressable_shards:
            part = np.asarray(shard.data)
            assert part.tobytes() == expected[shard.index].tobytes()
            count += 1
    return count


TREE = {
    "bias": spec(8),
    "kernel": spec(16, 24),
    "layers": spec(3, 8, 4),
    "local": spec(5, 3),
    "matrix": spec(8, 8),
    "vector": spec(6),
}
SPECS = {"bias": "y", "kernel": ("x", "y"), "layers": (None, "x", "y"), "matrix": "x", "vector": ()}
SHARDINGS = {
    name: NamedSharding(mesh, P(*axes)) for name, axes in SPECS.items()
} | {"local": None}
RULES = [
    ("bias", "zeros"), ("matrix", "orthogonal"), ("vector", "random_uniform"), (".*", "he_normal")
]

planned = plan(TREE, RULES, shardings=SHARDINGS, stacked={"layers": 0})
params = planned.run(7)
alone = init_params(7, TREE, RULES, stacked={"layers": 0})
shards = compare(params, alone)
assert shards == 4 * 5 + 1, shards
assert params["kernel"].sharding == SHARDINGS["kernel"]
for sample in (0, 16):
    assert verify(params, 7, planned, sample=sample)
wrong = [mismatch.path for mismatch in verify(params, 8, planned).mismatches]
assert wrong == [name for name in TREE if name != "bias"], wrong


def init(key):
    first, second = jax.random.split(key)
    return {
        "bias": jax.numpy.zeros(8),
        "kernel": jax.random.normal(first, (16, 24)) * 0.1,
        "matrix": jax.random.truncated_normal(second, -2, 2, (8, 8)),
    }


shardings = {name: SHARDINGS[name] for name in ("bias", "kernel", "matrix")}
key = jax.random.key(7)
assert compare(fast_init(init, out_shardings=shardings)(key), jax.jit(init)(key)) == 12
print("process", rank, "passed")
"""


def test_every_shard_is_that_of_a_single_process():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    root = str(Path(__file__).parents[2])
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, address, str(rank)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for rank, (process, output) in enumerate(zip(processes, outputs, strict=True)):
        assert process.returncode == 0, output
        assert f"process {rank} passed" in output
