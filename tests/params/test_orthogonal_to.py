"""Both factors of an adapter, of which the second sees the first."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional
from cthulhu.fans import Layout
from cthulhu.initializers import OrthogonalPair
from cthulhu.params import Keep, OrthogonalTo, Plan, Rule, init_params, plan
from tests.refusals import Refused, each

RULES = {"lora_a": OrthogonalPair("A"), "lora_b": OrthogonalTo()}


def spec(*shape: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def adapter(*, inputs: int = 64, rank: int = 8, outputs: int = 96, **how: Any) -> Any:
    return {"lora_a": spec(inputs, rank, **how), "lora_b": spec(rank, outputs, **how)}


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 1e-6), (jnp.bfloat16, 1e-2)])
def test_the_product_is_zero_and_neither_factor_is(dtype: Any, close: float) -> None:
    made = init_params(0, adapter(dtype=dtype), RULES)
    a, b = (np.asarray(made[name], np.float32) for name in ("lora_a", "lora_b"))
    assert np.abs(a @ b).max() < close * np.linalg.norm(a, axis=1).max()
    assert np.abs(b).max() > 0.1


def test_it_has_the_law_of_the_pair() -> None:
    """A false alarm in 10,000; the key is fixed."""
    tree = adapter(rank=256, outputs=256)
    b = np.asarray(init_params(0, tree, RULES)["lora_b"])
    pair = np.asarray(OrthogonalPair("B")(jax.random.key(0), (256, 256)))
    assert stats.ks_2samp(b.ravel(), pair.ravel()).pvalue > 1e-4
    assert np.linalg.matrix_rank(b) == np.linalg.matrix_rank(pair) == 128
    # Half of the singular values are those of a normal matrix of half the rank, in both.
    both = [np.linalg.svd(one, compute_uv=False)[:128] for one in (b, pair)]
    np.testing.assert_allclose(*both, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("layout", ["out_in", Layout(1, 0)], ids=str)
def test_in_the_layout_of_torch_it_is_the_same_turned(layout: Any) -> None:
    tree = {"lora_a": spec(8, 64), "lora_b": spec(96, 8)}
    rules = [
        Rule("lora_a", OrthogonalPair("A"), layout=layout),
        Rule("lora_b", OrthogonalTo(axis=1)),
    ]
    made = init_params(0, tree, rules)
    assert np.linalg.matrix_rank(made["lora_a"]) == 4
    assert np.abs(made["lora_b"] @ made["lora_a"]).max() < 1e-6


def test_the_rank_of_a_pair_is_where_its_layout_says() -> None:
    pair = {"a": OrthogonalPair("A"), "b": functools.partial(functional.orthogonal_pair, part="B")}
    made = init_params(0, {"a": spec(8, 64), "b": spec(96, 8)}, pair, layout="out_in")
    assert [np.linalg.matrix_rank(one) for one in made.values()] == [4, 4]
    said = OrthogonalPair("A", axis=1)
    assert (
        np.linalg.matrix_rank(init_params(0, {"a": spec(8, 64)}, said, layout="out_in")["a"]) == 8
    )


def test_a_trained_factor_is_seen_and_the_scale_is_a_factor() -> None:
    a = jnp.eye(6, 4).at[:, 2:].set(0)
    tree = {**adapter(inputs=6, rank=4, outputs=3000), "lora_a": a}
    made = init_params(0, tree, {"lora_a": Keep(), "lora_b": OrthogonalTo(gain=2.0)})
    b = np.asarray(made["lora_b"])
    np.testing.assert_allclose(b[:2], 0, atol=1e-6)
    assert b[2:].std() == pytest.approx(2.0, rel=0.05)


def test_it_goes_through_json() -> None:
    planned = plan(adapter(), {**RULES, "lora_b": OrthogonalTo("lora_a", 0.5)})
    read = Plan.from_json(planned.to_json())
    for name, value in planned.run(3).items():
        np.testing.assert_array_equal(read.run(3)[name], value)


@each(
    [
        Refused(
            "an odd rank",
            lambda: init_params(0, adapter(rank=7), {"lora_a": "ones", "lora_b": OrthogonalTo()}),
            ValueError,
            r"^OrthogonalTo: A is 'lora_a' of shape \(64, 7\), and B must be a matrix of the same "
            r"rank, which is even, along axis 0; got \(7, 96\)$",
        ),
        Refused(
            "another axis",
            lambda: init_params(0, adapter(), {**RULES, "lora_b": OrthogonalTo(axis=1)}),
            ValueError,
            r"^OrthogonalTo: A is 'lora_a' of shape \(64, 8\), .* along axis 1; got \(8, 96\)$",
        ),
        Refused(
            "no axis",
            lambda: OrthogonalTo(axis=2),
            ValueError,
            r"^OrthogonalTo: axis must be 0 or 1; got 2$",
        ),
        Refused(
            "no path",
            lambda: OrthogonalTo(""),
            TypeError,
            r"^OrthogonalTo: a must be the path of a parameter",
        ),
        Refused(
            "no number",
            lambda: OrthogonalTo(gain=float("inf")),
            ValueError,
            r"^OrthogonalTo: gain must be",
        ),
    ]
)
def test_what_does_not_fit_is_refused(refused: Refused) -> None:
    refused.check()
