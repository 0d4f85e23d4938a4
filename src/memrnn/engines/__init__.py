"""Engines: where jobs run. An engine knows nothing of what a job does."""

from memrnn.engines._engine import Engine as Engine
from memrnn.engines._engine import Job as Job
from memrnn.engines._engine import JobFinished as JobFinished
from memrnn.engines._engine import JobStarted as JobStarted
from memrnn.engines._engine import Message as Message
from memrnn.engines._engine import WorkerLost as WorkerLost
from memrnn.engines._local import LocalEngine as LocalEngine
from memrnn.engines._local import visible_gpus as visible_gpus
from memrnn.engines._ray import RayEngine as RayEngine
from memrnn.engines._ray import explain_loss as explain_loss
from memrnn.engines._run import poll_until as poll_until
from memrnn.engines._run import run_jobs as run_jobs
