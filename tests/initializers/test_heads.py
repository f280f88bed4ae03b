"""Biases of heads, by what a sigmoid makes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from cthulhu import functional, initializers

# RetinaNet's is the one that its paper and detectron2 write.
LOGITS = {0.01: -4.59512, 0.5: 0.0, 0.99: 4.59512}


@pytest.mark.parametrize("probability", LOGITS)
def test_a_bias_is_the_logit_of_a_probability(probability: float) -> None:
    bias = initializers.LogitPrior(probability)((7,))
    np.testing.assert_allclose(bias, LOGITS[probability], rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(jax.nn.sigmoid(bias), probability, rtol=1e-6)


@pytest.mark.parametrize("probability", [1e-30, 1e-7, 0.1, 1 / 3, 0.9, 1 - 1e-12])
def test_a_bias_is_rounded_once_from_double_precision(probability: float) -> None:
    expected = special.logit(probability)
    bias = functional.logit_prior(None, (2,), probability=probability)
    np.testing.assert_allclose(bias, np.float32(expected), rtol=2e-7)
    narrow = functional.logit_prior(None, (2,), jnp.bfloat16, probability=probability)
    assert np.array_equal(narrow, bias.astype(jnp.bfloat16))
    assert initializers.LogitPrior(probability).draw((2,)).moments() == (bias[0], 0.0)


def test_a_traced_probability_has_its_logit() -> None:
    rates = jnp.array([1e-6, 0.01, 0.5, 0.9])
    biases = jax.vmap(lambda rate: functional.logit_prior(None, (), probability=rate))(rates)
    np.testing.assert_allclose(biases, special.logit(rates), rtol=3e-6, atol=1e-6)
