"""The report of a study: its page, figures and tables, and what a paper adds to them."""

from memrnn.reports.study._comparisons import Comparison as Comparison
from memrnn.reports.study._comparisons import compare as compare
from memrnn.reports.study._papers import Claim as Claim
from memrnn.reports.study._papers import Measured as Measured
from memrnn.reports.study._papers import Paper as Paper
from memrnn.reports.study._papers import Publication as Publication
from memrnn.reports.study._papers import Verdict as Verdict
from memrnn.reports.study._report import StudyReport as StudyReport
from memrnn.reports.study._report import write_study_report as write_study_report
from memrnn.reports.study._resampling import Estimate as Estimate
from memrnn.reports.study._resampling import Interval as Interval
from memrnn.reports.study._scores import View as View
from memrnn.reports.study._statistics import CellStatistics as CellStatistics
from memrnn.reports.study._statistics import statistics as statistics
