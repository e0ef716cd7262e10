"""Splits: drawn, given by lists or names, contiguous, by fold; and what a corpus is warned of."""

from itertools import pairwise

import pytest
from conftest import made_up
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from textgen.core.errors import TextgenError
from textgen.core.experiment import resolve_text
from textgen.core.settings import Split
from textgen.data.assigned import customary_parts, find_groups
from textgen.data.documents import Document
from textgen.data.drawn import MIN_TEST_DOCUMENTS
from textgen.data.loading import corpus_warnings, load_corpus
from textgen.data.splits import divide
from textgen.evaluation.significance import FEWEST

pytestmark = pytest.mark.fast

NOVEL = made_up(600, 5)
BENCHMARK = {"ptb.train": 90, "ptb.valid": 20, "ptb.test": 20}
TALES = {f"tale{i}": 20 + 3 * i for i in range(9)}
PARTS = ("train", "validation", "test")


def folder_of(path, **texts):
    """A folder with these texts: name without ``.txt`` → text, or number of sentences."""
    path.mkdir(exist_ok=True)
    for i, (name, text) in enumerate(texts.items()):
        file = path / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(made_up(text, i) if isinstance(text, int) else text, encoding="utf-8")
    return path


def text_settings(path, *, corpus=(), **split):
    kind = "folder" if path.is_dir() else "file"
    corpus = {"kind": kind, "path": str(path), **dict(corpus)}
    return resolve_text({"corpus": corpus, "split": split})


def load(path, **settings):
    return load_corpus(text_settings(path, **settings))


def joined(documents):
    return "".join(d.text for d in documents)


def names(parts):
    return [{d.name for d in getattr(parts, part)} for part in PARTS]


def documents_of(*sizes):
    return [Document(f"d{i}", "x" * size) for i, size in enumerate(sizes)]


MANY = documents_of(*range(100, 380, 7))


def test_the_split_keeps_groups_together_and_comes_back_the_same():
    groups = (("d1", "d2"), ("d10", "d20"), ("d8", "d9"), ("d2", "d8"), ("of", "another"))
    for seed in range(8):
        settings = Split(validation=0.1, test=0.2, seed=seed, groups=groups)
        parts = divide(MANY, settings)
        assert parts == divide(MANY, settings)
        assert set.union(*names(parts)) == {d.name for d in MANY}
        assert sum(map(len, names(parts))) == 40
        for group in ({"d1", "d2", "d8", "d9"}, {"d10", "d20"}):  # those that share one are one
            assert sum(bool(part & group) for part in names(parts)) == 1
        assert 0.1 < len(joined(parts.test)) / len(joined(MANY)) <= 0.2
    assert divide(MANY, Split(seed=1)) != divide(MANY, Split(seed=2))
    # a split that a published figure was measured on
    assert [d.name for d in divide(MANY, Split()).test] == ["d38", "d39", "d28", "d0"]
    assert [d.name for d in divide(MANY, Split()).validation] == ["d30", "d7", "d21"]


def test_no_part_stays_empty_while_there_are_three_groups():
    six = documents_of(900, 1000, 1100, 1200, 1300, 1400)
    groups = (("d0", "d3"), ("d1", "d4"), ("d2", "d5"))
    parts = names(divide(six, Split(groups=groups)))
    assert sorted(map(sorted, parts)) == [["d0", "d3"], ["d1", "d4"], ["d2", "d5"]]
    with pytest.raises(TextgenError, match="no text for the"):
        divide(six, Split(groups=(*groups, ("d2", "d4"))))
    with pytest.raises(TextgenError, match="no text for the"):
        divide(six[:2], Split())
    assert list(map(len, names(divide(six[:3], Split())))) == [1, 1, 1]
    for seed in range(5):
        parts = divide(documents_of(5_000_000, 20_000, 20_000, 20_000), Split(seed=seed))
        assert list(map(len, names(parts))) == [1, 1, 2]
        assert names(parts)[0] == {"d0"}


def test_documents_go_where_lists_say_and_what_has_none_is_drawn(tmp_path):
    folder_of(tmp_path, **TALES, **{"a[1]": 20, "a1": 20})
    parts = load(tmp_path, validation=["tale[12].txt"], test=["tale8.txt", "tale3*", "a[1].txt"])
    assert names(parts)[1] == {"tale1.txt", "tale2.txt"}
    assert names(parts)[2] == {"tale3.txt", "tale8.txt", "a[1].txt"}  # a name before a pattern
    assert names(parts)[0] == {*(f"tale{i}.txt" for i in (0, 4, 5, 6, 7)), "a1.txt"}
    drawn, other = (load(tmp_path, test=["tale8.txt"], validation=0.3, seed=i) for i in (0, 1))
    assert drawn.names["test"] == other.names["test"] == ["tale8.txt"]
    assert 0.15 < len(joined(drawn.validation)) / len(joined(drawn.train + drawn.validation)) <= 0.3


@pytest.mark.parametrize("test", ["other", "valid", "test"])
def test_of_a_single_training_document_the_end_is_the_validation_text(tmp_path, test):
    folder_of(tmp_path, **{"train": NOVEL, test: 40})
    lists = {"test": ["other.txt"]} if test == "other" else {}
    parts = load(tmp_path, validation=0.1, **lists)
    assert parts.names["test"] == [f"{test}.txt"]
    assert joined(parts.train + parts.validation) == NOVEL
    assert len(joined(parts.validation)) / len(NOVEL) == pytest.approx(0.1, abs=0.01)


def test_a_split_that_cannot_be_is_refused(tmp_path):
    folder_of(tmp_path, **TALES, blank=" \n")
    for settings, message in (
        ({"test": ["tale1.text"]}, "split.test.*did you mean 'tale1.tx"),
        ({"test": ["ptb.*"]}, r"split.test.*'ptb\.\*'"),
        ({"validation": ["tale[123].txt"], "test": ["tale3.txt"]}, "split.test.*tale3.txt"),
        ({"validation": ["a"], "test": ["b", "a"]}, "split.*'a'"),
        ({"validation": ["tale[0-4]*"], "test": ["tale[5-9]*"]}, "no text for the train part"),
        ({"groups": [["tale0.txt", "kadath"]]}, "split.groups.*'kadath'"),
        ({"groups": [["tale1", "tale2"]]}, r"split.groups.*mean 'tale1\.txt', 'tale2\.txt'"),
        ({"test": ["tale1.txt"], "groups": [["tale1.txt", "tale2.txt"]]}, "tale2.txt in the train"),
        ({"method": "contiguous"}, "split.method.*9 documents"),
        ({"fold": 1, "folds": 10}, "split.folds.*9 documents form 9 groups"),
        ({"fold": 1, "folds": 3, "test": ["a"]}, "split.*folds"),
    ):
        with pytest.raises(TextgenError, match=f"(?s){message}"):
            load(tmp_path, **settings)


@pytest.mark.parametrize("form", ["{}.txt", "ptb.{}.txt", "my_{}.txt", "wiki.{}.tokens", "{}/a.b"])
def test_customary_names_are_taken_as_given_and_others_are_no_split(form):
    for valid in ("valid", "val", "dev", "validation", "VALID"):
        parts = customary_parts([form.format(part) for part in ("train", valid, "test")])
        assert list(parts.values()) == ["train", "validation", "test"]
    for names in ("latest strain a", "test valid a", "old.train new.test b", "train contest tests"):
        assert customary_parts([form.format(name) for name in names.split()]) == {}
    assert customary_parts(["train/a.txt", "b.txt", "c.txt"]) == {}


def test_a_benchmark_is_not_shuffled(tmp_path):
    folder = folder_of(tmp_path / "ptb", **BENCHMARK)
    parts = load(folder)
    assert names(parts) == [{"ptb.train.txt"}, {"ptb.valid.txt"}, {"ptb.test.txt"}]
    assert parts.is_prescribed
    for split in ({"method": "hash", "seed": 3}, {"fold": 1, "folds": 3}):
        assert not load(folder, **split).is_prescribed
    swapped = load(folder, test=["ptb.valid.txt"], validation=["ptb.test.txt"])
    assert swapped.names["test"] == ["ptb.valid.txt"]
    folder_of(folder, README=5)
    with pytest.raises(TextgenError, match=r"parts, not README.txt[\s\S]*method = \"hash\""):
        load(folder)
    assert load(folder, corpus={"pattern": "ptb.*"}).names == parts.names
    (folder / "README.txt").unlink()
    folder_of(folder, **{"ptb.char.train": 50, "ptb.char.test": 9})
    with pytest.raises(TextgenError, match="like split parts"):
        load(folder)


def test_the_pieces_of_a_large_given_file_stay_in_its_part(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    for name, value in {"LARGE_BYTES": 0, "MAX_UNCUT": 2_000, "LARGE_PIECE": 500}.items():
        monkeypatch.setattr(f"textgen.data.documents.{name}", value)
    long = NOVEL + "\n\n" + "Ünïcode “quoted” ☃\n" * 40 + "x" * 900 + "\n" + NOVEL[:2_000]
    folder = folder_of(tmp_path / "here", **{**BENCHMARK, "ptb.train": long})
    parts = load(folder)
    assert len(parts.train) > 9
    assert parts.train[0].name == "ptb.train.txt#01"
    assert joined(parts.train) == long
    assert parts.names["test"] == ["ptb.test.txt"]
    assert load(folder, validation=["ptb.valid.txt"], test=["ptb.test.txt"]).names == parts.names
    for entry in ("ptb.train.txt", "ptb.t*.txt#*"):
        grouped = load(folder, method="hash", groups=[[entry], ["ptb.valid.txt"]])
        assert any({*parts.names["train"]} <= {*names} for names in grouped.names.values())


TEXTS = st.text("ab \n", min_size=60) | st.text(min_size=60)


@given(TEXTS, st.integers(1, 9), st.booleans(), st.sampled_from([0.05, 0.1, 0.3]))
def test_contiguous_parts_are_the_text(text, pieces, exact, share):
    cuts = [len(text) * i // pieces for i in range(pieces + 1)]
    documents = [Document(f"a#{i}", text[a:b]) for i, (a, b) in enumerate(pairwise(cuts))]
    settings = Split(method="contiguous", exact=exact, test=share, validation=0.05)
    try:
        parts = divide(documents, settings, one_text=True)
    except TextgenError:  # a part without a letter
        return
    everything = parts.train + parts.validation + parts.test
    assert joined(everything) == text
    assert len({d.name for d in everything}) == len(everything)
    ideal = int(len(text) * (1000 - round(1000 * share)) / 1000)
    beyond = len(text) - len(joined(parts.test)) - ideal
    assert beyond == 0 if exact else 0 <= beyond <= share * len(text) / 4 + 1


@pytest.mark.parametrize("mark", ["\n\n", "\n", " ", ""])
def test_a_boundary_cuts_no_line_and_no_word_where_it_can(tmp_path, mark):
    text = mark.join(["some words" if mark == "\n\n" else "word" for _ in range(900)])
    (tmp_path / "a.txt").write_text(text)
    parts = load(tmp_path / "a.txt", method="contiguous")
    assert all(d.text.endswith(mark) for d in parts.train + parts.validation)
    if mark:
        assert len(parts.test) >= MIN_TEST_DOCUMENTS == FEWEST
    else:
        assert len(joined(parts.test)) == 0.12 * len(text)
    assert joined(parts.train + parts.validation + parts.test) == text


def test_contiguous_pieces_have_an_order_and_one_size_and_the_hash_knows_where_they_begin(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(NOVEL)
    parts = load(path, method="contiguous", test=0.06)
    sizes = [d.characters for d in parts.train + parts.validation + parts.test]
    assert parts.test[-1].name == f"a.txt#{len(sizes)}"
    assert len(load(path, method="contiguous", corpus={"pieces": 300}).test) > 25
    shifted = [load(path, method="contiguous", exact=True, test=test) for test in (0.12, 0.1201)]
    assert shifted[0].names == shifted[1].names
    assert shifted[0].sha256 != shifted[1].sha256
    for first, second in (("train", "validation"), ("validation", "train")):
        pieces = load(path, method="contiguous", first=first).names
        assert max(pieces[first]) < min(pieces[second]) <= max(pieces[second]) < min(pieces["test"])


@pytest.mark.parametrize(
    ("sizes", "folds"), [(range(100, 840, 37), 5), ((450_000, 1_500, 1_800, 150_000), 2)]
)
def test_every_document_is_test_in_one_fold_and_groups_stay_together(sizes, folds):
    documents = documents_of(*sizes)
    groups = (("d1", "d7"), ("d3", "d4", "d19")) if len(documents) > 9 else ()
    tested = []
    for fold in range(1, folds + 1):
        parts = divide(documents, Split(fold=fold, folds=folds, groups=groups, validation=0.3))
        assert joined(parts.train + parts.validation + parts.test) == joined(documents)
        assert all(map(len, names(parts)))
        for group in groups:
            assert sum(bool(set(group) & part) for part in names(parts)) == 1
        if groups:
            assert 0.1 < len(joined(parts.test)) / len(joined(documents)) < 0.3
        tested += sorted(d.name for d in parts.test)
    assert sorted(tested) == sorted(d.name for d in documents)
    seeded = [divide(documents, Split(fold=1, folds=folds, seed=seed)) for seed in range(4)]
    assert len({str(names(parts)) for parts in seeded}) > 1


@pytest.mark.parametrize("part", ["test", "validation"])
def test_blocks_are_drawn_of_what_is_not_named(part):
    parts = divide(documents_of(*[9_000] * 9), Split(**{"method": "blocks", part: ("d4",)}))
    assert [d.name for d in getattr(parts, part)] == ["d4"]
    drawn = "validation" if part == "test" else "test"
    assert {d.name.split("#")[0] for d in getattr(parts, drawn)} > {"d0", "d8"}
    assert ("between" in parts.how) == (drawn == "test")  # text is left out beside it


HOW = {
    "by a hash": {"seed": 3},
    "a fold": {"fold": 2, "folds": 3},
    "blocks": {"method": "blocks"},
    "blocks, validation listed": {"method": "blocks", "validation": ("a.txt",)},
    "blocks, test listed": {"method": "blocks", "test": ("a.txt",)},
    "contiguous": {"method": "contiguous"},
    "contiguous, validation listed": {"validation": ("a.txt",)},
    "contiguous, test listed": {"test": ("a.txt",)},
}


@pytest.mark.parametrize("how", HOW)
@given(data=st.data())
@hypothesis_settings(max_examples=15, deadline=None)
def test_held_out_pieces_cut_no_word_and_test_pieces_touch_no_training_text(how, data):
    """Of texts long enough to learn from. Every word is another, so its neighbours are known."""
    number = 1 if how.startswith("contiguous") else data.draw(st.integers(4, 7))
    sizes = data.draw(st.lists(st.integers(2_000, 4_000), min_size=number, max_size=number))
    names = [f"d{i}" for i in range(number)]
    if "listed" in how:
        names, sizes = ["a.txt", *names], [200, *sizes]
    if number == 1:
        sizes[-1] += 6_000
    ends = data.draw(st.lists(st.sampled_from([" ", "\n", "\n\n"]), min_size=7, max_size=7))
    words = {
        name: [f"{name}-{i:04d}" for i in range(size)]
        for name, size in zip(names, sizes, strict=True)
    }
    documents = [
        Document(name, "".join(word + ends[i % 7] for i, word in enumerate(words[name])))
        for name in names
    ]
    parts = divide(documents, Split(**HOW[how]), one_text=how == "contiguous")
    part_of = {}
    for part in PARTS:
        for document in getattr(parts, part):
            for word in document.text.split():
                assert word not in part_of
                part_of[word] = part
    assert part_of.keys() <= {word for name in names for word in words[name]}
    for name in names:
        neighbours = pairwise(part_of.get(word) for word in words[name])
        assert not {("train", "test"), ("test", "train")} & {*neighbours}
    assert len(part_of) > 0.95 * sum(sizes)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=3, max_size=12),
    st.one_of(st.none(), st.integers(3, 4)),
    st.integers(0, 99),
)
def test_what_a_pattern_finds_alike_is_in_one_part(members, folds, seed):
    """Each speaker has some speeches, and one text has no speaker. There are at least three folds:
    one of two may leave a single group, which cannot be both training and validation text."""
    documents = [Document("preface", "x" * 200)]
    for speaker, count in enumerate(members):
        for number in range(count):
            name = f"speaker {chr(97 + speaker)} {number}.txt"
            documents.append(Document(name, "x" * (50 + 17 * (number + speaker))))
    tested = []
    for fold in range(1, (folds or 1) + 1):
        chosen = {"fold": fold, "folds": folds} if folds else {}
        settings = Split(groups=r"^speaker (.)", seed=seed, validation=0.2, test=0.2, **chosen)
        parts = divide(documents, find_groups(settings, [d.name for d in documents], "groups"))
        speakers = [{name[:9] for name in part} for part in names(parts)]
        assert sum(map(len, speakers)) == len(set.union(*speakers)) == len(members) + 1
        tested += [d.name for d in parts.test]
    if folds:
        assert sorted(tested) == sorted(d.name for d in documents)


def test_a_pattern_groups_as_the_lists_of_what_it_finds_do(tmp_path):
    sizes = {f"{who}{n}": 20 + n for who in "abcdef" for n in (1, 2, 3)}
    folder = folder_of(tmp_path / "all", **sizes)
    lists = [[f"{who}{n}.txt" for n in "123"] for who in "abcdef"]
    listed = load(folder, groups=lists)
    for pattern in (r"^\D+", r"^(\D)\d", "[a-f]"):
        found = load(folder, groups=pattern)
        assert (found.names, found.sha256) == (listed.names, listed.sha256)
    alone = load(folder, groups=".*")  # whole names: all are groups of their own
    assert alone.names == load(folder).names
    fallback = load(folder_of(tmp_path / "others", x=30, y=30, z=30), groups="^(x|y)")
    assert sorted(map(len, fallback.names.values())) == [1, 1, 1]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("^(", r"split.*groups: '\^\(' is no regular expression"),
        ("(a)(b)", "has 2 groups in parentheses"),
        ("zebra", "split.groups: 'zebra' is found in the name of no document"),
        ("tale", "split.groups: 'tale' finds the same in all names"),
    ],
)
def test_a_pattern_that_groups_nothing_or_all_is_refused(tmp_path, pattern, message):
    with pytest.raises(TextgenError, match=message):
        load(folder_of(tmp_path / "tales", **TALES), groups=pattern)


def test_pieces_of_documents_that_belong_together_are_not_divided():
    documents = [Document(f"{d.name}#7", d.text) for d in documents_of(*[9_000] * 9)]
    with pytest.raises(TextgenError, match="one group is divided: d1#7#"):
        divide(documents, Split(method="blocks", groups=(("d1#7", "d2#7"),)))


def test_no_split_counts_the_characters_of_a_document_for_every_other(monkeypatch):
    counted, characters = [], Document.characters.fget
    counting = property(lambda d: counted.append(d) or characters(d))
    monkeypatch.setattr(Document, "characters", counting)
    for split in ({"fold": 1, "folds": 5}, {}, {"method": "blocks"}):
        counted.clear()
        divide(documents_of(*[9_000] * 400), Split(**split))
        assert len(counted) < 12 * 400


@pytest.mark.parametrize("split", [{}, {"fold": 2, "folds": 3}, {"method": "blocks"}])
def test_a_shorter_training_text_is_a_part_of_a_longer_one_and_all_else_stays(tmp_path, split):
    path = folder_of(tmp_path / "texts", **TALES)
    whole = load(path, **split)
    available = sum(d.characters for d in whole.train)
    kept = [load(path, **split, train_characters=n) for n in (700, available // 2, available)]
    assert [len(joined(c.train)) for c in kept] == [700, available // 2, available]
    for shorter, longer in pairwise([*kept, whole]):
        longer_texts = [d.text for d in longer.train]
        assert all(any(text.startswith(d.text) for text in longer_texts) for d in shorter.train)
        assert names(shorter)[1:] == names(longer)[1:]
        assert shorter.sha256 == longer.sha256
    assert len({c.description["split_sha256"] for c in kept}) == 3
    assert kept[-1].description == whole.description
    with pytest.raises(TextgenError, match=f"train_characters.*{available:,}"):
        load(path, **split, train_characters=available + 1)


def test_random_training_texts_of_folds_share_nothing_while_the_text_suffices(tmp_path):
    """Every sentence of the texts is another; one text is as long as a subset."""
    path = folder_of(tmp_path / "texts", **TALES, long=150, other=60)
    for number, file in enumerate(sorted(path.iterdir())):
        lines = [f"{number}.{i} {line}" for i, line in enumerate(file.read_text().split("."))]
        file.write_text(".\n".join(lines))

    def fold(number, **split):
        return load(path, fold=number, folds=3, train_subset="random", validation=0.2, **split)

    whole = [load(path, fold=n, folds=3, validation=0.2) for n in (1, 2, 3)]
    size = min(len(joined(corpus.train)) for corpus in whole) // 3
    subsets = [fold(n, train_characters=size) for n in (1, 2, 3)]
    lines = [{line for d in c.train for line in d.text.split("\n")[1:-1] if line} for c in subsets]
    assert sum(map(len, lines)) == len(set.union(*lines)) > 60
    for corpus, of_fold, all_lines in zip(subsets, whole, lines, strict=True):
        assert len(joined(corpus.train)) == size
        assert 0 < len(joined(corpus.validation)) == size // 10
        assert max(len(d.text) for d in corpus.train) < size / 5
        assert (corpus.test, corpus.sha256) == (of_fold.test, of_fold.sha256)
        assert all_lines <= {*joined(of_fold.train).split("\n")}
        assert all(any(d.text in e.text for e in of_fold.validation) for d in corpus.validation)
    assert subsets[1].names == fold(2, train_characters=size).names
    large = fold(3, train_characters=len(joined(whole[2].train)))  # the folds have to share
    assert len(joined(large.train)) == len(joined(whole[2].train))
    everything = fold(1)
    assert everything.train == whole[0].train
    assert len(joined(everything.validation)) <= len(joined(whole[0].train)) / 10


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9, 0.99])
def test_random_training_texts_of_folds_have_their_size_however_little_is_left(tmp_path, share):
    path = folder_of(tmp_path / "texts", one=90, two=90, three=90)
    for number in (2, 3):
        fold = {"fold": number, "folds": 3, "validation": 0.01}
        size = int(share * len(joined(load(path, **fold).train)))
        subset = load(path, **fold, train_subset="random", train_characters=size)
        assert len(joined(subset.train)) == size
        assert len(set(subset.names["train"])) == len(subset.train)


def test_of_what_a_fold_leaves_at_most_half_is_held_out():
    """Where one document is left, it is cut; a share of all text may be more than it has."""
    words = {"y": 100, "x": 400, "z": 98}
    documents = [Document(name, "word " * count) for name, count in words.items()]
    left = 0
    for fold in (1, 2):
        parts = divide(documents, Split(validation=0.49, fold=fold, folds=2))
        train, validation, test = (len(joined(getattr(parts, part))) for part in PARTS)
        assert train + validation + test == 2_990
        if len(parts.test) == 2:
            left += 1
            assert 0.45 * (train + validation) < train < 0.55 * (train + validation)
    assert left == 1


def test_a_file_leaves_enough_pieces_to_test_and_to_validate(tmp_path):
    sizes = {64_000: {}, 450_000: {"seed": 3}, 3_200_000: {"method": "contiguous"}}
    for size, split in sizes.items():
        page = made_up(min(size, 450_000) // 24, 1)
        text = (page * (size // len(page) + 1))[:size]
        (tmp_path / "a.txt").write_text(text)
        parts = load(tmp_path / "a.txt", **split)
        assert min(len(parts.test), len(parts.validation)) >= 8
        documents = sorted(parts.train + parts.validation + parts.test, key=lambda d: d.name)
        assert joined(documents) == text
        assert 0.79 < len(joined(parts.train)) / size < 0.83


def test_the_setting_that_a_warning_names_gives_enough_test_documents(tmp_path):
    (tmp_path / "a.txt").write_text(NOVEL)
    for path, settings in (
        (folder_of(tmp_path / "few", **TALES), {}),
        (tmp_path / "a.txt", {"corpus": {"pieces": 1}, "method": "contiguous"}),
        (tmp_path / "a.txt", {"corpus": {"pieces": 20}, "test": 0.05, "validation": 0.05}),
    ):
        experiment = text_settings(path, **settings)
        (warning,) = corpus_warnings(experiment, load_corpus(experiment))
        assert "The test part has" in warning
        assert "--set split.method=blocks" in warning
        assert len(load(path, **settings | {"method": "blocks"}).test) >= FEWEST
