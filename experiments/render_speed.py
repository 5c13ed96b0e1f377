"""Question: how many images of solids a second does one thread render, at 32 × 32 pixels with 2 × 2 rays each.

Images of all families in equal numbers, in random orientations, in new poses: what training on orbits asks for. Seconds
are those of the processor, so that other processes do not count. Also printed by `python experiments/render_speed.py`.
"""

from __future__ import annotations

import time

from threadpoolctl import threadpool_limits

from geodis.simulators import (
    HueCircle,
    Orientation,
    Orthographic,
    Renderer,
    XRay,
    headlight,
    solid_objects,
    tumbled,
)

N_IMAGES = 2048
RENDERERS = {
    "perspective": Renderer(32),
    "perspective.rgb": Renderer(32, colour=HueCircle()),
    "perspective.rays_3x3": Renderer(32, oversampling=3),
    "perspective.pixels_64": Renderer(64),
    "orthographic": Renderer(32, Orthographic(), headlight()),
    "orthographic.xray": Renderer(32, Orthographic(), XRay()),
}


def images_per_second(seed: int, n_images: int = N_IMAGES) -> dict[str, float]:
    """Images a second of each renderer, moving the objects included, on one thread."""
    turn = Orientation()
    solids = solid_objects(n_images, seed, orientation=tumbled)
    params = turn.group.sample(n_images, seed=seed)
    speeds = {}
    with threadpool_limits(1):
        for name, see in RENDERERS.items():
            see(solids[:128])
            start = time.process_time()
            see(turn.act(params, solids))
            speeds[name] = n_images / (time.process_time() - start)
    return speeds


if __name__ == "__main__":
    for key, value in images_per_second(0).items():
        print(f"{key:24} {value:8.0f}")
