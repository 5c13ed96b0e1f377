"""The main job on real input, in three domains: sentences, images, a physical field."""

from geodis.demo.domain import Domain as Domain
from geodis.demo.run import DOMAINS as DOMAINS
from geodis.demo.run import run_demo as run_demo
