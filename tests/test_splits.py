"""Splits that are asked for: by lists, by customary names, contiguous, by fold; warnings."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise

import pytest
from conftest import made_up
from hypothesis import given
from hypothesis import strategies as st

from textgen.core.errors import TextgenError
from textgen.core.experiment import apply_overrides, load_experiment
from textgen.core.settings import Split
from textgen.data import reading, splits
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.data.splits import customary_parts, divide, given_parts, split
from textgen.data.statistics import MAX_NAMED_DOCUMENTS, corpus_only
from textgen.data.warnings import corpus_warnings
from textgen.evaluation.significance import FEWEST
from textgen.runs.console import Screen

NOVEL = made_up(600, 5)


def folder_of(path, **texts):
    """A folder with these texts: name without ``.txt`` → text, or number of sentences."""
    path.mkdir(exist_ok=True)
    for i, (name, text) in enumerate(texts.items()):
        file = path / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(made_up(text, i) if isinstance(text, int) else text, encoding="utf-8")
    return path


def load(path, *, kind="folder", corpus=(), **split):
    return load_corpus(
        corpus_only({"kind": kind, "path": str(path), **dict(corpus), "split": split})
    )


def complaint(path, **settings):
    with pytest.raises(TextgenError) as caught:
        load(path, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    return message


def joined(documents):
    return "".join(d.text for d in documents)


BENCHMARK = {"ptb.train": 90, "ptb.valid": 20, "ptb.test": 20}
TALES = {f"tale{i}": 20 + 3 * i for i in range(9)}


def names(corpus):
    return {part: sorted(found) for part, found in corpus.names.items()}


def test_lists_name_documents_and_patterns_and_the_rest_is_trained_on(tmp_path):
    folder_of(tmp_path, **TALES)
    found = load(tmp_path, validation=["tale[12].txt"], test=["tale8.txt", "tale3*"])
    assert names(found) == {
        "train": ["tale0.txt", "tale4.txt", "tale5.txt", "tale6.txt", "tale7.txt"],
        "validation": ["tale1.txt", "tale2.txt"],
        "test": ["tale3.txt", "tale8.txt"],
    }
    assert found.description["division"] == found.division == "as [split] names the documents"


def test_a_name_with_signs_of_a_pattern_is_a_name(tmp_path):
    folder_of(tmp_path, **{"a[1]": 20, "a1": 20, "b": 20, "c": 20})
    found = load(tmp_path, validation=["b.txt"], test=["a[1].txt"])
    assert names(found)["test"] == ["a[1].txt"]


def test_a_part_that_is_no_list_is_drawn_from_the_training_text(tmp_path):
    folder_of(tmp_path, **TALES)
    found = load(tmp_path, test=["tale8.txt"], validation=0.3)
    assert found.names["test"] == ["tale8.txt"]
    rest = joined(found.train) + joined(found.validation)
    assert 0.15 < len(joined(found.validation)) / len(rest) <= 0.3
    other = load(tmp_path, test=["tale8.txt"], validation=0.3, seed=1)
    assert other.names["validation"] != found.names["validation"]
    last = load(tmp_path, test=["tale2.txt"], validation=0.3, method="contiguous")
    assert last.names["train"] == [f"tale{i}.txt" for i in (0, 1, 3, 4, 5, 6)]
    assert last.names["validation"] == ["tale7.txt", "tale8.txt"]


def test_of_a_single_training_document_the_end_is_the_validation_text(tmp_path):
    texts = {"novel": NOVEL, "other": 40}
    folder_of(tmp_path, **texts)
    found = load(tmp_path, test=["other.txt"], validation=0.1)
    assert joined(found.train) + joined(found.validation) == NOVEL
    assert len(joined(found.validation)) / len(NOVEL) == pytest.approx(0.1, abs=0.01)
    assert found.names["test"] == ["other.txt"]
    assert "validation from the end of the training text" in found.division


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"test": ["tale1.text"]}, ["split.test", "matches no document", "did you mean 'tale1.tx"]),
        ({"test": ["ptb.*"]}, ["split.test", "'ptb.*'", "there is tale0.txt"]),
        (
            {"validation": ["tale[123].txt"], "test": ["tale3.txt"]},
            ["split.test", "'tale3.txt' names tale3.txt", "'tale[123].txt' in split.validation"],
        ),
        ({"validation": ["a"], "test": ["b", "a"]}, ["split", "'a' is listed twice"]),
        ({"test": ["a", "a"]}, ["split", "'a' is listed twice"]),
        (
            {"train": ["tale[0-5]*"], "validation": ["tale6*"], "test": ["tale7*"]},
            ["split.train", "tale8.txt: named by no list", "leave train out"],
        ),
        ({"validation": ["tale[0-4]*"], "test": ["tale[5-9]*"]}, ["train part", "no text"]),
        ({"test": []}, ["split.test", "at least 1 item"]),
        ({"test": [3]}, ["split.test.1", "string"]),
        ({"train": []}, ["split.train", "at least 1 item"]),
        ({"test": "a.txt"}, ["split.test", "number", "array"]),
        ({"test": 0.5}, ["split.test", "less than 0.5"]),
        ({"test": [""]}, ["split.test"]),
        ({"groups": [[]]}, ["split.groups", "at least 1 item"]),
        (
            {"test": ["tale1.txt"], "groups": [["tale1.txt", "tale2.txt"]]},
            ["split.groups", "tale1.txt in the test part", "tale2.txt in the train part"],
        ),
        (
            {"method": "contiguous", "groups": [["tale0.txt", "tale8.txt"]]},
            ["split.groups", "tale8.txt in the test part"],
        ),
        ({"method": "contigous"}, ["split.method", "contiguous"]),
        ({"exact": True}, ["split", 'exact = true needs method = "contiguous"']),
        ({"first": "validation"}, ["split", 'first = "validation" needs']),
        ({"exact": True, "method": "contiguous"}, ["split.exact", "9 documents", "no separator"]),
        ({"fold": 1}, ["split", "fold and folds"]),
        ({"folds": 3}, ["split", "fold and folds"]),
        ({"fold": 4, "folds": 3}, ["split", "no fold 4 of 3"]),
        ({"fold": 1, "folds": 1}, ["split.folds", "equal to 2"]),
        ({"fold": 1, "folds": 10}, ["split.folds", "9 documents in 9 groups", "fewer folds"]),
        ({"fold": 1, "folds": 3, "test": ["a"]}, ["split", "folds go neither"]),
        ({"fold": 1, "folds": 3, "method": "contiguous"}, ["split", "folds go neither"]),
    ],
)
def test_a_split_that_cannot_be_is_refused(tmp_path, settings, parts):
    message = complaint(folder_of(tmp_path, **TALES), **settings)
    for part in parts:
        assert part in message


def test_a_listed_document_without_text_leaves_its_part_empty(tmp_path):
    folder_of(tmp_path, **TALES, blank=" \n")
    assert "test part" in complaint(tmp_path, test=["blank.txt"])
    assert "no text" in complaint(tmp_path, test=["blank.txt"])


@pytest.mark.parametrize("pattern", ["../*", "a/../../*.txt", "/etc/*.txt"])
def test_a_pattern_that_leaves_the_folder_is_refused(tmp_path, pattern):
    folder_of(tmp_path / "here", **TALES)
    (tmp_path / "secret.txt").write_text("text")
    assert "corpus.pattern" in complaint(tmp_path / "here", corpus={"pattern": pattern})


@pytest.mark.parametrize("valid", ["valid", "val", "dev", "validation", "VALID"])
@pytest.mark.parametrize("form", ["{}.txt", "ptb.{}.txt", "my_{}.txt", "wiki.{}.tokens", "{}/a.b"])
def test_customary_names_are_taken_as_given(form, valid):
    found = customary_parts([form.format(part) for part in ("train", valid, "test")])
    assert list(found.values()) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    "found",
    [
        ["latest.txt", "strain.txt", "a.txt"],
        ["test.txt", "valid.txt", "a.txt"],
        ["train.txt", "a.txt", "b.txt"],
        ["old.train.txt", "new.test.txt", "b.txt"],
        ["train.txt", "contest.txt", "tests.txt"],
        ["train/a.txt", "b.txt", "c.txt"],
    ],
)
def test_names_that_say_no_part_are_no_split(found):
    assert customary_parts(found) == {}


def test_a_benchmark_is_not_shuffled_and_the_run_says_so(tmp_path, textgen):
    folder = folder_of(tmp_path / "ptb", **BENCHMARK)
    found = load(folder)
    assert names(found) == {
        "train": ["ptb.train.txt"], "validation": ["ptb.valid.txt"], "test": ["ptb.test.txt"]
    }  # fmt: skip
    shown = textgen("corpus", "folder", "--path", folder)
    assert shown.code == 0, shown.err
    assert "divided as the names of the files say" in shown.out
    assert "test: ptb.test.txt" in shown.out
    shuffled = load(folder, method="hash", seed=3)
    assert names(shuffled) != names(found)
    assert shuffled.division == ""
    assert load(folder, fold=1, folds=3).division.startswith("by document into 3 folds")
    lists = load(folder, test=["ptb.valid.txt"], validation=["ptb.test.txt"])
    assert lists.names["test"] == ["ptb.valid.txt"]


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_two_customary_files_are_training_and_test(tmp_path, held_out):
    folder = folder_of(tmp_path / "here", **{"train": NOVEL, held_out: 30})
    found = load(folder, validation=0.05)
    assert found.names["test"] == [f"{held_out}.txt"]
    assert joined(found.train) + joined(found.validation) == NOVEL
    assert ("test text steers nothing" in found.division) == (held_out == "val")


def test_folders_of_the_customary_names_are_a_split(tmp_path):
    texts = {"train/a": 40, "train/b": 40, "train/c": 40, "test/a": 20, "test/b": 20}
    folder = folder_of(tmp_path / "here", **texts)
    found = load(folder, validation=0.4)
    assert names(found)["test"] == ["test/a.txt", "test/b.txt"]
    assert len(found.validation) == 1
    assert found.validation[0].name.startswith("train/")


def test_other_files_beside_a_given_split_and_a_second_split_are_refused(tmp_path):
    folder = folder_of(tmp_path / "here", **BENCHMARK, README=5)
    message = complaint(folder)
    assert "README.txt beside them" in message
    assert 'method = "hash"' in message
    assert len(load(folder, method="hash").train) > 0
    assert load(folder, corpus={"pattern": "ptb.*"}).names["test"] == ["ptb.test.txt"]
    (folder / "README.txt").unlink()
    folder_of(folder, **{"ptb.char.train": 50, "ptb.char.test": 9})
    assert "several sets" in complaint(folder)


def test_the_pieces_of_a_large_given_file_stay_in_its_part(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    for name, value in {"LARGE": 0, "MAX_DOCUMENT": 3_000, "PIECE_SIZE": 1_000}.items():
        monkeypatch.setattr(reading, name, value)
    folder = folder_of(tmp_path / "here", **{**BENCHMARK, "ptb.train": NOVEL})
    found = load(folder)
    assert len(found.train) > 9
    assert joined(found.train) == NOVEL
    assert found.names["test"] == ["ptb.test.txt"]
    lists = load(folder, validation=["ptb.valid.txt"], test=["ptb.test.txt"])
    assert lists.names == found.names


@given(
    st.text("ab \n", min_size=60) | st.text(min_size=60),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_contiguous_parts_are_the_text(text, pieces, exact, share):
    documents = [Document(f"a#{i}", part) for i, part in enumerate(_chunks(text, pieces))]
    shares = {"validation": 0.05, "test": share}
    parts = splits._of_one_text(documents, shares, exact)
    assert joined(d for part in parts.values() for d in part) == text
    every = [d.name for part in parts.values() for d in part]
    assert len(set(every)) == len(every)
    n = len(text)
    ideal = int(n * (1000 - round(1000 * share)) / 1000)
    if exact:
        assert joined(parts["test"]) == text[ideal:]
    else:
        assert ideal <= n - len(joined(parts["test"])) <= ideal + share * n / 4 + 1


def _chunks(text, pieces):
    return [text[len(text) * i // pieces : len(text) * (i + 1) // pieces] for i in range(pieces)]


def test_nanogpts_split_is_the_last_tenth_to_the_character(tmp_path):
    text = NOVEL[:11_154]
    (tmp_path / "input.txt").write_text(text)
    shares = {"validation": 0.05, "test": 0.1, "method": "contiguous", "exact": True}
    found = load(tmp_path / "input.txt", kind="file", corpus={"pieces": 1}, **shares)
    assert joined(found.test) == text[int(0.9 * len(text)) :]
    assert joined(found.train) + joined(found.validation) == text[: int(0.9 * len(text))]
    assert list(map(len, found.names.values())) == [1, 1, 1]


def test_validation_text_may_come_first_and_nanogpts_test_part_stays_what_it_is(tmp_path):
    text = NOVEL[:11_154]
    (tmp_path / "input.txt").write_text(text)
    shares = {"validation": 0.05, "test": 0.1, "method": "contiguous", "first": "validation"}
    found = load(tmp_path / "input.txt", kind="file", corpus={"pieces": 1}, exact=True, **shares)
    assert joined(found.test) == text[int(0.9 * len(text)) :]
    assert joined(found.validation) == text[: int(0.05 * len(text))]
    assert joined(found.validation) + joined(found.train) + joined(found.test) == text
    names = load(tmp_path / "input.txt", kind="file", **shares).names
    assert min(names["train"]) > max(names["validation"])
    assert min(names["test"]) > max(names["train"])


def test_whole_documents_may_begin_with_the_validation_text(tmp_path):
    found = load(folder_of(tmp_path, **{f"t{i}": 900 for i in range(9)}), method="contiguous",
                 first="validation", validation=0.2, test=0.3)  # fmt: skip
    order = [found.names[part] for part in ("validation", "train", "test")]
    assert [name for names in order for name in names] == [f"t{i}.txt" for i in range(9)]
    assert list(map(len, order)) == [2, 4, 3]


def test_shares_are_counted_as_they_are_written():
    assert splits.boundaries(100_000_000, {"validation": 0.05, "test": 0.05}) == [
        90_000_000, 95_000_000
    ]  # fmt: skip


@pytest.mark.parametrize("mark", ["\n\n", "\n", " "])
def test_a_boundary_cuts_no_line_and_no_word_where_it_can(tmp_path, mark):
    text = mark.join(["some words" if mark == "\n\n" else "word" for _ in range(900)])
    (tmp_path / "a.txt").write_text(text)
    found = load(tmp_path / "a.txt", kind="file", method="contiguous")
    for part in (found.train, found.validation):
        assert all(d.text.endswith(mark) for d in part)
    assert len(found.test) >= splits.MIN_TEST_DOCUMENTS == FEWEST
    assert joined(found.train + found.validation + found.test) == text


def test_a_text_without_a_space_is_cut_at_the_character(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 1000)
    found = load(tmp_path / "a.txt", kind="file", method="contiguous", test=0.2, validation=0.1)
    assert [len(joined(p)) for p in (found.train, found.validation, found.test)] == [700, 100, 200]


def test_sections_are_pieces_of_one_size_and_their_hash_knows_where_they_begin(tmp_path):
    (tmp_path / "a.txt").write_text(NOVEL)
    found = load(tmp_path / "a.txt", kind="file", method="contiguous", test=0.06)
    sizes = [d.characters for d in found.train + found.validation + found.test]
    assert max(sizes) < 1.5 * len(NOVEL) * 0.06 / 6
    assert found.names["train"][0].startswith("a.txt#0")
    assert found.test[-1].name == f"a.txt#{len(sizes)}"
    finer = load(tmp_path / "a.txt", kind="file", method="contiguous", corpus={"pieces": 300})
    assert len(finer.test) > 25
    one, other = (
        load(tmp_path / "a.txt", kind="file", method="contiguous", exact=True, test=test)
        for test in (0.12, 0.1201)
    )
    assert one.names == other.names
    assert one.sha256 != other.sha256


def test_a_large_text_is_cut_in_shares_without_being_read_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.txt").write_text(NOVEL)
    settings = {"kind": "file", "method": "contiguous", "test": 0.1, "validation": 0.05}
    plain = load(tmp_path / "a.txt", **settings)
    monkeypatch.setattr(reading, "LARGE", 0)
    large = load(tmp_path / "a.txt", **settings)
    for part in ("train", "validation", "test"):
        assert joined(getattr(large, part)) == joined(getattr(plain, part))
    assert len(large.test) >= splits.MIN_TEST_DOCUMENTS
    on_disk = [d for d in large.train if not isinstance(d.content, str)]
    assert len(on_disk) >= len(large.train) - 1
    exact = load(tmp_path / "a.txt", exact=True, **settings)
    assert joined(exact.test) == NOVEL[len(NOVEL) * 9 // 10 :]


def test_contiguous_shares_of_documents_cut_none(tmp_path):
    folder_of(tmp_path, **{f"chapter{i}": 20 for i in range(10)})
    found = load(tmp_path, method="contiguous", validation=0.1, test=0.2)
    assert found.names["validation"] == ["chapter7.txt"]
    assert found.names["test"] == ["chapter8.txt", "chapter9.txt"]
    uneven = [Document(n, "x" * size) for n, size in zip("abcd", (9, 9, 9, 900), strict=True)]
    parts = divide(uneven, Split(method="contiguous"))
    assert [len(p) for p in (parts.train, parts.validation, parts.test)] == [2, 1, 1]
    with pytest.raises(TextgenError, match="at least three documents"):
        divide(uneven[:2], Split(method="contiguous"))


def test_every_document_is_test_in_one_fold_and_groups_stay_together():
    documents = [Document(f"d{i}", "x" * (100 + 37 * i)) for i in range(20)]
    groups = (("d1", "d7"), ("d3", "d4", "d19"))
    tested = []
    for fold in range(1, 6):
        found = divide(documents, Split(fold=fold, folds=5, groups=groups, validation=0.2))
        parts = [{d.name for d in part} for part in (found.train, found.validation, found.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 20
        assert all(parts)
        for group in groups:
            assert sum(bool(set(group) & part) for part in parts) == 1
        size = sum(d.characters for d in documents)
        assert 0.1 < sum(d.characters for d in found.test) / size < 0.3
        assert sum(d.characters for d in found.validation) / size <= 0.2
        tested += sorted(parts[2])
    assert sorted(tested) == sorted(d.name for d in documents)
    assert divide(documents, Split(fold=1, folds=5)) != divide(
        documents, Split(fold=1, folds=5, seed=1)
    )


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_folds_of_a_novel_and_three_stories_have_text_in_every_part(folds):
    sizes = {"novel": 450_000, "a": 1_500, "b": 1_800, "c": 150_000}
    documents = [Document(name, "x" * size) for name, size in sizes.items()]
    tested = []
    for fold in range(1, folds + 1):
        found = divide(documents, Split(fold=fold, folds=folds, validation=0.3))
        assert found.train
        assert found.validation
        tested += [d.name for d in found.test]
    assert sorted(tested) == sorted(sizes)
    with pytest.raises(TextgenError, match=r"split\.folds(.|\n)*at least 4 documents"):
        divide(documents[:3], Split(fold=1, folds=2))


def test_one_long_novel_and_three_stories_are_a_corpus():
    novel = [Document("novel", "x" * 5_000_000)]
    stories = [Document(n, n * 20_000) for n in "abc"]
    for seed in range(5):
        train, validation, test = split(novel + stories, Split(seed=seed))
        assert [d.name for d in train] == ["novel"]
        assert (len(validation), len(test)) == (1, 2)


def test_settings_that_are_not_asked_for_leave_no_trace(experiment_file):
    experiment = load_experiment(experiment_file)
    assert experiment.resolved["split"] == {
        "validation": 0.2, "test": 0.2, "seed": 0, "groups": []
    }  # fmt: skip
    documents = [Document(f"d{i}", "x" * (100 + 7 * i)) for i in range(40)]
    found = divide(documents, Split(), *given_parts([d.name for d in documents], Split()))
    assert (found.train, found.validation, found.test) == split(documents, Split())
    # as they were drawn before there was anything else to ask for
    assert [d.name for d in found.test] == ["d38", "d39", "d28", "d0"]
    assert [d.name for d in found.validation] == ["d30", "d7", "d21"]


def warnings(path, *, kind="folder", corpus=(), **split):
    settings = {"kind": kind, "path": str(path), **dict(corpus), "split": split}
    experiment = corpus_only(settings)
    return corpus_warnings(experiment, load_corpus(experiment))


def test_what_will_weaken_the_figures_is_said_with_what_to_do(tmp_path):
    folder = folder_of(tmp_path / "few", a=9000, b=600, c=600, d=600)
    (few,) = warnings(folder, validation=0.1, test=0.1)
    assert "The test part has 1 document" in few
    given = warnings(folder, validation=["b.txt"], test=["c.txt"])
    assert "The split is given" in given[0]
    (tmp_path / "a.txt").write_text(made_up(9000, 1))
    (one,) = warnings(tmp_path / "a.txt", kind="file", method="contiguous", corpus={"pieces": 1})
    assert "The test part has 1 document" in one
    assert not warnings(tmp_path / "a.txt", kind="file", method="contiguous")


def suggested(warning):
    """The settings that a warning names."""
    words = shlex.split(warning)
    return [setting.rstrip(".") for option, setting in pairwise(words) if option == "--set"]


@pytest.mark.parametrize(
    ("table", "split"),
    [
        ({"kind": "folder", "path": "even"}, {}),
        ({"kind": "folder", "path": "even"}, {"method": "contiguous", "first": "validation"}),
        ({"kind": "folder", "path": "even"}, {"folds": 5, "fold": 5}),
        ({"kind": "folder", "path": "uneven"}, {}),
        ({"kind": "folder", "path": "few"}, {}),
        ({"kind": "file", "path": "few.txt", "pieces": 12}, {}),
        ({"kind": "file", "path": "few.txt", "pieces": 1}, {"method": "contiguous"}),
        ({"kind": "file", "path": "few.txt"}, {"test": 0.02}),
        ({"kind": "file", "path": "few.txt", "pieces": 9}, {"folds": 3, "fold": 1}),
        ({"kind": "file", "path": "few.txt", "separator": "===="}, {}),
    ],
)
def test_the_setting_named_where_test_documents_are_few_gives_enough(
    tmp_path, monkeypatch, table, split
):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "even", **{f"t{i}": 90 for i in range(20)})
    folder_of(tmp_path / "uneven", **{f"t{i}": 600 if i < 4 else 90 for i in range(10)})
    folder_of(tmp_path / "few", **{f"t{i}": 200 for i in range(10)})
    texts = sorted((tmp_path / "few").iterdir())
    (tmp_path / "few.txt").write_text("\n====\n".join(path.read_text() for path in texts))
    experiment = corpus_only({**table, "split": split})
    before = load_corpus(experiment)
    warning = corpus_warnings(experiment, before)[0]
    assert f"The test part has {len(before.test)} document" in warning
    settings = suggested(warning)
    assert settings, warning
    changes = [setting.replace("FILE", "few.txt") for setting in settings]
    data = apply_overrides({"corpus": table, "split": split}, changes)
    after = load_corpus(corpus_only({**data["corpus"], "split": data["split"]}))
    assert len(before.test) < FEWEST <= len(after.test)
    size = {part: sum(d.characters for d in getattr(after, part)) for part in after.names}
    assert size["train"] >= sum(size.values()) / 2


@pytest.mark.parametrize("size", [64_000, 450_000, 3_200_000])
@pytest.mark.parametrize("split", [{}, {"seed": 3}, {"method": "contiguous"}])
def test_a_file_leaves_enough_pieces_to_test_and_to_validate(tmp_path, size, split):
    text = made_up(size // 24, 1)[:size]
    assert len(text) == size
    (tmp_path / "a.txt").write_text(text)
    found = load(tmp_path / "a.txt", kind="file", **split)
    assert min(len(found.test), len(found.validation)) >= 8
    assert len(joined(found.train)) < 0.83 * size
    assert len(joined(found.train)) > 0.79 * size
    documents = sorted(found.train + found.validation + found.test, key=lambda d: d.name)
    assert joined(documents) == text
    assert load(tmp_path / "a.txt", kind="file", **split) == found


def test_a_large_file_leaves_enough_pieces_although_less_of_it_is_held_out(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    with (tmp_path / "a.txt").open("w") as file:
        for _ in range(60):
            file.write(made_up(40_000, 1))
    assert (tmp_path / "a.txt").stat().st_size > 2 * reading.LARGE
    found = load(tmp_path / "a.txt", kind="file")
    assert min(len(found.test), len(found.validation)) >= 8


def test_a_tiny_part_is_said(tmp_path):
    texts = {f"t{i}": 100 for i in range(7)}
    folder = folder_of(tmp_path / "tiny", novel=60_000, **texts)
    found = " ".join(warnings(folder, validation=["t6.txt"], test=["t[0-5].txt"]))
    assert "The validation part is small" in found
    assert "List more documents" in found
    assert "train part" not in found
    found = warnings(folder, validation=["t6*"], test=["novel*"])
    assert any("The train part is small" in each for each in found)
    texts = {f"t{i}": 20 for i in range(7)}
    folder = folder_of(tmp_path / "uneven", novel=30_000, **texts)
    assert "divide the longest documents" in warnings(folder)[-1]
    (tmp_path / "a.txt").write_text(made_up(60, 1))
    (small, *_) = warnings(tmp_path / "a.txt", kind="file", method="contiguous")
    assert "The train part is small" in small
    assert "Use more text" in small


def test_an_alphabet_of_which_much_occurs_once_is_said(tmp_path):
    signs = "".join(chr(0x4E00 + i) for i in range(30))
    file = tmp_path / "a.txt"
    file.write_text(signs + made_up(9000, 1))
    (found,) = warnings(file, kind="file", method="contiguous")
    assert "30 of the" in found
    assert "'一', '丁'" in found
    assert "[corpus] keep" in found
    assert not warnings(file, kind="file", method="contiguous", corpus={"keep": "article"})
    file.write_text(2 * signs + made_up(9000, 1))
    assert not warnings(file, kind="file", method="contiguous")


def test_an_experiment_shows_its_own_corpus_and_split(textgen, experiment_file):
    shown = textgen("corpus", experiment_file)
    assert shown.code == 0, shown.err
    corpus = load_corpus(load_experiment(experiment_file))
    for part in ("validation", "test"):
        assert f"{part}: {', '.join(corpus.names[part])}" in " ".join(shown.out.split())
    assert "warning: The test part has" in shown.out
    changed = textgen("corpus", experiment_file, "--set", "split.seed=7", "--json")
    found = json.loads(changed.out)
    assert found["names"] != corpus.names
    assert found["warnings"]
    assert found["split_sha256"] != corpus.description["split_sha256"]


def experiment_on(folder, split=""):
    path = folder.with_suffix(".toml")
    path.write_text(
        f'name = "tales"\ntokenizer = "characters"\nobjective = "next_token"\n{split}\n'
        f'corpus = {{ kind = "folder", path = "{folder.as_posix()}" }}\n'
        "training = { updates = 1 }\n",
        encoding="utf-8",
    )
    return load_experiment(path)


def test_a_run_names_its_held_out_documents_and_warns(tmp_path, capsys):
    folder = folder_of(tmp_path / "ptb", **BENCHMARK)
    experiment = experiment_on(folder)
    Screen().corpus(experiment, load_corpus(experiment))
    shown = " ".join(capsys.readouterr().out.split())
    assert "divided as the names of the files say" in shown
    assert "test: ptb.test.txt" in shown
    assert "warning: The test part has 1 document" in shown
    Screen(quiet=True).corpus(experiment, load_corpus(experiment))
    assert capsys.readouterr().out == ""
    many = folder_of(tmp_path / "many", **{f"tale{i}": 5 for i in range(60)})
    experiment = experiment_on(many, "split = { test = 0.4 }")
    Screen().corpus(experiment, load_corpus(experiment))
    assert "test: " not in capsys.readouterr().out
    assert len(load_corpus(experiment).test) > MAX_NAMED_DOCUMENTS


def test_corpus_takes_kinds_and_experiments_and_says_what_else_there_is(textgen, experiment_file):
    for name, parts in {
        "foldr": ["neither a kind of corpus nor an experiment", "did you mean 'folder'?"],
        "nowhere.toml": ["no such file"],
    }.items():
        refused = textgen("corpus", name)
        assert refused.code == 2
        assert all(part in refused.err for part in parts)
    refused = textgen("corpus", experiment_file, "--path", "elsewhere")
    assert refused.code == 2
    assert "--set corpus.path" in refused.err


def test_a_given_split_is_scored_as_it_is(tmp_path, textgen, experiment_file):
    folder = folder_of(tmp_path / "ptb", **BENCHMARK)
    done = textgen(
        "baseline", experiment_file, "--order", 2, "--json", "--set", f'corpus.path="{folder}"'
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)
    characters = len((folder / "ptb.test.txt").read_text())
    assert (found["test"]["documents"], found["test"]["characters"]) == (1, characters)
    assert found["corpus"]["division"] == "as the names of the files say"
