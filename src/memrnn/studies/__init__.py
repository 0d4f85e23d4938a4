"""Studies: a declared grid, the ledger of its runs, and the engines that run it."""

from memrnn.studies._driver import Change as Change
from memrnn.studies._driver import run_study as run_study
from memrnn.studies._engine import Engine as Engine
from memrnn.studies._export import FORMATS as FORMATS
from memrnn.studies._export import export as export
from memrnn.studies._ledger import Ledger as Ledger
from memrnn.studies._ledger import LedgerError as LedgerError
from memrnn.studies._local import LocalEngine as LocalEngine
from memrnn.studies._ray import RayEngine as RayEngine
from memrnn.studies._results import Cell as Cell
from memrnn.studies._results import RunRecord as RunRecord
from memrnn.studies._results import StudyResults as StudyResults
from memrnn.studies._results import load_results as load_results
from memrnn.studies._schema import FINAL as FINAL
from memrnn.studies._schema import STATUSES as STATUSES
from memrnn.studies._schema import TABLES as TABLES
from memrnn.studies._status import StudyStatus as StudyStatus
from memrnn.studies._status import study_status as study_status
from memrnn.studies._study import PlannedRun as PlannedRun
from memrnn.studies._study import Study as Study
from memrnn.studies._study import freeze_text as freeze_text
from memrnn.studies._study import load_study as load_study
from memrnn.studies._study import parse_freeze as parse_freeze
from memrnn.studies._study import plan as plan
from memrnn.studies._study import shipped_studies as shipped_studies
