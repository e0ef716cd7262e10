"""Words: pieces that keep their leading space, and a policy for those that are rare.

A piece is a word as Unicode cuts them, with its marks and apostrophes, a number, a run of one
punctuation mark, a run of line ends, or any other character; a single space before it belongs to
it. Joined together the pieces are the text. A text is scored on one canonical sequence of tokens (a
known word is never spelled), so the bits are an upper bound.

A word goes this way: it is cut out (``pieces.py``), looked up in the vocabulary and, if it is rare,
replaced as the policy says (``rare_words.py``); what hides it is charged by a spelling model
(``spelling.py``). The writer at the end of this file makes tokens a text again.

Languages written without spaces need a segmenter; without one their words are single characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from sys import intern
from typing import Annotated, Any

from textgen.core.errors import TextgenError
from textgen.core.settings import Count, Plugin
from textgen.data.language import UNSPACED_SCRIPTS, Language, language_name
from textgen.tokenizers.base import (
    EncodedDocument,
    GrowingText,
    PlaceholderTokenizer,
    Rendered,
    StepsOf,
    Tokenizer,
    with_pace,
)
from textgen.tokenizers.pieces import (
    FIRST_OWN,
    JOIN,
    MODIFIERS,
    UPPER,
    Segmenter,
    Vocabulary,
    pretokenize,
    recase,
    split_space,
)
from textgen.tokenizers.rare_words import ClassPolicy, PolicyTrainingData, completed

SENTENCE_END = re.compile(r"(?:^|\n\s*\n|[.!?])[\s\"'“”‘’()\[\]-]*$")
# a word that begins with a vowel as it is spoken: an hour and an uncle, but a unit and a one
VOWEL_SOUND = re.compile(
    r"(?!uni(?![dmn])|unanim|u[bcfhjkqrst][aeiou]|eu|ewe|onc?e(?:\b|self|ness))[aeiou]|hour|honest|honou?r|heir",
    re.IGNORECASE,
)
TAIL_CHARACTERS = 40


@dataclass(frozen=True)
class Words:
    """The word tokenizer.

    Args:
        rare_words: the policy for words outside the vocabulary.
        minimum_count: a word belongs to the vocabulary if it occurs at least so often in the
            training split. With 1 every word does; half of those that occur once are then shown to
            the network as rare ones all the same, which otherwise it would never see.
        segmenter: cuts words of scripts without spaces between them, Japanese or Thai; without one
            Unicode's rules cut between any two characters.

    Attributes:
        language: of the text, an ISO code.
    """

    rare_words: Annotated[ClassPolicy, Plugin("rare_words")]
    minimum_count: Count = 2
    segmenter: Annotated[Segmenter | None, Plugin("segmenter")] = None
    language: str = field(default="en", init=False, repr=False, compare=False)

    def in_language(self, language: str) -> Words:
        """The settings for texts in a language, an ISO code."""
        return completed(self, language=language)

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str] = (), seed: int = 0, alphabet: str = ""
    ) -> WordTokenizer:
        """The fitted tokenizer; arguments as in :class:`textgen.tokenizers.base.TokenizerConfig`.

        Raises:
            TextgenError: no word occurs often enough.
        """
        # one string for each type, not for each piece
        documents = [list(map(intern, pretokenize(text, self.segmenter))) for text in texts]
        held_out = [pretokenize(text, self.segmenter) for text in tuning]
        vocabulary = self._vocabulary(documents, set(alphabet).union(*texts))
        data = PolicyTrainingData(
            training=[(pieces, vocabulary.rare(pieces, training=True)) for pieces in documents],
            tuning=[(pieces, vocabulary.rare(pieces)) for pieces in held_out],
            vocabulary=vocabulary,
            pooled=not vocabulary.withheld,
            seed=seed,
            language=self.language,
        )
        policy = self.rare_words.fit(data)
        return with_pace(WordTokenizer(vocabulary, policy, self.segmenter, self.language), texts)

    def _vocabulary(self, documents: Iterable[Iterable[str]], characters: Set[str]) -> Vocabulary:
        counts = Counter(chain.from_iterable(documents))
        frequent = (word for word in counts if counts[word] >= self.minimum_count)
        words = tuple(sorted(frequent, key=lambda word: (-counts[word], word)))
        if not words:
            message = f"no word of the training split occurs {self.minimum_count} times"
            raise TextgenError(f"tokenizer.minimum_count: {message}", "lower it, or use more text")
        numbers = tuple(counts[word] for word in words)
        return Vocabulary(words, numbers, "".join(sorted(characters)))

    def load(self, state: dict[str, Any]) -> WordTokenizer:
        """The fitted tokenizer from its ``state()``."""
        vocabulary = Vocabulary(tuple(state["words"]), tuple(state["counts"]), state["characters"])
        policy = self.rare_words.load(state["rare_words"], vocabulary)
        language, pace = state["language"], state["characters_per_token"]
        return WordTokenizer(vocabulary, policy, self.segmenter, language, pace)


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
    policy: ClassPolicy
    segmenter: Segmenter | None = None
    language: str = "en"
    characters_per_token: float = 1.0

    @property
    def charged(self) -> bool:  # type: ignore[override]  # the policy decides, also below
        return self.policy.charged

    @property
    def gaps(self) -> bool:  # type: ignore[override]
        return self.policy.gaps

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]
        cut = self.segmenter.extra_data if self.segmenter else ()
        return (*self.policy.extra_data, *cut)

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]
        return (*Tokenizer.unwritable, *self.policy.unwritable)

    @cached_property
    def names(self) -> Sequence[str]:
        words = self.vocabulary.words
        return ("<boundary>", "<escape>", *MODIFIERS, *self.policy.names, *words)

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        pieces = pretokenize(text, self.segmenter)
        rare = self.vocabulary.rare(pieces, training=training)
        spans = list(self.policy.spans(pieces, rare))
        return self.document(spans, (len(text), len(pieces), len(rare)), training)

    def writer(self, before: str = "", fill: str = "scored") -> WordWriter:
        return WordWriter(self, before, fill)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return self.policy.surface_steps(tokens)

    def state(self) -> dict[str, Any]:
        return {
            "words": self.vocabulary.words,
            "counts": self.vocabulary.counts,
            "characters": self.vocabulary.characters,
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
            "unwritable": self.unwritable,
            **self.policy.portable(),
        }


class WordWriter(GrowingText):
    """Words, modifiers and placeholders as text.

    Where placeholders are filled otherwise than they are charged, the words are made to read well.
    One name serves a passage: the first name that is drawn, or the first two that stand side by
    side, come back whenever a name is called for. "a" and "an" are corrected. A filled word is
    capitalised where a sentence begins; elsewhere it loses its capital if it is known to be no name
    and to have a form without. Words that the network spelled itself are left as they are.

    Args:
        tokenizer: its policy writes tokens of its own by means of this class.
        before: the text that is continued.
        fill: one of :data:`textgen.tokenizers.base.FILL`.
    """

    def __init__(self, tokenizer: WordTokenizer, before: str, fill: str) -> None:
        super().__init__()
        self._policy, self._words = tokenizer.policy, tokenizer.vocabulary.words
        self._adapts, self._english = fill == "pool", tokenizer.language == "en"
        self._before = before
        self._names, self._names_in_a_row = dict[tuple[str, int], str](), list[str]()
        self._joined, self._case, self._article = False, 0, False
        self._spelled_from = -1

    def write(self, token: int, surface: str | None) -> None:
        self._policy.write(self, token, surface)

    def add_token(self, token: int) -> None:
        """Append a word of the vocabulary; a modifier waits for its word."""
        self.end_letters()
        self._names_in_a_row = []
        if token < FIRST_OWN:
            self._joined |= token == JOIN
            if JOIN < token <= UPPER:
                self._case = token
            return
        space, core = split_space(self._words[token - self._policy.first_word])
        if self._case:
            core = recase(core, self._case)
        self._append(core if self._joined else space + core)
        self._article = core in ("a", "an", "A", "An")

    def add_filled(self, word: str, name: str, *, joined: bool = False) -> None:
        """Append a word in the place of a placeholder called ``name``."""
        space = "" if joined or self._joined or not word else " "
        if word and self._adapts:
            word = self._adapted(word, name)
            if self._article and self._english and space and word[0].isalpha():
                article = self.parts.pop()
                self.length -= len(article)
                self.append(article.rstrip("n") + "n" * bool(VOWEL_SOUND.match(word)))
        self._append(space)
        self.append_filled(word, name)

    def _append(self, text: str) -> None:
        self.append(text)
        self._joined, self._case, self._article = False, 0, False

    def add_letter(self, letter: str) -> None:
        """Append a character of a word that the network spells."""
        if self._spelled_from < 0:
            self._append("" if self._joined else " ")
            self._spelled_from = self.length
        self.append(letter)

    def end_letters(self) -> None:
        """End a word that the network has spelled."""
        if self._spelled_from >= 0:
            self.filled.append((self._spelled_from, self.length, "spelled"))
            self._spelled_from, self._joined = -1, False

    def rendered(self) -> Rendered:
        self.end_letters()
        return super().rendered()

    def _adapted(self, word: str, name: str) -> str:
        is_name = self._policy.proper(name)
        self._names_in_a_row = [*self._names_in_a_row, name] if is_name else []
        if is_name:
            word = self._names.setdefault((name, self._names_in_a_row.count(name)), word)
        written = "".join((self._before, *self.parts[-TAIL_CHARACTERS:]))[-TAIL_CHARACTERS:]
        if SENTENCE_END.search(written):
            return word[:1].upper() + word[1:]
        lower = word[:1].lower() + word[1:]
        return lower if is_name is False and lower in self._policy.speller.known else word


def language_warnings(config: Any, language: Language) -> list[str]:
    """Sentences about settings of any tokenizer that do not fit the language of the training split,
    each with what to do."""
    warnings, script = [], language.script
    if script in UNSPACED_SCRIPTS and getattr(config, "segmenter", True) is None:
        warnings.append(
            f"No spaces divide the words of this script ({script}), so almost every character is "
            'a word of its own. Take [tokenizer] kind = "subwords" or "characters", or a segmenter '
            'for Japanese, Chinese or Thai: segmenter = { kind = "budoux", model = "ja" }.'
        )
    model = getattr(getattr(config, "rare_words", None), "model", "auto")
    if model != "auto" and (tagger := model.partition("_")[0]) != language.code:
        hint = "" if language.stated else f', or say so if it is not: language = "{tagger}"'
        warnings.append(
            f"The tagger {model} is for {language_name(tagger)}, but the text is in "
            f"{language.name}: take one of that language or another policy{hint}."
        )
    return warnings
