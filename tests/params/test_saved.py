"""A plan that was written as JSON is read back, and makes the same values."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import functional, initializers
from cthulhu.params import Keep, Plan, plan, verify
from tests.cases import ALL, KEY, by_id, same_bits

Spec = jax.ShapeDtypeStruct

TREE = {
    "b": {"10": Spec((8, 4), jnp.bfloat16), "2": Spec((8, 4), np.float32)},
    "a/b": Spec((4, 6), np.float32),
    "layers": Spec((6, 3, 4), np.float32),
    "bias": Spec((4,), np.float32),
}
RULES = [
    ("bias", "zeros"),
    ("a/b", functools.partial(functional.he_normal, in_axis=1, out_axis=0)),
    ("b/2", functional.orthogonal),
    ("b/.*", initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=3)),
    ("layers", initializers.GlorotUniform(in_axis=-1, out_axis=(-2,))),
]


def planned(**options):
    return plan(TREE, RULES, stacked={"layers": 1}, **options)


def test_a_plan_comes_back_with_its_rows_and_values():
    again = Plan.from_json(planned().to_json())
    assert again.rows == planned().rows
    assert (again.nbytes, again.programs) == (planned().nbytes, planned().programs)
    jax.tree.map(same_bits, again.run(KEY), planned().run(KEY))
    assert again.to_json() == planned().to_json()
    assert verify(planned().run(KEY), KEY, again)


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_every_initializer_comes_back(case):
    made = plan({"w": Spec(case.shape, np.float32)}, [("w", case.instance())])
    again = Plan.from_json(made.to_json())
    assert again.rows == made.rows
    same_bits(again.run(KEY)["w"], made.run(KEY)["w"])


class Tree:
    """A node that is no dict."""

    def __init__(self, first, second):
        self.parts = (first, second)


jax.tree_util.register_pytree_with_keys(
    Tree,
    lambda tree: (
        [(jax.tree_util.GetAttrKey(n), p) for n, p in zip(("z", "y"), tree.parts, strict=True)],
        None,
    ),
    lambda _, parts: Tree(*parts),
)


def test_other_trees_come_back_as_dicts():
    tree = Tree(Spec((3, 4), np.float32), [Spec((2, 3), np.float32)])
    made = plan(tree, [(".*", "normal")])
    values, again = made.run(KEY), Plan.from_json(made.to_json()).run(KEY)
    same_bits(again["z"], values.parts[0])
    same_bits(again["y"]["0"], values.parts[1][0])
    alone = plan(Spec((3, 4), np.float32), [(".*", "normal")])
    same_bits(Plan.from_json(alone.to_json()).run(KEY), alone.run(KEY))


def test_layouts_are_given_anew():
    sharding = NamedSharding(jax.make_mesh((8,), ("x",)), P("x"))
    tree = {"w": Spec((8, 4), np.float32), "v": Spec((16, 4), np.float32)}
    text = plan(tree, [(".*", "he_normal")], shardings=sharding).to_json()
    bare, again = Plan.from_json(text), Plan.from_json(text, shardings=sharding)
    assert {row.sharding for row in bare.rows} == {None}
    assert {row.sharding for row in again.rows} == {str(P("x"))}
    assert again.run(KEY)["w"].sharding == sharding
    same_bits(again.run(KEY)["w"], bare.run(KEY)["w"])
    with pytest.raises(ValueError, match="from_json: shardings must be a sharding, or a prefix"):
        Plan.from_json(text, shardings={"other": sharding})


class Halves(initializers.Initializer):
    def __call__(self, key, shape, dtype=None):
        return jnp.full(shape, 0.5, dtype)


@pytest.mark.parametrize(
    "lost",
    [Keep(), jax.random.normal, Halves()],
    ids=["keep", "function", "class"],
)
def test_what_json_cannot_hold_can_be_looked_at_and_not_run(lost):
    tree = {"a": np.ones((2, 3), np.float32), "b": Spec((3, 4), np.float32)}
    made = plan(tree, [("a", lost), ("b", "he_normal")])
    again = Plan.from_json(made.to_json())
    assert again.rows == made.rows
    assert (str(again), again.programs, again.nbytes) == (str(made), made.programs, made.nbytes)
    assert Plan.from_json(again.to_json()).rows == made.rows
    with pytest.raises(ValueError, match=r"Plan.run: this plan was read from JSON.* of 'a'"):
        again.run(KEY)
    with pytest.raises(ValueError, match=r"Plan.stream: this plan was read from JSON"):
        next(again.stream(KEY))
    with pytest.raises(ValueError, match=r"verify: this plan was read from JSON"):
        verify(tree, KEY, again)


def test_classes_of_ones_own_are_found_by_name():
    made = plan({"b": Spec((3, 4), np.float32)}, [("b", Halves())])
    again = Plan.from_json(made.to_json(), custom_objects={"Halves": Halves})
    assert np.all(np.asarray(again.run(KEY)["b"]) == 0.5)


def test_the_plan_of_an_init_function_can_be_looked_at():
    made = plan(lambda key: {"w": jax.random.normal(key, (3, 4))}, KEY)
    again = Plan.from_json(made.to_json())
    assert again.rows == made.rows
    with pytest.raises(ValueError, match="could not hold the initializers of 'w'"):
        again.run(KEY)


@pytest.mark.parametrize("text", ["{}", "[]", "1", '{"parameters": [1], "programs": 1}', "{"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"must be what Plan.to_json wrote|Expecting"):
        Plan.from_json(text)


@pytest.mark.parametrize("change", ["path", "digest"])
def test_a_changed_path_is_refused(change):
    record = json.loads(planned().to_json())
    record["parameters"][0][change] = "0123456789abcdef"
    with pytest.raises(ValueError, match=r"the digest of .* is .*, and not "):
        Plan.from_json(json.dumps(record))
