"""Laws that the fans scale, and their kin."""

import math
from collections.abc import Callable
from typing import Any

import jax
from scipy import stats

from cthulhu import functional, initializers
from tests.case import Case, Shape, Traced, variant
from tests.cases import _sources as sources
from tests.cases._common import AXES, MEANT
from tests.expected import (
    fans_of,
    jax_scaling,
    scaled,
    uniform,
)
from tests.refusals import Wrong

# Uniform within 1 / fan_in.
SIREN_FIRST: dict[str, Any] = {
    "mean": lambda shape: 0.0,
    "std": lambda shape: 1 / fans_of(shape)[0] / math.sqrt(3),
    "support": lambda shape: (-1 / fans_of(shape)[0], 1 / fans_of(shape)[0]),
    "distribution": lambda shape: stats.uniform(-1 / fans_of(shape)[0], 2 / fans_of(shape)[0]),
}

CASES: tuple[Case, ...] = (
    Case(
        "variance_scaling",
        initializers.VarianceScaling,
        functional.variance_scaling,
        "scale=1.0, mode='fan_in', distribution='truncated_normal', seed=None, *, " + AXES,
        sources.HE,
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
        sources.LECUN,
        **scaled(1.0, "fan_in", "truncated_normal"),
        reference=jax.nn.initializers.lecun_normal(),
        golden="3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    ),
    Case(
        "lecun_uniform",
        initializers.LecunUniform,
        functional.lecun_uniform,
        "seed=None, *, " + AXES,
        sources.LECUN,
        **scaled(1.0, "fan_in", "uniform"),
        reference=jax.nn.initializers.lecun_uniform(),
        golden="3f250f2c 3b86dd8f 3f957aab bf9937bf 3aba8b41 bece09bf",
    ),
    Case(
        "glorot_normal",
        initializers.GlorotNormal,
        functional.glorot_normal,
        "seed=None, *, " + AXES,
        sources.GLOROT,
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
        sources.GLOROT,
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
        sources.HE,
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
        sources.HE,
        **scaled(2.0, "fan_in", "uniform"),
        reference=jax.nn.initializers.he_uniform(),
        golden="3f696dd6 3bbeba83 3fd3653d bfd8aec1 3b03e810 bf11b0df",
        aliases=("kaiming_uniform",),
    ),
    Case(
        "kaiming",
        initializers.Kaiming,
        functional.kaiming,
        "a=0.0, mode='fan_in', nonlinearity='leaky_relu', distribution='untruncated_normal', "
        "seed=None, *, " + AXES,
        sources.HE,
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
        sources.GLOROT,
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
        sources.LECUN,
        **scaled(1 / 3, "fan_in", "uniform"),
        reference=jax_scaling(1 / 3, "fan_in", "uniform"),
        golden="3ebe9812 3b1bbaae 3f2c9a8a bf30ebae 3a576704 be6de989",
        in_keras=False,
    ),
    Case(
        "torch_bias",
        initializers.TorchBias,
        functional.torch_bias,
        "fan_in=None, seed=None, *, kernel='kernel', layout=None",
        sources.LECUN,
        **uniform(-0.25, 0.25),
        options={"fan_in": 16},
        refuses=(
            Wrong({"kernel": None}, TypeError, r"kernel must be the path of a parameter, .*None$"),
        ),
        golden="3e06c534 3a5c3c00 3e741934 be7a341c 39985000 bda83ab8",
        asks_rules=True,
        witness=False,
        in_keras=False,
    ),
    Case(
        "lora_a",
        initializers.LoraA,
        functional.lora_a,
        "distribution='uniform', seed=None, *, " + AXES,
        sources.HU,
        **scaled(1 / 3, "fan_in", "uniform"),
        reference=jax_scaling(1 / 3, "fan_in", "uniform"),
        refuses=(
            Wrong(
                {"distribution": "gaussian"},
                ValueError,
                r"distribution must be one of 'uniform', 'untruncated_normal'; got 'gaussian'$",
            ),
        ),
        golden="3ebe9812 3b1bbaae 3f2c9a8a bf30ebae 3a576704 be6de989",
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
)


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
        CASES,
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


VARIANTS: tuple[Case, ...] = (
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
        CASES,
        "he_normal",
        "channels-first",
        {"in_axis": 1, "out_axis": 0},
        **scaled(2.0, "fan_in", "truncated_normal", lambda shape: (9 * shape[1], 9 * shape[0])),
        reference=jax.nn.initializers.he_normal(1, 0),
        shape=(24, 7, 3, 3),
        large=(300, 100, 3, 3),
        ranks=range(4, 5),
    ),
    variant(CASES, "siren", "first", {"first": True}, **SIREN_FIRST),
)
