"""Where things lie: the folders of the workbook."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS, FIGURES, BUILD, DATA = ROOT / "notebooks", ROOT / "figures", ROOT / "build", ROOT / "data"
PAPERS, WEIGHTS, PREDICTIONS = DATA / "papers", DATA / "weights", DATA / "predictions"
