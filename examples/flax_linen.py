"""Initializers in `flax.linen`: every layer's `kernel_init=` takes one.

A pure function, an instance with options, and an instance found by name all have
the signature that Flax calls: (key, shape, dtype).
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from cthulhu import functional, initializers


class Network(nn.Module):
    """A convolution, self-attention over its pixels, and a classifier."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Map images (batch, height, width, channels) to ten scores each."""
        x = nn.Conv(32, (3, 3), kernel_init=functional.he_normal)(images)
        x = nn.relu(x).reshape(x.shape[0], -1, x.shape[-1])
        x = nn.MultiHeadDotProductAttention(
            num_heads=4, kernel_init=initializers.Orthogonal(gain=1.0)
        )(x)
        x = nn.Dense(
            64,
            kernel_init=initializers.get("lecun_normal"),
            bias_init=functools.partial(functional.random_uniform, minval=-0.1, maxval=0.1),
        )(x)
        return nn.Dense(10, kernel_init=functional.zeros)(x.mean(axis=1))


def main() -> dict:
    """Initialize, and print what the laws predict beside what came."""
    model = Network()
    images = jnp.ones((1, 8, 8, 16))
    params = jax.jit(model.init)(jax.random.key(0), images)["params"]

    conv = params["Conv_0"]["kernel"]
    print(f"Conv {conv.shape}: stddev {conv.std():.4f}, law sqrt(2 / 144) = {(2 / 144) ** 0.5:.4f}")

    # Flax initializes this kernel as a matrix (32, 4 * 8), then splits it into heads.
    query = params["MultiHeadDotProductAttention_0"]["query"]["kernel"]
    matrix = query.reshape(32, 32)
    error = jnp.abs(matrix.T @ matrix - jnp.eye(32)).max()
    print(f"query {query.shape}: largest |QᵀQ - I| is below 1e-5: {bool(error < 1e-5)}")

    key = params["MultiHeadDotProductAttention_0"]["key"]["kernel"]
    print(f"query and key kernels are equal: {bool((query == key).all())}")

    scores = model.apply({"params": params}, images)
    print(f"scores of an output layer of zeros: {scores.tolist()[0][:3]}, …")
    return params


if __name__ == "__main__":
    main()
