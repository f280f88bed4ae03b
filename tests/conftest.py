"""Strict numerics on eight virtual CPU devices, for every test."""

import os

# These are read when JAX and Keras are imported.
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()
)

import hypothesis
import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

hypothesis.settings.register_profile("cthulhu", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("cthulhu")
