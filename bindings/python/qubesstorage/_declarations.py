# SPDX-License-Identifier: LGPL-2.1-or-later
"""The functions of include/qubes/storage.h, as ctypes wants them. A test compares each with the
header, so this is a table to be read beside it and nothing else."""
import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64
from ctypes import c_void_p
from typing import Any, Dict, Tuple

# ---- Handles: a class for each, so that ctypes refuses one in the place of another ----


class Error(c_void_p):
    """qubes_storage_error"""


class PoolConfig(c_void_p):
    """qubes_storage_pool_config"""


class Pool(c_void_p):
    """qubes_storage_pool"""


class PoolInfo(c_void_p):
    """qubes_storage_pool_info"""


class Volumes(c_void_p):
    """qubes_storage_volumes"""


class Report(c_void_p):
    """qubes_storage_report"""


class VolumeConfig(c_void_p):
    """qubes_storage_volume_config"""


class Volume(c_void_p):
    """qubes_storage_volume"""


class VolumeInfo(c_void_p):
    """qubes_storage_volume_info"""


class Revisions(c_void_p):
    """qubes_storage_revisions"""


class Job(c_void_p):
    """qubes_storage_job"""


# ---- Callbacks ----

Progress = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint64, c_uint64)
Log = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)

# ---- Functions, without the prefix: what they return, and their arguments ----

_ERR = POINTER(Error)
_JOB = POINTER(Job)
_STRINGS = POINTER(c_char_p)

FUNCTIONS: Dict[str, Tuple[Any, ...]] = {
    "version": (c_char_p,),
    "code_name": (c_char_p, c_int32),
    "error_code": (c_int32, Error),
    "error_errno": (c_int32, Error),
    "error_step": (c_char_p, Error),
    "error_path": (c_char_p, Error),
    "error_message": (c_char_p, Error),
    # Pools
    "pool_config_new": (c_int32, c_char_p, POINTER(PoolConfig), _ERR),
    "pool_config_set_name": (c_int32, PoolConfig, c_char_p, _ERR),
    "pool_config_set_kind": (c_int32, PoolConfig, c_int32, _ERR),
    "pool_config_set_revisions_to_keep": (c_int32, PoolConfig, c_int32, _ERR),
    "pool_config_set_setup_check": (c_int32, PoolConfig, c_int32, _ERR),
    "pool_config_set_precache": (c_int32, PoolConfig, c_int32, _ERR),
    "pool_config_set_log": (c_int32, PoolConfig, Log, c_void_p, _ERR),
    "pool_config_add_prefix": (c_int32, PoolConfig, c_char_p, _ERR),
    "pool_open": (c_int32, PoolConfig, POINTER(Pool), _ERR),
    "pool_setup": (c_int32, Pool, _ERR),
    "pool_setup_async": (c_int32, Pool, _JOB, _ERR),
    "pool_get_info": (c_int32, Pool, POINTER(PoolInfo), _ERR),
    "pool_get_info_async": (c_int32, Pool, _JOB, _ERR),
    "pool_list": (c_int32, Pool, POINTER(Volumes), _ERR),
    "pool_list_async": (c_int32, Pool, _JOB, _ERR),
    "pool_recover": (c_int32, Pool, POINTER(Report), _ERR),
    "pool_recover_async": (c_int32, Pool, _JOB, _ERR),
    "pool_drain": (c_int32, Pool, _ERR),
    "pool_drain_async": (c_int32, Pool, _JOB, _ERR),
    "pool_included_in": (c_int32, Pool, _STRINGS, c_size_t, POINTER(c_int64), _ERR),
    "pool_included_in_async": (c_int32, Pool, _STRINGS, c_size_t, _JOB, _ERR),
    "pool_volume": (c_int32, Pool, c_char_p, VolumeConfig, POINTER(Volume), _ERR),
    "pool_info_name": (c_char_p, PoolInfo),
    "pool_info_dir_path": (c_char_p, PoolInfo),
    "pool_info_kind": (c_int32, PoolInfo),
    "pool_info_revisions_to_keep": (c_int32, PoolInfo),
    "pool_info_is_online": (c_int32, PoolInfo),
    "pool_info_size_bytes": (c_uint64, PoolInfo),
    "pool_info_usage_bytes": (c_uint64, PoolInfo),
    "pool_info_filesystem_type": (c_char_p, PoolInfo),
    "pool_info_mount_point": (c_char_p, PoolInfo),
    "pool_info_device": (c_char_p, PoolInfo),
    "pool_info_device_uuid": (c_char_p, PoolInfo),
    "pool_info_logical_sector_bytes": (c_uint32, PoolInfo),
    "pool_info_physical_sector_bytes": (c_uint32, PoolInfo),
    "pool_info_reflink_works": (c_int32, PoolInfo),
    "pool_info_background_waiting": (c_uint64, PoolInfo),
    "pool_info_background_running": (c_uint64, PoolInfo),
    "volumes_count": (c_size_t, Volumes),
    "volumes_vid": (c_char_p, Volumes, c_size_t),
    "report_count": (c_size_t, Report),
    "report_vid": (c_char_p, Report, c_size_t),
    "report_finding": (c_char_p, Report, c_size_t),
    "report_action": (c_char_p, Report, c_size_t),
    # Volumes
    "volume_config_new": (c_int32, POINTER(VolumeConfig), _ERR),
    "volume_config_set_size": (c_int32, VolumeConfig, c_uint64, _ERR),
    "volume_config_set_rw": (c_int32, VolumeConfig, c_int32, _ERR),
    "volume_config_set_save_on_stop": (c_int32, VolumeConfig, c_int32, _ERR),
    "volume_config_set_snap_on_start": (c_int32, VolumeConfig, c_int32, _ERR),
    "volume_config_set_source": (c_int32, VolumeConfig, c_char_p, _ERR),
    "volume_config_set_revisions_to_keep": (c_int32, VolumeConfig, c_int32, _ERR),
    "volume_config_set_ephemeral": (c_int32, VolumeConfig, c_int32, _ERR),
    "volume_vid": (c_char_p, Volume),
    "volume_path": (c_char_p, Volume),
    "volume_import_path": (c_char_p, Volume),
    "volume_create": (c_int32, Volume, c_uint32, _ERR),
    "volume_create_async": (c_int32, Volume, c_uint32, _JOB, _ERR),
    "volume_verify": (c_int32, Volume, _ERR),
    "volume_verify_async": (c_int32, Volume, _JOB, _ERR),
    "volume_remove": (c_int32, Volume, c_uint32, _ERR),
    "volume_remove_async": (c_int32, Volume, c_uint32, _JOB, _ERR),
    "volume_start": (c_int32, Volume, c_uint32, _ERR),
    "volume_start_async": (c_int32, Volume, c_uint32, _JOB, _ERR),
    "volume_stop": (c_int32, Volume, c_uint32, _ERR),
    "volume_stop_async": (c_int32, Volume, c_uint32, _JOB, _ERR),
    "volume_discard": (c_int32, Volume, c_uint32, _ERR),
    "volume_discard_async": (c_int32, Volume, c_uint32, _JOB, _ERR),
    "volume_revert": (c_int32, Volume, c_uint64, c_uint32, _ERR),
    "volume_revert_async": (c_int32, Volume, c_uint64, c_uint32, _JOB, _ERR),
    "volume_resize": (c_int32, Volume, c_uint64, c_uint32, _ERR),
    "volume_resize_async": (c_int32, Volume, c_uint64, c_uint32, _JOB, _ERR),
    "volume_import_begin": (c_int32, Volume, c_uint64, c_uint32, _ERR),
    "volume_import_begin_async": (c_int32, Volume, c_uint64, c_uint32, _JOB, _ERR),
    "volume_import_end": (c_int32, Volume, c_int32, c_uint32, _ERR),
    "volume_import_end_async": (c_int32, Volume, c_int32, c_uint32, _JOB, _ERR),
    "volume_import_volume": (c_int32, Volume, Volume, Progress, c_void_p, c_uint32, _ERR),
    "volume_import_volume_async": (c_int32, Volume, Volume, c_uint32, _JOB, _ERR),
    "volume_import_fd": (c_int32, Volume, c_int, c_uint64, Progress, c_void_p, c_uint32, _ERR),
    "volume_import_fd_async": (c_int32, Volume, c_int, c_uint64, c_uint32, _JOB, _ERR),
    "volume_export_fd": (c_int32, Volume, c_uint32, POINTER(c_int), _ERR),
    "volume_export_fd_async": (c_int32, Volume, c_uint32, _JOB, _ERR),
    "volume_export_to": (c_int32, Volume, c_int, Progress, c_void_p, c_uint32, _ERR),
    "volume_export_to_async": (c_int32, Volume, c_int, c_uint32, _JOB, _ERR),
    "volume_prune": (c_int32, Volume, c_int32, c_uint32, _ERR),
    "volume_prune_async": (c_int32, Volume, c_int32, c_uint32, _JOB, _ERR),
    "volume_get_info": (c_int32, Volume, POINTER(VolumeInfo), _ERR),
    "volume_get_info_async": (c_int32, Volume, _JOB, _ERR),
    "volume_get_revisions": (c_int32, Volume, POINTER(Revisions), _ERR),
    "volume_get_revisions_async": (c_int32, Volume, _JOB, _ERR),
    "volume_set_rw": (c_int32, Volume, c_int32, _ERR),
    "volume_set_revisions_to_keep": (c_int32, Volume, c_int32, _ERR),
    "volume_set_revisions_to_keep_async": (c_int32, Volume, c_int32, _JOB, _ERR),
    "volume_info_vid": (c_char_p, VolumeInfo),
    "volume_info_path": (c_char_p, VolumeInfo),
    "volume_info_size_bytes": (c_uint64, VolumeInfo),
    "volume_info_usage_bytes": (c_uint64, VolumeInfo),
    "volume_info_nominal_size_bytes": (c_uint64, VolumeInfo),
    "volume_info_rw": (c_int32, VolumeInfo),
    "volume_info_save_on_stop": (c_int32, VolumeInfo),
    "volume_info_snap_on_start": (c_int32, VolumeInfo),
    "volume_info_revisions_to_keep": (c_int32, VolumeInfo),
    "volume_info_ephemeral": (c_int32, VolumeInfo),
    "volume_info_source": (c_char_p, VolumeInfo),
    "volume_info_is_started": (c_int32, VolumeInfo),
    "volume_info_is_dirty": (c_int32, VolumeInfo),
    "volume_info_is_outdated": (c_int32, VolumeInfo),
    "revisions_count": (c_size_t, Revisions),
    "revisions_number": (c_uint64, Revisions, c_size_t),
    "revisions_created_ns": (c_int64, Revisions, c_size_t),
    "revisions_size_bytes": (c_uint64, Revisions, c_size_t),
    # Jobs
    "job_fd": (c_int, Job),
    "job_wait": (c_int32, Job, c_int32, _ERR),
    "job_progress": (c_int32, Job, POINTER(c_uint64), POINTER(c_uint64), _ERR),
    "job_cancel": (c_int32, Job, _ERR),
    "job_result": (c_int32, Job, _ERR),
    "job_get_pool_info": (c_int32, Job, POINTER(PoolInfo), _ERR),
    "job_get_volumes": (c_int32, Job, POINTER(Volumes), _ERR),
    "job_get_report": (c_int32, Job, POINTER(Report), _ERR),
    "job_get_index": (c_int32, Job, POINTER(c_int64), _ERR),
    "job_get_volume_info": (c_int32, Job, POINTER(VolumeInfo), _ERR),
    "job_get_revisions": (c_int32, Job, POINTER(Revisions), _ERR),
    "job_get_fd": (c_int32, Job, POINTER(c_int), _ERR),
    "job_get_reflinked": (c_int32, Job, POINTER(c_int32), _ERR),
    "job_get_supported": (c_int32, Job, POINTER(c_int32), _ERR),
    # Building blocks
    "file_clone": (c_int32, c_char_p, c_char_p, c_uint64, c_uint32, POINTER(c_int32), _ERR),
    "file_clone_async": (c_int32, c_char_p, c_char_p, c_uint64, c_uint32, _JOB, _ERR),
    "file_create_sparse": (c_int32, c_char_p, c_uint64, _ERR),
    "file_create_sparse_async": (c_int32, c_char_p, c_uint64, _JOB, _ERR),
    "file_resize": (c_int32, c_char_p, c_uint64, _ERR),
    "file_resize_async": (c_int32, c_char_p, c_uint64, _JOB, _ERR),
    "loop_refresh": (c_int32, c_char_p, _ERR),
    "loop_refresh_async": (c_int32, c_char_p, _JOB, _ERR),
    "reflink_supported": (c_int32, c_char_p, c_char_p, POINTER(c_int32), _ERR),
    "reflink_supported_async": (c_int32, c_char_p, c_char_p, _JOB, _ERR),
}

# What counts references is the same for all handles.
HANDLES: Dict[str, Any] = {
    "error": Error, "pool_config": PoolConfig, "pool": Pool, "pool_info": PoolInfo,
    "volumes": Volumes, "report": Report, "volume_config": VolumeConfig, "volume": Volume,
    "volume_info": VolumeInfo, "revisions": Revisions, "job": Job,
}
for _name, _handle in HANDLES.items():
    FUNCTIONS[_name + "_ref"] = (_handle, _handle)
    FUNCTIONS[_name + "_unref"] = (None, _handle)
