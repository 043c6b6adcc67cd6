"""Training: the loop, the plans of the workbook's own networks, and how a trained one is obtained."""

from helpers.training.loop import Recipe, fit, rate_at
from helpers.training.obtaining import batches, begin, obtain
from helpers.training.plans import BACKBONES, Plan, stage_one, videos_of

__all__ = ["BACKBONES", "Plan", "Recipe", "batches", "begin", "fit", "obtain", "rate_at", "stage_one", "videos_of"]
