"""`import cthulhu` is cheap, and loads Flax only when a layer is asked for."""

import json
import subprocess
import sys
from typing import Any

import pytest

import cthulhu

HEAVY = ("flax", "optax", "matplotlib", "scipy", "keras", "rich", "haiku", "equinox", "sklearn")


def run(code: str) -> Any:
    """What a fresh interpreter prints, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def loaded(names: tuple[str, ...] = HEAVY) -> str:
    return f"sorted(set(sys.modules) & set({names!r}))"


def test_import_loads_nothing_heavy() -> None:
    """JAX itself loads parts of scipy, so what counts is the difference."""
    before, after, flax_before, flax_after = run(
        f"""
import jax
before = {loaded()}
import cthulhu
after = {loaded()}
flax_before = "flax" in sys.modules
cthulhu.layers.Daoloth
flax_after = "flax" in sys.modules
print(json.dumps([before, after, flax_before, flax_after]))
"""
    )
    assert after == before
    assert not set(after) - {"scipy"}
    assert (flax_before, flax_after) == (False, True)


@pytest.mark.parametrize(("extra", "initialized"), [("", False), ("jax.devices()", True)])
def test_import_initializes_no_backend(extra: str, initialized: bool) -> None:
    """JAX refuses to change the number of devices once a backend exists: a witness."""
    assert (
        run(
            f"""
import jax, cthulhu, cthulhu.layers, cthulhu.models
{extra}
try:
    jax.config.update("jax_num_cpu_devices", 3)
    initialized = jax.device_count() != 3
except RuntimeError:
    initialized = True
print(json.dumps(initialized))
"""
        )
        is initialized
    )


@pytest.mark.parametrize("name", ["layers", "models", "params", "diagnostics"])
def test_a_lazy_module_is_found_by_attribute(name: str) -> None:
    assert run(
        f"""
import cthulhu
print(json.dumps([
    "cthulhu.{name}" in sys.modules,
    cthulhu.{name}.__name__,
    "cthulhu.{name}" in sys.modules,
    cthulhu.{name} is sys.modules["cthulhu.{name}"],
]))
"""
    ) == [False, f"cthulhu.{name}", True, True]


@pytest.mark.parametrize("name", ["fast_init", "Rules"])
def test_a_lazy_name_is_found_by_attribute(name: str) -> None:
    assert run(
        f"""
import cthulhu
before = "cthulhu.params" in sys.modules
from cthulhu import {name}
print(json.dumps([before, {name} is sys.modules["cthulhu.params"].{name}]))
"""
    ) == [False, True]


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'cthulhu' has no attribute 'layer'$"):
        _ = cthulhu.layer  # type: ignore[attr-defined]
    assert not hasattr(cthulhu, "__wrapped__")


def test_from_cthulhu_import_works_for_lazy_modules() -> None:
    assert run(
        """
from cthulhu import layers, models, initializers, backend as K
print(json.dumps([layers.Daoloth.__name__, models.Sequential.__name__, K.floatx()]))
"""
    ) == ["Daoloth", "Sequential", "float32"]


def test_all_but_layers_and_models_work_without_flax() -> None:
    whole, told = run(
        """
sys.modules["flax"] = None
import jax, numpy as np
import cthulhu
from cthulhu.params import fast_init, init_params, plan, verify
tree = {"kernel": jax.ShapeDtypeStruct((4, 8), np.float32)}
params = init_params(0, tree, {"kernel": "he_normal"})
assert verify(params, 0, {"kernel": "he_normal"})
assert "he_normal" in str(plan(tree, {"kernel": cthulhu.functional.he_normal}))
made = fast_init(lambda key: cthulhu.functional.orthogonal(key, (4, 4)))(jax.random.key(0))
told = []
for name in ("layers", "models"):
    try:
        getattr(cthulhu, name)
    except ImportError as error:
        told.append(str(error))
print(json.dumps([made.shape, told]))
"""
    )
    assert whole == [4, 4]
    assert told == [
        f"cthulhu.{name} needs flax, which is not installed. "
        "Install it: pip install 'cthulhu-jax[flax]'"
        for name in ("layers", "models")
    ]


def test_a_broken_flax_tells_its_own_error() -> None:
    assert run(
        """
sys.modules["msgpack"] = None
try:
    import cthulhu.layers
except ImportError as error:
    print(json.dumps([error.name, "cthulhu-jax" in str(error)]))
"""
    ) == ["msgpack", False]
