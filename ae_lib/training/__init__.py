"""Training: seeds, scale presets, ``fit`` with one summary line, checkpoints, costs."""

from ae_lib.training._checkpoints import Checkpoints
from ae_lib.training._costs import (
    Ceilings,
    Cost,
    lstm_autoencoder_cost,
    measure_ceilings,
    transformer_cost,
)
from ae_lib.training._fit import fit
from ae_lib.training._lstm_path import LSTMPath, explain_lstm_path
from ae_lib.training._schedules import cosine_schedule, steps_per_epoch
from ae_lib.training._setup import SCALES, has_gpu, scale, set_seed

__all__ = [
    "SCALES",
    "Ceilings",
    "Checkpoints",
    "Cost",
    "LSTMPath",
    "cosine_schedule",
    "explain_lstm_path",
    "fit",
    "has_gpu",
    "lstm_autoencoder_cost",
    "measure_ceilings",
    "scale",
    "set_seed",
    "steps_per_epoch",
    "transformer_cost",
]
