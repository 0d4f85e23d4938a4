"""The command line, one file per group of commands."""

from memrnn.cli._demo import compare_memories as compare_memories
from memrnn.cli._demo import run_demo as run_demo
from memrnn.cli._display import RunDisplay as RunDisplay
from memrnn.cli._main import main as main
