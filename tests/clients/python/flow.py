"""The official Python client, 2.x, against a running server.

Challenge, discovery, registration, sign-in, consent, tool call, refresh, tool call, step-up, and the same
after a restart, when the SDK knows nothing but what was stored: it then refreshes at `/token` of the MCP origin, whoever is there.
"""

import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from scripted_browser import ScriptedBrowser
from servers import expect, server

T = TypeVar("T")
CALLBACK = "http://localhost:33419/callback"
URL = os.environ.get("MCP_URL", "")
PASSPHRASE = os.environ.get("PASSPHRASE", "")


def say(line: str) -> None:
    print(f"        {line}", flush=True)


class Storage:
    """What a host keeps on disk."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Host:
    """A process of the host: its storage and its browser outlive it, its provider does not."""

    def __init__(self, storage: Storage, browser: ScriptedBrowser) -> None:
        self.storage = storage
        self.browser = browser
        self.seen: list[tuple[str, str, int, str]] = []
        self.callback = ""
        self.provider = OAuthClientProvider(
            URL,
            OAuthClientMetadata.model_validate(
                {"client_name": "python-sdk-2.x", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
            ),
            storage,
            self._redirect,
            self._answer,
        )

    async def _redirect(self, url: str) -> None:
        say(f"asks for {parse_qs(urlsplit(url).query).get('scope', ['its default scopes'])[0]}")
        self.callback = await anyio.to_thread.run_sync(self.browser.authorize, url, CALLBACK)

    async def _answer(self) -> AuthorizationCodeResult:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.callback).query).items()}
        if "error" in query:
            raise RuntimeError(f"the callback carries {query['error']}")
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    async def _note(self, response: httpx2.Response) -> None:
        request = response.request
        form = request.content.decode() if request.url.path == "/token" else ""
        self.seen.append((request.method, request.url.path, response.status_code, form))

    def client(self, mode: str) -> Client:
        transport = create_mcp_http_client(auth=Observed(self.provider, self._note))
        return Client(streamable_http_client(URL, http_client=transport), mode=mode)

    def saw(self, method: str, path: str, status: int, form: str = "") -> bool:
        return any(m == method and path in p and s == status and form in f for m, p, s, f in self.seen)

    def wire(self) -> str:
        return ", ".join(f"{method} {path} {status}" for method, path, status, _ in self.seen)


class Observed(httpx2.Auth):
    """The SDK's auth flow, with each of its answers noted: response hooks do not see those in between."""

    requires_response_body = True

    def __init__(self, inner: OAuthClientProvider, note: Callable[[httpx2.Response], Awaitable[None]]) -> None:
        self._inner = inner
        self._note = note

    async def async_auth_flow(self, request: httpx2.Request):  # type: ignore[no-untyped-def]
        flow = self._inner.async_auth_flow(request)
        try:
            outgoing = await anext(flow)
            while True:
                response = yield outgoing
                await self._note(response)
                try:
                    outgoing = await flow.asend(response)
                except StopAsyncIteration:
                    return
        finally:
            await flow.aclose()


class Steps:
    """What every driver prints: one line a step, and at the end how many held."""

    passed = 0

    async def step(self, title: str, work: Callable[[], Awaitable[T]]) -> T:
        started = time.monotonic()
        try:
            value = await work()
        except BaseException:
            print(f"  FAIL  {title}\n{traceback.format_exc()}\n{self.passed} passed, 1 failed", flush=True)
            os._exit(1)
        self.passed += 1
        print(f"  ok    {title} ({(time.monotonic() - started) * 1000:.0f} ms)", flush=True)
        return value


async def main() -> None:
    print(f"python mcp 2.x against {URL}", flush=True)
    steps, storage, browser = Steps(), Storage(), ScriptedBrowser(PASSPHRASE, say)
    host = Host(storage, browser)
    path = urlsplit(URL).path
    note = f"python was here ({os.getpid()})"

    async def sign_in() -> Client:
        client = await host.client("legacy").__aenter__()
        expect(host.saw("POST", path, 401), f"no 401: {host.wire()}")
        expect(host.saw("GET", "oauth-protected-resource", 200), f"no resource metadata: {host.wire()}")
        expect(host.saw("POST", "/register", 201), f"no registration: {host.wire()}")
        expect(host.saw("POST", "/token", 200, "authorization_code"), f"no code grant: {host.wire()}")
        assert storage.tokens is not None
        say(f"granted {storage.tokens.scope}, expires in {storage.tokens.expires_in} s")
        return client

    async def first(client: Client, wide: bool) -> int:
        tools = sorted(tool.name for tool in (await client.list_tools()).tools)
        expect(tools == server.tools(wide), f"tools {tools}")
        return await server.first(client, note)

    client = await steps.step("refused, discovered, registered, signed in, agreed to, connected", sign_in)
    made = await steps.step("2025-11-25: a tool call", lambda: first(client, False))

    async def refresh() -> None:
        host.seen.clear()
        before = storage.tokens
        assert before is not None
        host.provider.context.token_expiry_time = time.time() - 1
        await server.again(client, made)
        expect(host.saw("POST", "/token", 200, "refresh_token"), f"no refresh: {host.wire()}")
        assert storage.tokens is not None
        expect(storage.tokens.access_token != before.access_token, "the access token is the old one")
        expect(storage.tokens.refresh_token != before.refresh_token, "the refresh token was not rotated")

    await steps.step("an expired access token is refreshed and the call goes through", refresh)

    async def step_up() -> None:
        host.seen.clear()
        await server.call(client, made)
        expect(host.saw("POST", path, 403), f"no 403: {host.wire()}")
        expect(host.saw("POST", "/token", 200, "authorization_code"), f"no second consent: {host.wire()}")
        assert storage.tokens is not None
        say(f"granted {storage.tokens.scope}")

    await steps.step(f"{server.more} makes the user agree to more, then goes through", step_up)
    await steps.step("closes", lambda: client.__aexit__(None, None, None))

    for mode in ("legacy", "2026-07-28"):
        again = Host(storage, browser)
        again.provider.context.token_expiry_time = time.time() - 1

        async def restart(again: Host = again, mode: str = mode) -> None:
            async with again.client(mode) as client:
                # It asks the MCP server's own origin for a refresh, and where that is no issuer it begins anew, with the scopes of a beginning.
                made = await first(client, server.is_issuer)
                await server.again(client, made)
                if server.is_issuer:
                    expect(again.saw("POST", "/token", 200, "refresh_token"), f"no refresh: {again.wire()}")
                    expect(not again.saw("GET", "well-known", 200), f"it asked for metadata: {again.wire()}")
                    named = any("resource=" in form for *_, form in again.seen)
                    # Before the handshake it knows no protocol revision, so it leaves `resource` out.
                    expect(named == (mode != "legacy"), f"resource sent: {named}")
                else:
                    say(again.wire())
                    expect(again.saw("POST", "/token", 200), f"no token: {again.wire()}")
                await server.call(client, made)

        how = "refreshes at ORIGIN/token without metadata" if server.is_issuer else "finds the issuer again"
        await steps.step(f"after a restart, {mode}: {how}", restart)
    print(f"{steps.passed} passed, 0 failed", flush=True)


if __name__ == "__main__":
    if not URL or not PASSPHRASE:
        sys.exit("MCP_URL and PASSPHRASE must be set")
    anyio.run(main)
