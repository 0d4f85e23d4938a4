"""Keeps pytest from running the examples of docstrings here: tests/test_docstrings.py runs them."""

collect_ignore = ["memrnn"]
