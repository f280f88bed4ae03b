"""`check`: what should pass passes, and each planted fault is found and named."""

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import audit as audit_package
from cthulhu import functional, initializers, recipes
from cthulhu.audit import Audit, Flag, check
from cthulhu.audit._check import holm
from cthulhu.audit._faults import layers_of
from cthulhu.initializers import ByDepth, RandomNormal, TruncatedNormal, VarianceScaling
from cthulhu.params import FromSiblings, Keep, Tied, init_params, plan
from tests.cases import ALL, KEY, Case, by_id

# The recipe, and laws that GPT-2 has not: those that count fans, that are orthogonal, that are cut.
RULES = recipes.rules("gpt2").extend(
    [
        (r"layers/\d+/mlp/in/kernel", "lecun_normal"),
        ("layers/0/attention/query/kernel", "orthogonal"),
        (r"layers/\d+/attention/key/kernel", TruncatedNormal(stddev=0.02, corrected=True)),
    ],
    before=True,
)


@pytest.fixture(scope="module")
def gpt2() -> Any:
    """GPT-2 of 124 million parameters, as arrays of NumPy."""
    params = init_params(0, recipes.shapes("gpt2"), RULES)
    return jax.tree.map(np.asarray, params)


def normal(shape: tuple[int, ...], stddev: float = 0.02, dtype: Any = np.float32) -> Any:
    return np.asarray(functional.random_normal(KEY, shape, dtype, stddev=stddev), np.float32)


def one_nan(values: Any) -> Any:
    values = values.copy()
    values[1234 % len(values), 5] = np.nan
    return values


# The path of a parameter, what it is replaced by, and what must be said of it.
FAULTS: dict[str, tuple[str, Any, str, str]] = {
    "another fan": (
        "layers/1/mlp/in/kernel",
        lambda x: VarianceScaling(1.0, "fan_out")(KEY, x.shape),
        "wrong fan",
        "that of fan_out = 3072, where fan_in = 768 counts",
    ),
    "no scale by depth": (
        "layers/7/mlp/out/kernel",
        lambda x: normal(x.shape),
        "depth",
        "the scale by depth is missing",
    ),
    "another scale by depth": (
        "layers/7/mlp/out/kernel",
        lambda x: normal(x.shape, 0.02 / math.sqrt(2 * 8)),
        "depth",
        "1/sqrt(2 * (l + 1)), in layer 7 of 12",
    ),
    "zeroed": ("layers/2/attention/value/kernel", np.zeros_like, "zeroed", "is 0 everywhere"),
    "dead": (
        "layers/2/attention/value/kernel",
        lambda x: np.full_like(x, 0.01),
        "dead",
        "is 0.01 everywhere",
    ),
    "orthogonal of another shape": (
        "layers/0/attention/query/kernel",
        lambda x: np.asarray(functional.orthogonal(KEY, (1536, 384))).reshape(x.shape),
        "structure",
        "does not keep the norms",
    ),
    "one NaN": ("embedding/table", one_nan, "non-finite", "1 of 38597376 values"),
    "bfloat16 draws": (
        "layers/0/attention/value/kernel",
        lambda x: normal(x.shape, dtype=jnp.bfloat16),
        "narrow",
        "was drawn in bfloat16",
    ),
    "float16 draws": (
        "layers/0/mlp/in/kernel",
        lambda x: x.astype(np.float16).astype(np.float32),
        "narrow",
        "was drawn in float16",
    ),
    "a cut that is not corrected": (
        "layers/0/attention/key/kernel",
        lambda x: np.asarray(functional.truncated_normal(KEY, x.shape, stddev=0.02)),
        "truncated",
        "that of a cut at 2 which is not corrected",
    ),
    "cut": (
        "layers/0/attention/value/kernel",
        lambda x: TruncatedNormal(stddev=0.02, corrected=True)(KEY, x.shape),
        "truncated",
        "a normal law cut at 2, where a normal law is expected",
    ),
    "not cut": (
        "layers/0/attention/key/kernel",
        lambda x: normal(x.shape),
        "not truncated",
        "a normal law, where a normal law cut at 2 is expected",
    ),
    "uniform": (
        "layers/0/attention/value/kernel",
        lambda x: functional.random_uniform(
            KEY, x.shape, minval=-0.02 * math.sqrt(3), maxval=0.02 * math.sqrt(3)
        ),
        "distribution",
        "a uniform law, where a normal law is expected",
    ),
    "uniform, where it should be cut": (
        "layers/0/attention/key/kernel",
        lambda x: functional.random_uniform(
            KEY, x.shape, minval=-0.02 * math.sqrt(3), maxval=0.02 * math.sqrt(3)
        ),
        "distribution",
        "a uniform law, where a normal law cut at 2 is expected",
    ),
    "3 % wider": ("position/table", lambda x: x * np.float32(1.03), "scale", "(1.03 times)"),
    "a mean": ("position/table", lambda x: x + np.float32(1e-3), "mean", "has mean 0.00"),
    "a scale of 0": ("layers/3/norm/scale", np.zeros_like, "zeroed", "is 0, where 1 is expected"),
    "a bias": (
        "layers/3/norm/bias",
        lambda x: x + np.float32(1e-3),
        "not zeroed",
        "is 0.001, where 0 is expected",
    ),
    "a shape": ("layers/3/norm/bias", lambda x: x[:-1], "shape", "has shape (767,)"),
    "no values": (
        "layers/3/norm/bias",
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype),
        "missing",
        "has no values: it is a ShapeDtypeStruct",
    ),
}


def replaced(tree: Any, path: str, change: Any) -> Any:
    """A tree of dicts with another leaf."""
    first, _, rest = path.partition("/")
    own = change(tree[first]) if not rest else replaced(tree[first], rest, change)
    return {**tree, first: own}


def flags(audit: Audit) -> dict[str, dict[str, str]]:
    return {leaf.path: dict(leaf.flags) for leaf in audit.failures}


def test_a_healthy_model_passes(gpt2: Any) -> None:
    audit = check(gpt2, RULES)
    assert audit.failures == ()
    assert audit
    assert audit.tests > 300
    audit.assert_ok()


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_alone(name: str, gpt2: Any) -> None:
    path, change, kind, detail = FAULTS[name]
    planned = plan(recipes.shapes("gpt2"), RULES, stacked={})
    found = flags(check(replaced(gpt2, path, change), planned))
    assert list(found) == [path]
    assert detail in found[path][kind]


COPIES = {
    "a copy": (1.0, "is a copy of 'layers/1/attention/value/kernel'"),
    "a scaled copy": (-0.5, "is a copy of 'layers/1/attention/value/kernel', times -0.5"),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found(name: str, gpt2: Any) -> None:
    factor, detail = COPIES[name]
    original = gpt2["layers"]["1"]["attention"]["value"]["kernel"]
    path = "layers/3/attention/value/kernel"
    found = flags(check(replaced(gpt2, path, lambda _: original * np.float32(factor)), RULES))
    assert list(found) == [path]
    assert found[path]["duplicate"] == detail


def test_the_sibling_recipe_differs_where_it_should(gpt2: Any) -> None:
    own = init_params(1, recipes.shapes("gpt2"), recipes.rules("gpt2:openai"))
    audit = check(own, "gpt2")
    differing = {one.role for one in recipes.compare("gpt2", "gpt2:openai").differences}
    assert {leaf.role for leaf in audit.failures} == differing
    assert len(audit.failures) == 25


SMALL = {"layers": 2, "width": 64, "hidden": 256, "vocabulary": 300, "positions": 50}


@pytest.mark.parametrize("rate", [1e-3, 0.05])
def test_healthy_models_are_found_wrong_as_rarely_as_said(rate: float) -> None:
    """Of 200, at most as many as a binomial law has with a probability of 0.9999."""
    tree, rules = recipes.shapes("gpt2", **SMALL), recipes.rules("gpt2")
    planned = plan(tree, rules)
    alarms = sum(not check(planned.run(seed), planned, rate=rate) for seed in range(200))
    assert alarms <= {1e-3: 3, 0.05: 23}[rate]


def laws(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tree of one row's parameters at two keys, and the rules for it."""
    shape = case.large or case.shape
    keys = jax.random.split(KEY, 2)
    tree = {name: case.init(key, shape) for name, key in zip("ab", keys, strict=True)}
    return tree, {".*": case.instance()}


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_every_initializer_passes_its_own_audit(case: Case) -> None:
    check(*laws(case)).assert_ok()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e5m2", "float8_e4m3fn"])
@pytest.mark.parametrize("case", [case for case in ALL if case.witness and case.draws], ids=by_id)
def test_values_that_were_rounded_pass(case: Case, dtype: str) -> None:
    tree, rules = laws(case)
    # What is drawn in a narrow type is the same (tests/test_precision.py).
    narrow = {name: np.asarray(array).astype(jnp.dtype(dtype)) for name, array in tree.items()}
    check(narrow, rules).assert_ok()


def test_complex_values_pass_and_wrong_ones_do_not() -> None:
    values = functional.he_normal(KEY, (60, 50), jnp.complex64)
    check({"w": values}, "he_normal").assert_ok()
    assert not check({"w": values * 2}, "he_normal")


PLACED = {
    "one device": None,
    "rows": P("x"),
    "columns": P(None, "x"),
    "both": P("x", "y"),
    "replicated": P(),
}


@pytest.mark.parametrize("name", PLACED)
def test_a_layout_changes_no_verdict(name: str) -> None:
    rules = {"kernel": "he_normal", "table": "random_uniform"}
    tree = {
        "kernel": jax.ShapeDtypeStruct((256, 64), np.float32),
        "table": jax.ShapeDtypeStruct((512, 32), jnp.bfloat16),
    }
    params = init_params(0, tree, rules)
    here = check(params, rules)
    spec = PLACED[name]
    if spec is None:
        there = jax.device_put(params, jax.devices()[3])
    else:
        mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
        there = jax.device_put(params, NamedSharding(mesh, spec))
    found = check(there, rules)
    assert found
    for one, other in zip(here.leaves, found.leaves, strict=True):
        assert one.stddev == pytest.approx(other.stddev, rel=1e-5)
        assert one.z_mean == pytest.approx(other.z_mean, abs=1e-2)
        assert (one.minimum, one.maximum) == (other.minimum, other.maximum)
    wrong = {**there, "kernel": there["kernel"].at[3, 4].set(np.nan)}
    assert flags(check(wrong, rules)) == {
        "kernel": {"non-finite": "1 of 16384 values are no finite numbers"}
    }


COUNTED = {"on the host": np.asarray, "on a device": lambda x: jax.device_put(x, device())}


def device() -> Any:
    """Several devices, so that reductions run on them."""
    mesh = jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,))
    return NamedSharding(mesh, P("x"))


@pytest.mark.parametrize("name", COUNTED)
def test_zeros_ones_and_what_is_no_number_are_counted(name: str) -> None:
    values = normal((128, 64), 1.0).copy()
    values[:, 3], values[5, 10:20], values[7, 0], values[9, 1] = 0, 1, np.nan, -np.inf
    (leaf,) = check({"w": COUNTED[name](values)}, RandomNormal(stddev=1.0)).leaves
    assert (leaf.zeros, leaf.ones, leaf.non_finite) == (128, 10, 2)
    finite = values[np.isfinite(values)]
    assert leaf.mean == pytest.approx(finite.mean(), abs=1e-6)
    assert leaf.stddev == pytest.approx(finite.std(), rel=1e-5)
    assert (leaf.minimum, leaf.maximum) == (finite.min(), finite.max())


def test_stacked_layers_are_looked_at_one_by_one() -> None:
    layer = normal((64, 48), 0.02)
    rules = {".*": RandomNormal(stddev=0.02)}
    tree = {"w": jax.ShapeDtypeStruct((6, 64, 48), np.float32)}
    params = init_params(0, tree, rules, stacked=0)
    assert check(params, rules, stacked=0)
    wide = params["w"].at[4].multiply(2.0)
    assert flags(check({"w": wide}, rules, stacked=0))["w"].keys() == {"scale"}
    same = np.broadcast_to(layer, (6, 64, 48))
    found = flags(check({"w": same}, rules, stacked=0))
    assert found == {"w": {"duplicate": "is a copy of 'w' (and 4 parts more)"}}


def test_a_stack_by_depth_is_known_by_layer() -> None:
    law = ByDepth(RandomNormal(stddev=0.02), "1/sqrt(2 * (l + 1))", axis=0)
    good = law(KEY, (5, 64, 64))
    assert check({"w": good}, law)
    flat = np.asarray(good).copy()
    flat[3] = normal((64, 64))
    found = flags(check({"w": flat}, law))
    assert "the scale by depth is missing" in found["w"]["depth"]


def test_blocks_are_known_one_by_one() -> None:
    law = initializers.Blocked(["glorot_uniform", "zeros", "glorot_uniform"], 3)
    good = np.asarray(law(KEY, (64, 192)))
    assert check({"w": good}, law)
    swapped = np.concatenate([good[:, 64:128], good[:, :64], good[:, 128:]], axis=1)
    assert flags(check({"w": swapped}, law))["w"].keys() == {"zeroed", "not zeroed"}


def test_what_is_made_of_siblings() -> None:
    spec = jax.ShapeDtypeStruct((64, 64), np.float32)
    largest = FromSiblings(lambda key, shape, dtype, w: jnp.full(shape, abs(w).max()), w="w")
    rules = {"w": "he_normal", "copy": Tied("w"), "top": largest}
    tree = {"w": spec, "copy": spec, "top": jax.ShapeDtypeStruct((8,), np.float32)}
    params = init_params(0, tree, rules)
    assert check(params, rules)
    assert not check({**params, "copy": params["copy"] * 3}, rules)


def test_laws_of_ones_own() -> None:
    def mine(key: jax.Array, shape: Any, dtype: Any) -> jax.Array:
        return jax.random.laplace(key, shape, dtype)

    tree = {"w": mine(KEY, (100, 50), np.float32)}
    assert check(tree, mine)
    assert not check({"w": tree["w"] * 1.5}, mine)


def test_what_is_kept_is_looked_at_for_numbers() -> None:
    rules = {"w": "he_normal", "mean": Keep()}
    tree = {"w": functional.he_normal(KEY, (64, 64)), "mean": np.full(3, 7.0, np.float32)}
    assert check(tree, rules)
    audit = check({**tree, "mean": np.float32([1, np.inf, 2])}, rules)
    assert flags(audit)["mean"].keys() == {"non-finite"}
    kept = next(leaf for leaf in audit.leaves if leaf.path == "mean")
    assert kept.note.startswith("kept")


SIZES = [(1,), (2,), (3, 1), (7,), (30,), (200,)]


@pytest.mark.parametrize("shape", SIZES)
def test_a_few_values_are_enough_and_not_too_few(shape: tuple[int, ...]) -> None:
    """At a rate of 1e-3, none of 100 small parameters are found wrong; of wide ones, most."""
    good = {str(n): functional.random_normal(jax.random.key(n), shape) for n in range(100)}
    law = RandomNormal(stddev=1.0)
    good = {name: value / np.float32(0.05) for name, value in good.items()}
    assert check(good, law)
    wide = {name: value * np.float32(1e4) for name, value in good.items()}
    assert len(check(wide, law).failures) == 100


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_no_values_are_as_they_should_be(shape: tuple[int, ...]) -> None:
    assert check({"w": np.zeros(shape, np.float32)}, RandomNormal())


def test_few_bits_are_told_in_a_narrow_type() -> None:
    """Of JAX's own draws in bfloat16, at most 2**8 values are distinct."""
    narrow = jax.random.normal(KEY, (64, 64), jnp.bfloat16)
    found = flags(check({"w": narrow}, RandomNormal(stddev=1.0)))
    assert "was drawn with few bits" in found["w"]["narrow"]
    assert check({"w": functional.random_normal(KEY, (64, 64), jnp.bfloat16)}, RandomNormal())


WRONG_CALLS: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "rate": ("he_normal", {"rate": 0}, ValueError, "check: rate must be a probability"),
    "no rate": ("he_normal", {"rate": "1%"}, ValueError, "check: rate must be a probability"),
    "nearly a recipe": ("gpt2:opena", {}, ValueError, "there is no recipe .* mean 'gpt2:openai'"),
    "a plan of an init function": (
        plan(lambda key: {"w": jax.random.normal(key, (4, 4))}, KEY),
        {},
        TypeError,
        "check: the plan of an init function .* pass rules",
    ),
    "unknown recipe": ("gpt3:openai", {}, ValueError, "rule 1: .*"),
    "naming without a recipe": (
        "he_normal",
        {"naming": "transformers"},
        TypeError,
        "check: naming belongs to a recipe; got 'he_normal'",
    ),
    "unknown hyperparameter": ("gpt2", {"layer": 3}, TypeError, "did you mean 'layers'"),
    "no rule": ([("b", "zeros")], {}, ValueError, "match no rule"),
    "stacked for a plan": (
        plan({"w": jax.ShapeDtypeStruct((4, 4), np.float32)}, "he_normal"),
        {"stacked": 0},
        TypeError,
        "check: stacked belongs to rules or to a recipe, not to a plan",
    ),
    "more than the plan has": (
        plan({"v": jax.ShapeDtypeStruct((4, 4), np.float32)}, "he_normal"),
        {},
        ValueError,
        "check: the plan knows nothing of 'w'",
    ),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_calls(name: str) -> None:
    rules, options, error, message = WRONG_CALLS[name]
    with pytest.raises(error, match=f"(?s){message}"):
        check({"w": np.ones((4, 4), np.float32)}, rules, **options)


def test_a_module_of_torch_and_its_state_dict() -> None:
    state = {"wte.weight": np.ones((4, 4), np.float32)}
    module = type("GPT", (), {"state_dict": lambda self: state})()
    with pytest.raises(TypeError, match=r"got a GPT, .*torch.tree\(model.state_dict\(\)\)"):
        check(module, "gpt2")
    with pytest.raises(ValueError, match=r"one step of a path; cthulhu.adapters.torch.tree"):
        check(state, "gpt2")


def test_every_kind_of_flag_is_documented() -> None:
    files = Path(audit_package.__file__).parent.glob("*.py")
    made = "".join(path.read_text() for path in files)
    kinds = set(re.findall(r'(?:Flag|Explanation)\(\s*"([a-z -]+)"', made))
    assert kinds == set(re.findall(r'``"([a-z -]+)"``', Flag.__doc__ or ""))


def test_the_audit_is_data_and_a_table(gpt2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = "layers/0/mlp/in/kernel"
    audit = check(replaced(gpt2, path, lambda x: x * np.float32(2)), RULES)
    record = json.loads(audit.to_json())
    assert len(record["leaves"]) == len(audit.leaves)
    (failure,) = [leaf for leaf in record["leaves"] if leaf["flags"]]
    assert failure["path"] == path
    assert failure["flags"][0]["kind"] in ("scale", "wrong fan")
    assert failure["stddev"] == pytest.approx(2 / math.sqrt(768), rel=1e-2)
    for text in (str(audit), audit._repr_html_()):
        assert path in text
        assert "1 not as they should be" in text
    with pytest.raises(ValueError, match=f"check: 1 of 170 parameters .*\n  {path}: has standard"):
        audit.assert_ok()
    assert dataclasses.asdict(audit.leaves[0])["path"] == "embedding/table"


HOLM = {
    "none": ([], []),
    "one": ([0.01], [0.01]),
    "in order": ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
    "never more than one": ([0.9, 0.5], [1.0, 1.0]),
}


@pytest.mark.parametrize("name", HOLM)
def test_holm(name: str) -> None:
    values, expected = HOLM[name]
    assert holm(values) == pytest.approx(expected)


LAYERS = {
    "a number": (["h/0/w", "h/1/w", "wte"], {"h/0/w": (0, 2), "h/1/w": (1, 2)}),
    "after a name": (["layers_0/w", "layers_1/w"], {"layers_0/w": (0, 2), "layers_1/w": (1, 2)}),
    "one of a kind": (["h/0/w", "ln_1"], {}),
    "within a layer": (
        ["h/0/m/0/w", "h/0/m/1/w", "h/1/m/0/w", "h/1/m/1/w"],
        {"h/0/m/0/w": (0, 2), "h/0/m/1/w": (0, 2), "h/1/m/0/w": (1, 2), "h/1/m/1/w": (1, 2)},
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_layer_of_a_path(name: str) -> None:
    paths, expected = LAYERS[name]
    assert layers_of(paths) == expected
