"""Low-rank adapters: the laws of loralib and PEFT, written in NumPy."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional, initializers
from tests.cases import KEY, same_bits

ALPHA = 1e-6


def pair(key: jax.Array, sizes: tuple[int, int, int], *dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """A (inputs, rank) and B (rank, outputs)."""
    inputs, rank, outputs = sizes
    a = functional.orthogonal_pair(key, (inputs, rank), *dtype, part="A")
    b = functional.orthogonal_pair(key, (rank, outputs), *dtype, part="B")
    return np.asarray(a), np.asarray(b)


@pytest.mark.parametrize("sizes", [(64, 8, 32), (3, 2, 5), (5, 16, 4), (512, 64, 300)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64], ids=str)
def test_the_product_of_a_pair_is_zero_and_neither_factor_is(
    sizes: tuple[int, int, int], dtype: Any
) -> None:
    with jax.enable_x64(dtype is np.float64):
        a, b = pair(KEY, sizes, dtype)
    assert a.dtype == b.dtype == dtype
    largest = np.linalg.norm(a, 2) * np.linalg.norm(b, 2)
    tolerance = 1e-14 if dtype is np.float64 else 1e-6
    assert np.abs(a @ b).max() < tolerance * largest
    half = sizes[1] // 2
    for factor, other in ((a, sizes[0]), (b, sizes[2])):
        assert np.linalg.matrix_rank(factor) == min(half, other)


def test_a_pair_is_that_of_peft() -> None:
    """``G Q[0::2] / 10``: the Gram matrix of A is that of G, and B has another one."""
    inputs, rank, outputs = 4000, 16, 3000
    a, b = pair(KEY, (inputs, rank, outputs))
    for factor in (a, b.T):
        # G has rank / 2 columns, standard normal, so the squares sum to chi-square of them all.
        size = len(factor) * rank // 2
        total = float((100 * factor.astype(float) ** 2).sum())
        assert 2 * min(stats.chi2.cdf(total, size), stats.chi2.sf(total, size)) > ALPHA
        # Its own directions are alike: orthonormal rows of Q change no length.
        lengths = np.linalg.svd(10 * factor, compute_uv=False)[: rank // 2]
        assert lengths.max() / lengths.min() < 1.1
    # The spaces of rows are complementary: together they are all.
    rows = np.concatenate([np.linalg.svd(f, full_matrices=False)[2][: rank // 2] for f in (a, b.T)])
    np.testing.assert_allclose(rows @ rows.T, np.eye(rank), atol=1e-5)


def test_other_keys_make_no_pair() -> None:
    a, _ = pair(KEY, (64, 8, 32))
    _, b = pair(jax.random.key(1), (64, 8, 32))
    assert np.abs(a @ b).max() > 0.01


def test_the_axis_of_the_rank_may_be_the_other_one() -> None:
    """torch's weights are (rank, inputs) and (outputs, rank)."""
    for part, shape, axis in (("A", (8, 64), 0), ("B", (64, 8), 1), ("B", (64, 8), -1)):
        same_bits(
            functional.orthogonal_pair(KEY, shape, part=part, axis=axis).T,
            functional.orthogonal_pair(KEY, shape[::-1], part=part),
        )


def test_narrow_factors_are_the_float32_ones_rounded() -> None:
    a, b = pair(KEY, (64, 8, 32), jnp.bfloat16)
    # Each rounding is of 1 part in 512; of 8 terms.
    assert np.abs(a.astype(float) @ b.astype(float)).max() < 8 * 0.3**2 / 256


def test_an_odd_rank_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^orthogonal_pair: the rank must be even.*; got 3, axis 1"
    ):
        functional.orthogonal_pair(KEY, (8, 3), part="A")


def test_instances_of_one_seed_are_a_pair_in_flax() -> None:
    linen = pytest.importorskip("flax.linen")

    def with_seed(part: str) -> Any:
        init = initializers.OrthogonalPair(part, seed=5)
        return lambda _, *shape_and_dtype: init(*shape_and_dtype)

    class Adapter(linen.Module):  # type: ignore[misc, name-defined]
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = linen.Dense(4, use_bias=False, kernel_init=with_seed("A"))(x)
            made: jax.Array = linen.Dense(7, use_bias=False, kernel_init=with_seed("B"))(x)
            return made

    values, _ = Adapter().init_with_output(KEY, jnp.ones((2, 9)))
    assert np.abs(values).max() < 1e-6


def test_the_first_factor_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.empty(64, 4096)  # (rank, inputs)
    torch.nn.init.kaiming_uniform_(
        theirs, a=math.sqrt(5), generator=torch.Generator().manual_seed(0)
    )
    ours = functional.lora_a(KEY, (64, 4096), layout="torch_linear")
    assert stats.ks_2samp(np.ravel(theirs.numpy()), np.ravel(ours)).pvalue > ALPHA
    same_bits(functional.lora_a(KEY, (4096, 64)), functional.torch_linear(KEY, (4096, 64)))


@pytest.mark.parametrize("rank", [1, 4, 64])
def test_the_normal_first_factor_has_the_standard_deviation_of_peft(rank: int) -> None:
    """`torch.nn.init.normal_(A, std=1 / r)`."""
    values = functional.lora_a(KEY, (4000, rank), distribution="untruncated_normal")
    assert stats.kstest(np.ravel(values), stats.norm(0, 1 / rank).cdf).pvalue > ALPHA
