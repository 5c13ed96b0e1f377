"""Times one layer of ginjax, forward and backward, compiled: run by `fields_layers.py` in an environment of its own.

Arguments: side of the grid, batch, channels a type, repeats. Prints {"seconds": median}.
"""

import json
import statistics
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from ginjax import geometric as geom
from ginjax.layers import ConvContract

side, batch, channels, repeats = map(int, sys.argv[1:5])
PLAIN, VECTOR = (), (False,)
types = geom.Signature((((PLAIN, 0), channels), ((PLAIN, 1), channels), ((VECTOR, 0), channels)))
filters = geom.get_invariant_filters([3], [0, 1, 2], [0, 1], 2, geom.make_all_operators(2))
layer = ConvContract(types, types, filters, use_bias="auto", key=jax.random.PRNGKey(0))
rng = np.random.default_rng(0)
shapes = {(PLAIN, 0): (), (PLAIN, 1): (), (VECTOR, 0): (2,)}
blocks = {
    key: jnp.asarray(rng.normal(size=(batch, channels, side, side, *tail)), dtype=jnp.float32)
    for key, tail in shapes.items()
}
image = geom.MultiImage(blocks, 2, (True, True))


def loss(both):
    out = jax.vmap(both[0])(both[1])
    return sum(jnp.sum(block**2) for block in out.values())


step = eqx.filter_jit(eqx.filter_grad(loss))


def run():
    jax.block_until_ready(jax.tree_util.tree_leaves(step((layer, image))))


run()
times = []
for _ in range(repeats):
    began = time.perf_counter()
    run()
    times.append(time.perf_counter() - began)
print(json.dumps({"seconds": statistics.median(times)}))
