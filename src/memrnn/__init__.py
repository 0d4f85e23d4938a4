"""memrnn: does a memory-augmented recurrent net learn the grammar, or only the lengths it saw?"""

from memrnn.errors import MemrnnError as MemrnnError
from memrnn.evaluation import Evaluation as Evaluation
from memrnn.evaluation import evaluate as evaluate
from memrnn.languages import Distribution as Distribution
from memrnn.languages import Language as Language
from memrnn.languages import get_language as get_language
from memrnn.languages import language_names as language_names
from memrnn.languages import register_language as register_language
from memrnn.nn.components import COMPONENTS as COMPONENTS
from memrnn.nn.components import parameter_count as parameter_count
from memrnn.nn.components import partition as partition
from memrnn.nn.controllers import CONTROLLERS as CONTROLLERS
from memrnn.nn.controllers import AffineController as AffineController
from memrnn.nn.controllers import Controller as Controller
from memrnn.nn.memories import MEMORIES as MEMORIES
from memrnn.nn.memories import AffineMemory as AffineMemory
from memrnn.nn.memories import Memory as Memory
from memrnn.nn.model import Model as Model
from memrnn.nn.models import get_model as get_model
from memrnn.nn.models import model_names as model_names
from memrnn.nn.models import register_controller as register_controller
from memrnn.nn.models import register_memory as register_memory
from memrnn.nn.models import register_model as register_model
from memrnn.nn.network import Embedding as Embedding
from memrnn.nn.network import Network as Network
from memrnn.nn.network import OneHot as OneHot
from memrnn.nn.network import OutputLayer as OutputLayer
from memrnn.nn.unroll import FAST as FAST
from memrnn.nn.unroll import REFERENCE as REFERENCE
from memrnn.nn.unroll import State as State
from memrnn.nn.unroll import unroll as unroll
from memrnn.runtime import configure_matplotlib
from memrnn.runtime.cache import use_compile_cache as use_compile_cache
from memrnn.runtime.version import __version__ as __version__
from memrnn.stability import drift as drift
from memrnn.studies import load_tables as load_tables
from memrnn.tasks import Data as Data
from memrnn.tasks import EvaluationSet as EvaluationSet
from memrnn.tasks import Metric as Metric
from memrnn.tasks import SetDescription as SetDescription
from memrnn.tasks import Strings as Strings
from memrnn.tasks import Task as Task
from memrnn.tasks import make_task as make_task
from memrnn.tasks import register_task as register_task
from memrnn.tasks import whole_set as whole_set
from memrnn.training import Experiment as Experiment
from memrnn.training import Progress as Progress
from memrnn.training import Run as Run
from memrnn.training import TrainingConfig as TrainingConfig
from memrnn.training import load_run as load_run
from memrnn.training import register_measure as register_measure
from memrnn.training import train as train

configure_matplotlib()  # before anything that draws is imported
