"""Presets of the task `strings`, as `--config` names them."""

from memrnn.tasks._task import Preset

STABLE = Preset(
    options={
        "train_lengths": (3, 30),
        "batch_size": 16,
        "batches": 100,
        "validation_batches": 10,
        "fresh_strings": True,
        "longer_strings": 64,
        "length_bins": ((3, 30), (57, 60), (297, 300), (2997, 3000)),
    },
    config={
        "max_epochs": 40,
        "learning_rate_range": (5e-3, 1.2e-2),
        "max_grad_norm": 17.0,  # of a sum over some 17 symbols: 1 per symbol
        "lr_decay": 1.0,
        "early_stopping_patience": 1_000_000,
        "gate_noise": 0.5,
        "gate_noise_ramp": (0.3, 0.7),
        "lr_anneal": 10**-1.5,
        "lr_anneal_start": 0.6,
        "latest_of_equals": True,
    },
)
"""A fixed budget of 4,000 updates for networks whose state and stacks are discrete, as those of the
model `lstm:discrete+jm-3.3.3:hard`; see `docs/stable.md`."""

STABLE_LATE = STABLE._replace(
    config={**STABLE.config, "max_epochs": 100, "gate_noise": 1.0, "discrete_from": 0.5}
)
"""The same with 10,000 updates, half of them of the continuous network, and more noise; for
Elman networks with many stacks, see `docs/stable.md`."""
