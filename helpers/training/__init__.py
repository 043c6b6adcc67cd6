"""Training: the loop, the plans of the workbook's own networks, and how a trained one is obtained."""

from helpers.training.loop import Recipe, Span, fit, rate_at
from helpers.training.obtaining import batches, begin, load, obtain, standing, weight_file
from helpers.training.plans import BACKBONES, Plan, Scale, scale, stage_one

__all__ = [
    "BACKBONES",
    "Plan",
    "Recipe",
    "Scale",
    "Span",
    "batches",
    "begin",
    "fit",
    "load",
    "obtain",
    "rate_at",
    "scale",
    "stage_one",
    "standing",
    "weight_file",
]
