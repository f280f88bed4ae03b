"""Laws, compiled: one program for each law, shape, type and sharding."""

__all__: list[str] = []
