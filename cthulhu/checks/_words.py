"""How things are named in messages."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence


def did_you_mean(name: object, choices: Iterable[str]) -> str:
    """The end of a message: the closest of `choices`, or nothing if none is close."""
    close = difflib.get_close_matches(str(name), list(choices), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def listed(lines: Sequence[str], most: int = 20) -> str:
    """Lines of a message: the first of them, and how many more there are."""
    rest = [f"  … and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*lines[:most], *rest])


def choice(owner: str, argument: str, value: object, choices: Iterable[str]) -> str:
    """One of `choices`."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    listed = ", ".join(map(repr, known))
    raise ValueError(
        f"{owner}: {argument} must be one of {listed}; got {value!r}"
        f"{did_you_mean(value, known) if isinstance(value, str) else ''}"
    )


@contextlib.contextmanager
def extra(owner: str, library: str, *, name: str | None = None) -> Iterator[None]:
    """Around the imports of a library that an extra installs, one of its name if none is given."""
    try:
        yield
    except ModuleNotFoundError as error:
        # Something else that is missing is the library's own affair.
        if error.name is None or error.name.split(".")[0] != library:
            raise
        raise ModuleNotFoundError(
            f"{owner} needs {library}, which is not installed. "
            f"Install it: pip install 'cthulhu-jax[{name or library}]'",
            name=error.name,
        ) from error


def in_name_of(who: str, error: Exception) -> Exception:
    """An error that begins with who asked; one of JAX's own, which no text makes, has a note."""
    if type(error) in (TypeError, ValueError):
        return type(error)(f"{who}: {error}")
    error.add_note(f"This is from {who}.")
    return error


@contextlib.contextmanager
def from_json(owner: str) -> Iterator[None]:
    """While what `to_json` of a class wrote is read: other JSON is refused in its name."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{owner}.from_json: text must be what {owner}.to_json wrote; it is other JSON "
            f"({error!r})"
        ) from None
