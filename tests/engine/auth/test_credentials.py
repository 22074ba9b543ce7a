"""Whom a running engine takes a credential for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from engine import ids
from engine.actor.outcome import Origin
from engine.auth import tokens
from engine.auth.scopes import ENVIRONMENT_SCOPES, WORKSPACE_SCOPES
from engine.auth.service import EphemeralGrant, EphemeralReceipt
from engine.engine import Engine
from engine.errors import (
    ActorStoppedError,
    ForbiddenError,
    IdempotencyMismatchError,
    ScopeError,
    UnauthenticatedError,
)
from engine.limits import TOKEN_CHARACTERS_MAX
from engine.principal import Principal
from persistence.memory import MemoryStores

MASTER_KEY = bytes(range(32))
GRANT = EphemeralGrant("acct_123", ("conversation:read",), 600, None)
SECRET = bytes(32)


@asynccontextmanager
async def serving(stores: MemoryStores) -> AsyncIterator[Engine]:
    engine = Engine(stores, master_key=MASTER_KEY)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine
        nursery.cancel_scope.cancel()


async def secret(engine: Engine, environment: str = "live") -> str:
    """Make a workspace and a key in it."""
    return await engine.create_key(await engine.create_workspace(), environment, name="k")


async def ephemeral(
    engine: Engine, parent: str, grant: EphemeralGrant = GRANT, key: bytes | None = None
) -> EphemeralReceipt:
    principal = await engine.authenticate(parent)
    environment = await engine.environment(principal.workspace, principal.environment)
    origin = Origin(principal.subject, key, b"body" if key else None)
    return await environment.ephemeral_keys.create(principal, grant, origin=origin, secret=SECRET)


async def refused(engine: Engine, text: str) -> str:
    with pytest.raises(UnauthenticatedError) as error:
        await engine.authenticate(text)
    return error.value.detail


async def test_a_secret_key_stands_for_its_workspace_and_environment() -> None:
    async with serving(MemoryStores()) as engine:
        workspace = await engine.create_workspace()
        for environment in ("live", "test", "workspace"):
            text = await engine.create_key(workspace, environment, name="k")
            who = await engine.authenticate(text)
            assert (who.workspace, who.environment, who.staff) == (workspace, environment, True)
            wanted = WORKSPACE_SCOPES if environment == "workspace" else ENVIRONMENT_SCOPES
            assert who.scopes == wanted
            assert who.subject == who.key_id
            assert ids.uuid_of(ids.KEY, who.key_id) is not None


async def test_keys_are_known_after_a_restart() -> None:
    stores = MemoryStores()
    async with serving(stores) as engine:
        keys = [await secret(engine) for _ in range(3)]
        before = [await engine.authenticate(key) for key in keys]
        made = (await ephemeral(engine, keys[0])).ephemeral_key
        short = await engine.authenticate(made)
        workspaces = await engine.workspaces()
    async with serving(stores) as engine:
        assert [await engine.authenticate(key) for key in keys] == before
        assert await engine.authenticate(made) == short
        assert await engine.workspaces() == workspaces


async def test_the_same_entropy_makes_the_same_key_once() -> None:
    async with serving(MemoryStores()) as engine:
        workspace = await engine.create_workspace()
        made = [
            await engine.create_key(workspace, "live", name="k", entropy=b"e" * 32)
            for _ in range(2)
        ]
        assert made[0] == made[1]
        home = await engine.environment(workspace, "workspace")
        assert len(await home.log.read_feed(after=0)) == 1


async def test_a_key_is_no_key_of_another_workspace() -> None:
    async with serving(MemoryStores()) as engine:
        one, other = await secret(engine), await secret(engine)
        of_one, of_other = await engine.authenticate(one), await engine.authenticate(other)
        assert of_one.workspace != of_other.workspace
        assert of_one.key_id != of_other.key_id


async def test_what_is_not_known_is_refused_in_the_same_words() -> None:
    async with serving(MemoryStores()) as engine:
        known = await secret(engine)
        forged = tokens.secret_key("live", b"x" * 32)
        typo = known[:-1] + ("a" if known[-1] != "a" else "b")
        texts = ["", "x", forged, typo, "ek_live_" + "A" * 60, "k" * (TOKEN_CHARACTERS_MAX + 1)]
        assert len({await refused(engine, text) for text in texts}) == 1


async def test_an_ephemeral_key_is_a_customers_with_the_scopes_it_was_given() -> None:
    async with serving(MemoryStores()) as engine:
        parent = await secret(engine)
        receipt = await ephemeral(engine, parent, replace(GRANT, conversations=("conv_1",)))
        who = await engine.authenticate(receipt.ephemeral_key)
        assert (who.staff, who.subject, who.account) == (False, "acct_123", "acct_123")
        assert who.scopes == {"conversation:read"}
        assert who.conversations == frozenset({"conv_1"})
        assert who.expires_s == receipt.expires_s
        assert who.key_id == (await engine.authenticate(parent)).key_id


def forged(text: str, **changes: object) -> str:
    """Return an ephemeral key with other claims under the signature of ``text``."""
    parts = tokens.ephemeral_parts(text)
    assert parts is not None
    environment, claims, _ = parts
    members = {name: getattr(claims, name) for name in claims.__struct_fields__}
    other = tokens.EphemeralClaims(**{**members, **changes})
    return tokens.ephemeral_key(environment, other, key=bytes(32))


async def test_a_forged_ephemeral_key_is_refused() -> None:
    async with serving(MemoryStores()) as engine:
        text = (await ephemeral(engine, await secret(engine))).ephemeral_key
        assert (await engine.authenticate(text)).subject == "acct_123"
        await refused(engine, forged(text))
        await refused(engine, forged(text, subject="acct_999"))
        await refused(engine, forged(text, parent="key_nobody"))
        for at in range(len("ek_live_"), len(text) - 1):
            changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
            await refused(engine, changed)


async def test_an_ephemeral_key_is_none_in_another_environment_or_workspace() -> None:
    async with serving(MemoryStores()) as engine:
        live = await secret(engine)
        workspace = (await engine.authenticate(live)).workspace
        test = await engine.create_key(workspace, "test", name="k")
        elsewhere = await engine.authenticate(await secret(engine))
        text = (await ephemeral(engine, live)).ephemeral_key
        of_test = (await ephemeral(engine, test)).ephemeral_key
        await refused(engine, text.replace("ek_live_", "ek_test_"))
        await refused(engine, of_test.replace("ek_test_", "ek_live_"))
        await refused(engine, forged(text, workspace=elsewhere.workspace))
        await refused(engine, forged(text, workspace=elsewhere.workspace, parent=elsewhere.key_id))


async def test_an_ephemeral_key_ends_to_the_millisecond() -> None:
    async with serving(MemoryStores()) as engine:
        parent = await secret(engine)
        receipt = await ephemeral(engine, parent)
        workspace = (await engine.authenticate(parent)).workspace
        live = await engine.environment(workspace, "live")
        live.clock.advance_to(receipt.expires_s * 1000 - 1)
        assert (await engine.authenticate(receipt.ephemeral_key)).subject == "acct_123"
        live.clock.advance_to(receipt.expires_s * 1000)
        assert "expired" in await refused(engine, receipt.ephemeral_key)


async def test_an_ephemeral_key_makes_no_other_and_widens_nothing() -> None:
    async with serving(MemoryStores()) as engine:
        parent = await secret(engine)
        text = (await ephemeral(engine, parent)).ephemeral_key
        with pytest.raises(ForbiddenError):
            await ephemeral(engine, text)
        for scope in ("admin:read", "auth:write", "no:such"):
            with pytest.raises(ScopeError):
                await ephemeral(engine, parent, replace(GRANT, scopes=(scope,)))


async def test_a_repeated_request_gets_the_same_ephemeral_key() -> None:
    stores = MemoryStores()
    async with serving(stores) as engine:
        parent = await secret(engine)
        first = await ephemeral(engine, parent, key=b"k" * 16)
        other = await ephemeral(engine, parent, key=b"o" * 16)
    async with serving(stores) as engine:
        again = await ephemeral(engine, parent, key=b"k" * 16)
        assert (again.ephemeral_key, again.expires_s) == (first.ephemeral_key, first.expires_s)
        assert (first.replayed, again.replayed) == (False, True)
        assert other.ephemeral_key != first.ephemeral_key


async def test_a_kept_receipt_opens_with_the_same_secret_and_body_only() -> None:
    async with serving(MemoryStores()) as engine:
        parent = await secret(engine)
        who: Principal = await engine.authenticate(parent)
        live = await engine.environment(who.workspace, "live")
        key = b"k" * 16
        await ephemeral(engine, parent, key=key)
        for fingerprint, presented in ((b"other", SECRET), (b"body", bytes(31) + b"\1")):
            with pytest.raises(IdempotencyMismatchError):
                await live.ephemeral_keys.create(
                    who, GRANT, origin=Origin(who.subject, key, fingerprint), secret=presented
                )


async def test_the_disk_does_not_hold_the_keys_it_knows() -> None:
    stores = MemoryStores()
    async with serving(stores) as engine:
        text = await secret(engine)
        who = await engine.authenticate(text)
        home = await engine.environment(who.workspace, "workspace")
        (event,) = await home.log.read_feed(after=0)
        assert text.encode() not in event.data
        assert text[8:40].encode() not in event.data
        assert event.payload.sha256 == tokens.hashed(text)


async def test_an_engine_that_has_ended_opens_nothing() -> None:
    stores = MemoryStores()
    async with serving(stores) as engine:
        workspace = await engine.create_workspace()
        assert await engine.ready()
    assert not await engine.ready()
    with pytest.raises(ActorStoppedError):
        await engine.environment(workspace, "test")
