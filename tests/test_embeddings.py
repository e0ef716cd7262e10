import gzip
from pathlib import Path

import numpy as np
import pytest
from conftest import python
from gensim.models.keyedvectors import KeyedVectors
from gensim.test.utils import datapath

from textgen.core.errors import TextgenError
from textgen.embeddings.vectors import (
    SCALE,
    FastText,
    File,
    Random,
    Vectors,
    Word2Vec,
    distinct_spellings,
)

pytestmark = pytest.mark.fast

RESERVED = ["<boundary>", "<escape>"]
KINDS = [Word2Vec(window=1), FastText(window=1)]
WORDS = [*RESERVED, " the", " The", " of", " and", " government", " zyzzyva"]
DOCUMENTS = [np.array([2, 3, 4, 5, 6, 7], dtype=np.uint8)]
GLOVE, FASTTEXT = (Path(datapath(name)) for name in ("test_glove.txt", "lee_fasttext.vec"))
WIDTHS = {GLOVE: 50, FASTTEXT: 10}
BINARY = "euclidean_vectors.bin", "lee_fasttext_new.bin"


def made_up():
    """Texts in which captain and skipper, valley and canyon, stand in the same places."""
    pairs = "captain skipper".split(), "valley canyon".split()
    around = "sails rigging deck harbour anchor".split(), "rocks stream shade echoes eagles".split()
    draw, words = np.random.default_rng(0), []
    for place in draw.integers(2, size=3000):
        left, right = draw.choice(around[place], 2)
        words += [left, draw.choice(pairs[place]), right]
    names = [*RESERVED, *sorted({f" {word}" for word in words}), " never"]
    tokens = np.array([names.index(f" {word}") for word in words], dtype=np.uint8)
    return names, [tokens[:4000], tokens[4000:]]


def rms(matrix):
    return np.sqrt(np.mean(np.square(matrix, dtype=np.float64)))


def test_random_vectors_are_left_to_keras_and_learn():
    names, documents = made_up()
    assert Random().vectors(names, documents, 16, 1) == Vectors(None, ())
    assert not Random().frozen


@pytest.mark.parametrize("embedding", KINDS)
def test_learnt_vectors_have_one_scale_their_seed_and_neighbours(embedding):
    names, documents = made_up()
    first, second, seeded = (embedding.vectors(names, documents, 16, seed) for seed in (1, 1, 2))
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert not (first.matrix == seeded.matrix).all(axis=1).any()
    learnt = first.matrix[2:-1]
    assert rms(learnt) == pytest.approx(SCALE, rel=1e-4)
    assert rms(first.matrix[[0, 1, -1]]) == pytest.approx(SCALE, rel=0.5)
    learnt = learnt / np.linalg.norm(learnt, axis=1, keepdims=True)
    for pair in ((" captain", " skipper"), (" valley", " canyon")):
        rows = [names.index(word) - 2 for word in pair]
        assert np.argsort(-learnt @ learnt[rows[0]])[:2].tolist() == rows
    text = "one gull watched the old harbour, and a bell answered.\n" * 40
    names = [*RESERVED, *sorted(set(text))]  # characters
    vectors = embedding.vectors(names, [np.array([names.index(c) for c in text])], 8, 1)
    assert len(np.unique(vectors.matrix, axis=0)) == len(names)


def test_vectors_and_subwords_do_not_depend_on_how_python_hashes_strings_or_on_threads():
    code = """if True:
        from textgen.embeddings.vectors import train_vectors
        from textgen.tokenizers.subwords import Subwords
        text = ["a keeper kept the lamp", "the tide left a gull no one kept"] * 20
        for kind in ("word2vec", "fasttext"):
            keyed = train_vectors(list(map(str.split, text)), kind, 8, epochs=2, window=5, seed=3)
            print(keyed.index_to_key, keyed.vectors.tobytes().hex())
        for model in ("bpe", "unigram"):
            print(Subwords(model, 300).fit(text).state())
    """
    first, second = (
        python(code, PYTHONHASHSEED=seed, TOKENIZERS_PARALLELISM=parallel)
        for seed, parallel in (("1", "false"), ("2", "true"))
    )
    assert first == second


def test_n_grams_are_those_of_the_name_without_its_space_and_tokens_stay_distinct():
    words = distinct_spellings([" the", " of", "of", " ", "a", " a", "�", "�", "the…"])
    assert words[:7] == ["the", " of", "of", " ", "a", " a", "�"]
    assert len(set(words)) == 9


@pytest.mark.parametrize("path", [GLOVE, FASTTEXT])
def test_a_file_is_read_as_gensim_reads_it_compressed_or_not(tmp_path, path):
    keyed = KeyedVectors.load_word2vec_format(path, no_header=path == GLOVE)
    vectors = File(path).vectors(WORDS, DOCUMENTS, WIDTHS[path], 1)
    forms = {i: [word.strip(), word.strip().lower()] for i, word in enumerate(WORDS)}
    rows = [i for i, pair in forms.items() if any(form in keyed for form in pair)]
    assert len(rows) >= 4
    expected = np.array([keyed[next(f for f in forms[i] if f in keyed)] for i in rows])
    assert vectors.matrix[rows] == pytest.approx(expected * SCALE / rms(expected), rel=1e-4)
    (source,) = vectors.extra_data
    assert all(part in source for part in (path.name, f"{len(rows)} of {len(WORDS)} tokens"))
    packed = tmp_path / f"{path.name}.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    assert (File(packed).vectors(WORDS, DOCUMENTS, WIDTHS[path], 1).matrix == vectors.matrix).all()
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) // 2])
    refused(packed, WIDTHS[path])


def test_a_word_with_a_space_in_it_does_not_spoil_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = b"the 1 2 3\r\n. . 4 5 6\nof 7 8 9\n\n"
    path = Path("of:vectors.txt")  # which is no URL
    try:
        path.write_bytes(content)
    except OSError:  # nor a name on every system
        path = Path("vectors.txt")
        path.write_bytes(content)
    assert "3 of " in File(path).vectors(WORDS, DOCUMENTS, 3, 1).extra_data[0]
    with pytest.raises(TextgenError, match="none of the 3 tokens"):
        File(path).vectors([*RESERVED, " qwertz"], DOCUMENTS, 3, 1)
    assert "[backbone] embedding_size" in refused(path)


def refused(path, width=10):
    with pytest.raises(TextgenError, match=r"embedding\.path: ") as caught:
        File(path).vectors(WORDS, DOCUMENTS, width, 1)
    return str(caught.value)


def test_what_is_damaged_or_not_vectors_is_refused(tmp_path):
    for content in (
        b"", bytes(range(256)) * 40, b"99999999 10\nthe 1 2 3", b"2 10\n",
        b"the 1 2 3 4 5 6 7 8 9 nan\n", b"the 1 2 3 4 5 6 7 8 9 1\nof 1 2",
        "the 0.1 0.2\n".encode("utf-16"), *(FASTTEXT.read_bytes()[:size] for size in (100, 10_000)),
        *(Path(datapath(name)).read_bytes() for name in BINARY),
    ):  # fmt: skip
        (tmp_path / "vectors").write_bytes(content)
        assert "None" not in refused(tmp_path / "vectors")
    for name in ("v.zst", "v.lz4", "v.xz"):  # unpacked by what is not installed, or damaged
        (tmp_path / name).write_bytes(b"\xfd7zXZ\0" * 9)
        refused(tmp_path / name)
