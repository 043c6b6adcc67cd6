"""Matching the people of two frames: which pairs of a cost matrix belong together.

Notebook 06 builds both matchers by hand. Hungarian: the least total cost (PT §3, DT §3.2);
greedy: repeatedly the cheapest pair. Detect-and-Track accepts every pair, however costly.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

_LARGEST = np.finfo(float).max


def hungarian(cost, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """The matching of least total cost: (rows, columns), sorted by row.

    cost (N, M). Pairs above the limit, infinite or NaN are forbidden; among the matchings
    with as many allowed pairs as possible the cheapest is taken, so without forbidden pairs
    it has min(N, M) pairs.
    """
    full, allowed = filled(cost, limit)
    if not allowed.any():
        return np.zeros(0, int), np.zeros(0, int)
    rows, columns = linear_sum_assignment(full)
    good = allowed[rows, columns]
    return rows[good], columns[good]


def filled(cost, limit: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """The cost with a price in place of forbidden pairs (N, M), and what is allowed (N, M) bool.

    One forbidden pair costs more than any saving that it could bring elsewhere; see `hungarian` for what is forbidden.
    """
    cost = np.asarray(cost, float)
    allowed = cost <= min(limit, _LARGEST)
    if allowed.all() or not allowed.any():
        return cost, allowed
    values = cost[allowed]
    return np.where(allowed, cost, values.max() + min(cost.shape) * (values.max() - values.min()) + 1), allowed


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


class Step(NamedTuple):
    """What stands after one step of the Hungarian algorithm, where row i and column j pay the prices u_i and v_j.

    kind: "search" (the cheapest chain is found), "prices" (they are raised until all its pairs have reduced cost 0) or
    "shift" (every row of the chain takes its column). searching: the row that is placed, or the column where there are
    more rows than columns. u (N,), v (M,): prices; partner (N,): the column that a row holds, −1 = none;
    chain (K, 2): the pairs that the chain takes, the first one by what is placed.
    """

    kind: str
    searching: int
    u: np.ndarray
    v: np.ndarray
    partner: np.ndarray
    chain: np.ndarray


def hungarian_steps(cost, limit: float = np.inf) -> list[Step]:
    """The steps by which notebook 06 matches by hand: three for every row, or column where there are fewer columns.

    cost, limit: as in `hungarian`, whose total the last step reaches (of several best matchings it may be another);
    pairs that are forbidden have a price as in `filled`. Without an allowed pair there is no step.
    """
    full, allowed = filled(cost, limit)
    if not allowed.any():
        return []
    if full.shape[0] <= full.shape[1]:
        return list(_steps(full))
    return [
        Step(s.kind, s.searching, s.v, s.u, _inverse(s.partner, len(full)), s.chain[:, ::-1]) for s in _steps(full.T)
    ]


def _steps(cost: np.ndarray):
    """Of a matrix with at least as many columns as rows."""
    u, v, owner = np.zeros(cost.shape[0]), np.zeros(cost.shape[1]), np.full(cost.shape[1], -1)
    for row in range(len(cost)):
        distance, back, scanned, end = _cheapest_chain(cost - u[:, None] - v, owner, row)
        chain, j = [], end
        while j >= 0:
            chain.append((back[j], j))
            j = -1 if back[j] == row else int(np.flatnonzero(owner == back[j])[0])
        pairs = np.array(chain[::-1])
        yield Step("search", row, u.copy(), v.copy(), _inverse(owner, len(cost)), pairs)
        rise, held = np.where(scanned, distance[end] - distance, 0.0), scanned & (owner >= 0)
        u[row] += distance[end]
        u[owner[held]] += rise[held]
        v -= rise
        yield Step("prices", row, u.copy(), v.copy(), _inverse(owner, len(cost)), pairs)
        owner[pairs[:, 1]] = pairs[:, 0]
        yield Step("shift", row, u.copy(), v.copy(), _inverse(owner, len(cost)), pairs)


def _cheapest_chain(reduced: np.ndarray, owner: np.ndarray, row: int):
    """Dijkstra from a row to the nearest free column: distances, row before each column, columns scanned, the end."""
    distance, back = np.full(len(owner), np.inf), np.full(len(owner), -1)
    scanned, travelled, i = np.zeros(len(owner), bool), 0.0, row
    while True:
        shorter = ~scanned & (travelled + reduced[i] < distance)
        distance[shorter], back[shorter] = travelled + reduced[i, shorter], i
        j = int(np.where(scanned, np.inf, distance).argmin())
        travelled, scanned[j] = distance[j], True
        if owner[j] < 0:
            return distance, back, scanned, j
        i = owner[j]


def _inverse(owner: np.ndarray, n: int) -> np.ndarray:
    """Who holds each column (M,) → what each of n rows holds; −1 = nobody and nothing."""
    partner = np.full(n, -1)
    partner[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return partner
