"""Families of solids outdoors: random proportions → convex cells, in the frame of `shapes`."""

from __future__ import annotations

import numpy as np

from geodis.simulators.cells import AHEAD, DOWN, UP, Cell, ball, beam, block, rod, turn, wedge
from geodis.simulators.household import Rng, four_legs


def hammer(rng: Rng) -> list[Cell]:
    """A long handle, a head with a round face and a claw."""
    long, r = rng.uniform(0.8, 1.2), rng.uniform(0.06, 0.11)
    a, b = rng.uniform(0.14, 0.24), rng.uniform(0.12, 0.24)
    face, claw, droop = rng.uniform(0.2, 0.4), rng.uniform(0.35, 0.7), rng.uniform(0.05, 0.3)
    return [
        rod([0, -long, 0], [0, long - 0.1, 0], r * 1.3, 0.75, 0.55, 0.8),
        block([0, long, 0], [b, a, a], albedo=0.9),
        rod([b, long, 0], [b + face, long, 0], a * 0.8, 1.25, 0.95),
        beam([-b, long, 0], [-b - claw, long - droop, 0], a * 0.8, a * 0.9, 0.15, 0.8),
    ]


def airplane(rng: Rng) -> list[Cell]:
    """Fuselage, nose, swept wings, fin and tailplane."""
    long, r = rng.uniform(0.8, 1.1), rng.uniform(0.11, 0.22)
    span, chord, sweep, rise = (rng.uniform(a, b) for a, b in ((0.7, 1.2), (0.18, 0.3), (0.0, 0.5), (0.0, 0.2)))
    fin, x = rng.uniform(0.3, 0.55), rng.uniform(-0.1, 0.3)
    wings = [beam([x, 0, 0], [x - sweep, rise, j * span], chord, 0.04, rng.uniform(0.4, 0.8), 0.75) for j in (-1, 1)]
    return [
        rod([long * 0.6, 0, 0], [-long, r * 0.3, 0], r, rng.uniform(0.3, 0.6)),
        ball([long * 0.6, 0, 0], [r * rng.uniform(1.3, 2.5), r, r]),
        *wings,
        beam([-long + 0.15, 0, 0], [-long - 0.05, fin, 0], 0.15, 0.035, 0.6, 0.85),
        block([-long + 0.1, r * 0.3, 0], [0.11, 0.03, rng.uniform(0.25, 0.45)], albedo=0.7),
    ]


def car(rng: Rng) -> list[Cell]:
    """A body, a tapered cabin set back, four wheels."""
    long, w, h = rng.uniform(0.85, 1.1), rng.uniform(0.35, 0.5), rng.uniform(0.14, 0.26)
    cab, tall, back = rng.uniform(0.35, 0.6), rng.uniform(0.22, 0.42), rng.uniform(0.05, 0.4)
    r = rng.uniform(0.15, 0.24)
    axle = rng.uniform(0.5, 0.68) * long
    places = [(i * axle, j) for i in (-1, 1) for j in (-1, 1)]
    wheels = [rod([x, -h, j * (w - 0.1)], [x, -h, j * (w + 0.05)], r, 1, 0.35) for x, j in places]
    cabin = block([-back, h + tall / 2, 0], [cab, w * 0.95, tall / 2], UP, rng.uniform(0.6, 0.9), 0.65)
    hood = wedge([long - 0.2, h + 0.06, 0], [0.35, w, 0.06], UP, 0.9)
    return [block([0, 0, 0], [long, h, w], albedo=0.9), cabin, hood, *wheels]


def boat(rng: Rng) -> list[Cell]:
    """A hull with a bow, a cabin aft, a mast and a boom."""
    long, w, h = rng.uniform(0.5, 0.7), rng.uniform(0.28, 0.45), rng.uniform(0.16, 0.3)
    bow, mast, x = rng.uniform(0.35, 0.6), rng.uniform(0.6, 1.2), rng.uniform(0.0, 0.3)
    c, tall = rng.uniform(0.15, 0.28), rng.uniform(0.12, 0.25)
    return [
        block([-0.1, 0, 0], [long, w, h], DOWN, rng.uniform(0.5, 0.8), 0.85),
        beam([long * 0.6, h * 0.2, 0], [long + bow, h * 0.8, 0], h * 0.75, w * 0.95, 0.15, 0.8),
        block([-long + c + 0.05, h + tall, 0], [c, tall, w * 0.7], albedo=0.7),
        rod([x, h, 0], [x, h + mast, 0], 0.045, 0.7, 0.6),
        beam([x, h + mast * 0.3, 0], [x - rng.uniform(0.4, 0.6), h + mast * 0.35, 0], 0.03, 0.03, 1, 0.6),
        beam([x - 0.05, h + mast * 0.35, 0], [x - 0.05, h + mast * 0.98, 0], rng.uniform(0.12, 0.3), 0.025, 0.2, 0.95),
    ]


def drill(rng: Rng) -> list[Cell]:
    """A body on a slanted grip, a battery, a chuck and a bit."""
    long, r, grip = rng.uniform(0.4, 0.6), rng.uniform(0.17, 0.26), rng.uniform(0.6, 0.9)
    lean, bit = rng.uniform(0.05, 0.3), rng.uniform(0.25, 0.6)
    x = -long * rng.uniform(0.4, 0.8)
    return [
        rod([-long, 0, 0], [long, 0, 0], r, rng.uniform(0.7, 1.0)),
        beam([x, 0, 0], [x - lean, -grip, 0], rng.uniform(0.13, 0.19), 0.12, 0.9, 0.7),
        block([x - lean + 0.08, -grip, 0], [rng.uniform(0.2, 0.34), rng.uniform(0.08, 0.16), 0.17], albedo=0.5),
        rod([long, 0, 0], [long + 0.3, 0, 0], r * 0.7, 0.45, 0.6),
        rod([long + 0.25, 0, 0], [long + 0.3 + bit, 0, 0], 0.05, 0.7, 0.95),
        beam([x + 0.2, -0.15, 0], [x + 0.16, -0.38, 0], 0.06, 0.06, 1, 0.5),
    ]


def dog(rng: Rng) -> list[Cell]:
    """A body on four legs, a neck, a head with snout and ears, a tail."""
    long, r, leg = rng.uniform(0.45, 0.75), rng.uniform(0.17, 0.28), rng.uniform(0.25, 0.6)
    neck, head = rng.uniform(0.2, 0.45), rng.uniform(0.15, 0.24)
    x, y = long + rng.uniform(0.05, 0.2), r + neck * 0.6
    return [
        ball([0, 0, 0], [long + 0.12, r, r * 0.9]),
        *four_legs(rng, long * 0.75, r * 0.6, 0, -r * 0.6 - leg, rng.uniform(0.06, 0.09)),
        rod([long * 0.7, 0, 0], [x, y, 0], r * 0.6, 0.8, 0.8),
        ball([x + 0.05, y, 0], [head * 1.1, head, head * 0.85], albedo=0.95),
        rod([x + 0.1, y - 0.03, 0], [x + head + rng.uniform(0.1, 0.35), y - 0.08, 0], head * 0.55, 0.7, 0.6),
        *[
            beam(
                [x, y, j * head * 0.5],
                [x - 0.1, y + head + rng.uniform(0.05, 0.2), j * head * 0.7],
                0.06,
                0.03,
                0.5,
                0.5,
            )
            for j in (-1, 1)
        ],
        rod([-long, 0.05, 0], [-long - rng.uniform(0.15, 0.4), rng.uniform(0.1, 0.6), 0], 0.06, 0.5, 0.7),
    ]


def bird(rng: Rng) -> list[Cell]:
    """A body, a head with a beak, wings held up, a tail, two legs."""
    long, r, head = rng.uniform(0.45, 0.65), rng.uniform(0.2, 0.32), rng.uniform(0.13, 0.22)
    span, rise, back = rng.uniform(0.5, 0.95), rng.uniform(-0.1, 0.6), rng.uniform(0.0, 0.4)
    x, y = long * 0.85, r + rng.uniform(0.0, 0.3)
    beak, leg = rng.uniform(0.15, 0.5), rng.uniform(0.2, 0.5)
    return [
        ball([0, 0, 0], [long, r, r * 0.9], turn(2, rng.uniform(0.1, 0.4))),
        ball([x, y, 0], [head] * 3, albedo=0.95),
        rod([x + head * 0.7, y, 0], [x + head + beak, y - 0.05, 0], head * 0.45, 0.2, 0.5),
        *[beam([0.1, 0.1, j * r * 0.5], [-back, 0.1 + rise, j * span], 0.2, 0.04, 0.5, 0.7) for j in (-1, 1)],
        block([-long - 0.15, -0.15, 0], [0.05, rng.uniform(0.1, 0.2), 0.25], AHEAD @ turn(2, np.pi / 2), 1.0, 0.6),
        *[rod([0, -r * 0.5, j * 0.1], [0.03, -r - leg, j * 0.12], 0.035, 1, 0.5) for j in (-1, 1)],
    ]


def tree(rng: Rng) -> list[Cell]:
    """A leaning trunk with three crowns, a branch and a stump beside it."""
    h, lean = rng.uniform(0.6, 1.1), rng.uniform(0.1, 0.4)
    top = np.array([lean, h, 0])
    crowns = [
        ball(top + rng.uniform([0.0, -0.1, -0.1], [0.2, 0.2, 0.1]), rng.uniform(0.3, 0.5, 3)),
        ball(top + np.array([-0.3, rng.uniform(-0.2, 0.1), 0.25]), rng.uniform(0.2, 0.35, 3), albedo=0.75),
        ball(top + np.array([0.35, rng.uniform(-0.3, 0.0), -0.2]), rng.uniform(0.15, 0.3, 3), albedo=0.8),
    ]
    y = rng.uniform(0.3, 0.6)
    z = rng.uniform(0.3, 0.55)
    return [
        rod([0, -0.3, 0], top, rng.uniform(0.09, 0.16), 0.7, 0.5),
        *crowns,
        rod([lean * y, h * y, 0], [lean * y - 0.15, h * y + 0.2, z], 0.05, 0.7, 0.5),
        rod([0.2, -0.3, z], [0.2, rng.uniform(-0.2, 0.05), z], rng.uniform(0.1, 0.2), 0.9, 0.6),
        block([0.1, -0.33, 0.1], [rng.uniform(0.35, 0.5), 0.05, rng.uniform(0.4, 0.7)], albedo=0.7),
    ]


def crane(rng: Rng) -> list[Cell]:
    """A mast on a base, a jib, a short arm with a counterweight, a hook."""
    h, t, jib, arm = rng.uniform(0.7, 1.1), rng.uniform(0.07, 0.13), rng.uniform(0.7, 1.1), rng.uniform(0.25, 0.5)
    x, drop, up = rng.uniform(0.5, 0.9) * jib, rng.uniform(0.2, 0.8), rng.uniform(-0.05, 0.35)
    return [
        block([0, -h, 0], [rng.uniform(0.2, 0.4), 0.08, rng.uniform(0.2, 0.4)], albedo=0.5),
        beam([0, -h, 0], [0, h, 0], t, t, 0.8),
        beam([-arm, h * 0.8, 0], [jib, h * 0.8 + up, 0], t * 0.7, t * 0.7, 0.6, 0.8),
        block([-arm, h * 0.8 - 0.12, 0], [0.12, rng.uniform(0.12, 0.24), 0.14], albedo=0.6),
        rod([x, h * 0.8 + up * 0.7, 0], [x, h * 0.8 - drop, 0], 0.03, 1, 0.7),
        block([x, h * 0.8 - drop, 0], [0.09, 0.09, 0.09], albedo=0.95),
        block([0.12, h * 0.55, t + 0.08], [0.12, 0.14, 0.1], albedo=0.45),
    ]


def tank(rng: Rng) -> list[Cell]:
    """Two tracks, a hull with a sloped front, a turret and a barrel."""
    long, w, h = rng.uniform(0.65, 0.9), rng.uniform(0.3, 0.45), rng.uniform(0.12, 0.2)
    r, x = rng.uniform(0.22, 0.36), rng.uniform(-0.3, 0.1)
    tracks = [block([0, -0.1, j * w], [long, h, rng.uniform(0.1, 0.14)], albedo=0.4) for j in (-1, 1)]
    y = h + 0.15
    return [
        *tracks,
        block([-0.1, h * 0.5, 0], [long * 0.85, h, w * 0.9], albedo=0.8),
        wedge([long * 0.95, h * 0.5, 0], [long * 0.2, w * 0.9, h], UP, 0.9),
        block([x, y + 0.08, 0], [r, r * 0.85, rng.uniform(0.1, 0.18)], UP, rng.uniform(0.6, 0.9), 0.65),
        rod([x, y + 0.08, 0], [x + r + rng.uniform(0.4, 0.9), y + rng.uniform(0.08, 0.3), 0], 0.06, 0.8, 0.9),
        rod([x - r * 0.4, y, r * 0.4], [x - r * 0.4, y + rng.uniform(0.3, 0.4), r * 0.4], 0.1, 1, 0.5),
    ]


def snowman(rng: Rng) -> list[Cell]:
    """Two flattened balls, a head with a long nose, a hat, one raised arm and a broom."""
    a, b, c = rng.uniform(0.42, 0.6), rng.uniform(0.28, 0.4), rng.uniform(0.18, 0.28)
    y1, y2 = a * 0.7 + b * 0.7, a * 0.7 + b * 1.4 + c * 0.8
    flat, x, tall = rng.uniform(0.65, 0.85), a * rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.9)
    nose, hat, arm = rng.uniform(0.3, 0.6), rng.uniform(0.1, 0.35), rng.uniform(0.3, 0.6)
    return [
        ball([0, 0, 0], [a * flat, a * 0.9, a]),
        ball([0, y1, 0], [b * flat, b, b]),
        ball([0, y2, 0], [c] * 3),
        rod([c * 0.7, y2, 0], [c + nose, y2 - 0.05, 0], c * 0.4, 0.25, 0.5),
        rod([0, y2 + c * 0.7, 0], [-0.05, y2 + c * 0.7 + hat, 0], c * rng.uniform(0.6, 0.9), 0.9, 0.4),
        rod([0, y1, b * 0.7], [0.1, y1 + rng.uniform(0.0, 0.5), b + arm], 0.07, 0.7, 0.5),
        rod([x, -a * 0.4, -a * 0.95], [x, tall, -a * 0.95], 0.05, 1, 0.6),
        rod([x, tall, -a * 0.95], [x, tall + 0.35, -a], 0.07, rng.uniform(1.8, 3.0), 0.8, 0.6),
    ]


def telescope(rng: Rng) -> list[Cell]:
    """A tube tilted up on a tripod, with an eyepiece and a finder."""
    tilt, long, r = rng.uniform(0.1, 0.9), rng.uniform(0.6, 0.9), rng.uniform(0.12, 0.22)
    axis, up = np.array([np.cos(tilt), np.sin(tilt), 0]), np.array([-np.sin(tilt), np.cos(tilt), 0])
    h, spread = rng.uniform(0.6, 1.0), rng.uniform(0.3, 0.5)
    feet = [[spread * np.cos(t), -h, spread * np.sin(t)] for t in (np.pi, np.pi / 3, -np.pi / 3)]
    back = -axis * long * rng.uniform(0.6, 1.0)
    return [
        rod(back, axis * long, r * 0.75, rng.uniform(1.2, 1.7)),
        rod(back - axis * rng.uniform(0.1, 0.3), back, r * 0.4, 1, 0.5),
        rod(back + up * r * 1.3, back + up * r * 1.4 + axis * rng.uniform(0.3, 0.6), r * 0.35, 1, 0.7),
        *[rod([0, -0.05, 0], foot, 0.055, 0.7, 0.55) for foot in feet],
    ]


def duck(rng: Rng) -> list[Cell]:
    """A bath duck: broad body, head in front, flat bill, upturned tail."""
    long, w, h = rng.uniform(0.55, 0.8), rng.uniform(0.35, 0.5), rng.uniform(0.28, 0.42)
    head, x, y = rng.uniform(0.22, 0.34), rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.65)
    return [
        ball([0, 0, 0], [long, h, w]),
        ball([x, y, 0], [head, head * rng.uniform(0.9, 1.2), head], albedo=0.95),
        block([x + head + 0.08, y - 0.04, 0], [0.05, head * 0.55, rng.uniform(0.12, 0.25)], AHEAD, 0.7, 0.45),
        rod([-long * 0.6, 0.05, 0], [-long - rng.uniform(0.1, 0.3), rng.uniform(0.2, 0.5), 0], h * 0.6, 0.25, 0.85),
        *[ball([-0.05, 0.1, j * w * 0.85], [long * 0.5, h * 0.5, 0.13], albedo=0.65) for j in (-1, 1)],
    ]
