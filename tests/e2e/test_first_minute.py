from tests.support.servers import Server


async def test_a_message_is_answered_with_its_place(server: Server) -> None:
    async with server.client(server.tenant.live) as client:
        answer = await client.post(
            "/v1/conversations/conv_123/messages",
            json={
                "author": {"type": "user", "id": "usr_45"},
                "type": "text",
                "text": "Hello — I need help with my order",
                "idempotency_key": "msg-client-987",
            },
        )
    assert answer.status_code == 201
    message = answer.json()
    assert message["version"] == 2
    assert message["author"] == {"type": "user", "id": "usr_45"}
    assert message["conversation_external_id"] == "conv_123"
    assert answer.headers["ETag"] == f'"{message["epoch"]}.2"'
