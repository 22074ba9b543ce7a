"""Which keys stay open."""

import pytest
import trio

from engine.log.keyring import Keyring, SubjectKeyMissingError
from tests.support.disks import MemoryDisk, running


async def test_the_keys_used_last_stay_open() -> None:
    disk = MemoryDisk()
    await disk.stores.open()
    async with running(disk.stores) as store:
        keyring = Keyring(store.subject_keys, wrapping_key=bytes(32), remembered=3)
        await keyring.ensure(["a"])
        await keyring.ensure(["b"])
        await keyring.ensure(["c"])
        used = keyring.opened("a")
        await keyring.ensure(["d"])
        assert [name for name in "abcd" if keyring.opened(name)] == ["a", "c", "d"]
        assert await keyring.load(["b", "a"]) == {"b": keyring.opened("b"), "a": used}


async def test_a_key_that_was_given_up_opens_nothing_and_the_next_one_is_another() -> None:
    disk = MemoryDisk()
    await disk.stores.open()
    async with running(disk.stores) as store:
        keyring = Keyring(store.subject_keys, wrapping_key=bytes(32))
        await keyring.ensure(["a"])
        first = keyring.opened("a")
        keyring.give_up("a", "a")
        assert (keyring.opened("a"), keyring.is_destroyed("a")) == (None, True)
        assert await keyring.load(["a"]) == {"a": None}
        await keyring.destroy("a")
        assert (await keyring.has("a"), keyring.name_of("a")) == (False, "a#1")
        await keyring.ensure(["a"])
        assert keyring.opened("a") not in (None, first)
        assert await store.subject_keys.get("a") is None
        assert await store.subject_keys.get("a#1") is not None
        keyring.give_up("a", "a")
        assert keyring.name_of("a") == "a#1", "to give up twice is to give up once"


async def test_a_key_that_nobody_gave_up_is_missed() -> None:
    disk = MemoryDisk()
    await disk.stores.open()
    async with running(disk.stores) as store:
        keyring = Keyring(store.subject_keys, wrapping_key=bytes(32))
        with pytest.raises(SubjectKeyMissingError, match="a"):
            await keyring.load(["a"])


async def test_a_key_is_not_made_anew_while_it_is_destroyed() -> None:
    disk = MemoryDisk()
    await disk.stores.open()
    async with running(disk.stores) as store:
        for _ in range(20):
            keyring = Keyring(store.subject_keys, wrapping_key=bytes(32))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keyring.ensure, ["a"])
                await trio.lowlevel.checkpoint()
                keyring.give_up("a", "a")
                nursery.start_soon(keyring.destroy, "a")
            assert await store.subject_keys.get("a") is None
            assert await keyring.load(["a"]) == {"a": None}


async def test_a_copy_of_older_keys_brings_nobody_back() -> None:
    disk = MemoryDisk()
    await disk.stores.open()
    async with running(disk.stores) as store:
        await Keyring(store.subject_keys, wrapping_key=bytes(32)).ensure(["a", "b"])
        keyring = Keyring(store.subject_keys, wrapping_key=bytes(32))
        keyring.give_up("a", "a")
        await keyring.destroy_again()
        assert await store.subject_keys.get("a") is None
        assert await store.subject_keys.get("b") is not None
