"""Training: restarts of an experiment, resumable, each a function of its seed."""

from memrnn.training._folder import EXPERIMENT_FILE as EXPERIMENT_FILE
from memrnn.training._folder import Origin as Origin
from memrnn.training._folder import load_experiment as load_experiment
from memrnn.training._folder import lock as lock
from memrnn.training._loop import Step as Step
from memrnn.training._loop import out_of_memory as out_of_memory
from memrnn.training._loop import train_runs as train_runs
from memrnn.training._pack import Pack as Pack
from memrnn.training._pack import key_of as key_of
from memrnn.training._programs import epoch_program as epoch_program
from memrnn.training._restart import Epoch as Epoch
from memrnn.training._restart import Outcome as Outcome
from memrnn.training._restart import Progress as Progress
from memrnn.training._restart import Restart as Restart
from memrnn.training._train import Listener as Listener
from memrnn.training._train import Run as Run
from memrnn.training._train import Trained as Trained
from memrnn.training._train import check_memory as check_memory
from memrnn.training._train import load_run as load_run
from memrnn.training._train import open_restart as open_restart
from memrnn.training._train import save_constructed as save_constructed
from memrnn.training._train import start_from as start_from
from memrnn.training._train import train as train
from memrnn.training._writer import Checkpoint as Checkpoint
from memrnn.training._writer import Writer as Writer
