"""scikit-learn transformers and pipelines: `transform` by hand; what cannot embed says what to do."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from geodis.encoders import EstimatorEncoder, encode
from geodis.errors import ParameterError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 8))
TEXTS = ["the fair is in may", "see you in may", "yes", "the usual place"] * 5


def fitted(kind):
    return {
        "scaler": lambda: StandardScaler().fit(X),
        "pipeline": lambda: make_pipeline(StandardScaler(), PCA(3, random_state=0)).fit(X),
        "trees": lambda: RandomTreesEmbedding(3, random_state=0).fit(X),
        "stateless": lambda: FunctionTransformer(np.abs),
    }[kind]()


KINDS = ["scaler", "pipeline", "trees", "stateless"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [4, 100])
def test_an_estimator_by_hand(kind, batch_size):
    model = fitted(kind)
    f = encode(model, batch_size=batch_size)
    assert isinstance(f, EstimatorEncoder)
    expected = model.transform(X)
    expected = expected.toarray() if kind == "trees" else expected
    np.testing.assert_allclose(f(X), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(f(torch.from_numpy(X)), expected, rtol=0, atol=1e-12)
    assert clone(f) is f


def test_images_are_flattened_and_the_dtype_is_kept():
    model = fitted("scaler")
    expected = model.transform(X)
    np.testing.assert_allclose(encode(model)(X.reshape(30, 2, 2, 2)), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(encode(model)(list(X.reshape(30, 2, 4))), expected, rtol=0, atol=1e-12)
    assert encode(model)(X.astype(np.float32)).dtype == np.float32


def test_texts_and_preparation():
    model = make_pipeline(CountVectorizer(), TruncatedSVD(2, random_state=0)).fit(TEXTS)
    np.testing.assert_allclose(encode(model, batch_size=3)(TEXTS), model.transform(TEXTS), rtol=0, atol=1e-12)
    shouting = encode(model, prepare=lambda batch: [text.lower() for text in batch])
    np.testing.assert_allclose(shouting([t.upper() for t in TEXTS]), model.transform(TEXTS), rtol=0, atol=1e-12)
    counts = CountVectorizer().fit(TEXTS)
    np.testing.assert_array_equal(encode(counts)(TEXTS), counts.transform(TEXTS).toarray())


@pytest.mark.parametrize("model", [StandardScaler(), make_pipeline(StandardScaler(), PCA(2)), CountVectorizer()])
def test_an_unfitted_estimator_is_a_named_error(model):
    with pytest.raises(ParameterError, match="not fitted"):
        encode(model)


def test_a_classifier_says_what_to_pass():
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    for classifier in (model, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 0)):
        with pytest.raises(ParameterError, match="predict_proba"):
            encode(classifier)
    np.testing.assert_allclose(encode(model.predict_proba)(X), model.predict_proba(X))


@pytest.mark.parametrize("option", [{"layer": "pca"}, {"pool": np.asarray}])
def test_an_estimator_has_no_layers(option):
    with pytest.raises(ParameterError, match="layer and pool"):
        encode(fitted("scaler"), **option)


# --- fingerprints -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_equal_fits_have_equal_fingerprints(kind):
    assert encode(fitted(kind)).fingerprint() == encode(fitted(kind)).fingerprint()


def test_another_fit_has_another_fingerprint():
    marks = [
        encode(StandardScaler().fit(X)),
        encode(StandardScaler().fit(X + 1e-9)),
        encode(StandardScaler(with_std=False).fit(X)),
        encode(RandomTreesEmbedding(3, random_state=0).fit(X)),
        encode(RandomTreesEmbedding(3, random_state=1).fit(X)),
        encode(FunctionTransformer(np.abs)),
        encode(FunctionTransformer(np.square)),
        encode(FunctionTransformer(lambda x: x + 1)),
        encode(FunctionTransformer(lambda x: x + 2)),
        encode(FunctionTransformer(np.abs), prepare=lambda batch: batch[:, :2]),
        encode(FunctionTransformer(np.abs), prepare=lambda batch: batch[:, :3]),
    ]
    assert len({f.fingerprint() for f in marks}) == len(marks)
