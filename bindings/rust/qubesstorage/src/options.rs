// SPDX-License-Identifier: LGPL-2.1-or-later
//! How pools and volumes are to be opened.
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use qubesstorage_sys as sys;

use crate::callbacks::{Log, LogLevel};
use crate::error::Result;
use crate::handle::{c_string, check, output, Handle};
use crate::pool::Pool;

/// What is in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PoolKind {
    /// Image files, the pool that this library is about.
    Reflink,
    /// Read-only: `DIR/KERNEL/modules.img`, the vid is `KERNEL`.
    Kernels,
}

impl PoolKind {
    fn as_raw(self) -> i32 {
        match self {
            PoolKind::Reflink => sys::QUBES_STORAGE_POOL_REFLINK,
            PoolKind::Kernels => sys::QUBES_STORAGE_POOL_KERNELS,
        }
    }

    pub(crate) fn from_raw(kind: i32) -> PoolKind {
        match kind {
            sys::QUBES_STORAGE_POOL_KERNELS => PoolKind::Kernels,
            _ => PoolKind::Reflink,
        }
    }
}

/// How a pool is to be opened. Made by [`Pool::options`]; what is not set has the default of the
/// library.
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolOptions {
    dir_path: PathBuf,
    name: Option<OsString>,
    kind: Option<PoolKind>,
    revisions_to_keep: Option<i32>,
    setup_check: Option<bool>,
    precache: Option<bool>,
    prefixes: Vec<OsString>,
    log: Option<Log>,
}

impl PoolOptions {
    pub(crate) fn new(dir_path: &Path) -> PoolOptions {
        PoolOptions {
            dir_path: dir_path.to_owned(),
            name: None,
            kind: None,
            revisions_to_keep: None,
            setup_check: None,
            precache: None,
            prefixes: Vec::new(),
            log: None,
        }
    }

    /// A label of the caller's, which [`Pool::info`] gives back.
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// Default: [`PoolKind::Reflink`].
    pub fn kind(mut self, kind: PoolKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// What volumes get that do not say themselves. Default: 1.
    pub fn revisions_to_keep(mut self, count: i32) -> Self {
        self.revisions_to_keep = Some(count);
        self
    }

    /// Whether [`Pool::setup`] refuses a filesystem without reflinks. Default: yes.
    pub fn setup_check(mut self, setup_check: bool) -> Self {
        self.setup_check = Some(setup_check);
        self
    }

    /// Whether a clone of the committed state is made ahead, in the background, so that the next
    /// start is a rename. Default: yes.
    pub fn precache(mut self, precache: bool) -> Self {
        self.precache = Some(precache);
        self
    }

    /// Allows one more PREFIX in vids, beside `appvms` and `vm-templates`.
    pub fn prefix(mut self, prefix: impl AsRef<OsStr>) -> Self {
        self.prefixes.push(prefix.as_ref().to_owned());
        self
    }

    /// A listener for what happens in the background. It is called from any thread, also the
    /// library's own, and must not use the library. A closure that captures something lives for
    /// ever by `Box::leak`.
    pub fn log<F: Fn(LogLevel, &str) + Sync>(mut self, listener: &'static F) -> Self {
        self.log = Some(Log::new(listener));
        self
    }

    /// Opens the pool. The disk is not touched: see [`Pool::open`].
    pub fn open(&self) -> Result<Pool> {
        let config = self.config()?;
        // SAFETY: the configuration is live, and of this thread.
        let pool = output(|pool, reterr| unsafe {
            sys::qubes_storage_pool_open(config.raw(), pool, reterr)
        })?;
        Ok(Pool::from_handle(pool))
    }

    fn config(&self) -> Result<Handle<sys::qubes_storage_pool_config>> {
        let dir_path = c_string("dir_path", self.dir_path.as_os_str())?;
        let name = self.name.as_ref().map(|name| c_string("name", name)).transpose()?;
        let prefixes = self.prefixes.iter().map(|prefix| c_string("prefix", prefix));
        let prefixes = prefixes.collect::<Result<Vec<_>>>()?;
        // SAFETY: the string lives during the call.
        let config = output(|config, reterr| unsafe {
            sys::qubes_storage_pool_config_new(dir_path.as_ptr(), config, reterr)
        })?;
        let raw = config.raw();
        // SAFETY, for all of them: the configuration is live, and of this thread; strings live
        // during the call, and the listener for ever.
        unsafe {
            use sys::*;
            if let Some(name) = name {
                check(|e| qubes_storage_pool_config_set_name(raw, name.as_ptr(), e))?;
            }
            if let Some(kind) = self.kind {
                check(|e| qubes_storage_pool_config_set_kind(raw, kind.as_raw(), e))?;
            }
            if let Some(count) = self.revisions_to_keep {
                check(|e| qubes_storage_pool_config_set_revisions_to_keep(raw, count, e))?;
            }
            if let Some(on) = self.setup_check {
                check(|e| qubes_storage_pool_config_set_setup_check(raw, on.into(), e))?;
            }
            if let Some(on) = self.precache {
                check(|e| qubes_storage_pool_config_set_precache(raw, on.into(), e))?;
            }
            for prefix in &prefixes {
                check(|e| qubes_storage_pool_config_add_prefix(raw, prefix.as_ptr(), e))?;
            }
            if let Some(log) = self.log {
                check(|e| qubes_storage_pool_config_set_log(raw, log.function, log.opaque, e))?;
            }
        }
        Ok(config)
    }
}

/// How a volume is to be opened. What is not set has the default of the library: a volatile volume
/// of size 0 that is read-only and keeps as many revisions as its pool says.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct VolumeOptions {
    size_bytes: Option<u64>,
    rw: bool,
    save_on_stop: bool,
    snap_on_start: bool,
    source: Option<OsString>,
    revisions_to_keep: Option<i32>,
    ephemeral: bool,
}

impl VolumeOptions {
    /// A session starts empty and is thrown away.
    pub fn volatile(size_bytes: u64) -> Self {
        VolumeOptions { size_bytes: Some(size_bytes), ..Self::default() }
    }

    /// A session starts from the own state and is committed.
    pub fn origin(size_bytes: u64) -> Self {
        VolumeOptions { save_on_stop: true, ..Self::volatile(size_bytes) }
    }

    /// A session starts from the volume `source` of the same pool and is thrown away.
    pub fn snapshot(source: impl AsRef<OsStr>) -> Self {
        let source = Some(source.as_ref().to_owned());
        VolumeOptions { snap_on_start: true, source, ..Self::default() }
    }

    /// A session starts from the volume `source` of the same pool and is committed.
    pub fn origin_snapshot(source: impl AsRef<OsStr>) -> Self {
        VolumeOptions { save_on_stop: true, ..Self::snapshot(source) }
    }

    /// The nominal size: of the image that create makes, and of a volatile volume; a snapshot is
    /// started with the size of its source or this one, whichever is larger.
    pub fn size(mut self, size_bytes: u64) -> Self {
        self.size_bytes = Some(size_bytes);
        self
    }

    /// Whether it may be resized, and the virtual machine may write to it. Default: no.
    pub fn rw(mut self, rw: bool) -> Self {
        self.rw = rw;
        self
    }

    /// How many earlier states to keep: 0 or more. -1, on an origin only, disables snapshots.
    pub fn revisions_to_keep(mut self, count: i32) -> Self {
        self.revisions_to_keep = Some(count);
        self
    }

    /// A mark of the caller's (encrypt the session with a key that is thrown away). Only for a
    /// volatile volume that is rw.
    pub fn ephemeral(mut self, ephemeral: bool) -> Self {
        self.ephemeral = ephemeral;
        self
    }

    pub(crate) fn config(&self) -> Result<Handle<sys::qubes_storage_volume_config>> {
        let source = self.source.as_ref().map(|vid| c_string("source_vid", vid)).transpose()?;
        // SAFETY: there are no arguments but the outputs.
        let config = output(|config, reterr| unsafe {
            sys::qubes_storage_volume_config_new(config, reterr)
        })?;
        let raw = config.raw();
        let (rw, save, snap) =
            (self.rw.into(), self.save_on_stop.into(), self.snap_on_start.into());
        // SAFETY, for all of them: the configuration is live, and of this thread; the string lives
        // during the call.
        unsafe {
            use sys::*;
            if let Some(size) = self.size_bytes {
                check(|e| qubes_storage_volume_config_set_size(raw, size, e))?;
            }
            check(|e| qubes_storage_volume_config_set_rw(raw, rw, e))?;
            check(|e| qubes_storage_volume_config_set_save_on_stop(raw, save, e))?;
            check(|e| qubes_storage_volume_config_set_snap_on_start(raw, snap, e))?;
            if let Some(vid) = source {
                check(|e| qubes_storage_volume_config_set_source(raw, vid.as_ptr(), e))?;
            }
            if let Some(count) = self.revisions_to_keep {
                check(|e| qubes_storage_volume_config_set_revisions_to_keep(raw, count, e))?;
            }
            check(|e| qubes_storage_volume_config_set_ephemeral(raw, self.ephemeral.into(), e))?;
        }
        Ok(config)
    }
}
