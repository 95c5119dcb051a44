# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the library tells of pools and volumes: immutable, as it was when it was asked."""
import datetime
from dataclasses import dataclass
from typing import Any, List, Optional

from ._ffi import function, known, text


@dataclass(frozen=True)
class PoolInfo:
    """Of a pool. Numbers are None, and strings "", where they are not known."""

    name: str
    dir_path: str
    kind: str
    revisions_to_keep: int
    is_online: bool
    size: Optional[int]
    usage: Optional[int]
    filesystem_type: str
    mount_point: str
    device: str
    device_uuid: str
    logical_sector_bytes: Optional[int]
    physical_sector_bytes: Optional[int]
    reflink_works: bool
    background_waiting: int
    background_running: int


@dataclass(frozen=True)
class VolumeInfo:
    """Of a volume. `size` is that of the session's file, else of the committed state, else the
    nominal size; `usage` what is allocated to that file, None where there is none."""

    vid: str
    path: str
    size: Optional[int]
    usage: Optional[int]
    nominal_size: Optional[int]
    rw: bool
    save_on_stop: bool
    snap_on_start: bool
    revisions_to_keep: int
    ephemeral: bool
    source: Optional[str]
    is_started: bool
    is_dirty: bool
    is_outdated: bool


@dataclass(frozen=True)
class Revision:
    """An earlier committed state. Numbers give the order, `created` (when its content was last
    written, in UTC) does not."""

    number: int
    created: datetime.datetime
    size: Optional[int]

    @property
    def created_iso(self) -> str:
        """As in the name of its file: `2026-01-31T12:00:00Z`."""
        return self.created.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Finding:
    """What a recovery found of one volume, and what it did about it, in words for people."""

    vid: str
    finding: str
    action: str


KINDS = ("reflink", "kernels")  # by the number that the C API gives them


class _Getters:
    """The getters of one snapshot, by the name of the field."""

    def __init__(self, kind: str, raw: Any) -> None:
        self._kind, self._raw = kind, raw

    def get(self, field: str, *index: int) -> Any:
        """As the C API has it."""
        return function(f"{self._kind}_{field}")(self._raw, *index)

    def flag(self, field: str) -> bool:
        """A boolean."""
        return bool(self.get(field))

    def string(self, field: str, *index: int) -> str:
        """A string, "" for NULL."""
        return text(self.get(field, *index))

    def known(self, field: str, *index: int) -> Optional[int]:
        """A number of bytes, None where it is unknown."""
        return known(self.get(field, *index))


def read_pool_info(raw: Any) -> PoolInfo:
    """From the snapshot of the library."""
    of = _Getters("pool_info", raw)
    kind = of.get("kind")
    return PoolInfo(
        name=of.string("name"), dir_path=of.string("dir_path"),
        kind=KINDS[kind] if 0 <= kind < len(KINDS) else str(kind),
        revisions_to_keep=of.get("revisions_to_keep"), is_online=of.flag("is_online"),
        size=of.known("size_bytes"), usage=of.known("usage_bytes"),
        filesystem_type=of.string("filesystem_type"), mount_point=of.string("mount_point"),
        device=of.string("device"), device_uuid=of.string("device_uuid"),
        logical_sector_bytes=of.get("logical_sector_bytes") or None,
        physical_sector_bytes=of.get("physical_sector_bytes") or None,
        reflink_works=of.flag("reflink_works"), background_waiting=of.get("background_waiting"),
        background_running=of.get("background_running"))


def read_volume_info(raw: Any) -> VolumeInfo:
    """From the snapshot of the library."""
    of = _Getters("volume_info", raw)
    return VolumeInfo(
        vid=of.string("vid"), path=of.string("path"), size=of.known("size_bytes"),
        usage=of.known("usage_bytes"), nominal_size=of.known("nominal_size_bytes"),
        rw=of.flag("rw"), save_on_stop=of.flag("save_on_stop"),
        snap_on_start=of.flag("snap_on_start"), revisions_to_keep=of.get("revisions_to_keep"),
        ephemeral=of.flag("ephemeral"), source=of.string("source") or None,
        is_started=of.flag("is_started"), is_dirty=of.flag("is_dirty"),
        is_outdated=of.flag("is_outdated"))


def read_revisions(raw: Any) -> List[Revision]:
    """From the snapshot of the library, the lowest number first."""
    of = _Getters("revisions", raw)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return [
        Revision(number=of.get("number", i), size=of.known("size_bytes", i),
                 created=epoch + datetime.timedelta(microseconds=of.get("created_ns", i) // 1000))
        for i in range(of.get("count"))
    ]


def read_volumes(raw: Any) -> List[str]:
    """The vids, from the list of the library."""
    of = _Getters("volumes", raw)
    return [of.string("vid", i) for i in range(of.get("count"))]


def read_report(raw: Any) -> List[Finding]:
    """From the report of the library."""
    of = _Getters("report", raw)
    return [Finding(of.string("vid", i), of.string("finding", i), of.string("action", i))
            for i in range(of.get("count"))]
