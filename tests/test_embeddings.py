from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models.keyedvectors import KeyedVectors
from gensim.test.utils import datapath

from textgen.core.errors import TextgenError
from textgen.core.plugins import build
from textgen.embeddings.file import File
from textgen.embeddings.vectors import SCALE, FastText, Word2Vec, distinct_spellings

RESERVED = ["<boundary>", "<escape>"]
KINDS = [Word2Vec(epochs=5), FastText(epochs=3)]
WORDS = [*RESERVED, " the", " The", " of", " and", " government", " zyzzyva"]
DOCUMENTS = [np.array([2, 3, 4, 5, 6, 7], dtype=np.uint8)]


def made_up(seed=0):
    """Names and documents in which " captain" and " skipper", and " valley" and " canyon", stand
    in the same places."""
    contexts = {
        "captain skipper": "sails rigging deck harbour anchor",
        "valley canyon": "rocks stream shade echoes eagles",
    }
    draw = np.random.default_rng(seed)
    words = []
    for _ in range(3000):
        pair, around = list(contexts.items())[draw.integers(2)]
        left, right = draw.choice(around.split(" "), 2)
        words += [left, pair.split(" ")[draw.integers(2)], right]
    names = [*RESERVED, *sorted({f" {word}" for word in words}), " never"]
    tokens = np.array([names.index(f" {word}") for word in words], dtype=np.uint8)
    return names, [tokens[:4000], tokens[4000:]]


def rms(matrix):
    return np.sqrt(np.mean(np.square(matrix, dtype=np.float64)))


def at(name):
    return Path(datapath(name))


@pytest.mark.parametrize("embedding", KINDS)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(embedding):
    names, documents = made_up()
    first, second, other = (embedding.vectors(names, documents, 16, seed) for seed in (1, 1, 2))
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert not (first.matrix == other.matrix).all(axis=1).any()


@pytest.mark.parametrize("embedding", KINDS)
def test_every_token_gets_a_vector_of_the_same_scale(embedding):
    names, documents = made_up()
    found = embedding.vectors(names, documents, 24, 1)
    assert found.matrix.shape == (len(names), 24)
    assert found.matrix.dtype == np.float32
    assert found.found == len(names) - 3  # two reserved ones and a word that never occurs
    assert found.extra_data == ()
    assert rms(found.matrix[2:-1]) == pytest.approx(SCALE, rel=1e-4)
    assert rms(found.matrix[[0, 1, -1]]) == pytest.approx(SCALE, rel=0.5)


@pytest.mark.parametrize("embedding", [Word2Vec(window=1), FastText(window=1)])
def test_words_in_the_same_contexts_are_neighbours(embedding):
    names, documents = made_up()
    matrix = embedding.vectors(names, documents, 16, 1).matrix[2:-1]
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    for one, other in ((" captain", " skipper"), (" valley", " canyon")):
        one, other = names.index(one) - 2, names.index(other) - 2
        assert np.argsort(-matrix @ matrix[one])[:2].tolist() == [one, other]


@pytest.mark.parametrize("embedding", KINDS)
def test_characters_get_vectors_too(embedding):
    text = "one gull watched the old harbour, and a bell answered.\n" * 40
    names = [*RESERVED, *sorted(set(text))]
    documents = [np.array([names.index(c) for c in text], dtype=np.uint8)]
    found = embedding.vectors(names, documents, 8, 1)
    assert found.found == len(names) - 2
    assert len(np.unique(found.matrix, axis=0)) == len(names)


@pytest.mark.parametrize("kind", ["word2vec", "fasttext"])
def test_vectors_do_not_depend_on_how_python_hashes_strings(kind):
    code = (
        "from textgen.embeddings.vectors import train_vectors as train\n"
        "text = ['a keeper kept the lamp', 'the tide left a gull', 'no one kept the tide'] * 20\n"
        f"keyed = train([t.split() for t in text], kind={kind!r}, size=8, epochs=2, seed=3)\n"
        "print(keyed.index_to_key, keyed.vectors.tobytes().hex())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_n_grams_are_those_of_the_name_without_its_space_and_tokens_stay_distinct():
    words = distinct_spellings([" the", " of", "of", " ", "a", " a", "�", "�", "the…"])
    assert words[:7] == ["the", " of", "of", " ", "a", " a", "�"]
    assert len(set(words)) == 9


@pytest.mark.parametrize(
    ("name", "settings"), [("test_glove.txt", {"no_header": True}), ("lee_fasttext.vec", {})]
)
def test_a_file_is_read_as_gensim_reads_it(name, settings):
    expected = KeyedVectors.load_word2vec_format(datapath(name), **settings)
    found = File(at(name)).vectors(WORDS, DOCUMENTS, expected.vector_size, 1)
    assert found.matrix.shape == (len(WORDS), expected.vector_size)
    rows = [i for i, word in enumerate(WORDS) if word.strip().lower() in expected.key_to_index]
    assert found.found == len(rows) >= 4
    wanted = np.array([expected[_form(WORDS[i].strip(), expected)] for i in rows])
    assert found.matrix[rows] == pytest.approx(wanted * SCALE / rms(wanted), rel=1e-4)
    (source,) = found.extra_data
    assert source.startswith(f"vectors {name} (sha256 ")
    assert source.endswith(f"…), {len(rows)} of {len(WORDS)} tokens found")


def _form(word, keyed):
    return word if word in keyed.key_to_index else word.lower()


def test_a_compressed_file_is_read_as_well(tmp_path):
    packed = tmp_path / "lee.vec.gz"
    packed.write_bytes(gzip.compress(at("lee_fasttext.vec").read_bytes()))
    plain = File(at("lee_fasttext.vec")).vectors(WORDS, DOCUMENTS, 10, 1)
    assert (File(packed).vectors(WORDS, DOCUMENTS, 10, 1).matrix == plain.matrix).all()
    packed.write_bytes(packed.read_bytes()[:5000])
    refused(packed)


def test_a_word_with_a_space_in_it_does_not_spoil_the_others(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"the 1 2 3\r\n. . 4 5 6\nof 7 8 9\n\n")
    assert File(path).vectors(WORDS, DOCUMENTS, 3, 1).found == 3


def refused(path, width=10):
    with pytest.raises(TextgenError) as caught:
        File(path).vectors(WORDS, DOCUMENTS, width, 1)
    assert caught.value.where == f"embedding.path: {path}"
    assert caught.value.found
    return str(caught.value)


@pytest.mark.parametrize(("name", "width"), [("test_glove.txt", 50), ("lee_fasttext.vec", 10)])
def test_vectors_of_another_width_name_the_setting(name, width):
    message = refused(at(name), width=64)
    assert f"of {width} numbers" in message
    assert "[backbone] embedding_size" in message


def test_a_missing_file_and_a_folder():
    assert "correct the path" in refused(Path("no") / "such.vec")
    assert "correct the path" in refused(Path(datapath("")))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"It was a dark and stormy night.\n" * 50,
        b"\x80\x04\x95anything",
        bytes(range(256)) * 40,
        b"99999999 10\nthe 1 2 3",
        b"2 10\n",
        b"the 1 2 3 4 5 6 7 8 9 nan\n",
        b"the 1 2 3 4 5 6 7 8 9 1\nof 1 2",
        "the 0.1 0.2\n".encode("utf-16"),
        b"\x0a\x00\x00\x00" * 40,
    ],
)
def test_what_is_not_vectors_is_refused(tmp_path, content):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("name", ["test_glove.txt", "lee_fasttext.vec"])
@pytest.mark.parametrize("part", [0.01, 0.1, 0.4])
def test_a_file_cut_off_is_refused_at_once(tmp_path, name, part):
    content = at(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * part)])
    refused(path, width=50 if "glove" in name else 10)


def test_a_binary_file_is_refused():
    refused(at("euclidean_vectors.bin"))
    refused(at("lee_fasttext_new.bin"))


def test_a_file_that_knows_no_token_is_refused():
    with pytest.raises(TextgenError, match="none of the 3 tokens"):
        File(at("test_glove.txt")).vectors([*RESERVED, " qwertz"], DOCUMENTS, 50, 1)


def test_the_signatures_are_the_schema():
    made = build(File, {"path": "glove.txt", "frozen": True}, "embedding")
    assert made == File(Path("glove.txt"), True)
    assert build(Word2Vec, {"epochs": 3}, "embedding") == Word2Vec(epochs=3)
    with pytest.raises(TextgenError):
        build(FastText, {"window": 0}, "embedding")
