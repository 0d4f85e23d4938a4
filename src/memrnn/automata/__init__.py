"""Deterministic real-time machines with stacks: as data, checked, run, and as languages."""

from memrnn.automata._check import check_machine as check_machine
from memrnn.automata._file import parse_machine as parse_machine
from memrnn.automata._file import read_machine as read_machine
from memrnn.automata._file import register_machine_file
from memrnn.automata._file import write_machine as write_machine
from memrnn.automata._language import MachineLanguage as MachineLanguage
from memrnn.automata._language import machine_of as machine_of
from memrnn.automata._language import machines_of as machines_of
from memrnn.automata._language import register_machine as register_machine
from memrnn.automata._machine import EMPTY as EMPTY
from memrnn.automata._machine import END as END
from memrnn.automata._machine import POP as POP
from memrnn.automata._machine import Configuration as Configuration
from memrnn.automata._machine import Machine as Machine
from memrnn.automata._machine import Outcome as Outcome
from memrnn.automata._machine import Rule as Rule
from memrnn.automata._machine import Trace as Trace
from memrnn.automata._machine import rule as rule
from memrnn.automata._machines import MACHINES as MACHINES
from memrnn.automata._machines import VARIANTS as VARIANTS
from memrnn.automata._prefetch import prefetch as prefetch
from memrnn.automata._walk import walk as walk
from memrnn.runtime.imports import register_reader

register_reader(".toml", register_machine_file)
