"""scipy's solver of the assignment problem, from its extension file alone where that can be found.

Notebook 06 rebuilds the algorithm.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _assignment_solver():
    """scipy's `linear_sum_assignment`, from its extension file alone where that can be found.

    Importing scipy.optimize as a whole takes longer than everything else that the
    evaluate command does.
    """
    if "scipy.optimize" not in sys.modules and (scipy := importlib.util.find_spec("scipy")):
        for file in Path(scipy.origin).parent.glob("optimize/_lsap.*"):
            if file.suffix in (".so", ".pyd"):
                spec = importlib.util.spec_from_file_location("scipy.optimize._lsap", file)
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module.linear_sum_assignment
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment


linear_sum_assignment = _assignment_solver()
