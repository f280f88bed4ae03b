"""What an installation brings is what the package imports; the first pages tell it truly."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import cthulhu

ROOT = Path(cthulhu.__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PAGES = ("README.md", "docs/index.md")


def name_of(requirement: str) -> str:
    found = re.match(r"[\w-]+", requirement)
    assert found
    return found.group()


def imported() -> dict[str, set[str]]:
    """The libraries that the package imports, and the files that do."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "cthulhu").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path.stem)
    return {name: files for name, files in found.items() if name not in sys.stdlib_module_names}


def test_every_library_that_is_imported_is_declared() -> None:
    always = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    assert always == {"jax", "numpy", "regex", "rich", "scipy"}
    extras = {IMPORTED.get(extra, extra) for extra in EXTRAS}
    assert set(imported()) - {"cthulhu"} <= always | extras


# What is imported, where it is called otherwise than the extra.
IMPORTED = {"plot": "matplotlib"}

# What is installed, where it is called otherwise than what is imported.
INSTALLED = {"haiku": "dm-haiku", "orbax": "orbax-checkpoint"}


def test_every_extra_is_for_a_library_that_is_imported() -> None:
    for extra, requirements in EXTRAS.items():
        if extra != "all":
            library = IMPORTED.get(extra, extra)
            assert library in imported()
            assert [name_of(one) for one in requirements] == [INSTALLED.get(library, library)]


def test_the_extra_all_is_all_of_them() -> None:
    (everything,) = EXTRAS["all"]
    assert everything == f"cthulhu-jax[{','.join(sorted(EXTRAS.keys() - {'all'}))}]"


def test_flax_is_for_layers_models_and_its_adapter_alone() -> None:
    assert imported()["flax"] == {"layers", "models", "nnx"}


def test_torch_is_never_imported() -> None:
    assert "torch" not in imported()


@pytest.mark.parametrize("page", PAGES)
def test_the_first_pages_name_the_package_and_extras_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    assert "not on the Python package index yet" in text
    assert "pip install .  " in text
    named = re.findall(r"'(?:\.|cthulhu-jax)\[(\w+)\]'", text)
    assert "flax" in named
    assert set(named) <= EXTRAS.keys()
    assert set(re.findall(r"cthulhu-\w+", text)) == {PROJECT["name"]}


def test_the_readme_can_be_read_anywhere() -> None:
    """It is shown on package indexes too, where a path leads nowhere."""
    links = re.findall(r"\]\(([^)]*)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_citation_is_of_this_version() -> None:
    told = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    assert told["cff-version"] == "1.2.0"
    assert told["version"] == cthulhu.__version__
    assert told["license"] == PROJECT["license"]
    (author,) = PROJECT["authors"]
    assert f"- name: {author['name']}" in (ROOT / "CITATION.cff").read_text()
    released = re.search(
        rf"^## \[{re.escape(cthulhu.__version__)}\] - (\S+)$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert released
    assert told.get("date-released", "unreleased") == released.group(1)
