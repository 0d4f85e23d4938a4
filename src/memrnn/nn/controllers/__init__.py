"""Recurrent cells. A new one is one file here and one line in `CONTROLLERS`."""

from collections.abc import Callable

from memrnn.nn.controllers._controller import AffineController as AffineController
from memrnn.nn.controllers._controller import Controller as Controller
from memrnn.nn.controllers._controller import DiscreteController as DiscreteController
from memrnn.nn.controllers._controller import Vectors as Vectors
from memrnn.nn.controllers._elman import Elman as Elman
from memrnn.nn.controllers._gru import GRU as GRU
from memrnn.nn.controllers._lstm import LSTM as LSTM
from memrnn.nn.controllers._lstm_capped import CappedLSTM as CappedLSTM

CONTROLLERS: dict[str, Callable[..., Controller]] = {
    "elman": Elman,
    "gru": GRU,
    "lstm": LSTM,
    "lstm_capped": CappedLSTM,
}
"""The controllers by the name that models use; `register_controller` adds one."""
