"""`get`: whatever names an initializer, as an initializer."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast, overload

import jax
import numpy as np

from cthulhu import typing
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._config import as_initializer, deserialize
from cthulhu.initializers._custom import FromArray

Instance = TypeVar("Instance", bound=BuiltIn)
CustomObjects = Mapping[str, Any] | None


@overload
def get(identifier: None, custom_objects: CustomObjects = None) -> None: ...
@overload
def get(
    identifier: Instance | type[Instance], custom_objects: CustomObjects = None
) -> Instance: ...
@overload
def get(identifier: str | Mapping[str, Any], custom_objects: None = None) -> BuiltIn: ...
@overload
def get(
    identifier: typing.InitializerLike, custom_objects: CustomObjects = None
) -> typing.Initializer: ...
def get(identifier: Any, custom_objects: CustomObjects = None) -> typing.Initializer | None:
    """Make an initializer of whatever names one.

    Args:
        identifier: one of

            - a name, as ``"he_normal"`` or ``"HeNormal"``;
            - a config, as `serialize` and Keras write it;
            - a class, which is called without arguments;
            - an instance, which is returned as it is; one of Keras's built-in
              classes becomes the instance of this library with its config;
            - a callable ``(key, shape, dtype)``, as those of
              `cthulhu.functional` and `jax.nn.initializers`, which is returned as
              it is;
            - a callable ``(shape, dtype=None)``, which becomes a pure function of
              the key: it draws from `cthulhu.backend`. One that draws from
              elsewhere is refused when it is first called with a key;
            - an array, which initializes weights of its very shape;
            - `None`, which is returned.
        custom_objects: further classes and functions by name.

    Returns:
        An initializer ``(key, shape, dtype=None, out_sharding=None)``, or `None`.

    Raises:
        ValueError: the name is unknown.
        TypeError: `identifier` is of no such kind, or its signature does not
            tell whether the key or the shape comes first.

    Example:
        >>> get("he_normal") == get({"class_name": "HeNormal", "config": {}})
        True
    """
    if identifier is None:
        return None
    if isinstance(identifier, str | Mapping):
        return deserialize(identifier, custom_objects)
    if isinstance(identifier, type):
        made: typing.Initializer | None = get(identifier(), custom_objects)
        return made
    if isinstance(identifier, jax.Array | np.ndarray):
        return cast(typing.Initializer, FromArray(identifier))
    if callable(identifier):
        return as_initializer(identifier)
    raise TypeError(
        "an initializer is named by a string, a config dict, a class, an instance, a callable or "
        f"an array; got {identifier!r} of type {type(identifier).__name__}"
    )
