"""The stubs of the two faces, written from the classes: `make stubs` runs this.

Type checkers and editors read these files in place of the modules, whose names come
from the classes too. `tests/test_stubs.py` fails where a stub is not what this writes.
"""

import inspect
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import jax

import cthulhu
from cthulhu import fans, functional, gains, initializers, typing

ROOT = Path(cthulhu.__file__).parent

HEAD = """\
\"""{docstring}\"""

# Written by `make stubs` from the classes of cthulhu.initializers: edit those.

{imports}
"""

# Where the names of types come from.
SOURCES = {
    fans: ("LayoutLike",),
    gains: ("Nonlinearity",),
    typing: tuple(typing.__all__),
}
TYPES = {
    jax.Array: "jax.Array",
    jax.Array | None: "jax.Array | None",
    typing.DTypeLike | None: "DTypeLike | None",
    **{getattr(module, name): name for module, names in SOURCES.items() for name in names},
}


def name_of(annotation: Any) -> str:
    """A type under the name that `cthulhu.typing` has for it."""
    name: str = TYPES.get(annotation) or getattr(annotation, "__name__", str(annotation))
    return name


def named(face: ModuleType) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a face has under its own name, and what under another."""
    public = {name: getattr(face, name) for name in face.__all__}
    own = {name: thing for name, thing in public.items() if thing.__name__ == name}
    return own, {name: thing for name, thing in public.items() if name not in own}


def parameter(one: inspect.Parameter) -> str:
    default = repr(one.default).replace("'", '"')
    given = "" if one.default is one.empty else f" = {default}"
    return f"    {one.name}: {name_of(one.annotation)}{given},\n"


def function(thing: Any) -> str:
    """A function with its types, its defaults and its docstring."""
    parameters = list(inspect.signature(thing).parameters.values())
    positional = [parameter(one) for one in parameters if one.kind is not one.KEYWORD_ONLY]
    keywords = [parameter(one) for one in parameters if one.kind is one.KEYWORD_ONLY]
    star = ["    *,\n"] if keywords else []
    docstring = textwrap.indent(f'"""{thing.__doc__}"""', "    ")
    lines = "".join([*positional, *star, *keywords])
    return f"def {thing.__name__}(\n{lines}) -> jax.Array:\n{docstring}\n"


def aliases(others: dict[str, Any]) -> str:
    return "".join(f"{name} = {thing.__name__}\n" for name, thing in others.items())


def listed(face: ModuleType) -> str:
    names = "".join(f'    "{name}",\n' for name in face.__all__)
    return f"__all__ = [\n{names}]\n"


def stub_of_functional() -> str:
    """`cthulhu/functional.pyi`."""
    own, others = named(functional)
    functions = "\n".join(map(function, own.values()))
    imports = "import jax\n"
    for module, names in SOURCES.items():
        used = [name for name in names if re.search(rf": {name}\b", functions)]
        lines = "".join(f"    {name},\n" for name in sorted(used, key=str.lower))
        several = f"(\n{lines})" if len(used) > 1 else ", ".join(used)
        imports += f"\nfrom {module.__name__} import {several}" if used else ""
    head = HEAD.format(docstring=functional.__doc__, imports=imports)
    return f"{head}\n{functions}\n{aliases(others)}\n{listed(functional)}"


def stub_of_initializers() -> str:
    """`cthulhu/initializers/__init__.pyi`: each class under each of its names."""
    own, others = named(initializers)
    files: dict[str, list[str]] = {}
    for name, thing in own.items():
        files.setdefault(thing.__module__, []).append(name)
    imports = "\n".join(
        f"from {module} import {', '.join(names)}" for module, names in sorted(files.items())
    )
    head = HEAD.format(docstring=initializers.__doc__, imports=imports)
    return f"{head}\n{aliases(others)}\n{listed(initializers)}"


STUBS = {
    ROOT / "functional.pyi": stub_of_functional,
    ROOT / "initializers" / "__init__.pyi": stub_of_initializers,
}

if __name__ == "__main__":
    for path, stub in STUBS.items():
        path.write_text(stub())
