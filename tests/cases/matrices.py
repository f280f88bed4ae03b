"""Matrices whose elements depend on each other."""

import math

import jax

from cthulhu import functional, initializers
from tests.case import Case, Traced, variant
from tests.cases import _sources as sources
from tests.cases._common import NO_AXIS
from tests.expected import (
    matrices,
)
from tests.refusals import Wrong

CASES: tuple[Case, ...] = (
    Case(
        "orthogonal",
        initializers.Orthogonal,
        functional.orthogonal,
        "gain=1.0, seed=None, *, axis=-1, batch_axis=()",
        sources.SAXE,
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
        sources.XIAO,
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
        "sparse",
        initializers.Sparse,
        functional.sparse,
        "sparsity, stddev=0.01, seed=None",
        sources.MARTENS,
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
        "orthogonal_pair",
        initializers.OrthogonalPair,
        functional.orthogonal_pair,
        "part, gain=0.1, seed=None, *, axis=None",
        sources.HU,
        mean=lambda shape: 0.0,
        std=lambda shape: 0.1 / math.sqrt(2),
        support=lambda shape: (-0.542 * math.sqrt(shape[1] / 2), 0.542 * math.sqrt(shape[1] / 2)),
        options={"part": "A"},
        traced={"gain": Traced((-1.0, 0.0, 1.7))},
        refuses=(
            Wrong({"part": "C"}, ValueError, r"part must be one of 'A', 'B'; got 'C'$"),
            Wrong({"axis": (0, 1)}, TypeError, r"axis must be an integer; got \(0, 1\)$"),
        ),
        ranks=range(2, 3),
        multiple=2,
        sum_varies=True,
        gaussian=True,
        golden="bd5b0292 bd2c96fe 3d224eb6 3d02c24b bc7ec58b bc1265ed 3d0a515c bd3ae3f1",
        in_keras=False,
    ),
    Case(
        "martens_sparse",
        initializers.MartensSparse,
        functional.martens_sparse,
        "connections=15, stddev=1.0, seed=None",
        sources.MARTENS,
        mean=lambda shape: 0.0,
        std=lambda shape: math.sqrt(min(15, shape[0]) / shape[0]),
        support=lambda shape: (-5.42, 5.42),
        traced={"stddev": Traced((0.0, 0.02, 1.5))},
        ranks=range(2, 3),
        sum_varies=True,
        golden="3f778bd1 3c913625 bf8dfc69 bf2b30d2 3fb42bd3 bf61bac2",
        gaussian=True,
        in_keras=False,
    ),
)


VARIANTS: tuple[Case, ...] = (
    variant(
        CASES,
        "orthogonal",
        "first-axis",
        {"axis": 0, "gain": 1.5},
        **matrices(1.5, 0),
        reference=jax.nn.initializers.orthogonal(1.5, 0),
        witness=True,
    ),
    variant(
        CASES,
        "orthogonal",
        "stack",
        {"batch_axis": (0,)},
        std=lambda shape: 1 / math.sqrt(max(shape[1:])),
        shape=(5, 24, 16),
        ranks=range(3, 4),
    ),
    variant(
        CASES,
        "orthogonal_pair",
        "second",
        {"part": "B", "gain": 2.0},
        std=lambda shape: math.sqrt(2),
        support=lambda shape: (-10.84 * math.sqrt(shape[0] / 2), 10.84 * math.sqrt(shape[0] / 2)),
    ),
    variant(
        CASES,
        "martens_sparse",
        "few",
        {"connections": 3, "stddev": 0.2},
        std=lambda shape: 0.2 * math.sqrt(min(3, shape[0]) / shape[0]),
        support=lambda shape: (-1.084, 1.084),
    ),
    variant(
        CASES,
        "delta_orthogonal",
        "first-axis",
        {"axis": 0, "gain": -0.5},
        std=lambda shape: 0.5 / math.sqrt(math.prod(shape[:-2]) * shape[-1]),
        support=lambda shape: (-0.5, 0.5),
        reference=jax.nn.initializers.delta_orthogonal(-0.5, -2),
        witness=True,
    ),
)
