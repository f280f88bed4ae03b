"""What a coordinate check measures is what it says, and what is not flat is found."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cthulhu.mup._coord_check import coord_check
from cthulhu.mup._coordinates import CoordCheck
from cthulhu.mup._measured import spectral
from cthulhu.mup._slopes import Coordinate, LeafNorm, Watched, slope

WIDTHS = (4, 8, 16)
BATCH = jax.random.normal(jax.random.key(1), (6, 3)), jax.random.normal(jax.random.key(2), (6, 2))


def init(width, std=0.5):
    def made(key):
        first, second, third = jax.random.split(key, 3)
        return {
            "in": {"kernel": std * jax.random.normal(first, (3, width)), "bias": jnp.ones(width)},
            "mid": std * jax.random.normal(second, (width, width)),
            "out": std * jax.random.normal(third, (width, 2)),
        }

    return made


def layers(params, x):
    first = x @ params["in"]["kernel"] + params["in"]["bias"][None]
    second = jnp.tanh(first) @ params["mid"]
    return first, second, jnp.tanh(second) @ params["out"] / 2


def loss(params, batch):
    x, y = batch
    return jnp.mean(jnp.square(layers(params, x)[-1] - y))


def make(width):
    return init(width), loss, optax.sgd(0.1)


@pytest.fixture(scope="module")
def check():
    return coord_check(make, WIDTHS, BATCH, steps=3, seeds=2)


def by_hand(width, seed):
    """The same in a few lines: for each step, the activations before it."""

    @jax.jit
    def step(params):
        gradients = jax.grad(loss)(params, BATCH)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients), layers(params, BATCH[0])

    params = jax.jit(init(width))(jax.random.key(seed))
    for _ in range(3):
        after, activations = step(params)
        yield params, activations
        params = after


def test_the_data_are_those_of_a_training_by_hand(check):
    names = ["in/kernel", "mid", "out"]
    assert [one.name for one in check.activations] == names
    for width in WIDTHS:
        runs = [list(by_hand(width, seed)) for seed in (0, 1)]
        for step in range(3):
            for at, name in enumerate(names):
                values = [np.asarray(run[step][1][at]) for run in runs]
                first = [np.asarray(run[0][1][at]) for run in runs]
                expected = [
                    (
                        np.abs(now).mean(),
                        np.sqrt((now**2).mean()),
                        now.mean(),
                        now.std(),
                        np.sqrt(((now - before) ** 2).mean()),
                    )
                    for now, before in zip(values, first, strict=True)
                ]
                (row,) = (
                    row
                    for row in check.coordinates
                    if (row.name, row.step, row.width) == (name, step + 1, width)
                )
                np.testing.assert_allclose(row[3:], np.mean(expected, axis=0), rtol=1e-4, atol=1e-6)


def test_the_norms_are_those_of_the_first_seed(check):
    for width in WIDTHS:
        (first, _), *_, (params, _) = by_hand(width, 0)
        rows = {row.path: row for row in check.leaves if (row.step, row.width) == (3, width)}
        norms = {
            path: np.linalg.norm(kernel, 2) * math.sqrt(kernel.shape[0] / kernel.shape[1])
            for path, kernel in (("mid", params["mid"]), ("out", params["out"]))
        }
        change = np.linalg.norm(params["mid"] - first["mid"], 2)
        assert rows["mid"].norm == pytest.approx(norms["mid"], rel=0.05)
        assert rows["out"].norm == pytest.approx(norms["out"], rel=0.01)
        assert rows["mid"].change == pytest.approx(change, rel=0.01)
        assert (rows["in/bias"].norm, rows["in/bias"].change) == (None, None)


@pytest.mark.parametrize("statistic", ["l1", "l2", "std", "change"])
def test_slopes_are_those_of_numpy(check, statistic):
    for name, found in check.slopes(statistic).items():
        for step, one in enumerate(found, 1):
            values = [
                getattr(row, statistic)
                for row in check.coordinates
                if (row.name, row.step) == (name, step)
            ]
            if statistic == "change" and step == 1:
                assert math.isnan(one)
                continue
            expected = np.polyfit(np.log(WIDTHS), np.log(values), 1)[0]
            assert one == pytest.approx(expected, abs=1e-9)


def test_slopes_of_parameters(check):
    assert set(check.leaf_slopes()) == {"in/kernel", "mid", "out"}
    assert set(check.leaf_slopes("decay")) == {"in/kernel", "in/bias", "mid", "out"}
    values = [row.norm for row in check.leaves if (row.path, row.step) == ("mid", 2)]
    expected = np.polyfit(np.log(WIDTHS), np.log(values), 1)[0]
    assert check.leaf_slopes("norm")["mid"][1] == pytest.approx(expected, abs=1e-9)


def test_there_is_no_slope_of_what_has_no_logarithm():
    assert slope((4, 16), np.array([2.0, 8.0])) == pytest.approx(1)
    assert math.isnan(slope((4, 16), np.array([0.0, 8.0])))


NORMS = {
    # The shape, stacks, inputs and outputs, and the matrices they make of it.
    "kernel": ((6, 4), (), (0,), (1,), lambda w: [w]),
    "the other way": ((6, 4), (), (1,), (0,), lambda w: [w.T]),
    "heads": ((6, 2, 3), (), (0,), (1, 2), lambda w: [w.reshape(6, 6)]),
    "stacked": ((2, 6, 4), (0,), (1,), (2,), list),
    "convolution": ((3, 6, 4), (), (1, 0), (2,), lambda w: [w.reshape(18, 4)]),
}


@pytest.mark.parametrize("case", NORMS)
def test_spectral_norms(case):
    shape, stacks, inputs, outputs, matrices = NORMS[case]
    kernel = np.asarray(jax.random.normal(jax.random.key(3), shape))
    found = spectral(kernel, stacks, inputs, outputs)
    expected = np.mean(
        [
            np.linalg.norm(one, 2) * math.sqrt(one.shape[0] / one.shape[1])
            for one in matrices(kernel)
        ]
    )
    assert found == pytest.approx(expected, rel=0.05)
    assert spectral(np.zeros(shape, np.float32), stacks, inputs, outputs) == 0


def attention(width):
    def made(key):
        shapes = {"q": (width, width), "t": (5, width), "unused": (width,)}
        return {name: jax.random.normal(key, shape) for name, shape in shapes.items()}

    def loss(params, ids):
        x = jnp.tanh(params["t"][ids] @ params["q"])
        with jax.named_scope("attention"):
            logits = x @ x.T / width
        return jnp.mean(jax.nn.softmax(logits) @ x @ params["t"].T)

    return made, loss, optax.sgd(0.1)


def test_activations_have_names_and_kinds():
    found = coord_check(attention, [4, 8], jnp.array([0, 3, 1]), steps=1, seeds=1)
    assert found.activations == (
        ("t", "layer"),
        ("q", "layer"),
        ("attention", "contraction"),
        ("dot_general", "contraction"),
        ("t#2", "readout"),
    )


def test_a_branch_that_is_never_taken_has_no_activations():
    def branched(params, batch):
        extra = jax.lax.cond(
            batch[0][0, 0] > 99,
            lambda x: jnp.sum(x @ params["mid"]),
            jnp.sum,
            jnp.full((6, params["mid"].shape[0]), batch[0][0, 0]),
        )
        return loss(params, batch) + extra

    found = coord_check(
        lambda width: (init(width), branched, optax.sgd(0.1)), [4, 8], BATCH, steps=1
    )
    assert [one.name for one in found.activations] == ["in/kernel", "mid#2", "out"]


def synthetic(kind, *slopes, decay=0.0):
    """A check whose activation has these slopes, one a step."""
    rows = tuple(
        Coordinate("x", step, width, width**one, 1, 0, 1, 0)
        for step, one in enumerate(slopes, 1)
        for width in (16, 64)
    )
    leaves = tuple(
        LeafNorm("w", step, width, None, None, 0.1 * width**decay)
        for step in range(1, len(slopes) + 1)
        for width in (16, 64)
    )
    return CoordCheck((16, 64), len(slopes), 1, (Watched("x", kind),), rows, leaves)


FLAT = {
    "flat": (("layer", 0.0, 0.09, -0.09), {}, ""),
    "grows": (("layer", 0.0, 0.11), {}, "x before step 2: slope +0.11"),
    "shrinks": (("layer", 0.0, -0.11), {}, "x before step 2: slope -0.11"),
    "wrong from the start": (("layer", 0.5), {}, "x before step 1: slope +0.50"),
    "a layer does not fall": (("layer", -0.5), {}, "x before step 1: slope -0.50"),
    "a readout falls at first": (("readout", -0.5), {}, ""),
    "a contraction falls at first": (("contraction", -0.55), {}, ""),
    "falls too far": (("readout", -0.65), {}, "slope -0.65, not in .-0.6, +0.1"),
    "a readout does not grow": (("readout", 0.15), {}, "slope +0.15"),
    "a readout falls at first alone": (("readout", -0.5, -0.5), {}, "x before step 2"),
    "tolerance": (("layer", 0.4), {"tolerance": 0.5}, ""),
    "decay": (("layer", 0.0, 0.0), {"made": -1.0}, "the decay of w: slope -1.00"),
    "decay left out": (("layer", 0.0, 0.0), {"made": -1.0, "decay": False}, ""),
}


@pytest.mark.parametrize("case", FLAT)
def test_what_is_flat(case):
    (kind, *slopes), options, message = FLAT[case]
    options = dict(options)
    found = synthetic(kind, *slopes, decay=options.pop("made", 0.0))
    if not message:
        found.assert_flat(**options)
        assert found.failures(**options) == ()
        return
    with pytest.raises(
        AssertionError, match=r"(?s)^coord_check: .*16, 64:.*" + message.replace("+", "[+]")
    ):
        found.assert_flat(**options)


def test_zero_is_flat_at_all_widths_only():
    rows = tuple(Coordinate("x", 1, width, 0, 0, 0, 0, 0) for width in (16, 64))
    found = CoordCheck((16, 64), 1, 1, (Watched("x", "layer"),), rows, ())
    found.assert_flat()
    assert "x" in str(found)
    partly = CoordCheck((16, 64), 1, 1, found.activations, (rows[0]._replace(l1=1.0), rows[1]), ())
    with pytest.raises(AssertionError, match="zero at some widths, and not at others"):
        partly.assert_flat()


# Where the decay is put in, and whether that is right.
DECAYS = {
    "after the multiplier": (lambda m: (optax.scale(1 / m), optax.add_decayed_weights(0.3)), True),
    "before the multiplier": (
        lambda m: (optax.add_decayed_weights(0.3), optax.scale(1 / m)),
        False,
    ),
    "none": (lambda m: (optax.scale(1 / m),), True),
}


@pytest.mark.parametrize("case", DECAYS)
def test_decay_that_depends_on_the_width_is_found(case):
    parts, right = DECAYS[case]

    def decaying(width):
        optimizer = optax.chain(optax.scale_by_adam(), *parts(width / 4), optax.scale(-0.01))
        return init(width), loss, optimizer

    with jax.numpy_dtype_promotion("standard"):  # Optax's Adam needs it.
        found = coord_check(decaying, [4, 16], BATCH, steps=1, seeds=1)
    wrong = {one.name for one in found.failures() if not one.step}
    assert wrong == (set() if right else {"in/kernel", "in/bias", "mid", "out"})
    assert found.leaves[0].decay == pytest.approx(0 if case == "none" else 0.003)


def parametrized(width, readout):
    """An MLP for Adam, in muP, with zeros in the readout; `readout` multiplies that."""
    m = width / 32

    def made(key):
        first, second = jax.random.split(key)
        return {
            "in": jax.random.normal(first, (3, width)),
            "mid": jax.random.normal(second, (width, width)) * width**-0.5,
            "out": jnp.zeros((width, 2)),
        }

    def loss(params, batch):
        hidden = jax.nn.relu(jax.nn.relu(batch[0] @ params["in"]) @ params["mid"])
        return jnp.mean(jnp.square(hidden @ params["out"] * readout(m) - batch[1]))

    labels = {"in": "vector", "mid": "matrix", "out": "vector"}
    rates = {"vector": optax.adam(0.01), "matrix": optax.adam(0.01 / m)}
    return made, loss, optax.partition(rates, labels)


@pytest.mark.parametrize(("readout", "right"), [(lambda m: 1 / m, True), (lambda m: 1.0, False)])
def test_a_readout_without_its_factor_is_found(readout, right):
    with jax.numpy_dtype_promotion("standard"):
        found = coord_check(
            lambda width: parametrized(width, readout), [32, 256], BATCH, steps=3, seeds=3
        )
    assert bool({one.name for one in found.failures()}) is not right
    if not right:
        assert found.slopes()["out"][1] > 0.4
        with pytest.raises(AssertionError, match="out before step 2"):
            found.assert_flat()


def test_json_holds_all_of_it(check):
    again = CoordCheck.from_json(check.to_json())
    assert again == check
    assert json.loads(check.to_json())["widths"] == [4, 8, 16]
    with pytest.raises(ValueError, match=r"^CoordCheck.from_json: text must be what"):
        CoordCheck.from_json('{"widths": []}')


def test_the_table_has_a_row_for_each_activation(check):
    lines = str(check).splitlines()
    assert "Slopes of log mean |x| over log width, of the widths 4, 8, 16" in lines[0]
    row = next(line for line in lines if "in/kernel" in line)
    assert f"{check.slopes()['in/kernel'][0]:+.2f}" in row
    assert len(check.table("l2").rows) == 3
    grown = str(synthetic("readout", 0.5, 0.0, 0.3, decay=-1.0))
    assert "not flat: t = 1, 3" in grown
    assert "decay" in grown
    assert repr(check).startswith("<CoordCheck: 3 activations, 3 steps, widths 4 to 16, ")


def test_the_picture_has_a_panel_for_each_activation(check, tmp_path):
    figure = check.plot(columns=2)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == ["in/kernel", "mid", "out"]
    assert len(figure.axes) == 4
    curves = [line for line in shown[0].lines if len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in curves] == [[4, 8, 16]] * 3
    rows = [row.l1 for row in check.coordinates if (row.name, row.step) == ("in/kernel", 2)]
    np.testing.assert_allclose(curves[1].get_ydata(), rows)
    assert len({tuple(line.get_color()) for line in curves}) == 3
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def captured(width):
    params = init(width)(jax.random.key(0))
    return init(width), lambda _, batch: loss(params, batch), optax.sgd(0.1)


def uneven(width):
    made = init(width)
    more = (lambda key: {**made(key), "more": jnp.ones(width)}) if width == 8 else made
    return more, loss, optax.sgd(0.1)


def deeper(width):
    def again(params, batch):
        return loss(params, batch) + (
            jnp.sum(layers(params, batch[0])[1] @ params["mid"]) if width == 8 else 0
        )

    return init(width), again, optax.sgd(0.1)


BAD = {
    "one width": (make, [8], {}, ValueError, "widths must be at least two different ones"),
    "one width twice": (make, [8, 8], {}, ValueError, "widths must be at least two different ones"),
    "no list": (make, 8, {}, ValueError, "widths must be at least two different ones"),
    "no integers": (make, [8, 16.0], {}, TypeError, "widths must be an integer; got 16.0"),
    "no steps": (make, [8, 16], {"steps": 0}, ValueError, "steps must be at least 1; got 0"),
    "no seeds": (make, [8, 16], {"seeds": 0}, ValueError, "seeds must be at least 1; got 0"),
    "no tuple": (lambda width: loss, [4, 8], {}, TypeError, "make must return a tuple"),
    "no optimizer": (
        lambda width: (init(width), loss, 0.1),
        [4, 8],
        {},
        TypeError,
        "an optax.GradientTransformation; for the width 4",
    ),
    "no scalar": (
        lambda width: (init(width), lambda p, b: layers(p, b[0])[-1], optax.sgd(0.1)),
        [4, 8],
        {},
        TypeError,
        "loss must return one scalar; of the width 4",
    ),
    "captured": (captured, [4, 8], {}, ValueError, "uses none of the parameters"),
    "biases alone": (
        lambda width: (
            lambda key: jnp.ones(width),
            lambda p, b: jnp.mean(p + b[0][0, 0]),
            optax.sgd(0.1),
        ),
        [4, 8],
        {},
        ValueError,
        "the loss of the width 4 uses no parameter as a kernel or a table",
    ),
    "no wider": (lambda width: make(4), [4, 8], {}, ValueError, "a wider model of a larger width"),
    "other parameters": (
        uneven,
        [4, 8],
        {},
        ValueError,
        "the same parameters; .* 4 and 8 .*'more'",
    ),
    "other activations": (deeper, [4, 8], {}, ValueError, "the same activations; .*'mid#2'"),
    "not finite": (
        lambda width: (init(width), loss, optax.sgd(1e30)),
        [4, 8],
        {},
        FloatingPointError,
        r"of the width 4 before step \d is (nan|inf); is the learning rate too large",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_checked_is_refused(case):
    made, widths, options, error, message = BAD[case]
    with pytest.raises(error, match=rf"^coord_check: .*{message}"):
        coord_check(made, widths, BATCH, **options)


def test_a_statistic_that_is_not_known_is_refused(check):
    for name in ("slopes", "leaf_slopes", "plot", "table"):
        with pytest.raises(ValueError, match=r"statistic must be one of .*(l1|norm)"):
            getattr(check, name)("L1")
