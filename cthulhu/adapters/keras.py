"""Keras: what a model was saved with loads again, and any initializer is one of Keras's.

Importing this module makes Keras load what it saved with this library's classes. A saved model
names them as ``"cthulhu>HeNormal"``. Where these names are registered, saving, loading and
cloning give back the same class, config and numbers. Elsewhere Keras takes its own class of the
same name, if it has one and knows all arguments, and raises an error otherwise.

Keras's layers take instances of this library as they are. `to_keras` is for all else: for code
that asks for a `keras.initializers.Initializer`, for a name or a pure function that Keras does not
know, and for calls that need a tensor of Keras's backend where that is not JAX.
"""

import random as generator
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from cthulhu import checks, initializers, random
from cthulhu.initializers import _keras, _registry
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.random._scope import in_scope
from cthulhu.typing import DTypeLike, InitializerLike, Shape

with checks.extra("cthulhu.adapters.keras", "keras"):
    import keras

__all__ = ["register", "to_keras"]


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
    for cls in (*_registry.CLASSES, KerasInitializer):
        _keras.register(cls)


class KerasInitializer(keras.initializers.Initializer):  # type: ignore[misc]
    """An initializer as one of Keras's own."""

    def __init__(self, initializer: InitializerLike, seed: int | None = None) -> None:
        self.initializer = named(initializer)
        self.seed = checks.seed("to_keras", seed)
        own = getattr(self.initializer, "seed", None)
        if self.seed is not None and own is not None:
            raise ValueError(
                f"to_keras: seed is {seed!r}, and {self.initializer!r} has one of its own; say it "
                "once"
            )
        fixed = own if self.seed is None else self.seed
        self._is_seeded = fixed is not None
        # As Keras draws its own: once, from the generator that set_random_seed seeds.
        self._seed = fixed if fixed is not None else generator.randint(1, 10**9)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Any:
        """Make a tensor of Keras's backend: at every call the same, but in a scope."""
        target = keras.backend.standardize_dtype(dtype)
        if in_scope() and not self._is_seeded:
            key = random.next_key("to_keras")
        else:
            key = random.from_seed(self._seed)
        values = self.initializer(key, tuple(shape), target)
        if keras.config.backend() == "jax":
            return values
        array = np.asarray(values)
        # Of the narrow types, which NumPy lacks, float32 holds every number.
        plain = array if array.dtype.isbuiltin == 1 else array.astype(np.float32)
        return keras.ops.convert_to_tensor(plain, dtype=target)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras writes them to a file."""
        if not isinstance(self.initializer, initializers.Initializer):
            raise TypeError(no_config(self.initializer))
        try:
            initializers.serialize(self.initializer)
        except TypeError as error:
            raise TypeError(no_config(self.initializer)) from error
        config = keras.saving.serialize_keras_object(self.initializer)
        return {"initializer": config, "seed": self.seed}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an initializer from what `get_config` returned; without a seed, it draws one."""
        return cls(keras.saving.deserialize_keras_object(config["initializer"]), config["seed"])

    def __repr__(self) -> str:
        """The call that makes it."""
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f"to_keras({self.initializer!r}{seed})"


def to_keras(init: InitializerLike, seed: int | None = None) -> keras.initializers.Initializer:
    """Make of whatever names an initializer one of Keras's own.

    It is an instance of `keras.initializers.Initializer`, with its config and its `clone`, and
    makes tensors of Keras's backend, whichever that is. With a seed it makes the values that
    the pure function makes with `jax.random.key` of it. Without one it draws a seed when it
    is made, as Keras's do, and `keras.utils.set_random_seed` governs it; its config has
    none, so that a clone draws anew.

    A model that it was saved with loads in any process that has imported this module. Of
    classes of your own, the config is theirs: decorate them with
    `keras.saving.register_keras_serializable`, or pass them as ``custom_objects``. A bare
    function or an array serves as well, but for saving.

    Args:
        init: whatever `cthulhu.initializers.get` takes; a function of
            `cthulhu.functional`, bound by `functools.partial` or not, becomes the
            instance of its class.
        seed: an integer from 0 to 2**32 - 1, or `None`: the initializer's own.

    Returns:
        The initializer; if `init` is one already, and no seed is given, itself.

    Raises:
        ValueError: the name is unknown, or `init` has a seed of its own too.
        TypeError: `init` is no initializer.

    Example:
        >>> import keras
        >>> init = to_keras("dirac")
        >>> isinstance(init, keras.initializers.Initializer)
        True
        >>> keras.layers.Conv1D(4, 3, kernel_initializer=init).kernel_initializer.clone()
        to_keras(Dirac())
    """
    if isinstance(init, KerasInitializer) and seed is None:
        return init
    return KerasInitializer(init, seed)


def named(identifier: InitializerLike) -> Any:
    """An initializer; a function of this library as the instance of its class."""
    found = initializers.get(identifier)
    if found is None:
        raise TypeError("to_keras: an initializer is needed; got None")
    function, options = unbound(found)
    definition = definition_of(function)
    return found if definition is None else definition(**options)


def no_config(initializer: object) -> str:
    """Why an initializer cannot be saved, and how it could be."""
    return (
        f"to_keras: {initializer!r} has no config, so a model with it cannot be saved. Use a class "
        "of cthulhu.initializers, or a subclass of Initializer with get_config"
    )


register()
