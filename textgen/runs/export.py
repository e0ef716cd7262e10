"""A finished run's network as a folder that needs no textgen: Keras' own format, one module that
loads it, the tokenizer, the settings, and a card that says what it is.

model.keras       the network, in Keras' own format
textgen_model.py  loads it: a copy of :mod:`textgen.runs.standalone`
tokens.json       what each token stands for
tokenizer.json    the fitted tokenizer, as in the run's folder
experiment.toml   the settings, as in the run's folder
README.md         the card, written last
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from jinja2 import Template

from textgen.core.errors import TextgenError, write_failed
from textgen.core.files import PathKind, found_at, kind_of, move, write_file
from textgen.models.backbones import GRU, LSTM, Backbone, MinGRU, Recurrent, Transformer
from textgen.models.objectives import NextToken
from textgen.models.settings import NGrams
from textgen.models.types import Config, Layer, Network
from textgen.runs.finished import Run, load_run
from textgen.runs.results import figure_table

if TYPE_CHECKING:
    from textgen.models.network import LayeredNetwork
    from textgen.runs import standalone

EXPORTS = Path("exports")
CARD = Path(__file__).with_name("card.txt")  # the template of README.md
LOADER = Path(__file__).with_name("standalone.py")
MODEL_FILE = "model.keras"
LOADER_FILE = "textgen_model.py"
NAMES_FILE = "tokens.json"
COPIED = ("tokenizer.json", "experiment.toml")
CARD_FILE = "README.md"
KINDS = {LSTM: "lstm", GRU: "gru", MinGRU: "mingru", Transformer: "transformer"}
# Up to this difference, two networks give the same logarithms of probabilities.
SAME_LOGARITHM = 1e-3
# Up to this one, the same probabilities.
SAME_PROBABILITY = 1e-5
COMPARED_TOKENS = 64
SAFE = "the run is unharmed"


class Reading(NamedTuple):
    """How a text becomes tokens without textgen.

    Attributes:
        piece: what a token is.
        code: lines of Python that bind ``read``, the tokens that begin a text.
        remark: what the code does not do.
    """

    piece: str
    code: str
    remark: str


# Kind of tokenizer → how it reads a text.
READINGS = {
    "characters": Reading(
        "character",
        "numbers = {token: number for number, token in enumerate(tokens)}\n"
        'read = [0] + [numbers.get(character, 1) for character in "The old"]',
        "Token 1 stands for every character that the training text does not have.",
    ),
    "subwords": Reading(
        "subword",
        "from tokenizers import Tokenizer  # pip install tokenizers\n\n"
        'settings = json.loads(Path("tokenizer.json").read_text(encoding="utf-8"))\n'
        'subwords = Tokenizer.from_str(settings["tokenizer"]).encode("The old")\n'
        "read = [0] + [2 + number for number in subwords.ids]",
        "Token 1 stands for every character that the training text does not have, which this code "
        "does not look for.",
    ),
}
OTHER_READING = Reading(
    "word or mark",
    "read = [0]  # where a text begins",
    "Only textgen cuts a text into these tokens: "
    '`textgen.load_run("RUN").tokenizer.encode(text).tokens`.',
)


def export_model(run: str | Path | Run, folder: str | Path | None = None) -> Path:
    """Write a finished run's network as a folder that needs no textgen: the network in Keras' own
    format, a module that loads it, the tokenizer, the settings and a card.

    What is written is read again, and has to predict what the run's network predicts. Counts,
    cache and the spelling of rare words are not part of it.

    Args:
        run: a finished run, or its folder.
        folder: a new or an empty one, or one that an export did not finish; by default
            ``exports/NAME`` of the run.

    Returns:
        The folder.

    Raises:
        TextgenError: no such run, a network that cannot be exported, or a folder that holds
            something.
    """
    run = load_run(run)
    folder = EXPORTS / run.experiment.name if folder is None else Path(folder)
    _check_exportable(run)
    _check_free(folder)
    run.check()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_network(run.network, run.experiment.backbone, folder)
    except OSError as error:
        raise write_failed(folder, error, SAFE) from None
    for name in COPIED:
        write_file(folder / name, (run.folder / name).read_bytes(), SAFE)
    write_file(folder / LOADER_FILE, LOADER.read_bytes(), SAFE)
    names = json.dumps(list(run.tokenizer.names), ensure_ascii=True, indent=0)
    write_file(folder / NAMES_FILE, names + "\n", SAFE)
    write_file(folder / CARD_FILE, card(run), SAFE)
    return folder


def export(run: Path, folder: Path | None) -> None:
    """``textgen export``; arguments as of :func:`export_model`."""
    written = export_model(run, folder)
    print(f"{written}: {written / CARD_FILE} says what it is and how it is used")


def _check_exportable(run: Run) -> None:
    """Raises:
    TextgenError: the network cannot be exported; says why.
    """
    experiment = run.experiment
    if type(experiment.objective) is not NextToken:
        objective = type(experiment.objective).__name__
        message = f"{run.folder}: a network of the objective {objective} cannot be exported"
        raise TextgenError(message, "only those that predict the next token can: next_token")
    if type(experiment.backbone) not in KINDS:
        message = f"{run.folder}: {experiment.backbone.label} cannot be exported"
        raise TextgenError(message, f"these backbones can: {', '.join(KINDS.values())}")


def _check_free(folder: Path) -> None:
    """Raises:
    TextgenError: there is something at this path, other than an empty folder or an export that was
        not finished.
    """
    kind = kind_of(folder)
    if kind is PathKind.MISSING:
        return
    if kind is not PathKind.FOLDER:
        raise TextgenError(f"{folder}: {found_at(folder)}", "give a new folder")
    content = {path.name for path in folder.iterdir()}
    is_unfinished = content <= {MODEL_FILE, LOADER_FILE, NAMES_FILE, *COPIED}
    if not is_unfinished:
        raise TextgenError(f"{folder} is not empty: nothing was changed", "give a new folder")


def write_network(network: Network, backbone: Backbone, folder: Path) -> None:
    """Write ``model.keras``, read it again and compare what both networks predict.

    Args:
        network: as :class:`textgen.models.objectives.NextToken` has built it.
        backbone: its settings, of one of KINDS.
        folder: where the file is written.

    Raises:
        RuntimeError: what is read again predicts something else.
        OSError: the file cannot be written.
    """
    import keras

    from textgen.runs import standalone  # imports Keras

    size = network.output_layer.size
    settings = network_settings(backbone, size)
    members = [standalone.Network(settings) for _ in network.parts()]
    for part, member in zip(network.parts(), members, strict=True):
        _copy_weights(cast("LayeredNetwork", part), member)
    copy = members[0]
    if len(members) > 1:
        copy = standalone.Ensemble([settings] * len(members))
        copy.set_weights([weight for member in members for weight in member.get_weights()])
    unfinished = folder / f"unfinished.{MODEL_FILE}"
    try:
        copy.save(unfinished)
        _check_same(network, keras.saving.load_model(unfinished), size)
        move(unfinished, folder / MODEL_FILE)
    finally:
        unfinished.unlink(missing_ok=True)


def network_settings(backbone: Backbone, size: int) -> Config:
    """The settings of :class:`textgen.runs.standalone.Network`.

    Args:
        backbone: of one of KINDS.
        size: V, the number of tokens.
    """
    adaptive = backbone.adaptive(size)
    head = 0
    tail = 0
    if adaptive is not None:
        head = adaptive.head
        if not backbone.tied_output:
            tail = adaptive.tail_size
    return {
        "size": size,
        "embedding": backbone.embedding_width,
        "ngrams": _ngram_settings(backbone.ngrams),
        "layers": _layer_settings(backbone),
        "projection": backbone.projection_size(size, backbone.units[-1]),
        "output_ngrams": _ngram_settings(backbone.output_ngrams),
        "output": {"tied": backbone.tied_output, "head": head, "tail": tail},
    }


def _ngram_settings(ngrams: NGrams | bool) -> Config | None:
    if not isinstance(ngrams, NGrams):
        return None
    return {"orders": sorted(set(ngrams.orders)), "rows": ngrams.rows}


def _layer_settings(backbone: Backbone) -> list[Config]:
    layers = list[Config]()
    for units in backbone.units:
        layer: Config = {"kind": KINDS[type(backbone)], "units": units, "normalisation": None}
        if isinstance(backbone, Recurrent) and backbone.normalisation != "none":
            layer["normalisation"] = backbone.normalisation
        if isinstance(backbone, Transformer):
            layer["heads"] = backbone.heads(units)
            layer["head_size"] = backbone.head_size
            layer["context"] = backbone.context
        layers.append(layer)
    if isinstance(backbone, Transformer):
        layers[-1]["normalisation"] = "root mean square"
    return layers


def _copy_weights(trained: "LayeredNetwork", copy: "standalone.Network") -> None:
    """Give a new network the weights of one that was trained with the same settings."""
    pairs: list[tuple[Layer, Layer]] = [
        (trained.embedding, copy.embedding),
        (trained.ngrams, copy.ngrams),
        *zip(trained.recurrent, copy.recurrent, strict=True),
        *zip(trained.normalisations, copy.normalisations, strict=True),
        (trained.projection, copy.projection),
        (trained.output_ngrams, copy.output_ngrams),
        (trained.output_layer, copy.output_layer),
    ]
    for source, target in pairs:
        if source is not None:
            target.set_weights(source.get_weights())


def _check_same(network: Network, copy: "standalone.Network", size: int) -> None:
    """Raises:
    RuntimeError: two networks give random tokens other probabilities.
    """
    import tensorflow as tf

    tokens = np.random.default_rng(0).integers(0, size, (2, COMPARED_TOKENS), dtype=np.int32)
    logits, _ = network(tf.constant(tokens), network.initial_state(len(tokens)))
    expected = tf.nn.log_softmax(logits).numpy()
    half = COMPARED_TOKENS // 2
    first, state = copy(tokens[:, :half])
    second, _ = copy(tokens[:, half:], state)
    found = np.concatenate([first, second], axis=1)
    logarithms = np.abs(found - expected).max()
    probabilities = np.abs(np.exp(found) - np.exp(expected)).max()
    if not (logarithms <= SAME_LOGARITHM and probabilities <= SAME_PROBABILITY):
        raise RuntimeError(f"the exported network's probabilities differ by {probabilities:.1e}")


def card(run: Run) -> str:
    """The content of ``README.md``: what the model is, how well it predicts, how it is used, what
    it is not for."""
    import keras

    template = Template(CARD.read_text(encoding="utf-8"), trim_blocks=True, lstrip_blocks=True)
    metrics = run.metrics
    kind = run.experiment.resolved["tokenizer"]["kind"]
    reading = READINGS.get(kind, OTHER_READING)
    text = template.render(
        metrics=metrics,
        figures=figure_table({"validation": metrics.validation, "test": metrics.test}),
        label=run.experiment.backbone.label,
        manifest=run.manifest,
        keras=keras.__version__,
        **reading._asdict(),
    )
    return text + "\n"
