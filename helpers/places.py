"""Where things lie: the folders of the workbook.

In a clone these are the repository's. An installed copy brings the papers and the records of
the committed notebooks along; whatever else it reads or writes lies below the current folder.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CLONED = (_PACKAGE.parent / "data" / "papers").is_dir()

ROOT = _PACKAGE.parent if _CLONED else Path.cwd()
NOTEBOOKS, BUILD, DATA = ROOT / "notebooks", ROOT / "build", ROOT / "data"
WEIGHTS, PREDICTIONS = DATA / "weights", DATA / "predictions"
PAPERS = DATA / "papers" if _CLONED else _PACKAGE / "published"
FIGURES = ROOT / "figures" if _CLONED else _PACKAGE / "records"
