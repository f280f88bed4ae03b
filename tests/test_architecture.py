"""The house: every file imports only from below, and nothing private."""

import ast
import fnmatch
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import cthulhu
from cthulhu.initializers._registry import CLASSES

ROOT = Path(cthulhu.__file__).parent
LONGEST = 350

FLOORS = {
    "cthulhu._types": 0,
    "cthulhu.typing": 0,
    "cthulhu.caches": 0,
    "cthulhu.compat": 0,
    "cthulhu.checks": 1,
    "cthulhu.trees": 1,
    "cthulhu.fans": 2,
    "cthulhu.gains": 2,
    "cthulhu.random": 2,
    "cthulhu.views": 2,
    "cthulhu.laws": 3,
    "cthulhu.programs": 4,
    "cthulhu.initializers": 5,
    "cthulhu.tracing": 5,
    "cthulhu.functional": 6,
    "cthulhu.usage": 6,
    "cthulhu.backend": 7,
    "cthulhu.params": 7,
    "cthulhu.layers": 8,
    "cthulhu.models": 8,
    "cthulhu.adapters": 8,
    "cthulhu.recipes": 8,
    "cthulhu.mup": 8,
    "cthulhu.calibration": 8,
    "cthulhu.audit": 9,
    "cthulhu.diagnostics": 10,
    "cthulhu": 11,
    "cthulhu.__main__": 12,
}

# The files that are not named otherwise: each defines a family of initializers.
FAMILIES = "*"

# Inside a package, a file imports only from earlier lines. Files of one line are strangers.
ORDER = {
    "cthulhu.checks": (
        ("_traced", "_words"),
        ("_numbers", "_shapes"),
        ("_dtypes", "_keys"),
    ),
    "cthulhu.fans": (
        ("_count",),
        ("_layout",),
        ("_told",),
    ),
    "cthulhu.random": (
        ("_keys", "_threefry"),
        ("_bits",),
        ("_scope",),
    ),
    "cthulhu.laws": (
        ("_base", "_inverse"),
        ("_applied", "_complex", "_composed", "_fixed", "_of_uniform", "_normal", "_uniform"),
        ("_matrices", "_where"),
        ("_copied", "_orthogonal", "_spectral", "_tail"),
    ),
    "cthulhu.programs": (
        ("_handing", "_placement", "_pool"),
        ("_build",),
        ("_blocks", "_draws"),
        ("_jobs",),
        ("_executor",),
    ),
    "cthulhu.initializers": (
        ("_docstrings", "_foreign_draws", "_keras", "_misuse", "_options", "_signatures"),
        ("_base",),
        ("_builtin", "_custom"),
        ("_functions",),
        ("_registry",),
        ("_config", "_variance_scaling"),
        ("_lookup",),
        ("_nested",),
        (FAMILIES,),
    ),
    "cthulhu.tracing": (
        ("_graph", "_law"),
        ("_derivation",),
        ("_parts",),
        ("_components", "_flat"),
        ("_launch",),
        ("_trace",),
    ),
    "cthulhu.usage": (
        ("_usage", "_views"),
        ("_answers", "_values"),
        ("_bodies", "_entering", "_recorder"),
        ("_elementwise", "_moving", "_taps"),
        ("_contractions",),
        ("_walk",),
        ("_infer",),
        ("_activations",),
        ("_streams",),
    ),
    "cthulhu.params": (
        (
            "_keys",
            "_layout",
            "_patterns",
            "_progress",
            "_report",
            "_rows",
            "_rule_errors",
            "_siblings",
        ),
        ("_fitting", "_masks", "_naming", "_orthogonal_to", "_using"),
        ("_configs",),
        ("_initplan", "_rule"),
        ("_rules",),
        ("_beside", "_leaves"),
        ("_cautions", "_described", "_making", "_relations"),
        ("_saved",),
        ("_plan",),
        ("_fill", "_reinit", "_verify"),
    ),
    "cthulhu.recipes": (
        ("_roles",),
        ("_recipe",),
        ("_naming", "_shared"),
        ("families.llama", "families.mamba", "names.transformers"),
        ("families.mixtral",),
        ("families.*", "names.*"),
        ("families", "names"),
        ("_rules",),
        ("_show",),
    ),
    "cthulhu.mup": (
        ("_leaf", "_measured", "_panels", "_slopes"),
        ("_coordinates", "_kind", "_roles"),
        ("_coord_check",),
        ("_relative", "_unit"),
        ("_kinds",),
        ("_shapes",),
        ("_forward", "_infer", "_rules", "_scale"),
        ("_optimizers",),
        ("_muon",),
    ),
    "cthulhu.audit": (
        ("_audit", "_copies", "_expected", "_observed"),
        ("_tests",),
        ("_drawn",),
        ("_looks",),
        ("_faults",),
        ("_check",),
    ),
    "cthulhu.calibration": (
        ("_slices", "_targets"),
        ("_data", "_layers"),
        ("_orthonormal", "_passes"),
        ("_calibrate",),
    ),
    "cthulhu.diagnostics": (
        ("_checkpoints", "_jacobian", "_lanczos", "_layer", "_leaf", "_measuring", "_outlook"),
        ("_asked", "_flags", "_pictures"),
        ("_data", "_lines", "_spectra"),
        ("_depth", "_report", "_singular"),
        ("_histogram", "_signal", "_spectrum"),
        ("_compare",),
    ),
    "cthulhu.adapters": (
        ("_layers",),
        ("equinox", "haiku", "keras", "nnx", "torch"),
    ),
}

# What `import cthulhu` may load besides the standard library.
LIGHT = frozenset({"cthulhu", "jax", "numpy"})


class Import(NamedTuple):
    """One imported name, in full, and whether importing the file runs it."""

    name: str
    line: int
    at_import: bool


def module_of(path: Path) -> str:
    parts = ("cthulhu", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def runs_later(node: ast.AST) -> bool:
    """Whether importing the file does not run what is inside: functions, and what is for types."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def walk(tree: ast.AST, at_import: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    for node in ast.iter_child_nodes(tree):
        yield node, at_import
        yield from walk(node, at_import and not runs_later(node))


def imports(source: str, known: frozenset[str] = frozenset(FILES)) -> list[Import]:
    """The modules that a file imports; `from package import module` names the module."""
    found = []
    for node, at_import in walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, at_import) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                resolved = name if name in known or not base.startswith("cthulhu") else base
                found.append(Import(resolved, node.lineno, at_import))
    return found


def attributes(source: str) -> set[str]:
    """Every dotted name that a file uses, as `jax.extend.random`."""
    return {
        ast.unparse(node) for node in ast.walk(ast.parse(source)) if type(node) is ast.Attribute
    }


def package_of(module: str) -> str:
    """The unit of a floor: a file at the top, or a package."""
    return ".".join(module.split(".")[:2])


def place(module: str) -> int | None:
    """The line of a file in its package's order; the package's own file is last."""
    package = package_of(module)
    if package not in ORDER:
        return None
    if module == package:
        return len(ORDER[package])
    file = module.removeprefix(f"{package}.")
    lines = [line for line, files in enumerate(ORDER[package]) if file in files]
    lines += [line for line, files in enumerate(ORDER[package]) if fits(file, files)]
    assert lines, f"{module} has no place yet: add {file!r} to ORDER[{package!r}]"
    return lines[0]


def fits(file: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern stands for a file, as ``families.*`` for those of a folder."""
    return any(fnmatch.fnmatch(file, pattern) for pattern in patterns if "*" in pattern)


def wrong_imports(module: str, source: str) -> list[str]:
    """The imports of a file that come from its own floor or from above."""
    wrong = []
    own = package_of(module)
    for name, line, _ in imports(source):
        if name.split(".")[0] != "cthulhu":
            continue
        other = package_of(name)
        if other != own:
            allowed = FLOORS[other] < FLOORS[own]
        elif name == module:
            allowed = False
        else:
            here, there = place(module), place(name)
            allowed = name != own if here is None or there is None else there < here
        if not allowed:
            wrong.append(f"{module}:{line} imports {name}")
    return wrong


@pytest.mark.parametrize("module", FILES)
def test_a_file_imports_only_from_below(module: str) -> None:
    assert wrong_imports(module, FILES[module].read_text()) == []


@pytest.mark.parametrize("module", FILES)
def test_a_file_is_on_a_floor(module: str) -> None:
    assert package_of(module) in FLOORS
    if package_of(module) in ORDER:
        place(module)


def test_the_floors_name_nothing_that_is_not_there() -> None:
    assert set(FLOORS) - {package_of(module) for module in FILES} == set()


def test_contributing_tells_the_same_floors() -> None:
    page = (ROOT.parent / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (\d+) +\| (.*)\|$", page, flags=re.MULTILINE)
    told = {
        "cthulhu" if name == "cthulhu" else f"cthulhu.{name}": int(floor)
        for floor, modules in rows
        for name in re.findall(r"`(\w+)`", modules)
    }
    assert told == FLOORS


@pytest.mark.parametrize("package", ORDER)
def test_the_order_names_no_file_that_is_gone(package: str) -> None:
    declared = {f"{package}.{file}" for files in ORDER[package] for file in files}
    families = {cls.__module__ for cls in CLASSES} - declared
    there = {name for name in FILES if name.startswith(f"{package}.")}
    if f"{package}.{FAMILIES}" in declared:
        there = there - families | {f"{package}.{FAMILIES}"}
    for folder in (name for name in declared - there if name.endswith(".*")):
        inside = {name for name in there - declared if fnmatch.fnmatch(name, folder)}
        there = there - inside | ({folder} if inside else set())
    assert declared == there


def test_no_files_import_each_other_in_a_circle() -> None:
    edges = {
        module: {one.name for one in imports(path.read_text()) if one.name in FILES} - {module}
        for module, path in FILES.items()
    }
    while free := {module for module, below in edges.items() if not below & set(edges)}:
        edges = {module: below for module, below in edges.items() if module not in free}
    assert edges == {}


@pytest.mark.parametrize("module", FILES)
def test_a_file_uses_no_private_jax(module: str) -> None:
    source = FILES[module].read_text()
    assert "jax._src" not in source
    assert not any(name.startswith("jax._src") for name, _, _ in imports(source))


def uses(library: str) -> set[str]:
    """The modules that import a library or reach it by attribute."""
    using = set()
    for module, path in FILES.items():
        source = path.read_text()
        names = {one.name for one in imports(source)} | attributes(source)
        if any(name == library or name.startswith(f"{library}.") for name in names):
            using.add(module)
    return using


@pytest.mark.parametrize("what", ["jax.extend", "jax.interpreters", "jax.__version_info__"])
def test_what_jax_may_change_is_used_in_one_place(what: str) -> None:
    assert uses(what) == {"cthulhu.compat"}


def remembering(source: str) -> list[str]:
    """The functions of a file that Python remembers results of, beside constants."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ("lru_cache", "OrderedDict"):
            found.append(ast.unparse(node))
        if isinstance(node, ast.FunctionDef) and node.args.args:
            found += [
                node.name
                for decorator in node.decorator_list
                if ast.unparse(decorator) in ("functools.cache", "cache")
            ]
    return found


@pytest.mark.parametrize("module", [name for name in FILES if name != "cthulhu.caches"])
def test_every_cache_is_one_that_can_be_emptied(module: str) -> None:
    assert remembering(FILES[module].read_text()) == []


def test_a_cache_of_its_own_is_found() -> None:
    source = "@functools.cache\ndef f(x): ...\n@functools.cache\ndef g(): ...\n"
    assert remembering(source) == ["f"]
    assert remembering("functools.lru_cache(maxsize=3)(f)") == ["functools.lru_cache"]


@pytest.mark.parametrize("module", FILES)
def test_a_file_has_no_relative_import(module: str) -> None:
    assert not [one for one in imports(FILES[module].read_text()) if one.name.startswith(".")]


@pytest.mark.parametrize("module", FILES)
def test_a_file_is_short(module: str) -> None:
    assert len(FILES[module].read_text().splitlines()) <= LONGEST


def reached(start: str) -> dict[str, set[str]]:
    """What importing a module loads: every module of the house, with what else it imports."""
    found: dict[str, set[str]] = {}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        names = {one.name for one in imports(FILES[module].read_text()) if one.at_import}
        found[module] = {name for name in names if name.split(".")[0] != "cthulhu"}
        for name in names & set(FILES):
            parts = name.split(".")
            waiting += [".".join(parts[: end + 1]) for end in range(len(parts))]
    return found


def test_import_cthulhu_reaches_nothing_heavy() -> None:
    outside = {name.split(".")[0] for names in reached("cthulhu").values() for name in names}
    assert outside - sys.stdlib_module_names <= LIGHT
    assert {"cthulhu.programs._draws", "cthulhu.initializers._lookup"} <= set(reached("cthulhu"))
    assert not {"cthulhu.layers", "cthulhu.models"} & set(reached("cthulhu"))


def test_layers_reach_flax() -> None:
    """The walk sees what is there: without this, the test above could pass on nothing."""
    assert "flax.linen" in reached("cthulhu.layers")["cthulhu.layers"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cthulhu.fans", "from cthulhu import functional"),
        ("cthulhu.fans", "import cthulhu.random._keys"),
        ("cthulhu.checks", "from cthulhu.trees import join"),
        ("cthulhu.initializers._normal", "from cthulhu.functional import zeros"),
        ("cthulhu.initializers._normal", "from cthulhu.initializers._he import HeNormal"),
        ("cthulhu.initializers._normal", "from cthulhu.initializers import HeNormal"),
        ("cthulhu.initializers._registry", "from cthulhu.initializers._he import HeNormal"),
        ("cthulhu.random._threefry", "from cthulhu.random import _keys"),
        ("cthulhu.random._keys", "def f():\n    from cthulhu.random._scope import next_key"),
        ("cthulhu.initializers._base", "from cthulhu import initializers"),
        ("cthulhu.backend", "from cthulhu.params import plan"),
        ("cthulhu.layers", "from cthulhu.models import Sequential"),
        ("cthulhu.params._rules", "from cthulhu.params import fast_init"),
        ("cthulhu.params._rules", "from cthulhu.params._plan import plan"),
        ("cthulhu.tracing._launch", "from cthulhu.params._rows import LeafPlan"),
        ("cthulhu.tracing._flat", "from cthulhu.initializers import HeNormal"),
        ("cthulhu.layers", "from cthulhu import __version__"),
    ],
)
def test_the_walk_finds_an_import_from_above(module: str, source: str) -> None:
    assert len(wrong_imports(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("cthulhu.fans", "from cthulhu import checks, typing"),
        ("cthulhu.programs._draws", "from cthulhu.programs._build import bind"),
        ("cthulhu.random._scope", "from cthulhu.random import _keys"),
        ("cthulhu.initializers", "from cthulhu.initializers._lookup import get"),
        ("cthulhu.params._rules", "from cthulhu.params._layout import Layout"),
        ("cthulhu.layers", "from cthulhu import initializers, random\nimport flax.linen as nn"),
        ("cthulhu", "from cthulhu import backend"),
    ],
)
def test_the_walk_lets_an_import_from_below_pass(module: str, source: str) -> None:
    assert wrong_imports(module, source) == []
