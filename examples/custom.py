"""Initializers of your own: a function of a shape, a function of a key, and a class."""

import dataclasses

import jax
import jax.numpy as jnp

from cthulhu import backend as K
from cthulhu import initializers
from cthulhu.layers import Daoloth
from cthulhu.models import Sequential


def my_init(shape, dtype=None):
    """The documented form. K draws from the key that the layer passes."""
    return K.random_normal(shape, dtype=dtype)


def diagonal(key, shape, dtype=jnp.float32):
    """JAX's form: a random diagonal, zeros elsewhere."""
    values = jax.random.normal(key, (min(shape),), dtype)
    return jnp.zeros(shape, dtype).at[jnp.diag_indices(min(shape))].set(values)


@dataclasses.dataclass(frozen=True)
class Mixture(initializers.Initializer):
    """A class can have options and be saved: `get_config` returns the options."""

    stddev: float = 0.05
    wide: float = 10.0

    def __call__(self, shape, dtype=None):
        """Normal, with one weight in ten wider than the others."""
        normal = K.random_normal(shape, dtype=dtype)
        scale = self.stddev * jnp.where(K.random_uniform(shape) < 0.1, self.wide, 1.0)
        return normal * scale.astype(normal.dtype)

    def get_config(self):
        """The constructor's arguments."""
        return dataclasses.asdict(self)


def main() -> dict:
    """Use all three in one model, and save and load the class."""
    model = Sequential()
    model.add(Daoloth(64, kernel_initializer=my_init, activation="relu"))
    model.add(Daoloth(64, kernel_initializer=diagonal))
    model.add(Daoloth(10, kernel_initializer=Mixture(stddev=0.1)))
    model.summary((1, 64))

    # A function of a shape became a pure function of the key: jit changes nothing.
    key = jax.random.key(0)
    params = model.init(key, (1, 64))["params"]
    jitted = jax.jit(lambda key: model.init(key, (1, 64)))(key)["params"]
    equal = jax.tree.map(lambda a, b: bool(jnp.allclose(a, b, rtol=1e-6)), params, jitted)
    print(f"eager and jitted weights agree: {all(jax.tree.leaves(equal))}")

    config = initializers.serialize(Mixture(stddev=0.1))
    print(f"saved: {config['class_name']} {config['config']}")
    loaded = initializers.deserialize(config, custom_objects={"Mixture": Mixture})
    print(f"loaded: {loaded}, equal to the saved one: {loaded == Mixture(stddev=0.1)}")
    return params


if __name__ == "__main__":
    main()
