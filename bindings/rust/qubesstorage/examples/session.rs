// SPDX-License-Identifier: LGPL-2.1-or-later
//! A virtual machine through a session: `session DIRECTORY`, on XFS or Btrfs. The pool is made in
//! that directory; what the machine would do, this program does with files.
//!
//!     cargo run --example session /srv/somewhere
use std::env;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use qubesstorage::{Code, Job, Pool, Volume, VolumeOptions};

const TEMPLATE: &str = "vm-templates/debian/root";
const GIB: u64 = 1 << 30;

/// The volumes of one virtual machine.
struct Machine {
    root: Volume,
    private: Volume,
    volatile: Volume,
}

impl Machine {
    fn open(pool: &Pool, name: &str) -> qubesstorage::Result<Machine> {
        let vid = |volume: &str| format!("appvms/{}/{}", name, volume);
        let private = VolumeOptions::origin(2 * GIB).rw(true).revisions_to_keep(2);
        Ok(Machine {
            root: pool.volume(vid("root"), &VolumeOptions::snapshot(TEMPLATE).rw(true))?,
            private: pool.volume(vid("private"), &private)?,
            volatile: pool.volume(vid("volatile"), &VolumeOptions::volatile(10 * GIB).rw(true))?,
        })
    }

    fn volumes(&self) -> [&Volume; 3] {
        [&self.root, &self.private, &self.volatile]
    }

    /// All volumes at once: a job for each, then the answers.
    fn each(&self, verb: fn(&Volume) -> qubesstorage::Result<Job<()>>) -> qubesstorage::Result<()> {
        let jobs = self.volumes().map(verb);
        jobs.into_iter().try_for_each(|job| job?.wait())
    }
}

/// The template: an image that was made elsewhere, imported.
fn install_template(pool: &Pool, directory: &Path) -> Result<(), Box<dyn Error>> {
    let image = directory.join("image");
    File::create(&image)?.write_all_at(b"a system", GIB)?;
    let template = pool.volume(TEMPLATE, &VolumeOptions::origin(0))?;
    template.import_fd(File::open(&image)?, None, None)?;
    println!("template: {} bytes", template.info()?.size_bytes.unwrap_or(0));
    Ok(())
}

/// What the virtual machine does: reads its root, writes to all of its disks.
fn run(machine: &Machine) -> Result<(), Box<dyn Error>> {
    for volume in machine.volumes() {
        let disk = OpenOptions::new().read(true).write(true).open(volume.path())?;
        let mut bytes = [0; 8];
        disk.read_exact_at(&mut bytes, GIB)?;
        println!("{:?} reads {:?}", volume.vid(), String::from_utf8_lossy(&bytes));
        disk.write_all_at(b"written!", GIB)?;
    }
    Ok(())
}

fn session(directory: &Path) -> Result<(), Box<dyn Error>> {
    let pool = Pool::open(directory.join("pool"))?;
    pool.setup()?;
    install_template(&pool, directory)?;
    let machine = Machine::open(&pool, "work")?;
    machine.private.create()?;

    for _ in 0..2 {
        machine.each(Volume::start_async)?;
        run(&machine)?;
        // What was not committed cannot be reverted: a typed error.
        match machine.private.revert(None) {
            Err(error) if error.code() == Code::Dirty => println!("refused: it runs"),
            answer => return Err(format!("reverted a running volume: {:?}", answer).into()),
        }
        machine.each(Volume::stop_async)?;
    }
    for revision in machine.private.revisions()? {
        println!("revision {}", revision.number);
    }
    machine.private.revert(None)?;
    machine.private.remove()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = env::args_os().nth(1).ok_or("usage: session DIRECTORY")?;
    session(Path::new(&directory))
}
