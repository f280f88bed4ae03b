"""What a parameter gets, as data that JSON can hold, and read back from it."""

import functools
import json
from typing import Any

from cthulhu import functional
from cthulhu.initializers import Initializer, deserialize, serialize
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.initializers._lookup import CustomObjects
from cthulhu.params._orthogonal_to import OrthogonalTo
from cthulhu.params._siblings import RingNormalizer, Tied, WeightNormScale

OWN = {cls.__name__: cls for cls in (OrthogonalTo, RingNormalizer, Tied, WeightNormScale)}
"""The classes beside the initializers that a saved plan may name."""


def written(initializer: Any) -> dict[str, Any]:
    """The config of an instance; of a function of this library, its name and its options.

    Raises:
        TypeError: it is another function, or has an option that JSON does not hold.
    """
    function, options = unbound(initializer)
    config: dict[str, Any]
    if isinstance(function, Initializer) and not options:
        config = serialize(function)
    elif (definition := definition_of(function)) is not None:
        config = {"function": definition.name, "options": options}
    else:
        raise TypeError(
            f"{initializer!r} cannot be saved: JSON holds no code. Subclass "
            "cthulhu.initializers.Initializer, with a get_config"
        )
    json.dumps(config)
    return config


def read(config: Any, custom_objects: CustomObjects) -> Any:
    """The initializer of a config.

    Raises:
        ValueError: it is unknown.
    """
    if "function" not in config:
        return deserialize(config, {**OWN, **(custom_objects or {})})
    name, options = config["function"], config["options"]
    if name not in functional.__all__:
        raise ValueError(f"cthulhu.functional has no {name!r}")
    function = getattr(functional, name)
    return functools.partial(function, **options) if options else function
