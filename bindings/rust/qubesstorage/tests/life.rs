// SPDX-License-Identifier: LGPL-2.1-or-later
//! Each verb, as a plain call.
mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use qubesstorage::{Code, LogLevel, Pool, PoolKind, Shrink, VolumeOptions};
use support::*;

#[test]
fn an_origin_is_committed_reverted_resized_and_removed() {
    let place = Place::new("origin");
    let pool = place.pool();
    let volume = origin(&pool, PRIVATE);
    fails(Code::NotFound, volume.verify());
    volume.create().unwrap();
    volume.verify().unwrap();
    fails(Code::Exists, volume.create());
    volume.start().unwrap();
    assert_eq!(volume.path(), place.image(PRIVATE, "-dirty.img"));
    write(&volume.path(), "one");
    volume.stop().unwrap();
    assert!(begins_with(&place.image(PRIVATE, ".img"), "one"));
    assert_eq!(numbers(&volume), [1]);

    session(&volume, "two");
    assert_eq!(numbers(&volume), [2]);
    volume.start().unwrap();
    write(&volume.path(), "not kept");
    fails(Code::Dirty, volume.revert(None));
    volume.discard().unwrap();
    assert!(begins_with(&place.image(PRIVATE, ".img"), "two"));
    volume.revert(None).unwrap();
    assert!(begins_with(&place.image(PRIVATE, ".img"), "one"));
    volume.revert(Some(3)).unwrap();
    assert!(begins_with(&place.image(PRIVATE, ".img"), "two"));
    fails(Code::NotFound, volume.revert(Some(77)));

    fails(Code::Invalid, volume.resize(MIB / 2, Shrink::Refuse));
    volume.resize(2 * MIB, Shrink::Refuse).unwrap();
    assert_eq!(size_of(&place.image(PRIVATE, ".img")), 2 * MIB);
    volume.resize(MIB, Shrink::Allow).unwrap();
    assert_eq!(size_of(&place.image(PRIVATE, ".img")), MIB);
    volume.prune(0).unwrap();
    assert!(numbers(&volume).is_empty());
    volume.remove().unwrap();
    pool.drain().unwrap();
    assert_eq!(place.files(), []);
}

#[test]
fn snapshots_and_volatile_volumes_are_thrown_away() {
    let place = Place::new("kinds");
    let pool = place.pool();
    let template = origin_with(&pool, TEMPLATE, "template");
    let root =
        pool.volume("appvms/work/root", &VolumeOptions::snapshot(TEMPLATE).rw(true)).unwrap();
    root.start().unwrap();
    assert!(begins_with(&root.path(), "template"));
    assert!(!root.info().unwrap().is_outdated);
    session(&template, "newer");
    assert!(root.info().unwrap().is_outdated);
    root.stop().unwrap();
    assert!(!root.path().exists());

    let options = VolumeOptions::volatile(3 * MIB).rw(true).ephemeral(true);
    let volatile = pool.volume("appvms/work/volatile", &options).unwrap();
    volatile.start().unwrap();
    assert_eq!(size_of(&volatile.path()), 3 * MIB);
    assert!(volatile.info().unwrap().ephemeral);
    volatile.stop().unwrap();
    assert!(!volatile.path().exists());

    let options = VolumeOptions::origin_snapshot(TEMPLATE);
    let kept = pool.volume("appvms/work/kept", &options).unwrap();
    kept.start().unwrap();
    write(&kept.path(), "own text");
    kept.stop().unwrap();
    assert!(begins_with(&place.image("appvms/work/kept", ".img"), "own text"));
    fails(Code::Invalid, pool.volume(PRIVATE, &VolumeOptions::origin(MIB).ephemeral(true)));
}

#[test]
fn imports_and_exports() {
    let place = Place::new("import");
    let pool = place.pool();
    let from = origin_with(&pool, "appvms/a/private", "source");
    let to = origin(&pool, "appvms/b/private");
    to.import_volume(&from, None).unwrap();
    assert!(begins_with(&place.image("appvms/b/private", ".img"), "source"));

    to.import_begin(4096).unwrap();
    assert_eq!(to.import_path(), place.image("appvms/b/private", "-import.img"));
    fails(Code::Busy, to.start());
    write(&to.import_path(), "by hand");
    to.import_end(true).unwrap();
    assert!(begins_with(&place.image("appvms/b/private", ".img"), "by hand"));
    assert_eq!(to.info().unwrap().size_bytes, Some(4096));
    to.import_begin(8192).unwrap();
    to.import_end(false).unwrap();
    assert_eq!(to.info().unwrap().size_bytes, Some(4096));
    fails(Code::NotFound, to.import_end(true));

    let pinned = from.export_fd().unwrap();
    session(&from, "later!");
    assert_eq!(text_of(&pinned, 6), "source");
    let copy = place.join("copy");
    from.export_to(File::create(&copy).unwrap(), None).unwrap();
    assert!(begins_with(&copy, "later!"));
    assert_eq!(size_of(&copy), MIB);

    fails(Code::Invalid, to.import_fd(File::open(&copy).unwrap(), Some(MIB + 1), None));
    to.import_fd(File::open(&copy).unwrap(), Some(MIB), None).unwrap();
    assert!(begins_with(&place.image("appvms/b/private", ".img"), "later!"));
}

#[test]
fn progress_is_told_and_may_stop() {
    let place = Place::new("progress");
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "before");
    pool.drain().unwrap();
    let before = place.files();
    let long = place.join("long");
    fs::write(&long, vec![7; 8 * MIB as usize]).unwrap();
    let with_long = place.files();
    assert_ne!(before, with_long);

    let mut told = Vec::new();
    let stop = &mut |done, total| {
        told.push((done, total));
        ControlFlow::Break(())
    };
    fails(Code::Cancelled, volume.import_fd(File::open(&long).unwrap(), None, Some(stop)));
    assert_eq!(told.len(), 1);
    pool.drain().unwrap();
    assert_eq!(place.files(), with_long);

    let mut last = (0, None);
    let follow = &mut |done, total| {
        last = (done, total);
        ControlFlow::Continue(())
    };
    volume.import_fd(File::open(&long).unwrap(), None, Some(follow)).unwrap();
    assert_eq!(last, (8 * MIB, Some(8 * MIB)));
}

#[test]
fn a_progress_function_that_panics_leaves_nothing_behind() {
    let place = Place::new("panic");
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "before");
    let long = place.join("long");
    fs::write(&long, vec![7; 8 * MIB as usize]).unwrap();
    pool.drain().unwrap();
    let before = place.files();
    let result = std::panic::catch_unwind(|| {
        let panic = &mut |_, _| panic!("of the progress function");
        volume.import_fd(File::open(&long).unwrap(), None, Some(panic))
    });
    let panic = result.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"of the progress function"));
    pool.drain().unwrap();
    assert_eq!(place.files(), before);
    session(&volume, "it goes on");
}

#[test]
fn a_pipe_is_imported_to_its_end() {
    let place = Place::new("pipe");
    let pool = place.pool();
    let volume = origin(&pool, PRIVATE);
    let (mut writing, reading) = UnixStream::pair().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(b"from a pipe").unwrap());
    volume.import_fd(reading, None, None).unwrap();
    writer.join().unwrap();
    let mut text = String::new();
    volume.export_fd().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "from a pipe");
}

#[test]
fn pools_say_what_is_known() {
    let place = Place::new("pool");
    let options = Pool::options(place.join("pool")).name("a name").revisions_to_keep(4);
    let pool = options.prefix("more").precache(false).open().unwrap();
    let info = pool.info().unwrap();
    assert!(!info.is_online);
    assert_eq!((info.size_bytes, info.usage_bytes), (None, None));
    fails(Code::Offline, pool.list());
    pool.setup().unwrap();
    let info = pool.info().unwrap();
    assert!(info.is_online && info.reflink_works);
    assert_eq!((info.name.to_str(), info.revisions_to_keep), (Some("a name"), 4));
    assert_eq!((info.kind, info.dir_path), (PoolKind::Reflink, place.join("pool")));
    assert!(["xfs", "btrfs"].contains(&info.filesystem_type.as_str()));
    assert!(info.usage_bytes.unwrap() < info.size_bytes.unwrap());
    assert!(place.join("pool").starts_with(&info.mount_point));

    origin_with(&pool, "more/b/private", "text");
    origin_with(&pool, "appvms/a/private", "text");
    assert_eq!(pool.list().unwrap(), ["appvms/a/private", "more/b/private"]);
    assert_eq!(pool.included_in(&["/nowhere", "/"]).unwrap(), Some(1));
    assert_eq!(pool.included_in::<&str>(&[]).unwrap(), None);
    fs::write(place.image("appvms/a/private", ".img~aaaaaaaa"), "").unwrap();
    let findings = pool.recover().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].vid, "appvms/a/private");
    assert!(findings[0].finding.contains("aaaaaaaa") && !findings[0].action.is_empty());
    assert_eq!(pool.recover().unwrap(), []);
}

#[test]
fn volumes_say_what_is_known() {
    let place = Place::new("info");
    let pool = place.pool();
    let options = VolumeOptions::snapshot(TEMPLATE).size(5 * MIB).revisions_to_keep(0);
    let volume = pool.volume("appvms/work/root", &options).unwrap();
    let info = volume.info().unwrap();
    assert_eq!((volume.vid(), info.vid), ("appvms/work/root".into(), "appvms/work/root".into()));
    assert_eq!((info.size_bytes, info.usage_bytes), (Some(5 * MIB), None));
    assert_eq!(info.nominal_size_bytes, Some(5 * MIB));
    assert_eq!(info.source, Some(TEMPLATE.into()));
    assert!(info.snap_on_start && !info.save_on_stop && !info.rw && !info.is_started);
    assert_eq!(info.path, volume.path());

    let volume = origin_with(&pool, PRIVATE, "text");
    assert_eq!(volume.info().unwrap().source, None);
    volume.set_rw(false).unwrap();
    fails(Code::ReadOnly, volume.resize(2 * MIB, Shrink::Refuse));
    volume.set_revisions_to_keep(3).unwrap();
    assert_eq!(volume.info().unwrap().revisions_to_keep, 3);
    fails(Code::Invalid, volume.set_revisions_to_keep(-2));
    volume.start().unwrap();
    let info = volume.info().unwrap();
    assert!(info.is_started && info.is_dirty && info.usage_bytes.unwrap() > 0);
    volume.stop().unwrap();

    let before = SystemTime::now();
    session(&volume, "more");
    let revision = &volume.revisions().unwrap()[0];
    assert_eq!(revision.size_bytes, Some(MIB));
    assert!(revision.created <= before);
    assert!(before.duration_since(revision.created).unwrap().as_secs() < 3600);
}

#[test]
fn a_kernels_pool_is_read_only() {
    let place = Place::new("kernels");
    fs::create_dir_all(place.join("pool/6.1")).unwrap();
    fs::write(place.join("pool/6.1/modules.img"), "modules").unwrap();
    let pool = Pool::options(place.join("pool")).kind(PoolKind::Kernels).open().unwrap();
    assert_eq!(pool.info().unwrap().kind, PoolKind::Kernels);
    let kernel = pool.volume("6.1", &VolumeOptions::default()).unwrap();
    kernel.verify().unwrap();
    kernel.start().unwrap();
    assert_eq!(text_of(&kernel.export_fd().unwrap(), 7), "modules");
    kernel.stop().unwrap();
    fails(Code::ReadOnly, kernel.remove());
    fails(Code::NotSupported, pool.setup());
}

#[test]
fn single_files() {
    use qubesstorage::*;
    let place = Place::new("files");
    let (one, two) = (place.join("one"), place.join("new/two"));
    file_create_sparse(&one, MIB).unwrap();
    write(&one, "text");
    let past = fs::metadata(&one).unwrap().mtime() - 1000;
    set_mtime(&one, past);
    assert!(file_clone(&one, &two, &CloneOptions::default().keep_mtime(true)).unwrap());
    assert!(begins_with(&two, "text"));
    assert_eq!(fs::metadata(&two).unwrap().mtime(), past);
    assert!(file_clone(&one, &two, &CloneOptions::default().size(2 * MIB)).unwrap());
    assert_eq!(size_of(&two), 2 * MIB);
    assert_ne!(fs::metadata(&two).unwrap().mtime(), past);
    file_resize(&two, 3 * MIB).unwrap();
    assert_eq!(size_of(&two), 3 * MIB);
    loop_refresh(&two).unwrap();
    assert!(reflink_supported(place.join(""), None).unwrap());
    assert!(reflink_supported(place.join(""), Some(&place.join("new"))).unwrap());
    assert!(!reflink_supported(place.join(""), Some("/dev/shm".as_ref())).unwrap());
    fails(Code::NotFound, file_clone(place.join("none"), &two, &CloneOptions::default()));
}

#[repr(C)]
struct Timeval(std::os::raw::c_long, std::os::raw::c_long);

extern "C" {
    fn utimes(path: *const std::os::raw::c_char, times: *const Timeval) -> std::os::raw::c_int;
}

fn set_mtime(path: &std::path::Path, seconds: i64) {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    let times = [Timeval(seconds as _, 0), Timeval(seconds as _, 0)];
    // SAFETY: the string and the two times live during the call.
    assert_eq!(unsafe { utimes(path.as_ptr(), times.as_ptr()) }, 0);
}

static LINES: AtomicUsize = AtomicUsize::new(0);

fn count_lines(level: LogLevel, message: &str) {
    if level == LogLevel::Info && message.contains(PRIVATE) {
        LINES.fetch_add(1, Ordering::SeqCst);
    }
    std::panic::panic_any(PanicsAgain); // which ends nothing
}

#[test]
fn a_listener_is_told_of_the_background() {
    let place = Place::new("log");
    place.pool();
    let pool = Pool::options(place.join("pool")).log(&count_lines).open().unwrap();
    let volume = origin(&pool, PRIVATE);
    volume.create().unwrap();
    session(&volume, "text");
    pool.drain().unwrap();
    assert!(LINES.load(Ordering::SeqCst) > 0);
    let other = Pool::options(place.join("pool")).log(&|_, _| {}).open().unwrap();
    assert_eq!(other.list().unwrap(), [PRIVATE]);
}
