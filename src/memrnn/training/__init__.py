"""Training: restarts of an experiment, side by side, resumable, each a function of its seed."""

from memrnn.training._batched import Pack as Pack
from memrnn.training._batched import measure_places as measure_places
from memrnn.training._pack import Listener as Listener
from memrnn.training._pack import Run as Run
from memrnn.training._pack import Trained as Trained
from memrnn.training._pack import Trainer as Trainer
from memrnn.training._pack import load_experiment as load_experiment
from memrnn.training._pack import load_run as load_run
from memrnn.training._pack import train as train
from memrnn.training._restart import Epoch as Epoch
from memrnn.training._restart import Outcome as Outcome
from memrnn.training._restart import Progress as Progress
from memrnn.training._restart import Restart as Restart
