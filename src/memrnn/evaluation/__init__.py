"""Evaluation: typed scores of restarts and references on the evaluation sets of a task."""

from memrnn.evaluation._evaluate import evaluate as evaluate
from memrnn.evaluation._evaluate import evaluate_items as evaluate_items
from memrnn.evaluation._evaluate import evaluate_restart as evaluate_restart
from memrnn.evaluation._evaluate import reference_partitions as reference_partitions
from memrnn.evaluation._evaluate import reference_scores as reference_scores
from memrnn.evaluation._evaluate import summed as summed
from memrnn.evaluation._evaluate import summed_by_partition as summed_by_partition
from memrnn.evaluation._items import Items as Items
from memrnn.evaluation._items import items_path as items_path
from memrnn.evaluation._items import load_items as load_items
from memrnn.evaluation._items import save_items as save_items
from memrnn.evaluation._results import Evaluation as Evaluation
from memrnn.evaluation._results import PartitionScores as PartitionScores
from memrnn.evaluation._results import ReferencePartitions as ReferencePartitions
from memrnn.evaluation._results import References as References
from memrnn.evaluation._results import RunScores as RunScores
from memrnn.evaluation._results import SetScores as SetScores
from memrnn.evaluation._results import best_baseline as best_baseline
from memrnn.evaluation._results import normalised as normalised
from memrnn.evaluation._tokens import TokenComparison as TokenComparison
from memrnn.evaluation._tokens import baseline_nats as baseline_nats
from memrnn.evaluation._tokens import compare_tokens as compare_tokens
from memrnn.evaluation._tokens import text_of as text_of
from memrnn.evaluation._tokens import token_nats as token_nats
