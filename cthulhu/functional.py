"""The initializers as pure functions `(key, shape, dtype, out_sharding) -> Array`.

Each name is an initializer itself, not a factory, so it can be handed to Flax as
it stands; options are keywords, and `functools.partial` binds them, as it must an
option without a default. Scalar options may be traced. `function.definition` is the
class of `cthulhu.initializers` that a function is derived from, and
`function.draw(shape, dtype, **options)` what a call would run. `functional.pyi`,
which `make stubs` writes, holds the signatures.
"""

from cthulhu import initializers as _classes
from cthulhu.initializers import _registry

blocked = _classes.Blocked.function
by_depth = _classes.ByDepth.function
chrono = _classes.Chrono.function
constant = _classes.Constant.function
delta_orthogonal = _classes.DeltaOrthogonal.function
dirac = _classes.Dirac.function
glorot_normal = _classes.GlorotNormal.function
glorot_uniform = _classes.GlorotUniform.function
he_normal = _classes.HeNormal.function
he_uniform = _classes.HeUniform.function
hippo_leg_s = _classes.HippoLegS.function
identity = _classes.Identity.function
inverse_softplus_uniform = _classes.InverseSoftplusUniform.function
kaiming = _classes.Kaiming.function
lecun_normal = _classes.LecunNormal.function
lecun_uniform = _classes.LecunUniform.function
log_uniform = _classes.LogUniform.function
logit_prior = _classes.LogitPrior.function
mapped = _classes.Mapped.function
masked = _classes.Masked.function
ones = _classes.Ones.function
orthogonal = _classes.Orthogonal.function
random_normal = _classes.RandomNormal.function
random_uniform = _classes.RandomUniform.function
recurrent_gate = _classes.RecurrentGate.function
ring_phase = _classes.RingPhase.function
ring_uniform = _classes.RingUniform.function
s4d_inv = _classes.S4DInv.function
s4d_lin = _classes.S4DLin.function
s4d_real = _classes.S4DReal.function
scaled = _classes.Scaled.function
sin_cos = _classes.SinCos.function
siren = _classes.Siren.function
small_init = _classes.SmallInit.function
sparse = _classes.Sparse.function
stacked = _classes.Stacked.function
stft = _classes.STFT.function
torch_linear = _classes.TorchLinear.function
truncated_normal = _classes.TruncatedNormal.function
uniform_gate = _classes.UniformGate.function
unit_forget_gate = _classes.UnitForgetGate.function
variance_scaling = _classes.VarianceScaling.function
wang_init = _classes.WangInit.function
xavier = _classes.Xavier.function
zer_o = _classes.ZerO.function
zero_first = _classes.ZeroFirst.function
zero_last = _classes.ZeroLast.function
zeros = _classes.Zeros.function

# The names that users of JAX and torch type.
globals().update({name: cls.function for cls in _registry.CLASSES for name in cls.aliases})

__all__ = [name for name in sorted(globals()) if name[0].isalpha()]
