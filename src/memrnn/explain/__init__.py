"""What a trained network predicts along one string, and what its memory does there.

`explain` computes, `explanation_table` prints, `draw_explanation` draws. `trace.register` adds a
memory that a user has written.
"""

from memrnn.explain._explain import Explanation as Explanation
from memrnn.explain._explain import explain as explain
from memrnn.explain._figure import draw_explanation as draw_explanation
from memrnn.explain._machine_figure import draw_machine as draw_machine
from memrnn.explain._table import explanation_table as explanation_table
from memrnn.explain._traces import SoftStack as SoftStack
from memrnn.explain._traces import StackRun as StackRun
from memrnn.explain._traces import Trace as Trace
from memrnn.explain._traces import trace as trace
