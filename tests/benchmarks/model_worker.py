"""One measurement of a whole model in a process of its own; prints it as JSON."""

import json
import pathlib
import sys
import time
import zlib

import models


def resident(field):
    """Bytes that the process holds now (`VmRSS`) or has held at most (`VmHWM`)."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise ValueError(f"the operating system does not tell {field}")


def calls(call, wait):
    """Seconds of the first call and of the second, and the peak memory of the first."""
    # The most held so far is forgotten, so that imports do not count.
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    idle = resident("VmRSS")
    start = time.perf_counter()
    result = wait(call())
    first = time.perf_counter() - start
    peak = resident("VmHWM") - idle
    del result
    start = time.perf_counter()
    result = wait(call())
    second = time.perf_counter() - start
    return result, {"first": first, "second": second, "peak": peak}


def checksum(tree):
    import jax
    import numpy as np

    total = 0
    for leaf in jax.tree.leaves(tree):
        total = zlib.crc32(np.ascontiguousarray(leaf).view(np.uint8), total)
    return total


def size(tree):
    import jax

    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def init_of(model):
    """The init function of a model and its arguments after the key."""
    if model.startswith("gpt2"):
        module, tokens = models.gpt2(int(model.split("-")[1]), own=model.endswith("own"))
        return module.init, (tokens,)
    if model == "resnet50":
        module, image = models.resnet50()
        return module.init, (image,)
    if model == "haiku":
        init, inputs = models.haiku_mlp()
        return init, (inputs,)
    return {"nnx": models.nnx_transformer, "equinox": models.equinox_mlp}[model](), ()


def specs_of(model):
    """The tree of a linen model's shapes, and its rules."""
    import jax

    init, inputs = init_of(model)
    tree = jax.eval_shape(init, jax.random.key(0), *inputs)
    if model == "resnet50":
        return tree, models.resnet50_rules()
    return tree["params"], models.gpt2_rules(int(model.split("-")[1]))


def run_fast_init(model):
    import jax

    from cthulhu import params

    init, inputs = init_of(model)
    key = jax.block_until_ready(jax.random.key(0))
    fast = params.fast_init(init)
    result, found = calls(lambda: fast(key, *inputs), jax.block_until_ready)
    programs = params.count_programs(fast, key, *inputs)
    return {**found, "nbytes": size(result), "programs": programs, "checksum": checksum(result)}


def run_jit(model):
    import jax

    init, inputs = init_of(model)
    key = jax.block_until_ready(jax.random.key(0))
    jitted = jax.jit(init)
    result, found = calls(lambda: jitted(key, *inputs), jax.block_until_ready)
    return {**found, "nbytes": size(result), "checksum": checksum(result)}


def run_init_params(model):
    import jax

    from cthulhu import params

    tree, rules = specs_of(model)
    key = jax.block_until_ready(jax.random.key(0))
    result, found = calls(lambda: params.init_params(key, tree, rules), jax.block_until_ready)
    programs = params.plan(tree, rules).programs
    return {**found, "nbytes": size(result), "programs": programs}


def run_torch(model):
    import harness
    import jax

    from cthulhu import params

    tree, rules = specs_of(model)
    rows = [(row.shape, row.initializer, row.stddev) for row in params.plan(tree, rules).rows]
    del tree, jax
    import torch

    torch.set_num_threads(harness.cores())

    def fill():
        tensors = []
        for shape, initializer, stddev in rows:
            tensor = torch.empty(shape)
            if initializer == "Zeros()":
                tensor.zero_()
            elif initializer == "Ones()":
                tensor.fill_(1)
            else:
                tensor.normal_(0.0, stddev)
            tensors.append(tensor)
        return tensors

    with torch.no_grad():
        result, found = calls(fill, lambda tensors: tensors)
    return {**found, "nbytes": sum(tensor.nbytes for tensor in result)}


def layouts():
    """Twelve layouts of eight devices: a mesh, and a spec for the matrices."""
    from jax.sharding import PartitionSpec as P

    return [
        ((8,), P("a")),
        ((8,), P(None, "a")),
        ((8,), P()),
        ((4, 2), P("a", "b")),
        ((4, 2), P("b", "a")),
        ((4, 2), P(("a", "b"))),
        ((4, 2), P(None, ("b", "a"))),
        ((4, 2), P("a")),
        ((2, 4), P("a", "b")),
        ((2, 4), P(None, "a")),
        ((2, 2, 2), P("a", ("b", "c"))),
        ((2, 2, 2), P(("c", "a"), "b")),
    ]


def shardings_of(tree, mesh, spec):
    """A sharding for each leaf: the spec, as far as it divides the leaf."""
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    def fit(leaf):
        if leaf.ndim < 2:
            return NamedSharding(mesh, PartitionSpec())
        sharding = NamedSharding(mesh, spec)
        try:
            sharding.shard_shape(leaf.shape)
        except ValueError:
            return NamedSharding(mesh, PartitionSpec())
        return sharding

    return jax.tree.map(fit, tree)


def live_bytes():
    """The bytes of live arrays on each device."""
    import jax

    held = dict.fromkeys(jax.devices(), 0)
    for array in jax.live_arrays():
        for shard in array.addressable_shards:
            held[shard.device] += shard.data.nbytes
    return held


def run_sharded(kind):
    """A transformer in twelve layouts: live bytes over the share, and differing bits."""
    import jax
    import numpy as np

    from cthulhu import params

    init = models.nnx_transformer(layers=4, width=256, vocabulary=2048)
    key = jax.random.key(0)
    tree = jax.eval_shape(init, key)
    rules = [(".*bias.*", "zeros"), (".*scale.*", "ones"), (".*", "he_normal")]

    def make(shardings):
        if kind == "sharded_fast_init":
            return params.fast_init(init, out_shardings=shardings)(key)
        return params.init_params(key, tree, rules, shardings=shardings)

    # Copies: a view would keep the whole model alive on the first device.
    whole = [np.array(leaf) for leaf in jax.tree.leaves(make(None))]
    found = []
    for sizes, spec in layouts():
        mesh = jax.make_mesh(sizes, ("a", "b", "c")[: len(sizes)])
        shardings = shardings_of(tree, mesh, spec)
        before = live_bytes()
        result = jax.block_until_ready(make(shardings))
        after = live_bytes()
        share = sum(
            np.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
            for leaf, sharding in zip(
                jax.tree.leaves(tree), jax.tree.leaves(shardings), strict=True
            )
        )
        wrong = 0
        for expected, leaf in zip(whole, jax.tree.leaves(result), strict=True):
            actual = np.asarray(leaf)
            wrong += int(np.bitwise_count(expected.view(np.uint32) ^ actual.view(np.uint32)).sum())
        most = max(after[device] - before[device] for device in after)
        found.append(
            {
                "layout": f"{'×'.join(map(str, sizes))}, `{tuple(spec)}`",
                "live_over_share": float(most / share),
                "differing_bits": wrong,
            }
        )
        del result, leaf, actual
    return found


def run_paths(count):
    """Digests of many paths, and how many of them are not the only one of their kind."""
    from cthulhu import random

    paths = models.checkpoint_paths(int(count))
    digests = {random.path_digest(path) for path in paths}
    return {"paths": len(paths), "collisions": len(paths) - len(digests)}


def run_leaves(count):
    """Seconds of second calls for a tree of so many small leaves, in turns."""
    import harness
    import jax
    import numpy as np

    from cthulhu import params
    from cthulhu.params import _making as making
    from cthulhu.programs import _blocks as blocks
    from cthulhu.programs import _executor as executor
    from cthulhu.programs import _jobs as jobs

    number = int(count)
    shape, key = (32, 32), jax.random.key(0)
    tree = {f"layer_{at}": jax.ShapeDtypeStruct(shape, np.float32) for at in range(number)}
    rules = [(".*", "he_normal")]
    planned = params.plan(tree, rules)
    one = jax.jit(jax.nn.initializers.he_normal(), static_argnums=(1,))

    def init(key):
        keys = jax.random.split(key, number)
        return [jax.nn.initializers.he_normal()(keys[at], shape) for at in range(number)]

    def loop():
        keys = jax.random.split(key, number)
        return [one(keys[at], shape) for at in range(number)]

    def draw():
        """The blocks that `planned.run` draws, with nothing around them."""
        steps = jobs.steps_of([making.job_of(leaf) for leaf in planned.leaves])
        keys = np.zeros((number, 2), np.uint32)
        spans = [
            span
            for step, own in zip(steps, keys, strict=True)
            for span in executor.allotted(step, own)[1]
        ]

        def write():
            for future in blocks.write(spans):
                future.result()

        return write

    traced = params.plan(init, key)
    calls = {
        "loop": loop,
        "init_params": lambda: params.init_params(key, tree, rules),
        "run": lambda: planned.run(key),
        "stream": lambda: [None for _ in planned.stream(key)],
        "fast_init": lambda: traced.run(key),
        "fast_init stream": lambda: [None for _ in traced.stream(key)],
    }
    for call in calls.values():
        jax.block_until_ready(call())
    calls["draw"] = draw()
    return harness.rounds(
        {
            name: lambda call=call: harness.timed(call, 1, jax.block_until_ready)
            for name, call in calls.items()
        },
        most=5,
        budget=120,
    )


def run_tree(count):
    """Seconds for a tree of so many leaves: half of them kernels of 64 × 64, half biases."""
    import harness
    import jax
    import numpy as np

    from cthulhu import functional, params

    layers = int(count) // 2
    kernel, bias = ((64, 64), (64,))
    tree = {
        f"layer_{at}": {
            "kernel": jax.ShapeDtypeStruct(kernel, np.float32),
            "bias": jax.ShapeDtypeStruct(bias, np.float32),
        }
        for at in range(layers)
    }
    rules = [(".*/kernel", "he_normal"), (".*/bias", "zeros")]
    key = jax.block_until_ready(jax.random.key(0))

    def init(key):
        keys = jax.random.split(key, layers)
        return {
            f"layer_{at}": {
                "kernel": functional.he_normal(keys[at], kernel),
                "bias": functional.zeros(keys[at], bias),
            }
            for at in range(layers)
        }

    fast = params.fast_init(init)

    def once(call):
        return harness.timed(call, 1, lambda result: jax.block_until_ready(jax.tree.leaves(result)))

    def by_rules():
        return params.init_params(key, tree, rules)

    first = {"init_params first": [once(by_rules)], "fast_init first": [once(lambda: fast(key))]}
    made = by_rules()
    report = params.verify(made, key, rules)
    assert report, report
    contestants = {
        "init_params": lambda: once(by_rules),
        "fast_init": lambda: once(lambda: fast(key)),
        "verify": lambda: harness.timed(lambda: params.verify(made, key, rules), 1, bool),
    }
    return {**first, **harness.rounds(contestants, most=7, budget=120)}


RUNS = {
    "tree": run_tree,
    "leaves": run_leaves,
    "fast_init": run_fast_init,
    "jit": run_jit,
    "init_params": run_init_params,
    "torch": run_torch,
    "paths": run_paths,
}


if __name__ == "__main__":
    kind, model = sys.argv[1:]
    found = run_sharded(kind) if model == "sharded" else RUNS[kind](model)
    print(json.dumps(found))
