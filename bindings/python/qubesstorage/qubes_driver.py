# SPDX-License-Identifier: LGPL-2.1-or-later
"""A storage driver for the Qubes daemon: what its `file-reflink` does, on the same directories, by
libqubesstorage. README.md says where it differs, and why."""
import contextlib
import errno
import os
from typing import Any, Dict, List, Optional, Union

import qubes.storage

from . import Pool
from ._driver_errors import DriverError, driver_error, translated
from ._driver_volume import ReflinkVolume
from .errors import Code, NotSupportedError, StorageError

__all__ = ["DRIVER", "DriverError", "ReflinkPool", "ReflinkVolume"]

DRIVER = "file-reflink-native"


def _boolean(value: Union[bool, str], name: str) -> bool:
    """The Admin API has strings."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("1", "yes", "true", "on"):
        return True
    if word in ("0", "no", "false", "off", ""):
        return False
    raise DriverError(Code.INVALID, f"cannot read the option '{name}': '{value}' is neither yes "
                      "nor no", errno=errno.EINVAL, step="read option", path=name)


class ReflinkPool(qubes.storage.Pool):
    """The keys of `file-reflink`, and two that choose its behaviour where that loses nothing."""

    driver = DRIVER
    _known_dir_path_prefixes = ["appvms", "vm-templates"]

    def __init__(self, *, name: str, revisions_to_keep: int = 1, dir_path: str,
                 setup_check: Union[bool, str] = True, ephemeral_volatile: Any = False,
                 allow_shrink: Union[bool, str] = False,
                 commit_before_import: Union[bool, str] = False) -> None:
        super().__init__(name=name, revisions_to_keep=revisions_to_keep,
                         ephemeral_volatile=ephemeral_volatile)
        self.dir_path = os.path.abspath(dir_path)
        self.allow_shrink = _boolean(allow_shrink, "allow_shrink")
        self.commit_before_import = _boolean(commit_before_import, "commit_before_import")
        self._volumes: Dict[str, "ReflinkVolume"] = {}
        with translated():
            # What each volume keeps it says itself.
            self.native = Pool(self.dir_path, name=name,
                               setup_check=_boolean(setup_check, "setup_check"))

    async def setup(self) -> "ReflinkPool":
        """Makes the directories."""
        try:
            await self.native.setup_async()
        except NotSupportedError as error:
            raise driver_error(error, ". If you can live with VM startup delays and wasted disk "
                                "space, pass the \"setup_check=False\" option") from error
        except StorageError as error:
            raise driver_error(error) from error
        return self

    async def destroy(self) -> None:
        """The files stay."""
        await self.native.close_async()

    def init_volume(self, vm: Any, volume_config: Dict[str, Any]) -> "ReflinkVolume":
        """A volume of the VM. The configuration is completed in place, as by the peer."""
        # The daemon's rules for udev name these two: disks elsewhere would be offered to VMs.
        assert vm.dir_path_prefix in self._known_dir_path_prefixes, \
            f"Unknown dir_path_prefix {vm.dir_path_prefix!r}"
        volume_config.setdefault("revisions_to_keep", self.revisions_to_keep)
        if "vid" not in volume_config:
            volume_config["vid"] = os.path.join(vm.dir_path_prefix, vm.name, volume_config["name"])
        volume_config["pool"] = self
        volume = ReflinkVolume(**volume_config)
        self._volumes[volume.vid] = volume
        return volume

    def list_volumes(self) -> List[qubes.storage.Volume]:
        """Those that the daemon knows."""
        return list(self._volumes.values())

    def get_volume(self, vid: str) -> qubes.storage.Volume:
        """KeyError if the daemon does not know it."""
        return self._volumes[vid]

    def forget(self, volume: "ReflinkVolume") -> None:
        """The volume has been removed."""
        self._volumes.pop(volume.vid, None)

    @property
    def config(self) -> Dict[str, Any]:
        """For qubes.xml; what has its default is left out, as it is not there for the peer."""
        result = {"name": self.name, "dir_path": self.dir_path, "driver": DRIVER,
                  "revisions_to_keep": self.revisions_to_keep,
                  "ephemeral_volatile": self.ephemeral_volatile}
        for option in ("allow_shrink", "commit_before_import"):
            if getattr(self, option):
                result[option] = True
        return result

    @property
    def usage_details(self) -> Dict[str, int]:
        """{} while the directory is absent. Asked often, and of every pool: so by one system call
        rather than by Pool.info, which also finds out what lies below."""
        with translated("ask filesystem"), contextlib.suppress(FileNotFoundError,
                                                               NotADirectoryError):
            stat = os.statvfs(self.dir_path)
            return {"data_size": stat.f_frsize * stat.f_blocks,
                    "data_usage": stat.f_frsize * (stat.f_blocks - stat.f_bfree)}
        return {}

    @property
    def size(self) -> Optional[int]:
        """None while the directory is absent."""
        return self.usage_details.get("data_size")

    @property
    def usage(self) -> Optional[int]:
        """None while the directory is absent."""
        return self.usage_details.get("data_usage")

    def included_in(self, app: Any) -> Optional[qubes.storage.Pool]:
        """Which pool of the daemon contains this one, on best effort."""
        places: Dict[str, qubes.storage.Pool] = {}
        for pool in app.pools.values():
            if pool is self:
                continue
            if hasattr(pool, "dir_path"):
                places.setdefault(os.path.realpath(pool.dir_path), pool)
            elif hasattr(pool, "volume_group") and hasattr(pool, "thin_pool"):
                places.setdefault(f"{pool.volume_group}/{pool.thin_pool}", pool)
        with contextlib.suppress(StorageError):
            found = self.native.included_in(list(places))
            return None if found is None else places[found]
        return None
