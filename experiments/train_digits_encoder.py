"""Train the classifier whose layers the demo reads: digits under random rotations → which digit.

    python experiments/train_digits_encoder.py            writes geodis/encoders/digits.safetensors

Trained on the first 1197 digits of the data set, each turned anew by a random angle in every epoch; the accuracy is
that of the other 600, nearly all by other writers. Turned digits are sometimes not to be told (6 and 9), so that
the accuracy with 6 and 9 as one class is printed as well. About a minute on one core.
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

from geodis.actions import ImageRotation
from geodis.encoders.digits import WEIGHTS, DigitsNet, save_digits_encoder
from geodis.errors import GeodisError
from geodis.linalg import Array
from geodis.simulators import digit_images, digit_split

SEED = 0
EPOCHS, BATCH, RATE, WARM_UP, DECAY = 40, 64, 3e-3, 100, 1e-2
TURNS = 4  # random rotations of each unseen digit, for the accuracy


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    start = time.perf_counter()
    images, labels = digit_images()
    trained, unseen = digit_split()
    net = train(DigitsNet(SEED), images[trained], labels[trained])
    turned, true = turned_digits(images[unseen], labels[unseen], TURNS, np.random.default_rng([SEED, 2]))
    classes = {
        "accuracy": predicted(net, turned) == true,
        "accuracy_6_is_9": merged(predicted(net, turned)) == merged(true),
        "accuracy_upright": predicted(net, torch.from_numpy(images[unseen])) == labels[unseen],
        "accuracy_trained": predicted(net, turned_digits(images[trained], labels[trained], 1)[0]) == labels[trained],
    }
    accuracies = {name: f"{right.mean():.4f}" for name, right in classes.items()}
    print(f"{time.perf_counter() - start:.0f} s; unseen digits: {len(unseen)}; {accuracies}")
    command = shlex.join(["python", "experiments/train_digits_encoder.py", *(sys.argv[1:] if argv is None else argv)])
    record = {
        "seed": SEED, "epochs": EPOCHS, "trained_digits": f"0 to {trained[-1]}", "torch": torch.__version__,
        "command": command,
    }  # fmt: skip
    save_digits_encoder(net, args.out, record | accuracies)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1000:.0f} kB")


def train(net: DigitsNet, images: Array, labels: Array) -> DigitsNet:
    rng = np.random.default_rng([SEED, 1])
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    per_epoch = len(images) // BATCH
    step, steps = 0, EPOCHS * per_epoch
    for _ in (bar := tqdm(range(EPOCHS), desc="training")):
        turned, true = turned_digits(images, labels, 1, rng)
        order = rng.permutation(len(images))
        for rows in np.split(order[: per_epoch * BATCH], per_epoch):
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
            loss = nn.functional.cross_entropy(net(turned[rows]), torch.from_numpy(true[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        bar.set_postfix(loss=f"{loss.item():.3f}")
    if not all(torch.isfinite(p).all() for p in net.parameters()):
        raise GeodisError("Training diverged: expected finite weights. Lower RATE.")
    return net.eval()


def turned_digits(
    images: Array, labels: Array, n_turns: int, rng: np.random.Generator | None = None
) -> tuple[Tensor, Array]:
    """Every image at `n_turns` random angles, and the labels."""
    rng = np.random.default_rng([SEED, 3]) if rng is None else rng
    angles = rng.uniform(0.0, 2 * np.pi, (len(images) * n_turns, 1))
    turned = ImageRotation().act(angles, np.repeat(images, n_turns, axis=0))
    return torch.from_numpy(turned), np.repeat(labels, n_turns)


def predicted(net: DigitsNet, images: Tensor) -> Array:
    with torch.no_grad():
        return net(images).argmax(dim=1).numpy()


def merged(labels: Array) -> Array:
    return np.where(labels == 9, 6, labels)


if __name__ == "__main__":
    main()
