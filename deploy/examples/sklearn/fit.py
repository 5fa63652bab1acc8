"""Trains a small network on scikit-learn's digits, an epoch at a time. It knows orch only by orch_metrics."""
import argparse, pickle, warnings
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
import orch_metrics as om

p = argparse.ArgumentParser()
p.add_argument("--hidden", type=int, default=32)
p.add_argument("--alpha", type=float, default=1e-4)
p.add_argument("--epochs", type=int, default=10)
p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.25, random_state=a.seed, stratify=y)

model, begin = MLPClassifier((a.hidden,), alpha=a.alpha, random_state=a.seed), 0
if om.resume_dir():  # an earlier attempt was cut short: go on after its last epoch
    with open(om.resume_dir() + "/model.pkl", "rb") as f:
        model, begin = pickle.load(f)
    print("resumes after epoch", begin, flush=True)

for epoch in range(begin, a.epochs):
    order = np.random.default_rng([a.seed, epoch]).permutation(len(X))  # depends on the epoch alone, so a resumed run shuffles alike
    model.partial_fit(X[order], y[order], classes=range(10))
    om.log(epoch, loss=model.loss_, **{"test.accuracy": model.score(X_test, y_test)})
    with om.checkpoint(epoch, "model.pkl") as path, open(path, "wb") as f:
        pickle.dump((model, epoch + 1), f)

om.result(loss=model.loss_, **{"test.accuracy": model.score(X_test, y_test)})
