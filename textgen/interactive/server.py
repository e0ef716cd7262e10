"""A page on this machine on which models answer: what they write comes piece by piece.

Only this machine reaches it. Its address holds a secret token; without it, from a
page of another origin or under another host's name everything is refused. The page fetches nothing
from anywhere else.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core.errors import Cancelled, RefusedText, TextgenError, cancellable
from textgen.core.machine import cores
from textgen.interactive.models import describe, next_tokens, text_cost
from textgen.interactive.reader import Reader
from textgen.interactive.writing import sampling, write

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
}  # fmt: skip
MAX_QUESTION_BYTES = 200_000
"""Bytes of a question, at most."""
PIECES_PER_LINE = 8
"""Pieces of a text that a model writes before others have their turn."""
FIELDS = {"models", "text", "settings", "seed"}


def application(readers: Sequence[Reader], token: str, threads: int) -> Starlette:
    """The page and the questions it asks, as an ASGI application.

    ``POST write`` streams lines of JSON as the models write: ``{"model": …, "text": …}``, and one
    with ``"done": true`` or ``"error": …`` for each at its end. ``POST expect`` and ``POST pay``
    answer with one object, a key a model. With an error of a text comes ``"at": [start, end]``, its
    place in characters.

    Args:
        readers: the models.
        token: the first part of every path.
        threads: models that compute at a time.
    """
    import anyio
    from starlette.applications import Starlette
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import FileResponse, JSONResponse
    from starlette.routing import Mount, Route

    by_name = {reader.label: reader for reader in readers}
    turns = anyio.CapacityLimiter(threads)
    told = [describe(reader) for reader in readers]

    def file(name: str) -> Any:
        async def content(request: Request) -> Response:
            return FileResponse(FOLDER / name)

        return content

    async def models(request: Request) -> Response:
        return JSONResponse(told)

    routes = [
        Route("/", file("play.html")), Route("/play.js", file("play.js")),
        Route("/aligned.js", file("aligned.js")),
        Route("/play.css", file("play.css")), Route("/models", models),
        Route("/write", _checked(by_name, partial(_writing, turns)), methods=["POST"]),
        Route("/expect", _checked(by_name, partial(_answering, turns, _expected)),
              methods=["POST"]),
        Route("/pay", _checked(by_name, partial(_answering, turns, _cost)), methods=["POST"]),
    ]  # fmt: skip
    made = Starlette(routes=[Mount(f"/{token}", routes=routes)])
    made.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    made.add_middleware(_SameOrigin)  # the outermost: its headers are on every answer
    return made


class _SameOrigin:
    """Refuses requests from the page of another origin; every answer carries :data:`HEADERS`."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        own = f"http://{headers.get('host', '')}"
        same_site = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        app = self._app
        if headers.get("origin", own) != own or not same_site:
            app = PlainTextResponse("Only requests from this server's own page are answered", 403)
        await app(scope, receive, send_with_headers)


InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a function in a thread and returns what it returns."""


async def _while_connected(
    receive: Any, turns: Any, answer: Callable[[InThread], Awaitable[None]]
) -> None:
    """Answer, and stop as soon as the client disconnects: a computing thread ends before its next
    piece.

    Args:
        receive: of the ASGI application, after the question has been read.
        turns: limits the threads that compute.
        answer: called with what runs a function in a thread.
    """
    import anyio

    disconnected = threading.Event()

    def in_thread(work: Callable[[], Any]) -> Any:
        with cancellable(disconnected):
            return work()

    async def run(work: Callable[[], Any]) -> Any:
        with suppress(Cancelled):  # by then the scope below is cancelled
            return await anyio.to_thread.run_sync(in_thread, work, limiter=turns)

    async def whole() -> None:
        await answer(run)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(whole)
        while (await receive())["type"] != "http.disconnect":
            pass
        disconnected.set()
        group.cancel_scope.cancel()


def _checked(by_name: dict[str, Reader], answer: Callable[..., Any]) -> Any:
    """The endpoint that answers a question, once it has been checked."""
    from starlette.requests import ClientDisconnect
    from starlette.responses import JSONResponse

    async def endpoint(request: Request) -> Response:
        try:
            question = await _question(request, by_name)
            readers = {name: by_name[name] for name in question["models"]}
            return await answer(readers, question)
        except ClientDisconnect:
            return JSONResponse({"error": "the client has disconnected"}, 400)
        except TextgenError as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


async def _answering(
    turns: Any, answer: Callable[..., Any], readers: dict[str, Reader], question: dict[str, Any]
) -> Response:
    """One answer a model, or what is wrong."""
    return partial(_answer, turns, answer, readers, question)  # type: ignore[return-value]  # ASGI


async def _answer(
    turns: Any, answer: Callable[..., Any], readers: dict[str, Reader], question: dict[str, Any],
    scope: Any, receive: Any, send: Any,
) -> None:  # fmt: skip
    """Ask one model after another, and send all answers."""
    from starlette.responses import JSONResponse

    def told(reader: Reader) -> Any:
        try:
            return answer(reader, question)
        except TextgenError as error:
            return refusal(error)

    async def all_of_them(run: InThread) -> None:
        found = {name: await run(partial(told, reader)) for name, reader in readers.items()}
        await JSONResponse(found)(scope, receive, send)

    await _while_connected(receive, turns, all_of_them)


async def _writing(turns: Any, readers: dict[str, Reader], question: dict[str, Any]) -> Response:
    """What all write, as an answer that ends with them, or when the client disconnects."""
    settings, prompt, seed = sampling(question["settings"]), question["text"], question["seed"]
    texts = {name: _pieces(write(each, prompt, settings, seed)) for name, each in readers.items()}
    return partial(_stream, turns, texts)  # type: ignore[return-value]  # an ASGI application


async def _stream(
    turns: Any, texts: dict[str, Iterator[dict[str, Any]]], scope: Any, receive: Any, send: Any
) -> None:
    """Send what models write, a line of JSON a piece, in the order in which the pieces come."""
    import anyio

    def body(data: str, more: bool) -> Any:
        return send({"type": "http.response.body", "body": data.encode(), "more_body": more})

    async def one(run: InThread, name: str, pieces: Iterator[dict[str, Any]]) -> None:
        while piece := await run(partial(next, pieces, None)):
            await body(json.dumps({"model": name, **piece}) + "\n", True)

    async def all_of_them(run: InThread) -> None:
        async with anyio.create_task_group() as writers:
            for name, pieces in texts.items():
                writers.start_soon(one, run, name, pieces)
        await body("", False)

    kind = [(b"content-type", b"application/x-ndjson")]
    await send({"type": "http.response.start", "status": 200, "headers": kind})
    await _while_connected(receive, turns, all_of_them)


async def _question(request: Request, known: dict[str, Reader]) -> dict[str, Any]:
    """What is asked, checked.

    Raises:
        TextgenError: no question that can be answered.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_QUESTION_BYTES:
            raise TextgenError("the question", found=f"more than {MAX_QUESTION_BYTES:,} bytes",
                               expected="a shorter text")  # fmt: skip
    try:
        given = json.loads(body)
        if not isinstance(given, dict) or given.keys() - FIELDS:
            raise ValueError
        models, text = given.get("models", list(known)), given.get("text", "")
        settings, seed = given.get("settings", {}), given.get("seed", 1)
        right = isinstance(models, list) and isinstance(text, str) and isinstance(settings, dict)
        if not right or not all(name in known for name in models):
            raise ValueError
        text.encode()  # no half of a surrogate pair
    except (ValueError, RecursionError, TypeError):
        expected = "a JSON object with models, text, settings and seed, of models that are open"
        raise TextgenError("the question", found="something else", expected=expected) from None
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise TextgenError("seed", found=repr(seed), expected="a whole number from 0 to 2^31")
    return {"models": models, "text": text, "settings": settings, "seed": seed}


def refusal(error: TextgenError) -> dict[str, Any]:
    """What is wrong, as JSON data; ``at``, of a text: [start, end) of the place."""
    at = list(error.place) if isinstance(error, RefusedText) else None
    return {"error": str(error), **({"at": at} if at else {})}


def _pieces(texts: Iterator[str]) -> Iterator[dict[str, Any]]:
    """A text in pieces of a few tokens, the first as soon as it is there, and how it ended."""
    try:
        parts = [next(texts, "")]
        yield {"text": parts.pop()}
        for piece in texts:
            parts.append(piece)
            if len(parts) == PIECES_PER_LINE:
                yield {"text": "".join(parts)}
                parts.clear()
        yield {"text": "".join(parts), "done": True}
    except TextgenError as error:
        yield refusal(error)


def _expected(reader: Reader, question: dict[str, Any]) -> dict[str, Any]:
    return next_tokens(reader, question["text"], question["settings"].get("memory") is True)


def _cost(reader: Reader, question: dict[str, Any]) -> dict[str, Any]:
    return text_cost(reader, question["text"])


def listen(port: int = 0) -> socket.socket:
    """A socket of this machine alone, on which connections wait until :func:`serve` answers.

    Args:
        port: 0 for any that is free.

    Raises:
        TextgenError: Starlette or uvicorn is missing, or the port is taken.
    """
    from importlib.util import find_spec

    if not find_spec("starlette") or not find_spec("uvicorn"):
        raise TextgenError(
            "textgen play", found="no Starlette or uvicorn", expected="both, for a page",
            hint='pip install "textgen-compare[play]"',
        )  # fmt: skip
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise TextgenError(
            f"--port {port}", found=str(error.strerror), expected="a port that is free",
            hint="leave it out: any free one is taken",
        ) from None  # fmt: skip
    listening.listen()
    return listening


def serve(
    readers: Sequence[Reader], listening: socket.socket, ready: Callable[[str], None] = print
) -> None:
    """Answer until Ctrl-C.

    Args:
        readers: the models.
        listening: from :func:`listen`.
        ready: called with the address of the page.
    """
    import uvicorn

    token = secrets.token_urlsafe(16)
    made = application(readers, token, cores())
    with listening, suppress(KeyboardInterrupt):  # uvicorn has closed everything by then
        ready(f"http://{HOST}:{listening.getsockname()[1]}/{token}/")
        config = uvicorn.Config(
            made, log_level="error", timeout_graceful_shutdown=1, lifespan="off",
            server_header=False,
        )  # fmt: skip
        uvicorn.Server(config).run(sockets=[listening])
