"""Families of solids about the house: random proportions → convex cells, in the frame of `shapes`."""

from __future__ import annotations

import numpy as np

from geodis.simulators.cells import UP, Cell, ball, beam, block, dome, rod, turn, wedge

Rng = np.random.Generator


def four_legs(rng: Rng, x: float, z: float, top: float, low: float, radius: float) -> list[Cell]:
    """Four legs from (±x, top, ±z) down to `low`, splayed by a random share."""
    s = rng.uniform(0.85, 1.15)
    return [rod([i * x, top, j * z], [i * x * s, low, j * z * s], radius, 0.8, 0.6) for i in (-1, 1) for j in (-1, 1)]


def chair(rng: Rng) -> list[Cell]:
    """A seat, four legs and a leaning back."""
    w, d, t = rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.65), rng.uniform(0.05, 0.14)
    legs, back, lean = rng.uniform(0.4, 0.9), rng.uniform(0.5, 1.1), rng.uniform(0.0, 0.3)
    seat = block([0, 0, 0], [d, t, w], albedo=0.9)
    rest = beam([-d + t, 0, 0], [-d + t - lean, back, 0], rng.uniform(0.05, 0.12), w, rng.uniform(0.7, 1.1), 0.75)
    return [seat, rest, *four_legs(rng, d - 0.1, w - 0.1, 0, -legs, rng.uniform(0.05, 0.09))]


def armchair(rng: Rng) -> list[Cell]:
    """A block seat between two arms, with a thick back and a cushion."""
    w, d, h = rng.uniform(0.45, 0.8), rng.uniform(0.5, 0.7), rng.uniform(0.2, 0.35)
    a, tall = rng.uniform(0.1, 0.22), rng.uniform(0.5, 1.0)
    arm = rng.uniform(0.1, 0.35)
    sides = [block([0, arm / 2, j * (w + a)], [d, h + arm / 2, a], albedo=0.7) for j in (-1, 1)]
    back = block([-d - 0.05, tall / 2, 0], [rng.uniform(0.12, 0.22), h * 0.95 + tall / 2, w + a * 0.9], albedo=0.8)
    return [block([0, 0, 0], [d, h, w], albedo=0.6), ball([0.05, h, 0], [d * 0.85, 0.16, w * 0.9]), back, *sides]


def mug(rng: Rng) -> list[Cell]:
    """An oval cup with a square handle."""
    r, h, top = rng.uniform(0.4, 0.65), rng.uniform(0.4, 0.8), rng.uniform(0.75, 1.35)
    t, out, reach = rng.uniform(0.07, 0.13), rng.uniform(0.25, 0.55), rng.uniform(0.4, 0.75) * h
    oval = rng.uniform(0.6, 0.9)
    x, edge, y = r + out, r * min(1.0, top) * 0.8, rng.uniform(-0.2, 0.2) * h
    return [
        rod([0, -h, 0], [0, h, 0], r, top, 0.9, oval),
        rod([0, h * 0.9, 0], [0, h + 0.02, 0], r * top * 0.82, 1, 0.35, oval),
        beam([x, y - reach, 0], [x, y + reach, 0], t, t * 1.2, 1, 0.7),
        beam([edge, y + reach, 0], [x + t * 0.9, y + reach, 0], t, t, 1, 0.7),
        beam([edge, y - reach, 0], [x + t * 0.9, y - reach, 0], t, t, 1, 0.7),
    ]


def house(rng: Rng) -> list[Cell]:
    """Walls, a gable roof, a chimney off the ridge and a porch."""
    w, d, h = rng.uniform(0.55, 0.9), rng.uniform(0.4, 0.65), rng.uniform(0.3, 0.65)
    roof, over = rng.uniform(0.3, 0.7), rng.uniform(1.0, 1.2)
    sides = [wedge([j * d * over / 2, h + roof / 2, 0], [d * over / 2, w * over, roof / 2], frame, 0.6)
             for j, frame in ((1, turn(0, -np.pi / 2)), (-1, turn(0, -np.pi / 2) @ turn(2, np.pi)))]  # fmt: skip
    c = rng.uniform(0.07, 0.12)
    x, z = rng.uniform(0.2, 0.6) * d, rng.uniform(0.3, 0.75) * w
    chimney = block([-x, h + roof * 0.75, z], [c, roof * rng.uniform(0.5, 0.8), c], albedo=0.75)
    porch = block([d, -h * 0.35, -w * rng.uniform(0.1, 0.6)], [rng.uniform(0.15, 0.3), h * 0.62, w * 0.25], albedo=0.5)
    return [block([0, 0, 0], [d, h, w], albedo=0.95), *sides, chimney, porch]


def key(rng: Rng) -> list[Cell]:
    """A round bow, a shaft, bits of unequal length on one side and a collar."""
    r, thick = rng.uniform(0.28, 0.45), rng.uniform(0.08, 0.15)
    long, s = rng.uniform(0.9, 1.4), rng.uniform(0.06, 0.1)
    teeth = []
    for x in (0.25, 0.5, 0.75):
        reach = rng.uniform(0.12, 0.45)
        teeth.append(
            block([long * (1 - x * 0.5), -reach / 2, 0], [rng.uniform(0.04, 0.08), reach / 2 + s, s], albedo=0.7)
        )
    collar = rod([0.08, 0, 0], [0.2, 0, 0], s * rng.uniform(1.6, 2.4), 1, 0.6)
    bow = rod([-r, 0, -thick], [-r, 0, thick], r, 1, 0.9, rng.uniform(0.7, 1.2))
    hole = rod([-r, 0, thick], [-r, 0, thick + rng.uniform(0.05, 0.2)], r * rng.uniform(0.3, 0.6), 1, 0.4)
    return [bow, hole, collar, rod([-0.05, 0, 0], [long, 0, 0], s), *teeth]


def lamp(rng: Rng) -> list[Cell]:
    """A desk lamp: base, two arms with a joint, a shade that looks down and forward."""
    r, a, b = rng.uniform(0.28, 0.45), rng.uniform(0.6, 0.95), rng.uniform(0.4, 0.75)
    lean, tilt, nod = rng.uniform(0.0, 0.5), rng.uniform(-0.2, 0.6), rng.uniform(0.3, 1.2)
    elbow = np.array([-np.sin(lean) * a, np.cos(lean) * a, 0])
    end = elbow + b * np.array([np.cos(tilt), np.sin(tilt), 0])
    shade = end + rng.uniform(0.3, 0.5) * np.array([np.cos(nod), -np.sin(nod), 0])
    wide = rng.uniform(0.22, 0.38)
    return [
        rod([0, -0.08, 0], [0, 0.04, 0], r, 0.85, 0.6),
        rod([0, 0, 0], elbow, 0.05, 1, 0.75),
        ball(elbow, [0.09] * 3, albedo=0.5),
        rod(elbow, end, 0.045, 1, 0.75),
        rod(end, shade, wide * 0.35, rng.uniform(2.2, 3.2), 0.95),
    ]


def desk(rng: Rng) -> list[Cell]:
    """A table with a drawer under one end."""
    w, d, t, h = rng.uniform(0.7, 1.0), rng.uniform(0.35, 0.6), rng.uniform(0.04, 0.1), rng.uniform(0.5, 0.9)
    c, deep = rng.uniform(0.15, 0.28), rng.uniform(0.15, 0.4)
    drawer = block([rng.uniform(0.0, 0.2), -t - deep, w - c - 0.05], [d * 0.85, deep, c], albedo=0.6)
    knob = ball([d * 0.85 + 0.22, -t - deep * 0.8, w - c - 0.05], [0.07] * 3, albedo=0.9)
    return [
        block([0, 0, 0], [d, t, w]),
        drawer,
        knob,
        *four_legs(rng, d - 0.08, w - 0.08, 0, -h, rng.uniform(0.04, 0.08)),
    ]


def teapot(rng: Rng) -> list[Cell]:
    """A round belly, a spout, a handle, a lid with a knob."""
    r, h = rng.uniform(0.45, 0.65), rng.uniform(0.35, 0.6)
    out, rise = rng.uniform(0.35, 0.6), rng.uniform(0.25, 0.6)
    x, y, t = -r - rng.uniform(0.2, 0.4), rng.uniform(0.15, 0.35), rng.uniform(0.05, 0.09)
    return [
        ball([0, 0, 0], [r, h, r * rng.uniform(0.6, 0.85)]),
        rod([r * 0.6, -0.1, 0], [r + out, rise, 0], rng.uniform(0.14, 0.22), 0.45, 0.8),
        beam([-r * 0.7, y, 0], [x, y, 0], t, t, 1, 0.6),
        beam([x + t, y + t, 0], [-r * 0.8, -h * 0.4, 0], t, t * 0.85, 1, 0.6),
        dome([0, h * 0.85, 0], [r * 0.5, r * 0.5, rng.uniform(0.12, 0.25)], UP, 0.75),
        ball([0, h * 0.9 + 0.25, 0], [rng.uniform(0.06, 0.12)] * 3, albedo=0.5),
    ]


def boot(rng: Rng) -> list[Cell]:
    """A sole with a heel, a toe cap, an instep and a shaft."""
    long, w, tall = rng.uniform(0.6, 0.85), rng.uniform(0.2, 0.3), rng.uniform(0.3, 1.0)
    heel, r = rng.uniform(0.05, 0.25), rng.uniform(0.2, 0.3)
    x = -long + r + 0.05
    return [
        block([0, 0, 0], [long, 0.07, w], albedo=0.5),
        block([-long * 0.7, -heel / 2 - 0.05, 0], [long * 0.25, heel / 2 + 0.03, w * 0.9], albedo=0.4),
        ball([long * 0.5, 0.05, 0], [long * 0.5, rng.uniform(0.18, 0.34), w]),
        wedge([0.1, 0.25, 0], [long * 0.6, w * 0.9, 0.22], UP, 0.8) if tall < 0.5 else
        beam([x, 0.2, 0], [long * 0.5, 0.08, 0], 0.2, w * 0.95, 0.7, 0.85),
        rod([x, 0.05, 0], [x - rng.uniform(-0.1, 0.15), 0.2 + tall, 0], r, rng.uniform(0.9, 1.25), 0.9, 0.85),
    ]  # fmt: skip


def bracket(rng: Rng) -> list[Cell]:
    """An L of two unequal plates, a rib and a boss."""
    a, b, w = rng.uniform(0.7, 1.1), rng.uniform(0.35, 0.65), rng.uniform(0.2, 0.5)
    s, t = rng.uniform(0.08, 0.14), rng.uniform(0.16, 0.25)
    rib, z = rng.uniform(0.2, 0.45), rng.uniform(-0.6, 0.6) * w
    return [
        block([a, 0, 0], [a, s, w], albedo=0.9),
        block([-t, b - s, 0], [t, b, w], albedo=0.75),
        wedge([rib, s + rib * 0.8, z], [rib, rng.uniform(0.04, 0.1), rib * 0.8], turn(0, -np.pi / 2), 0.6),
        rod([a * 1.4, s, z * 0.5], [a * 1.4, s + rng.uniform(0.1, 0.35), z * 0.5], rng.uniform(0.1, 0.18), 1, 0.6),
    ]


def letter_f(rng: Rng) -> list[Cell]:
    """An F of bars of different lengths and depths on a foot."""
    h, t, deep = rng.uniform(0.8, 1.1), rng.uniform(0.1, 0.18), rng.uniform(0.12, 0.3)
    top, mid, y = rng.uniform(0.3, 0.55), rng.uniform(0.15, 0.35), rng.uniform(-0.2, 0.35)
    return [
        block([0, 0, 0], [t, h, deep], albedo=0.9),
        block([top, h - t, 0], [top, t * 0.95, deep * 0.93], albedo=0.75),
        block(
            [mid, y * h, rng.uniform(-0.1, 0.1)],
            [mid, t * rng.uniform(0.7, 1.2), deep * rng.uniform(0.5, 1.3)],
            albedo=0.6,
        ),
        block([0.05, -h, 0], [rng.uniform(0.2, 0.35), 0.06, deep + rng.uniform(0.05, 0.25)], albedo=0.5),
    ]


def pipe(rng: Rng) -> list[Cell]:
    """A T-joint of pipes: arms of different lengths and widths, flanges at two ends."""
    r, s = rng.uniform(0.16, 0.28), rng.uniform(0.12, 0.2)
    a, b, c = rng.uniform(0.7, 1.0), rng.uniform(0.3, 0.55), rng.uniform(0.45, 0.85)
    lean = rng.uniform(-0.3, 0.3)
    return [
        rod([-b, 0, 0], [a, 0, 0], r, rng.uniform(0.7, 1.0)),
        rod([0, 0, 0], [lean, c, rng.uniform(0.0, 0.3)], s, 1, 0.7),
        rod([-b - 0.1, 0, 0], [-b, 0, 0], r * rng.uniform(1.3, 1.7), 1, 0.5),
        rod([lean * 0.9, c * 0.9, 0.1], [lean * 1.05, c * 1.05, 0.15], s * rng.uniform(1.3, 1.8), 1, 0.5),
    ]


def staircase(rng: Rng) -> list[Cell]:
    """Five steps up to a landing, with a rail on one side."""
    w, run, rise = rng.uniform(0.3, 0.6), rng.uniform(0.14, 0.22), rng.uniform(0.12, 0.24)
    steps = [
        block([-i * 2 * run, i * rise, 0], [run, (i + 1) * rise, w], albedo=0.95 - 0.1 * (i % 2)) for i in range(5)
    ]
    tall, t = rng.uniform(0.3, 0.6), rng.uniform(0.04, 0.07)
    top = [-8 * run, 9 * rise + tall, w]
    rail = beam([0, rise + tall, w], top, t, t, 1, 0.5)
    posts = [beam([0, 0, w], [0, rise + tall, w], t, t * 0.8, 1, 0.4), beam([-8 * run, 0, w], top, t, t * 0.8, 1, 0.4)]
    return [*steps, rail, *posts]


def camera(rng: Rng) -> list[Cell]:
    """A body with a lens off its centre, a viewfinder and a shutter button."""
    w, h, d = rng.uniform(0.6, 0.85), rng.uniform(0.35, 0.55), rng.uniform(0.15, 0.28)
    r, out, z = rng.uniform(0.2, 0.34), rng.uniform(0.2, 0.65), rng.uniform(-0.3, 0.15)
    return [
        block([0, 0, 0], [d, h, w], albedo=0.65),
        rod([d, -0.03, z], [d + out, -0.03, z], r, rng.uniform(0.8, 1.15), 0.9),
        rod([d + out * 0.95, -0.03, z], [d + out + 0.02, -0.03, z], r * 0.6, 1, 0.3),
        block(
            [0, h + 0.1, z * rng.uniform(0.5, 1.5)],
            [d * 0.7, rng.uniform(0.08, 0.18), rng.uniform(0.12, 0.25)],
            albedo=0.8,
        ),
        rod([0, h, w * 0.7], [0, h + rng.uniform(0.08, 0.2), w * 0.7], rng.uniform(0.07, 0.13), 1, 0.95),
        block([d * 0.6, -0.05, w * 0.85], [d, h * 0.75, w * 0.13], albedo=0.5),
    ]


def guitar(rng: Rng) -> list[Cell]:
    """Two flat lobes, a neck set on the front, a head, a bridge."""
    r, s, thick = rng.uniform(0.38, 0.52), rng.uniform(0.26, 0.36), rng.uniform(0.08, 0.16)
    neck, head = rng.uniform(0.6, 1.0), rng.uniform(0.15, 0.28)
    y = r * 0.85
    return [
        rod([-thick, 0, 0], [thick, 0, 0], r, 1, 0.85),
        rod([-thick * 0.9, y, 0], [thick * 0.9, y, 0], s, 1, 0.85),
        beam([thick, y * 0.7, 0], [thick, y + s + neck, 0], 0.05, 0.075, 0.8, 0.55),
        block([thick - 0.04, y + s + neck + head * 0.5, 0], [0.05, head, rng.uniform(0.1, 0.16)], albedo=0.7),
        block([thick + 0.05, -r * 0.45, 0], [0.05, 0.05, rng.uniform(0.12, 0.24)], albedo=0.4),
        rod([thick - 0.01, y * 0.45, 0], [thick + 0.015, y * 0.45, 0], rng.uniform(0.1, 0.17), 1, 0.25),
    ]
