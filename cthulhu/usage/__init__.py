"""What a function uses its parameters as, read off the program.

Which axes of a parameter are its inputs, its outputs and its stacks decides the variance
of its initializer, its class in muP, its learning rate, Muon's axes and whether it decays.
An array does not tell; the function that uses it does. `infer` walks through the jaxpr of
any function and takes down every place where a parameter meets the activations.

- `_views`: a `View` is where the axes of one parameter lie in a value of the program; it is
  moved as the operations of JAX move the value.
- `_values`: a value is fixed, data (an activation), or parameters that were moved and
  combined. Rows that were looked up in a table are parameters until they meet activations.
- `_moving`, `_elementwise`, `_contractions`: what operations make of values.
- `_walk`: from equation to equation, into calls, loops and branches. What a loop carries is
  found by walking it until nothing changes.
- `_recorder`: takes down the uses. `_usage`: the result, as data. `_infer`: all of it.
- `_answers`: what follows for optimizers.
"""

from cthulhu.usage._answers import decay_mask, muon_axes
from cthulhu.usage._infer import infer
from cthulhu.usage._usage import LeafUsage, Role, Usage, Use

__all__ = ["LeafUsage", "Role", "Usage", "Use", "decay_mask", "infer", "muon_axes"]
