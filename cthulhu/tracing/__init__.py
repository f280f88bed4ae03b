"""Any init function as jobs of the executor.

An init function is traced and never run. Its way is

    function -> graph -> derivation and components -> launch -> jobs -> arrays

- `_graph`: the jaxpr as a flat list of equations, with nothing unneeded in it. A draw
  of this library is one equation, which names its law.
- `_parts`: the *derivation* of keys, which NumPy does (`_derivation`), and
  *components*: what is left falls apart into pieces that share nothing but keys,
  most often one for each parameter.
- `_flat`: a component that is one elementwise draw, of whatever library, is a law too.
- `_components`: any other component is a function, compiled once for all that are
  the same up to the numbering of their values.
- `_launch`: the jobs of one function for one kind of arguments.
- `_trace`: `fast_init`, which keeps the launches of a function.
"""

from cthulhu.tracing._trace import count_programs, fast_init

__all__ = ["count_programs", "fast_init"]
