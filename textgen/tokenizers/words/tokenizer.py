"""Words: pieces that keep their leading space, and a policy for those that are rare.

A piece is a word as Unicode cuts them, with its marks and apostrophes, a number, a run of one
punctuation mark, a run of line ends, or any other character; a single space before it belongs to
it. Joined together the pieces are the text. A text is scored on one canonical sequence of tokens (a
known word is never spelled), so the bits are an upper bound.

Languages written without spaces need a segmenter; without one their words are single characters.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Annotated, Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.plugins import Plugin
from textgen.core.settings import Count
from textgen.data.language import UNKNOWN, UNSPACED_SCRIPTS, Language, language_name, usual_scripts
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.tokens import (
    DocumentCounts,
    EncodedDocument,
    Rendered,
    Steps,
    StepsOf,
    forms_at,
    remember_words,
    smallest_dtype,
    surface_bits,
)
from textgen.tokenizers.words.filling import ScoredWriter, Writer
from textgen.tokenizers.words.pieces import (
    FIRST_OWN,
    JOIN,
    MODIFIERS,
    Vocabulary,
    pretokenize,
    recase,
    split_space,
    word_break_classes,
)
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FittedPolicy,
    Placeholder,
    PolicyTrainingData,
    RareWord,
    RareWordPolicy,
)
from textgen.tokenizers.words.segmenters import Segmenter
from textgen.tokenizers.words.tagging import model_language


@dataclass(frozen=True)
class Words:
    """The word tokenizer.

    Args:
        rare_words: the policy for words outside the vocabulary.
        minimum_count: a word belongs to the vocabulary if it occurs at least so often in the
            training split. With 1 every word does; half of those that occur once are then shown to
            the network as rare ones all the same, which otherwise it would never see.
        size: in place of a minimum count, the number of words, the most frequent ones.
        segmenter: cuts words of scripts without spaces between them, Japanese or Thai; without one
            Unicode's rules cut between any two characters.

    Raises:
        ValueError: both a size and a minimum count other than its default.
    """

    rare_words: Annotated[RareWordPolicy, Plugin("rare_words")]
    minimum_count: Count = 2
    size: Count | None = None
    segmenter: Annotated[Segmenter | None, Plugin("segmenter")] = None
    language: str = field(default="en", init=False, repr=False, compare=False)
    """Of the text, as :meth:`in_language` was told."""

    def __post_init__(self) -> None:
        if self.size is not None and self.minimum_count != 2:
            raise ValueError("size and minimum_count both given: one of them decides")

    def in_language(self, language: str) -> Words:
        """The settings for texts in a language: the tagger that the policy takes, if it takes one.

        Args:
            language: a code of ISO 639.

        Raises:
            TextgenError: there is no such tagger.
        """
        choose = getattr(self.rare_words, "in_language", None)
        made = replace(self, rare_words=choose(language) if choose else self.rare_words)
        object.__setattr__(made, "language", language)
        return made

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str] = (), seed: int = 0, alphabet: str = ""
    ) -> WordTokenizer:
        """The fitted tokenizer; arguments as in :class:`textgen.tokenizers.base.TokenizerConfig`.

        Raises:
            TextgenError: no word occurs often enough.
        """
        once: dict[str, str] = {}  # one string for each type, not for each piece
        documents = [
            [once.setdefault(t, t) for t in pretokenize(text, self.segmenter)] for text in texts
        ]
        vocabulary = self._vocabulary(documents, set(alphabet).union(*texts))
        withheld = self._withheld(vocabulary)
        others = [pretokenize(text, self.segmenter) for text in tuning]
        data = PolicyTrainingData(
            documents=documents,
            rare=[_rare(pieces, vocabulary, withheld) for pieces in documents],
            tuning=others,
            tuning_rare=[_rare(pieces, vocabulary) for pieces in others],
            vocabulary=vocabulary,
            pooled=not withheld,
            seed=seed,
        )
        policy = self.rare_words.fit(data)
        fitted = WordTokenizer(vocabulary, policy, withheld, 1.0, self.segmenter, self.language)
        tokens = sum(len(fitted.encode_pieces(p, withheld).tokens) for p in documents[:50])
        characters = sum(len(text) for text in texts[:50])
        return replace(fitted, average=max(characters, 1) / max(tokens, 1))

    def _vocabulary(self, documents: list[list[str]], characters: Set[str]) -> Vocabulary:
        counts: Counter[str] = Counter()
        for pieces in documents:
            counts.update(pieces)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if self.size is not None:
            ranked = ranked[: self.size]
        else:
            ranked = [pair for pair in ranked if pair[1] >= self.minimum_count]
        if not ranked:
            raise TextgenError(
                "tokenizer.minimum_count",
                found=f"{self.minimum_count}, and no word of the training split occurs so often",
                expected="a vocabulary of at least one word",
                hint="lower it, or use more text",
            )
        return Vocabulary(
            tuple(word for word, _ in ranked),
            tuple(count for _, count in ranked),
            "".join(sorted(characters)),
        )

    def _withheld(self, vocabulary: Vocabulary) -> frozenset[str]:
        """Half of the words that occur once, where the vocabulary holds all words."""
        if self.size is not None or self.minimum_count > 1:
            return frozenset()
        return frozenset(
            word
            for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)
            if count == 1 and zlib.crc32(word.encode("utf-8", "surrogatepass")) % 2
        )

    def load(self, state: dict[str, Any]) -> WordTokenizer:
        """The fitted tokenizer from its ``state()``."""
        vocabulary = Vocabulary(tuple(state["words"]), tuple(state["counts"]), state["characters"])
        policy = self.rare_words.load(state["rare_words"], vocabulary)
        return WordTokenizer(
            vocabulary,
            policy,
            self._withheld(vocabulary),
            state["characters_per_token"],
            self.segmenter,
            state["language"],
        )


def _rare(
    pieces: Sequence[str], vocabulary: Vocabulary, withheld: frozenset[str] = frozenset()
) -> list[RareWord]:
    return [
        RareWord(piece, place)
        for place, piece in enumerate(pieces)
        if piece in withheld or vocabulary.parts(piece) is None
    ]


@dataclass(frozen=True)
class WordTokenizer(Tokenizer):
    """Token ids in this order: the two reserved ones, the modifiers, those of the rare-word policy,
    and the words, frequent ones first.

    Args:
        vocabulary: the words with tokens of their own.
        policy: what becomes of the other words.
        withheld: words of the vocabulary that are shown as rare ones in training.
        average: characters per token over some training text.
        segmenter: cuts words of scripts without spaces.
        language: of the text: in English "a" and "an" are made to fit the words that are filled in.
    """

    spaces_lead = True
    whole_words = True
    vocabulary: Vocabulary
    policy: FittedPolicy
    withheld: frozenset[str]
    average: float
    segmenter: Segmenter | None = None
    language: str = "en"

    @property
    def size(self) -> int:
        return self.policy.first_word + len(self.vocabulary.words)

    @property
    def characters_per_token(self) -> float:
        return self.average

    @property
    def charged(self) -> bool:  # type: ignore[override]  # the policy decides
        return self.policy.charged

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the policy knows
        return (*self.policy.extra_data, *(self.segmenter.extra_data if self.segmenter else ()))

    @property
    def unwritable(self) -> tuple[int, ...]:  # type: ignore[override]  # the policy adds some
        return (*Tokenizer.unwritable, *self.policy.unwritable)

    @cached_property
    def names(self) -> Sequence[str]:
        words = self.vocabulary.words
        return ("<boundary>", "<escape>", *MODIFIERS, *self.policy.names, *words)

    def encode_pieces(
        self, pieces: Sequence[str], withheld: frozenset[str] = frozenset()
    ) -> EncodedWords:
        """The pieces of a document as tokens; ``withheld`` words are treated as rare ones."""
        items = [item for each in self._items(pieces, withheld) for item in each]
        return self.policy.encode(items, pieces)

    def _items(
        self, pieces: Sequence[str], withheld: frozenset[str] = frozenset()
    ) -> Iterator[list[int | RareWord]]:
        """What the policy is given for each piece: its tokens, or that it is rare."""
        first = self.policy.first_word
        for place, piece in enumerate(pieces):
            parts = self.vocabulary.parts(piece)
            if parts is None or piece in withheld:
                yield [RareWord(piece, place)]
            else:
                yield [*parts[0], first + parts[1]]

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        pieces = pretokenize(text, self.segmenter)
        coded = self.encode_pieces(pieces, self.withheld if training else frozenset())
        encoded = EncodedDocument(
            np.array(coded.tokens, dtype=smallest_dtype(self.size)),
            tuple(coded.surfaces),
            np.zeros(0),
            len(text),
            len(pieces),
            coded.replaced,
        )
        if training:
            return encoded
        alone, remembered = surface_bits(self._forms(coded))
        starts, ends = self._places(pieces, np.array(coded.sources, dtype=np.int64))
        return replace(
            encoded,
            spelling_bits=alone,
            remembered_bits=remembered,
            ends=ends,
            places=np.array(coded.places, dtype=np.int64),
            starts=starts,
        )

    def _forms(self, coded: EncodedWords) -> Iterator[Steps]:
        return forms_at(self.surface_steps, coded.tokens, coded.places, coded.surfaces)

    def _places(self, pieces: Sequence[str], sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the text of each token begins and ends, given the item that it came from."""
        ends, position = list[int](), 0
        for piece, items in zip(pieces, self._items(pieces), strict=True):
            ends += [position] * (len(items) - 1)  # modifiers stand for no text by themselves
            position += len(piece)
            ends.append(position)
        starts = np.array([0, *ends])[sources]
        last = np.append(sources[1:] != sources[:-1], True)[: len(sources)]
        # of the tokens of one item the last ends it; between two items words may have been dropped
        return starts, np.where(last, np.array([*ends, 0])[sources], starts)

    def decode(self, encoded: EncodedDocument) -> str:
        surfaces = iter(encoded.surfaces)
        items = self.policy.decode(encoded.tokens.tolist(), lambda token, place: next(surfaces))
        words = _Words(self.vocabulary, self.policy.first_word)
        return "".join(words.text(item) for item in items)

    def render(
        self, tokens: np.ndarray, *, before: str = "", fill: str = "scored", seed: int = 0,
        memory: bool = False,
    ) -> Rendered:  # fmt: skip
        random, chosen = Random(seed), [int(token) for token in tokens]
        if fill == "scored":
            earlier = self._rare_words_of(before) if memory else None
            writer = ScoredWriter(self.policy, chosen, random, earlier)
        else:
            english = self.language == "en"
            writer = Writer(self.policy, chosen, random, fill, before, articles=english)
        words = _Words(self.vocabulary, self.policy.first_word)
        for item in self.policy.decode(chosen, writer.surface):
            if isinstance(item, Placeholder):
                words.text(item)
                writer.place(item)
            else:
                writer.write(words.text(item))
        return writer.rendered()

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return self.policy.surface_steps(tokens)

    def _rare_words_of(self, prompt: str) -> DocumentCounts:
        """The rare words of a prompt, whose last space belongs to the word that comes next."""
        earlier = DocumentCounts()
        pieces = pretokenize(prompt.removesuffix(" "), self.segmenter)
        remember_words(self._forms(self.encode_pieces(pieces)), earlier)
        return earlier

    def state(self) -> dict[str, Any]:
        return {
            "words": list(self.vocabulary.words),
            "counts": list(self.vocabulary.counts),
            "characters": self.vocabulary.characters,
            "characters_per_token": self.average,
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
            "kinds": word_break_classes(),
            **self.policy.portable(),
        }


class _Words:
    """Tokens of words and modifiers, one after another, as text."""

    def __init__(self, vocabulary: Vocabulary, first: int) -> None:
        self._words, self._first = vocabulary.words, first
        self._join, self._case = False, 0

    def text(self, item: int | Placeholder) -> str:
        """The text that ``item`` adds; a modifier adds none and waits for its word."""
        if isinstance(item, Placeholder):
            self._join, self._case = False, 0
            return " " * item.spaced + item.word
        if item < self._first:
            if JOIN <= item < FIRST_OWN:
                self._join |= item == JOIN
                self._case = self._case if item == JOIN else item
            return ""
        space, core = split_space(self._words[item - self._first])
        if self._case:
            core = recase(core, self._case)
        text = core if self._join else space + core
        self._join, self._case = False, 0
        return text


def language_warnings(config: Any, language: Language) -> list[str]:
    """Sentences, each with what to do; none where nothing is wrong.

    Args:
        config: the settings of any tokenizer.
        language: of the training split.

    Raises:
        TextgenError: a tagger that is named is not installed.
    """
    found = []
    expected = usual_scripts(language.code)
    if language.stated and language.script and expected and language.script not in expected:
        found.append(
            f"The experiment says that the text is in {language.name}, but most of its letters are "
            f"{language.script}: correct the setting language, or the corpus."
        )
    if isinstance(config, Words):
        found += _unsegmented(config, language) + _foreign(config, language)
    return found


def _unsegmented(config: Words, language: Language) -> list[str]:
    if language.script not in UNSPACED_SCRIPTS or config.segmenter is not None:
        return []
    return [
        f"Most letters are of a script without spaces between words ({language.script}): without a "
        'segmenter almost every character is a word of its own. Take [tokenizer] kind = "subwords" '
        'or "characters", or a segmenter: [tokenizer.segmenter] kind = "budoux" (pip install '
        '"textgen-compare[segment]") cuts Japanese, Chinese and Thai.'
    ]


def _foreign(config: Words, language: Language) -> list[str]:
    """A tagger that is named, of another language than the text's."""
    model = getattr(config.rare_words, "model", "auto")
    if model == "auto" or not getattr(config.rare_words, "same_tag", True):
        return []
    tagger = model_language(model)
    if tagger == language.code:
        return []
    other = "" if language.stated else f', or say that it is: language = "{tagger}"'
    text = "not recognised" if language.code == UNKNOWN else language.name
    return [
        f"The tagger {model} is for {language_name(tagger)}, the language of the text is {text}: "
        f"its tags mean little. Take a pipeline of that language or another policy{other}."
    ]
