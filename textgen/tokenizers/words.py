"""Words: pieces that keep their leading space, and a policy for those that are rare.

A piece is a word as Unicode cuts them, with its marks and apostrophes, a number, a run of one
punctuation mark, a run of line ends, or any other character; a single space before it belongs to
it. Joined together the pieces are the text. A text is scored on one canonical sequence of tokens (a
known word is never spelled), so the bits are an upper bound.

A word goes this way: it is cut out (``segmentation.py``), looked up in the vocabulary
(``vocabulary.py``) and, if it is rare, replaced as the policy says (``rare_words.py``); what hides
it is charged by a spelling model (``spelling.py``). ``WordWriter`` makes tokens a text again
(``writing.py``).

Languages written without spaces need a segmenter; without one their words are single characters.
"""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from sys import intern
from typing import Annotated, Any, NamedTuple

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.settings import Count
from textgen.core.tokens import BOUNDARY
from textgen.core.validation import Plugin
from textgen.data.language import UNSPACED_SCRIPTS, Language
from textgen.tokenizers.base import with_characters_per_token
from textgen.tokenizers.borders import WHITE, Borders, Opening, Openings
from textgen.tokenizers.casing import CAPITAL, JOIN, MODIFIERS, UPPER
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.placeholders import PlaceholderTokenizer
from textgen.tokenizers.rare_words import FittedRareWords, PolicyTrainingData, RareWords
from textgen.tokenizers.segmentation import Segmenter, pretokenize
from textgen.tokenizers.steps import StepsOf
from textgen.tokenizers.vocabulary import Vocabulary
from textgen.tokenizers.word_cache import ClassCounts, DocumentCounts
from textgen.tokenizers.writing import WordWriter


@dataclass(frozen=True)
class Words:
    """The word tokenizer.

    Args:
        rare_words: the policy for words outside the vocabulary.
        minimum_count: occurrences in the training split that put a word into the vocabulary. With
            1, every second word that occurs once stays outside, so that the network sees some rare
            words.
        segmenter: cuts words in scripts without spaces, e.g. Japanese or Thai; without a segmenter,
            Unicode's rules cut between any two characters.
    """

    rare_words: Annotated[RareWords, Plugin("rare_words")]
    minimum_count: Count = 2
    segmenter: Annotated[Segmenter | None, Plugin("segmenter")] = None

    def fit(
        self,
        texts: Sequence[str],
        tuning: Sequence[str] = (),
        seed: int = 0,
        alphabet: str = "",
        language: str = "en",
    ) -> "WordTokenizer":
        """The fitted tokenizer; arguments as in :class:`textgen.tokenizers.base.TokenizerConfig`.

        Raises:
            TextgenError: no word occurs often enough.
        """
        # one string for each type, not for each piece
        documents = [[intern(p) for p in pretokenize(text, self.segmenter)] for text in texts]
        held_out = [pretokenize(text, self.segmenter) for text in tuning]
        vocabulary = self._vocabulary(documents, set(alphabet).union(*texts))
        training = [(pieces, vocabulary.rare(pieces)) for pieces in documents]
        validation = [(pieces, vocabulary.rare(pieces)) for pieces in held_out]
        data = PolicyTrainingData(training, validation, vocabulary, seed, language)
        policy = self.rare_words.fit(data)
        tokenizer = WordTokenizer(vocabulary, policy, self.segmenter, language)
        return with_characters_per_token(tokenizer, texts)

    def _vocabulary(self, documents: Iterable[Iterable[str]], characters: Set[str]) -> Vocabulary:
        counts = Counter(chain.from_iterable(documents))
        frequent = (word for word in counts if counts[word] >= self.minimum_count)
        ranked = sorted(frequent, key=lambda word: (-counts[word], word))
        once = [word for word in ranked if counts[word] == 1]
        outside = set(once[1::2])  # every second one
        words = tuple(word for word in ranked if word not in outside)
        if not words:
            message = f"no word of the training split occurs {self.minimum_count} times"
            raise TextgenError(f"tokenizer.minimum_count: {message}", "lower it, or use more text")
        numbers = tuple(counts[word] for word in words)
        return Vocabulary(words, numbers, "".join(sorted(characters)))

    def language_warnings(self, language: Language) -> list[str]:
        """Sentences about settings that do not fit the language of the training split, each with
        what to do."""
        warnings = list[str]()
        if language.script in UNSPACED_SCRIPTS and self.segmenter is None:
            warnings.append(
                f"No spaces divide the words of this script ({language.script}), so almost every "
                'character is a word of its own. Take [tokenizer] kind = "subwords" or '
                '"characters", or a segmenter for Japanese, Chinese or Thai: '
                'segmenter = { kind = "budoux", model = "ja" }.'
            )
        return warnings + self.rare_words.language_warnings(language)

    def load(self, state: dict[str, Any]) -> "WordTokenizer":
        """The fitted tokenizer from its ``state()``."""
        vocabulary = Vocabulary(tuple(state["words"]), tuple(state["counts"]), state["characters"])
        policy = self.rare_words.load(state["rare_words"], vocabulary)
        return WordTokenizer(
            vocabulary=vocabulary,
            policy=policy,
            segmenter=self.segmenter,
            language=state["language"],
            characters_per_token=state["characters_per_token"],
        )


@dataclass(frozen=True)
class WordTokenizer(PlaceholderTokenizer):
    """Token ids in this order: the two reserved ones, the modifiers, those of the rare-word policy,
    and the words, frequent ones first.

    Args:
        vocabulary: the words with tokens of their own.
        policy: what becomes of the other words.
        segmenter: cuts words of scripts without spaces.
        language: of the text: in English "a" and "an" are made to fit the words that are filled in.
        characters_per_token: over some training text.
    """

    spaces_lead = True
    vocabulary: Vocabulary
    policy: FittedRareWords
    segmenter: Segmenter | None = None
    language: str = "en"
    characters_per_token: float = 1.0

    @property
    def charged(self) -> bool:  # type: ignore[override]  # the policy decides, also below
        return self.policy.charged

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]
        cut = self.segmenter.extra_data if self.segmenter else ()
        return (*self.policy.classifier.extra_data, *cut)

    @cached_property
    def names(self) -> Sequence[str]:
        words = self.vocabulary.words
        return ("<boundary>", "<escape>", *MODIFIERS, *self.policy.names, *words)

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        pieces = pretokenize(text, self.segmenter)
        rare = self.vocabulary.rare(pieces)
        spans = list(self.policy.spans(pieces, rare))
        return self.document(spans, (len(text), len(pieces), len(rare)), training)

    def writer(self, before: str = "", fill: str = "scored") -> WordWriter:
        return WordWriter(self, before, fill)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        if self.gap_steps is not None:
            return None
        return self.policy.surface_steps(tokens) or super().surface_steps(tokens)

    @property
    def gap_steps(self) -> StepsOf | None:
        return self.policy.gap_steps

    def temperature_offsets(self, temperature: float) -> np.ndarray:
        offsets = super().temperature_offsets(temperature)
        if temperature < 1:
            for token, offset in self.policy.temperature_offsets(temperature).items():
                offsets[token] = offset
        return offsets

    def borders(self, earlier: DocumentCounts | None = None) -> Borders:
        """As :meth:`textgen.tokenizers.base.Tokenizer.borders`.

        Raises:
            ValueError: a policy by which the tokens of a text depend on what comes behind it.
        """
        return WordBorders(self, self.white_beginnings, earlier)

    @cached_property
    def white_beginnings(self) -> "WhiteBeginnings":
        """What each token begins with."""
        white = np.zeros(self.size)
        known_spaced = np.zeros(self.size)
        for token, text in enumerate(self.vocabulary.words, self.policy.first_word):
            white[token] = text[0] in WHITE
            known_spaced[token] = text[0] == " " and len(text) > 1 and text[1] not in WHITE
        of_rare_words = self.policy.rare_tokens()
        spaced = known_spaced.copy()
        spaced[of_rare_words] = 1.0
        white[of_rare_words] = 1.0
        white[BOUNDARY] = 1.0
        return WhiteBeginnings(white, spaced, known_spaced)

    def state(self) -> dict[str, Any]:
        return {
            **asdict(self.vocabulary),
            "characters_per_token": self.characters_per_token,
            "rare_words": self.policy.state(),
            "language": self.language,
        }

    def portable(self) -> dict[str, Any]:
        if self.segmenter is not None:
            raise ValueError(f"words cut by {type(self.segmenter).__name__}")
        return {
            "kind": "words",
            "words": self.vocabulary.words,
            "characters": self.vocabulary.characters,
            "own": self.policy.names,
            **self.policy.portable(),
        }


class WhiteBeginnings(NamedTuple):
    """What tokens begin with, (V,) float64 each, 1 or 0.

    Attributes:
        white: white space, or the end.
        spaced: a space, behind which they go on as a word.
        known_spaced: the same of the vocabulary's words alone, which may stand behind a case
            modifier.
    """

    white: np.ndarray
    spaced: np.ndarray
    known_spaced: np.ndarray


class WordBorders(Borders):
    """Where the words of a tokenizer of words end and begin.

    A single space belongs to the word behind it, other white space is a piece of its own. So a
    border is a word with its space, a piece of white space, or the end; behind a case modifier m
    the next token tells. A rare word has its space unless ``<join>`` stands before it, and is then
    white where the policy says so, with probability w(v)::

        S(h) = Σ_{v with a space} P(v | h) + Σ_m P(m | h) Σ_{v with a space} P(v | h, m)
        P(border | h) = S(h) + Σ_{v white} P(v | h) + P(end | h)
                      + P(join | h) Σ_v P(v | h, join) w(v)

    Behind the pieces of white space before it, h', a word with a space opens with S(h') and one
    without with 1 − P(border | h').

    Args:
        tokenizer: of the text.
        beginnings: what its tokens begin with.
        earlier: a document cache, which may go on growing; None without one.
    """

    def __init__(
        self,
        tokenizer: WordTokenizer,
        beginnings: WhiteBeginnings,
        earlier: DocumentCounts | None,
    ) -> None:
        self._tokenizer = tokenizer
        self._earlier = earlier
        self._white = beginnings.white
        self._spaced = beginnings.spaced
        self._spaced_behind_case = [
            Opening((modifier,), beginnings.known_spaced) for modifier in (CAPITAL, UPPER)
        ]
        # by class, and how many of its words were counted when this was asked
        self._chances_of_white = dict[tuple[str, ClassCounts], float]()

    def border(self) -> Openings:
        behind_join = Opening((JOIN,), self.white_of_rare_words())
        return [Opening((), self._white), *self._spaced_behind_case, behind_join]

    def word(self, gap: str, lead: str) -> Openings:
        if lead == " ":
            return [Opening((), self._spaced), *self._spaced_behind_case]
        if lead == "":
            return self._word_without_space()
        return []  # a word that begins with other white space, as a tab with a combining accent

    def _word_without_space(self) -> Openings:
        at_once = 1.0 - self._white
        # behind a modifier the next token tells: <capital> comes before " sat" and before "sat"
        at_once[[JOIN, CAPITAL, UPPER]] = 0.0
        openings = [Opening((), at_once)]
        for first, spaced in self._spaced_behind_case:
            openings.append(Opening(first, 1.0 - spaced))
        openings.append(Opening((JOIN,), 1.0 - self.white_of_rare_words()))
        return openings

    def white_of_rare_words(self) -> np.ndarray:
        """(V,) float64: w, P(the token of a rare word begins with white space) where no space is
        before it, as behind ``<join>``; 0 for other tokens."""
        weights = np.zeros(self._tokenizer.size)
        chances = self._tokenizer.policy.rare_openings(self._chance_of_white)
        for token, chance in chances.items():
            weights[token] = chance
        return weights

    def _chance_of_white(self, class_name: str) -> float:
        """P(a rare word of a class begins with white space). With a cache it changes only when a
        word of the class is counted."""
        counted = ClassCounts(0, 0)
        if self._earlier is not None:
            counted = self._earlier.of_class(class_name)
        key = (class_name, counted)
        if key not in self._chances_of_white:
            speller = self._tokenizer.policy.speller
            self._chances_of_white[key] = speller.begins_white(class_name, self._earlier)
        return self._chances_of_white[key]
