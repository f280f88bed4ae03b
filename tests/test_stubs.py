"""What type checkers and editors read of the two faces is what the classes say."""

import ast
import inspect
from pathlib import Path

import pytest

from cthulhu import functional, initializers
from tests.stubs import STUBS


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.stem)
def test_a_stub_is_what_the_classes_say(path: Path) -> None:
    assert path.read_text() == STUBS[path](), "the classes have changed: run `make stubs`"


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.stem)
def test_a_stub_names_what_its_module_has(path: Path) -> None:
    face = functional if path.stem == "functional" else initializers
    scope: dict[str, object] = {}
    exec(compile(path.read_text(), path.name, "exec"), scope)
    assert scope["__all__"] == face.__all__
    assert set(face.__all__) <= scope.keys()


@pytest.mark.parametrize("name", functional.__all__)
def test_a_function_of_the_stub_has_the_arguments_of_the_function(name: str) -> None:
    function = getattr(functional, name)
    tree = ast.parse(next(path for path in STUBS if path.stem == "functional").read_text())
    (written,) = (
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__
    )
    parameters = inspect.signature(function).parameters
    assert [one.arg for one in (*written.args.args, *written.args.kwonlyargs)] == list(parameters)
    defaults = [one.default for one in parameters.values() if one.default is not one.empty]
    told = [*written.args.defaults, *written.args.kw_defaults]
    assert [ast.literal_eval(one) for one in told if one is not None] == defaults
    assert ast.get_docstring(written) == inspect.getdoc(function)
