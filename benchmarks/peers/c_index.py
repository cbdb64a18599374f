"""Harrell's concordance, one thread: c_index.py DIR SECONDS. scikit-survival is O(n^2): 1e4 only."""

import clock  # first: it sets the thread counts

import sys

from lifelines.utils import concordance_index
from sksurv.metrics import concordance_index_censored

if __name__ == "__main__":
    inputs, budget = sys.argv[1], float(sys.argv[2])
    for name in ("c_index_1e4", "c_index_1e5"):
        time, event, score = clock.columns(inputs, name, "score.f64", "<f8")
        clock.measure(name, "lifelines", budget, lambda: concordance_index(time, -score, event))
        if name == "c_index_1e4":
            clock.measure(name, "scikit-survival", budget, lambda: concordance_index_censored(event, time, score))
