"""What compressors that have read the training text charge for a document. About two seconds."""

from __future__ import annotations

import lzma
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import made_up

from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation.baselines import compressors
from textgen.evaluation.baselines.compressors import XZ, Command, PPMd
from textgen.evaluation.references import score_baseline

LZMA = (
    "import lzma, sys; open(sys.argv[2], 'wb').write("
    "lzma.compress(open(sys.argv[1], 'rb').read(), preset=9))"
)
PROGRAM = f'{sys.executable} -S -c "{LZMA}" {{input}} {{output}}'
LIBRARIES = pytest.mark.parametrize("made", [PPMd(), XZ()], ids=["ppmd", "xz"])
COMPRESSORS = pytest.mark.parametrize(
    "made", [PPMd(), XZ(), Command(PROGRAM)], ids=["ppmd", "xz", "command"]
)


def noise(length, seed, alphabet=256):
    return np.random.default_rng(seed).integers(0, alphabet, length, dtype=np.uint8)


def costs(made, training, texts):
    """What documents cost a compressor that has read the training texts."""
    train, test = ([Document(str(i), t) for i, t in enumerate(part)] for part in (training, texts))
    loaded = SimpleNamespace(train=train, validation=[], test=test)
    return score_baseline(made, None, loaded)[1]


@COMPRESSORS
def test_a_compressor_pays_for_what_is_new(made):
    seen, new = noise(4000, 0), noise(4000, 1)
    again, (random,) = made.fit([noise(500, 2), seen]).token_bits([seen, new])
    assert again.shape == (1,)
    assert again[0] / len(seen) < 0.2
    assert 8 <= random / len(new) < 8.3


@COMPRESSORS
def test_a_compressor_learns_from_the_training_text_and_within_the_document(made):
    training, text = [made_up(60, seed) for seed in range(4)], made_up(20, 9)
    (primed,), (fresh,) = costs(made, training, [text]), costs(made, [], [text])
    assert primed.model < 0.6 * fresh.model
    strange = "Qwyx jumbuck vizzled thrombosis; "
    once, twice = costs(made, training, [strange, strange * 2])
    assert twice.model < 1.5 * once.model


@COMPRESSORS
def test_a_compressor_scores_documents_independently(made):
    training = [made_up(30, seed) for seed in range(3)]
    texts = [made_up(10, 7), "", made_up(10, 7), made_up(12, 8)]
    together = [d.model for d in costs(made, training, texts)]
    assert together == [costs(made, training, [text])[0].model for text in texts]
    assert together[::-1] == [d.model for d in costs(made, training, texts[::-1])]
    assert made.fit([]).token_bits([]) == []


@COMPRESSORS
def test_a_compressor_reads_any_text(made):
    texts = ["", "é漢🐙", "\ud83d and \ude00 alone", "ÿ\x00\x01"]
    empty, *others = costs(made, [made_up(30, 0)], texts)
    assert (empty.characters, empty.pieces) == (0, 0)
    assert 0 <= empty.bits_per_character <= 16
    for found, text in zip(others, texts[1:], strict=True):
        assert found.characters == len(text)
        assert 8 < found.model < 40 * len(text)
        assert (found.spelling_bits, found.replaced) == (0.0, 0)


@LIBRARIES
def test_the_whole_training_text_stays_in_reach(made, monkeypatch):
    monkeypatch.setattr(compressors, "DICTIONARY", (1 << 12, 1 << 30))
    monkeypatch.setattr(compressors, "MEMORY", (1 << 14, 1 << 30))
    first, *others = [noise(3000, seed, 26) for seed in range(40)]
    (found,) = made.fit([first, *others]).token_bits([first])
    assert found[0] / len(first) < 0.2
    monkeypatch.setattr(compressors, "DICTIONARY", (1 << 12, 1 << 14))
    monkeypatch.setattr(compressors, "MEMORY", (1 << 14, 1 << 18))
    (forgotten,) = made.fit([first, *others]).token_bits([first])
    assert forgotten[0] / len(first) > 4


def test_xz_is_the_xz_of_the_standard_library():
    training, text = [made_up(200, 0), made_up(200, 1)], made_up(50, 2)
    before = "".join(t + "\x7f" for t in training).encode()
    extreme = 9 | lzma.PRESET_EXTREME
    expected = len(lzma.compress(before + text.encode(), preset=extreme))
    expected -= len(lzma.compress(before, preset=extreme))
    (found,) = costs(XZ(), training, [text])
    assert abs(found.model / 8 - expected) <= 8  # a container pads to four bytes


def test_the_order_of_ppmd_counts():
    training, texts = [made_up(60, seed) for seed in range(4)], [made_up(40, 9)]
    two, eight = (costs(PPMd(order), training, texts)[0].model for order in (2, 8))
    assert eight < 0.8 * two


def test_every_file_that_a_program_leaves_is_paid_for():
    write = "import sys; [open(f'part{i}', 'wb').write(bytes(%d)) for i in range(2)]"
    made = Command(f'{sys.executable} -S -c "{write % 50}" {{input}}')
    assert made.fit([])._before == 100


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("no-such-program {input}", "No such file"),
        (f"{sys.executable} -S -c \"raise SystemExit('out of order')\" {{input}}", "out of order"),
        (f"{sys.executable} -S -c 'pass' {{input}}", "no file beside the input"),
    ],
)
def test_a_program_that_does_not_compress_is_told_in_one_message(command, found):
    with pytest.raises(TextgenError, match=found) as caught:
        Command(command).fit([]).token_bits([noise(10, 0)])
    assert command in str(caught.value)


def test_a_program_has_to_be_given_the_file():
    with pytest.raises(TextgenError, match=r"--command(.|\n)*\{input\}"):
        Command("xz -9")
