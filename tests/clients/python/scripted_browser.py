"""A browser without a screen: keeps cookies, follows redirects by hand, fills the real HTML forms.

It stops where a real one would leave the authorization server: at the redirect to the client's callback.
"""

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS = 20


@dataclass
class Form:
    """A form, as far as a person would use it."""

    action: str
    method: str
    fields: list[dict[str, str]] = field(default_factory=list)
    buttons: list[dict[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """The forms and the visible text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self._open: Form | None = None
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(found.get("action", ""), found.get("method", "get").upper())
            self.forms.append(self._open)
        elif tag == "input" and self._open is not None and "disabled" not in found:
            target = self._open.buttons if found.get("type") == "submit" else self._open.fields
            target.append(found)
        elif tag == "button" and self._open is not None:
            self._open.buttons.append(found)
        elif tag in ("style", "script"):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag in ("style", "script"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if self._hidden == 0:
            self.text = f"{self.text} {data.strip()}".strip()


class ScriptedBrowser:
    """Signs in and agrees for a client, with one cookie jar for all its visits."""

    def __init__(self, passphrase: str, say: Callable[[str], None]) -> None:
        self._passphrase = passphrase
        self._say = say
        self._cookies: dict[str, dict[str, str]] = {}

    def authorize(self, url: str, callback: str, decision: str = "allow") -> str:
        """Opens `url`, signs in and agrees where asked; answers the callback URL."""
        method, body, site = "GET", None, "none"
        for _ in range(REDIRECTS):
            status, location, html = self._load(method, url, body, site)
            if 300 <= status < 400 and location:
                target = urljoin(url, location)
                if target.split("?")[0] == callback:
                    return target
                self._say(f"redirected to {urlsplit(target).path}")
                method, url, body, site = "GET", target, None, "same-origin"
                continue
            page = Page(html)
            if status != 200:
                raise RuntimeError(f"{method} {urlsplit(url).path} answered {status}: {page.text[:400]}")
            method, url, body = self._answer(page, url, decision)
            site = "same-origin"
        raise RuntimeError(f"no end after {REDIRECTS} pages")

    def _answer(self, page: Page, url: str, decision: str) -> tuple[str, str, str | None]:
        def asks_passphrase(form: Form) -> bool:
            return any(f.get("type") == "password" for f in form.fields)

        def asks_consent(form: Form) -> bool:
            return any(b.get("name") == "decision" and b.get("value") == decision for b in form.buttons)

        sign_in = next(filter(asks_passphrase, page.forms), None)
        form = sign_in or next(filter(asks_consent, page.forms), None)
        if form is None:
            raise RuntimeError(f"{urlsplit(url).path} shows no form to fill: {page.text[:400]}")
        data: list[tuple[str, str]] = []
        for item in form.fields:
            name, kind = item.get("name"), item.get("type", "text")
            if not name or (kind in ("checkbox", "radio") and "checked" not in item):
                continue
            data.append((name, self._passphrase if kind == "password" else item.get("value", "")))
        if sign_in is None:
            data.append(("decision", decision))
        path = urlsplit(url).path
        self._say(f"signing in at {path}" if sign_in else f"consent at {path}: {decision}")
        action = urljoin(url, form.action) if form.action else url
        if form.method == "GET":
            return "GET", f"{action.split('?')[0]}?{urlencode(data)}", None
        return "POST", action, urlencode(data)

    def _load(self, method: str, url: str, body: str | None, site: str) -> tuple[int, str | None, str]:
        parts = urlsplit(url)
        jar = self._cookies.setdefault(parts.netloc, {})
        headers = {
            "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": site,
            "User-Agent": "scripted-browser",
        }
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=20)
        try:
            connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie") or []:
                _keep(jar, cookie)
            return response.status, response.headers.get("Location"), response.read().decode()
        finally:
            connection.close()


def _keep(jar: dict[str, str], cookie: str) -> None:
    pair, *attributes = (part.strip() for part in cookie.split(";"))
    name, _, value = pair.partition("=")
    if any(a.lower() in ("max-age=0", "expires=thu, 01 jan 1970 00:00:00 gmt") for a in attributes):
        jar.pop(name, None)
    else:
        jar[name] = value
