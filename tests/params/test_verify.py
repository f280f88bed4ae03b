"""Verification passes what a plan makes, and finds whatever else there is."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console

from cthulhu.params import Keep, init_params, plan, verify
from cthulhu.params import _making as making
from cthulhu.params._verify import LARGEST_BLOCK
from tests.cases import KEY

Spec = jax.ShapeDtypeStruct


def custom(key, shape, dtype):
    return jax.random.uniform(key, shape, dtype)


TREE = {
    "bias": Spec((8,), np.float32),
    "custom": Spec((8, 8), np.float32),
    "empty": Spec((0, 8), np.float32),
    "half": Spec((48, 16), jnp.bfloat16),
    "kept": np.ones((8, 8), np.float32),
    "kernel": Spec((200, 16), np.float32),
    "layers": Spec((3, 16, 24), np.float32),
    "matrix": Spec((16, 8), np.float32),
    "middle": Spec((16, 4, 8), np.float32),
    "scalar": Spec((), np.float32),
    "scalars": Spec((8,), np.float32),
    "vector": Spec((400,), np.float32),
}
RULES = [
    ("bias", "ones"),
    ("custom", custom),
    ("kept", Keep()),
    ("matrix", "orthogonal"),
    ("scalars?|vector|empty", "random_normal"),
    (".*", "he_normal"),
]
STACKED = {"layers|scalars": 0, "middle": 1}
# None of the values is fixed by a rule of its own.
DRAWN = [name for name in TREE if name not in ("kept", "empty")]


@functools.cache
def planned():
    return plan(TREE, RULES, stacked=STACKED)


@functools.cache
def host_params():
    return jax.tree.map(np.asarray, planned().run(KEY))


def params():
    return jax.tree.map(np.copy, host_params())


@pytest.mark.parametrize("sample", [0, 1, 64, 10**9])
@pytest.mark.parametrize("kind", ["jax", "numpy", "rules"])
def test_what_a_plan_makes_is_right(kind, sample):
    if kind == "rules":
        report = verify(params(), KEY, RULES, sample=sample, stacked=STACKED)
    elif kind == "numpy":
        report = verify(params(), KEY, planned(), sample=sample)
    else:
        report = verify(jax.tree.map(jnp.asarray, params()), KEY, planned(), sample=sample)
    assert report
    assert report.mismatches == ()
    report.raise_if_wrong()
    assert report.checked == len(TREE)
    total = sum(host_params()[name].size for name in DRAWN)
    assert report.elements == total if sample in (0, 10**9) else report.elements < total


@pytest.mark.parametrize("name", DRAWN)
def test_a_single_changed_bit_is_found(name):
    wrong = params()
    array = wrong[name]
    place = tuple(size * 2 // 3 for size in array.shape)
    raw = array.reshape(*array.shape, 1).view(np.uint8)
    raw[(*place, 0)] ^= 1
    report = verify(wrong, KEY, planned(), sample=0)
    assert not report
    (mismatch,) = report.mismatches
    assert (mismatch.path, mismatch.index) == (name, place)
    assert mismatch.found != mismatch.expected
    assert mismatch.expected == pytest.approx(float(host_params()[name][place])) or isinstance(
        mismatch.expected, str
    )
    with pytest.raises(ValueError, match=f"1 of {len(TREE)} parameters are not .*\n  {name}: "):
        report.raise_if_wrong()


@pytest.mark.parametrize("sample", [0, 1])
def test_a_wrong_key_is_found_everywhere(sample):
    report = verify(params(), jax.random.key(0), planned(), sample=sample)
    assert [wrong.path for wrong in report.mismatches] == [n for n in DRAWN if n != "bias"]


def test_a_wrong_rule_is_found():
    rules = [("kernel", "lecun_normal"), *RULES]
    report = verify(params(), KEY, rules, stacked=STACKED)
    assert [wrong.path for wrong in report.mismatches] == ["kernel"]
    assert "of the elements looked at differ, the first at (0, 0)" in report.mismatches[0].reason


def test_a_negative_zero_differs():
    tree = {"a": np.zeros(4, np.float32)}
    assert verify(tree, 0, [("a", "zeros")])
    tree["a"][2] = -0.0
    assert verify(tree, 0, [("a", "zeros")]).mismatches[0].index == (2,)


MISFITS = {
    "missing": ({"kernel": None}, "kernel", "is missing"),
    "extra": ({"kernel": np.ones(3), "new": np.ones(3)}, "new", "is not in the plan"),
    "shape": ({"kernel": np.ones((16, 200), np.float32)}, "kernel", r"has shape \(16, 200\), not"),
    "dtype": (
        {"kernel": np.ones((200, 16), np.float16)},
        "kernel",
        "has dtype float16, not float32",
    ),
    "no array": ({"kernel": "lost"}, "kernel", "is no array, but of type str"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits(name):
    changes, path, reason = MISFITS[name]
    report = verify({**params(), **changes}, KEY, planned())
    assert path in {wrong.path for wrong in report.mismatches}
    with pytest.raises(ValueError, match=f"{path}: {reason}"):
        report.raise_if_wrong()


LAYOUTS = [
    ("kernel", P("x")),
    ("kernel", P("y", "x")),
    ("kernel", P(("x", "y"))),
    ("kernel", P()),
    ("layers", P(None, "x", "y")),
    ("middle", P("y", "x")),
    ("matrix", P("x", "y")),
    ("vector", P(("x", "y"))),
    ("scalars", P(("y", "x"))),
]


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize(("name", "spec"), LAYOUTS)
def test_sharded_parameters(name, spec, kind):
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2)
    rules = [(".*", dict(RULES).get(name, "random_normal" if name[0] in "sv" else "he_normal"))]
    stacked = {"layers": 0, "scalars": 0, "middle": 1}
    stacked = {name: stacked[name]} if name in stacked else None
    value = host_params()[name].copy()
    sharding = NamedSharding(mesh, spec)
    right = {name: jax.device_put(value, sharding)}
    for sample in (0, 8):
        assert verify(right, KEY, rules, sample=sample, stacked=stacked)
    place = tuple(size - 1 for size in value.shape)
    value[place] += 1
    wrong = {name: jax.device_put(value, sharding)}
    (mismatch,) = verify(wrong, KEY, rules, sample=0, stacked=stacked).mismatches
    assert mismatch.index == place


def test_large_parameters_are_recomputed_in_blocks():
    rows = LARGEST_BLOCK // 1024 + 3
    tree = init_params(KEY, {"w": Spec((rows, 1024), np.float32)}, [("w", "uniform")])
    report = verify(tree, KEY, [("w", "uniform")], sample=0)
    assert report
    assert report.elements == rows * 1024
    last = tree["w"].at[rows - 1, 5].add(1)
    assert verify({"w": last}, KEY, [("w", "uniform")], sample=0).mismatches[0].index == (
        rows - 1,
        5,
    )


def test_a_sample_is_spread_over_the_parameter():
    tree = {
        "w": np.asarray(
            init_params(KEY, {"w": Spec((1000, 4), np.float32)}, [("w", "normal")])["w"]
        )
    }
    for row in (0, 999):
        wrong = {"w": tree["w"].copy()}
        wrong["w"][row] += 1
        assert not verify(wrong, KEY, [("w", "normal")], sample=1)
    assert verify(tree, KEY, [("w", "normal")], sample=100).elements >= 100


def test_the_report_as_a_table():
    console = Console(width=200)
    with console.capture() as captured:
        console.print(verify(params(), 0, planned()))
    assert f"{len(TREE)} parameters" in captured.get()
    assert "kernel" in captured.get()
    with console.capture() as captured:
        console.print(verify(params(), KEY, planned()))
    assert "all as planned" in " ".join(captured.get().split())


@pytest.mark.parametrize("sample", [-1, 0.5, True, None])
def test_samples_that_are_refused(sample):
    with pytest.raises(ValueError, match="sample must be an integer of at least 0"):
        verify(params(), KEY, planned(), sample=sample)


def test_the_plan_of_an_init_function_is_verified() -> None:
    model = nn.Sequential([nn.Dense(33), nn.Dense(17)])
    key, inputs = jax.random.key(3), np.ones((1, 65), np.float32)
    planned = plan(model.init, key, inputs)
    params = planned.run(key)
    report = verify(params, key, planned)
    assert report
    assert (report.checked, report.elements) == (4, 33 * 66 + 17 * 34)
    assert verify(params, 3, planned)
    wrong = verify(params, jax.random.key(4), planned)
    assert [m.path for m in wrong.mismatches] == [
        "params/layers_0/kernel",
        "params/layers_1/kernel",
    ]
    params["params"]["more"] = np.zeros(2, np.float32)
    del params["params"]["layers_0"]["bias"]
    reasons = {m.path: m.reason for m in verify(params, key, planned).mismatches}
    assert reasons == {
        "params/layers_0/bias": "is missing",
        "params/more": "is not in the plan",
    }


def test_small_parameters_are_recomputed_in_batches(monkeypatch):
    """Each by itself would cost a dispatch, and more of handing over than of drawing."""
    tree = {f"layer_{at}": jax.ShapeDtypeStruct((8, 8), np.float32) for at in range(1100)}
    params = init_params(0, tree, "he_normal")
    params["layer_700"] = params["layer_700"].at[3, 5].add(1.0)
    calls = []

    def counted(leaves, words):
        calls.append(len(leaves))
        return making.on_host(leaves, words)

    monkeypatch.setattr("cthulhu.params._verify.on_host", counted)
    report = verify(params, 0, "he_normal")
    assert [(m.path, m.index) for m in report.mismatches] == [("layer_700", (3, 5))]
    assert report.elements == 1100 * 64
    assert calls == [512, 512, 76]
