"""Fans: how many inputs and outputs a weight tensor connects, and which axes those are."""

from cthulhu.fans._count import Fans
from cthulhu.fans._layout import LAYOUTS, Layout, LayoutLike
from cthulhu.fans._told import compute_fans, explain, fans_from_einsum

__all__ = [
    "LAYOUTS",
    "Fans",
    "Layout",
    "LayoutLike",
    "compute_fans",
    "explain",
    "fans_from_einsum",
]
