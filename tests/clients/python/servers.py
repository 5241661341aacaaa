"""The servers that the client is run against: what it calls there, and what needs another consent."""

import os
from typing import Any

from mcp import Client


def expect(truth: object, message: str) -> None:
    if not truth:
        raise AssertionError(message)


async def call(client: Client, name: str, arguments: dict[str, Any]) -> Any:
    answer = await client.call_tool(name, arguments)
    expect(not answer.is_error, f"{name} answered {answer}")
    return answer


def text(answer: Any) -> str:
    return answer.content[0].text


class Notes:
    """examples/quickstart: it is the authorization server too."""

    more = "delete_note"
    is_issuer = True

    def tools(self, wide: bool) -> list[str]:
        return ["add_note", "delete_note", "list_notes"]

    async def first(self, client: Client, note: str) -> int:
        return ((await call(client, "add_note", {"text": note})).structured_content or {})["id"]

    async def again(self, client: Client, made: int) -> None:
        expect(made in await self._listed(client), "the note is not there")

    async def call(self, client: Client, made: int) -> None:
        await call(client, "delete_note", {"id": made})
        expect(made not in await self._listed(client), "the note is still there")

    async def _listed(self, client: Client) -> list[int]:
        answer = await call(client, "list_notes", {})
        return [item["id"] for item in (answer.structured_content or {})["notes"]]


class Calculator:
    """examples/separate-servers: the tool finds out from its arguments that it needs more."""

    more = "a big number"
    is_issuer = False

    def tools(self, wide: bool) -> list[str]:
        return ["add"]

    async def first(self, client: Client, note: str) -> int:
        expect(text(await call(client, "add", {"a": 41, "b": 1})) == "42", "it cannot add")
        return 0

    async def again(self, client: Client, made: int) -> None:
        await self.first(client, "")

    async def call(self, client: Client, made: int) -> None:
        expect(text(await call(client, "add", {"a": 5_000_000, "b": 1})) == "5000001", "it cannot add big numbers")


class Tools:
    """examples/resource-only: lists show what their reader may use."""

    more = "restart"
    is_issuer = False

    def tools(self, wide: bool) -> list[str]:
        return ["count_words", "restart", "whoami"] if wide else ["count_words", "whoami"]

    async def first(self, client: Client, note: str) -> int:
        expect(text(await call(client, "count_words", {"text": "a b c"})) == "3", "it cannot count")
        expect(len((await client.list_resources()).resources) == 1, "no resource is listed")
        return 0

    async def again(self, client: Client, made: int) -> None:
        expect("mcp:tools" in text(await call(client, "whoami", {})), "who is it?")

    async def call(self, client: Client, made: int) -> None:
        await call(client, "restart", {})


SERVERS: dict[str, Notes | Calculator | Tools] = {"notes": Notes(), "calculator": Calculator(), "tools": Tools()}
server = SERVERS[os.environ.get("SERVER", "notes")]
