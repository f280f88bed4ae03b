"""Weight initializers for JAX: pure functions, explicit keys, JAX's very bits."""

__version__ = "0.1.0"
