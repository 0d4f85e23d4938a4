"""Das & Mali 2024 (arXiv 2410.03154): published tables, claims with their rules, study files."""

from memrnn.papers.das_mali_2024._claims import judge as judge
from memrnn.papers.das_mali_2024._deviations import deviations as deviations
from memrnn.papers.das_mali_2024._judged import JUDGED as JUDGED
from memrnn.papers.das_mali_2024._judged import Grid as Grid
from memrnn.papers.das_mali_2024._measures import Measures as Measures
from memrnn.papers.das_mali_2024._measures import informative as informative
from memrnn.papers.das_mali_2024._measures import ranges as ranges
from memrnn.papers.das_mali_2024._paper import PAPER as PAPER
from memrnn.papers.das_mali_2024._paper import rules as rules
from memrnn.papers.das_mali_2024._paper import without_memory as without_memory
from memrnn.papers.das_mali_2024._published import Published as Published
from memrnn.papers.das_mali_2024._published import PublishedCell as PublishedCell
from memrnn.papers.das_mali_2024._published import last_bounds as last_bounds
from memrnn.papers.das_mali_2024._published import on_baseline as on_baseline
from memrnn.papers.das_mali_2024._published import published as published
from memrnn.papers.das_mali_2024._published import worst_loss as worst_loss
from memrnn.papers.das_mali_2024._tables import published_tables as published_tables
from memrnn.papers.das_mali_2024._verdicts import LEVEL as LEVEL
from memrnn.papers.das_mali_2024._verdicts import Judged as Judged
from memrnn.papers.das_mali_2024._verdicts import verdict as verdict
