"""Trains small networks in PyTorch on numbers that anyone can draw again, and
prints every loss and the last parameters as JSON: what TestTorch compares with.

    /usr/bin/python3 trainer/nn/testdata/golden.py >trainer/nn/testdata/torch.json

torch.json was made by PyTorch 1.13.1 of Debian 12, in float64: its own rounding
is then out of the picture.
"""
import json
import sys

import torch
import torch.nn.functional as F

N, SIDE, CLASSES, BATCH, EPOCHS = 26, 6, 4, 8, 3


def lcg(seed):
    """Numerical Recipes' generator: 24 high bits of 32, as a number in [0, 1)."""
    while True:
        seed = (seed * 1664525 + 1013904223) % 2**32
        yield (seed >> 8) / 2**24


u = lcg(7)
X = torch.tensor([[int(256 * next(u)) for _ in range(SIDE * SIDE)] for _ in range(N)], dtype=torch.float64) / 255
Y = torch.tensor([int(CLASSES * next(u)) for _ in range(N)])


class Net:
    """Parameters in orch's layout, [in, out], and [3, 3, in, out] flattened; the
    layers are PyTorch's own."""

    def __init__(self, channels, pool, hidden):
        self.channels, self.pool = channels, pool
        shapes, c, side = [], 1, SIDE
        for i, out in enumerate(channels):
            shapes += [(9 * c, out), (1, out)]
            c = out
            if pool[i]:
                side //= 2
        width = [c * side * side if channels else SIDE * SIDE] + hidden + [CLASSES]
        for a, b in zip(width, width[1:]):
            shapes += [(a, b), (1, b)]
        u = lcg(11)
        self.p = [torch.tensor([[0.8 * (next(u) - 0.5) for _ in range(s[1])] for _ in range(s[0])], dtype=torch.float64).float().double().requires_grad_()
                  for s in shapes]

    def __call__(self, x):
        p = list(self.p)
        if self.channels:
            x = x.reshape(-1, 1, SIDE, SIDE)
            for pool in self.pool:
                w, b = p.pop(0), p.pop(0)
                w = w.reshape(3, 3, x.shape[1], b.shape[1]).permute(3, 2, 0, 1)
                x = F.relu(F.conv2d(x, w, b[0], padding=1))
                if pool:
                    x = F.max_pool2d(x, 2)
            x = x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)
        while p:
            w, b = p.pop(0), p.pop(0)
            x = F.linear(x, w.t(), b[0])
            if p:
                x = F.relu(x)
        return x


SGD, Adam, AdamW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
KINDS = {
    "mlp": lambda: Net([], [], [7, 7]),
    "cnn": lambda: Net([3, 8], [True, True], [5]),
    "cnn_seed": lambda: Net([8, 3], [False, True], [5]),
}
CASES = [  # kind, optimiser, its arguments, accumulate, clip, schedule
    ("mlp", SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01), 1, 0, "constant"),
    ("mlp", SGD, dict(lr=0.5), 2, 0.2, "constant"),
    ("mlp", Adam, dict(lr=0.02, weight_decay=0.01), 1, 0, "cosine"),
    ("mlp", AdamW, dict(lr=0.02, weight_decay=0.1), 1, 0, "step"),
    ("cnn", Adam, dict(lr=0.01), 1, 0, "constant"),
    ("cnn", SGD, dict(lr=0.1, momentum=0.9), 2, 1.0, "cosine"),
    ("cnn_seed", AdamW, dict(lr=0.01, weight_decay=0.05), 1, 0.5, "step"),
]
out = []
for kind, optim, args, accumulate, clip, schedule in CASES:
    net = KINDS[kind]()
    opt = optim(net.p, **args)
    rows = BATCH * accumulate
    steps = (N + rows - 1) // rows
    rate = {"constant": torch.optim.lr_scheduler.LambdaLR(opt, lambda t: 1.0),
            "cosine": torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps * EPOCHS),
            "step": torch.optim.lr_scheduler.StepLR(opt, steps, 0.5)}[schedule]
    losses = []
    for epoch in range(EPOCHS):
        for b in range(0, N, rows):
            opt.zero_grad()
            loss = F.cross_entropy(net(X[b:b + rows]), Y[b:b + rows])
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(net.p, clip)
            opt.step()
            rate.step()
            losses.append(loss.item())
    out.append(dict(kind=kind, optimizer=optim.__name__.lower(), lr=args["lr"], momentum=args.get("momentum", 0), weight_decay=args.get("weight_decay", 0),
                    accumulate=accumulate, clip_norm=clip, schedule=schedule, losses=losses,
                    parameters=[[float("%.9g" % v) for v in p.detach().reshape(-1).tolist()] for p in net.p]))
json.dump(dict(torch=torch.__version__, cases=out), sys.stdout)
print()
