"""Helpers of the Pose Tracking Workbook: one idea a file, floors from the ground up.

A lower floor never imports a higher one: skeleton → people → geometry →
datasets, puppets → evaluation → nets → tracking → papers, ledger → plots →
widgets, reproduce.
"""
