"""Errors teach: each says who was asked, what came, and what to do."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import backend as K
from cthulhu import functional, initializers, random
from cthulhu.fans import compute_fans
from cthulhu.layers import Daoloth
from cthulhu.models import Sequential


class Bad(NamedTuple):
    """A bad input: its name, the call, and the error that it must raise."""

    name: str
    call: Callable[[], Any]
    error: type[Exception]
    message: str


def key() -> jax.Array:
    return jax.random.key(0)


def mesh() -> jax.sharding.Mesh:
    return jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))


def inputs() -> jax.Array:
    return jnp.ones((1, 3))


def unseeded_in_jit() -> Any:
    return jax.jit(lambda: initializers.HeNormal()((2, 3)))()


def unseeded_in_vmap() -> Any:
    return jax.vmap(lambda x: x * initializers.HeNormal()((3,)))(jnp.ones((2, 3)))


def scope_outside_jit() -> Any:
    with random.scope(key()):
        return jax.jit(lambda: initializers.HeNormal()((2, 3)))()


def traced_stddev() -> Any:
    return jax.jit(lambda stddev: initializers.RandomNormal(stddev=stddev)((2,)))(1.0)


def traced_batch_of_stddevs() -> Any:
    def draw(stddevs: jax.Array) -> jax.Array:
        return functional.random_normal(key(), (2,), stddev=stddevs)

    return jax.jit(draw)(jnp.ones((3,)))


class Gain(initializers.Initializer):
    """A subclass with an argument and without `get_config`."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self.gain * K.ones(shape, dtype=dtype)


def subclass_without_arguments() -> Any:
    class Wrong(initializers.Initializer):
        def __call__(self) -> Any:  # type: ignore[override]
            return 0

    return Wrong


def too_large(name: str, call: Callable[[], object], message: str) -> Bad:
    return Bad(f"overflow {name}", call, ValueError, message)


# What a type cannot hold would become infinite, or NaN.
OVERFLOWS = [
    too_large(
        "stddev",
        lambda: functional.random_normal(key(), (2,), stddev=1e39),
        r"random_normal: the values overflow float32 with 1e\+39",
    ),
    too_large(
        "mean",
        lambda: functional.random_normal(key(), (2,), mean=1e300),
        r"random_normal: the values overflow float32 with 1e\+300",
    ),
    too_large(
        "stddev beyond floats",
        lambda: functional.random_normal(key(), (2,), stddev=10**400),
        r"random_normal: stddev must be finite; got 10",
    ),
    too_large(
        "scale",
        lambda: functional.variance_scaling(key(), (2, 2), scale=1e80),
        r"variance_scaling: the values overflow float32",
    ),
    too_large(
        "width",
        lambda: functional.random_uniform(key(), (2,), minval=-3e38, maxval=3e38),
        r"random_uniform: the values overflow float32 with -3e\+38 and 3e\+38",
    ),
    too_large(
        "narrow constant",
        lambda: functional.constant(None, (2,), "float16", value=1e6),
        r"constant: value=1000000\.0 overflows dtype float16",
    ),
    too_large(
        "narrow tail",
        lambda: functional.random_normal(key(), (2,), "float8_e4m3fn", stddev=100),
        r"random_normal: the values overflow float8_e4m3fn with 550\.0",
    ),
    too_large(
        "no probability",
        lambda: functional.truncated_normal(key(), (2,), lower=7, upper=8),
        r"truncated_normal: in float32 no probability is left between lower=7 and upper=8",
    ),
]

SCALES = [
    Bad(
        "scale negative",
        lambda: initializers.VarianceScaling(scale=-1.0),
        ValueError,
        r"VarianceScaling: scale must be greater than 0; got -1\.0",
    ),
    Bad(
        "scale zero",
        lambda: initializers.VarianceScaling(scale=0),
        ValueError,
        r"VarianceScaling: scale must be greater than 0; got 0$",
    ),
    Bad(
        "scale NaN",
        lambda: initializers.VarianceScaling(scale=float("nan")),
        ValueError,
        r"VarianceScaling: scale must be finite; got nan",
    ),
    Bad(
        "scale infinite",
        lambda: initializers.VarianceScaling(scale=float("inf")),
        ValueError,
        r"VarianceScaling: scale must be finite; got inf",
    ),
    Bad(
        "scale a string",
        lambda: initializers.VarianceScaling(scale="1"),
        TypeError,
        r"VarianceScaling: scale must be a number or a scalar array; got '1' of type str",
    ),
    Bad(
        "scale zero in functional",
        lambda: functional.variance_scaling(key(), (2, 2), scale=0.0),
        ValueError,
        r"variance_scaling: scale must be greater than 0; got 0\.0",
    ),
    Bad(
        "mode unknown",
        lambda: initializers.VarianceScaling(mode="fan_inn"),
        ValueError,
        r"VarianceScaling: mode must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg'; "
        r"got 'fan_inn' \(did you mean 'fan_in'\?\)",
    ),
    Bad(
        "mode None",
        lambda: initializers.VarianceScaling(mode=None),
        ValueError,
        r"VarianceScaling: mode must be one of .*; got None",
    ),
    Bad(
        "distribution unknown",
        lambda: initializers.VarianceScaling(distribution="unifrom"),
        ValueError,
        r"VarianceScaling: distribution must be one of 'truncated_normal', 'normal', "
        r"'untruncated_normal', 'uniform'; got 'unifrom' \(did you mean 'uniform'\?\)",
    ),
    Bad(
        "distribution unknown in functional",
        lambda: functional.variance_scaling(key(), (2, 2), distribution="gaussian"),
        ValueError,
        r"variance_scaling: distribution must be one of .*; got 'gaussian'$",
    ),
]

MOMENTS = [
    Bad(
        "stddev negative",
        lambda: initializers.RandomNormal(stddev=-0.1),
        ValueError,
        r"RandomNormal: stddev must be at least 0; got -0\.1",
    ),
    Bad(
        "stddev NaN",
        lambda: initializers.TruncatedNormal(stddev=float("nan")),
        ValueError,
        r"TruncatedNormal: stddev must be finite; got nan",
    ),
    Bad(
        "stddev negative in functional",
        lambda: functional.truncated_normal(key(), (2,), stddev=-1),
        ValueError,
        r"truncated_normal: stddev must be at least 0; got -1",
    ),
    Bad(
        "stddev negative in K",
        lambda: K.random_normal((2,), stddev=-1.0),
        ValueError,
        r"random_normal: stddev must be at least 0; got -1\.0",
    ),
    Bad(
        "stddev an array",
        lambda: initializers.RandomNormal(stddev=np.ones(2)),
        ValueError,
        r"RandomNormal: stddev must be a scalar; got an array of shape \(2,\)",
    ),
    Bad(
        "stddev a traced array",
        traced_batch_of_stddevs,
        ValueError,
        r"random_normal: stddev must be a scalar; got a traced array of shape \(3,\)\. "
        r"Use jax\.vmap",
    ),
    Bad(
        "stddev complex",
        lambda: initializers.RandomNormal(stddev=1j),
        TypeError,
        r"RandomNormal: stddev must be a real number; got 1j",
    ),
    Bad(
        "stddev True",
        lambda: initializers.RandomNormal(stddev=True),
        TypeError,
        r"RandomNormal: stddev must be a number; got True",
    ),
    Bad(
        "stddev traced",
        traced_stddev,
        TypeError,
        r"RandomNormal: stddev must be concrete.*got a traced array\. "
        r"Use the function in cthulhu\.functional",
    ),
    Bad(
        "mean None",
        lambda: initializers.RandomNormal(mean=None),
        TypeError,
        r"RandomNormal: mean must be a number or a scalar array; got None of type NoneType",
    ),
    Bad(
        "minval above maxval",
        lambda: initializers.RandomUniform(1.0, 0.5),
        ValueError,
        r"RandomUniform: minval must be at most maxval; got minval=1\.0 and maxval=0\.5",
    ),
    Bad(
        "minval above maxval in functional",
        lambda: functional.random_uniform(key(), (2,), minval=1, maxval=0),
        ValueError,
        r"random_uniform: minval must be at most maxval; got minval=1 and maxval=0",
    ),
    Bad(
        "lower above upper",
        lambda: initializers.TruncatedNormal(lower=2.0, upper=-2.0),
        ValueError,
        r"TruncatedNormal: lower must be less than upper; got lower=2\.0 and upper=-2\.0",
    ),
    Bad(
        "lower equal to upper in functional",
        lambda: functional.truncated_normal(key(), (2,), lower=1.0, upper=1.0),
        ValueError,
        r"truncated_normal: lower must be less than upper; got lower=1\.0 and upper=1\.0",
    ),
    Bad(
        "value a string",
        lambda: initializers.Constant("a"),
        TypeError,
        r"Constant: value must be a number or a scalar array; got 'a' of type str",
    ),
    Bad(
        "value complex, dtype real",
        lambda: initializers.Constant(1j)((2,), "float32"),
        TypeError,
        r"constant: value 1j is complex; dtype float32 is not",
    ),
    Bad(
        "value a fraction, dtype integer",
        lambda: initializers.Constant(0.5)((2,), "int32"),
        ValueError,
        r"constant: value 0\.5 is no integer, and dtype is int32",
    ),
    Bad(
        "value NaN, dtype integer",
        lambda: functional.constant(None, (2,), "int32", value=float("nan")),
        ValueError,
        r"constant: value nan is no integer, and dtype is int32",
    ),
    Bad(
        "value too large for the dtype",
        lambda: functional.constant(None, (2,), "int8", value=300),
        ValueError,
        r"constant: dtype int8 holds integers from -128 to 127; got value=300",
    ),
    Bad(
        "gain a fraction, dtype integer",
        lambda: initializers.Identity(0.5)((2, 2), "int32"),
        ValueError,
        r"identity: gain 0\.5 is no integer, and dtype is int32",
    ),
    Bad(
        "gain infinite",
        lambda: initializers.Orthogonal(gain=float("inf")),
        ValueError,
        r"Orthogonal: gain must be finite; got inf",
    ),
]

NAMES = [
    Bad(
        "name unknown",
        lambda: initializers.get("he_norml"),
        ValueError,
        r"unknown initializer 'he_norml' \(did you mean 'he_normal'\?\)\. "
        r"Known names: constant, .*; pass custom_objects=",
    ),
    Bad(
        "name of another case",
        lambda: initializers.get("HENORMAL"),
        ValueError,
        r"unknown initializer 'HENORMAL'",
    ),
    Bad(
        "identifier a number",
        lambda: initializers.get(3),
        TypeError,
        r"an initializer is named by a string, a config dict, .*; got 3 of type int",
    ),
    Bad(
        "argument unknown in a config",
        lambda: initializers.get({"class_name": "RandomNormal", "config": {"stdev": 1.0}}),
        TypeError,
        r"RandomNormal: unknown argument 'stdev' in a config \(did you mean 'stddev'\?\); "
        r"it has mean, stddev, seed$",
    ),
    Bad(
        "config without class_name",
        lambda: initializers.get({"config": {}}),
        TypeError,
        r"deserialize: a config must have a 'class_name', a string, and a 'config', a dict; "
        r"got \{'config': \{\}\}",
    ),
    Bad(
        "config None",
        lambda: initializers.deserialize({"class_name": "Zeros", "config": None}),
        TypeError,
        r"deserialize: a config must have .*; got \{'class_name': 'Zeros', 'config': None\}",
    ),
    Bad(
        "deserialize a number",
        lambda: initializers.deserialize(7),
        TypeError,
        r"deserialize: a name or a config dict is needed; got 7 of type int",
    ),
    Bad(
        "serialize a wrapped callable",
        lambda: initializers.serialize(initializers.get(lambda shape, dtype=None: K.ones(shape))),
        TypeError,
        r"serialize: FromCallable has arguments and no get_config.*a bare function or an array "
        r"cannot be saved: subclass Initializer",
    ),
    Bad(
        "serialize a class",
        lambda: initializers.serialize(initializers.HeNormal),
        TypeError,
        r"serialize: an instance of Initializer is needed; got <class .*HeNormal'> of type type\. "
        r"Make an instance: HeNormal\(\)",
    ),
    Bad(
        "serialize an object",
        lambda: initializers.serialize(object()),
        TypeError,
        r"serialize: an instance of Initializer is needed; got <object .*> of type object",
    ),
    Bad(
        "serialize a subclass without get_config",
        lambda: initializers.serialize(Gain(2.0)),
        TypeError,
        r"serialize: Gain has arguments and no get_config, so its config would lose them\. "
        r"Implement get_config\(self\)",
    ),
]

CLASSES_AND_FACTORIES = [
    Bad(
        "a class as a Flax initializer",
        lambda: nn.Dense(3, kernel_init=initializers.he_normal).init(key(), inputs()),
        TypeError,
        r"HeNormal is a class and was called as if it were an initializer, with a key first\. "
        r"Make an instance: HeNormal\(\) in place of HeNormal",
    ),
    Bad(
        "a class called with a key",
        lambda: initializers.zeros(key(), (2, 3)),
        TypeError,
        r"Zeros is a class and was called as if it were an .*Make an instance: Zeros\(\)",
    ),
    Bad(
        "a JAX factory",
        lambda: initializers.get(jax.nn.initializers.he_normal),
        TypeError,
        r"he_normal: an initializer takes \(shape, dtype=None\), or \(key, shape, dtype=None\).*"
        r"has no required argument\. If it builds an initializer, call it: pass what it returns",
    ),
    Bad(
        "a JAX factory with required arguments",
        lambda: initializers.get(jax.nn.initializers.variance_scaling),
        TypeError,
        r"variance_scaling: an initializer takes .*; got variance_scaling\(scale.*"
        r"Name the first argument 'shape' or 'key'",
    ),
    Bad(
        "a JAX factory that looks like an initializer",
        lambda: initializers.get(jax.nn.initializers.constant)(key(), (2,)),
        TypeError,
        r"constant: an initializer must return an array; it returned <function .* of type function",
    ),
]

SEEDS = [
    Bad(
        "seed a float",
        lambda: initializers.HeNormal(seed=1.5),
        TypeError,
        r"HeNormal: seed must be an integer or None; got 1\.5 of type float",
    ),
    Bad(
        "seed a whole float",
        lambda: initializers.HeNormal(seed=1.0),
        TypeError,
        r"HeNormal: seed must be an integer or None; got 1\.0 of type float",
    ),
    Bad(
        "seed a bool",
        lambda: initializers.RandomUniform(seed=True),
        TypeError,
        r"RandomUniform: seed must be an integer or None; got True",
    ),
    Bad(
        "seed negative",
        lambda: initializers.Orthogonal(seed=-1),
        ValueError,
        r"Orthogonal: seed must be from 0 to 2\*\*32 - 1, .*; got -1",
    ),
    Bad(
        "seed too large",
        lambda: initializers.GlorotNormal(seed=2**32),
        ValueError,
        r"GlorotNormal: seed must be from 0 to 2\*\*32 - 1, so that no two seeds give the same "
        r"key; got 4294967296",
    ),
    Bad(
        "seed a string",
        lambda: initializers.LecunNormal(seed="7"),
        TypeError,
        r"LecunNormal: seed must be an integer or None; got '7' of type str",
    ),
    Bad(
        "seed a key",
        lambda: initializers.HeNormal(seed=key()),
        TypeError,
        r"HeNormal: seed must be an integer or None; got a PRNG key\. "
        r"Pass the key when calling the instance: init\(key, shape, dtype\)",
    ),
    Bad(
        "seed a raw key",
        lambda: initializers.HeNormal(seed=jax.random.PRNGKey(0)),
        TypeError,
        r"HeNormal: seed must be an integer or None; got a PRNG key",
    ),
    Bad(
        "set_seed None",
        lambda: random.set_seed(None),
        TypeError,
        r"set_seed: seed must be an integer; got None",
    ),
    Bad(
        "from_seed None",
        lambda: random.from_seed(None),
        TypeError,
        r"from_seed: seed must be an integer; got None",
    ),
    Bad(
        "K seed negative",
        lambda: K.random_uniform((2,), seed=-3),
        ValueError,
        r"random_uniform: seed must be from 0 to 2\*\*32 - 1, .*; got -3",
    ),
]

SHAPES = [
    Bad(
        "shape with -1",
        lambda: initializers.HeNormal()(key(), (-1, 3)),
        ValueError,
        r"every dimension of shape must be at least 0; got -1 in \(-1, 3\)",
    ),
    Bad(
        "shape with None",
        lambda: initializers.HeNormal()((None, 3)),
        ValueError,
        r"every dimension of shape must be known; got \(None, 3\)\. Replace None by the size",
    ),
    Bad(
        "shape with floats",
        lambda: functional.random_normal(key(), (2.0, 3)),
        TypeError,
        r"random_normal: every dimension of shape must be an integer; got 2\.0 of type float "
        r"in \(2\.0, 3\)",
    ),
    Bad(
        "shape a bare integer",
        lambda: initializers.Zeros()(5),
        TypeError,
        r"zeros: shape must be a sequence of integers; got 5 of type int\. "
        r"For one dimension write \(5,\)",
    ),
    Bad(
        "shape a string",
        lambda: functional.random_uniform(key(), "ab"),
        TypeError,
        r"random_uniform: shape must be a sequence of integers; got 'ab' of type str",
    ),
    Bad(
        "orthogonal 1-D",
        lambda: initializers.Orthogonal()(key(), (3,)),
        ValueError,
        r"orthogonal: shape must have at least 2 dimensions .*; got \(3,\), which has 1",
    ),
    Bad(
        "orthogonal stacked 1-D",
        lambda: functional.orthogonal(key(), (4, 3), batch_axis=0),
        ValueError,
        r"orthogonal: shape must have at least 3 dimensions \(a matrix, and the batch axes\); "
        r"got \(4, 3\)",
    ),
    Bad(
        "identity 3-D",
        lambda: initializers.Identity()((2, 2, 2)),
        ValueError,
        r"identity: shape must have exactly 2 dimensions .*; got \(2, 2, 2\), which has 3",
    ),
    Bad(
        "identity 1-D",
        lambda: functional.identity(None, (2,)),
        ValueError,
        r"identity: shape must have exactly 2 dimensions .*; got \(2,\), which has 1",
    ),
    Bad(
        "delta_orthogonal 2-D",
        lambda: initializers.DeltaOrthogonal()(key(), (4, 8)),
        ValueError,
        r"delta_orthogonal: shape must have 3 to 5 dimensions .*; got \(4, 8\), which has 2",
    ),
    Bad(
        "delta_orthogonal 6-D",
        lambda: functional.delta_orthogonal(key(), (1, 1, 1, 1, 2, 2)),
        ValueError,
        r"delta_orthogonal: shape must have 3 to 5 dimensions .*which has 6",
    ),
    Bad(
        "delta_orthogonal with more inputs than outputs",
        lambda: functional.delta_orthogonal(key(), (3, 3, 8, 4)),
        ValueError,
        r"delta_orthogonal: the last dimension \(outputs\) must be at least the one before it "
        r"\(inputs\); got 4 outputs and 8 inputs",
    ),
    Bad(
        "a call without a shape",
        lambda: initializers.HeNormal()(key()),
        TypeError,
        r"HeNormal: a call needs a shape: init\(key, shape, dtype\) or init\(shape, dtype\)",
    ),
    Bad(
        "a call with an unknown argument",
        lambda: initializers.HeNormal()(shap=(2,)),
        TypeError,
        r"HeNormal: unknown argument 'shap' in a call \(did you mean 'shape'\?\)",
    ),
    Bad(
        "a call with the shape twice",
        lambda: initializers.HeNormal()((2, 2), shape=(2, 2)),
        TypeError,
        r"HeNormal: argument 'shape' was given twice",
    ),
    Bad(
        "a call with too many arguments",
        lambda: initializers.HeNormal()(key(), (2, 2), None, None, None),
        TypeError,
        r"HeNormal: at most 4 arguments \(key, shape, dtype, out_sharding\); got 5",
    ),
]

AXES = [
    Bad(
        "axis out of range",
        lambda: initializers.HeNormal(in_axis=5)(key(), (2, 3)),
        ValueError,
        r"in_axis must name axes of a shape with 2 dimensions, so from -2 to 1; got 5",
    ),
    Bad(
        "axis a float",
        lambda: initializers.HeNormal(in_axis=0.5),
        TypeError,
        r"HeNormal: in_axis must be an integer or a sequence of integers; got 0\.5",
    ),
    Bad(
        "axis of orthogonal out of range",
        lambda: initializers.Orthogonal(axis=3)(key(), (2, 3, 4)),
        ValueError,
        r"orthogonal: axis must name axes of a shape with 3 dimensions, so from -3 to 2; got 3",
    ),
    Bad(
        "axis of orthogonal a pair",
        lambda: initializers.Orthogonal(axis=(0, 1)),
        TypeError,
        r"Orthogonal: axis must be an integer; got \(0, 1\)",
    ),
    Bad(
        "axis named twice",
        lambda: functional.he_uniform(key(), (2, 3), in_axis=(0, -2)),
        ValueError,
        r"in_axis names an axis twice; got \(0, -2\)",
    ),
    Bad(
        "batch axis that is an output axis too",
        lambda: initializers.HeNormal(batch_axis=-1)(key(), (2, 3, 4)),
        ValueError,
        r"axis 2 of shape \(2, 3, 4\) is in both out_axis and batch_axis; "
        r"a batch axis counts in no fan",
    ),
    Bad(
        "batch axis that is the columns' axis too",
        lambda: functional.orthogonal(key(), (2, 3, 4), batch_axis=2),
        ValueError,
        r"orthogonal: axis -1 is a batch axis too; got batch_axis=2",
    ),
    Bad(
        "fans of an unknown axis",
        lambda: compute_fans((2, 3), in_axis=2, out_axis=0),
        ValueError,
        r"compute_fans: in_axis must name axes of a shape with 2 dimensions.*; got 2",
    ),
]

DTYPES = [
    Bad(
        "integer dtype for a draw",
        lambda: functional.random_normal(key(), (2,), jnp.int32),
        TypeError,
        r"random_normal: dtype must be a floating or complex type for a random draw; got int32\. "
        r"For random integers use jax\.random\.randint",
    ),
    Bad(
        "boolean dtype for a draw",
        lambda: initializers.Orthogonal()(key(), (2, 2), bool),
        TypeError,
        r"orthogonal: dtype must be a floating or complex type for a random draw; got bool",
    ),
    Bad(
        "dtype unknown",
        lambda: initializers.HeNormal()(key(), (2, 2), "flot32"),
        TypeError,
        r"dtype must name a dtype, as 'float32' or jnp\.bfloat16 do; got 'flot32'",
    ),
    Bad(
        "dtype that JAX has not",
        lambda: functional.zeros(None, (2,), "str"),
        TypeError,
        r"(zeros|constant): dtype must name a dtype, .*; got 'str'",
    ),
    Bad(
        "complex truncated normal",
        lambda: functional.truncated_normal(key(), (2,), jnp.complex64),
        TypeError,
        r"truncated_normal: dtype must be a real floating type; got complex64\. "
        r"For a complex normal cut at a modulus use variance_scaling",
    ),
    Bad(
        "complex uniform",
        lambda: initializers.RandomUniform()(key(), (2,), jnp.complex64),
        TypeError,
        r"random_uniform: dtype must be a real floating type; got complex64\. "
        r"For a uniform disk use variance_scaling",
    ),
    Bad(
        "K.cast to an unknown dtype",
        lambda: K.cast([1, 2], "flot32"),
        TypeError,
        r"cast: dtype must name a dtype, .*; got 'flot32'",
    ),
    Bad(
        "K.constant of another shape",
        lambda: K.constant([1, 2], shape=(3,)),
        ValueError,
        r"constant: value of shape \(2,\) cannot be broadcast to shape \(3,\)",
    ),
    Bad(
        "K.set_floatx of an integer type",
        lambda: K.set_floatx("int8"),
        ValueError,
        r"set_floatx: value must be one of 'bfloat16', 'float16', 'float32', 'float64'; "
        r"got 'int8'",
    ),
]

KEYS = [
    Bad(
        "raw key of the wrong shape",
        lambda: functional.he_normal(jnp.zeros((3,), jnp.uint32), (2, 3)),
        ValueError,
        r"a raw key of the implementation 'threefry2x32' must have shape \(2,\); got shape \(3,\)",
    ),
    Bad(
        "a batch of keys",
        lambda: initializers.HeNormal()(jax.random.split(key(), 3), (2, 3)),
        ValueError,
        r"key must be a single key; got a batch of keys of shape \(3,\)\. Use jax\.vmap",
    ),
    Bad(
        "a batch of raw keys",
        lambda: functional.orthogonal(jnp.zeros((4, 2), jnp.uint32), (2, 3)),
        ValueError,
        r"orthogonal: key must be a single key; got a batch of keys of shape \(4,\)",
    ),
    Bad(
        "an integer as a key",
        lambda: functional.random_normal(0, (2, 3)),
        TypeError,
        r"random_normal: key must be a PRNG key, as jax\.random\.key\(0\) makes; got 0 of type int",
    ),
    Bad(
        "an integer as an instance's key",
        lambda: initializers.HeNormal()(7, (2, 3)),
        TypeError,
        r"HeNormal: key must be a PRNG key, as jax\.random\.key\(7\) makes; got 7 of type int",
    ),
    Bad(
        "None as a key",
        lambda: functional.random_uniform(None, (2, 3)),
        TypeError,
        r"random_uniform: key must be a PRNG key.*; got None of type NoneType",
    ),
    Bad(
        "a float array as a key",
        lambda: functional.random_normal(jnp.ones((2,)), (2, 3)),
        TypeError,
        r"random_normal: key must be a PRNG key.*; got an array of dtype float32 and shape \(2,\)",
    ),
    Bad(
        "a float scalar as a key",
        lambda: functional.random_normal(jnp.ones(()), (2, 3)),
        TypeError,
        r"key must be a PRNG key.*; got an array of dtype float32 and shape \(\)",
    ),
    Bad(
        "a scope of an integer",
        lambda: random.scope(3).__enter__(),
        TypeError,
        r"scope: key must be a PRNG key.*; got 3 of type int",
    ),
    Bad(
        "a path folded into a batch of keys",
        lambda: random.fold_path(jax.random.split(key()), ["a"]),
        ValueError,
        r"fold_path: key must be a single key; got a batch of keys of shape \(2,\)",
    ),
    Bad(
        "unseeded under jit",
        unseeded_in_jit,
        RuntimeError,
        r"HeNormal: called without a key and without a seed while JAX traces a function; .*"
        r"Pass a key, init\(key, shape, dtype\), or enter `with cthulhu\.random\.scope\(key\):`",
    ),
    Bad(
        "unseeded under vmap",
        unseeded_in_vmap,
        RuntimeError,
        r"HeNormal: called without a key and without a seed while JAX traces a function",
    ),
    Bad(
        "unseeded K under jit",
        jax.jit(lambda: K.random_normal((3,))),
        RuntimeError,
        r"backend\.random_normal: called without a key and without a seed while JAX traces",
    ),
    Bad(
        "scope entered outside of the jit",
        scope_outside_jit,
        RuntimeError,
        r"HeNormal: .* \(the scope in use was entered outside of it\); .*inside the function",
    ),
]

CALLABLES = [
    Bad(
        "callable without arguments",
        lambda: initializers.get(lambda: 0),
        TypeError,
        r"an initializer takes \(shape, dtype=None\), or \(key, shape, dtype=None\) as JAX's do; "
        r"got <lambda>\(\)\. Name the first argument 'shape' or 'key'",
    ),
    Bad(
        "callable of two unnamed arguments",
        lambda: initializers.get(lambda a, b: 0),
        TypeError,
        r"got <lambda>\(a, b\)\. Name the first argument 'shape' or 'key'",
    ),
    Bad(
        "callable of four arguments",
        lambda: initializers.get(lambda a, b, c, d: 0),
        TypeError,
        r"got <lambda>\(a, b, c, d\)\. Name the first argument 'shape' or 'key'",
    ),
    Bad(
        "callable of *args alone",
        lambda: initializers.get(lambda *args: 0),
        TypeError,
        r"got <lambda>\(\*args\), which has no required argument",
    ),
    Bad(
        "callable without a readable signature",
        lambda: initializers.get(max),
        TypeError,
        r"max: .*the signature of <built-in function max> cannot be read\. Wrap it in a function",
    ),
    Bad(
        "subclass with a wrong __call__",
        subclass_without_arguments,
        TypeError,
        r"Wrong\.__call__: an initializer takes .*Name the first argument 'shape' or 'key'",
    ),
    Bad(
        "subclass without __call__",
        lambda: initializers.Initializer()((2,)),
        NotImplementedError,
        r"Initializer: a subclass of Initializer implements __call__\(self, shape, dtype=None\)",
    ),
    Bad(
        "callable that returns a wrong shape",
        lambda: initializers.get(lambda shape, dtype=None: jnp.ones((7,)))(key(), (2,)),
        ValueError,
        r"asked for shape \(2,\), and it returned an array of shape \(7,\)",
    ),
    Bad(
        "callable that returns a string",
        lambda: initializers.get(lambda shape, dtype=None: "ones")(key(), (2,)),
        TypeError,
        r"an initializer must return an array; it returned 'ones' of type str",
    ),
    Bad(
        "callable that returns None",
        lambda: initializers.get(lambda shape, dtype=None: None)(key(), (2,)),
        TypeError,
        r"an initializer must return an array; it returned None of type NoneType",
    ),
    Bad(
        "callable that returns a ragged list",
        lambda: initializers.get(lambda shape, dtype=None: [[1.0], 2.0])(key(), (2,)),
        TypeError,
        r"an initializer must return an array; it returned \[\[1\.0\], 2\.0\] of type list",
    ),
    Bad(
        "array of another shape",
        lambda: initializers.get(np.ones((2, 2)))(key(), (3,)),
        ValueError,
        r"an array of shape \(2, 2\) was passed as an initializer, and weights of shape \(3,\) "
        r"were asked for; the shapes must be equal",
    ),
]

SHARDINGS = [
    Bad(
        "out_sharding a string",
        lambda: initializers.HeNormal()(key(), (8, 8), None, "x"),
        TypeError,
        r"out_sharding must be a NamedSharding, a PartitionSpec or None; got 'x' of type str",
    ),
    Bad(
        "out_sharding that does not divide",
        lambda: functional.random_normal(key(), (9, 8), None, NamedSharding(mesh(), P("x"))),
        ValueError,
        r"normal: out_sharding P.*'x'.* on a mesh of \{'x': 8\} does not divide shape \(9, 8\)",
    ),
    Bad(
        "out_sharding that does not divide a custom array",
        lambda: initializers.get(np.ones(9, "float32"))(
            key(), (9,), None, NamedSharding(mesh(), P("x"))
        ),
        ValueError,
        r"FromArray: out_sharding .* does not divide shape \(9,\)",
    ),
    Bad(
        "out_sharding a bare spec without a mesh",
        lambda: functional.zeros(None, (8, 8), None, P("x")),
        ValueError,
        r"out_sharding is the bare P.*, and no mesh is in use\. "
        r"Enter one with jax\.set_mesh\(mesh\), or pass NamedSharding\(mesh, spec\)",
    ),
]

LAYERS = [
    Bad(
        "units zero",
        lambda: Daoloth(0),
        ValueError,
        r"Daoloth: units must be at least 1; got 0",
    ),
    Bad(
        "units a float",
        lambda: Daoloth(1.5),
        TypeError,
        r"Daoloth: units must be an integer; got 1\.5 of type float",
    ),
    Bad(
        "units True",
        lambda: Daoloth(True),
        TypeError,
        r"Daoloth: units must be an integer; got True of type bool",
    ),
    Bad(
        "activation unknown",
        lambda: Daoloth(3, activation="rellu"),
        ValueError,
        r"Daoloth: activation must be one of 'celu', .*; got 'rellu' \(did you mean 'relu'\?\)",
    ),
    Bad(
        "activation no activation",
        lambda: Daoloth(3, activation="one_hot"),
        ValueError,
        r"Daoloth: activation must be one of .*; got 'one_hot'",
    ),
    Bad(
        "activation a number",
        lambda: Daoloth(3, activation=3),
        TypeError,
        r"Daoloth: activation must be a name of a function in jax\.nn, a callable or None; "
        r"got 3 of type int",
    ),
    Bad(
        "kernel_initializer unknown",
        lambda: Daoloth(3, kernel_initializer="glorot_unifrom"),
        ValueError,
        r"unknown initializer 'glorot_unifrom' \(did you mean 'glorot_uniform'\?\)",
    ),
    Bad(
        "kernel_initializer None",
        lambda: Daoloth(3, kernel_initializer=None),
        TypeError,
        r"Daoloth: kernel_initializer must name an initializer; got None",
    ),
    Bad(
        "bias_initializer of two dimensions",
        lambda: Daoloth(3, bias_initializer="orthogonal").init(key(), inputs()),
        ValueError,
        r"orthogonal: shape must have at least 2 dimensions .*; got \(3,\), which has 1",
    ),
    Bad(
        "scalar inputs",
        lambda: Daoloth(3).init(key(), jnp.ones(())),
        ValueError,
        r"Daoloth: inputs must have at least one dimension; got a scalar",
    ),
    Bad(
        "layer a class",
        lambda: Sequential([Daoloth]),
        TypeError,
        r"Sequential: a layer is a linen module or a function of an array; got <class .*Daoloth'> "
        r"of type type\. Make an instance: Daoloth\(\.\.\.\)",
    ),
    Bad(
        "layer added a class",
        lambda: Sequential().add(nn.Dense),
        TypeError,
        r"Sequential: a layer is .*Make an instance: Dense\(\.\.\.\)",
    ),
    Bad(
        "layer a number",
        lambda: Sequential().add(3),
        TypeError,
        r"Sequential: a layer is a linen module or a function of an array; got 3 of type int",
    ),
    Bad(
        "layers a layer",
        lambda: Sequential(Daoloth(3)),
        TypeError,
        r"(?s)Sequential: layers must be a sequence of layers; got Daoloth\(.*of type Daoloth",
    ),
    Bad(
        "model empty",
        lambda: Sequential().init(key(), (1, 3)),
        ValueError,
        r"Sequential: the model has no layers; add one with model\.add\(layer\)",
    ),
    Bad(
        "model of an unknown shape",
        lambda: Sequential([Daoloth(3)]).init(key(), (None, 3)),
        ValueError,
        r"Sequential: every dimension of shape must be known; got \(None, 3\)",
    ),
    Bad(
        "summary without a shape",
        lambda: Sequential([Daoloth(3)]).summary(),
        ValueError,
        r"Sequential\.summary: the shape of the inputs is not known yet; pass it, "
        r"model\.summary\(\(1, 784\)\), or call model\.init",
    ),
]

TABLE = [
    *OVERFLOWS,
    *SCALES,
    *MOMENTS,
    *NAMES,
    *CLASSES_AND_FACTORIES,
    *SEEDS,
    *SHAPES,
    *AXES,
    *DTYPES,
    *KEYS,
    *CALLABLES,
    *SHARDINGS,
    *LAYERS,
]


@pytest.mark.parametrize("bad", TABLE, ids=[bad.name for bad in TABLE])
def test_error(bad: Bad) -> None:
    with pytest.raises(bad.error) as caught:
        bad.call()
    assert type(caught.value) is bad.error
    # One string, so that the message reads as a sentence and not as a tuple.
    (message,) = caught.value.args
    assert re.search(bad.message, message), message


def test_the_table_has_no_name_twice() -> None:
    names = [bad.name for bad in TABLE]
    assert len(set(names)) == len(names)
    assert len(names) >= 45


def test_an_unavailable_dtype_is_no_silent_change() -> None:
    with pytest.warns(UserWarning, match=r"float64 was asked for.*the result is float32.*x64"):
        values = functional.random_normal(key(), (2,), "float64")
    assert values.dtype == jnp.float32
