"""What a tokenizer cannot do well in the language of a text, said before a run."""

from __future__ import annotations

from typing import Any

from textgen.data import UNKNOWN, UNSPACED_SCRIPTS, Language, language_name, usual_scripts
from textgen.tokenizers.words.fitting import Words
from textgen.tokenizers.words.tagging import model_language


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
