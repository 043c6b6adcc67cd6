"""Where the driver wants figures, tables and records written."""

from __future__ import annotations

import os
from pathlib import Path


def output(name: str) -> Path | None:
    """Where the driver wants a figure, table or record written; None outside a driver's run."""
    folder = os.environ.get("POSE_WORKBOOK_OUT")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / name


def save_table(table, name: str, digits: int = 3) -> None:
    """Write a DataFrame as csv for figures/, rounded; nothing outside a driver's run."""
    path = output(name)
    if path is not None:
        table.round(digits).to_csv(path, lineterminator="\n")


def save_figure(figure, name: str) -> None:
    """Write a figure for figures/ (PNG, same bytes every time); nothing outside a driver's run."""
    path = output(name)
    if path is not None:
        figure.savefig(path, dpi=100, metadata={"Software": None})
