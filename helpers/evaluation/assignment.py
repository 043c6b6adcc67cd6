"""scipy's solver of the assignment problem, without the rest of scipy.optimize. Notebook 06 rebuilds the algorithm."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path


def _assignment_solver() -> Callable:
    """scipy's `linear_sum_assignment`, from its extension file alone where that can be found.

    Importing scipy.optimize takes 0.5 s, as long as all else that the evaluate command does with ten videos.
    """
    if "scipy.optimize" not in sys.modules and (scipy := importlib.util.find_spec("scipy")) and scipy.origin:
        for file in Path(scipy.origin).parent.glob("optimize/_lsap.*"):
            spec = importlib.util.spec_from_file_location("scipy.optimize._lsap", file)
            if spec and spec.loader:  # what is no extension file has no loader
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module.linear_sum_assignment
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment


linear_sum_assignment = _assignment_solver()
