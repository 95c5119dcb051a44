// SPDX-License-Identifier: LGPL-2.1-or-later
//! Each verb as a job: waited for, by its descriptor, as a future; cancelled, dropped, let go.
mod support;

use std::fs::{self, File};
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use qubesstorage::*;
use support::*;

/// Started, awaited, and well.
fn done<T: std::fmt::Debug>(job: Result<Job<T>>) -> T {
    block_on(job.unwrap()).unwrap()
}

#[test]
fn handles_may_be_used_anywhere() {
    fn is_send_and_sync<T: Send + Sync + Unpin + 'static>() {}
    is_send_and_sync::<Pool>();
    is_send_and_sync::<Volume>();
    is_send_and_sync::<Job<()>>();
    is_send_and_sync::<Job<File>>();
    is_send_and_sync::<Job<std::rc::Rc<()>>>(); // the output is made where the job is awaited
    is_send_and_sync::<Error>();
    is_send_and_sync::<PoolOptions>();
    is_send_and_sync::<VolumeOptions>();
}

#[test]
fn the_life_of_a_volume() {
    let place = Place::new("jobs-life");
    let pool = Pool::open(place.join("pool")).unwrap();
    done(pool.setup_async());
    let volume = origin(&pool, PRIVATE);
    done(volume.create_async());
    done(volume.verify_async());
    done(volume.resize_async(2 * MIB, Shrink::Refuse));
    done(volume.resize_async(MIB, Shrink::Allow));
    assert_eq!(volume.info().unwrap().size_bytes, Some(MIB));
    done(volume.start_async());
    write(&volume.path(), "one");
    done(volume.stop_async());
    assert!(begins_with(&place.image(PRIVATE, ".img"), "one"));
    done(volume.start_async());
    write(&volume.path(), "two");
    done(volume.discard_async());
    done(volume.revert_async(None));
    assert!(!begins_with(&place.image(PRIVATE, ".img"), "one"));
    done(volume.set_revisions_to_keep_async(3));
    assert_eq!(volume.info().unwrap().revisions_to_keep, 3);
    done(volume.prune_async(0));
    assert!(numbers(&volume).is_empty());
    done(pool.drain_async());
    done(volume.remove_async());
    assert_eq!(place.files(), []);
}

#[test]
fn outputs() {
    let place = Place::new("jobs-outputs");
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "text");
    session(&volume, "next");
    pool.drain().unwrap();
    let info = done(volume.info_async());
    assert_eq!(info, volume.info().unwrap());
    assert_eq!(done(volume.revisions_async()), volume.revisions().unwrap());
    assert_eq!(done(volume.revisions_async()).len(), 1);
    assert_eq!(done(pool.list_async()), [PRIVATE]);
    assert_eq!(done(pool.info_async()).dir_path, place.join("pool"));
    assert_eq!(done(pool.included_in_async(&["/nowhere", "/"])), Some(1));
    assert_eq!(done(pool.included_in_async(&["/nowhere"])), None);
    fs::write(place.image(PRIVATE, ".img~aaaaaaaa"), "").unwrap();
    assert_eq!(done(pool.recover_async()).len(), 1);

    let (one, two) = (place.join("one"), place.join("two"));
    done(file_create_sparse_async(&one, MIB));
    done(file_resize_async(&one, 2 * MIB));
    assert!(done(file_clone_async(&one, &two, &CloneOptions::default())));
    assert_eq!(size_of(&two), 2 * MIB);
    done(loop_refresh_async(&two));
    assert!(done(reflink_supported_async(place.join(""), None)));
    assert!(!done(reflink_supported_async(place.join(""), Some("/dev/shm".as_ref()))));
}

#[test]
fn imports_and_exports() {
    let place = Place::new("jobs-import");
    let pool = place.pool();
    let from = origin_with(&pool, "appvms/a/private", "source");
    let to = origin(&pool, "appvms/b/private");
    done(to.import_volume_async(&from));
    assert!(begins_with(&place.image("appvms/b/private", ".img"), "source"));
    done(to.import_begin_async(4096));
    write(&to.import_path(), "by hand");
    done(to.import_end_async(true));
    assert!(begins_with(&place.image("appvms/b/private", ".img"), "by hand"));
    assert_eq!(text_of(&done(from.export_fd_async()), 6), "source");

    // Both ends of one stream, each a job, which has a descriptor of its own.
    let (writing, reading) = UnixStream::pair().unwrap();
    let import = to.import_fd_async(&reading, Some(MIB)).unwrap();
    let export = from.export_to_async(&writing).unwrap();
    drop((writing, reading));
    export.wait().unwrap();
    wait_until("the import has ended", || import.is_finished());
    assert_eq!(import.progress().unwrap(), (MIB, Some(MIB)));
    import.wait().unwrap();
    assert!(begins_with(&place.image("appvms/b/private", ".img"), "source"));
}

#[test]
fn a_failure_is_the_answer_of_the_job() {
    let place = Place::new("jobs-failures");
    let pool = place.pool();
    let volume = origin(&pool, PRIVATE);
    let job = volume.start_async().unwrap();
    wait_until("it has failed", || job.is_finished());
    job.cancel().unwrap(); // too late: nothing changes
    let error = fails(Code::NotFound, job.wait());
    assert!(!error.step().is_empty() && !error.path().as_os_str().is_empty());
    fails(Code::NotFound, block_on(volume.start_async().unwrap()));
    fails(Code::NotFound, block_on(volume.export_fd_async().unwrap()));
    // What is wrong with the arguments is said at once, and there is no job.
    fails(Code::Invalid, volume.set_revisions_to_keep_async(-2).and_then(|job| job.wait()));
}

#[test]
fn a_descriptor_becomes_readable_and_stays_so() {
    let place = Place::new("jobs-descriptor");
    let pool = place.pool();
    let volume = origin(&pool, PRIVATE);
    let (job, writing) = endless(&volume);
    assert!(job.as_raw_fd() >= 0);
    assert!(!is_readable(&job, 20) && !job.is_finished());
    let begun = Instant::now();
    assert!(!job.wait_timeout(Duration::from_micros(20_300)).unwrap());
    assert!(begun.elapsed() >= Duration::from_micros(20_300));
    drop(writing);
    assert!(is_readable(&job, 60_000));
    assert!(is_readable(&job, 0) && job.is_finished());
    assert!(job.wait_timeout(Duration::MAX).unwrap());
    assert!(format!("{:?}", job).contains("is_finished: true"));
    job.wait().unwrap();
}

/// Ends an import that is under way. Nothing of it is left.
fn end_in_the_middle(name: &str, end: impl FnOnce(Job<()>)) {
    let place = Place::new(name);
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "before");
    pool.drain().unwrap();
    let before = place.files();
    let (job, _writing) = endless(&volume);
    wait_until("the import is there", || place.image(PRIVATE, "-import.img").exists());
    end(job);
    wait_until("the import is gone", || place.files() == before);
    session(&volume, "it goes on");
}

#[test]
fn a_cancelled_job_leaves_nothing() {
    end_in_the_middle("jobs-cancel", |job| {
        job.cancel().unwrap();
        fails(Code::Cancelled, job.wait());
    });
}

#[test]
fn a_job_that_is_dropped_is_cancelled() {
    end_in_the_middle("jobs-drop", drop);
}

#[test]
fn a_job_that_is_detached_runs_on() {
    let place = Place::new("jobs-detach");
    let pool = place.pool();
    let volume = origin(&pool, PRIVATE);
    let (job, mut writing) = endless(&volume);
    job.detach();
    std::io::Write::write_all(&mut writing, b"all of it").unwrap();
    drop(writing);
    wait_until("it is imported", || place.image(PRIVATE, ".img").exists());
    assert!(begins_with(&place.image(PRIVATE, ".img"), "all of it"));
}

#[test]
fn the_last_handle_waits() {
    for order in ["jvp", "jpv", "vjp", "vpj", "pjv", "pvj"] {
        let place = Place::new("jobs-order");
        let mut pool = Some(place.pool());
        let options = VolumeOptions::volatile(MIB);
        let mut volume = Some(pool.as_ref().unwrap().volume(PRIVATE, &options).unwrap());
        let mut job = Some(volume.as_ref().unwrap().start_async().unwrap());
        for handle in order.chars() {
            match handle {
                'j' => job.take().unwrap().detach(),
                'v' => drop(volume.take()),
                _ => drop(pool.take()),
            }
        }
        assert!(place.image(PRIVATE, "-dirty.img").exists(), "{}", order);
    }
}

#[test]
fn clones_and_threads() {
    let place = Place::new("jobs-threads");
    let pool = place.pool();
    let volume = origin_with(&pool, PRIVATE, "text");
    let threads: Vec<_> = (0..8)
        .map(|index| {
            let (volume, pool) = (volume.clone(), pool.clone());
            std::thread::spawn(move || {
                let vid = format!("appvms/vm{}/private", index);
                session(&origin_with(&pool, &vid, "own"), "two");
                volume.start().unwrap();
                block_on(volume.stop_async().unwrap()).unwrap();
            })
        })
        .collect();
    drop(volume);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(pool.list().unwrap().len(), 9);
}
