// SPDX-License-Identifier: LGPL-2.1-or-later
//! Runs a script (scenario.txt) by the Rust binding: `scenario SCRIPT DIRECTORY`. Prints each
//! command with its answer: "ok", a value ("-" if that is empty), or the name of the code.
use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use qubesstorage::{
    file_clone, file_clone_async, file_create_sparse, file_create_sparse_async, file_resize,
    file_resize_async, CloneOptions, Error, Job, Pool, Result, Revision, Shrink, Volume,
    VolumeOptions,
};

/// A script that is wrong, or a disk that is: ends the program.
fn defect(what: &str) -> ! {
    panic!("{}", what)
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| defect(word))
}

struct Interpreter {
    directory: PathBuf,
    pool: Pool,
    volumes: BTreeMap<String, Volume>,
}

/// By the function, or by its twin and a wait.
fn either<T>(
    in_job: bool,
    plain: impl FnOnce() -> Result<T>,
    twin: impl FnOnce() -> Result<Job<T>>,
) -> Result<T> {
    match in_job {
        false => plain(),
        true => twin()?.wait(),
    }
}

fn ok(_: ()) -> String {
    "ok".to_owned()
}

fn show(volume: &Volume, in_job: bool) -> Result<String> {
    let info = either(in_job, || volume.info(), || volume.info_async())?;
    let bytes = |known: Option<u64>| known.map_or("unknown".to_owned(), |it| it.to_string());
    let source = info.source.map_or("-".to_owned(), |vid| vid.to_string_lossy().into_owned());
    Ok(format!(
        "{} size={} nominal={} rw={} save={} snap={} keep={} source={} started={} dirty={} \
         outdated={}",
        info.vid.to_string_lossy(),
        bytes(info.size_bytes),
        bytes(info.nominal_size_bytes),
        u8::from(info.rw),
        u8::from(info.save_on_stop),
        u8::from(info.snap_on_start),
        info.revisions_to_keep,
        source,
        u8::from(info.is_started),
        u8::from(info.is_dirty),
        u8::from(info.is_outdated),
    ))
}

fn revisions(volume: &Volume, in_job: bool) -> Result<String> {
    let list = either(in_job, || volume.revisions(), || volume.revisions_async())?;
    let word = |it: &Revision| format!("{}:{}", it.number, it.size_bytes.unwrap_or(0));
    Ok(list.iter().map(word).collect::<Vec<_>>().join(" "))
}

fn options(words: &[&str]) -> VolumeOptions {
    let has = |name: &str| words.contains(&name);
    let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let options = match (has("snap"), has("save"), value("source=")) {
        (true, true, Some(source)) => VolumeOptions::origin_snapshot(source),
        (true, false, Some(source)) => VolumeOptions::snapshot(source),
        (false, true, None) => VolumeOptions::origin(0),
        (false, false, None) => VolumeOptions::volatile(0),
        _ => defect("a kind of volume that the script does not use"),
    };
    let options = options.size(value("size=").map_or(0, number)).rw(has("rw"));
    match value("keep=") {
        None => options,
        Some(count) => options.revisions_to_keep(count.parse().unwrap()),
    }
}

fn write(path: &Path, offset: &str, text: &str) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(text.as_bytes(), number(offset)).unwrap();
}

impl Interpreter {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn volume(&self, name: &str) -> &Volume {
        self.volumes.get(name).unwrap_or_else(|| defect(name))
    }

    fn run(&mut self, in_job: bool, words: &[&str]) -> Result<String> {
        match words {
            ["volume", name, vid, options @ ..] => {
                let volume = self.pool.volume(vid, &self::options(options))?;
                self.volumes.insert((*name).to_owned(), volume);
                Ok(ok(()))
            }
            ["setup" | "drain" | "recover" | "list"] => self.run_pool(in_job, words[0]),
            ["file", ..] | ["write", ..] | ["write-import", ..] => {
                self.run_by_hand(words);
                Ok(ok(()))
            }
            ["clone", ..] | ["create-sparse", ..] | ["resize-file", ..] => {
                self.run_file(in_job, words)
            }
            [verb, name] => self.run_volume(in_job, verb, self.volume(name)),
            [verb, name, arguments @ ..] => {
                self.run_with_arguments(in_job, verb, self.volume(name), arguments)
            }
            _ => defect(&words.join(" ")),
        }
    }

    fn run_pool(&self, in_job: bool, verb: &str) -> Result<String> {
        let pool = &self.pool;
        match verb {
            "setup" => either(in_job, || pool.setup(), || pool.setup_async()).map(ok),
            "drain" => either(in_job, || pool.drain(), || pool.drain_async()).map(ok),
            "recover" => {
                let findings = either(in_job, || pool.recover(), || pool.recover_async())?;
                let words = findings.iter().map(|it| it.vid.to_string_lossy().into_owned());
                Ok(words.collect::<Vec<_>>().join(" "))
            }
            _ => {
                let vids = either(in_job, || pool.list(), || pool.list_async())?;
                let words = vids.iter().map(|vid| vid.to_string_lossy().into_owned());
                Ok(words.collect::<Vec<_>>().join(" "))
            }
        }
    }

    /// What a virtual machine or a person does: no business of the library.
    fn run_by_hand(&self, words: &[&str]) {
        match words {
            ["file", name, size, offset, text] => {
                File::create(self.file(name)).unwrap().set_len(number(size)).unwrap();
                write(&self.file(name), offset, text);
            }
            ["write", name, offset, text] => write(&self.volume(name).path(), offset, text),
            ["write-import", name, offset, text] => {
                write(&self.volume(name).import_path(), offset, text);
            }
            _ => defect(&words.join(" ")),
        }
    }

    fn run_file(&self, in_job: bool, words: &[&str]) -> Result<String> {
        match words {
            ["clone", from, to, size @ ..] => {
                let default = CloneOptions::default();
                let options = size.first().map_or(default, |size| default.size(number(size)));
                let (from, to) = (self.file(from), self.file(to));
                let plain = || file_clone(&from, &to, &options);
                let is_reflink = either(in_job, plain, || file_clone_async(&from, &to, &options))?;
                Ok(if is_reflink { "reflinked" } else { "copied" }.to_owned())
            }
            ["create-sparse", name, size] => {
                let (path, size) = (self.file(name), number(size));
                let plain = || file_create_sparse(&path, size);
                either(in_job, plain, || file_create_sparse_async(&path, size)).map(ok)
            }
            ["resize-file", name, size] => {
                let (path, size) = (self.file(name), number(size));
                let plain = || file_resize(&path, size);
                either(in_job, plain, || file_resize_async(&path, size)).map(ok)
            }
            _ => defect(&words.join(" ")),
        }
    }

    fn run_volume(&self, in_job: bool, verb: &str, volume: &Volume) -> Result<String> {
        match verb {
            "show" => return show(volume, in_job),
            "revisions" => return revisions(volume, in_job),
            "create" => either(in_job, || volume.create(), || volume.create_async()),
            "verify" => either(in_job, || volume.verify(), || volume.verify_async()),
            "remove" => either(in_job, || volume.remove(), || volume.remove_async()),
            "start" => either(in_job, || volume.start(), || volume.start_async()),
            "stop" => either(in_job, || volume.stop(), || volume.stop_async()),
            "discard" => either(in_job, || volume.discard(), || volume.discard_async()),
            "revert" => either(in_job, || volume.revert(None), || volume.revert_async(None)),
            _ => defect(verb),
        }
        .map(ok)
    }

    fn run_with_arguments(
        &self,
        in_job: bool,
        verb: &str,
        volume: &Volume,
        arguments: &[&str],
    ) -> Result<String> {
        let word = arguments[0];
        match (verb, arguments) {
            ("revert", [_]) => {
                let number = Some(number(word));
                either(in_job, || volume.revert(number), || volume.revert_async(number))
            }
            ("resize", [_, options @ ..]) => {
                let shrink = if options == ["shrink"] { Shrink::Allow } else { Shrink::Refuse };
                let size = number(word);
                let twin = || volume.resize_async(size, shrink);
                either(in_job, || volume.resize(size, shrink), twin)
            }
            ("prune", [_]) => {
                let keep = word.parse().unwrap();
                either(in_job, || volume.prune(keep), || volume.prune_async(keep))
            }
            ("set-keep", [_]) => {
                let count = word.parse().unwrap();
                let twin = || volume.set_revisions_to_keep_async(count);
                either(in_job, || volume.set_revisions_to_keep(count), twin)
            }
            ("set-rw", [_]) => volume.set_rw(word == "1"),
            _ => return self.run_transfer(in_job, verb, volume, word),
        }
        .map(ok)
    }

    fn run_transfer(
        &self,
        in_job: bool,
        verb: &str,
        volume: &Volume,
        word: &str,
    ) -> Result<String> {
        match verb {
            "import-begin" => {
                let size = number(word);
                either(in_job, || volume.import_begin(size), || volume.import_begin_async(size))
            }
            "import-end" => {
                let success = word == "ok";
                either(in_job, || volume.import_end(success), || volume.import_end_async(success))
            }
            "import-volume" => {
                let source = self.volume(word);
                let twin = || volume.import_volume_async(source);
                either(in_job, || volume.import_volume(source, None), twin)
            }
            "import-file" => {
                let file = File::open(self.file(word)).unwrap();
                let plain = || volume.import_fd(&file, None, None);
                either(in_job, plain, || volume.import_fd_async(&file, None))
            }
            "export" => {
                let file = File::create(self.file(word)).unwrap();
                let plain = || volume.export_to(&file, None);
                either(in_job, plain, || volume.export_to_async(&file))
            }
            _ => defect(verb),
        }
        .map(ok)
    }
}

fn main() {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [script, directory] = <[_; 2]>::try_from(arguments).expect("SCRIPT DIRECTORY");
    let directory = fs::canonicalize(directory).unwrap();
    let pool = Pool::open(directory.join("pool")).unwrap();
    let mut interpreter = Interpreter { directory, pool, volumes: BTreeMap::new() };
    for line in BufReader::new(File::open(script).unwrap()).lines() {
        let line = line.unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<_> = line.split(' ').collect();
        let (in_job, words) = match words.split_first() {
            Some((&"job", rest)) => (true, rest),
            _ => (false, &words[..]),
        };
        let answer = interpreter.run(in_job, words);
        let answer = answer.unwrap_or_else(|error: Error| error.code().name());
        println!("{} -> {}", line, if answer.is_empty() { "-" } else { &answer });
    }
}
