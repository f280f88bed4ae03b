"""`Rules`: which initializer each parameter gets, by its path."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cthulhu import checks, initializers, typing
from cthulhu.params._layout import LAYOUTS, Layout
from cthulhu.params._paths import Path, join
from cthulhu.params._patterns import compiled, glob_as_regex

__all__ = ["Keep", "Rules"]

SHOWN = 10  # Paths that a message lists.


@dataclasses.dataclass(frozen=True)
class Keep:
    """In `Rules`, the mark of parameters that stay as they are.

    Example:
        Only the head of a trained model is initialized again:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.params import Rules, init_params
        >>> trained = {"body": jnp.full(3, 7.0), "head": jnp.full(3, 7.0)}
        >>> rules = Rules([("head", "zeros"), (".*", Keep())])
        >>> {name: x.tolist() for name, x in init_params(0, trained, rules).items()}
        {'body': [7.0, 7.0, 7.0], 'head': [0.0, 0.0, 0.0]}
    """


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Rules:
    """An ordered list of `(path regex, initializer)`; the first that matches wins.

    A regular expression must match the whole path, whose components are joined
    by slashes, as in ``"decoder/layers_0/kernel"``. A rule that no parameter
    reaches and a parameter that no rule matches are errors.

    Args:
        rules: pairs of a regular expression and whatever
            `cthulhu.initializers.get` takes, or `Keep`; or a mapping of them; or
            one initializer for all parameters, which is the rule ``".*"``.
        layout: how the model's weights lie: ``"out_in"``, as in Equinox and
            PyTorch, or ``"in_out"``, as in Flax, Haiku and Keras. It sets the axes
            of inputs and outputs where an initializer leaves them at their
            defaults; one that names its axes keeps them. Default: unknown, which
            is ``"in_out"`` and a warning where that looks wrong.

    Raises:
        ValueError: a regular expression is invalid or can need unbounded time, or
            a name or `layout` is unknown.
        TypeError: a rule is no such pair.

    Example:
        >>> rules = Rules([(".*/bias", "zeros"), (".*/kernel", "he_normal")])
        >>> rules.match([("dense", "kernel"), ("dense", "bias")])
        [HeNormal(), Zeros()]
        >>> Rules("he_normal", layout="out_in")
        Rules(rules=(('.*', HeNormal()),), layout='out_in')
    """

    rules: tuple[tuple[str, Any], ...]
    layout: Layout = None

    def __init__(
        self, rules: Mapping[str, Any] | Iterable[tuple[str, Any]] | Any, *, layout: Layout = None
    ) -> None:
        if layout is not None:
            checks.choice("Rules", "layout", layout, LAYOUTS)
        object.__setattr__(self, "layout", layout)
        checked = []
        for number, pair in enumerate(pairs_of(rules), 1):
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                single = isinstance(pair, str) and isinstance(rules, tuple)
                raise TypeError(
                    f"Rules: rule {number} must be a pair (regular expression, initializer); "
                    f"got {pair!r}" + (f". A single rule is a list of one: [{rules!r}]" * single)
                )
            pattern, identifier = pair
            compiled(f"Rules: rule {number} is", pattern)
            checked.append((pattern, initializer(number, identifier)))
        object.__setattr__(self, "rules", tuple(checked))

    def __repr__(self) -> str:
        """The constructor call, without what is at its default."""
        layout = "" if self.layout is None else f", layout={self.layout!r}"
        return f"Rules(rules={self.rules!r}{layout})"

    def match(self, paths: Sequence[Path]) -> list[Any]:
        """Find the initializer of each path.

        Args:
            paths: the paths of all parameters.

        Returns:
            An initializer, or `Keep()`, for each.

        Raises:
            ValueError: a parameter that no rule matches, or a rule that matches
                nothing or comes after others that take all it matches.
        """
        patterns = [
            compiled(f"Rules: rule {number} is", pattern)
            for number, (pattern, _) in enumerate(self.rules, 1)
        ]
        names = [join(path) for path in paths]
        taken = [0] * len(patterns)
        reached = [0] * len(patterns)
        found: list[Any] = []
        unmatched = []
        for name in names:
            matching = [at for at, pattern in enumerate(patterns) if pattern.fullmatch(name)]
            for at in matching:
                reached[at] += 1
            if matching:
                taken[matching[0]] += 1
                found.append(self.rules[matching[0]][1])
            else:
                unmatched.append(name)
        if unmatched:
            globs = [self._glob_hint(at, names) for at, count in enumerate(reached) if not count]
            raise ValueError(self._describe_unmatched(unmatched) + "".join(globs))
        dead = [at for at, count in enumerate(taken) if not count]
        if dead:
            raise ValueError(self._describe_dead(dead, reached, names))
        return found

    def _describe_unmatched(self, names: list[str]) -> str:
        listed = "\n".join(f"  {name}" for name in names[:SHOWN])
        rest = f"\n  … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return (
            f"Rules: {len(names)} of the parameters match no rule (a rule must match the whole "
            f'path):\n{listed}{rest}\nAdd rules for them; (".*", …) at the end takes all the rest'
        )

    def _describe_dead(self, dead: list[int], reached: list[int], names: list[str]) -> str:
        lines = []
        for at in dead:
            pattern = self.rules[at][0]
            if reached[at]:
                why = "all it matches is taken by rules before it; move it up"
            else:
                plain = re.sub(r"\\(.)", r"\1", pattern).replace(".*", "")
                close = difflib.get_close_matches(plain, names, n=3, cutoff=0.3) or names[:3]
                why = f"no path matches; the closest are {', '.join(map(repr, close))}"
                why += self._glob_hint(at, names)
            lines.append(f"  rule {at + 1}, {pattern!r}: {why}")
        return "Rules: these rules are never used:\n" + "\n".join(lines)

    def _glob_hint(self, at: int, names: list[str]) -> str:
        """What to write for a rule that would match if it were a glob."""
        pattern = self.rules[at][0]
        regex = glob_as_regex(pattern)
        if regex is None:
            return ""
        expression = compiled(f"Rules: rule {at + 1} is", regex)
        if not any(map(expression.fullmatch, names)):
            return ""
        return f". Rule {at + 1}, {pattern!r}, looks like a glob; write {regex!r}"


def pairs_of(rules: Any) -> list[Any]:
    """Rules as a list of pairs; one initializer is the rule for all."""
    if isinstance(rules, Mapping) and "class_name" not in rules:
        return list(rules.items())
    if isinstance(rules, str | Mapping | Keep) or callable(rules):
        return [(".*", rules)]
    try:
        return list(rules)
    except TypeError:  # An array of no dimensions has an iterator, and cannot be iterated.
        raise TypeError(
            "Rules: rules must be pairs (regular expression, initializer), a mapping of them, or "
            f"one initializer for all; got {rules!r} of type {type(rules).__name__}"
        ) from None


def initializer(number: int, identifier: Any) -> Any:
    """What a rule names."""
    if isinstance(identifier, Keep) or identifier is Keep:
        return Keep()
    try:
        found: typing.Initializer | None = initializers.get(identifier)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Rules: rule {number}: {error}") from None
    if found is None:
        raise TypeError(
            f"Rules: rule {number} names no initializer: got None. To leave parameters as they "
            "are, use Keep()"
        )
    return found
