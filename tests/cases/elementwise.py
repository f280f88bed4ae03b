"""Laws of independent elements, whatever the shape."""

import math
from typing import Any

import jax
from scipy import stats

from cthulhu import functional, initializers
from tests.case import Case, Traced, variant
from tests.cases import _sources as sources
from tests.cases._common import BACKWARDS
from tests.expected import (
    TRUNCATED_STDDEV,
    InverseSoftplus,
    inverse_softplus,
    jax_uniform,
    normal,
    of_law,
    truncated,
    uniform,
)
from tests.refusals import Wrong

CASES: tuple[Case, ...] = (
    Case(
        "random_normal",
        initializers.RandomNormal,
        functional.random_normal,
        "mean=0.0, stddev=0.05, seed=None",
        sources.KERAS,
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
        sources.KERAS,
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
        "mean=0.0, stddev=0.05, seed=None, *, lower=-2.0, upper=2.0, absolute=False, "
        "corrected=False",
        sources.KERAS,
        **truncated(0.0, 0.05),
        reference=jax.nn.initializers.truncated_normal(0.05),
        refuses=(
            *(
                Wrong(
                    {"lower": lower, "upper": upper},
                    ValueError,
                    rf"lower must be less than upper; got lower={lower} and upper={upper}$",
                )
                for lower, upper in ((2.0, -2.0), (1.0, 1.0), (math.inf, math.inf))
            ),
            Wrong(
                {"absolute": True, "stddev": 0.0},
                ValueError,
                r"stddev must be greater than 0 with absolute=True; got 0\.0$",
            ),
            Wrong(
                {"absolute": True, "corrected": True, "stddev": 3.0},
                ValueError,
                r".* stddev must be less than that of a uniform between .*, 1\.1547; got 3\.0$",
            ),
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
        "log_uniform",
        initializers.LogUniform,
        functional.log_uniform,
        "low, high, seed=None",
        sources.GU,
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
        sources.MAMBA,
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
)


def truncated_variant(lower: float, upper: float, mean: float = 0.0) -> Case:
    options = {"stddev": 0.7, "lower": lower, "upper": upper, **({"mean": mean} if mean else {})}
    return variant(
        CASES,
        "truncated_normal",
        f"{lower}to{upper}" + (f"-mean{mean}" if mean else ""),
        options,
        **truncated(mean, 0.7, lower, upper),
        # JAX's has no mean.
        reference=None if mean else jax.nn.initializers.truncated_normal(0.7, None, lower, upper),
        # Beyond the middle of the normal, where nothing is symmetric.
        witness=(lower, upper) == (0.5, 1.5),
    )


def bounded_variant(label: str, parent: tuple[float, float, float, float], **options: Any) -> Case:
    """Of a normal with this mean and standard deviation, cut at these many of the latter."""
    law = truncated(*parent)
    return variant(CASES, "truncated_normal", label, options, **law)


VARIANTS: tuple[Case, ...] = (
    variant(
        CASES,
        "random_normal",
        "stddev",
        {"stddev": 0.02},
        **normal(0.0, 0.02),
        reference=jax.nn.initializers.normal(0.02),
        witness=True,
    ),
    variant(CASES, "random_normal", "mean", {"mean": 3.0, "stddev": 0.5}, **normal(3.0, 0.5)),
    variant(
        CASES,
        "random_uniform",
        "from-zero",
        {"minval": 0.0, "maxval": 0.7},
        **uniform(0.0, 0.7),
        reference=jax.nn.initializers.uniform(0.7),
    ),
    variant(
        CASES,
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
    bounded_variant(
        "torch", (0.5, 0.4, -3.75, 1.25), mean=0.5, stddev=0.4, lower=-1.0, upper=1.0, absolute=True
    ),
    bounded_variant("4to5", (0.0, 0.7, 4, 5), stddev=0.7, lower=4.0, upper=5.0),
    bounded_variant("-6to-5.5", (0.0, 0.7, -6, -5.5), stddev=0.7, lower=-6.0, upper=-5.5),
    bounded_variant("corrected", (0.0, 0.7 / TRUNCATED_STDDEV, -2, 2), stddev=0.7, corrected=True),
    bounded_variant(
        "corrected-4to5",
        (0.0, 0.7 / stats.truncnorm(4, 5).std(), 4, 5),
        stddev=0.7,
        lower=4.0,
        upper=5.0,
        corrected=True,
    ),
)
