"""Reports: what test results say, as tables, figures, sentences and one page.

Everything here starts from the objects that `memrnn.evaluation.test` returns, fresh or read back
from JSON: one object an experiment, with all its restarts.
"""

from memrnn.reports._equality import Equality as Equality
from memrnn.reports._equality import compare_parameters as compare_parameters
from memrnn.reports._figures import SCORES as SCORES
from memrnn.reports._figures import draw as draw
from memrnn.reports._figures import save_figure as save_figure
from memrnn.reports._figures import svg as svg
from memrnn.reports._findings import Finding as Finding
from memrnn.reports._findings import find as find
from memrnn.reports._page import render_page as render_page
from memrnn.reports._page import write_report as write_report
from memrnn.reports._provenance import Provenance as Provenance
from memrnn.reports._summary import BinSummary as BinSummary
from memrnn.reports._summary import Result as Result
from memrnn.reports._summary import Summary as Summary
from memrnn.reports._summary import frozen_label as frozen_label
from memrnn.reports._summary import summarize as summarize
from memrnn.reports._tables import overview_table as overview_table
from memrnn.reports._tables import result_table as result_table
