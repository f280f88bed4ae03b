"""The kinds of parametrization, by name."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from cthulhu import checks
from cthulhu.mup._kind import Kind
from cthulhu.mup._relative import CompleteP, MuP, Spectral
from cthulhu.mup._unit import UMuP

KINDS: dict[str, Callable[[], Kind]] = {
    kind.name: kind for kind in (MuP, CompleteP, Spectral, UMuP)
}

KindLike: TypeAlias = Kind | Literal["mup", "completep", "spectral", "umup"]
"""What names a kind of parametrization: its name, or itself where it has arguments."""


def kind_of(owner: str, kind: Any) -> Kind:
    """A kind of parametrization, given by name or as it is."""
    if isinstance(kind, Kind):
        return kind
    return KINDS[checks.choice(owner, "kind", kind, KINDS)]()
