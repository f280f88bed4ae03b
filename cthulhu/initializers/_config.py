"""Configs: instances as plain dicts, in the form that Keras reads and writes."""

import contextvars
import re
import types
from collections.abc import Mapping
from typing import Any, NamedTuple, overload

from cthulhu import checks, typing
from cthulhu.initializers._base import Initializer
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._custom import from_callable
from cthulhu.initializers._keras import PACKAGE, registered
from cthulhu.initializers._registry import CLASSES, KNOWN_AS, NAMES

KERAS_MODULE = "keras.initializers"
OWN_MODULE = "cthulhu.initializers"

# Modules whose classes are known here by their bare names.
KNOWN_MODULES = re.compile(r"(cthulhu|keras|tf_keras|keras_core|tensorflow|builtins)(\.|$)")

# Where Keras 2 and Keras 3 define their own classes.
BUILT_IN = re.compile(r"(tf_)?keras\.(src\.)?initializers(\.|$)")


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Turn an instance into a config: a dict that JSON can hold.

    Args:
        initializer: an instance of a class of this library, or of a subclass
            of `Initializer` with a `get_config`.

    Returns:
        ``{"module": …, "class_name": …, "config": …, "registered_name": …}``, which
        `deserialize` reads. Where Keras has the class and every argument, the
        module is Keras's, and `keras.initializers.deserialize` reads it
        everywhere; else it is this library's and the name, as
        ``"cthulhu>DeltaOrthogonal"``, is known to Keras once
        `cthulhu.adapters.keras` is imported.

    Raises:
        TypeError: `initializer` is not an instance of `Initializer`, or wraps a
            callable or an array, which no config can hold.

    Example:
        >>> from cthulhu.initializers import HeNormal
        >>> serialize(HeNormal(seed=7))["config"]["seed"]
        7
    """
    cls = type(initializer)
    if not isinstance(initializer, Initializer):
        hint = ""
        if isinstance(initializer, type) and issubclass(initializer, Initializer):
            hint = f". Make an instance: {initializer.__name__}()"
        raise TypeError(
            f"serialize: an instance of Initializer is needed; got {initializer!r} "
            f"of type {cls.__name__}{hint}"
        )
    if cls in CLASSES:
        config = initializer.get_config()
        shared = keras_has(cls, config)
        return {
            "module": KERAS_MODULE if shared else OWN_MODULE,
            "class_name": cls.__name__,
            "config": config,
            "registered_name": None if shared else f"{PACKAGE}>{cls.__name__}",
        }
    if cls.get_config is Initializer.get_config and cls.__init__ is not object.__init__:
        raise TypeError(
            f"serialize: {cls.__name__} has arguments and no get_config, so its config would lose "
            "them. Implement get_config(self), which returns the constructor's arguments; "
            "a bare function or an array cannot be saved: subclass Initializer"
        )
    return {
        "module": cls.__module__,
        "class_name": cls.__name__,
        "config": initializer.get_config(),
        "registered_name": cls.__name__,
    }


def keras_has(cls: type[BuiltIn], config: Mapping[str, Any]) -> bool:
    """Whether Keras knows the class and all that is in the config, with the same meaning."""
    ours = (field.name for field in cls.fields() if field.kw_only)
    return cls.in_keras and config.keys().isdisjoint(ours) and config.get("mode") != "fan_geo_avg"


@overload
def deserialize(config: str | Mapping[str, Any], custom_objects: None = None) -> Initializer: ...
@overload
def deserialize(
    config: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None
) -> typing.Initializer: ...
def deserialize(
    config: str | Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> typing.Initializer:
    """Make an initializer from a name or a config.

    Args:
        config: a name (``"he_normal"`` or ``"HeNormal"``; Keras's legacy names
            are known too), or a dict with ``"class_name"`` and ``"config"``, as
            this library, Keras 3 and Keras 2 write it. A ``"seed"`` that is
            negative or too large is read as Keras means it, modulo 2**32.
        custom_objects: further classes and functions, by name or by registered
            name, which come first. What is registered with Keras is known too.

    Returns:
        An instance; for a function, what `get` makes of it.

    Raises:
        ValueError: the name is unknown, or that of a user's class that is not in
            `custom_objects`; or the config holds code.
        TypeError: `config` is neither a name nor such a dict, or the class does
            not know an argument in it.

    Example:
        >>> deserialize({"class_name": "RandomNormal", "config": {"stddev": 0.1}})
        RandomNormal(stddev=0.1)
    """
    named = read(config)
    # Of initializers within it too.
    custom = {**_custom_objects.get(), **(custom_objects or {})}
    found = custom.get(named.registered_name, custom.get(named.name))
    if found is None and ">" in named.registered_name:
        found = registered(named.registered_name)
    if found is None and named.is_known:
        found = NAMES.get(named.name)
    if found is None:
        raise ValueError(unknown(named, {*NAMES, *custom}))
    if isinstance(found, type):
        build = getattr(found, "from_config", lambda arguments: found(**arguments))
        token = _custom_objects.set(custom)
        try:
            return as_initializer(build(named.arguments))
        finally:
            _custom_objects.reset(token)
    if named.arguments:
        raise TypeError(
            f"deserialize: {named.name!r} is a {type(found).__name__} and no class, so its config "
            f"must be empty; got {dict(named.arguments)!r}"
        )
    return as_initializer(found)


_custom_objects: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar(
    "cthulhu_custom_objects", default=types.MappingProxyType({})
)


class Named(NamedTuple):
    """What a config says: of which class, and with which arguments."""

    name: str
    arguments: Mapping[str, Any] = {}
    module: Any = KERAS_MODULE
    registered_name: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the name is this library's or Keras's, and not that of a user's own."""
        return (
            isinstance(self.module, str)
            and KNOWN_MODULES.match(self.module) is not None
            and self.registered_name in ("", self.name, f"{PACKAGE}>{self.name}")
        )


def read(config: Any) -> Named:
    """A name or a config, in any of the forms that Keras has."""
    if isinstance(config, str):
        return Named(config)
    if not isinstance(config, Mapping):
        raise TypeError(
            f"deserialize: a name or a config dict is needed; got {config!r} "
            f"of type {type(config).__name__}"
        )
    name, arguments = config.get("class_name"), config.get("config", {})
    module, registered_name = config.get("module", KERAS_MODULE), config.get("registered_name")
    if name == "__lambda__":
        raise ValueError(
            "deserialize: the config is that of a lambda, and holds code, which is never run. "
            "Name the function and pass it: custom_objects={'name': function}"
        )
    if name == "function" and isinstance(arguments, str):
        # The name of a function; Keras's registered name may be just 'function'.
        name, arguments = arguments, {}
        registered_name = "" if registered_name == "function" else registered_name
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise TypeError(
            "deserialize: a config must have a 'class_name', a string, and a 'config', "
            f"a dict; got {dict(config)!r}"
        )
    if not isinstance(registered_name, str):
        registered_name = ""
    return Named(name, arguments, module, registered_name)


def unknown(named: Named, known: set[str]) -> str:
    """The message for a name that stands for nothing."""
    name = named.registered_name or named.name
    if named.name in known:
        own = f"of the module {named.module!r}, a class or function of a user's own"
    elif alias := KNOWN_AS.get(named.name.lower()):
        own = f"(did you mean {alias!r}?)"
    else:
        own = checks.did_you_mean(named.name, known).strip()
    return (
        f"unknown initializer {name!r}{own and f' {own}'}. Known names: "
        f"{', '.join(sorted(one for one in known if one == one.lower()))}; pass "
        f"custom_objects={{{name!r}: class}} for your own"
    )


def as_initializer(value: Any) -> typing.Initializer:
    """An instance or a callable as an initializer; Keras's own become this library's."""
    if isinstance(value, Initializer):
        instance: typing.Initializer = value
        return instance
    return from_keras(value) or from_callable(value)


def from_keras(value: Any) -> typing.Initializer | None:
    """The instance with the config of a built-in one of Keras, so that the key decides."""
    cls = type(value)
    if not BUILT_IN.match(cls.__module__) or cls.__name__ not in NAMES:
        return None
    arguments = value.get_config()
    if cls.__name__ == "Identity":  # Keras's config forgets the gain.
        arguments = {"gain": value.gain}
    try:
        made: typing.Initializer = NAMES[cls.__name__].from_config(arguments)
    except (TypeError, ValueError):
        if cls.__name__ == "Constant":  # Keras's may hold an array: a function of the shape.
            return None
        raise
    return made
