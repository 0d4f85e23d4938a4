"""`python -m memrnn`."""

from memrnn.cli import main

main()
