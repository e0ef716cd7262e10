"""Models answer in a terminal: a beginning, the next word, side by side."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from textgen.core import RefusedText, Sampling, TextgenError, visible
from textgen.interactive.expectation import Expectation, expect
from textgen.interactive.reader import Reader
from textgen.interactive.writing import SETTINGS, sampling, write

HELP = """\
text            every model goes on from it, behind the text so far
(nothing)       every model goes on from the text so far
1, 2, 3 …       take that word
/keep NAME      take what that model wrote; the others go on from there
/next           what each expects next
/new            begin again
/set            show the settings;  /set temperature 0.7  changes one
                (length, temperature, top_k, top_p, seed, memory)
/quit           or Ctrl-D"""
WORDS = 9
"""Words that can be chosen."""
BESIDE = 30
"""Characters on either side of a place that is marked."""
BOTH_WORDS = re.compile(r"[\w,.;:!?'’)]\w")
"""An end and a beginning between which a space belongs."""


class Conversation:
    """What is said and what is known so far.

    Args:
        readers: the models.
        show: shows something that rich can draw.
        live: draws the answers while they grow: ``live(draw, pieces)`` calls ``draw()`` again after
            each of ``pieces``.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        show: Callable[[Any], None],
        live: Callable[[Callable[[], Any], Iterator[None]], None],
    ) -> None:
        self._readers, self._show, self._live = readers, show, live
        self._settings: dict[str, Any] = {"length": 300, "temperature": Sampling.temperature}
        self._seed, self.text = 1, ""
        self._written: dict[str, str] = {}
        self._words: list[str] = []

    def say(self, line: str) -> bool:
        """Answer one line; False at the end.

        Raises:
            TextgenError: something that cannot be done; nothing has changed.
        """
        word, _, rest = line.strip().partition(" ")
        if not word.startswith("/"):
            return self._text(line)
        if word == "/quit":
            return False
        if word == "/help":
            self._show(HELP)
        elif word == "/new":
            self.text, self._written, self._words = "", {}, []
        elif word == "/next":
            self._next()
        elif word == "/set":
            self._set(rest.split())
        elif word == "/keep":
            self._keep(rest)
        else:
            raise TextgenError("the line", found=word, expected="text, or a command",
                               hint="/help lists them")  # fmt: skip
        return True

    def _text(self, line: str) -> bool:
        number = line.strip()
        if self._words and number.isascii() and number.isdigit():
            if not 0 < int(number[:9]) <= len(self._words):
                raise TextgenError(
                    "the line", found=number[:9], expected=f"1 to {len(self._words)}"
                )
            self.text += self._words[int(number) - 1]
            self._written = {}
            self._show(visible(self.text))
            self._next()
            return True
        line = line if line.strip() else ""
        between = " " if BOTH_WORDS.match(self.text[-1:] + line[:1]) else ""
        self._write(self.text + between + line)
        return True

    def _write(self, text: str) -> None:
        settings = sampling(self._settings)
        for reader in self._readers:
            reader.check(text)  # all can read it, or none is asked
            if settings.memory:
                reader.check_memory()
        self.text, self._words = text, []
        self._written = dict.fromkeys((reader.label for reader in self._readers), "")
        streams = {r.label: write(r, text, settings, self._seed) for r in self._readers}

        def turns() -> Iterator[None]:
            while streams:
                for label in list(streams):
                    piece = next(streams[label], None)
                    if piece is None:
                        del streams[label]
                    else:
                        self._written[label] += piece
                yield

        self._live(self._answers, turns())

    def _answers(self) -> Any:
        from rich.columns import Columns
        from rich.panel import Panel
        from rich.text import Text

        shown = [
            Panel(Text(visible(text)), title=Text(visible(label)), title_align="left")
            for label, text in self._written.items()
        ]
        return Columns(shown, equal=True, expand=True)

    def _next(self) -> None:
        """What each model expects next, and the words of all to choose from, the most probable to
        any of them first."""
        from rich.table import Table
        from rich.text import Text

        memory = self._settings.get("memory") is True
        found = {r.label: expect(r, self.text, memory, WORDS) for r in self._readers}
        self._words = _by_best(found)[:WORDS]
        table = Table("", "next word", *map(visible, found), title_justify="left")
        for number, word in enumerate(self._words, 1):
            chances = [dict(each.words).get(word) for each in found.values()]
            shown = ["" if chance is None else f"{chance:.1%}" for chance in chances]
            table.add_row(str(number), Text(visible(repr(word))), *shown)
        table.add_row("", "all others", *(
            f"{1 - sum(dict(each.words).get(word, 0.0) for word in self._words):.1%}"
            for each in found.values()
        ), style="dim")  # fmt: skip
        self._show(table)

    def _keep(self, name: str) -> None:
        if name not in self._written:
            raise TextgenError("/keep", found=name or "no name",
                               expected=" or ".join(self._written) or "what a model wrote",
                               hint="let the models write first")  # fmt: skip
        self.text += self._written[name]
        self._written, self._words = {}, []
        self._show(visible(self.text))

    def _set(self, given: Sequence[str]) -> None:
        if len(given) == 2:
            name, value = given
            if name == "seed":
                if not re.fullmatch("[0-9]{1,10}", value) or int(value) >= 2**31:
                    raise TextgenError("seed", found=value, expected="a number from 0 to 2^31")
                self._seed = int(value)
            elif name not in SETTINGS:
                expected = ", ".join((*SETTINGS, "seed"))
                raise TextgenError("/set", found=name, expected=expected)
            else:
                changed = {**self._settings, name: _value(value)}
                sampling(changed)
                self._settings = changed
        elif given:
            raise TextgenError("/set", found=" ".join(given), expected="a name and a value",
                               hint="e.g. /set temperature 0.7")  # fmt: skip
        settings = sampling(self._settings)
        shown = {name: getattr(settings, name) for name in SETTINGS}
        self._show("   ".join(f"{k} {v}" for k, v in {**shown, "seed": self._seed}.items()))


def _value(text: str) -> Any:
    """What stands for on, off or a number."""
    known = {"on": True, "true": True, "off": False, "false": False}
    if text in known:
        return known[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _by_best(found: dict[str, Expectation]) -> list[str]:
    """All words, each where the model that expects it most has it."""
    best = dict[str, float]()
    for word, chance in itertools.chain(*(each.words for each in found.values())):
        best[word] = max(chance, best.get(word, 0.0))
    return sorted(best, key=lambda word: -best[word])


def marked(text: str, place: tuple[int, int]) -> str:
    """The line of a text around a place, as far as it fits, with carets under the place."""
    from rich.cells import cell_len

    start, end = place
    text = visible(text).replace("\t", " ")
    first = max(text.rfind("\n", 0, start) + 1, start - BESIDE)
    before, at_fault = text[first:start], text[start : min(end, start + BESIDE)].partition("\n")[0]
    after, carets = text[end : end + BESIDE].partition("\n")[0], "^" * max(1, cell_len(at_fault))
    return f"  {before}{at_fault}{after}\n  {' ' * cell_len(before)}{carets}"


def converse(readers: Sequence[Reader], lines: Callable[[str], str] | None = None) -> None:
    """Answer line after line until the end.

    Args:
        readers: the models.
        lines: asks for a line, raises EOFError at the end; None for the terminal.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False)

    def live(draw: Callable[[], Any], pieces: Iterator[None]) -> None:
        if not console.is_terminal:
            for _ in pieces:
                pass
            console.print(draw())
            return
        with Live(draw(), console=console, transient=True) as shown:
            for _ in pieces:
                shown.update(draw())
        console.print(draw())

    conversation = Conversation(readers, console.print, live)
    with contextlib.suppress(ImportError):  # lines that are edited, with a history
        import readline  # noqa: F401
    ask = lines or input
    console.print("Type a beginning, or /help.")
    while True:
        try:
            if not conversation.say(ask("> ")):
                return
        except EOFError:
            return
        except TextgenError as error:
            console.print(str(error), style="red")
            if isinstance(error, RefusedText) and error.place[0] < error.place[1]:
                console.print(marked(error.text, error.place))
        except KeyboardInterrupt:
            console.print("stopped; /quit ends it")
