"""What is forecast of the memory of a run on a text, and what a process takes."""

import os
import subprocess
import sys

import pytest

from memrnn import Experiment, TrainingConfig, get_model
from memrnn.nn.components import parameter_count
from memrnn.tasks.text import Text
from memrnn.training import checkpoint_bytes

RUN = """
import resource, sys, tempfile
from memrnn import Experiment, TrainingConfig, train
from memrnn.tasks.text import Text

task = Text(sys.argv[1], updates_per_epoch=4)
config = TrainingConfig(max_epochs=2, optimizer="sgd", learning_rate_range=(1.0, 1.0))
with tempfile.TemporaryDirectory() as folder:
    train(Experiment(task, sys.argv[2], (), config), folder + "/run", 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def measured(corpus: str, model: str) -> int:
    words = [sys.executable, "-c", RUN, corpus, model]
    environment = os.environ | {"NPROC": "1"}  # as workers of a study have it
    told = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    return int(told.stdout)


def forecast(corpus: str, model: str) -> int:
    """As the forecast of a study has it for one worker."""
    task = Text(corpus)
    network = task.build(get_model(model), 0)
    experiment = Experiment(task, model, (), TrainingConfig(optimizer="sgd"))
    parameters = 4 * parameter_count(network)
    need = task.check_memory(network, training=True)
    return need + 4 * checkpoint_bytes(experiment, network) + parameters


@pytest.mark.slow
def test_a_process_takes_what_is_forecast_within_a_factor_of_one_and_a_half() -> None:
    """Beyond what it takes with next to no network: Python, JAX, the compiler."""
    small = "kjv-small", "lstm-4"
    for corpus, model in (("kjv", "lstm-256"), ("kjv", "lstm-247+jm-hidden:depth_limit=10")):
        expected = forecast(corpus, model) - forecast(*small)
        found = measured(corpus, model) - measured(*small)
        assert 2 / 3 < found / expected < 3 / 2, (found, expected)
