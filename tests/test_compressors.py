"""What compressors that have read the training text charge for a document. About two seconds."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import made_up

from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation import baselines
from textgen.evaluation.baselines import XZ, Command, PPMd, score_baseline

LZMA = (
    "import lzma, sys; open(sys.argv[2], 'wb').write("
    "lzma.compress(open(sys.argv[1], 'rb').read(), preset=9))"
)
PROGRAM = f'{sys.executable} -S -c "{LZMA}" {{input}} {{output}}'
COMPRESSORS = pytest.mark.parametrize(
    "compressor", [PPMd(), XZ(), Command(PROGRAM)], ids=["ppmd", "xz", "command"]
)


def noise(length, seed, alphabet=256):
    return np.random.default_rng(seed).integers(0, alphabet, length, dtype=np.uint8)


def costs(compressor, training, texts):
    """What documents cost a compressor that has read the training texts."""
    train, test = ([Document(str(i), t) for i, t in enumerate(part)] for part in (training, texts))
    corpus = SimpleNamespace(train=train, validation=[], test=test)
    return score_baseline(compressor, None, corpus)[1]


@COMPRESSORS
def test_a_compressor_pays_for_what_is_new(compressor):
    seen, new = noise(4000, 0), noise(4000, 1)
    again, (random,) = compressor.fit([noise(500, 2), seen]).token_bits([seen, new])
    assert again.shape == (1,)
    assert again[0] / len(seen) < 0.2
    assert 8 <= random / len(new) < 8.3
    training, text = [made_up(60, seed) for seed in range(4)], made_up(20, 9)
    (primed,), (fresh,) = costs(compressor, training, [text]), costs(compressor, [], [text])
    assert primed.model < 0.6 * fresh.model
    strange = "Qwyx jumbuck vizzled thrombosis; "
    once, twice = costs(compressor, training, [strange, strange * 2])
    assert twice.model < 1.5 * once.model


@COMPRESSORS
def test_a_compressor_scores_any_text_and_each_document_independently(compressor):
    training = [made_up(30, seed) for seed in range(3)]
    texts = ["", made_up(10, 7), "", "é漢🐙", "\ud83d and \ude00 alone", "ÿ\x00\x01"]
    together = costs(compressor, training, texts)
    bits = [document.model for document in together]
    assert bits == [costs(compressor, training, [text])[0].model for text in texts]
    assert bits[::-1] == [d.model for d in costs(compressor, training, texts[::-1])]
    assert compressor.fit([]).token_bits([]) == []
    for document, text in zip(together, texts, strict=True):
        assert document.characters == len(text)
        assert 0 <= document.model <= 40 * len(text) + 16
        assert (document.spelling_bits, document.replaced) == (0.0, 0)


@pytest.mark.parametrize("compressor", [PPMd(), XZ()], ids=["ppmd", "xz"])
def test_the_whole_training_text_stays_in_reach(compressor, monkeypatch):
    first, *others = [noise(3000, seed, 26) for seed in range(40)]
    bits = []
    for dictionary, memory in ((1 << 30, 1 << 30), (1 << 14, 1 << 18)):
        monkeypatch.setattr(baselines, "XZ_DICTIONARY_BYTES", (1 << 12, dictionary))
        monkeypatch.setattr(baselines, "PPMD_MEMORY_BYTES", (1 << 14, memory))
        bits.append(compressor.fit([first, *others]).token_bits([first])[0][0] / len(first))
    assert bits[0] < 0.2
    assert bits[1] > 4


def test_every_file_that_a_program_leaves_is_paid_for():
    write = "import sys; [open(f'part{i}', 'wb').write(bytes(%d)) for i in range(2)]"
    command = Command(f'{sys.executable} -S -c "{write % 50}" {{input}}')
    assert command.compressed_size(b"", 0) == 100


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("no-such-program {input}", "No such file"),
        (f"{sys.executable} -S -c \"raise SystemExit('out of order')\" {{input}}", "out of order"),
        (f"{sys.executable} -S -c 'pass' {{input}}", "no file beside the input"),
    ],
)
def test_a_program_that_does_not_compress_is_one_error(command, reason):
    with pytest.raises(TextgenError) as caught:
        Command(command).fit([]).token_bits([noise(10, 0)])
    assert reason in str(caught.value)
    assert command in str(caught.value)


def test_a_program_has_to_be_given_the_file():
    with pytest.raises(ValueError, match=r"xz -9.*\{input\}"):
        Command("xz -9")
