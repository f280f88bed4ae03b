"""Hyperparameters that hold at every width: μP and its kin, for any model and for optax.

The idea: a model that is m times as wide as the *base*, on which its hyperparameters were
tuned, is trained by the same, if three kinds of numbers change with the width: the standard
deviations of the initial values, the learning rates, and a few factors in the code of the
model. All of them follow from one thing, which dimensions of each parameter grow.

`infer` finds that by comparing the shapes of the model with those of the base, and with
`cthulhu.usage`, which reads off the program which axes are inputs and outputs. A dimension
that differs is *infinite*. By those that are, a parameter has a *role*: ``input`` (the outputs
grow alone: embeddings, biases, norms), ``hidden`` (inputs and outputs grow), ``output`` (the
inputs alone), ``tied`` (an embedding that is a readout too) or ``scalar`` (nothing grows); m_in
and m_out are the ratios. The result is `Shapes`, from which the rest follows:

- `rules`: the rules of the base model as rules for the wide one, for
  `cthulhu.params.init_params`;
- `scale`, and `adam`, `adamw`, `sgd`, `lion`, `muon`: the learning rates, for optax, with ε and
  the decay of weights as they have to be;
- `forward`: the factors of logits, attention and residual branches; or `fold_readout`, for a
  model whose code has no such factor.

Each takes the *kind* of parametrization: ``"mup"``, ``"completep"``, ``"spectral"`` or
``"umup"``, or `MuP`, `CompleteP`, `Spectral`, `UMuP` with arguments. Their docstrings have the
tables, and the papers from which each number comes. But for u-μP, a model as wide and deep as
its base is, bit for bit, what it is without this package.
"""

from cthulhu.mup._forward import Forward, fold_readout, forward
from cthulhu.mup._infer import infer
from cthulhu.mup._kind import Kind, Multipliers, Residual
from cthulhu.mup._leaf import LeafShape
from cthulhu.mup._muon import muon
from cthulhu.mup._optimizers import adam, adamw, lion, sgd
from cthulhu.mup._relative import CompleteP, MuP, Spectral
from cthulhu.mup._rules import rules
from cthulhu.mup._scale import scale
from cthulhu.mup._shapes import Shapes
from cthulhu.mup._unit import UMuP

__all__ = [
    "CompleteP",
    "Forward",
    "Kind",
    "LeafShape",
    "MuP",
    "Multipliers",
    "Residual",
    "Shapes",
    "Spectral",
    "UMuP",
    "adam",
    "adamw",
    "fold_readout",
    "forward",
    "infer",
    "lion",
    "muon",
    "rules",
    "scale",
    "sgd",
]
