"""Train the network that the demo reads: velocity now → velocity one time unit later, through 96 numbers.

    python experiments/train_turbulence_encoder.py            writes geodis/encoders/turbulence.safetensors
    python experiments/train_turbulence_encoder.py --augment --out /tmp/augmented.safetensors

By default no flow is turned, reflected or shifted: what the network knows of these symmetries it learned from flows
that are isotropic and homogeneous in the mean. ``--augment`` moves every batch by a random symmetry of the square and
a random whole shift, for comparison. The baseline is persistence: the flow stays as it is. A few minutes on one core.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from geodis.actions import FieldShift, FieldSymmetries
from geodis.encoders.turbulence import GRID, WEIGHTS, TurbulenceNet, save_turbulence_encoder
from geodis.errors import GeodisError
from geodis.simulators import random_velocity, simulate_turbulence

SEED = 0
TRAINING, UNSEEN = 1, 2  # second entries of the flows' seeds; the demo and the experiments take 3
N_RUNS, N_UNSEEN = 1536, 128
N_TIMES = 6  # the first is the random start and not used
CHUNK = 128  # runs that are simulated together: more do not fit into the cache
STEPS, BATCH, RATE, WARM_UP, DECAY = 1400, 64, 2e-3, 100, 1e-4
VELOCITY = ((1, 1, 1),)  # one vector field of even parity


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--augment", action="store_true", help="move every batch by a random element of both groups")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    start = time.perf_counter()
    now, later = pairs(N_RUNS, TRAINING)
    unseen_now, unseen_later = pairs(N_UNSEEN, UNSEEN)
    persistence = relative_error(unseen_now, unseen_later)
    print(f"{len(now)} pairs simulated in {time.perf_counter() - start:.0f} s; persistence error {persistence:.4f}")
    net = train(TurbulenceNet(SEED), now, later, augment=args.augment)
    with torch.no_grad():
        test, fitted = relative_error(net(unseen_now), unseen_later), relative_error(net(now[:512]), later[:512])
    print(f"error on unseen runs {test:.4f}, on training runs {fitted:.4f}; {time.perf_counter() - start:.0f} s in all")
    command = shlex.join(
        ["python", "experiments/train_turbulence_encoder.py", *(sys.argv[1:] if argv is None else argv)]
    )
    record = {
        "seed": SEED, "flow_seeds": f"[{SEED}, {TRAINING}]", "augmented": args.augment, "steps": STEPS,
        "test_error": f"{test:.4f}", "persistence_error": f"{persistence:.4f}",
        "error": "mean squared error over mean square, unseen runs", "torch": torch.__version__, "command": command,
    }  # fmt: skip
    save_turbulence_encoder(net, args.out, record)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1000:.0f} kB")


def pairs(n_runs: int, stream: int) -> tuple[Tensor, Tensor]:
    """Velocities and those one time unit later: two tensors `(pairs, 2, 32, 32)`."""
    start = random_velocity(n_runs, GRID, seed=(SEED, stream)).astype(np.float32)
    chunks = [start[i : i + CHUNK] for i in range(0, n_runs, CHUNK)]
    runs = np.concatenate([simulate_turbulence(chunk, N_TIMES) for chunk in tqdm(chunks, desc="simulating")])
    now, later = (torch.from_numpy(part.reshape(-1, 2, GRID, GRID)) for part in (runs[:, 1:-1], runs[:, 2:]))
    return now, later


def train(net: TurbulenceNet, now: Tensor, later: Tensor, *, augment: bool) -> TurbulenceNet:
    rng = np.random.default_rng([SEED, 4])
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    # Slow flows count as much as fast ones.
    weight = 1 / (later**2).mean(dim=(1, 2, 3), keepdim=True)
    order = np.concatenate([rng.permutation(len(now)) for _ in range(1 + STEPS * BATCH // len(now))])
    for step in (bar := tqdm(range(STEPS), desc="training")):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        rows = order[step * BATCH : (step + 1) * BATCH]
        x, y = now[rows], later[rows]
        if augment:
            x, y = moved(x, y, rng)
        loss = (weight[rows] * (net(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}")
    if not all(torch.isfinite(p).all() for p in net.parameters()):
        raise GeodisError("Training diverged: expected finite weights. Lower RATE.")
    return net.eval()


def moved(x: Tensor, y: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Both ends of every pair moved by one random symmetry of the square and one random whole shift."""
    symmetries, shifts = FieldSymmetries(VELOCITY, d=2), FieldShift(VELOCITY, (GRID, GRID))
    g, t = rng.integers(8, size=(len(x), 1)).astype(float), rng.integers(GRID, size=(len(x), 2)).astype(float)
    return tuple(shifts.act(t, symmetries.act(g, part)) for part in (x, y))


def relative_error(predicted: Tensor, true: Tensor) -> float:
    return float(((predicted - true) ** 2).mean() / (true**2).mean())


if __name__ == "__main__":
    main()
