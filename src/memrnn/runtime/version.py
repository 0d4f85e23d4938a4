"""The version of memrnn, as the package's metadata have it."""

__version__ = "0.2.0"
