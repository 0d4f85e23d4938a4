"""Tasks: what is learned and how it is scored. A new one is one file here and one line below."""

from memrnn.tasks._metrics import Metric as Metric
from memrnn.tasks._metrics import Scores as Scores
from memrnn.tasks._metrics import Total as Total
from memrnn.tasks._metrics import Totals as Totals
from memrnn.tasks._metrics import add as add
from memrnn.tasks._registry import get_preset as get_preset
from memrnn.tasks._registry import make_task as make_task
from memrnn.tasks._registry import parse_task as parse_task
from memrnn.tasks._registry import register_task as register_task
from memrnn.tasks._registry import task_class as task_class
from memrnn.tasks._registry import task_names as task_names
from memrnn.tasks._scoring import ItemScores as ItemScores
from memrnn.tasks._scoring import item_scores as item_scores
from memrnn.tasks._scoring import score_set as score_set
from memrnn.tasks._scoring import total as total
from memrnn.tasks._scoring import total_by_group as total_by_group
from memrnn.tasks._scoring import total_by_partition as total_by_partition
from memrnn.tasks._task import BAYES as BAYES
from memrnn.tasks._task import Data as Data
from memrnn.tasks._task import EvaluationSet as EvaluationSet
from memrnn.tasks._task import Partition as Partition
from memrnn.tasks._task import Preset as Preset
from memrnn.tasks._task import Relation as Relation
from memrnn.tasks._task import SetDescription as SetDescription
from memrnn.tasks._task import Task as Task
from memrnn.tasks._task import TaskDescription as TaskDescription
from memrnn.tasks._task import Traced as Traced
from memrnn.tasks._task import whole_set as whole_set
from memrnn.tasks.strings import Strings as Strings
from memrnn.tasks.text import Text as Text

register_task(Strings)
register_task(Text)
