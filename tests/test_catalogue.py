"""The pages of all initializers: nothing is forgotten, here or at a peer, and calls run."""

import ast
import importlib.util
import inspect
import math
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cthulhu
from cthulhu import fans, functional, gains, initializers, params
from cthulhu.initializers._registry import CLASSES

DOCS = Path(cthulhu.__file__).parents[1] / "docs"
PAGE = (DOCS / "catalogue.md").read_text()
# What the calls in the column "here" may name.
NAMES: dict[str, Any] = {
    **{name: getattr(initializers, name) for name in initializers.__all__},
    "fans": fans,
    "functional": functional,
    "gains": gains,
    "math": math,
    "params": params,
}
# What a column says of an option, or of a value.
ELSEWHERE = {"out_sharding", "get_config"}
LIBRARIES = "cthulhu|flax|haiku|jax|keras|numpy|torch"


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def rows() -> Iterator[dict[str, str]]:
    """The rows of all tables, by the titles of their columns."""
    for table in re.findall(r"^\|.*\n(?:\|.*\n)+", PAGE, re.MULTILINE):
        head, _, *body = (re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines())
        for row in body:
            assert len(row) == len(head), row
            yield {title.strip(): cell.strip() for title, cell in zip(head, row, strict=True)}


HERE = sorted({text for row in rows() for text in code(row["here"])})


def told(column: str) -> list[str]:
    """The code in a column about a peer."""
    return [text for row in rows() for text in code(row.get(column, ""))]


def test_the_tables_are_read() -> None:
    assert len(HERE) > 120
    assert len(told("torch.nn.init")) > 15


@pytest.mark.parametrize("text", HERE)
def test_what_is_written_here_evaluates(text: str) -> None:
    eval(text, dict(NAMES))


def test_every_initializer_is_on_the_page() -> None:
    written = " ".join(HERE)
    missing = [cls.__name__ for cls in CLASSES if not re.search(rf"\b{cls.__name__}\b", written)]
    assert missing == []


def test_what_sees_other_parameters_is_on_the_page() -> None:
    for name in ("FromSiblings", "OrthogonalTo", "RingNormalizer", "Tied", "WeightNormScale"):
        assert f"params.{name}" in " ".join(HERE)


def public(module: ModuleType) -> dict[str, Any]:
    """The initializers of a module, and what finds and saves them."""
    names = [name for name in dir(module) if not name.startswith("_")]
    if module.__name__ == "torch.nn.init":  # What has no underscore is deprecated, or imported.
        names = [name for name in names if name.endswith("_") or name == "calculate_gain"]
    if module.__name__ == "keras.initializers":  # Each class has its snake_case name too.
        kept = ("deserialize", "get", "serialize")
        names = [name for name in names if name[0].isupper() or name in kept]
    return {name: getattr(module, name) for name in names}


COLUMNS = {
    "jax.nn.initializers": "jax.nn.initializers",
    "flax.linen.initializers": "jax.nn.initializers",
    "keras.initializers": "Keras 3",
    "haiku.initializers": "Haiku",
    "torch.nn.init": "torch.nn.init",
}


def names_of(peer: str) -> set[str]:
    return {text.partition("(")[0].removeprefix(f"{peer}.") for text in told(COLUMNS[peer])}


@pytest.mark.parametrize("peer", COLUMNS)
def test_every_initializer_of_a_peer_is_on_the_page(peer: str) -> None:
    values = public(pytest.importorskip(peer))
    written = {id(values[name]) for name in names_of(peer) & set(values)}
    assert [name for name, value in values.items() if id(value) not in written] == []


@pytest.mark.parametrize("peer", [peer for peer in COLUMNS if not peer.startswith("flax")])
def test_what_a_peer_is_said_to_have_is_there_with_these_defaults(peer: str) -> None:
    module = pytest.importorskip(peer)
    for text in told(COLUMNS[peer]):
        name = text.partition("(")[0]
        if name in ELSEWHERE:
            continue
        if re.match(rf"({LIBRARIES})\.", name):
            pkgutil.resolve_name(name)
            continue
        parameters = inspect.signature(getattr(module, name)).parameters if "(" in text else {}
        written = ast.parse(text, mode="eval").body
        for argument in written.keywords if isinstance(written, ast.Call) else ():
            assert argument.arg
            assert parameters[argument.arg].default == ast.literal_eval(argument.value), text


def test_the_page_of_peers_knows_torch() -> None:
    """`make peers` runs the files with this call."""
    assert hasattr(pytest.importorskip("torch").nn.init, "kaiming_uniform_")


def test_the_fans_of_other_layers_are_those_told() -> None:
    """LeCun's stddev is 1 / sqrt(fan_in), with the default axes and with the layout."""
    table = [row for row in rows() if "Kernel" in row]
    assert len(table) >= 6
    for row in table:
        shape = ast.literal_eval(row["Kernel"])
        init = eval(row["here"].strip("`"), dict(NAMES))
        for written, layout in (("stddev there", None), ("of its inputs", init.layout)):
            stddev = fans.compute_fans(shape, layout=layout).fan_in ** -0.5
            assert f"{stddev:.4f}" == row[written], row


@pytest.mark.parametrize(
    ("call", "gain"),
    [
        (call, float(gain))
        for row in rows()
        for call, gain in re.findall(r"`(Xavier\([^`]+\))`, of gain ([\d.]+)", row["here"])
    ],
)
def test_a_recipe_has_the_gain_that_is_told(call: str, gain: float) -> None:
    init = eval(call, dict(NAMES))
    assert init.gain == pytest.approx(gain, rel=0.005)


def gallery() -> Any:
    """The module that draws the pictures."""
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("_gallery", DOCS / "_gallery.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_initializer_is_in_the_gallery() -> None:
    pictures = gallery().FAMILIES
    calls = [call for family in pictures.values() for call, *_ in family]
    shown = {type(eval(call, dict(NAMES))) for call in calls}
    assert shown == set(CLASSES)
    assert len(set(calls)) == len(calls)


def test_every_family_of_the_gallery_is_on_its_page_in_light_and_dark() -> None:
    page = (DOCS / "gallery.md").read_text()
    shown = re.findall(
        r'^    alt: ".{40,}"\n    classes: only-(light|dark)\n---\nshow\("(\w+)"(, dark=True)?\)$',
        page,
        re.MULTILINE,
    )
    families = list(gallery().FAMILIES)
    assert [family for _, family, _ in shown] == [one for one in families for _ in range(2)]
    assert all((side == "dark") == bool(dark) for side, _, dark in shown)
