"""Regular expressions over paths, in bounded time.

Python's `re` tries one way of matching after the other, and there may be exponentially
many: ``(a+)+b`` keeps it busy for years. The patterns that people write have few ways, and
run on `re`. The others run on `Node.ends`, which keeps the set of all places that a match
can have reached, remembers it, and so needs polynomial time for the same answer. Backward
references cannot be run that way; a pattern with them and too many ways is refused.
"""

import dataclasses
import functools
import importlib
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Pattern", "compiled", "glob_as_regex"]

# The parser of `re`, and its compiler of parsed pieces: no public module has them.
parser: Any = importlib.import_module("re._parser")
compiler: Any = importlib.import_module("re._compiler")

LENGTH = 200  # Characters of a path for which ways are counted.
# What `re` tries anew each time that it gets there, but not for each way of matching the rest.
LONE = ("ASSERT", "ASSERT_NOT", "ATOMIC_GROUP", "POSSESSIVE_REPEAT")
MOST_WAYS = 10**7  # `re` tries them in half a second at worst, and mostly in far less.

Wrap = Callable[[Any], Any]


class UnboundedError(ValueError):
    """A pattern that can be run in bounded time in neither way."""


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A regular expression that tells, in bounded time, whether it matches a whole path."""

    text: str
    regex: re.Pattern[str]
    is_fast: bool
    """Whether `re` has few enough ways to try, up to paths of `LENGTH` characters."""

    def fullmatch(self, path: str) -> bool:
        """Whether the pattern matches the whole path."""
        if self.is_fast and (len(path) <= LENGTH or not self.can_be_bounded):
            return self.regex.fullmatch(path) is not None
        return len(path) in Match(path).ends(self.node, 0)

    @functools.cached_property
    def can_be_bounded(self) -> bool:
        """Whether `Match` can run the pattern."""
        try:
            self.node  # noqa: B018 - building it tells
        except UnboundedError:
            return False
        return True

    @functools.cached_property
    def node(self) -> "Node":
        """The pattern as what `Match` runs."""
        parsed = parser.parse(self.text)
        return sequence(parsed, lambda item: parser.SubPattern(parsed.state, [item]))


def compiled(owner: str, text: str) -> Pattern:
    """Compile the regular expression of a rule.

    Args:
        owner: who asks and for which rule, for the message of an error.
        text: the regular expression.

    Returns:
        A `Pattern`.

    Raises:
        ValueError: it is invalid, or can need unbounded time.
    """
    try:
        regex = re.compile(text)
        parsed = parser.parse(text)
        pattern = Pattern(text, regex, ways(parsed) <= MOST_WAYS)
        if not pattern.is_fast:
            pattern.node  # noqa: B018 - building it tells whether it can be run
    except re.error as error:
        glob = glob_as_regex(text)
        hint = "" if glob is None else f". It looks like a glob; as a regular expression: {glob!r}"
        raise ValueError(
            f"{owner} the invalid regular expression {text!r}: "
            f"{error.msg} at position {error.pos}{hint}"
        ) from None
    except UnboundedError as error:
        raise ValueError(
            f"{owner} the regular expression {text!r}, which could run for years: it has very many "
            f"ways to match, as (a+)+ has, and {error}. Write it without the one or the other"
        ) from None
    except (OverflowError, RecursionError) as error:
        raise ValueError(
            f"{owner} a regular expression that is too large ({error}): {text[:50]!r}"
        ) from None
    return pattern


def glob_as_regex(text: str) -> str | None:
    """The regular expression for what looks like a glob, as ``*kernel``; `None` for all else."""
    if not re.search(r"(^|/)\*", text):
        return None
    regex = re.sub(r"(?<![.)\]}\\*])\*+", ".*", text)
    try:
        re.compile(regex)
    except re.error:
        return None
    return regex


def ways(items: Iterable[Any]) -> float:
    """At most how many ways `re` tries to match a sequence."""
    combined = lone = 1.0
    for operation, argument in items:
        each = ways_of(operation, argument)
        if str(operation) in LONE:
            lone += combined * each
        else:
            combined *= each
    return combined + lone - 1


def ways_of(operation: Any, argument: Any) -> float:
    """At most how many ways `re` tries to match one item."""
    name = str(operation)
    if name == "SUBPATTERN":
        return ways(argument[-1])
    if name == "BRANCH":
        return math.fsum(ways(branch) for branch in argument[1])
    if name in ("ASSERT", "ASSERT_NOT"):
        return ways(argument[1])
    if name == "ATOMIC_GROUP":
        return ways(argument)
    if name == "GROUPREF_EXISTS":
        return math.fsum(ways(branch) for branch in argument[1:] if branch is not None)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, body = argument
        each = ways(body)
        times = min(int(most), LENGTH)
        choices = max(0, times - int(least)) + 1
        try:
            return choices * float(each) ** times
        except OverflowError:
            return math.inf
    return 1


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A part of a pattern: what it is, the parts within, and how often they repeat."""

    kind: str
    parts: tuple["Node", ...] = ()
    regex: re.Pattern[str] | None = None  # Of what `re` matches in only one way.
    least: int = 0
    most: float = 0
    is_behind: bool = False


def sequence(items: Iterable[Any], wrap: Wrap) -> Node:
    """A sequence of parsed items; `wrap` puts the flags in force around one of them."""
    return Node("sequence", tuple(node_of(operation, arg, wrap) for operation, arg in items))


def node_of(operation: Any, argument: Any, wrap: Wrap) -> Node:
    """One parsed item."""
    name = str(operation)
    if name == "SUBPATTERN":
        _, added, removed, body = argument
        if not added and not removed:
            return sequence(body, wrap)

        def flagged(item: Any) -> Any:
            inner = parser.SubPattern(body.state, [item])
            return wrap((operation, (None, added, removed, inner)))

        return sequence(body, flagged)
    if name == "BRANCH":
        return Node("branch", tuple(sequence(branch, wrap) for branch in argument[1]))
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, body = argument
        bound = math.inf if most is parser.MAXREPEAT else most
        return Node("repeat", (sequence(body, wrap),), least=int(least), most=bound)
    if name in ("ASSERT", "ASSERT_NOT"):
        direction, body = argument
        kind = "around" if name == "ASSERT" else "not around"
        # What a look-behind sees is of one width, so it starts at one place.
        width = body.getwidth()[0] if direction < 0 else 0
        return Node(kind, (sequence(body, wrap),), least=width, is_behind=direction < 0)
    if name in ("GROUPREF", "GROUPREF_EXISTS"):
        raise UnboundedError("a reference to a group")
    if name in ("ATOMIC_GROUP", "POSSESSIVE_REPEAT"):
        raise UnboundedError("an atomic group or a possessive repetition")
    return Node("single", regex=compiler.compile(wrap((operation, argument))))


class Match:
    """Where the parts of a pattern can end in one text, remembered."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.known: dict[tuple[Node, int], frozenset[int]] = {}

    def ends(self, node: Node, start: int) -> frozenset[int]:
        """All places where a match that starts at `start` can end."""
        if node.regex is not None:
            found = node.regex.match(self.text, start)
            return frozenset() if found is None else frozenset({found.end()})
        key = (node, start)
        if key not in self.known:
            self.known[key] = frozenset(self.find(node, start))
        return self.known[key]

    def after(self, node: Node, starts: Iterable[int]) -> set[int]:
        """All places where a match can end that starts at one of `starts`."""
        return {end for start in starts for end in self.ends(node, start)}

    def find(self, node: Node, start: int) -> set[int]:
        places = {start}
        if node.kind == "sequence":
            for part in node.parts:
                places = self.after(part, places)
            return places
        if node.kind == "branch":
            return {end for part in node.parts for end in self.ends(part, start)}
        if node.kind == "repeat":
            return self.repeat(node, places)
        return places if self.sees(node, start) == (node.kind == "around") else set()

    def sees(self, node: Node, start: int) -> bool:
        """Whether what is looked for lies ahead, or just behind."""
        (body,) = node.parts
        if not node.is_behind:
            return bool(self.ends(body, start))
        return start >= node.least and start in self.ends(body, start - node.least)

    def repeat(self, node: Node, places: set[int]) -> set[int]:
        (body,) = node.parts
        # From here on, more of the required repetitions can only match nothing.
        for _ in range(min(node.least, len(self.text) + 1)):
            places = self.after(body, places)
        found, edge, times = set(places), places, node.least
        while edge and times < node.most:
            edge = self.after(body, edge) - found
            found |= edge
            times += 1
        return found
