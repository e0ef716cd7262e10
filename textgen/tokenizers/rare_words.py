"""PLUG-IN: what stands in for rare words, the token of a class, nothing, or their characters.

The word tokenizer cuts a text into pieces, a leading space belonging to its piece. A piece of the
vocabulary becomes one token, behind modifiers where only another form of the word is known. The
other pieces are rare, and the policy decides what becomes of them. Its own tokens have the ids from
``FIRST_OWN`` on; those of the vocabulary's words follow, frequent ones first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

from textgen.core.tokens import BOUNDARY, ESCAPE
from textgen.data.language import Language
from textgen.tokenizers.borders import WHITE, white_escapes
from textgen.tokenizers.casing import FIRST_OWN, JOIN
from textgen.tokenizers.codes import Form
from textgen.tokenizers.encoded import Surface
from textgen.tokenizers.filling import ScoredWords, log_sum_of_powers, score_examples
from textgen.tokenizers.placeholders import Span
from textgen.tokenizers.spelling import Speller, fit_speller, load_speller
from textgen.tokenizers.steps import Steps, StepsOf, chance, spelled
from textgen.tokenizers.vocabulary import RareWord, Vocabulary, split_space
from textgen.tokenizers.writing import WordWriter

TABLE = {
    "unk": "Unk",
    "pos": "textgen.tokenizers.parts_of_speech:Pos",
    "cluster": "textgen.tokenizers.rare_word_vectors:Cluster",
    "neighbour": "textgen.tokenizers.rare_word_vectors:Neighbour",
    "drop": "Drop",
    "signature": "textgen.tokenizers.signatures:Signature",
    "spell": "Spell",
}
UNK = "unk"
TokenAndSurface = tuple[int, str | None]  # a token, and its surface form if it leaves one open
Pieces = Sequence[str]


class PolicyTrainingData(NamedTuple):
    """What a policy is fitted on.

    Attributes:
        training: of each training document, the pieces and the rare words among them.
        tuning: the same of the validation documents, for tuning alone.
        vocabulary: the words with tokens of their own.
        seed: of whatever is random.
        language: of the text, an ISO code.
    """

    training: Sequence[tuple[Pieces, Sequence[RareWord]]]
    tuning: Sequence[tuple[Pieces, Sequence[RareWord]]]
    vocabulary: Vocabulary
    seed: int
    language: str


class Classifier(ABC):
    """Sorts rare words into classes: what a policy has learnt of a text.

    A subclass gives :attr:`classes`, :meth:`classify` and :meth:`state`.

    Attributes:
        classes: the names of the classes.
        extra_data: data from outside the training split that it uses, in words for the reports.
        looks_ahead: whether the class of a word depends on what comes behind it.
    """

    extra_data: tuple[str, ...] = ()
    looks_ahead: bool = False

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]: ...

    @abstractmethod
    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        """The class of each rare word of a document.

        Since the class itself is encoded, it may depend on anything in the document.

        Args:
            pieces: all pieces of the document.
            rare: those outside the vocabulary, each with its place in ``pieces``; at least one.
        """

    @abstractmethod
    def state(self) -> Any:
        """What :meth:`RareWords.load_classifier` needs beside the settings, as JSON data."""

    def proper(self, class_name: str) -> bool | None:
        """Whether a class consists of proper names; None where that is not known."""
        return None

    def form(self) -> Form:
        """How the words of the classes are spelled."""
        return Form()

    def letters(self, characters: str) -> str:
        """The characters of such spellings, from those of the training split."""
        return characters

    def classified(self, pieces: Pieces, rare: Sequence[RareWord]) -> list[tuple[RareWord, str]]:
        """Each rare word of a document with its class.

        Raises:
            ValueError: a class that is not among :attr:`classes`, or not one for each word.
        """
        if not rare:
            return []
        class_names = self.classify(pieces, rare)
        if len(class_names) != len(rare) or not set(class_names) <= set(self.classes):
            expected = f"{len(rare)} of {list(self.classes)} expected, received {list(class_names)}"
            raise ValueError(f"{type(self).__name__}.classify: {expected}")
        return list(zip(rare, class_names, strict=True))

    def classified_cores(self, pieces: Pieces, rare: Sequence[RareWord]) -> list[tuple[str, str]]:
        """The same, each word without the space before it."""
        return [(word.core, class_name) for word, class_name in self.classified(pieces, rare)]


@dataclass(frozen=True)
class FittedRareWords(ABC):
    """A fitted policy: what stands for rare words, how that is written, and what it costs.

    Attributes:
        classifier: what the policy has learnt.
        vocabulary: the words with tokens of their own.
        speller: P(word | class).
        kind: the name of the policy, for messages.
    """

    classifier: Classifier
    vocabulary: Vocabulary
    speller: Speller
    kind: str

    @property
    def charged(self) -> bool:
        """Whether every bit of what it hides is charged."""
        return True

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The names of its own tokens, from ``FIRST_OWN`` on."""

    @cached_property
    def first_word(self) -> int:
        """The token of the vocabulary's first word."""
        return FIRST_OWN + len(self.names)

    def spans(self, pieces: Pieces, rare: Sequence[RareWord]) -> Iterator[Span]:
        """The spans of a document, of which some pieces are rare."""
        classified = self.classifier.classified(pieces, rare)
        class_at = {word.place: class_name for word, class_name in classified}
        end = 0
        for place, piece in enumerate(pieces):
            start = end
            end = start + len(piece)
            known = self.vocabulary.parts(piece)
            if known is None:
                tokens = self.encode_rare(piece, class_at[place])
            else:
                tokens = self.encode_known(known.modifiers, known.number)
            yield from spans_of_piece(tokens, start, end)

    @abstractmethod
    def encode_rare(self, piece: str, class_name: str) -> list[TokenAndSurface]:
        """The tokens of a rare word of a class, and what they hide; none where words leave gaps."""

    def encode_known(self, modifiers: Sequence[int], number: int) -> list[TokenAndSurface]:
        """The modifiers and the token of the vocabulary's word of a number, and what they hide."""
        return [(token, None) for token in (*modifiers, self.first_word + number)]

    @abstractmethod
    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        """Write a token, with the surface form of what it hides."""

    @abstractmethod
    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """As :meth:`textgen.tokenizers.base.Tokenizer.surface_steps`, of its own tokens."""

    @property
    def gap_steps(self) -> StepsOf | None:
        """As :attr:`textgen.tokenizers.base.Tokenizer.gap_steps`, for a policy by which rare words
        leave no token of their own."""
        return None

    def temperature_offsets(self, temperature: float) -> dict[int, float]:
        """Its own tokens, with what they gain where the logits are divided by a temperature
        below 1: each stands for many words, and it is these that the temperature is about."""
        return {}

    def rare_tokens(self) -> list[int]:
        """The tokens that rare words begin with.

        Raises:
            ValueError: the tokens of a text depend on what comes behind it.
        """
        raise self._depends_on_what_follows()

    def rare_openings(self, begins_white: Callable[[str], float]) -> dict[int, float]:
        """Each of :meth:`rare_tokens`, with the probability that what it stands for begins with
        white space; ``begins_white`` gives that of a word of a class. Raises as that does."""
        raise self._depends_on_what_follows()

    def _depends_on_what_follows(self) -> ValueError:
        return ValueError(f"the rare-word policy {self.kind}")

    def state(self) -> dict[str, Any]:
        """Everything :meth:`RareWords.load` needs, as JSON data."""
        return {"learnt": self.classifier.state(), "speller": self.speller.state()}

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs: ``speller``, the settings of a spelling
        model, or None.

        Raises:
            ValueError: it cannot do the same; says why.
        """
        raise ValueError(f"the rare-word policy {self.kind}")


class FittedClasses(FittedRareWords):
    """Each rare word is replaced by the token of its class, ``<name>``. It costs
    −log2 P(class | history) − log2 P(word | class), the latter by the word-spelling model."""

    @cached_property
    def names(self) -> Sequence[str]:
        return tuple(f"<{name}>" for name in self.classifier.classes)

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {name: FIRST_OWN + i for i, name in enumerate(self.classifier.classes)}

    @cached_property
    def _class_names(self) -> dict[int, str]:
        return {token: name for name, token in self._tokens.items()}

    def encode_rare(self, piece: str, class_name: str) -> list[TokenAndSurface]:
        space, word = split_space(piece)
        return [*join_unless(space), (self._tokens[class_name], word)]

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        class_name = self._class_names.get(token)
        if class_name is None:
            writer.add_token(token)
        else:
            writer.add_filled(surface or "", class_name)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        class_name = self._class_names.get(tokens[-1])
        if class_name is None:
            return None
        return partial(spelled, self.speller, class_name, f"<{class_name}>")

    def temperature_offsets(self, temperature: float) -> dict[int, float]:
        return {
            token: log_sum_of_powers(self._scored_examples[name], temperature)
            for name, token in self._tokens.items()
        }

    @cached_property
    def _scored_examples(self) -> dict[str, ScoredWords]:
        return {name: score_examples(self.speller, name) for name in self._tokens}

    def rare_tokens(self) -> list[int]:
        if self.classifier.looks_ahead:
            raise self._depends_on_what_follows()
        return list(self._class_names)

    def rare_openings(self, begins_white: Callable[[str], float]) -> dict[int, float]:
        return {token: begins_white(self._class_names[token]) for token in self.rare_tokens()}

    def portable(self) -> dict[str, Any]:
        return {"speller": self.speller.portable(self.classifier.classes)}


def spans_of_piece(tokens: Sequence[TokenAndSurface], start: int, end: int) -> Iterator[Span]:
    """The spans of one piece: its last token stands for the text, those before it for none."""
    for token, surface in tokens[:-1]:
        yield Span(token, surface, start, start)
    last_token, last_surface = tokens[-1]
    yield Span(last_token, last_surface, start, end)


def join_unless(space: str) -> list[TokenAndSurface]:
    """The modifier of a word that has no space before it."""
    return [] if space else [(JOIN, None)]


class RareWords(ABC):
    """The settings of a policy: a subclass is a frozen dataclass, which gives :meth:`learn` and
    :meth:`load_classifier`.

    Attributes:
        recall: whether a rare word of the training split may come back whole.
    """

    recall: bool = True

    @property
    def fitted_class(self) -> type[FittedRareWords]:
        """Of the fitted policy that it becomes."""
        return FittedClasses

    @abstractmethod
    def learn(self, data: PolicyTrainingData) -> Classifier:
        """The classes of rare words.

        Raises:
            TextgenError: something that it needs is missing.
        """

    @abstractmethod
    def load_classifier(self, state: Any) -> Classifier:
        """What was learnt, from its ``state()``."""

    def fit(self, data: PolicyTrainingData) -> FittedRareWords:
        """The fitted policy, which has learnt the classes and to spell the words of each."""
        classifier = self.learn(data)
        training = [classifier.classified_cores(*document) for document in data.training]
        tuning = [classifier.classified_cores(*document) for document in data.tuning]
        settings = spelling_settings(classifier, data.vocabulary)
        speller = fit_speller(training, tuning, pooled=self.recall, **settings)
        return self.fitted_class(classifier, data.vocabulary, speller, self._name)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> FittedRareWords:
        """The fitted policy from its ``state()``."""
        classifier = self.load_classifier(state["learnt"])
        settings = spelling_settings(classifier, vocabulary)
        speller = load_speller(state["speller"], **settings)
        return self.fitted_class(classifier, vocabulary, speller, self._name)

    def language_warnings(self, language: Language) -> list[str]:
        """Sentences about settings that do not fit the language of the training split, each with
        what to do."""
        return []

    @property
    def _name(self) -> str:
        return type(self).__name__.lower()


def spelling_settings(classifier: Classifier, vocabulary: Vocabulary) -> dict[str, Any]:
    """What a speller of the words of some classes takes beside its state, as arguments."""
    return {
        "alphabet": classifier.letters(vocabulary.characters),
        "vocabulary": lambda: vocabulary.never_spelled,
        "related": vocabulary.cores,
        "form": classifier.form(),
    }


class ClassPolicy(RareWords, Classifier):
    """The base of policies whose classes need not be learnt: a subclass is a frozen dataclass that
    gives :attr:`classes` and :meth:`classify`.

    Each rare word is replaced by the token of its class. Fitting, charging, generation, saving and
    loading are done here. Other policies learn a :class:`Classifier`. Here the settings are all
    there is to know of the classes: nothing is learnt or stored, and the policy itself is the
    classifier, so that a policy of another package is a single class.
    """

    def learn(self, data: PolicyTrainingData) -> Classifier:
        return self

    def load_classifier(self, state: None) -> Classifier:
        return self

    def state(self) -> None:
        return None


class OneClass(Classifier):
    """All rare words are of one class."""

    classes = (UNK,)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [UNK] * len(rare)

    def state(self) -> Any:
        return None


class OneClassPolicy(RareWords):
    """The base of policies that tell no rare words apart."""

    def learn(self, data: PolicyTrainingData) -> Classifier:
        return OneClass()

    def load_classifier(self, state: None) -> Classifier:
        return OneClass()


@dataclass(frozen=True)
class Unk(OneClassPolicy):
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may be repeated as a whole, which is cheaper
            than spelling it. If false, every rare word is spelled as if it were new.
    """

    recall: bool = True


@dataclass(frozen=True)
class Drop(RareWords):
    """Leave rare words out, as the article's author considered.

    What is left out is charged separately: the number of words missing in each gap between two
    tokens, k with P(k) = (1 − q) q^k; whether a space stood before each; and their spelling.

    Args:
        charged: charge for what is left out. If false, as in perplexities of filtered texts, there
            is no distribution over the text, and no figure is printed.
    """

    charged: bool = True

    @property
    def fitted_class(self) -> type[FittedRareWords]:
        return FittedDrop

    def learn(self, data: PolicyTrainingData) -> Classifier:
        """Counts on validation, which new text is like."""
        missing = 0
        spaced = 0
        gaps = 0
        for pieces, rare in data.tuning:
            missing += len(rare)
            spaced += sum(word.has_space for word in rare)
            gaps += 1  # at the end, and one before every token
            for piece in pieces:
                known = data.vocabulary.parts(piece)
                if known is not None:
                    gaps += len(known.modifiers) + 1
        # of all choices "one more word" or "no more", half a count added to each answer
        chance_missing = (missing + 0.5) / (missing + gaps + 1)
        chance_spaced = (spaced + 0.5) / (missing + 1)
        return Gaps(chance_missing, chance_spaced, self.charged)

    def load_classifier(self, state: dict[str, float]) -> Classifier:
        return Gaps(state["missing"], state["spaced"], self.charged)


@dataclass(frozen=True)
class Gaps(OneClass):
    """How many words are missing between two tokens.

    Attributes:
        missing: q, the probability of one more missing word.
        spaced: that of a space before a missing word.
        charged: as in :class:`Drop`.
    """

    missing: float
    spaced: float
    charged: bool

    def state(self) -> dict[str, float]:
        return {"missing": self.missing, "spaced": self.spaced}


@dataclass(frozen=True)
class FittedDrop(FittedRareWords):
    """Every gap between two tokens hides the words that are missing there."""

    classifier: Gaps
    names = ()

    @property
    def charged(self) -> bool:
        return self.classifier.charged

    def encode_rare(self, piece: str, class_name: str) -> list[TokenAndSurface]:
        return []

    def spans(self, pieces: Pieces, rare: Sequence[RareWord]) -> Iterator[Span]:
        """Every token, and the end, with the words that are missing before it."""
        missing = list[str]()
        end = 0
        for piece in pieces:
            start = end
            end = start + len(piece)
            known = self.vocabulary.parts(piece)
            if known is None:
                missing.append(piece)
                continue
            tokens = self.encode_known(known.modifiers, known.number)
            first, *others = spans_of_piece(tokens, start, end)
            yield first._replace(surface=tuple(missing))
            missing = []
            for other in others:  # nothing is missing between the tokens of a piece
                yield other._replace(surface=())
        yield Span(BOUNDARY, tuple(missing), end, end)

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        if surface:
            writer.add_filled(surface, UNK, joined=True)
        writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return None

    @property
    def gap_steps(self) -> StepsOf | None:
        return self._missing_words

    def _missing_words(self, known: Surface | None) -> Steps[str]:
        """The words that are missing in a gap; what is not charged for is not described."""
        gap = ""
        if not self.charged:
            return gap
        if known is not None:
            for piece in known:
                yield from chance(self.classifier.missing, True)
                gap += yield from self._missing_word(piece)
            yield from chance(self.classifier.missing, False)
            return gap
        while (yield from chance(self.classifier.missing, None)):
            gap += yield from self._missing_word(None)
        return gap

    def _missing_word(self, piece: str | None) -> Steps[str]:
        """A word that is missing, behind the space before it."""
        spaced: bool | None = None
        word: str | None = None
        if piece is not None:
            space, word = split_space(piece)
            spaced = bool(space)
        has_space = yield from chance(self.classifier.spaced, spaced)
        spelling = yield from spelled(self.speller, UNK, "", word)
        return " " + spelling if has_space else spelling


@dataclass(frozen=True)
class Spell(OneClassPolicy):
    """The network itself spells rare words, by tokens for characters and one for the end of a
    word. Only characters that training text lacks are charged separately."""

    @property
    def fitted_class(self) -> type[FittedRareWords]:
        return FittedSpell

    def fit(self, data: PolicyTrainingData) -> FittedRareWords:
        """Without a spelling model."""
        return super().fit(data._replace(training=(), tuning=()))


class FittedSpell(FittedRareWords):
    """The tokens of characters, behind that for the end of a word."""

    @cached_property
    def names(self) -> Sequence[str]:
        return ("<end>", *(f"<{letter}>" for letter in self.vocabulary.characters))

    @cached_property
    def _tokens(self) -> dict[str, int]:
        return {letter: FIRST_OWN + 1 + i for i, letter in enumerate(self.vocabulary.characters)}

    @cached_property
    def _letters(self) -> dict[int, str]:
        return {token: letter for letter, token in self._tokens.items()}

    def encode_rare(self, piece: str, class_name: str) -> list[TokenAndSurface]:
        space, word = split_space(piece)
        tokens = join_unless(space)
        for letter in word:
            if letter in self._tokens:
                tokens.append((self._tokens[letter], None))
            else:
                tokens.append((ESCAPE, letter))
        return [*tokens, (FIRST_OWN, None)]

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        if token == FIRST_OWN:
            writer.end_letters()
        elif surface is not None:
            writer.add_letter(surface)
        elif token in self._letters:
            writer.add_letter(self._letters[token])
        else:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return None

    def rare_tokens(self) -> list[int]:
        return [*self._letters, ESCAPE]

    def rare_openings(self, begins_white: Callable[[str], float]) -> dict[int, float]:
        openings = {token: float(letter in WHITE) for token, letter in self._letters.items()}
        openings[ESCAPE] = white_escapes(self._tokens)
        return openings

    def portable(self) -> dict[str, Any]:
        return {"speller": None}
