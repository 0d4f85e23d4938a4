"""Keys of study files of version 0.1, and where their values belong now."""

RENAMED = {
    "freezes": "freeze",
    "bins": "length_bins in [strings]",
    "strings_per_length": "samples_per_length in [strings]",
    "recipe": "[config], and what belongs to the task is in [strings]",
}
"""In the study."""

RENAMED_CONFIG = {
    "lengths": "train_lengths in [strings]",
    "batch_size": "batch_size in [strings]",
    "batches": "batches in [strings]",
    "validation_batches": "validation_batches in [strings]",
    "epochs": "max_epochs",
    "clip": "max_grad_norm",
    "decay": "lr_decay",
    "decay_patience": "lr_patience",
    "stop_patience": "early_stopping_patience",
    "learning_rate": "learning_rate_range",
}
"""In [recipe]."""
