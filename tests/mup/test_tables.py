"""The numbers of each kind of parametrization, written by hand from the papers' tables."""

import math
from typing import Any, NamedTuple

import pytest

from cthulhu import mup
from cthulhu.mup import CompleteP, LeafShape, Shapes, UMuP
from tests.mup.models import shapes, tied
from tests.refusals import Refused, each

# The width is 4 times that of the base, from 16 to 64, and the hidden units are 6 times as many.
WIDE = shapes(8, 192)


class Row(NamedTuple):
    """What a parameter has: std, forward, learning rate of Adam and of SGD, ε."""

    std: float | None
    forward: float
    adam: float
    sgd: float | None
    eps: float


# Tensor Programs V, table 8; ε as in Megatron-LM.
MUP = {
    "embed": Row(1, 1, 1, 4, 1),
    "final_norm": Row(1, 1, 1, 4, 1),
    "blocks/norm": Row(1, 1, 1, 4, 1),
    "blocks/up/bias": Row(1, 1, 1, 6, 1),
    "blocks/query": Row(1 / 2, 1, 1 / 4, 1, 1 / 4),
    "blocks/out": Row(1 / 2, 1, 1 / 4, 1, 1 / 4),
    "blocks/up/kernel": Row(1 / 2, 1, 1 / 4, 6 / 4, 1 / 4),
    "head/kernel": Row(1, 1 / 4, 1, 4, 1),
    "head/bias": Row(1, 1, 1, 1, 1),
    "temperature": Row(1, 1, 1, 1, 1),
}

# Table 3: without a factor of the logits, the readout itself is smaller.
FOLDED = {**MUP, "head/kernel": Row(1 / 4, 1, 1 / 4, 1 / 4, 4)}

# nanoGPT-mup, branch completep: m_L = 9, α = 1/2: η/m_N · m_L^(α-1), ε / m_N · m_L^(-α).
COMPLETEP = {
    "embed": Row(1, 1, 1, None, 1 / 4 / 3),
    "final_norm": Row(1, 1, 1, None, 1 / 4 / 3),
    "blocks/norm": Row(1, 1, 1 / 3, None, 1 / 4 / 3),
    "blocks/up/bias": Row(1, 1, 1 / 3, None, 1 / 6 / 3),
    "blocks/query": Row(1 / 2, 1, 1 / 4 / 3, None, 1 / 4 / 3),
    "blocks/out": Row(1 / 2, 1, 1 / 4 / 3, None, 1 / 4 / 3),
    "blocks/up/kernel": Row(1 / 2, 1, 1 / 4 / 3, None, 1 / 4 / 3),
    "head/kernel": Row(1, 1 / 4, 1, None, 1 / 4 / 3),
    "head/bias": Row(1, 1, 1, None, 1 / 3),
    "temperature": Row(1, 1, 1, None, 1 / 3),
}

# α = 1: but for the branch and ε, that of the width.
COMPLETEP_ONE = {
    path: row._replace(sgd=None, eps=(1 / 6 if path == "blocks/up/bias" else 1 / 4) / 9)
    for path, row in MUP.items()
} | {path: Row(1, 1, 1, None, 1 / 9) for path in ("head/bias", "temperature")}

# 1/√in · min(1, √(out/in)): of up, 32/16 and 192/64, the minimum is 1 at both widths; the
# readout's, 40/64, is not at the wide one: √(40/64) / √64 against 1 / √16.
SPECTRAL = {
    "embed": Row(1, 1, 1, 4, 1),
    "final_norm": Row(1, 1, 1, 4, 1),
    "blocks/norm": Row(1, 1, 1, 4, 1),
    "blocks/up/bias": Row(1, 1, 1, 6, 1),
    "blocks/query": Row(1 / 2, 1, 1 / 4, 1, 1),
    "blocks/out": Row(1 / 2, 1, 1 / 4, 1, 1),
    "blocks/up/kernel": Row(1 / 2, 1, 1 / 4, 6 / 4, 1),
    "head/kernel": Row(math.sqrt(40) / 16, 1, 1 / 4, 1 / 4, 1),
    "head/bias": Row(1, 1, 1, 1, 1),
    "temperature": Row(1, 1, 1, 1, 1),
}

# unit-scaling 2024: fan_in of the embedding is d = 64; 4 sublayers halve what is in blocks.
UMUP = {
    "embed": Row(None, 1, 1 / 8, 8, 1),
    "final_norm": Row(None, 1, 1, 64, 1),
    "blocks/norm": Row(None, 1, 1 / 2, 32, 1),
    "blocks/up/bias": Row(None, 1, 1 / 2, 96, 1),
    "blocks/query": Row(None, 1 / 8, 1 / 16, 4, 1),
    "blocks/out": Row(None, 1 / 8, 1 / 16, 4, 1),
    "blocks/up/kernel": Row(None, 1 / 8, 1 / 16, 4, 1),
    "head/kernel": Row(None, 1 / 64, 1, 1, 1),
    "head/bias": Row(None, 1, 1, 40, 1),
    "temperature": Row(None, 1, 1, 1, 1),
}

TABLES: dict[str, tuple[Shapes, Any, dict[str, Row]]] = {
    "mup": (WIDE, "mup", MUP),
    "folded": (mup.fold_readout(WIDE), "mup", FOLDED),
    "completep, α = 1/2": (WIDE, CompleteP(9, 0.5), COMPLETEP),
    "completep, α = 1/2, by path": (WIDE, CompleteP(9, 0.5, "blocks/.*"), COMPLETEP),
    "completep, α = 1": (WIDE, CompleteP(9), COMPLETEP_ONE),
    "spectral": (WIDE, "spectral", SPECTRAL),
    "umup": (WIDE, UMuP(4), UMUP),
}
ROWS = [(table, path) for table, (_, _, rows) in TABLES.items() for path in rows]


@pytest.mark.parametrize(("table", "path"), ROWS)
def test_a_parameter_has_the_numbers_of_the_table(table: str, path: str) -> None:
    known, kind, rows = TABLES[table]
    found = known.multipliers(kind)
    assert found.keys() == rows.keys()
    for name, value in rows[path]._asdict().items():
        assert getattr(found[path], name) == pytest.approx(value), name


@pytest.mark.parametrize("kind", ["mup", "completep", "spectral"])
def test_a_model_as_wide_as_its_base_has_no_factor(kind: Any) -> None:
    own = shapes(2, 32, delta=None).multipliers(kind)
    told = shapes(2, 32).leaves
    assert {leaf.role for leaf in told} == {"scalar"}
    for one in own.values():
        assert (one.std, one.forward, one.adam, one.eps, one.decay) == (1, 1, 1, 1, 1)
        assert one.sgd in (1, None)


def test_what_is_tied_has_a_factor_in_the_readout_alone() -> None:
    found = tied(64).multipliers()["embed"]
    assert (found.std, found.forward, found.adam, found.sgd, found.eps) == (1, 1 / 4, 1, 4, 1)


@pytest.mark.parametrize(
    ("base", "target", "m"), [(64, 96, 1.5), (96, 64, 2 / 3), (10, 30, 3.0), (30, 10, 1 / 3)]
)
def test_ratios_need_not_be_whole(base: int, target: int, m: float) -> None:
    tree = lambda width: {"kernel": shape(width, width), "bias": shape(width)}  # noqa: E731
    found = mup.infer(tree(base), tree(target)).multipliers()
    assert found["kernel"].adam == pytest.approx(1 / m, rel=1e-15)
    assert found["kernel"].std == pytest.approx(1 / math.sqrt(m), rel=1e-15)
    assert found["bias"].sgd == pytest.approx(m, rel=1e-15)


def shape(*sizes: int) -> Any:
    import jax
    import numpy as np

    return jax.ShapeDtypeStruct(sizes, np.float32)


def test_muon_has_one_learning_rate_and_the_norm_of_the_shape() -> None:
    found = WIDE.multipliers()
    muon = {path: one.muon for path, one in found.items() if one.muon is not None}
    assert muon == pytest.approx(
        {"blocks/out": 1, "blocks/query": 1, "blocks/up/kernel": math.sqrt(6 / 4)}
    )
    by_depth = WIDE.multipliers(CompleteP(9, 0.5))
    assert by_depth["blocks/query"].muon == pytest.approx(1 / 3)


HEAD = LeafShape("head", (64, 40), (16, 40), "output", 4.0, 1.0, (0,), (0,), (1,), use="kernel")
BARE = LeafShape("w", (8, 64), (8, 16), "input", 1.0, 4.0, (1,), (0,), (1,))

EXPERTS = LeafShape("experts", (3, 8, 8), (3, 4, 4), "hidden", 2.0, 2.0, (1, 2), apart=(0,))
REFUSED = [
    Refused(
        "unknown kind",
        lambda: WIDE.multipliers("mu"),  # type: ignore[arg-type]
        ValueError,
        r"^Shapes\.multipliers: kind must be one of 'mup', 'completep', .*; got 'mu' \(did you",
    ),
    Refused(
        "spectral tied",
        lambda: tied(64).multipliers("spectral"),
        ValueError,
        r"^mup: 'embed' is tied, and kind 'spectral' has one scale .*; use kind 'mup'",
    ),
    Refused(
        "spectral without usage",
        lambda: Shapes((BARE,)).multipliers("spectral"),
        ValueError,
        r"^mup: 'w' is a table or a first kernel, .*; pass usage",
    ),
    Refused(
        "spectral without axes",
        lambda: Shapes((LeafShape("w", (64, 9), (16, 9), "output", 4.0),)).multipliers("spectral"),
        ValueError,
        r"^mup: it is not known which axes of 'w' are inputs and outputs, and kind 'spectral'",
    ),
    Refused(
        "umup tied",
        lambda: tied(64).multipliers("umup"),
        ValueError,
        r"^mup: kind 'umup' has no rule for 'embed', which is tied",
    ),
    Refused(
        "umup folded",
        lambda: mup.fold_readout(WIDE).multipliers("umup"),
        ValueError,
        r"^mup: kind 'umup' has no rule for 'head/kernel', which holds a factor that is folded",
    ),
    Refused(
        "umup without usage",
        lambda: Shapes((BARE,)).multipliers("umup"),
        ValueError,
        r"^mup: kind 'umup' has no rule for 'w', which may be a kernel or a table: pass usage",
    ),
    Refused(
        "umup at the base",
        lambda: shapes(2, 32).multipliers("umup"),
        ValueError,
        r"^mup: kind 'umup' asks what is a readout, and nothing of these shapes grows: .* delta",
    ),
    Refused(
        "umup without blocks",
        lambda: Shapes((HEAD,)).multipliers(UMuP(4)),
        ValueError,
        r"^UMuP: which parameters are inside residual blocks\? .*blocks='layers/\.\*'",
    ),
    Refused(
        "experts are no layers",
        lambda: Shapes((EXPERTS,)).multipliers(CompleteP(4, 0.5)),
        ValueError,
        r"^CompleteP: which parameters are inside residual blocks\?",
    ),
    Refused(
        "completep without blocks",
        lambda: Shapes((HEAD,)).multipliers(CompleteP(4, 0.5)),
        ValueError,
        r"^CompleteP: which parameters are inside residual blocks\?",
    ),
    Refused(
        "blocks that are not there",
        lambda: WIDE.multipliers(CompleteP(4, 0.5, "layers/.*")),
        ValueError,
        r"^CompleteP: blocks names 'layers/\.\*', which matches no parameter",
    ),
    Refused(
        "depth",
        lambda: CompleteP(0),
        ValueError,
        r"^CompleteP: depth must be greater than 0; got 0$",
    ),
    Refused(
        "alpha",
        lambda: CompleteP(2, 2.0),
        ValueError,
        r"^CompleteP: alpha must be from 0\.5 to 1; got 2\.0$",
    ),
    Refused(
        "sublayers", lambda: UMuP(0), ValueError, r"^UMuP: sublayers must be at least 1; got 0$"
    ),
    Refused(
        "branches",
        lambda: UMuP(2, branches=-1),
        ValueError,
        r"^UMuP: branches must be greater than 0; got -1$",
    ),
]


@each(REFUSED)
def test_what_has_no_rule_is_refused(refused: Refused) -> None:
    refused.check()


def test_a_kind_of_ones_own_is_a_kind() -> None:
    class Still(mup.Kind):
        name = "still"

        def of(self, leaf: LeafShape) -> mup.Multipliers:
            return mup.Multipliers(adam=0.0)

    assert {one.adam for one in WIDE.multipliers(Still()).values()} == {0.0}
    assert "kind 'still'" in str(WIDE.table(Still()).title)
