"""The scales of GPT-NeoX, at the width and depth of its smallest model."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional
from cthulhu.initializers import SmallInit, WangInit

KEY = jax.random.key(0)
WIDTH = 768


@pytest.mark.parametrize("shape", [(WIDTH, 768), (WIDTH, 2304), (WIDTH, 3072), (WIDTH, 12, 64)])
def test_what_reads_the_stream_has_the_scale_of_its_width(shape: tuple[int, ...]) -> None:
    init = SmallInit(in_axis=0, out_axis=tuple(range(1, len(shape))))
    told = init.draw(shape).moments()
    assert told == (0.0, pytest.approx(0.0228218, rel=1e-5))
    assert init(KEY, shape).std() == pytest.approx(0.0228218, rel=0.01)


@pytest.mark.parametrize("shape", [(768, WIDTH), (3072, WIDTH), (12, 64, WIDTH)])
def test_what_ends_a_branch_has_the_scale_of_width_and_depth(shape: tuple[int, ...]) -> None:
    init = WangInit(12, in_axis=tuple(range(len(shape) - 1)))
    told = init.draw(shape).moments()
    assert told == (0.0, pytest.approx(0.00601407, rel=1e-5))
    assert init(KEY, shape).std() == pytest.approx(0.00601407, rel=0.01)


def test_an_embedding_has_its_width_for_inputs() -> None:
    told = SmallInit(in_axis=-1, out_axis=-2).draw((50304, WIDTH)).moments()
    assert told == (0.0, pytest.approx(0.0228218, rel=1e-5))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_narrow_values_are_rounded_once(dtype: jax.typing.DTypeLike) -> None:
    for init in (SmallInit(), WangInit(24)):
        assert np.array_equal(init(KEY, (64, 48), dtype), init(KEY, (64, 48)).astype(dtype))


def test_values_follow_the_depth() -> None:
    shallow, deep = (functional.wang_init(KEY, (64, 48), layers=layers) for layers in (2, 32))
    np.testing.assert_allclose(shallow, 16 * deep, rtol=1e-6)
    assert math.isclose(float(shallow.std()), 1 / math.sqrt(48), rel_tol=0.05)
