"""A page on this machine on which models answer, each in a stream of its own.

Only this machine reaches it. Its address holds a secret token; without it, from a page of another
origin or under another host's name everything is refused. The page fetches nothing from anywhere
else.
"""

import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from textgen.core.context import temporarily
from textgen.core.errors import RefusedText, TextgenError
from textgen.core.machine import cores
from textgen.core.progress import Cancelled, cancelled_by
from textgen.core.settings import PartName
from textgen.interactive.models import PlayModel, open_models

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request

FOLDER = Path(__file__).parent
FILES = ("theme.css", "asking.css", "asking.js", "play.js")
# Windows may know others, with which no browser runs a script.
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
HOST = "127.0.0.1"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
MAX_QUESTION_BYTES = 200_000
MAX_WRITTEN_CHARACTERS = 4000


class Question(BaseModel, extra="forbid", strict=True, allow_inf_nan=False):
    """What the page asks of a model: settings beside ``text`` are for writing."""

    model: str
    what: Literal["write", "expect", "price"]
    text: str = ""
    length: int = Field(400, ge=1, le=MAX_WRITTEN_CHARACTERS)
    temperature: float = Field(0.8, ge=0, le=100)
    top_k: int = Field(0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int = Field(1, ge=0, lt=2**31)
    part: PartName = "network"


def application(models: Sequence[PlayModel], part: PartName, token: str) -> "Starlette":
    """The page and the questions it asks, as an ASGI application.

    ``POST ask`` takes a :class:`Question` and answers with lines of JSON: ``{"text": …}`` for each
    piece that is written, ``{"tokens": …}``, or what the text costs. ``{"error": …}`` ends an
    answer; with it comes ``"at": [start, end]`` where a place in the text is at fault.

    Args:
        models: those that answer.
        part: of the models, that answers until another is chosen.
        token: the first part of every path.
    """
    import anyio
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import ClientDisconnect
    from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
    from starlette.routing import Mount, Route

    by_name = {model.name: model for model in models}
    turns = anyio.CapacityLimiter(cores())  # models that compute at a time
    described = [model.describe() | {"number": i} for i, model in enumerate(models)]
    told = {"models": described, "part": part}
    page = (FOLDER / "play.html").read_text(encoding="utf-8")
    page = page.replace("ASKING", (FOLDER / "asking.html").read_text(encoding="utf-8"))

    async def stream(lines: Iterator[dict[str, Any]]) -> AsyncIterator[str]:
        """The lines as they come; once the client has gone, work ends before its next piece."""
        disconnected = threading.Event()

        def next_line() -> dict[str, Any] | None:
            with temporarily(cancelled_by, disconnected), suppress(Cancelled):
                return next(lines, None)
            return None

        try:
            while line := await anyio.to_thread.run_sync(
                next_line, limiter=turns, abandon_on_cancel=True
            ):
                yield json.dumps(line) + "\n"
        finally:
            disconnected.set()

    async def ask(request: "Request") -> Response:
        try:
            question = check_question(await request.body(), by_name)
        except ClientDisconnect:
            return Response(status_code=400)
        except TextgenError as error:
            return JSONResponse({"error": str(error)}, 400)
        return StreamingResponse(stream(answer(by_name[question.model], question)))

    async def check_origin(request: "Request", answer: "RequestResponseEndpoint") -> Response:
        """Refuses the page of another origin; every answer carries :data:`HEADERS`."""
        own = f"http://{request.headers.get('host', '')}"
        site = request.headers.get("sec-fetch-site", "none")
        if request.headers.get("origin", own) != own or site not in ("same-origin", "none"):
            response = Response("Only requests from this server's own page are answered.", 403)
        else:
            response = await answer(request)
        response.headers.update(HEADERS)
        return response

    def file(name: str) -> Route:
        media_type = MEDIA_TYPES[Path(name).suffix]
        return Route(f"/{name}", lambda request: FileResponse(FOLDER / name, media_type=media_type))

    routes = [
        Route("/", lambda request: Response(page, media_type="text/html")),
        Route("/models", lambda request: JSONResponse(told)),
        Route("/ask", ask, methods=["POST"]),
        *map(file, FILES),
    ]
    middleware = [
        Middleware(BaseHTTPMiddleware, dispatch=check_origin),
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
    ]
    return Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=middleware)


def check_question(body: bytes, models: dict[str, PlayModel]) -> Question:
    """A question, parsed and checked.

    Raises:
        TextgenError: no question, too long a one, a setting out of range, or an unknown model.
    """
    if len(body) > MAX_QUESTION_BYTES:
        raise TextgenError("The question is too long.")
    try:
        question = Question.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the question"
        raise TextgenError(f"{where}: {first['msg']}") from None
    if question.model not in models:
        raise TextgenError(f"no model {question.model} among {', '.join(models)}")
    return question


def answer(model: PlayModel, question: Question) -> Iterator[dict[str, Any]]:
    """What a model answers, in pieces of JSON data, or what is wrong."""
    try:
        if question.what == "expect":
            yield {"tokens": model.next_tokens(question.text, question.part)}
        elif question.what == "price":
            yield model.price(question.text)
        else:
            settings = question.model_dump(exclude={"model", "what", "text"})
            for piece in model.write(question.text, **settings):
                yield {"text": piece}
    except TextgenError as error:
        place = {"at": error.place} if isinstance(error, RefusedText) else {}
        yield {"error": str(error), **place}


def listen(port: int = 0) -> socket.socket:
    """A socket of this machine alone, on which connections wait until :func:`play` answers.

    Args:
        port: 0 for any that is free.

    Raises:
        TextgenError: Starlette or uvicorn is missing, or the port is taken.
    """
    if not find_spec("starlette") or not find_spec("uvicorn"):
        hint = 'pip install ".[play]" in the clone, or pip install starlette uvicorn'
        raise TextgenError("The page needs Starlette and uvicorn.", hint)
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        # what Python adds, and os.strerror knows no error of a socket on Windows
        cause, _, _ = str(getattr(error, "strerror", error)).partition(" (while attempting")
        raise TextgenError(f"--port {port}: {cause}", "leave --port out") from None


def play(runs: Sequence[Path], port: int, part: PartName) -> None:
    """``textgen play``."""
    listening = listen(port)
    print("loading the models …", flush=True)
    import uvicorn

    token = secrets.token_urlsafe(16)
    page = application(open_models(runs, part), part, token)
    config = uvicorn.Config(
        page, log_level="error", timeout_graceful_shutdown=1, lifespan="off", server_header=False
    )
    address = f"http://{HOST}:{listening.getsockname()[1]}/{token}/"
    with listening, suppress(KeyboardInterrupt):  # uvicorn has closed everything by then
        print(f"\n{address}\nPress Ctrl-C to stop the server", flush=True)
        uvicorn.Server(config).run(sockets=[listening])
