"""The factors of the code of a model; and readouts that hold their own, to the same end."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cthulhu import init_params, mup
from cthulhu.mup import CompleteP, Shapes, UMuP, fold_readout, forward, infer, rules
from tests.cases import KEY
from tests.mup.models import mlp, shapes, spec, tied
from tests.refusals import Refused, each

WIDE, BASE = shapes(8, 192), shapes(2, 32)


@pytest.fixture(autouse=True)
def _as_optax_promotes() -> Iterator[None]:
    with jax.numpy_dtype_promotion("standard"):
        yield


READOUTS: dict[str, tuple[Shapes, Any, float]] = {
    "mup": (WIDE, "mup", 1 / 4),
    "completep": (WIDE, CompleteP(2), 1 / 4),
    "spectral": (WIDE, "spectral", 1.0),
    "umup": (WIDE, "umup", 1 / 64),
    "folded": (fold_readout(WIDE), "mup", 1.0),
    "tied": (tied(64), "mup", 1 / 4),
    "as wide as the base": (BASE, "mup", 1.0),
    "no readout": (infer({"b": spec(8)}, {"b": spec(16)}), "mup", 1.0),
}


@pytest.mark.parametrize("name", READOUTS)
def test_logits_have_a_factor(name: str) -> None:
    known, kind, expected = READOUTS[name]
    assert forward(known, kind).readout == expected


def test_each_parameter_has_its_factor_by_path() -> None:
    unit = forward(WIDE, "umup")
    assert unit["blocks/up/kernel"] == 1 / 8
    assert unit["blocks/out"] == 1 / 8
    assert unit["head/kernel"] == 1 / 64
    assert unit["embed"] == 1
    assert forward(WIDE)["blocks/up/kernel"] == 1


# √k₀ / k, in place of 1/√k: as it was in the base, and 8 / k for heads of 64.
ATTENTION = [(64, 64, 1 / 8), (128, 64, 8 / 128), (16, 64, 8 / 16), (32, 16, 1 / 8)]


@pytest.mark.parametrize(("size", "base", "expected"), ATTENTION)
def test_attention_has_the_scale_of_the_base(size: int, base: int, expected: float) -> None:
    for kind in ("mup", "completep", "spectral"):
        assert forward(WIDE, kind).attention(size, base) == expected  # type: ignore[arg-type]


def test_unit_scaled_attention_needs_no_base() -> None:
    assert forward(WIDE, "umup").attention(32) == 1 / 32


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 1 / 4), (0.5, 1 / 2), (0.75, 4**-0.75)])
def test_branches_shrink_with_the_depth(alpha: float, expected: float) -> None:
    assert forward(WIDE, CompleteP(4, alpha)).residual() == (1.0, pytest.approx(expected))
    assert forward(WIDE).residual() == forward(WIDE, CompleteP()).residual(3) == (1.0, 1.0)


def written(r: float, rho: float, sublayers: int) -> list[float]:
    """The ratios of unit-scaling's rule, as its paper writes them in appendix G."""
    mlp = r * math.sqrt(2 / (1 + rho**2))
    found = []
    for at in range(sublayers):
        attentions, mlps = (at + 1) // 2, at // 2
        part = mlp if at % 2 else rho * mlp
        found.append(
            part / math.sqrt(sublayers / 2 + attentions * (rho * mlp) ** 2 + mlps * mlp**2)
        )
    return found


@pytest.mark.parametrize(("r", "rho"), [(1.0, 1.0), (0.5, 2.0), (3.0, 0.25)])
def test_unit_scaled_branches_keep_the_scale(r: float, rho: float) -> None:
    kind = UMuP(sublayers=6, branches=r, attention_ratio=rho)
    taus = written(r, rho, 6)
    for at, tau in enumerate(taus):
        skip, branch = forward(WIDE, kind).residual(at)
        assert skip**2 + branch**2 == pytest.approx(1)
        assert branch / skip == pytest.approx(tau)


def test_unit_scaled_branches_weigh_what_was_asked() -> None:
    """Of three branches of each type: r² times the embedding in the mean, attention ρ² as much."""
    kind = UMuP(sublayers=6, branches=0.5, attention_ratio=2.0)
    shares = [1.0]
    for at in range(6):
        skip, branch = kind.residual(at)
        shares = [share * skip**2 for share in shares] + [branch**2]
    embedding, attention, mlps = shares[0], sum(shares[1::2]), sum(shares[2::2])
    assert attention / mlps == pytest.approx(4)
    assert (attention + mlps) / 2 / embedding == pytest.approx(0.25)


def applied(params: Any, x: jax.Array, factor: float) -> jax.Array:
    for name in ("first", "middle", "last"):
        layer = params[name]
        product = x @ layer["kernel"]
        x = (product * factor if name == "last" else product) + layer["bias"][None]
        x = x if name == "last" else jax.nn.relu(x)
    return x


FOLDING: dict[str, Any] = {
    "adam": (mup.adam, {"eps": 1e-2}),
    "adamw": (mup.adamw, {"eps": 1e-2, "weight_decay": 0.1}),
    "sgd": (mup.sgd, {"momentum": 0.9}),
    "lion": (mup.lion, {"weight_decay": 0.1}),
    "completep": (mup.adamw, {"eps": 1e-2, "weight_decay": 0.1, "kind": CompleteP(2)}),
}


@pytest.mark.parametrize("name", FOLDING)
def test_a_folded_readout_is_trained_as_one_with_a_factor(name: str) -> None:
    make, options = FOLDING[name]
    plain = infer(mlp(8), mlp(32), layout="in_out")
    given = [(".*/kernel", "lecun_normal"), (".*", "zeros")]
    x, y = jax.random.normal(KEY, (16, 6)), jax.random.normal(KEY, (16, 4))
    losses = []
    for known in (plain, fold_readout(plain)):
        factor = forward(known).readout
        params = init_params(KEY, mlp(32), rules(given, known))
        tx = make(0.02, known, **options)

        @jax.jit
        def step(params: Any, state: Any, factor: float = factor, tx: Any = tx) -> Any:
            loss = lambda params: jnp.mean((applied(params, x, factor) - y) ** 2)  # noqa: E731
            value, gradients = jax.value_and_grad(loss)(params)
            updates, state = tx.update(gradients, state, params)
            return optax.apply_updates(params, updates), state, value

        state, found = tx.init(params), []
        for _ in range(8):
            params, state, value = step(params, state)
            found.append(float(value))
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][-1] < 0.98 * losses[0][0]


def test_folding_changes_the_readout_alone() -> None:
    folded = fold_readout(WIDE)
    changed = [leaf.path for leaf in folded if leaf != WIDE[leaf.path]]
    assert changed == ["head/kernel"]
    assert fold_readout(folded) == folded


TWO = infer(
    {"a": spec(8, 2), "b": spec(8, 2)}, {"a": spec(16, 2), "b": spec(32, 2)}, layout="in_out"
)


def test_what_has_no_factor_in_the_code_is_folded_alone() -> None:
    assert forward(fold_readout(TWO, "a")).readout == 1 / 4
    assert forward(fold_readout(TWO, "b")).readout == 1 / 2
    assert forward(fold_readout(TWO)).readout == 1


REFUSED = [
    Refused(
        "a tied readout",
        lambda: fold_readout(tied(64)),
        ValueError,
        r"^mup\.fold_readout: 'embed' is a readout and an embedding: .* Multiply the logits by ",
    ),
    Refused(
        "no readout",
        lambda: fold_readout(BASE),
        ValueError,
        r"^mup\.fold_readout: no parameter that '\.\*' matches is a readout, .* delta of mup",
    ),
    Refused(
        "a readout that is none",
        lambda: fold_readout(WIDE, "embed"),
        ValueError,
        r"^mup\.fold_readout: no parameter that 'embed' matches is a readout",
    ),
    Refused(
        "a pattern that matches nothing",
        lambda: fold_readout(WIDE, "readout"),
        ValueError,
        r"^mup\.fold_readout: readouts names 'readout', which matches no parameter",
    ),
    Refused(
        "two readouts",
        lambda: forward(TWO).readout,
        ValueError,
        r"^mup\.forward: 2 parameters lead from the width to what does not grow, .*:\n"
        r"  forward\['a'\] is 0\.5\n  forward\['b'\] is 0\.25\nMultiply each by its own; or fold",
    ),
    Refused(
        "a path",
        lambda: forward(WIDE)["head"],
        KeyError,
        r"^Shapes: there is no parameter 'head'",
    ),
    Refused(
        "an unknown kind",
        lambda: forward(WIDE, "none"),  # type: ignore[arg-type]
        ValueError,
        r"^mup\.forward: kind must be one of",
    ),
    Refused(
        "a kind without a rule",
        lambda: forward(tied(64), "spectral"),
        ValueError,
        r"^mup: 'embed' is tied, and kind 'spectral'",
    ),
    Refused(
        "attention without a base",
        lambda: forward(WIDE).attention(64),
        TypeError,
        r"^mup\.forward: attention of kind 'mup' is relative to the head size of the base",
    ),
    Refused(
        "a head of no size",
        lambda: forward(WIDE).attention(0, 64),
        ValueError,
        r"^mup\.forward: head_size must be at least 1; got 0$",
    ),
    Refused(
        "a head of half a size",
        lambda: forward(WIDE).attention(64, 0.5),  # type: ignore[arg-type]
        TypeError,
        r"^mup\.forward: base_head_size must be an integer; got 0\.5$",
    ),
    Refused(
        "no sublayers",
        lambda: UMuP().residual(0),
        ValueError,
        r"^UMuP: residual needs sublayers, how many residual branches there are$",
    ),
    Refused(
        "which sublayer",
        lambda: UMuP(4).residual(),
        TypeError,
        r"^UMuP: residual needs sublayer, which branch it is: residual\(0\)$",
    ),
    Refused(
        "a sublayer too many",
        lambda: UMuP(4).residual(4),
        ValueError,
        r"^UMuP: sublayer must be less than sublayers, .*; got 4 of 4$",
    ),
]


@each(REFUSED)
def test_what_cannot_be_told_is_refused(refused: Refused) -> None:
    refused.check()


def test_numbers_are_those_of_python() -> None:
    assert isinstance(forward(WIDE).readout, float)
    assert isinstance(forward(WIDE).attention(8, 8), float)
    assert np.float32(forward(WIDE).readout) == 0.25
