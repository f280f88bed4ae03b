"""The documentation says what the code says, and its names lead somewhere."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import cthulhu
from cthulhu import initializers, typing
from cthulhu.initializers._registry import CLASSES

ROOT = Path(cthulhu.__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
INVENTORIES = sorted((DOCS / "inventories").glob("*.txt"))

LISTED = [
    (inventory.stem, *line.split())
    for inventory in INVENTORIES
    for line in inventory.read_text().splitlines()
    if not line.startswith("#")
]


def by_page(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


@pytest.mark.parametrize(("project", "name", "kind", "page"), LISTED)
def test_a_name_that_is_linked_to_another_project_is_there(
    project: str, name: str, kind: str, page: str
) -> None:
    assert name == project or name.startswith(f"{project}.")
    found = pkgutil.resolve_name(name)
    kinds = {"module": inspect.ismodule, "class": inspect.isclass}
    assert kinds.get(kind, callable)(found)
    assert re.fullmatch(r"[\w./]+\.html", page)


def test_every_linked_name_is_used() -> None:
    sources = [*PAGES, *(ROOT / "cthulhu").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    assert [name for _, name, *_ in LISTED if not re.search(rf"\b{re.escape(name)}\b", text)] == []


@pytest.mark.parametrize("path", PAGES, ids=by_page)
def test_every_picture_has_a_text_in_its_place(path: Path) -> None:
    page = path.read_text()
    for alternative in re.findall(r"!\[([^\]]*)\]\(", page):
        assert len(alternative.split()) >= 5, alternative
    for cell in re.findall(r"^```\{code-cell\}\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        if "plt.show()" in cell:
            assert re.search(r"^ +alt: ", cell, re.MULTILINE), cell


@pytest.mark.parametrize("path", sorted((DOCS / "api").glob("*.md")), ids=by_page)
def test_a_page_of_the_reference_says_nothing_twice(path: Path) -> None:
    """The module introduces itself; what is written around it leads to other pages."""
    head, directive, rest = path.read_text().partition("```{eval-rst}\n.. automodule:: ")
    if directive:
        outside = head.partition("\n")[2] + rest.partition("```")[2]
        assert all("](../" in paragraph for paragraph in outside.split("\n\n") if paragraph.strip())
        assert importlib.import_module(path.read_text().split()[1]).__doc__


def test_the_page_of_types_names_each_of_them() -> None:
    page = (DOCS / "api" / "typing.md").read_text()
    named = re.findall(r"^\.\. (?:py:type:: |autoclass:: cthulhu\.typing\.)(\w+)$", page, re.M)
    assert sorted(named) == typing.__all__


def test_the_page_of_initializers_gives_the_arguments_and_defaults_of_the_code() -> None:
    page = (DOCS / "initializers.md").read_text()
    told = re.findall(r"^`(\w+)(\([^`]*\))`$", page, re.MULTILINE)
    assert {"Constant", "VarianceScaling", "Orthogonal"} <= {name for name, _ in told}
    for name, arguments in told:
        parameters = inspect.signature(getattr(initializers, name)).parameters.values()
        plain = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
        assert arguments == str(inspect.Signature(plain)), name


def test_the_default_distribution_is_that_of_the_code() -> None:
    told = inspect.getdoc(initializers.VarianceScaling)
    assert told
    default = initializers.VarianceScaling().distribution
    assert f'distribution: ``"{default}"`` (default)' in told


def test_contributing_counts_the_initializers_of_the_demo() -> None:
    quickstart = (ROOT / "examples" / "quickstart.py").read_text()
    names = re.search(r"INITIALIZERS = \(\n(.*?)^\)", quickstart, re.DOTALL | re.MULTILINE)
    assert names
    numbers = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    count = numbers[len(re.findall(r'"\w+"', names.group(1)))]
    for page in ("CONTRIBUTING.md", "README.md"):
        assert f"each of {count} initializers" in (ROOT / page).read_text()


def test_the_three_parts_of_the_page_of_initializers_have_one_order() -> None:
    page = (DOCS / "initializers.md").read_text()
    laws = re.findall(r"^\| `(\w+)` \| `\w+` \|", page, re.MULTILINE)
    moments, arguments = page.partition("| | Mean | Stddev | Support |")[2].split("## Arguments")
    assert [name for name in laws if name[0].isupper()] == laws
    assert re.findall(r"^\| (\w+) \|", moments, re.MULTILINE) == laws
    entries = re.findall(r"^`(\w+)`?(?:\(.*)?.*\n: ", arguments, re.MULTILINE)
    assert [laws.index(name) for name in entries] == sorted(map(laws.index, entries))
    assert {cls.__name__ for cls in CLASSES} == set(laws)
    told = set(
        re.findall(
            r"`(\w+)(?:\(.*?\))?`", "\n".join(re.findall(r"^(`\w+.*)\n: ", arguments, re.MULTILINE))
        )
    )
    assert told >= set(laws)
