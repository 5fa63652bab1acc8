#!/usr/bin/python3
"""Golden numbers for report/stat, from SciPy and statsmodels.

    /usr/bin/python3 generate.py > golden.json      (Debian: python3-scipy python3-statsmodels)

Where SciPy has no exact test with ties, the numbers come from counting every
outcome here, in plain Python and on integers or fractions.
"""
import itertools
import json
import math
import sys

import numpy as np
import scipy
import statsmodels
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20260101)


def samples():
    """Pairs of samples: name, a, b. Short, tied, with outliers, far from zero."""
    yield "two pairs", [0.91, 0.94], [0.90, 0.91]
    yield "three pairs", [1.0, 2.5, 3.25], [0.5, 2.0, 4.0]
    yield "five seeds, all better", [0.91, 0.93, 0.90, 0.92, 0.945], [0.90, 0.91, 0.89, 0.915, 0.91]
    yield "ties and a zero", [3, 5, 2, 7, 7, 4, 9, 1], [1, 5, 4, 5, 5, 3, 7, 2]
    yield "all differences tie", [2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 7, 6]
    yield "outlier", [0.1, 0.2, 0.15, 0.18, 100.0, 0.12, 0.3], [0.11, 0.1, 0.1, 0.2, 0.1, 0.05, 0.2]
    yield "far from zero", [1e9 + 1, 1e9 + 4, 1e9 + 2, 1e9 + 7], [1e9, 1e9 + 5, 1e9, 1e9 + 3]
    yield "tiny numbers", [1e-12, 3e-12, 2e-12, 7e-12], [2e-12, 1e-12, 1e-12, 4e-12]
    yield "on a grid of 1/360", [round(k / 360, 6) for k in (340, 342, 339, 345, 341)], [round(k / 360, 6) for k in (338, 339, 337, 344, 341)]
    for n in (4, 6, 9, 12, 15):
        a = rng.normal(0.5, 1, n)
        yield f"normal {n}", a.tolist(), (a - rng.normal(0.4, 0.8, n)).tolist()
    for n in (6, 10, 13):
        yield f"integers {n}", rng.integers(0, 6, n).tolist(), rng.integers(0, 5, n).tolist()
    yield "heavy tails", rng.standard_cauchy(11).tolist(), rng.standard_cauchy(11).tolist()
    own = np.random.default_rng(20260301)  # so that more of these change no other number
    for n in (2, 3, 4, 5, 6, 7, 8, 10, 14):
        grid = own.integers(300, 340, n) / 360
        yield f"accuracies {n}", grid.tolist(), (grid - own.integers(-3, 9, n) / 360).tolist()
        ties = own.integers(0, 4, n)
        yield f"ties {n}", ties.tolist(), own.integers(0, 3, n).tolist()
        wild = own.normal(0, 1, n)
        wild[0] *= 1e6
        yield f"outlier {n}", wild.tolist(), own.normal(0, 1, n).tolist()
        skew = own.lognormal(0, 1.5, n)
        yield f"skewed {n}", skew.tolist(), (skew * own.uniform(0.7, 1.1, n)).tolist()


def wilcoxon(d):
    d = [x for x in d if x != 0]
    if not d:
        return 0.0, 1.0
    r = [int(x) for x in 2 * stats.rankdata([round(abs(x), 12 - math.ceil(math.log10(max(abs(y) for y in d)))) for x in d])]
    w = min(sum(k for k, x in zip(r, d) if x > 0), sum(k for k, x in zip(r, d) if x < 0))
    hits = sum(1 for s in itertools.product((0, 1), repeat=len(d)) if sum(k for k, b in zip(r, s) if b) <= w)
    return w / 2, min(1.0, 2 * hits / 2 ** len(d))


def sign_flip(d):
    seen, scale = abs(sum(d)), sum(abs(x) for x in d)
    hits = sum(1 for s in itertools.product((-1, 1), repeat=len(d)) if abs(math.fsum(x * y for x, y in zip(d, s))) >= seen - 1e-12 * scale)
    return hits / 2 ** len(d)


def mann_whitney(a, b):
    n, all_ = len(a), list(a) + list(b)
    r = [int(x) for x in 2 * stats.rankdata(all_)]
    seen = sum(r[:n])
    low = high = total = 0
    for c in itertools.combinations(r, n):
        s = sum(c)
        total += 1
        low += s <= seen
        high += s >= seen
    return seen / 2 - n * (n + 1) / 2, min(1.0, 2 * min(low, high) / total)


def t_quantile(p, df):
    """By the inverse incomplete beta function: stats.t.ppf of SciPy 1.10 is good to 1e-9 only."""
    return math.sqrt(df * (1 / special.betaincinv(df / 2, 0.5, 2 * (1 - p)) - 1))


def around(mean, se, df, level):
    h = t_quantile(1 - (1 - level) / 2, df) * se
    return [float(mean - h), float(mean + h)]


def t_interval(x, level):
    return around(np.mean(x), stats.sem(x), len(x) - 1, level)


def welch_interval(a, b, level):
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return around(np.mean(a) - np.mean(b), math.sqrt(va + vb), df, level)


def bca(x, statistic, level, seed):
    with np.errstate(all="ignore"):
        r = stats.bootstrap((np.array(x),), statistic, n_resamples=299, confidence_level=level, method="BCa", random_state=seed, vectorized=True)
    jack = [float(statistic(np.delete(np.array(x), i), axis=-1)) for i in range(len(x))]
    return {
        "x": x, "level": level, "estimate": float(statistic(np.array(x), axis=-1)), "jack": jack,
        "boot": [float(v) for v in r.bootstrap_distribution], "interval": [float(r.confidence_interval.low), float(r.confidence_interval.high)],
    }


out = {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "pairs": [], "large": [], "unequal": [], "p": [], "t": [], "bca": []}
for name, a, b in samples():
    a, b = [float(x) for x in a], [float(x) for x in b]
    d = [x - y for x, y in zip(a, b)]
    c = {"name": name, "a": a, "b": b, "mean": float(np.mean(a)), "sd": float(np.std(a, ddof=1)), "median": float(np.median(a)),
         "quantiles": [[p, float(np.quantile(a, p))] for p in (0, 0.025, 0.25, 0.4, 0.9, 1)]}
    c["interval95"], c["interval80"] = t_interval(a, 0.95), t_interval(a, 0.8)
    if np.std(d) > 1e-9 * np.max(np.abs(a)) or name == "tiny numbers":
        r = stats.ttest_rel(a, b)
        c["paired"] = [float(r.statistic), len(a) - 1, float(r.pvalue)]
    if np.std(a) == 0 and np.std(b) == 0:
        continue
    r = stats.ttest_ind(a, b, equal_var=False)
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    c["welch"] = [float(r.statistic), float(df), float(r.pvalue)]
    c["welch_interval95"] = welch_interval(a, b, 0.95)
    c["wilcoxon"] = list(wilcoxon(d))
    ranks_tie = len(set(round(abs(x), 9) for x in d)) < len(d) or 0 in d
    if not ranks_tie and name != "tiny numbers":
        r = stats.wilcoxon(a, b, mode="exact")
        assert abs(r.pvalue - c["wilcoxon"][1]) < 1e-12 and r.statistic == c["wilcoxon"][0], name
    c["sign_flip"] = sign_flip(d)
    if len(a) <= 10:
        c["mann_whitney"] = list(mann_whitney(a, b))
        if len(set(a + b)) == 2 * len(a):
            r = stats.mannwhitneyu(a, b, method="exact")
            assert abs(r.pvalue - c["mann_whitney"][1]) < 1e-12 and r.statistic == c["mann_whitney"][0], name
    c["p_superior"] = float(np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b]))
    c["p_superior_paired"] = float(np.mean([(x > y) + 0.5 * (x == y) for x, y in zip(a, b)]))
    out["pairs"].append(c)

# Beyond the exact tests: the normal limits, with ties.
for n in (240, 300):
    a, b = rng.integers(0, 40, n).astype(float), rng.integers(0, 37, n).astype(float)
    w = stats.wilcoxon(a, b, mode="approx", correction=False)
    u = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=True)
    out["large"].append({"a": a.tolist(), "b": b.tolist(), "wilcoxon": [float(w.statistic), float(w.pvalue)], "mann_whitney": [float(u.statistic), float(u.pvalue)]})

# Exact signed ranks at a middling n without ties, where SciPy has them too.
for n in (30, 50):
    a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, n)
    w = stats.wilcoxon(a, b, mode="exact")
    u = stats.mannwhitneyu(a, b, method="exact")
    out["large"].append({"a": a.tolist(), "b": b.tolist(), "wilcoxon": [float(w.statistic), float(w.pvalue)], "mann_whitney": [float(u.statistic), float(u.pvalue)]})

for a, b in (([1, 2, 2, 3, 9], [2, 4, 5]), ([0.3, 0.1], [0.5, 0.7, 0.9, 1.1]), ([5], [1, 2, 3, 4]), ([1, 1, 1, 2], [1, 2, 2, 2, 2, 3])):
    a, b = [float(x) for x in a], [float(x) for x in b]
    c = {"a": a, "b": b, "mann_whitney": list(mann_whitney(a, b))}
    if len(a) > 1:
        va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
        r = stats.ttest_ind(a, b, equal_var=False)
        c["welch"] = [float(r.statistic), float((va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))), float(r.pvalue)]
        c["welch_interval95"] = welch_interval(a, b, 0.95)
    out["unequal"].append(c)

for p in ([0.01, 0.04, 0.03, 0.005], [0.2], [0.05, 0.05, 0.05], [0.9, 0.8, 1.0, 0.0001, 0.02, 0.02], rng.uniform(0, 0.2, 12).tolist()):
    out["p"].append({"p": p, "holm": multipletests(p, method="holm")[1].tolist(), "bh": multipletests(p, method="fdr_bh")[1].tolist()})

for df in (1, 2, 4, 7.3, 19, 100, 1000):
    for p in (0.6, 0.9, 0.975, 0.995, 0.99995):
        q = t_quantile(p, df)
        assert abs(q - stats.t.ppf(p, df)) < 1e-7 * q
        out["t"].append([df, p, q])

for seed, x in enumerate(([0.91, 0.93, 0.90, 0.92, 0.945], rng.lognormal(0, 1, 20).tolist(), [1.0, 1, 2, 2, 2, 3, 8, 8, 9, 30])):
    out["bca"].append(bca(x, np.mean, 0.95, seed))
    out["bca"].append(bca(x, np.median if seed != 0 else np.mean, 0.8, 10 + seed))
json.dump(out, sys.stdout, indent=None, separators=(",", ":"))
print()
