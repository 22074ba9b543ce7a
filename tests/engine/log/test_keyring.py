"""Which keys stay open."""

from engine.log.keyring import Keyring
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
