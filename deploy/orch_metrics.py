"""Metrics and checkpoints for a Python program that orch runs; without orch every call still works.

    import orch_metrics as om
    if om.resume_dir(): model.load(om.resume_dir() + "/model.pt")
    for epoch in range(3):
        om.log(epoch, loss=0.3, **{"val.acc": 0.9})
        with om.checkpoint(epoch, "model.pt") as path: model.save(path)
    om.result(accuracy=0.9)

Copy this file next to yours; it needs nothing but Python 3."""
import contextlib, json, os

def _write(row):
    if os.environ.get("ORCH_METRICS"):
        with open(os.environ["ORCH_METRICS"], "a", encoding="utf-8") as f:
            f.write(json.dumps(row, default=float) + "\n")  # one write: lines of several processes do not mix

def log(step, **metrics):
    """Add a row to the run's series; the last value of each metric is its result."""
    _write({"step": step, **metrics})

def result(**metrics):
    """Set final metrics."""
    _write(metrics)

def config():
    """The run's whole config as a dict, empty without orch; needs Python 3.11."""
    if not os.environ.get("ORCH_CONFIG"):
        return {}
    import tomllib
    with open(os.environ["ORCH_CONFIG"], "rb") as f:
        return tomllib.load(f)

def checkpoint_dir():
    return os.environ.get("ORCH_CKPT_DIR") or "."

def resume_dir():
    """The checkpoints of an earlier attempt, or None on a fresh start."""
    return os.environ.get("ORCH_RESUME") or None

@contextlib.contextmanager
def checkpoint(step, name):
    """Give a path to save to; the file appears under its name only when it is complete."""
    path = os.path.join(checkpoint_dir(), name)
    unfinished = os.path.join(os.path.dirname(path), ".tmp-" + os.path.basename(path))  # keeps the name's ending
    yield unfinished
    os.replace(unfinished, path)
    _write({"step": step, "checkpoint": path})
