"""What is public: the names, the signatures, and the docstrings that are their contracts."""

import dataclasses
import doctest
import importlib
import inspect
import pickle
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import cthulhu
from cthulhu import (
    adapters,
    audit,
    backend,
    calibration,
    diagnostics,
    fans,
    functional,
    gains,
    initializers,
    laws,
    layers,
    models,
    mup,
    params,
    programs,
    random,
    recipes,
    typing,
    usage,
)
from cthulhu.adapters import equinox, haiku, keras, nnx, torch
from cthulhu.initializers._registry import CLASSES as DEFINED
from tests.cases import CASES, Case, by_id
from tests.cases._sources import KERAS, OWN

CLASSES = tuple(case.cls.__name__ for case in CASES)

ALIASES = {alias: case.name for case in CASES for alias in case.aliases}

SNAKE = {
    name: re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    for name in CLASSES
}

SURFACE: dict[ModuleType, set[str]] = {
    cthulhu: {
        "Keep",
        "Rules",
        "__version__",
        "audit",
        "backend",
        "calibrate",
        "calibration",
        "check",
        "clear_caches",
        "diagnostics",
        "fast_init",
        "fill",
        "functional",
        "init_params",
        "initializers",
        "layers",
        "models",
        "mup",
        "params",
        "plan",
        "random",
        "recipes",
        "reinit",
        "report",
        "usage",
        "verify",
    },
    functional: {*SNAKE.values(), *ALIASES},
    initializers: {
        *CLASSES,
        *SNAKE.values(),
        *ALIASES,
        "Initializer",
        "deserialize",
        "get",
        "serialize",
    },
    random: {
        "fold_path",
        "from_seed",
        "fused",
        "next_key",
        "path_digest",
        "random_bits",
        "scope",
        "set_seed",
    },
    backend: {
        "cast",
        "constant",
        "eye",
        "floatx",
        "ones",
        "random_normal",
        "random_uniform",
        "set_floatx",
        "truncated_normal",
        "zeros",
    },
    fans: {
        "Fans",
        "LAYOUTS",
        "Layout",
        "LayoutLike",
        "compute_fans",
        "explain",
        "fans_from_einsum",
    },
    gains: {"Activation", "Nonlinearity", "calculate_gain", "gain"},
    laws: {
        "ComplexDisk",
        "ComplexNormal",
        "ConvolutionOrthogonal",
        "DeltaOrthogonal",
        "Elementwise",
        "Eye",
        "Fill",
        "Law",
        "Moments",
        "Normal",
        "Orthogonal",
        "Section",
        "Spectral",
        "TruncatedNormal",
        "Uniform",
        "unit",
    },
    programs: set(),
    layers: {"Daoloth", "get_activation"},
    models: {"Sequential"},
    adapters: set(),
    equinox: {"plan", "reinit"},
    haiku: {"w_init"},
    keras: {"register", "to_keras"},
    nnx: {"plan", "reinit"},
    torch: {"EMBEDDINGS", "flat", "plan", "tree"},
    audit: {"Audit", "Flag", "LeafAudit", "check"},
    calibration: {"CalibratedLayer", "Calibration", "calibrate"},
    diagnostics: {
        "Comparison",
        "Histogram",
        "LeafReport",
        "Signal",
        "SignalRow",
        "Spectrum",
        "SpectrumRow",
        "TreeReport",
        "compare",
        "histogram",
        "report",
        "signal",
        "spectrum",
    },
    usage: {"LeafUsage", "Role", "Usage", "Use", "decay_mask", "infer", "muon_axes"},
    mup: {
        "CompleteP",
        "CoordCheck",
        "Forward",
        "Kind",
        "LeafShape",
        "MuP",
        "Multipliers",
        "Residual",
        "Shapes",
        "Spectral",
        "UMuP",
        "adam",
        "adamw",
        "coord_check",
        "fold_readout",
        "forward",
        "infer",
        "lion",
        "muon",
        "rules",
        "scale",
        "sgd",
    },
    recipes: {
        "Comparison",
        "Difference",
        "Entry",
        "Name",
        "Naming",
        "Recipe",
        "Row",
        "Shown",
        "available",
        "compare",
        "get",
        "namings",
        "rules",
        "shapes",
        "show",
    },
    params: {
        "FromSiblings",
        "InitPlan",
        "Keep",
        "LeafPlan",
        "Mismatch",
        "OrthogonalTo",
        "Plan",
        "Report",
        "RingNormalizer",
        "Rule",
        "Rules",
        "Tied",
        "WeightNormScale",
        "count_programs",
        "fast_init",
        "fill",
        "init_params",
        "plan",
        "reinit",
        "verify",
    },
    typing: {
        "Axes",
        "BatchAxes",
        "DTypeLike",
        "DepthFactor",
        "Distribution",
        "ElementwiseFunction",
        "Initializer",
        "InitializerLike",
        "InitializerLikes",
        "LayoutName",
        "MaskLike",
        "Mode",
        "OutSharding",
        "Scalar",
        "Shape",
    },
}

# Shared by the files of the package; no page of the documentation names them.
INTERNAL = frozenset(
    {
        "cthulhu.caches",
        "cthulhu.checks",
        "cthulhu.compat",
        "cthulhu.tracing",
        "cthulhu.trees",
        "cthulhu.views",
    }
)

# Folders of tables, which importing the package reads.
TABLES = ("cthulhu.recipes.families", "cthulhu.recipes.names")

# Laws that somebody proposed: their docstrings say who, when and where.
NAMED_LAWS = frozenset(case.cls.__name__ for case in CASES if case.source not in (KERAS, OWN))

SECTIONS = ("Law", "Args", "Returns", "Raises", "Example", "References")

# Their arguments cannot be wrong, or are checked by what they call.
RAISE_NOTHING = frozenset(
    {
        "cthulhu.adapters.keras.register",
        "cthulhu.backend.cast",
        "cthulhu.clear_caches",
        "cthulhu.backend.eye",
        "cthulhu.backend.floatx",
        "cthulhu.backend.ones",
        "cthulhu.backend.zeros",
        "cthulhu.fans.Fans",
        "cthulhu.params.InitPlan",
        "cthulhu.params.Keep",
        "cthulhu.params.LeafPlan",
        "cthulhu.params.Mismatch",
        "cthulhu.params.Plan",
        "cthulhu.params.Report",
        *(f"cthulhu.mup.{name}" for name in ("Forward", "Kind", "MuP", "Multipliers")),
        *(f"cthulhu.mup.{name}" for name in ("CoordCheck", "Residual", "Shapes", "Spectral")),
        *(f"cthulhu.diagnostics.{name}" for name in ("Comparison", "Signal", "SignalRow")),
        *(f"cthulhu.diagnostics.{name}" for name in ("Spectrum", "SpectrumRow")),
        *(f"cthulhu.usage.{name}" for name in ("LeafUsage", "Usage", "Use", "decay_mask")),
        *(f"cthulhu.calibration.{name}" for name in ("CalibratedLayer", "Calibration")),
        *(f"cthulhu.audit.{name}" for name in ("Audit", "Flag", "LeafAudit")),
        *(f"cthulhu.diagnostics.{name}" for name in ("Histogram", "LeafReport", "TreeReport")),
        *(
            f"cthulhu.recipes.{name}"
            for name in recipes.__all__
            if name[0].isupper() and name != "Naming"
        ),
        "cthulhu.recipes.available",
        "cthulhu.random.path_digest",
        "cthulhu.typing.Initializer",
        *(f"cthulhu.laws.{name}" for name in laws.__all__),
        *(f"cthulhu.initializers.{case.cls.__name__}" for case in CASES if not case.arguments),
    }
) - {"cthulhu.recipes.Naming"}

SETTERS = frozenset(
    {
        "cthulhu.adapters.keras.register",
        "cthulhu.adapters.nnx.reinit",
        "cthulhu.backend.set_floatx",
        "cthulhu.clear_caches",
        "cthulhu.random.set_seed",
    }
)
CONTEXTS = frozenset({"cthulhu.random.scope"})


def in_order(names: set[str]) -> list[str]:
    """Constants first, then by the alphabet, as the formatter sorts `__all__`."""
    return sorted(names, key=lambda name: (not name.isupper(), name))


def is_public(name: str) -> bool:
    return not name.startswith("_")


def modules() -> Iterator[str]:
    yield "cthulhu"
    for info in pkgutil.walk_packages(cthulhu.__path__, "cthulhu."):
        yield info.name


MODULES = sorted(modules())

PUBLIC = {"cthulhu.clear_caches": cthulhu.clear_caches} | {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in SURFACE
    if module is not cthulhu  # Where most names are those of other modules again.
    for name in module.__all__
    # Snake_case names are the classes again; names of types are written in the docs by hand.
    if not (module is initializers and name.islower() and isinstance(getattr(module, name), type))
    if getattr(getattr(module, name), "__module__", "").startswith("cthulhu.")
}

PUBLIC_CLASSES = [path for path, thing in PUBLIC.items() if isinstance(thing, type)]


def test_every_public_module_is_in_the_surface() -> None:
    public = {
        name
        for name in MODULES
        if all(map(is_public, name.split("."))) and not name.startswith(TABLES)
    }
    assert {module.__name__ for module in SURFACE} == public - INTERNAL


def test_dir_shows_what_a_user_may_type() -> None:
    assert {name for name in dir(cthulhu) if is_public(name)} == set(cthulhu.__all__) - {
        "__version__"
    }
    assert {"__version__", "__doc__"} <= set(dir(cthulhu))


def test_the_names_at_the_top_are_those_of_their_packages() -> None:
    lazy = ("Keep", "Rules", "fast_init", "fill", "init_params", "plan", "reinit", "verify")
    for name in lazy:
        assert getattr(cthulhu, name) is getattr(params, name)
    assert cthulhu.check is audit.check
    assert cthulhu.calibrate is calibration.calibrate
    assert cthulhu.report is diagnostics.report


@pytest.mark.parametrize("module", SURFACE, ids=lambda module: module.__name__)
def test_all_is_what_is_meant_to_be_public(module: ModuleType) -> None:
    assert module.__all__ == in_order(SURFACE[module])


PACKAGES = [module for module in SURFACE if hasattr(module, "__path__") and module is not cthulhu]


@pytest.mark.parametrize("module", PACKAGES, ids=lambda module: module.__name__)
def test_a_package_leaks_nothing(module: ModuleType) -> None:
    """No file takes a name that a user of JAX types, as `initializers.normal`."""
    public = {name for name in vars(module) if is_public(name)}
    files = {name for name in public if isinstance(getattr(module, name), ModuleType)}
    assert public - files == set(module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_the_names_in_all_are_sorted_and_exist(name: str) -> None:
    """Only a module for others says what it has for them."""
    module = importlib.import_module(name)
    if module not in SURFACE and not hasattr(module, "__path__"):
        assert not hasattr(module, "__all__")
        return
    assert list(module.__all__) == in_order(set(module.__all__))
    scope: dict[str, Any] = {}
    exec(f"from {name} import *", scope)
    assert set(scope) - {"__builtins__"} == set(module.__all__)


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_an_initializer_is_exported_whole(case: Case) -> None:
    """Under each of its names, in both faces, and under no other."""
    cls: Any = case.cls
    assert (cls.name, cls.function) == (case.name, case.function)
    assert SNAKE[cls.__name__] == case.name
    names = {case.name, *case.aliases}
    for face, thing in ((functional, case.function), (initializers, cls)):
        found = {name for name in face.__all__ if getattr(face, name) is thing}
        assert found - {cls.__name__} == names
    assert getattr(initializers, cls.__name__) is cls


def defaults_of(cls: Any) -> dict[str, Any]:
    """The defaults of the options that have one."""
    return {name: one for name, one in cls.defaults.items() if one is not dataclasses.MISSING}


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_function_is_derived_from_its_class(case: Case) -> None:
    cls: Any = case.cls
    function: Any = case.function
    assert function.definition is cls
    assert function.__name__ == function.__qualname__ == cls.name
    assert pickle.loads(pickle.dumps(function)) is function
    assert tuple(inspect.signature(function).parameters)[4:] == tuple(cls.defaults)
    assert (function.__kwdefaults__ or {}) == defaults_of(cls)
    given = case.options if case.needs_options else {}
    assert function.draw(case.shape, **given) == cls(**given).draw(case.shape)


def test_the_examples_of_the_functions_are_found_by_doctest() -> None:
    """They stand in other files than the functions' module."""
    found = {one.name for one in doctest.DocTestFinder().find(functional) if one.examples}
    assert found == {f"cthulhu.functional.{cls.name}" for cls in DEFINED}


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_default_is_in_its_canonical_form(case: Case) -> None:
    """A call that gives no option checks none."""
    cls: Any = case.cls
    given = {**case.required, **defaults_of(cls)}
    assert cls.checked(cls.name, given, concrete=False) == given


def shown(parameters: list[inspect.Parameter]) -> list[str]:
    return [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]


def listed(arguments: str) -> list[str]:
    return [one for one in arguments.split(", ") if one]


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_class_has_the_documented_arguments(case: Case) -> None:
    parameters = list(inspect.signature(case.cls).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    told, _, own = case.arguments.partition("*, ")
    assert (shown(positional), shown(keyword)) == (listed(told), listed(own))
    assert len(positional) + len(keyword) == len(parameters)


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_function_has_the_four_arguments_and_keyword_options(case: Case) -> None:
    parameters = list(inspect.signature(case.function).parameters.values())
    options = [one for one in listed(case.arguments) if one not in ("seed=None", "*")]
    assert shown(parameters[:4]) == ["key", "shape", "dtype=None", "out_sharding=None"]
    assert shown(parameters[4:]) == options
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters[:4])
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[4:])


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_the_thing_itself(alias: str) -> None:
    for face in (functional, initializers):
        assert getattr(face, alias) is getattr(face, ALIASES[alias])
    assert initializers.get(alias) == initializers.get(ALIASES[alias])


def sections(docstring: str) -> dict[str, str]:
    """The sections of a docstring, in order; the summary is under the empty name."""
    pattern = rf"^(?:({'|'.join(SECTIONS)}):)(?=\s)"
    parts = re.split(pattern, inspect.cleandoc(docstring), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def arguments(thing: Any) -> list[str]:
    """The names of the arguments that a docstring must explain."""
    own_to_flax = {"parent", "name"} if thing in (layers.Daoloth, models.Sequential) else set()
    return [
        p.name
        for p in inspect.signature(thing).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in own_to_flax
    ]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_docstring_has_the_house_sections(path: str) -> None:
    thing = PUBLIC[path]
    assert thing.__doc__, f"{path} has no docstring"
    found = sections(thing.__doc__)
    names = list(found)[1:]
    assert names == [name for name in SECTIONS if name in found], "the order of the sections"
    first = found[""].splitlines()[0]
    assert first.endswith((".", ":")), first
    assert len(first) <= 100
    assert "Example" in found
    assert ">>> " in found["Example"]
    assert ("Args" in found) == bool(arguments(thing))
    if "Args" in found:
        listed = re.findall(r"^    (\*{0,2})(\w+): ", found["Args"], flags=re.MULTILINE)
        assert [name for star, name in listed if not star] == arguments(thing)
        assert {name for star, name in listed if star} <= inspect.signature(thing).parameters.keys()
    assert ("Raises" in found) == (path not in RAISE_NOTHING)
    returns = inspect.isfunction(thing) and path not in SETTERS | CONTEXTS
    assert "Returns" in found or not returns
    assert "Returns" not in found or path not in SETTERS


@pytest.mark.parametrize("name", CLASSES)
def test_a_law_is_stated_and_a_named_one_is_sourced(name: str) -> None:
    for thing in (getattr(initializers, name), getattr(functional, SNAKE[name])):
        found = sections(thing.__doc__)
        assert "Law" in found
        assert ("References" in found) == (name in NAMED_LAWS)
        if "References" in found:
            assert re.search(r"\((19|20)\d\d\)", found["References"])
            assert "https://" in found["References"]


@pytest.mark.parametrize("path", PUBLIC_CLASSES)
def test_a_public_method_has_a_docstring(path: str) -> None:
    for owner in (c for c in PUBLIC[path].__mro__ if c.__module__.startswith("cthulhu.")):
        for name, member in vars(owner).items():
            if is_public(name) and inspect.isfunction(member) and name != "function":
                assert member.__doc__, f"{owner.__name__}.{name}"


def test_the_version_is_a_release() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", cthulhu.__version__)
