"""State spaces, recurrences and gates."""

import math

import numpy as np
from scipy import special

from cthulhu import functional, initializers
from tests.case import Case, Traced, variant
from tests.cases import _sources as sources
from tests.cases._common import BACKWARDS, OUTSIDE
from tests.expected import (
    hippo,
    logistic,
    of_distribution,
    of_table,
)
from tests.refusals import Wrong

CASES: tuple[Case, ...] = (
    Case(
        "s4d_real",
        initializers.S4DReal,
        functional.s4d_real,
        "log=False",
        sources.S4D,
        **of_table(lambda shape: -1.0 - np.arange(shape[-1])),
        ranks=range(1, 6),
    ),
    Case(
        "s4d_lin",
        initializers.S4DLin,
        functional.s4d_lin,
        "",
        sources.S4D,
        **of_table(lambda shape: np.pi * np.arange(shape[-1])),
        ranks=range(1, 6),
    ),
    Case(
        "s4d_inv",
        initializers.S4DInv,
        functional.s4d_inv,
        "",
        sources.S4D,
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
        sources.HIPPO,
        **of_table(lambda shape: hippo(*shape[-2:])),
        ranks=range(2, 6),
    ),
    Case(
        "ring_uniform",
        initializers.RingUniform,
        functional.ring_uniform,
        "low, high, seed=None",
        sources.LRU,
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
        sources.LRU,
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
        sources.GRIFFIN,
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
        sources.UR,
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
        sources.CHRONO,
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


VARIANTS: tuple[Case, ...] = (
    variant(
        CASES,
        "s4d_real",
        "log",
        {"log": True},
        **of_table(lambda shape: np.log1p(np.arange(shape[-1]))),
    ),
)
