"""The report of a study: the paper's claims and tables beside what the study measured."""

from memrnn.reports.study._claims import judge as judge
