"""What is said to those who call an initializer as another library's is called."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cthulhu import checks

__all__ = ["FOREIGN_OPTIONS", "explain_misuse", "unknown_option"]

# Options of JAX's and of torch's initializers that mean something else here.
FOREIGN_OPTIONS = {
    ("random_uniform", "scale"): "jax.nn.initializers.uniform(scale) draws on [0, scale): write "
    "minval=0, maxval=scale; its default scale is 0.01",
    ("random_normal", "scale"): "write stddev=…; the default of jax.nn.initializers.normal is 0.01",
    ("random_normal", "std"): "write stddev=…",
    ("truncated_normal", "std"): "write stddev=…",
    ("truncated_normal", "a"): "write lower=…, in standard deviations from the mean",
    ("truncated_normal", "b"): "write upper=…, in standard deviations from the mean",
    ("random_uniform", "a"): "write minval=…",
    ("random_uniform", "b"): "write maxval=…",
    ("orthogonal", "scale"): "write gain=…",
    ("orthogonal", "column_axis"): "write axis=…",
    ("delta_orthogonal", "scale"): "write gain=…",
    ("delta_orthogonal", "column_axis"): "write axis=…",
}


def unknown_option(owner: str, asked: str, known: Iterable[str], name: str) -> str:
    """The message for an option that `name`, a function or its class, does not have."""
    options = list(known)
    hint = FOREIGN_OPTIONS.get((name, asked))
    hint = f"; {hint}" if hint else checks.did_you_mean(asked, options)
    return f"{owner}: unknown argument {asked!r}{hint}; it has {', '.join(options) or 'none'}"


def explain_misuse(
    owner: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Say what is wrong with the arguments, if Python could not bind them."""
    for name in kwargs:
        if name not in inspect.signature(function).parameters:
            options = list(function.__kwdefaults__ or {})
            raise TypeError(unknown_option(owner, name, options, owner)) from None
    if len(args) + ("key" in kwargs) + ("shape" in kwargs) < 2:
        raise TypeError(
            f"{owner}: an initializer, not a function that builds one: it takes "
            f"(key, shape, dtype). Pass it as it is, kernel_init={owner}, or bind options with "
            f"functools.partial({owner}, …)"
        ) from None
