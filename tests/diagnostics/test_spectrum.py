"""`spectrum`: singular values and eigenvalues against NumPy, SciPy and the theory of networks."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from scipy.sparse.linalg import LinearOperator, svds
from scipy.stats import ortho_group

from cthulhu.diagnostics import Spectrum, _lanczos, _spectrum, spectrum

KEY = jax.random.key(0)


def gaussian(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def times(params: Any, x: Any) -> Any:
    return x @ params


def network(params: Any, x: Any, activation: Any = jnp.tanh) -> Any:
    for kernel in params:
        x = activation(x @ kernel)
    return x


def near(found: Spectrum, expected: Any, rel: float = 3e-6) -> None:
    """All the values that were found are the largest of those expected."""
    known = np.sort(np.asarray(expected, np.float64))[::-1][: len(found.values)]
    assert np.asarray(found.values) == pytest.approx(known, abs=rel * max(known.max(), 1e-30))


# Matrices: their values are those that NumPy has, of all, and of the largest by products alone.

TALL, WIDE, SQUARE = gaussian(40, 24), gaussian(24, 40), gaussian(32, 32)
DOUBLED = np.diag(np.float32([5, 3, 3, 3, *[1] * 40]))
MATRICES: dict[str, Any] = {
    "tall": TALL,
    "wide": WIDE,
    "square": SQUARE,
    "of rank 3": gaussian(40, 3) @ gaussian(3, 24),
    "values several times": DOUBLED,
    "an isometry": np.linalg.qr(TALL)[0],
    "nothing": np.zeros((24, 16), np.float32),
    "tiny": np.float32(1e-30) * TALL,
    "huge": np.float32(1e30) * TALL,
    "one number": np.float32([[-2]]),
    "complex": (gaussian(16, 24) + 1j * gaussian(24, 16).T).astype(np.complex64),
}


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "by Lanczos"])
@pytest.mark.parametrize("name", MATRICES)
def test_the_values_are_those_of_the_matrix(name: str, exact: bool) -> None:
    matrix = MATRICES[name]
    expected = np.linalg.svd(matrix.astype(np.result_type(matrix, np.float64)), compute_uv=False)
    if np.iscomplexobj(matrix):  # A complex number is two real ones.
        expected = np.repeat(expected, 2)
    found = spectrum(times, matrix, jnp.ones(len(matrix), matrix.dtype), exact=exact)
    near(found, expected)
    assert len(found.values) == (len(expected) if exact else min(16, len(expected)))
    assert found.exact is exact
    total = np.square(expected).mean()
    error = found.mean_square_error or 0
    # The estimate is within 4 standard errors: that fails once in 10⁴ times.
    assert abs(found.mean_square - total) <= 1e-5 * total + 4 * error
    assert (found.mean_square_error is None) is exact


@pytest.mark.parametrize("k", [1, 5, 24])
def test_each_value_is_as_near_as_its_residual_says(k: int) -> None:
    for exact in (True, False):
        found = spectrum(times, TALL, jnp.ones(40), k=k, exact=exact)
        assert len(found.values) == k
        expected = np.linalg.svd(TALL, compute_uv=False)
        near(found, expected)
    (row,) = found.examples
    assert row.residuals is not None
    for value, residual in zip(row.values, row.residuals, strict=True):
        assert np.abs(expected - value).min() <= residual <= 1e-5 * expected[0]


def test_a_residual_is_the_distance_from_a_pair_of_singular_vectors() -> None:
    """After one step from (c, s), the value is that of diag(3, 1) there: c² follows from it."""
    found = spectrum(times, np.diag(np.float32([3, 1])), jnp.ones(2), k=1, steps=1, exact=False)
    (row,) = found.examples
    (value,), (residual,) = row.values, row.residuals or ()
    cosine = (value**2 - 1) / 8
    assert 0.01 < cosine < 0.99
    expected = np.sqrt((1 + 80 * cosine) / value**2 - value**2)
    assert residual == pytest.approx(expected, rel=1e-5)
    options: Any = {"of": "tangent_kernel", "k": 1, "steps": 1, "exact": False}
    (row,) = spectrum(lambda p, x: p * x, jnp.ones(2), jnp.array([3.0, 1.0]), **options).examples
    assert row.values == pytest.approx((value**2,), rel=1e-5)
    assert row.residuals == pytest.approx((value * expected,), rel=1e-5)


@pytest.mark.parametrize("name", ["tall", "of rank 3", "an isometry", "values several times"])
def test_the_basis_stays_orthonormal(name: str) -> None:
    matrix = MATRICES[name]
    count = matrix.shape[1]
    near = _lanczos.largest(
        lambda v: [matrix @ v],
        lambda u: u[0] @ matrix,
        count,
        np.dtype(np.float32),
        count=count,
        steps=count,
        tolerance=0.0,
        key=KEY,
    )
    assert near.steps == count
    assert near.basis @ near.basis.T == pytest.approx(np.eye(count), abs=1e-5)


def test_with_too_few_steps_the_residuals_say_how_far_off_it_is() -> None:
    matrix = gaussian(200, 200)
    few, more = (spectrum(times, matrix, jnp.ones(200), exact=False, steps=n) for n in (20, 150))
    expected = np.linalg.svd(matrix, compute_uv=False)
    assert few.residual is not None
    assert more.residual is not None
    assert few.residual > 1e-2 * expected[0] > 1e-5 * expected[0] >= more.residual
    assert few.values[15] < 0.9 * expected[15]
    near(more, expected)
    (row,) = few.examples
    assert row.residuals is not None
    for value, residual in zip(row.values, row.residuals, strict=True):
        assert np.abs(expected - value).min() <= residual


def test_it_finds_what_scipy_finds() -> None:
    kernels = [0.2 * gaussian(64, 64), 0.3 * gaussian(64, 64)[:, ::-1], 0.1 * gaussian(64, 48)]
    x = jnp.asarray(gaussian(64))
    _, there = jax.linearize(lambda x: network(kernels, x), x)
    back = jax.linear_transpose(there, x)
    products = LinearOperator(
        (48, 64),
        matvec=lambda v: np.asarray(there(v.astype(np.float32).ravel())),
        rmatvec=lambda u: np.asarray(back(u.astype(np.float32).ravel())[0]),
        dtype=np.float32,
    )
    expected = svds(products, k=6, return_singular_vectors=False, random_state=0)
    near(spectrum(network, kernels, x, k=6, exact=False), expected, rel=1e-4)


# The theory of networks.


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "by Lanczos"])
def test_deep_linear_networks_of_orthogonal_matrices_are_isometries(exact: bool) -> None:
    """Saxe, McClelland and Ganguli (2014): all singular values are 1, at any depth."""
    kernels = list(ortho_group.rvs(64, size=50, random_state=0).astype(np.float32))
    found = spectrum(lambda p, x: network(p, x, lambda x: x), kernels, jnp.ones(64), exact=exact)
    assert np.asarray(found.values) == pytest.approx(1, abs=2e-5)
    assert found.mean_square == pytest.approx(1, abs=2e-5)
    if exact:
        assert found.condition == pytest.approx(1, abs=4e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [(400, 400), (400, 100), (100, 400)])
def test_one_gaussian_layer_has_the_law_of_marchenko_and_pastur(inputs: int, outputs: int) -> None:
    """Of variance 1 / inputs; beyond an edge by 0.25 is chance once in 10⁵ (Davidson, Szarek 2001).

    The number of values below a point is off by a few of hundreds, as they repel each other.
    """
    kernel = gaussian(inputs, outputs) / np.float32(np.sqrt(inputs))
    found = np.asarray(spectrum(times, kernel, jnp.ones(inputs)).values)[::-1]
    ratio = outputs / inputs
    edges = np.array([abs(1 - np.sqrt(ratio)), 1 + np.sqrt(ratio)])
    margin = 0.25 * np.sqrt(max(1, ratio))
    assert edges[0] - margin <= found[0]
    assert edges[1] - margin <= found[-1] <= edges[1] + margin
    fine = np.linspace(*edges, 20_001)
    middles = (fine[1:] + fine[:-1]) / 2
    low, high = edges**2
    density = np.sqrt((high - middles**2) * (middles**2 - low)) / (np.pi * middles)
    law = np.concatenate([[0], np.cumsum(density * np.diff(fine))]) / min(1, ratio)
    assert law[-1] == pytest.approx(1, abs=1e-3)
    below = np.interp(found, fine, law)
    assert np.abs(below - np.arange(len(found)) / len(found)).max() < 0.03


def moments_of_squares(width: int, depth: int) -> float:
    """The mean fourth power of singular values of a product of Gaussian matrices, by Wick's rule.

    With M of one layer less, E tr (W M Wᵀ)² = ((tr M)² + (n + 1) tr M²) / n, and
    E (tr W M Wᵀ)² = (tr M)² + 2 tr M² / n, as for entries of variance 1 / n.
    """
    squared, second = 1.0, 1.0
    for _ in range(depth):
        squared, second = squared + 2 * second / width**2, squared + second * (1 + 1 / width)
    return second


def test_products_of_gaussian_matrices_spread_with_their_depth() -> None:
    """Pennington, Schoenholz and Ganguli (2017): the variance of the squares is the depth.

    At width 48 it is a little more, which is known. Each of 64 examples has matrices of its own;
    4 standard errors of the mean fail once in 10⁴ times.
    """
    width, depth, draws = 48, 4, 64
    assert moments_of_squares(10**9, depth) - 1 == pytest.approx(depth)
    kernels = jax.random.normal(KEY, (draws, depth, width, width)) / np.sqrt(width)

    def own(params: Any, x: Any) -> Any:
        return network(params[x["draw"][0]], x["input"], lambda x: x)

    x = {"draw": jnp.arange(draws), "input": jnp.ones((draws, width))}
    found = spectrum(own, kernels, x, per_example=True)
    assert len(found) == draws
    powers = np.array([np.mean(np.asarray(one.values) ** 4) for one in found])
    error = powers.std(ddof=1) / np.sqrt(draws)
    assert abs(powers.mean() - moments_of_squares(width, depth)) < 4 * error
    assert abs(found.mean_square - 1) < 4 * np.std([one.mean_square for one in found]) / 8


@pytest.mark.parametrize(("orthogonal", "s1"), [(True, 0.0), (False, -1.0)])
def test_tanh_networks_have_the_moments_of_the_theory(orthogonal: bool, s1: float) -> None:
    """The same paper: the mean square is χ^depth, and the relative variance of the squares
    depth · (μ₂ / μ₁² − 1 − s₁), of moments of tanh′² at the size that signals keep.

    That is of infinite width; of 200 units and 6 layers a tenth is allowed for the rest.
    """
    width, depth, draws, variance = 200, 6, 4, 1.3
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    q = 1.0
    for _ in range(500):
        q = variance * (weights @ np.tanh(np.sqrt(q) * nodes) ** 2)
    slopes = 1 - np.tanh(np.sqrt(q) * nodes) ** 2
    first, second = weights @ slopes**2, weights @ slopes**4
    if orthogonal:
        matrices = ortho_group.rvs(width, size=draws * depth, random_state=0)
    else:
        matrices = gaussian(draws * depth, width, width) / np.sqrt(width)
    size = (draws, depth, width, width)
    kernels = (np.sqrt(variance) * matrices).reshape(size).astype(np.float32)
    inputs = jax.random.normal(jax.random.key(1), (draws, width)) * np.sqrt(q / variance)

    def own(params: Any, x: Any) -> Any:
        return network(params[x["draw"][0]], x["input"])

    x = {"draw": jnp.arange(draws), "input": inputs}
    found = spectrum(own, kernels, x, per_example=True)
    chi = variance * first
    assert found.mean_square ** (1 / depth) == pytest.approx(chi, rel=0.02)
    squares = [np.asarray(one.values) ** 2 for one in found]
    spread = np.mean([one.var() / one.mean() ** 2 for one in squares])
    assert spread == pytest.approx(depth * (second / first**2 - 1 - s1), rel=0.1)


# Tangent kernels.


def explicit_kernel(fn: Callable[..., Any], params: Any, x: Any) -> Any:
    rows = jax.tree.leaves(jax.jacrev(lambda params: fn(params, x).ravel())(params))
    wide = np.concatenate([np.asarray(one, np.float64).reshape(len(one), -1) for one in rows], 1)
    return np.linalg.eigvalsh(wide @ wide.T)


def two_layers(params: Any, x: Any) -> Any:
    return jnp.tanh(x @ params["in"]["kernel"]) @ params["out"]["kernel"]


LAYERS = {"in": {"kernel": gaussian(6, 32) / 3}, "out": {"kernel": gaussian(32, 3)}}
BATCH = gaussian(8, 6)


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "by Lanczos"])
def test_a_tangent_kernel_is_that_of_the_jacobian_by_all_parameters(exact: bool) -> None:
    found = spectrum(two_layers, LAYERS, BATCH, of="tangent_kernel", exact=exact)
    expected = explicit_kernel(two_layers, LAYERS, BATCH)
    near(found, expected, rel=1e-5)
    assert (found.outputs, found.variables, found.count) == (24, 6 * 32 + 32 * 3, 24)
    assert len(found.values) == (24 if exact else 16)
    error = found.mean_square_error or 0
    assert abs(found.mean_square - expected.mean()) <= 1e-5 * expected.mean() + 4 * error
    if not exact:
        assert found.examples[0].residuals is not None
        assert max(found.examples[0].residuals) <= 1.01e-5 * expected.max()


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "by Lanczos"])
def test_the_tangent_kernel_of_linear_regression_is_that_of_the_inputs(exact: bool) -> None:
    """For 8 examples of 6 inputs, 2 eigenvalues are 0; a bias adds 1 everywhere."""
    found = spectrum(times, gaussian(6, 1), BATCH, of="tangent_kernel", exact=exact)
    near(found, np.linalg.eigvalsh(BATCH @ BATCH.T))
    assert found.smallest == pytest.approx(0, abs=1e-4)
    few = spectrum(times, gaussian(2, 1), gaussian(40, 2), of="tangent_kernel", exact=exact)
    assert min(few.values) >= 0  # Of 38 that are 0, rounding makes some less.
    params = {"kernel": gaussian(6), "bias": jnp.zeros(())}
    affine = spectrum(
        lambda p, x: x @ p["kernel"] + p["bias"], params, BATCH, of="tangent_kernel", exact=exact
    )
    near(affine, np.linalg.eigvalsh(BATCH @ BATCH.T + 1))


def test_the_kernel_of_tokens() -> None:
    tokens = jnp.array([3, 1, 3])
    found = spectrum(lambda p, x: p[x] @ jnp.ones(4), gaussian(5, 4), tokens, of="tangent_kernel")
    near(found, [8, 4, 0])  # The first and the last example are one.


def test_sharded_parameters_have_the_same_kernel() -> None:
    mesh = jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,))
    laid = jax.device_put(LAYERS, NamedSharding(mesh, P(None)))
    laid["in"]["kernel"] = jax.device_put(LAYERS["in"]["kernel"], NamedSharding(mesh, P(None, "x")))
    for exact in (True, False):
        found = spectrum(two_layers, laid, BATCH, of="tangent_kernel", exact=exact)
        near(found, explicit_kernel(two_layers, LAYERS, BATCH), rel=1e-5)


# Examples.


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "by Lanczos"])
def test_the_values_of_a_batch_are_those_of_its_examples(exact: bool) -> None:
    x = gaussian(5, 40)
    found = spectrum(lambda p, x: jnp.tanh(x @ p), TALL / 6, x, per_example=True, exact=exact)
    assert (found.outputs, found.variables, len(found)) == (24, 40, 5)
    for at, one in enumerate(found):
        slopes = 1 - np.tanh(x[at] @ TALL / 6) ** 2
        near(one, np.linalg.svd(TALL / 6 * slopes, compute_uv=False), rel=1e-4)
        assert len(one) == 1
    together = spectrum(lambda p, x: jnp.tanh(x @ p), TALL / 6, x)
    assert together.mean_square == pytest.approx(found.mean_square, rel=1e-3)
    assert together.largest == pytest.approx(found.largest, rel=1e-5)
    assert len(found.values) == 5 * len(found.examples[0].values)
    if exact:
        near(together, found.values)


# Whatever the function is.


def test_the_framework_plays_no_part() -> None:
    kernel, bias = TALL / 6, gaussian(24)

    class Linen(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return jnp.tanh(nn.Dense(24)(x))

    class Module(eqx.Module):
        kernel: Any
        bias: Any
        activation: Any = jnp.tanh

        def __call__(self, x: Any) -> Any:
            return self.activation(x @ self.kernel + self.bias[None])

    layer = nnx.Linear(40, 24, rngs=nnx.Rngs(0))
    layer.kernel[...], layer.bias[...] = kernel, bias
    graph, state = nnx.split(layer)
    models: list[tuple[Any, Any]] = [
        (lambda p, x: jnp.tanh(x @ p["w"] + p["b"][None]), {"w": kernel, "b": bias}),
        (
            lambda p, x: Linen().apply({"params": p}, x),
            {"Dense_0": {"kernel": kernel, "bias": bias}},
        ),
        (lambda p, x: jnp.tanh(nnx.merge(graph, p)(x)), state),
        (lambda p, x: p(x), Module(kernel, bias)),
    ]
    for of in ("jacobian", "tangent_kernel"):
        values = [spectrum(fn, params, gaussian(1, 40), of=of).values for fn, params in models]
        for other in values[1:]:
            assert other == pytest.approx(values[0], rel=1e-5)


@jax.custom_vjp
def only_back(x: Any) -> Any:
    return x


only_back.defvjp(lambda x: (x, None), lambda _, gradient: (gradient,))


def only_forwards(x: Any) -> Any:
    return lax.while_loop(lambda x: jnp.sum(x) < -1e9, lambda x: x, x)


VALUES = np.linalg.svd(TALL, compute_uv=False)
ONES = jnp.ones(40)
FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "a rule for the way back alone": (lambda p, x: only_back(x) @ p, (ONES,), VALUES),
    "that, by the way forwards": (lambda p, x: only_back(x) @ p.T, (jnp.ones(24),), VALUES),
    "a loop that has no way back": (lambda p, x: only_forwards(x) @ p, (ONES,), VALUES),
    "trees": (
        lambda p, x: {"a": x["a"] @ p, "none": jnp.int32(1), "b": [3 * x["b"]]},
        ({"a": ONES, "b": jnp.ones((2, 1)), "mask": jnp.ones(3, bool), "flag": "so"},),
        [*VALUES, 3, 3],
    ),
    "other arguments": (
        lambda p, x, mask, key, flag: jnp.where(mask, x @ p, jax.random.uniform(key)) * flag,
        (ONES, jnp.arange(24) < 24, KEY, 2.0),
        2 * VALUES,
    ),
    "remat and scan": (
        lambda p, x: lax.scan(jax.checkpoint(lambda c, _: (jnp.sin(c), None)), x, length=3)[0],
        (jnp.zeros(6),),
        np.ones(6),
    ),
    "a number": (lambda p, x: 3.0 * x, (jnp.float32(1),), [3]),
    "no parameters": (lambda p, x: jnp.sin(x), (jnp.arange(4.0),), np.abs(np.cos(np.arange(4)))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function(name: str) -> None:
    fn, (x, *rest), expected = FUNCTIONS[name]
    needed = name not in ("remat and scan", "a number", "no parameters")
    found = spectrum(fn, TALL if needed else None, x, *rest)
    near(found, expected)
    if "no way back" not in name:
        near(spectrum(fn, TALL if needed else None, x, *rest, exact=False), expected)


def test_narrow_types_are_computed_in_float32() -> None:
    narrow = spectrum(times, jnp.asarray(TALL, jnp.bfloat16), jnp.ones(40, jnp.bfloat16))
    near(narrow, VALUES, rel=2e-3)
    assert narrow.largest != pytest.approx(float(jnp.bfloat16(narrow.largest)), rel=1e-6)


def test_double_precision_is_kept() -> None:
    with jax.enable_x64(True):
        matrix = np.diag(10.0 ** -np.arange(13))
        for exact in (True, False):
            found = spectrum(times, matrix, jnp.ones(13), exact=exact, k=13)
            assert found.values == pytest.approx(10.0 ** -np.arange(13), rel=1e-3, abs=1e-15)


def test_the_size_decides_what_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spectrum, "SMALL", 24 * 40)
    assert spectrum(times, TALL, ONES).exact
    assert spectrum(two_layers, LAYERS, BATCH, of="tangent_kernel").exact
    monkeypatch.setattr(_spectrum, "SMALL", 24 * 24 - 1)
    found = spectrum(times, TALL, ONES)
    assert (found.exact, len(found.values)) == (False, 16)
    assert not spectrum(two_layers, LAYERS, BATCH, of="tangent_kernel").exact


def test_a_key_decides_where_it_starts() -> None:
    def found(key: Any) -> Spectrum:
        return spectrum(times, SQUARE, jnp.ones(32), exact=False, k=2, steps=4, key=key)

    assert found(3) == found(jax.random.key(3)) == found(np.int64(3))
    assert found(3).values != found(4).values
    assert found(3).mean_square != found(4).mean_square


def program(of: str, exact: bool, steps: int) -> Callable[..., Any]:
    asked = _spectrum.asked_of("spectrum", times, TALL, gaussian(40), (), of != "jacobian", False)
    task = _spectrum.Task(of != "jacobian", exact, 4, 24, steps)
    return lambda params, x: _spectrum.computed(asked, task, [params], [x], [], KEY)


def test_steps_trace_nothing() -> None:
    equations = [
        str(jax.make_jaxpr(program("jacobian", False, steps))(TALL, gaussian(40))).count(" = ")
        for steps in (8, 24)
    ]
    assert equations[0] == equations[1]


def test_products_are_not_of_a_lower_precision_than_their_types() -> None:
    seen = []

    def noted(params: Any, x: Any) -> Any:
        seen.append(jax.config.jax_default_matmul_precision)  # type: ignore[attr-defined]
        return x @ params

    spectrum(noted, TALL, ONES)
    assert seen[-1] == "highest"


def test_it_is_a_program_for_every_platform() -> None:
    for of, exact in (("jacobian", False), ("tangent_kernel", False), ("jacobian", True)):
        run = jax.jit(program(of, exact, 20))
        exported = jax.export.export(run, platforms=["cpu", "cuda", "tpu"])(TALL, gaussian(40))
        assert exported.platforms == ("cpu", "cuda", "tpu")
