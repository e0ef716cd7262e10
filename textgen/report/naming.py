"""What an arm is, in words, beside its name: its tokenizer, and what else sets it apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textgen.report.arms import Arm

MOST = 3
"""Settings that are named where nothing else tells two arms apart."""
SUBWORDS = {"bpe": "byte-pair encoding", "unigram": "a unigram model"}
PARTS_OF_SPEECH = {
    "fine": "replaced by their part of speech",
    "coarse": "replaced by one of a few parts of speech",
    "noun": "replaced by one token for nouns and one for all else",
}
VECTORS = {"word2vec": "word2vec", "fasttext": "fastText", "file": "vectors of a file"}


def descriptions(arms: Sequence[Arm]) -> dict[str, str]:
    """An arm's name → its tokenizer in words, and where arms differ in them, its first vectors, its
    backbone and its objective; if that is also what another is, the settings that differ."""
    resolved = [arm.first.experiment.resolved for arm in arms]
    labels = [arm.first.experiment.backbone.label for arm in arms]
    found = [[tokenizer_in_words(each["tokenizer"])] for each in resolved]
    for told in (
        [_vectors(each["embedding"]) for each in resolved],
        labels,
        [_objective(each["objective"]) for each in resolved],
    ):
        if len(set(told)) > 1:
            for parts, text in zip(found, told, strict=True):
                parts += [text] if text else []
    texts = ["; ".join(parts) for parts in found]
    settings = [dict(_settings(arm.first.experiment.arm)) for arm in arms]
    result = {}
    for arm, text, own in zip(arms, texts, settings, strict=True):
        alike = [each for each, other in zip(settings, texts, strict=True) if other == text]
        result[arm.name] = text + _apart(own, alike)
    return result


def tokenizer_in_words(settings: Mapping[str, Any]) -> str:
    """``words, those seen fewer than 5 times replaced by one token``, from the ``[tokenizer]`` of a
    resolved experiment; a plug-in is called by its kind."""
    kind = settings["kind"]
    if kind == "subwords":
        if settings.get("file"):
            return f"subwords of {settings['file']}"
        model = SUBWORDS.get(settings["model"], settings["model"])
        return f"{settings['size']:,} subwords by {model}"
    if kind == "whitespace":
        return "words between white space, all of them known"
    if kind != "words":
        return str(kind)
    return f"words, {_which(settings)} {_what(settings['rare_words'])}"


def _which(settings: Mapping[str, Any]) -> str:
    if settings.get("size"):
        return f"those outside the {settings['size']:,} most frequent"
    if settings["minimum_count"] == 1:
        return "those never seen in training"
    return f"those seen fewer than {settings['minimum_count']} times"


def _what(policy: Mapping[str, Any]) -> str:
    """What becomes of rare words."""
    match policy["kind"]:
        case "unk":
            return "replaced by one token"
        case "pos":
            return PARTS_OF_SPEECH[policy["tags"]]
        case "cluster":
            return f"replaced by one of up to {policy['clusters']} clusters"
        case "neighbour":
            tag = ", of the same part of speech" if policy["same_tag"] else ""
            return f"replaced by the nearest known word{tag}"
        case "drop":
            return "left out" + ("" if policy["charged"] else " and not charged for")
        case "spell":
            return "spelled by the network, letter by letter"
    return f"left to {policy['kind']}"


def _vectors(settings: Mapping[str, Any]) -> str:
    kind = settings["kind"]
    return "" if kind == "random" else f"first vectors: {VECTORS.get(kind, kind)}"


def _objective(settings: Mapping[str, Any]) -> str:
    match settings["kind"]:
        case "next_token":
            return ""
        case "shifted":
            return f"blocks of {settings['window']}, targets {settings['shift']} further on"
        case "encoder_decoder":
            return f"reads {settings['read']} tokens, writes {settings['write']}"
    return str(settings["kind"])


def _settings(plain: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """(its place, its value) of every setting of an experiment."""
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", str(value)


def _apart(own: Mapping[str, str], alike: Sequence[Mapping[str, str]]) -> str:
    """Those of an arm's settings in which some do not agree."""
    keys = dict.fromkeys(key for each in alike for key in each)
    parts = [
        f"{key} {own.get(key, 'unset')}"
        for key in keys
        if len({each.get(key) for each in alike}) > 1
    ]
    more = " …" if len(parts) > MOST else ""
    return "; " * bool(parts) + ", ".join(parts[:MOST]) + more
