"""Any model as a frozen map x → z."""

from geodis.encoders.arrays import ArrayEncoder as ArrayEncoder
from geodis.encoders.callables import CallableEncoder as CallableEncoder
from geodis.encoders.encode import encode as encode
from geodis.encoders.encoder import AbstractEncoder as AbstractEncoder
from geodis.encoders.minilm import load_minilm as load_minilm
from geodis.encoders.modules import ModuleEncoder as ModuleEncoder
from geodis.encoders.sentences import SentenceEncoder as SentenceEncoder
