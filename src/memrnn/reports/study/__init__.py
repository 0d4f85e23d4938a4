"""The report of a study: its page, figures and tables, and what a paper adds to them."""

from memrnn.reports.study._papers import Claim as Claim
from memrnn.reports.study._papers import Paper as Paper
from memrnn.reports.study._papers import Publication as Publication
from memrnn.reports.study._papers import Published as Published
from memrnn.reports.study._papers import Question as Question
from memrnn.reports.study._papers import Rules as Rules
from memrnn.reports.study._papers import Statistic as Statistic
from memrnn.reports.study._papers import Verdict as Verdict
from memrnn.reports.study._report import StudyReport as StudyReport
from memrnn.reports.study._report import write_study_report as write_study_report
from memrnn.reports.study._runs import failed_table as failed_table
from memrnn.reports.study._runs import missing_table as missing_table
from memrnn.reports.study._runs import origin as origin
from memrnn.reports.study._runs import to_toml as to_toml
from memrnn.reports.study._score_figure import draw_scores as draw_scores
from memrnn.reports.study._statistics import CellStatistics as CellStatistics
from memrnn.reports.study._statistics import statistics as statistics
from memrnn.reports.study._statistics import statistics_tables as statistics_tables
from memrnn.reports.study._statistics import stems as stems
from memrnn.reports.study._validation_figure import baseline_excess as baseline_excess
from memrnn.reports.study._validation_figure import draw_validation as draw_validation
from memrnn.reports.study.comparisons import Comparison as Comparison
from memrnn.reports.study.comparisons import compare as compare
from memrnn.reports.study.resampling import Estimate as Estimate
from memrnn.reports.study.resampling import Interval as Interval
from memrnn.reports.study.scores import View as View
