"""The table of initializers: one row each, which the tests run over.

`CASES` has one row for every initializer, with the documented defaults.
`VARIANTS` has further rows, with other options. A new initializer is one file,
one row here, and one entry in the documentation.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special, stats

from cthulhu import functional, initializers
from tests.case import Case, Shape, Traced, by_id
from tests.compare import bits_of, same_bits, ulps
from tests.expected import (
    InverseSoftplus,
    fans_of,
    fixed,
    hadamard_matrices,
    hippo,
    inverse_softplus,
    jax_scaling,
    jax_uniform,
    logistic,
    matrices,
    normal,
    of_distribution,
    of_law,
    of_table,
    scaled,
    spectra,
    truncated,
    uniform,
    waves,
)
from tests.refusals import Wrong

__all__ = [
    "ALL",
    "CASES",
    "KEY",
    "RANDOM",
    "RANDOM_VARIANTS",
    "VARIANTS",
    "Case",
    "Traced",
    "bits_of",
    "by_id",
    "same_bits",
    "ulps",
]

KERAS = "https://keras.io/api/layers/initializers/"
LECUN = "https://doi.org/10.1007/3-540-49430-8_2"
GLOROT = "https://proceedings.mlr.press/v9/glorot10a.html"
HE = "https://arxiv.org/abs/1502.01852"
SAXE = "https://arxiv.org/abs/1312.6120"
XIAO = "https://arxiv.org/abs/1806.05393"
MARTENS = "https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf"
CHRONO = "https://arxiv.org/abs/1804.11188"
UR = "https://arxiv.org/abs/1910.09890"
LRU = "https://arxiv.org/abs/2303.06349"
GRIFFIN = "https://arxiv.org/abs/2402.19427"
HIPPO = "https://arxiv.org/abs/2008.07669"
S4D = "https://arxiv.org/abs/2206.11893"
GU = "https://arxiv.org/abs/2111.00396"
MAMBA = "https://arxiv.org/abs/2312.00752"
LE = "https://arxiv.org/abs/1504.00941"

AXES = "in_axis=-2, out_axis=-1, batch_axis=(), layout=None"

BACKWARDS = Wrong(
    {"low": 0.5, "high": 0.25},
    ValueError,
    r"low must be at most high; got low=0\.5 and high=0\.25$",
)
OUTSIDE = (
    Wrong({"low": -0.5}, ValueError, r"low must be from 0 to 1; got -0\.5$"),
    Wrong({"high": 1.5}, ValueError, r"high must be from 0 to 1; got 1\.5$"),
    Wrong({"high": "1"}, TypeError, r"high must be a number or a scalar array;"),
)
MEANT = r"\(did you mean "
NO_AXIS = (Wrong({"axis": (0, 1)}, TypeError, r"axis must be an integer; got \(0, 1\)$"),)

# Uniform within 1 / fan_in.
SIREN_FIRST: dict[str, Any] = {
    "mean": lambda shape: 0.0,
    "std": lambda shape: 1 / fans_of(shape)[0] / math.sqrt(3),
    "support": lambda shape: (-1 / fans_of(shape)[0], 1 / fans_of(shape)[0]),
    "distribution": lambda shape: stats.uniform(-1 / fans_of(shape)[0], 2 / fans_of(shape)[0]),
}

CASES: tuple[Case, ...] = (
    Case(
        "zeros",
        initializers.Zeros,
        functional.zeros,
        "",
        KERAS,
        **fixed(0.0),
        reference=jax.nn.initializers.zeros,
    ),
    Case(
        "ones",
        initializers.Ones,
        functional.ones,
        "",
        KERAS,
        **fixed(1.0),
        reference=jax.nn.initializers.ones,
    ),
    Case(
        "constant",
        initializers.Constant,
        functional.constant,
        "value=0.0",
        KERAS,
        **fixed(0.3),
        options={"value": 0.3},
        reference=jax.nn.initializers.constant(0.3),
        traced={"value": Traced((-1.0, 0.0, 2.5))},
    ),
    Case(
        "identity",
        initializers.Identity,
        functional.identity,
        "gain=1.0",
        LE,
        mean=lambda shape: 1 / max(shape),
        std=lambda shape: math.sqrt(1 / max(shape) - 1 / max(shape) ** 2),
        support=lambda shape: (0.0, 1.0),
        reference=lambda key, shape, dtype: jnp.eye(*shape, dtype=dtype),
        ranks=range(2, 3),
        draws=False,
        traced={"gain": Traced((-1.0, 0.5, 2.0))},
    ),
    Case(
        "random_normal",
        initializers.RandomNormal,
        functional.random_normal,
        "mean=0.0, stddev=0.05, seed=None",
        KERAS,
        **normal(0.0, 0.05),
        reference=jax.nn.initializers.normal(0.05),
        traced={"stddev": Traced((0.0, 0.02, 1.5)), "mean": Traced((-3.0, 0.25, 2.0))},
        golden="3d12c839 395cd2a6 3dcbde9d bde9697d 3898b966 bcadbf94",
        in_full=True,
        aliases=("normal",),
    ),
    Case(
        "random_uniform",
        initializers.RandomUniform,
        functional.random_uniform,
        "minval=-0.05, maxval=0.05, seed=None",
        KERAS,
        **uniform(-0.05, 0.05),
        reference=jax_uniform(-0.05, 0.05),
        refuses=tuple(
            Wrong(
                {"minval": minval, "maxval": maxval},
                ValueError,
                rf"minval must be at most maxval; got minval={minval} and maxval={maxval}$",
            )
            for minval, maxval in ((1.0, 0.5), (1, 0))
        ),
        traced={"minval": Traced((-3.0, -0.1, 0.0)), "maxval": Traced((0.0, 0.5, 7.0))},
        golden="3cd7a1ed 39303000 3d43475d bd4829b0 3873b333 bc869560",
        has_complex=False,
        in_full=True,
        aliases=("uniform",),
    ),
    Case(
        "truncated_normal",
        initializers.TruncatedNormal,
        functional.truncated_normal,
        "mean=0.0, stddev=0.05, seed=None, *, lower=-2.0, upper=2.0",
        KERAS,
        **truncated(0.0, 0.05),
        reference=jax.nn.initializers.truncated_normal(0.05),
        refuses=tuple(
            Wrong(
                {"lower": lower, "upper": upper},
                ValueError,
                rf"lower must be less than upper; got lower={lower} and upper={upper}$",
            )
            for lower, upper in ((2.0, -2.0), (1.0, 1.0))
        ),
        traced={
            "stddev": Traced((0.01, 0.5, 2.0)),
            "mean": Traced((-3.0, 0.25, 2.0)),
            "lower": Traced((-3.0, -1.5, 0.5), exact=False),
            "upper": Traced((-1.0, 0.5, 3.0), exact=False),
        },
        golden="3d0af0a2 3952c585 3dadad13 bdbb7c79 3891c489 bca56308",
        has_complex=False,
        in_full=True,
    ),
    Case(
        "variance_scaling",
        initializers.VarianceScaling,
        functional.variance_scaling,
        "scale=1.0, mode='fan_in', distribution='truncated_normal', seed=None, *, " + AXES,
        HE,
        **scaled(1.0, "fan_in", "truncated_normal"),
        reference=jax_scaling(1.0, "fan_in", "truncated_normal"),
        refuses=(
            Wrong(
                {"batch_axis": "rset"},
                ValueError,
                rf"batch_axis must be an integer, a sequence of integers, or 'rest'; "
                rf"got 'rset' {MEANT}'rest'\?\)$",
            ),
            Wrong(
                {"layout": "moe", "in_axis": 0},
                TypeError,
                r"pass axes, or a layout in their place; got Layout\(in_axis=0\) and 'moe'$",
            ),
        ),
        traced={"scale": Traced((0.1, 1.0, 2.0), exact=False)},
        golden="3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    ),
    Case(
        "lecun_normal",
        initializers.LecunNormal,
        functional.lecun_normal,
        "seed=None, *, " + AXES,
        LECUN,
        **scaled(1.0, "fan_in", "truncated_normal"),
        reference=jax.nn.initializers.lecun_normal(),
        golden="3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    ),
    Case(
        "lecun_uniform",
        initializers.LecunUniform,
        functional.lecun_uniform,
        "seed=None, *, " + AXES,
        LECUN,
        **scaled(1.0, "fan_in", "uniform"),
        reference=jax.nn.initializers.lecun_uniform(),
        golden="3f250f2c 3b86dd8f 3f957aab bf9937bf 3aba8b41 bece09bf",
    ),
    Case(
        "glorot_normal",
        initializers.GlorotNormal,
        functional.glorot_normal,
        "seed=None, *, " + AXES,
        GLOROT,
        **scaled(1.0, "fan_avg", "truncated_normal"),
        reference=jax.nn.initializers.glorot_normal(),
        golden="3ef9bf16 3b3d6ead 3f9c17af bfa88125 3a83027b be94a47c",
        aliases=("xavier_normal",),
    ),
    Case(
        "glorot_uniform",
        initializers.GlorotUniform,
        functional.glorot_uniform,
        "seed=None, *, " + AXES,
        GLOROT,
        **scaled(1.0, "fan_avg", "uniform"),
        reference=jax.nn.initializers.glorot_uniform(),
        golden="3f13a22d 3b714133 3f85b2bf bf890ac9 3aa6d999 beb8493a",
        in_full=True,
        aliases=("xavier_uniform",),
    ),
    Case(
        "he_normal",
        initializers.HeNormal,
        functional.he_normal,
        "seed=None, *, " + AXES,
        HE,
        **scaled(2.0, "fan_in", "truncated_normal"),
        reference=jax.nn.initializers.he_normal(),
        golden="3f457120 3b95c269 3ff6cdcf c00536e9 3acf2500 beeb0644",
        in_full=True,
        aliases=("kaiming_normal",),
    ),
    Case(
        "he_uniform",
        initializers.HeUniform,
        functional.he_uniform,
        "seed=None, *, " + AXES,
        HE,
        **scaled(2.0, "fan_in", "uniform"),
        reference=jax.nn.initializers.he_uniform(),
        golden="3f696dd6 3bbeba83 3fd3653d bfd8aec1 3b03e810 bf11b0df",
        aliases=("kaiming_uniform",),
    ),
    Case(
        "orthogonal",
        initializers.Orthogonal,
        functional.orthogonal,
        "gain=1.0, seed=None, *, axis=-1, batch_axis=()",
        SAXE,
        **matrices(1.0),
        reference=jax.nn.initializers.orthogonal(),
        ranks=range(2, 6),
        refuses=NO_AXIS,
        traced={"gain": Traced((-1.0, 0.0, 1.7))},
        golden="3ead6b90 3f70de2e 3a3470cf 3f538d0d be982224 bef4eaad",
    ),
    Case(
        "delta_orthogonal",
        initializers.DeltaOrthogonal,
        functional.delta_orthogonal,
        "gain=1.0, seed=None, *, axis=-1",
        XIAO,
        mean=lambda shape: 0.0,
        std=lambda shape: 1 / math.sqrt(math.prod(shape[:-2]) * shape[-1]),
        support=lambda shape: (-1.0, 1.0),
        reference=jax.nn.initializers.delta_orthogonal(),
        shape=(3, 3, 8, 16),
        ranks=range(3, 6),
        refuses=NO_AXIS,
        traced={"gain": Traced((-1.0, 0.5, 1.7))},
        golden="3ead6b90 3f70de2e 3a3470cf 3f538d0d be982224 bef4eaad",
        narrows=False,
        gaussian=True,
        in_keras=False,
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
        "kaiming",
        initializers.Kaiming,
        functional.kaiming,
        "a=0.0, mode='fan_in', nonlinearity='leaky_relu', distribution='untruncated_normal', "
        "seed=None, *, " + AXES,
        HE,
        **scaled(2.0, "fan_in", "untruncated_normal"),
        reference=jax_scaling(2.0, "fan_in", "untruncated_normal"),
        refuses=(
            Wrong(
                {"nonlinearity": "geluu"},
                ValueError,
                rf"nonlinearity must be one of .*; got 'geluu' {MEANT}'gelu'\?\)$",
            ),
            Wrong({"nonlinearity": 0.0}, ValueError, r"nonlinearity must be greater than 0; got 0"),
            Wrong({"nonlinearity": None}, TypeError, r"nonlinearity must be a number or a scalar"),
        ),
        traced={"a": Traced((0.0, 0.2, 1.0), exact=False)},
        golden="3f377a46 3b8a03a7 3ffed643 c011e1ed 3abee7bf bed92f78",
        in_keras=False,
    ),
    Case(
        "xavier",
        initializers.Xavier,
        functional.xavier,
        "gain=1.0, distribution='untruncated_normal', seed=None, *, " + AXES,
        GLOROT,
        **scaled(1.0, "fan_avg", "untruncated_normal"),
        reference=jax_scaling(1.0, "fan_avg", "untruncated_normal"),
        traced={"gain": Traced((0.5, 1.0, 5 / 3), exact=False)},
        golden="3ee81538 3b2e9366 3fa12c4d bfb88747 3a717a69 be895c31",
        in_keras=False,
    ),
    Case(
        "torch_linear",
        initializers.TorchLinear,
        functional.torch_linear,
        "seed=None, *, " + AXES,
        LECUN,
        **scaled(1 / 3, "fan_in", "uniform"),
        reference=jax_scaling(1 / 3, "fan_in", "uniform"),
        golden="3ebe9812 3b1bbaae 3f2c9a8a bf30ebae 3a576704 be6de989",
        in_keras=False,
    ),
    Case(
        "sparse",
        initializers.Sparse,
        functional.sparse,
        "sparsity, stddev=0.01, seed=None",
        MARTENS,
        mean=lambda shape: 0.0,
        std=lambda shape: 0.01 * math.sqrt(1 - math.ceil(0.3 * shape[0]) / shape[0]),
        support=lambda shape: (-0.0542, 0.0542),
        options={"sparsity": 0.3},
        traced={"stddev": Traced((0.0, 0.02, 1.5))},
        refuses=(
            Wrong({"sparsity": 1.5}, ValueError, r"sparsity must be from 0 to 1; got 1\.5$"),
            Wrong({"sparsity": -0.1}, ValueError, r"sparsity must be from 0 to 1; got -0\.1$"),
            Wrong({"sparsity": "1"}, TypeError, r"sparsity must be a number or a scalar array;"),
        ),
        ranks=range(2, 3),
        sum_varies=True,
        golden="00000000 3939dee7 00000000 bbdb1fc5 00000000 bc107787",
        in_keras=False,
    ),
    Case(
        "log_uniform",
        initializers.LogUniform,
        functional.log_uniform,
        "low, high, seed=None",
        GU,
        **of_law(stats.loguniform(0.001, 0.1)),
        options={"low": 0.001, "high": 0.1},
        traced={
            "low": Traced((0.001, 0.03, 0.1), exact=False),
            "high": Traced((0.001, 0.5, 7.0), exact=False),
        },
        refuses=(BACKWARDS,),
        transcendental=True,
        golden="3d09a8db 3c251cd6 3db80259 3a8a163a 3c244768 3b99c598",
        has_complex=False,
        in_keras=False,
    ),
    Case(
        "inverse_softplus_uniform",
        initializers.InverseSoftplusUniform,
        functional.inverse_softplus_uniform,
        "low=0.001, high=0.1, floor=0.0001, seed=None",
        MAMBA,
        **of_law(InverseSoftplus(a=inverse_softplus(0.001), b=inverse_softplus(0.1))()),
        traced={
            "low": Traced((0.00001, 0.003, 0.1), exact=False),
            "high": Traced((0.001, 0.5, 7.0), exact=False),
            "floor": Traced((0.0, 0.01, 0.5), exact=False),
        },
        refuses=(BACKWARDS,),
        transcendental=True,
        golden="c0581289 c092f4dc c01751e3 c0db5cec c0931e88 c0ab8021",
        has_complex=False,
        in_keras=False,
    ),
    Case(
        "s4d_real",
        initializers.S4DReal,
        functional.s4d_real,
        "log=False",
        S4D,
        **of_table(lambda shape: -1.0 - np.arange(shape[-1])),
        ranks=range(1, 6),
    ),
    Case(
        "s4d_lin",
        initializers.S4DLin,
        functional.s4d_lin,
        "",
        S4D,
        **of_table(lambda shape: np.pi * np.arange(shape[-1])),
        ranks=range(1, 6),
    ),
    Case(
        "s4d_inv",
        initializers.S4DInv,
        functional.s4d_inv,
        "",
        S4D,
        **of_table(
            lambda shape: [
                2 * shape[-1] / np.pi * (2 * shape[-1] / (2 * n + 1) - 1) for n in range(shape[-1])
            ]
        ),
        ranks=range(1, 6),
    ),
    Case(
        "hippo_leg_s",
        initializers.HippoLegS,
        functional.hippo_leg_s,
        "",
        HIPPO,
        **of_table(lambda shape: hippo(*shape[-2:])),
        ranks=range(2, 6),
    ),
    Case(
        "ring_uniform",
        initializers.RingUniform,
        functional.ring_uniform,
        "low, high, seed=None",
        LRU,
        **of_distribution(
            lambda nu: (0.998001 - np.exp(-2 * np.exp(nu))) / (0.998001 - 0.81),
            math.log(-math.log(0.999)),
            math.log(-math.log(0.9)),
        ),
        options={"low": 0.9, "high": 0.999},
        traced={
            "low": Traced((0.0, 0.3, 0.9), exact=False),
            "high": Traced((0.9, 0.95, 1.0), exact=False),
        },
        refuses=(BACKWARDS, *OUTSIDE),
        transcendental=True,
        golden="c022c47e c03eea86 c011add0 c0c5cc4c c03f0f8f c0590af9",
        has_complex=False,
        in_keras=False,
    ),
    Case(
        "ring_phase",
        initializers.RingPhase,
        functional.ring_phase,
        "largest=6.28, seed=None",
        LRU,
        **of_distribution(
            lambda theta: np.exp(theta) / 6.28, math.log(6.28) - 24 * math.log(2), math.log(6.28)
        ),
        traced={"largest": Traced((0.1, 1.0, 6.28), exact=False)},
        transcendental=True,
        golden="3fc898e0 3f92e3d4 3fe82c40 c029328a 3f929bf4 3f3ef186",
        has_complex=False,
        in_keras=False,
    ),
    Case(
        "recurrent_gate",
        initializers.RecurrentGate,
        functional.recurrent_gate,
        "low=0.9, high=0.999, seed=None",
        GRIFFIN,
        **of_distribution(
            lambda x: (0.998001 - special.expit(-x) ** 2) / (0.998001 - 0.81),
            math.log(1 / 0.999 - 1),
            math.log(1 / 0.9 - 1),
        ),
        traced={
            "low": Traced((0.6, 0.8, 0.9), exact=False),
            "high": Traced((0.9, 0.95, 1.0), exact=False),
        },
        refuses=(BACKWARDS, *OUTSIDE),
        transcendental=True,
        golden="c0203c4c c03d49f4 c00e5d8b c0c5c3d4 c03d6fef c057f66b",
        has_complex=False,
        in_keras=False,
    ),
    Case(
        "uniform_gate",
        initializers.UniformGate,
        functional.uniform_gate,
        "seed=None",
        UR,
        mean=lambda shape: 0.0,
        std=lambda shape: logistic(shape[-1]).std(),
        support=lambda shape: logistic(shape[-1]).support(),
        distribution=lambda shape: logistic(shape[-1]),
        ranks=range(1, 6),
        transcendental=True,
        golden="3eb592bc 3b12d500 3f2891f8 bf2d1c4a 3a4b2000 be613588",
        has_complex=False,
        in_keras=False,
    ),
    Case(
        "small_init",
        initializers.SmallInit,
        functional.small_init,
        "seed=None, *, " + AXES,
        "https://arxiv.org/abs/1910.05895",
        **scaled(0.4, "fan_in", "untruncated_normal"),
        reference=jax_scaling(0.4, "fan_in", "untruncated_normal"),
        golden="3ea41b7e 3af6e32f 3f63eee0 bf827b36 3a2ac038 be4241ad",
        in_keras=False,
    ),
    Case(
        "wang_init",
        initializers.WangInit,
        functional.wang_init,
        "layers, seed=None, *, " + AXES,
        "https://github.com/kingoflolz/mesh-transformer-jax",
        **scaled(4 / 12**2, "fan_out", "untruncated_normal"),
        reference=jax_scaling(4 / 12**2, "fan_out", "untruncated_normal"),
        options={"layers": 12},
        golden="3d8d3dbc 39d47ca4 3e442c71 be6099d2 3912f57d bd27307e",
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
    Case(
        "siren",
        initializers.Siren,
        functional.siren,
        "w0=30.0, first=False, seed=None, *, " + AXES,
        "https://arxiv.org/abs/2006.09661",
        **scaled(2 / 30**2, "fan_in", "uniform"),
        reference=jax_scaling(2 / 30**2, "fan_in", "uniform"),
        traced={"w0": Traced((1.0, 30.0, 100.0), exact=False)},
        golden="3cf8fdb1 394b719d 3d617d0d bd6720ce 388cb344 bc9b6754",
        in_keras=False,
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
        "unit_forget_gate",
        initializers.UnitForgetGate,
        functional.unit_forget_gate,
        "order",
        "https://proceedings.mlr.press/v37/jozefowicz15.html",
        mean=lambda shape: 1 / 4,
        std=lambda shape: math.sqrt(3) / 4,
        support=lambda shape: (0.0, 1.0),
        options={"order": "ifgo"},
        refuses=(
            Wrong({"order": "ifg"}, ValueError, r"order must have each of i, f, .*; got 'ifg'$"),
            Wrong({"order": "iffo"}, ValueError, r"order must have each of i, f, .*; got 'iffo'$"),
            Wrong({"order": 4}, TypeError, r"order must be a string, as 'ifgo'; got 4$"),
        ),
        ranks=range(1, 6),
        draws=False,
        in_keras=False,
    ),
    Case(
        "chrono",
        initializers.Chrono,
        functional.chrono,
        "longest, order='ifgo', seed=None",
        CHRONO,
        mean=lambda shape: 0.0,
        # The mean of ln(x)**2 is x * (ln(x)**2 - 2 * ln(x) + 2) over an interval, divided by it.
        std=lambda shape: math.sqrt((99 * (math.log(99) ** 2 - 2 * math.log(99) + 2) - 2) / 98 / 2),
        support=lambda shape: (-math.log(99), math.log(99)),
        options={"longest": 100},
        traced={"longest": Traced((2.0, 10.0, 1000.0), exact=False)},
        refuses=(
            Wrong({"longest": 1.5}, ValueError, r"longest must be at least 2; got 1\.5$"),
            Wrong({"longest": "9"}, TypeError, r"longest must be a number or a scalar array;"),
            *(
                Wrong(
                    {"order": order},
                    ValueError,
                    rf"order must be different letters, .*; got {order!r}$",
                )
                for order in ("igo", "iffo", None)
            ),
        ),
        ranks=range(1, 6),
        multiple=4,
        sum_varies=True,
        transcendental=True,
        golden="c08a7f56 408a7f56 00000000 00000000 c07a9474 407a9474 00000000 00000000",
        has_complex=False,
        in_keras=False,
    ),
)


def variant(name: str, label: str, options: Mapping[str, Any], **changes: Any) -> Case:
    """The row of `name` with other options, and what they change."""
    (row,) = (case for case in CASES if case.name == name)
    changes = {
        "distribution": None,
        "reference": None,
        "in_full": False,
        "witness": False,
        **changes,
    }
    return dataclasses.replace(row, label=label, options=options, **changes)


def scaling_variant(
    scale: float,
    mode: str,
    distribution: str,
    fans: Callable[[Shape], tuple[int, int]] = fans_of,
    label: str = "",
    shape: Shape = (40, 24),
    **axes: Any,
) -> Case:
    return variant(
        "variance_scaling",
        label or f"{mode}-{distribution}",
        {"scale": scale, "mode": mode, "distribution": distribution, **axes},
        **scaled(scale, mode, distribution, fans),
        reference=jax_scaling(scale, mode, distribution, **axes),
        shape=shape,
        ranks=range(len(shape), 6),
        # One of each law.
        witness=mode == "fan_in" and not label,
    )


def truncated_variant(lower: float, upper: float, mean: float = 0.0) -> Case:
    options = {"stddev": 0.7, "lower": lower, "upper": upper, **({"mean": mean} if mean else {})}
    return variant(
        "truncated_normal",
        f"{lower}to{upper}" + (f"-mean{mean}" if mean else ""),
        options,
        **truncated(mean, 0.7, lower, upper),
        # JAX's has no mean.
        reference=None if mean else jax.nn.initializers.truncated_normal(0.7, None, lower, upper),
        # Beyond the middle of the normal, where nothing is symmetric.
        witness=(lower, upper) == (0.5, 1.5),
    )


VARIANTS: tuple[Case, ...] = (
    variant("constant", "negative", {"value": -3}, **fixed(-3.0)),
    variant(
        "identity",
        "gain",
        {"gain": -2.5},
        mean=lambda shape: -2.5 / max(shape),
        std=lambda shape: 2.5 * math.sqrt(1 / max(shape) - 1 / max(shape) ** 2),
        support=lambda shape: (-2.5, 0.0),
    ),
    variant(
        "s4d_real",
        "log",
        {"log": True},
        **of_table(lambda shape: np.log1p(np.arange(shape[-1]))),
    ),
    variant(
        "random_normal",
        "stddev",
        {"stddev": 0.02},
        **normal(0.0, 0.02),
        reference=jax.nn.initializers.normal(0.02),
        witness=True,
    ),
    variant("random_normal", "mean", {"mean": 3.0, "stddev": 0.5}, **normal(3.0, 0.5)),
    variant(
        "random_uniform",
        "from-zero",
        {"minval": 0.0, "maxval": 0.7},
        **uniform(0.0, 0.7),
        reference=jax.nn.initializers.uniform(0.7),
    ),
    variant(
        "random_uniform",
        "shifted",
        {"minval": 2.0, "maxval": 2.3},
        **uniform(2.0, 2.3),
        reference=jax_uniform(2.0, 2.3),
        witness=True,
    ),
    truncated_variant(-1.0, 3.0),
    truncated_variant(0.5, 1.5),
    truncated_variant(-3.0, -1.0),
    truncated_variant(-2.0, 2.0, mean=-1.5),
    *(
        scaling_variant(1.7, mode, distribution)
        for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
        for distribution in ("normal", "untruncated_normal", "uniform")
    ),
    scaling_variant(0.3, "fan_out", "truncated_normal", label="synonym"),
    scaling_variant(
        1.0,
        "fan_in",
        "untruncated_normal",
        lambda shape: (shape[1], shape[1]),
        label="embedding",
        out_axis=0,
    ),
    scaling_variant(
        1.0,
        "fan_avg",
        "uniform",
        lambda shape: (shape[1], shape[0]),
        label="transposed",
        in_axis=1,
        out_axis=0,
    ),
    scaling_variant(
        2.0,
        "fan_out",
        "truncated_normal",
        lambda shape: (shape[1], shape[2]),
        label="stack",
        shape=(5, 30, 12),
        batch_axis=0,
    ),
    scaling_variant(
        1.0,
        "fan_in",
        "uniform",
        lambda shape: (shape[0] * shape[1], shape[2] * shape[3]),
        label="attention",
        shape=(7, 6, 4, 10),
        in_axis=(0, 1),
        out_axis=(-2, -1),
    ),
    variant(
        "he_normal",
        "channels-first",
        {"in_axis": 1, "out_axis": 0},
        **scaled(2.0, "fan_in", "truncated_normal", lambda shape: (9 * shape[1], 9 * shape[0])),
        reference=jax.nn.initializers.he_normal(1, 0),
        shape=(24, 7, 3, 3),
        large=(300, 100, 3, 3),
        ranks=range(4, 5),
    ),
    variant(
        "orthogonal",
        "first-axis",
        {"axis": 0, "gain": 1.5},
        **matrices(1.5, 0),
        reference=jax.nn.initializers.orthogonal(1.5, 0),
        witness=True,
    ),
    variant(
        "orthogonal",
        "stack",
        {"batch_axis": (0,)},
        std=lambda shape: 1 / math.sqrt(max(shape[1:])),
        shape=(5, 24, 16),
        ranks=range(3, 4),
    ),
    variant(
        "delta_orthogonal",
        "first-axis",
        {"axis": 0, "gain": -0.5},
        std=lambda shape: 0.5 / math.sqrt(math.prod(shape[:-2]) * shape[-1]),
        support=lambda shape: (-0.5, 0.5),
        reference=jax.nn.initializers.delta_orthogonal(-0.5, -2),
        witness=True,
    ),
    variant("sin_cos", "grid", {"grid": (2, 8)}, **waves(2, 8), shape=(16, 24)),
    variant("siren", "first", {"first": True}, **SIREN_FIRST),
)

ALL = CASES + VARIANTS
RANDOM = tuple(case for case in CASES if case.draws)
RANDOM_VARIANTS = tuple(case for case in ALL if case.draws)

KEY = jax.random.key(20240229)
