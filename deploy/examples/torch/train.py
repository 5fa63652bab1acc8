"""Trains a small PyTorch network on two spirals. It knows orch only by orch_metrics and ORCH_THREADS."""
import argparse, math, os
import torch
from torch import nn
import orch_metrics as om

p = argparse.ArgumentParser()
p.add_argument("--width", type=int, default=32)
p.add_argument("--lr", type=float, default=1e-2)
p.add_argument("--epochs", type=int, default=20)
p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
torch.set_num_threads(int(os.environ.get("ORCH_THREADS", 1)))
torch.use_deterministic_algorithms(True)
torch.manual_seed(a.seed)


def spirals(n):
    t = torch.rand(n, 1).sqrt() * 3 * math.pi
    side = torch.randint(0, 2, (n, 1))
    angle = t + math.pi * side
    return torch.cat([angle.cos() * t, angle.sin() * t], 1) / 10 + 0.02 * torch.randn(n, 2), side.squeeze(1)


(X, y), (X_test, y_test) = spirals(2000), spirals(1000)
model = nn.Sequential(nn.Linear(2, a.width), nn.Tanh(), nn.Linear(a.width, a.width), nn.Tanh(), nn.Linear(a.width, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=a.lr)
begin = 0
if om.resume_dir():  # weights, moments and random numbers go on where the last complete epoch ended
    state = torch.load(om.resume_dir() + "/last.pt")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    begin = state["epoch"] + 1
    print("resumes after epoch", state["epoch"], flush=True)

loss_of = nn.CrossEntropyLoss()
for epoch in range(begin, a.epochs):
    total = 0.0
    for batch in torch.randperm(len(X)).split(50):
        loss = loss_of(model(X[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    with torch.no_grad():
        accuracy = (model(X_test).argmax(1) == y_test).float().mean().item()
    om.log(epoch, loss=total / len(X), **{"test.accuracy": accuracy})
    with om.checkpoint(epoch, "last.pt") as path:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": torch.get_rng_state(), "epoch": epoch}, path)
