"""The tables of names: every class that is defined, and all that it is called."""

import re
from typing import TypeVar

from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._docstrings import with_axes
from cthulhu.initializers._functions import function_of

Definition = TypeVar("Definition", bound=type[BuiltIn])

# `defined` fills these while the classes are imported.
CLASSES: list[type[BuiltIn]] = []
NAMES: dict[str, type[BuiltIn]] = {}
KNOWN_AS: dict[str, str] = {}


def defined(cls: Definition) -> Definition:
    """Complete a class that defines an initializer: its name, its function, its other names."""
    cls.name = snake_case(cls.__name__)
    if cls.__doc__ is not None:
        cls.__doc__ = with_axes(cls.__doc__)
    cls.defaults = {field.name: field.default for field in cls.option_fields()}
    cls.function = staticmethod(function_of(cls))
    names = [cls.__name__, cls.name, *cls.aliases, *cls.legacy]
    if cls.in_keras:
        names.append(f"{cls.__name__}V2")
    CLASSES.append(cls)
    NAMES.update(dict.fromkeys(names, cls))
    KNOWN_AS.update(dict.fromkeys(cls.known_as, cls.name))
    return cls


def snake_case(name: str) -> str:
    """`HeNormal` as `he_normal`, and `S4DReal` as `s4d_real`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
