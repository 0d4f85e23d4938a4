"""memrnn: does a memory-augmented recurrent net learn the grammar, or only the lengths it saw?"""

from memrnn.cache import use_compile_cache as use_compile_cache
from memrnn.controllers import CONTROLLERS as CONTROLLERS
from memrnn.controllers import AffineController as AffineController
from memrnn.controllers import Controller as Controller
from memrnn.evaluation import BINS as BINS
from memrnn.evaluation import test as test
from memrnn.experiment import Experiment as Experiment
from memrnn.experiment import Recipe as Recipe
from memrnn.languages import Language as Language
from memrnn.languages import Law as Law
from memrnn.languages import get_language as get_language
from memrnn.languages import language_names as language_names
from memrnn.languages import register_language as register_language
from memrnn.memories import MEMORIES as MEMORIES
from memrnn.memories import AffineMemory as AffineMemory
from memrnn.memories import Memory as Memory
from memrnn.models import Model as Model
from memrnn.models import get_model as get_model
from memrnn.models import model_names as model_names
from memrnn.models import register_controller as register_controller
from memrnn.models import register_memory as register_memory
from memrnn.models import register_model as register_model
from memrnn.network import Network as Network
from memrnn.network import losses as losses
from memrnn.parts import PARTS as PARTS
from memrnn.parts import parameter_count as parameter_count
from memrnn.parts import partition as partition
from memrnn.training import Progress as Progress
from memrnn.training import Run as Run
from memrnn.training import load_run as load_run
from memrnn.training import train as train
from memrnn.unroll import FAST as FAST
from memrnn.unroll import REFERENCE as REFERENCE
from memrnn.unroll import State as State
from memrnn.unroll import unroll as unroll

__version__ = "0.1.0"
