"""Reports: what scores say, as tables, figures, sentences and one page.

Everything here starts from the typed results of `memrnn.evaluation`: one `Evaluation` per cell,
with all its restarts. A task is known only by its `TaskDescription`; nothing is imported that a
user wrote.
"""

from memrnn.reports._figures import draw as draw
from memrnn.reports._findings import Finding as Finding
from memrnn.reports._findings import find as find
from memrnn.reports._findings import warnings_of as warnings_of
from memrnn.reports._summary import MetricSummary as MetricSummary
from memrnn.reports._summary import SetSummary as SetSummary
from memrnn.reports._summary import Summary as Summary
from memrnn.reports._summary import bayes_value as bayes_value
from memrnn.reports._summary import format_value as format_value
from memrnn.reports._summary import frozen_words as frozen_words
from memrnn.reports._summary import in_order as in_order
from memrnn.reports._summary import known_value as known_value
from memrnn.reports._summary import range_label as range_label
from memrnn.reports._summary import set_label as set_label
from memrnn.reports._summary import set_range as set_range
from memrnn.reports._summary import summarize as summarize
from memrnn.reports._tables import overview_table as overview_table
from memrnn.reports._tables import result_table as result_table
from memrnn.reports._templates import inline as inline
from memrnn.reports._thresholds import NEAR as NEAR
from memrnn.reports._thresholds import gain as gain
