"""The report of a study: the paper's claims and tables beside what the study measured."""

from memrnn.reports.study._claims import judge as judge
from memrnn.reports.study._comparisons import Comparison as Comparison
from memrnn.reports.study._comparisons import compare as compare
from memrnn.reports.study._files import write_study_report as write_study_report
from memrnn.reports.study._published import Published as Published
from memrnn.reports.study._published import PublishedCell as PublishedCell
from memrnn.reports.study._published import published as published
from memrnn.reports.study._scores import View as View
from memrnn.reports.study._statistics import CellStatistics as CellStatistics
from memrnn.reports.study._statistics import statistics as statistics
from memrnn.reports.study._verdicts import Claim as Claim
