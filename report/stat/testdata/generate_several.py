#!/usr/bin/python3
"""Golden numbers for several methods, from SciPy (Debian: python3-scipy).

    /usr/bin/python3 generate_several.py > several.json
"""
import json
import math
import sys

import numpy as np
import scipy
from scipy import integrate, optimize, stats

rng = np.random.default_rng(20260102)
out = {"scipy": scipy.__version__, "friedman": [], "range": [], "iqm": [], "stratified": []}

for n, k, kind in ((2, 2, "plain"), (5, 3, "plain"), (6, 4, "ties"), (12, 5, "plain"), (15, 3, "ties"), (30, 7, "outliers"), (10, 10, "ties")):
    x = rng.normal(0, 1, (n, k)) + np.arange(k) * 0.3
    if kind == "ties":
        x = np.round(x)
    if kind == "outliers":
        x[3, 2] = 1e6
    if k >= 3:
        r = stats.friedmanchisquare(*x.T)
        statistic, p = float(r.statistic), float(r.pvalue)
    else:  # SciPy wants three; the formula does not
        ranks = np.array([stats.rankdata(row) for row in x])
        ties = sum((np.unique(row, return_counts=True)[1] ** 3 - np.unique(row, return_counts=True)[1]).sum() for row in x)
        c = 1 - ties / (n * k * (k * k - 1))
        statistic = float((12 / (n * k * (k + 1)) * (ranks.sum(0) ** 2).sum() - 3 * n * (k + 1)) / c)
        p = float(stats.chi2.sf(statistic, k - 1))
    ranks = [float(v) for v in np.mean([k + 1 - stats.rankdata(row) for row in x], axis=0)]
    out["friedman"].append({"x": x.tolist(), "statistic": statistic, "p": p, "ranks": ranks})

own = np.random.default_rng(20260302)  # so that more of these change no other number
for n, k in ((5, 3), (6, 3), (8, 4), (10, 5), (20, 6)):
    for grid in (3, 12):
        x = own.integers(0, grid, (n, k)).astype(float)
        r = stats.friedmanchisquare(*x.T)
        ranks = [float(v) for v in np.mean([k + 1 - stats.rankdata(row) for row in x], axis=0)]
        out["friedman"].append({"x": x.tolist(), "statistic": float(r.statistic), "p": float(r.pvalue), "ranks": ranks})


def range_cdf(q, k):
    f = lambda z: k * stats.norm.pdf(z) * (stats.norm.cdf(z + q) - stats.norm.cdf(z)) ** (k - 1)
    parts = [integrate.quad(f, a, a + 1, epsabs=1e-14, epsrel=1e-13)[0] for a in range(-10, 10)]
    return math.fsum(parts)


for k in (2, 3, 4, 5, 10, 20):
    for alpha in (0.05, 0.1, 0.01):
        q = optimize.brentq(lambda q: range_cdf(q, k) - (1 - alpha), 0.01, 20, xtol=1e-13, rtol=1e-14)
        assert abs(stats.studentized_range.cdf(q, k, 1e6) - (1 - alpha)) < 1e-5
        out["range"].append({"k": k, "alpha": alpha, "q": q})

for n in (1, 2, 3, 4, 5, 8, 9, 50):
    x = rng.lognormal(0, 2, n)
    out["iqm"].append({"x": x.tolist(), "iqm": float(stats.trim_mean(x, 0.25))})
json.dump(out, sys.stdout, indent=None, separators=(",", ":"))
print()
