"""Training: restarts of an experiment, resumable, each a function of its seed."""

from memrnn.training._experiment import Experiment as Experiment
from memrnn.training._experiment import Start as Start
from memrnn.training._experiment import TrainingConfig as TrainingConfig
from memrnn.training._folder import EXPERIMENT_FILE as EXPERIMENT_FILE
from memrnn.training._folder import Run as Run
from memrnn.training._folder import load_experiment as load_experiment
from memrnn.training._folder import load_run as load_run
from memrnn.training._folder import lock as lock
from memrnn.training._folder import open_restart as open_restart
from memrnn.training._folder import save_constructed as save_constructed
from memrnn.training._folder import start_from as start_from
from memrnn.training._loop import TrainingEvent as TrainingEvent
from memrnn.training._loop import Writer as Writer
from memrnn.training._loop import out_of_memory as out_of_memory
from memrnn.training._loop import train_runs as train_runs
from memrnn.training._measures import Measure as Measure
from memrnn.training._measures import register_measure as register_measure
from memrnn.training._pack import Pack as Pack
from memrnn.training._pack import pack_key as pack_key
from memrnn.training._programs import epoch_program as epoch_program
from memrnn.training._progress import Epoch as Epoch
from memrnn.training._progress import Progress as Progress
from memrnn.training._restart import Restart as Restart
from memrnn.training._train import check_memory as check_memory
from memrnn.training._train import checkpoint_bytes as checkpoint_bytes
from memrnn.training._train import train as train
