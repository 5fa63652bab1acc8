"""What trainer/nn's BenchmarkMNIST trains, in PyTorch: the same networks, batch
and optimisers, a learning rate that falls along a cosine, two epochs, the second one measured in examples per CPU second.

    ORCH_MNIST=data/mnist /usr/bin/python3 deploy/bench.d/mnist_torch.py net2-sgd 1

The arguments are the case and the seed. It prints rate, test accuracy and peak
memory in MiB on one line.
"""
import gzip
import math
import os
import resource
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

case, seed = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(seed)


def read(name, offset):
    path = os.path.join(os.environ["ORCH_MNIST"], name)
    f = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
    with f:
        return np.frombuffer(f.read(), np.uint8)[offset:]


def part(name):
    x = torch.tensor(read(name + "-images-idx3-ubyte", 16).reshape(-1, 784))
    return x, torch.tensor(read(name + "-labels-idx1-ubyte", 8).astype("int64"))


def mlp(layers, width):
    stack = [nn.Linear(784, width), nn.ReLU()]
    for _ in range(layers - 2):
        stack += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*stack, nn.Linear(width, 10))


def cnn():
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))


net, opt = case.split("-")
model = {"net2": lambda: mlp(2, 256), "net5": lambda: mlp(5, 256), "cnn": cnn}[net]()
for m in model.modules():  # start as trainer/nn does, so that accuracies compare
    if isinstance(m, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
        nn.init.zeros_(m.bias)
if opt == "sgd":
    opt = torch.optim.SGD(model.parameters(), 0.1)
else:
    opt = torch.optim.Adam(model.parameters(), 0.001)
X, Y = part("train")
batch = 64
steps = (len(X) + batch - 1) // batch
top, update = opt.param_groups[0]["lr"], 0
for epoch in range(2):
    order = torch.randperm(len(X))
    total, begin = 0.0, time.process_time()
    for b in range(0, len(X), batch):
        i = order[b:b + batch]
        x = X[i].float() * (1 / 255)
        opt.param_groups[0]["lr"] = top * (1 + math.cos(math.pi * update / (2 * steps))) / 2
        update += 1
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), Y[i])
        loss.backward()
        opt.step()
        total += loss.item() * len(i)
    rate = len(X) / (time.process_time() - begin)
x, y = part("t10k")
with torch.no_grad():
    right = (model(x.float() * (1 / 255)).argmax(1) == y).double().mean().item()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{rate:.0f} {right:.4f} {memory:.0f}")
