"""An experiment of memrnn itself: which half of discrete training makes stack networks hold."""

from memrnn.papers.stable_training._answers import Answer as Answer
from memrnn.papers.stable_training._answers import answers as answers
