"""Initializers made of others."""

import math
from typing import Any

import numpy as np
from scipy import stats

from cthulhu import functional, initializers
from tests.case import Case, Shape, Traced, variant
from tests.cases import _sources as sources
from tests.expected import fans_of, normal, of_distribution, of_law, scaled
from tests.refusals import Wrong

BASE = 0.05  # The standard deviation of `random_normal`.


def thinned(kept: Any) -> dict[str, Any]:
    """Normal, but for a share of zeros."""
    return {
        "mean": lambda shape: 0.0,
        "std": lambda shape: BASE * math.sqrt(kept(shape)),
        "support": normal(0.0, BASE)["support"],
        "sum_varies": True,
        "gaussian": True,
    }


def below_the_diagonal(shape: Shape) -> float:
    return float(np.tril(np.ones(shape[-2:])).mean())


def by_depth(shape: Shape) -> float:
    """The mean square of the factors."""
    return float(np.mean([1 / (2 * (layer + 1)) for layer in range(shape[0])]))


def layer_fans(shape: Shape) -> tuple[int, int]:
    """Of one layer of a stack along the first axis."""
    return fans_of(shape[1:])


def halves(shape: Shape) -> float:
    """Of two orthogonal matrices side by side."""
    return 1 / math.sqrt(max(math.prod(shape[:-1]), shape[-1] // 2))


CASES: tuple[Case, ...] = (
    Case(
        "scaled",
        initializers.Scaled,
        functional.scaled,
        "init, factor, seed=None",
        sources.OWN,
        **scaled(0.5, "fan_in", "truncated_normal"),
        options={"init": initializers.HeNormal(), "factor": 0.5},
        traced={"factor": Traced((-1.0, 0.0, 2.5))},
        golden="3ec57120 3b15c269 3f76cdcf bf8536e9 3a4f2500 be6b0644",
        witness=False,
        in_keras=False,
    ),
    Case(
        "mapped",
        initializers.Mapped,
        functional.mapped,
        "init, fn, seed=None",
        sources.OWN,
        **of_law(stats.loguniform(math.exp(-0.5), math.exp(0.5))),
        options={"init": initializers.RandomUniform(-0.5, 0.5), "fn": "exp"},
        refuses=(
            Wrong({"fn": "exq"}, ValueError, r"fn must be one of 'exp', .*\(did you mean 'exp'"),
            Wrong({"fn": None}, ValueError, r"fn must be one of 'exp', .*; got None$"),
        ),
        golden="3fa68b02 3f80371b 3fce2ff4 3f1d0a2a 3f80130b 3f593739",
        has_complex=False,
        transcendental=True,
        in_keras=False,
    ),
    Case(
        "masked",
        initializers.Masked,
        functional.masked,
        "init, mask, seed=None",
        sources.GERMAIN,
        **thinned(below_the_diagonal),
        options={"init": initializers.RandomNormal(), "mask": "tril"},
        refuses=(
            Wrong({"mask": "trill"}, ValueError, r"mask must be one of 'tril', .*did you mean"),
            Wrong({"mask": [0.5]}, ValueError, r"mask must be an array .*got \[0\.5\]"),
            Wrong({"mask": [[1], [1, 0]]}, ValueError, r"mask must be an array of booleans"),
            Wrong({"mask": None}, ValueError, r"mask must be an array of booleans, .*got None"),
        ),
        ranks=range(2, 6),
        golden="3d12c839 00000000 00000000 bde9697d 3898b966 00000000",
        in_keras=False,
    ),
    Case(
        "zero_first",
        initializers.ZeroFirst,
        functional.zero_first,
        "init, count=1, axis=0, seed=None",
        sources.OWN,
        **thinned(lambda shape: 1 - 1 / shape[0]),
        options={"init": initializers.RandomNormal()},
        ranks=range(1, 6),
        golden="00000000 00000000 00000000 bde9697d 3898b966 bcadbf94",
        witness=False,
        in_keras=False,
    ),
    Case(
        "zero_last",
        initializers.ZeroLast,
        functional.zero_last,
        "init, count=1, axis=0, seed=None",
        sources.OWN,
        **thinned(lambda shape: 1 - 1 / shape[0]),
        options={"init": initializers.RandomNormal()},
        ranks=range(1, 6),
        golden="3d12c839 395cd2a6 3dcbde9d 00000000 00000000 00000000",
        witness=False,
        in_keras=False,
    ),
    Case(
        "blocked",
        initializers.Blocked,
        functional.blocked,
        "init, sizes, axis=-1, seed=None",
        sources.OWN,
        mean=lambda shape: 0.0,
        std=halves,
        support=lambda shape: (-1.0, 1.0),
        options={"init": initializers.Orthogonal(), "sizes": 2},
        refuses=(
            Wrong({"sizes": 0}, ValueError, r"sizes must be at least 1; got 0$"),
            Wrong({"sizes": 1.5}, TypeError, r"sizes must be a number of blocks, .*; got 1\.5$"),
            Wrong({"sizes": ()}, ValueError, r"sizes must be the sizes of one block .*; got \(\)$"),
            Wrong({"sizes": (4, -1)}, ValueError, r"sizes must .*at least 0; got \(4, -1\)$"),
        ),
        ranks=range(2, 6),
        multiple=2,
        golden="3f28381e bf40f8e5 bf2ccafe 3f3ce346 bf40f8e5 bf283820 bf3ce346 bf2ccaff",
        in_keras=False,
    ),
    Case(
        "stacked",
        initializers.Stacked,
        functional.stacked,
        "init, axis=0, seed=None",
        sources.OWN,
        **scaled(2.0, "fan_in", "truncated_normal", layer_fans),
        options={"init": initializers.HeNormal()},
        ranks=range(1, 6),
        golden="3f57c3ef 3c80a7e5 bf75f3d2 bee19ba4 3f1ad348 bef66d44",
        in_keras=False,
    ),
    Case(
        "icnr",
        initializers.ICNR,
        functional.icnr,
        "init, scale, order, axis=-1, seed=None",
        sources.AITKEN,
        **{
            **scaled(2.0, "fan_in", "truncated_normal"),
            "distribution": None,
            "follows_fans": False,
        },
        options={"init": initializers.HeNormal(), "scale": 2, "order": "pixel_shuffle"},
        refuses=(
            Wrong(
                {"order": "pixelshuffle"},
                ValueError,
                r"order must be one of 'pixel_shuffle', 'depth_to_space'; got 'pixelshuffle' \(did",
            ),
            Wrong({"order": None}, ValueError, r"order must be one of .*; got None$"),
        ),
        shape=(3, 3, 8, 16),
        ranks=range(3, 6),
        multiple=8,
        sum_varies=True,
        golden="3d2a3a88 3d2a3a88 be325a90 be325a90 befde0ca befde0ca be1979d7 be1979d7 beeba2c1 "
        "beeba2c1 3e5a1bf8 3e5a1bf8 be4f3ca7 be4f3ca7 be347963 be347963",
        in_keras=False,
    ),
    Case(
        "by_depth",
        initializers.ByDepth,
        functional.by_depth,
        "init, factor, *, axis=None, layer=None, layers=None, seed=None",
        sources.DEEPNET,
        **thinned(by_depth),
        options={"init": initializers.RandomNormal(), "factor": "1/sqrt(2 * (l + 1))", "axis": 0},
        refuses=(
            Wrong({"factor": "1/sqrt(l)"}, ValueError, r"factor must be one of '1/sqrt"),
            Wrong({"axis": (0, 1)}, TypeError, r"axis must be an integer; got \(0, 1\)$"),
            Wrong({"layer": 3}, ValueError, r"layer=3 needs layers, how many there are$"),
            Wrong({"layer": 3, "layers": 3}, ValueError, r"layer must be less than layers, "),
            Wrong({"axis": 0, "layers": 3}, ValueError, r"axis stacks all layers, and layer "),
        ),
        ranks=range(1, 6),
        golden="3d0c0883 3a2449bf bd20a388 bc4c7f77 3c8cde23 bc5f8bc1",
        asks_rules=True,
        in_keras=False,
    ),
)


VARIANTS: tuple[Case, ...] = (
    variant(
        CASES,
        "scaled",
        "without-a-scale",
        {"init": initializers.LogUniform(0.5, 2.0), "factor": 2.0},
        **of_law(stats.loguniform(1.0, 4.0)),
        follows_fans=False,
        gaussian=False,
        has_complex=False,
        transcendental=True,
    ),
    variant(
        CASES,
        "mapped",
        "log",
        {"init": initializers.RandomUniform(1.0, math.e), "fn": "log"},
        # The density is e^x / (e - 1).
        **of_distribution(lambda x: np.expm1(x) / math.expm1(1), 0.0, 1.0),
    ),
    variant(
        CASES,
        "blocked",
        "of-its-own",
        {"init": ("zeros", "ones", "random_normal"), "sizes": (4, 8, 12), "axis": 1},
        mean=lambda shape: 1 / 3,
        std=lambda shape: math.sqrt((8 + 12 * BASE**2) / 24 - 1 / 9),
        support=lambda shape: (-0.271, 1.0),
        shape=(40, 24),
        ranks=range(2, 3),
        sum_varies=True,
        gaussian=True,
    ),
    variant(
        CASES,
        "stacked",
        "orthogonal",
        {"init": "orthogonal", "axis": -1},
        mean=lambda shape: 0.0,
        std=lambda shape: 1 / math.sqrt(max(math.prod(shape[:-2]), shape[-2])),
        support=lambda shape: (-1.0, 1.0),
        shape=(12, 16, 5),
        ranks=range(3, 6),
        follows_fans=False,
    ),
    variant(
        CASES,
        "by_depth",
        "one-layer",
        {"init": "random_normal", "factor": "1/L", "layer": 3, "layers": 4},
        **normal(0.0, BASE / 4),
        sum_varies=False,
    ),
    variant(
        CASES,
        "masked",
        "array",
        {"init": "random_normal", "mask": [True, False, True, True]},
        **thinned(lambda shape: 0.75),
        shape=(30, 4),
        ranks=range(1, 3),
    ),
    variant(
        CASES,
        "icnr",
        "apart",
        {"init": "he_normal", "scale": 2, "order": "depth_to_space", "axis": 0},
        std=lambda shape: math.sqrt(2 / fans_of((shape[0] // 4, *shape[1:]))[0]),
        support=lambda shape: (
            -2.2737 * math.sqrt(2 / fans_of((shape[0] // 4, *shape[1:]))[0]),
            2.2737 * math.sqrt(2 / fans_of((shape[0] // 4, *shape[1:]))[0]),
        ),
        shape=(8, 3, 5, 16),
        ranks=range(4, 5),
    ),
    variant(
        CASES,
        "zero_last",
        "columns",
        {"init": "random_normal", "count": 3, "axis": -1},
        **thinned(lambda shape: 1 - 3 / shape[-1]),
    ),
)
