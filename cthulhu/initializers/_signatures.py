"""Which style of initializer a callable is: `(key, shape, dtype)` or `(shape, dtype)`."""

import inspect
from collections.abc import Callable

KEY_NAMES = ("key", "rng", "rng_key", "prng_key", "prngkey", "rngs", "seed_key")
SHAPE_NAMES = ("shape", "size", "dims")


def accepts(function: Callable[..., object], name: str) -> bool:
    """Whether `function` takes an argument of this name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def first_argument(owner: str, function: Callable[..., object], *, skip_self: bool = False) -> str:
    """Decide by its signature whether `function` takes a ``"key"`` or a ``"shape"`` first.

    Args:
        owner: who is asked about, for the message of an error.
        function: the callable.
        skip_self: whether the first parameter is the instance.

    Returns:
        ``"key"`` or ``"shape"``.

    Raises:
        TypeError: the signature is neither, or tells too little.
    """
    wanted = "an initializer takes (shape, dtype=None), or (key, shape, dtype=None) as JAX's do"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise TypeError(
            f"{owner}: {wanted}; the signature of {function!r} cannot be read. "
            "Wrap it in a function with one of these signatures"
        ) from None
    if skip_self:
        parameters = parameters[1:]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = [p.name for p in positional]
    required = [p.name for p in positional if p.default is p.empty]
    shown = f"{getattr(function, '__name__', function)}{_shown(parameters)}"
    if names and required and len(required) <= 3:
        if names[0] in SHAPE_NAMES and names[1:2] != ["shape"] and len(required) <= 2:
            return "shape"
        if len(names) >= 2 and (names[0] in KEY_NAMES or names[1] in SHAPE_NAMES):
            return "key"
        if len(required) == len(names) == 3:
            return "key"
        if len(required) == 1 and len(names) <= 2 and names[0] not in KEY_NAMES:
            return "shape"
    if not required and parameters:
        raise TypeError(
            f"{owner}: {wanted}; got {shown}, which has no required argument. If it builds an "
            "initializer, call it: pass what it returns"
        )
    raise TypeError(f"{owner}: {wanted}; got {shown}. Name the first argument 'shape' or 'key'")


def _shown(parameters: list[inspect.Parameter]) -> str:
    return f"({', '.join(str(parameter) for parameter in parameters)})"
