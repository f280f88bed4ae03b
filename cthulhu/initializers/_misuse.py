"""What is said to those who call an initializer as another library's is called."""

from collections.abc import Iterable, Mapping

from cthulhu import checks


def unknown_option(
    owner: str, asked: str, known: Iterable[str], elsewhere: Mapping[str, str]
) -> TypeError:
    """An option that there is not; `elsewhere` says how another library's is written here."""
    options = list(known)
    hint = elsewhere.get(asked)
    hint = f"; {hint}" if hint else checks.did_you_mean(asked, options)
    return TypeError(
        f"{owner}: unknown argument {asked!r}{hint}; it has {', '.join(options) or 'none'}"
    )


def missing_option(owner: str, name: str, how: str) -> TypeError:
    """An option that was not given, and has no default; `how` says how to give it."""
    return TypeError(f"{owner}: {name} must be given, for it has no default. {how}")


def too_few_arguments(owner: str) -> TypeError:
    """A function that is called like the factories of `jax.nn.initializers`."""
    return TypeError(
        f"{owner}: an initializer, not a function that builds one: it takes "
        f"(key, shape, dtype). Pass it as it is, kernel_init={owner}, or bind options with "
        f"functools.partial({owner}, …)"
    )


def too_many_arguments(owner: str, count: int, options: Iterable[str]) -> TypeError:
    """A function that is given its options by position."""
    named = ", ".join(f"{name}=…" for name in options)
    hint = f". Its options are keywords: {named}" if named else ""
    return TypeError(
        f"{owner}: at most 4 arguments by position (key, shape, dtype, out_sharding); "
        f"got {count}{hint}"
    )
