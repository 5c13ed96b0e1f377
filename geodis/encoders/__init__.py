"""Any model as a frozen map x → z."""

from geodis.encoders.arrays import ArrayEncoder as ArrayEncoder
from geodis.encoders.callables import CallableEncoder as CallableEncoder
from geodis.encoders.digits import DigitsNet as DigitsNet
from geodis.encoders.digits import load_digits_encoder as load_digits_encoder
from geodis.encoders.encode import encode as encode
from geodis.encoders.encoder import AbstractEncoder as AbstractEncoder
from geodis.encoders.estimators import EstimatorEncoder as EstimatorEncoder
from geodis.encoders.fingerprints import fingerprint as fingerprint
from geodis.encoders.minilm import load_minilm as load_minilm
from geodis.encoders.modules import ModuleEncoder as ModuleEncoder
from geodis.encoders.onnx_session import OnnxEncoder as OnnxEncoder
from geodis.encoders.onnx_session import load_onnx as load_onnx
from geodis.encoders.pooling import first_token as first_token
from geodis.encoders.pooling import flatten as flatten
from geodis.encoders.pooling import mean_grid as mean_grid
from geodis.encoders.pooling import mean_tokens as mean_tokens
from geodis.encoders.prepare import PreparedModel as PreparedModel
from geodis.encoders.prepare import images_for as images_for
from geodis.encoders.prepare import texts_for as texts_for
from geodis.encoders.pretrained import load_transformer as load_transformer
from geodis.encoders.sentences import SentenceEncoder as SentenceEncoder
from geodis.encoders.store import EmbeddingStore as EmbeddingStore
from geodis.encoders.store import StoredEntry as StoredEntry
from geodis.encoders.store import StoreWarning as StoreWarning
from geodis.encoders.turbulence import TurbulenceNet as TurbulenceNet
from geodis.encoders.turbulence import load_turbulence_encoder as load_turbulence_encoder
