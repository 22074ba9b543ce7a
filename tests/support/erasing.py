"""Erasures asked for over the wire."""

from typing import Any

import httpx2

from tests.support.servers import Server

ERASURES = "/v1/admin/privacy/erasures"


async def ask_to_erase(
    server: Server, subject: str, *, key: str | None = None, **members: Any
) -> httpx2.Response:
    """Ask for an erasure in ``live`` with the admin key, or with ``key``."""
    body = {"environment": "live", "subject": subject, **members}
    async with server.client(key or server.tenant.admin) as client:
        return await client.post(ERASURES, json=body)


async def erased(server: Server, subject: str, **members: Any) -> dict[str, Any]:
    """Erase somebody; return the receipt."""
    answer = await ask_to_erase(server, subject, **members)
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt
