"""Helpers of the Pose Tracking Workbook: one idea a file, floors from the ground up.

A lower floor never imports a higher one: skeleton → people → geometry →
datasets, puppets → evaluation → papers, ledger → nets, training → tracking →
plots, exercises → widgets, reproduce.
"""


class WorkbookError(Exception):
    """Bad input or a missing piece; the message is one sentence that names the file and the field."""
