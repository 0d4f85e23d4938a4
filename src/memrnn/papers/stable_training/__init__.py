"""An experiment of memrnn itself: which half of discrete training makes stack networks hold."""

from memrnn.papers.stable_training._ablation import LANGUAGES as LANGUAGES
from memrnn.papers.stable_training._ablation import SHORT as SHORT
from memrnn.papers.stable_training._ablation import TREATMENTS as TREATMENTS
from memrnn.papers.stable_training._ablation import Ablation as Ablation
from memrnn.papers.stable_training._ablation import paired as paired
from memrnn.papers.stable_training._ablation import restarts_that_hold as restarts_that_hold
from memrnn.papers.stable_training._answers import Answer as Answer
from memrnn.papers.stable_training._answers import answers as answers
from memrnn.papers.stable_training._figure import draw_ablation as draw_ablation
