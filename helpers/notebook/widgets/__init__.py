"""Widgets that a reader moves, drags and plays; each also a static picture, and drivable from Python.

Sliders where a number is all that is moved; players, editors and tables where people, joints and pairs are.
"""

from helpers.notebook.widgets.attention_view import AttentionView
from helpers.notebook.widgets.base import Live, png
from helpers.notebook.widgets.flow_field import FlowField
from helpers.notebook.widgets.heatmap_explorer import HeatmapExplorer
from helpers.notebook.widgets.match_table import FramePair, MatchTable
from helpers.notebook.widgets.plane_picker import PlanePicker
from helpers.notebook.widgets.player import Player
from helpers.notebook.widgets.pose_editor import PoseEditor
from helpers.notebook.widgets.similarity_matrix import SimilarityMatrix
from helpers.notebook.widgets.sliders import Sliders

__all__ = [
    "AttentionView",
    "FlowField",
    "FramePair",
    "HeatmapExplorer",
    "Live",
    "MatchTable",
    "PlanePicker",
    "Player",
    "PoseEditor",
    "SimilarityMatrix",
    "Sliders",
    "png",
]
