"""Initializers in `flax.nnx`: as arguments of layers, and for layers that exist already."""

import jax
import jax.numpy as jnp
from flax import nnx

from cthulhu import functional, initializers


class Block(nnx.Module):
    """Two linear layers with a skip connection that starts as the identity."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.up = nnx.Linear(width, 4 * width, kernel_init=initializers.HeNormal(), rngs=rngs)
        self.down = nnx.Linear(4 * width, width, kernel_init=functional.zeros, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Add what the layers compute to `x`."""
        return x + self.down(nnx.relu(self.up(x)))


def main() -> Block:
    """Build a block twice, and give one of its layers new weights."""
    block, again = (Block(64, nnx.Rngs(params=0)) for _ in range(2))
    x = jax.random.normal(jax.random.key(1), (8, 64))
    print(f"a new block is the identity: {bool((block(x) == x).all())}")

    kernel = block.up.kernel[...]
    print(f"the same rngs give the same weights: {bool((kernel == again.up.kernel[...]).all())}")
    print(f"up {kernel.shape}: stddev {kernel.std():.4f}, law sqrt(2 / 64) = {(2 / 64) ** 0.5:.4f}")

    # An initializer is a function: new weights for an old layer are one call.
    orthogonal = initializers.get("orthogonal")
    block.down.kernel[...] = orthogonal(jax.random.key(2), block.down.kernel.shape)
    gram = block.down.kernel[...].T @ block.down.kernel[...]
    print(f"down is orthogonal now: {bool(jnp.allclose(gram, jnp.eye(64), atol=1e-5))}")
    return block


if __name__ == "__main__":
    main()
