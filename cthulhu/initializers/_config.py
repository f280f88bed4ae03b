"""Configs: instances as plain dicts, in the form that Keras reads and writes."""

from collections.abc import Mapping
from typing import Any

from cthulhu import checks
from cthulhu.initializers._base import Initializer
from cthulhu.initializers._names import CLASSES, KNOWN_AS, NAMES

__all__ = ["deserialize", "serialize"]

KERAS_MODULE = "keras.initializers"


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Turn an instance into a config: a dict that JSON can hold.

    Args:
        initializer: an instance of a class of this library, or of a subclass
            of `Initializer` with a `get_config`.

    Returns:
        ``{"module": …, "class_name": …, "config": …, "registered_name": …}``, which
        `deserialize` reads, and `keras.initializers.deserialize` too, where
        Keras has the class.

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
        return {
            "module": KERAS_MODULE,
            "class_name": cls.__name__,
            "config": initializer.get_config(),
            "registered_name": None,
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


def deserialize(
    config: str | Mapping[str, Any],
    custom_objects: Mapping[str, type[Initializer]] | None = None,
) -> Initializer:
    """Make an instance from a name or a config.

    Args:
        config: a name (``"he_normal"`` or ``"HeNormal"``; Keras's legacy names
            are known too), or a dict with ``"class_name"`` and ``"config"``, as
            this library, Keras 3 and Keras 2 write it.
        custom_objects: further classes by name, which come first.

    Returns:
        An instance.

    Raises:
        ValueError: the name is unknown.
        TypeError: `config` is neither a name nor such a dict, or the class does
            not know an argument in it.

    Example:
        >>> deserialize({"class_name": "RandomNormal", "config": {"stddev": 0.1}})
        RandomNormal(stddev=0.1)
    """
    name: Any
    arguments: Any
    if isinstance(config, str):
        name, arguments = config, {}
    elif isinstance(config, Mapping):
        name, arguments = config.get("class_name", None), config.get("config", {})
        if not isinstance(name, str) or not isinstance(arguments, Mapping):
            raise TypeError(
                "deserialize: a config must have a 'class_name', a string, and a 'config', "
                f"a dict; got {dict(config)!r}"
            )
    else:
        raise TypeError(
            f"deserialize: a name or a config dict is needed; got {config!r} "
            f"of type {type(config).__name__}"
        )
    known = {**NAMES, **({} if custom_objects is None else custom_objects)}
    if name not in known:
        alias = KNOWN_AS.get(name.lower())
        hint = f" (did you mean {alias!r}?)" if alias else checks.did_you_mean(name, known)
        raise ValueError(
            f"unknown initializer {name!r}{hint}. Known names: "
            f"{', '.join(sorted(n for n in known if n == n.lower()))}; pass "
            "custom_objects={'Name': class} for your own"
        )
    return known[name].from_config(arguments)
