"""Keras: importing this module makes Keras load what it saved with this library's classes.

A saved model names the classes as ``"cthulhu>HeNormal"``. Where these names are registered, saving,
loading and cloning give back the same class, config and numbers. Elsewhere Keras takes its own
class of the same name, if it has one and knows all arguments, and raises an error otherwise.
"""

from cthulhu import checks
from cthulhu.initializers import _keras, _registry

with checks.extra("cthulhu.adapters.keras", "keras"):
    import keras  # noqa: F401 - only what is loaded is told

__all__ = ["register"]


def register() -> None:
    """Register the classes of `cthulhu.initializers` with Keras; the import has done it.

    It is needed again only after `keras.saving.get_custom_objects().clear()`.

    Example:
        >>> import keras
        >>> from cthulhu import initializers
        >>> from cthulhu.adapters.keras import register
        >>> register()
        >>> config = keras.saving.serialize_keras_object(initializers.HeNormal(in_axis=0))
        >>> keras.saving.deserialize_keras_object(config)
        HeNormal(in_axis=0)
    """
    for cls in _registry.CLASSES:
        _keras.register(cls)


register()
