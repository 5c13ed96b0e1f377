"""Folders of images, texts and fields: every item is read right, or the file that cannot be is named."""

import numpy as np
import pytest
from PIL import Image

from geodis.errors import ContentError, FiniteError, ParameterError
from geodis.formats.sources import Source, read_fields, read_images, read_texts, reader_of


def picture(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# --- images -----------------------------------------------------------------------------------------------------------
def test_pixels_come_as_they_are(tmp_path):
    second, first = noise(5, 7, 3, seed=1), noise(5, 7, 3)
    picture(tmp_path / "b.png", second)
    picture(tmp_path / "a" / "z.PNG", first)
    source = read_images(tmp_path)
    assert source.labels.tolist() == ["a/z.PNG", "b.png"]
    assert (source.items.shape, source.items.dtype, source.clusters) == ((2, 3, 5, 7), np.float32, None)
    assert np.array_equal(source.items, np.moveaxis(np.stack([first, second]), -1, 1) / np.float32(255))


def test_grey_is_one_channel(tmp_path):
    picture(tmp_path / "a.png", noise(4, 4, 3))
    picture(tmp_path / "b.png", noise(4, 4))
    source = read_images(tmp_path, grey=True)
    assert source.items.shape == (2, 1, 4, 4)
    assert np.array_equal(source.items[1, 0], noise(4, 4) / np.float32(255))
    assert np.array_equal(read_images(tmp_path).items[1], np.repeat(source.items[1], 3, axis=0))


def test_sixteen_bits_are_not_clipped(tmp_path):
    deep = (np.arange(16, dtype=np.uint16).reshape(4, 4) * 4369).astype(np.uint16)
    picture(tmp_path / "a.png", deep)
    assert np.allclose(read_images(tmp_path, grey=True).items[0, 0], deep / 65535)


def test_palettes_and_one_bit(tmp_path):
    grey = np.repeat(noise(4, 4)[..., None], 3, axis=-1)
    Image.fromarray(grey).convert("P").save(tmp_path / "a.gif")
    Image.fromarray(noise(4, 4) > 100).save(tmp_path / "b.png")
    items = read_images(tmp_path).items
    assert items.shape == (2, 3, 4, 4)
    assert set(np.unique(items[1])) <= {0.0, 1.0}
    assert read_images(tmp_path, size=2).items.shape == (2, 3, 2, 2)


def test_a_camera_turned_upright(tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6  # shown turned by a quarter clockwise
    picture(tmp_path / "a.png", noise(4, 6), exif=tags)
    assert np.array_equal(read_images(tmp_path, grey=True).items[0, 0], np.rot90(noise(4, 6), -1) / np.float32(255))


def test_sizes_are_asked_for_or_refused(tmp_path):
    picture(tmp_path / "a.png", noise(8, 8))
    picture(tmp_path / "b.png", noise(8, 12))
    with pytest.raises(ContentError, match=r"b\.png: expected 8 × 8 pixels like a\.png, got 12 × 8.*--size"):
        read_images(tmp_path)
    source = read_images(tmp_path, size=8, grey=True)
    assert np.array_equal(source.items[0, 0], noise(8, 8) / np.float32(255))
    assert np.array_equal(source.items[1, 0], noise(8, 12)[:, 2:10] / np.float32(255)), "the middle"
    with pytest.raises(ParameterError):
        read_images(tmp_path, size=0)


JUNK = {"empty": b"", "words": b"not an image", "half": None}


@pytest.mark.parametrize("junk", JUNK)
def test_broken_images_are_named(tmp_path, junk):
    good = picture(tmp_path / "a.png", noise(32, 32)).read_bytes()
    (tmp_path / "b.png").write_bytes(JUNK[junk] if JUNK[junk] is not None else good[: len(good) // 2])
    with pytest.raises(ContentError, match=r"b\.png"):
        read_images(tmp_path)


def test_floating_point_pixels_are_refused(tmp_path):
    picture(tmp_path / "a.tiff", np.ones((3, 3), dtype=np.float32))
    with pytest.raises(ContentError, match="floating-point"):
        read_images(tmp_path)


# --- texts ------------------------------------------------------------------------------------------------------------
def test_lines_are_texts(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffÉté in {slot}.\r\n\r\n  The end. \n".encode())
    source = read_texts(tmp_path / "a.txt")
    assert source.items == ("Été in {slot}.", "The end.")
    assert source.labels.tolist() == ["a.txt:1", "a.txt:3"]
    assert source.clusters is None
    (tmp_path / "b.txt").write_text("Other.")
    both = read_texts(tmp_path)
    assert both.items == (*source.items, "Other.")
    assert both.clusters.tolist() == ["a.txt", "a.txt", "b.txt"]


def test_bad_texts_are_refused(tmp_path):
    with pytest.raises(ContentError, match="0 other files"):
        read_texts(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContentError, match="UTF-8"):
        read_texts(tmp_path)
    (tmp_path / "a.txt").write_text(" \n\n")
    with pytest.raises(ContentError, match="one line"):
        read_texts(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_texts(tmp_path / "gone.txt")


# --- fields -----------------------------------------------------------------------------------------------------------
def test_fields_of_several_files(tmp_path):
    first, second = np.random.default_rng(0).normal(size=(2, 2, 2, 4, 4))
    np.save(tmp_path / "run1.npy", second)
    np.save(tmp_path / "run0.npy", first)
    (tmp_path / "notes.md").write_text("mine")
    source = read_fields(tmp_path)
    assert np.array_equal(source.items, np.concatenate([first, second]))
    assert source.labels.tolist() == ["run0.npy:0", "run0.npy:1", "run1.npy:0", "run1.npy:1"]
    assert source.clusters.tolist() == ["run0.npy"] * 2 + ["run1.npy"] * 2
    assert source.ignored == 1
    assert read_fields(tmp_path / "run0.npy").clusters is None


BAD_FIELDS = {
    "another shape": (np.ones((1, 2, 5, 5)), ContentError),
    "flat": (np.ones(3), ContentError),
    "empty": (np.ones((0, 2, 4, 4)), ContentError),
    "complex": (np.ones((1, 2, 4, 4), dtype=complex), ContentError),
    "NaN": (np.full((1, 2, 4, 4), np.nan), FiniteError),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_bad_fields_are_named(tmp_path, case):
    bad, error = BAD_FIELDS[case]
    np.save(tmp_path / "a.npy", np.ones((1, 2, 4, 4), dtype=int))
    assert read_fields(tmp_path).items.dtype == np.float64
    np.save(tmp_path / "b.npy", bad)
    with pytest.raises(error, match=r"b\.npy"):
        read_fields(tmp_path)


# --- any of them ------------------------------------------------------------------------------------------------------
def test_what_is_there_tells_the_reader(tmp_path):
    with pytest.raises(ContentError, match="none of them"):
        reader_of(tmp_path)
    (tmp_path / "a.txt").write_text("one")
    assert reader_of(tmp_path) is reader_of(tmp_path / "a.txt") is read_texts
    np.save(tmp_path / "a.npy", np.ones((1, 1, 2, 2)))
    assert reader_of(tmp_path / "a.npy") is read_fields
    with pytest.raises(ContentError, match="several kinds"):
        reader_of(tmp_path)
    assert reader_of(picture(tmp_path / "deep" / "a.jpg", noise(4, 4)).parent) is read_images
    with pytest.raises(FileNotFoundError):
        reader_of(tmp_path / "gone")


@pytest.mark.parametrize("items", [np.arange(20.0)[:, None], tuple(map(str, range(20)))], ids=["array", "texts"])
def test_a_limit_takes_some_of_all(items):
    source = Source(items, np.arange(20).astype(str), np.arange(20) // 2)
    some = source.some(7, seed=1)
    numbers = some.labels.astype(int)
    assert len(numbers) == 7
    assert (np.diff(numbers) > 0).all()
    assert numbers.max() > 7, "not the first ones"
    assert [float(np.squeeze(item)) for item in some.items] == numbers.tolist()
    assert some.clusters.tolist() == (numbers // 2).tolist()
    assert some.labels.tolist() == source.some(7, seed=1).labels.tolist() != source.some(7, seed=2).labels.tolist()
    assert source.some(None) is source.some(20) is source
