"""Before a shuffle, by what a convolution and the shuffle make of it."""

from typing import Any

import jax
import numpy as np
import pytest

from cthulhu import functional, initializers
from tests.cases import KEY, same_bits

ORDERS = ("pixel_shuffle", "depth_to_space")
LAYOUTS: dict[int, Any] = {
    1: ("NWC", "WIO", "NWC"),
    2: ("NHWC", "HWIO", "NHWC"),
    3: ("NDHWC", "DHWIO", "NDHWC"),
}


def shuffled(images: np.ndarray, scale: int, order: str) -> np.ndarray:
    """Channels to space, of (batch, *spatial, channels), by the definition of each library."""
    batch, *spatial, channels = images.shape
    n = len(spatial)
    parts = (scale,) * n
    if order == "pixel_shuffle":  # c * scale**n + offset
        split = images.reshape(batch, *spatial, channels // scale**n, *parts)
        offsets, last = [n + 2 + at for at in range(n)], n + 1
    else:  # offset * channels + c
        split = images.reshape(batch, *spatial, *parts, channels // scale**n)
        offsets, last = [n + 1 + at for at in range(n)], 2 * n + 1
    pairs = [axis for at in range(n) for axis in (1 + at, offsets[at])]
    larger = [size * scale for size in spatial]
    return split.transpose(0, *pairs, last).reshape(batch, *larger, channels // scale**n)


def convolved(kernel: jax.Array, n: int) -> np.ndarray:
    images = jax.random.normal(jax.random.key(1), (2, *(4, 5, 3)[:n], kernel.shape[-2]))
    return np.asarray(
        jax.lax.conv_general_dilated(images, kernel, (1,) * n, "SAME", dimension_numbers=LAYOUTS[n])
    )


def resized(images: np.ndarray, scale: int) -> np.ndarray:
    """The nearest-neighbour resize."""
    for axis in range(1, images.ndim - 1):
        images = np.repeat(images, scale, axis)
    return images


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("n", "scale"), [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2)])
def test_a_convolution_and_a_shuffle_are_a_resize(n: int, scale: int, order: str) -> None:
    options = {"init": "he_normal", "scale": scale, "order": order}
    kernel = functional.icnr(KEY, (*(3, 3, 3)[:n], 4, 5 * scale**n), **options)
    small = functional.he_normal(KEY, (*(3, 3, 3)[:n], 4, 5))
    made = shuffled(convolved(kernel, n), scale, order)
    np.testing.assert_allclose(made, resized(convolved(small, n), scale), atol=1e-5)
    other = shuffled(convolved(kernel, n), scale, ORDERS[1 - ORDERS.index(order)])
    assert np.abs(other - resized(convolved(small, n), scale)).max() > 0.1


def test_the_shuffle_of_torch_makes_equal_blocks() -> None:
    torch = pytest.importorskip("torch")
    init = initializers.ICNR(
        initializers.HeNormal(layout="torch_conv"), 2, "pixel_shuffle", axis=0, seed=0
    )
    kernel = torch.tensor(np.asarray(init((12, 4, 3, 3))))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 4, 5, 6, generator=generator)
    made = torch.nn.PixelShuffle(2)(torch.nn.functional.conv2d(images, kernel, padding=1))
    blocks = made.reshape(2, 3, 5, 2, 6, 2)
    assert torch.allclose(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks), atol=1e-5)
    assert made.std() > 0.5


@pytest.mark.parametrize("inner", ["he_normal", "orthogonal", "random_uniform", "zeros"])
def test_every_output_is_one_of_the_kernel_within(inner: str) -> None:
    within = initializers.get(inner)
    for order, copied in (("pixel_shuffle", np.repeat), ("depth_to_space", None)):
        kernel = initializers.ICNR(inner, 2, order)(KEY, (3, 3, 4, 20))
        small = np.asarray(within(KEY, (3, 3, 4, 5)))
        same_bits(kernel, np.tile(small, 4) if copied is None else copied(small, 4, -1))


def test_outputs_that_no_shuffle_takes_are_refused() -> None:
    init = initializers.ICNR("he_normal", 2, "pixel_shuffle")
    for shape, message in (
        ((3, 3, 4, 6), r"^icnr: the outputs must be a multiple .* 4, .*; got 6, axis 3 of shape"),
        ((4, 8), r"^icnr: shape must have 3 to 5 dim"),
    ):
        with pytest.raises(ValueError, match=message):
            init(KEY, shape)
