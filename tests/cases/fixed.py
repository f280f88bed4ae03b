"""Initializers without chance."""

import math

import jax
import jax.numpy as jnp

from cthulhu import functional, initializers
from tests.case import Case, Traced, variant
from tests.cases import _sources as sources
from tests.cases._common import MEANT
from tests.expected import (
    fixed,
    hadamard_matrices,
    spectra,
    waves,
)
from tests.refusals import Wrong

CASES: tuple[Case, ...] = (
    Case(
        "zeros",
        initializers.Zeros,
        functional.zeros,
        "",
        sources.KERAS,
        **fixed(0.0),
        reference=jax.nn.initializers.zeros,
    ),
    Case(
        "ones",
        initializers.Ones,
        functional.ones,
        "",
        sources.KERAS,
        **fixed(1.0),
        reference=jax.nn.initializers.ones,
    ),
    Case(
        "constant",
        initializers.Constant,
        functional.constant,
        "value=0.0",
        sources.KERAS,
        **fixed(0.3),
        options={"value": 0.3},
        reference=jax.nn.initializers.constant(0.3),
        traced={"value": Traced((-1.0, 0.0, 2.5))},
    ),
    Case(
        "identity",
        initializers.Identity,
        functional.identity,
        "gain=1.0, *, shift=0, convolution=False",
        sources.LE,
        mean=lambda shape: 1 / max(shape),
        std=lambda shape: math.sqrt(1 / max(shape) - 1 / max(shape) ** 2),
        support=lambda shape: (0.0, 1.0),
        reference=lambda key, shape, dtype: jnp.eye(*shape, dtype=dtype),
        ranks=range(2, 3),
        draws=False,
        traced={"gain": Traced((-1.0, 0.5, 2.0))},
        refuses=tuple(
            Wrong({"shift": value}, TypeError, rf"shift must be an integer; got {value!r}$")
            for value in (0.5, None, "1", True)
        ),
    ),
    Case(
        "dirac",
        initializers.Dirac,
        functional.dirac,
        "groups=1",
        "https://arxiv.org/abs/1706.00388",
        mean=lambda shape: min(shape[-2:]) / math.prod(shape),
        std=lambda shape: math.sqrt(
            min(shape[-2:]) / math.prod(shape) * (1 - min(shape[-2:]) / math.prod(shape))
        ),
        support=lambda shape: (0.0, 1.0),
        shape=(3, 3, 8, 16),
        ranks=range(3, 6),
        draws=False,
        in_keras=False,
    ),
    Case(
        "zer_o",
        initializers.ZerO,
        functional.zer_o,
        "",
        "https://arxiv.org/abs/2110.12661",
        **hadamard_matrices(),
        shape=(24, 40),
        ranks=range(2, 6),
        in_keras=False,
    ),
    Case(
        "stft",
        initializers.STFT,
        functional.stft,
        "side='real', window='hann', scaling='density', periodic=False",
        "https://doi.org/10.1109/TASSP.1977.1162950",
        **spectra(),
        refuses=(
            Wrong({"side": "reel"}, ValueError, rf"side must be .*; got 'reel' {MEANT}'real'\?\)$"),
            Wrong({"window": "hanning_"}, ValueError, r"window must be None, .*; got 'hanning_'$"),
            Wrong({"window": "kaiser"}, ValueError, r"window must be .* needs no parameters, as "),
            Wrong({"window": 3.0}, TypeError, r"window must be .*, a sequence of numbers; got 3"),
            Wrong({"window": (1.0, "a")}, TypeError, r"window must be a number or a scalar array"),
            Wrong(
                {"scaling": "power"},
                ValueError,
                r"scaling must be one of 'density', 'spectrum'; got 'power'$",
            ),
        ),
        shape=(12, 2, 9),
        ranks=range(3, 4),
    ),
    Case(
        "sin_cos",
        initializers.SinCos,
        functional.sin_cos,
        "grid=None, base=10000.0",
        "https://arxiv.org/abs/1706.03762",
        **waves(),
        ranks=range(2, 6),
        refuses=(
            Wrong({"grid": 3}, ValueError, r"grid must be None or \(height, width\), .*; got 3$"),
            Wrong({"grid": (3, 0)}, ValueError, r"grid must be None or .*; got \(3, 0\)$"),
            Wrong({"grid": (1, 2, 3)}, ValueError, r"grid must be None or .*; got \(1, 2, 3\)$"),
            Wrong({"grid": "3x4"}, TypeError, r"grid must be .* a sequence of integers; got '3x4'"),
            Wrong({"base": 0.0}, ValueError, r"base must be greater than 0; got 0\.0$"),
            Wrong({"base": "e"}, TypeError, r"base must be a number or a scalar array; got 'e'"),
        ),
        in_keras=False,
    ),
    Case(
        "logit_prior",
        initializers.LogitPrior,
        functional.logit_prior,
        "probability",
        "https://arxiv.org/abs/1708.02002",
        **fixed(-math.log(99)),
        options={"probability": 0.01},
        traced={"probability": Traced((0.01, 0.5, 0.9), exact=False)},
        refuses=(
            *(
                Wrong(
                    {"probability": value},
                    ValueError,
                    rf"probability must be greater than 0 and less than 1; got {value!r}$",
                )
                for value in (0, 1, -0.5, 1.5)
            ),
            Wrong({"probability": "1"}, TypeError, r"probability must be a number or a scalar"),
            Wrong({"probability": math.nan}, ValueError, r"probability must be finite; got nan$"),
        ),
        in_keras=False,
    ),
)


VARIANTS: tuple[Case, ...] = (
    variant(CASES, "constant", "negative", {"value": -3}, **fixed(-3.0)),
    variant(
        CASES,
        "identity",
        "gain",
        {"gain": -2.5},
        mean=lambda shape: -2.5 / max(shape),
        std=lambda shape: 2.5 * math.sqrt(1 / max(shape) - 1 / max(shape) ** 2),
        support=lambda shape: (-2.5, 0.0),
    ),
    variant(
        CASES,
        "identity",
        "shift",
        {"shift": -3},
        reference=lambda key, shape, dtype: jnp.roll(jnp.eye(*shape, dtype=dtype), -3, 1),
    ),
    variant(
        CASES,
        "identity",
        "convolution",
        {"convolution": True, "gain": 0.5},
        mean=lambda shape: 0.5 * min(shape[-2:]) / math.prod(shape),
        std=lambda shape: (
            0.5
            * math.sqrt(
                min(shape[-2:]) / math.prod(shape) * (1 - min(shape[-2:]) / math.prod(shape))
            )
        ),
        support=lambda shape: (0.0, 0.5),
        shape=(3, 3, 8, 16),
        ranks=range(3, 6),
    ),
    variant(CASES, "sin_cos", "grid", {"grid": (2, 8)}, **waves(2, 8), shape=(16, 24)),
)
