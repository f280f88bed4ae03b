"""Regular expressions on paths, matched in bounded time.

Python's `re` may take time exponential in the length of a path, and cannot be
stopped. Patterns that plainly cannot run away are its; the rest are matched by
the `regex` package, which keeps a time limit.
"""

import re
import time
from collections.abc import Sequence

import regex

from cthulhu import checks

SECONDS = 2.0  # That one pattern may take for all the paths of a tree.

# A repeated group may hide a choice of exponentially many ways; each open-ended
# repetition of a character or class multiplies the ways by the length of the path,
# and each group that may be left out by two.
REPEATED_GROUP = re.compile(r"\)[*+{]")
OPEN_ENDED = re.compile(r"[*+}]|\)\?")
MOST_OPEN_ENDED = 3

LAYER = "layer"  # The group of a regular expression that tells the layer.


def check(owner: str, pattern: str) -> None:
    """Refuse an invalid regular expression; a glob is told from one.

    `owner` begins the message: who asks, and where the pattern stands, as in
    "Rules: rule 3 is".
    """
    try:
        re.compile(pattern)
    except re.error as error:
        written = glob_as_regex(pattern)
        glob = "" if written is None else f". It looks like a glob; write {written!r}"
        raise ValueError(
            f"{owner} the invalid regular expression {pattern!r}: {error.msg} "
            f"at position {error.pos}{glob}"
        ) from None


def glob_as_regex(text: str) -> str | None:
    """The regular expression for what looks like a glob, as ``*kernel``; `None` for all else."""
    if not re.search(r"(^|/)\*", text):
        return None
    written = re.sub(r"(?<![.)\]}\\*])\*+", ".*", text)
    try:
        re.compile(written)
    except re.error:
        return None
    return written


class Pattern:
    """A regular expression that must match whole paths, with a limit on its time."""

    def __init__(self, owner: str, pattern: str) -> None:
        check(owner, pattern)
        self.owner = owner
        self.text = pattern
        self.left = SECONDS
        self.named = frozenset(re.compile(pattern).groupindex)
        self.quick: re.Pattern[str] | None = None
        if not REPEATED_GROUP.search(pattern) and (
            len(OPEN_ENDED.findall(pattern)) <= MOST_OPEN_ENDED
        ):
            self.quick = re.compile(pattern)

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the whole path; as `match`."""
        return self.match(path) is not None

    def match(self, path: str) -> "re.Match[str] | regex.Match[str] | None":
        """The match of the pattern with the whole path; `None` if there is none.

        Raises:
            ValueError: it takes too long.
        """
        found: re.Match[str] | regex.Match[str] | None
        if self.quick is not None:
            return self.quick.fullmatch(path)
        start = time.monotonic()
        try:
            if self.left <= 0:
                raise TimeoutError
            found = regex.fullmatch(self.text, path, timeout=self.left, concurrent=False)
        except TimeoutError:
            raise ValueError(
                f"{self.owner} the regular expression {self.text!r}, which takes more than "
                f"{SECONDS:g} s (at the path {path!r}): nested repetitions as in '(a+)+' can be "
                "matched in very many ways. Write it without one inside the other"
            ) from None
        finally:
            self.left -= time.monotonic() - start
        return found


def matching(what: str, pattern: str, names: Sequence[str]) -> list[int]:
    """The numbers of the paths that a regular expression matches: at least one.

    Args:
        what: who asks, and for what, as in "plan: stacked".
        pattern: the regular expression.
        names: all paths, joined by slashes.

    Returns:
        A list of integers.

    Raises:
        ValueError: it is invalid, takes too long, or matches nothing.
    """
    regex = Pattern(f"{what} has", pattern)
    found = [at for at, name in enumerate(names) if regex.matches(name)]
    if not found:
        near = checks.did_you_mean(pattern, names)
        raise ValueError(f"{what} names {pattern!r}, which matches no parameter{near}")
    return found


def layers_of(regex: Pattern, names: list[str], every: list[str]) -> list[tuple[int, int]] | None:
    """The layer of each path and how many there are; `None` if the pattern does not say.

    The pattern says so by a group of the name ``layer``. What stands before the number
    tells one stack from another, as those of an encoder and of a decoder. A stack has
    layers that lack what the pattern is for, as experts: `every` path tells how many.
    """
    if LAYER not in regex.named:
        return None
    found: list[tuple[str, int]] = []
    for name in names:
        match = regex.match(name)
        text = match and match[LAYER]
        if match is None or text is None or not text.isdecimal():
            raise ValueError(
                f"{regex.owner} the regular expression {regex.text!r}, whose group {LAYER!r} must "
                rf"match a number, as (?P<{LAYER}>\d+) does; in {name!r} it matches {text!r}"
            )
        found.append((name[: match.start(LAYER)], int(text)))
    stacks = {stack: numbers_after(stack, every) for stack in {stack for stack, _ in found}}
    for numbers in stacks.values():
        missing = sorted({*range(max(numbers) + 1)} - numbers)
        if missing:
            raise ValueError(
                f"{regex.owner} the regular expression {regex.text!r}, whose layers go up to "
                f"{max(numbers)}, and {', '.join(map(str, missing[:10]))} "
                f"{'is' if len(missing) == 1 else 'are'} missing, so it is not known how many "
                "there are. Layers are counted from 0"
            )
    return [(layer, len(stacks[stack])) for stack, layer in found]


def numbers_after(stack: str, names: list[str]) -> set[int]:
    """The numbers that follow the same beginning."""
    rests = (name[len(stack) :] for name in names if name.startswith(stack))
    return {int(found[0]) for rest in rests if (found := re.match(r"\d+", rest))}
