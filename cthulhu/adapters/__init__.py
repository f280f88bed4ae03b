"""Where this library meets others: each module imports its library when it is imported itself."""

__all__: list[str] = []
