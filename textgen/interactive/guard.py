"""What keeps strangers from a page that is meant for this machine."""

from __future__ import annotations

from typing import Any

HOST = "127.0.0.1"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
}  # fmt: skip


class Guard:
    """Refuses what does not come from this machine's own page: another host's name (which a
    foreign name that leads here would have) and another origin. Every answer carries
    :data:`HEADERS`."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        if scope["type"] == "http":
            headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
            host = headers.get("host", "")
            name = host.rpartition(":")[0] or host
            origin = headers.get("origin", f"http://{host}")
            site = headers.get("sec-fetch-site", "same-origin")
            if (
                name not in (HOST, "localhost")
                or origin != f"http://{host}"
                or site not in ("same-origin", "none")
            ):
                refused = PlainTextResponse("only this machine's own page is answered", 403)
                await refused(scope, receive, guarded)
                return
        await self._app(scope, receive, guarded)
