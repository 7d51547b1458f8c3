"""Training: seeds, size presets, ``fit`` with one summary line, checkpoints, costs."""

from ae_lib.training._checkpoints import Checkpoints
from ae_lib.training._costs import (
    Cost,
    Roofline,
    lstm_autoencoder_cost,
    measure_roofline,
    transformer_cost,
)
from ae_lib.training._cudnn import CudnnEligibility, cudnn_eligibility
from ae_lib.training._fit import fit
from ae_lib.training._schedules import (
    aggressive_encoder,
    cosine_schedule,
    kl_schedule,
    steps_per_epoch,
)
from ae_lib.training._setup import PRESETS, has_gpu, preset, set_seed

__all__ = [
    "PRESETS",
    "Checkpoints",
    "Cost",
    "CudnnEligibility",
    "Roofline",
    "aggressive_encoder",
    "cosine_schedule",
    "cudnn_eligibility",
    "fit",
    "has_gpu",
    "kl_schedule",
    "lstm_autoencoder_cost",
    "measure_roofline",
    "preset",
    "set_seed",
    "steps_per_epoch",
    "transformer_cost",
]
