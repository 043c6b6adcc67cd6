"""Matching the people of two frames: which pairs of a cost matrix belong together.

Notebook 06 builds both matchers by hand. Hungarian: the least total cost (PT §3, DT §3.2);
greedy: repeatedly the cheapest pair. Detect-and-Track accepts every pair, however costly.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

_LARGEST = np.finfo(float).max


def hungarian(cost, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """The matching of least total cost: (rows, columns), sorted by row.

    cost (N, M). Pairs above the limit, infinite or NaN are forbidden; among the matchings
    with as many allowed pairs as possible the cheapest is taken, so without forbidden pairs
    it has min(N, M) pairs.
    """
    cost = np.asarray(cost, float)
    allowed = cost <= min(limit, _LARGEST)
    if allowed.all():
        return linear_sum_assignment(cost)
    if not allowed.any():
        return np.zeros(0, int), np.zeros(0, int)
    values = cost[allowed]
    # One forbidden pair must cost more than any saving that it could bring elsewhere.
    forbidden = values.max() + min(cost.shape) * (values.max() - values.min()) + 1
    rows, columns = linear_sum_assignment(np.where(allowed, cost, forbidden))
    good = allowed[rows, columns]
    return rows[good], columns[good]


def greedy(cost, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """Repeatedly the cheapest pair, whose row and column are then deleted: (rows, columns), sorted by row.

    Limit and forbidden pairs as in `hungarian`. Among equals the first in row order wins,
    as with numpy's argmin in Detect-and-Track.
    """
    cost = np.asarray(cost, float)
    flat = cost.ravel()
    order = np.argsort(flat, kind="stable")  # one stable sort visits pairs as repeated argmin would
    order = order[: np.count_nonzero(flat <= min(limit, _LARGEST))]
    width, left = cost.shape[1], min(cost.shape)
    columns_of, taken = {}, set()
    for pair in order.tolist():
        row, column = divmod(pair, width)
        if row not in columns_of and column not in taken:
            columns_of[row] = column
            taken.add(column)
            left -= 1
            if not left:
                break
    rows = sorted(columns_of)
    return np.array(rows, int), np.array([columns_of[r] for r in rows], int)
