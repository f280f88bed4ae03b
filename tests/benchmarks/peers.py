"""The same draw by each library: contestants as functions without arguments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import functional

LAWS = ("uniform", "normal", "truncated normal", "he_normal", "orthogonal")


def ours(law, size, dtype, key):
    draw = {
        "uniform": functools.partial(functional.random_uniform, minval=0.0, maxval=0.05),
        "normal": functools.partial(functional.random_normal, stddev=0.05),
        "truncated normal": functools.partial(functional.truncated_normal, stddev=0.05),
        "he_normal": functional.he_normal,
        "orthogonal": functional.orthogonal,
    }[law]
    return lambda: draw(key, (size, size), dtype)


def jax_nn(law, size, dtype, key):
    make = jax.nn.initializers
    draw = {
        "uniform": make.uniform(0.05),
        "normal": make.normal(0.05),
        "truncated normal": make.truncated_normal(0.05),
        "he_normal": make.he_normal(),
        "orthogonal": make.orthogonal(),
    }[law]
    jitted = jax.jit(lambda key: draw(key, (size, size), dtype))
    return lambda: jitted(key)


def keras(law, size, dtype):
    from keras import initializers

    draw = {
        "uniform": initializers.RandomUniform(0.0, 0.05, seed=0),
        "normal": initializers.RandomNormal(0.0, 0.05, seed=0),
        "truncated normal": initializers.TruncatedNormal(0.0, 0.05, seed=0),
        "he_normal": initializers.HeNormal(seed=0),
        "orthogonal": initializers.Orthogonal(seed=0),
    }[law]
    return lambda: draw((size, size), dtype=dtype)


def numpy(law, size):
    """NumPy has no truncated normal, no orthogonal, no bfloat16: `None` for these."""
    generator = np.random.default_rng(0)

    def uniform():
        values = generator.random((size, size), dtype=np.float32)
        values *= np.float32(0.05)
        return values

    def normal():
        values = generator.standard_normal((size, size), dtype=np.float32)
        values *= np.float32(0.05)
        return values

    return {"uniform": uniform, "normal": normal}.get(law)


def floor(size, dtype):
    """What no draw can beat: a compiled program that writes zeros."""
    return jax.jit(lambda: jnp.zeros((size, size), dtype))


def differing_bits(first, second):
    """The number of bits in which two arrays of one shape and type differ."""
    words = [np.asarray(array).view(np.uint8) for array in (first, second)]
    return int(np.bitwise_count(words[0] ^ words[1]).sum())
