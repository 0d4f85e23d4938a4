"""Published recipes for language modelling on text."""

from memrnn.tasks._task import Preset

PAPER = Preset(
    config={
        "optimizer": "sgd",
        "learning_rate_range": (1.0, 100.0),
        "max_grad_norm_range": (0.0112, 1.12),
        "lr_decay": 1 / 1.5,
        "lr_patience": 0,
        "early_stopping_patience": 2,
        "max_epochs": 100,
    }
)
"""The protocol of DuSell & Chiang 2023 (arXiv 2210.01343), section 6 and appendix."""

STRONG = Preset(
    options={
        "streams": 64,
        "updates_per_epoch": 100,
        "random_offsets": True,
        "embedding_size": 268,
        "tied": True,
        "initialisation": "fan_in",
        "input_dropout": 0.58,
        "state_dropout": 0.215,
        "output_dropout": 0.327,
        "state_reset": 0.01,
    },
    config={
        "optimizer": "rmsprop",
        "learning_rate_range": (0.00418, 0.00418),
        "max_grad_norm": 10 / 35,
        "weight_decay": 1.24e-4 / 35,
        "lr_decay": 0.1,
        "lr_patience": 26,
        "lr_decay_latest": 900,
        "early_stopping_patience": 31,
        "max_epochs": 1000,
    },
)
"""The one-layer net of 10 million parameters of Melis et al. 2018 (arXiv 1707.05589), for the model
`lstm_capped-1194`, with the numbers of the file `ptb_10m_lstm_d1` published with their code. Their
loss is the sum over the 35 words of a segment, here it is the mean, hence the quotients."""

STRONG_AVERAGED = Preset(
    options=STRONG.options,
    config={
        **STRONG.config,
        "lr_decay": 1.0,
        "lr_decay_latest": None,
        "early_stopping_patience": 1000,
        "averaging_patience": 50,
        "averaging_latest": 800,
    },
)
"""The same with iterate averaging in place of a falling rate, as in Melis et al. 2020
(arXiv 1909.01792), whose trigger it has."""
