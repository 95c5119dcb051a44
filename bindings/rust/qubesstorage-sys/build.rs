// SPDX-License-Identifier: LGPL-2.1-or-later
//! Finds the installed library by `pkg-config` (or `$PKG_CONFIG`), and tells the tests its header.
use std::env;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

const PACKAGE: &str = "qubesstorage";
const HEADER: &str = "qubes/storage.h";

/// What pkg-config looks at: a change of one of these may be another library.
const VARIABLES: [&str; 4] =
    ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"];

fn main() {
    for variable in VARIABLES {
        println!("cargo:rerun-if-env-changed={}", variable);
    }
    println!("cargo:rerun-if-changed=build.rs");
    let header = find_header(&ask(&["--cflags-only-I"]));
    println!("cargo:rerun-if-changed={}", header.display());
    println!("cargo:rustc-env=QUBES_STORAGE_HEADER={}", header.display());
    for word in ask(&["--libs"]) {
        if let Some(directory) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={}", directory);
        } else if let Some(library) = word.strip_prefix("-l") {
            println!("cargo:rustc-link-lib=dylib={}", library);
        } else {
            fail(&format!("pkg-config answers an option that is not known here: {}", word));
        }
    }
}

/// The words that pkg-config answers. Those of the system's own directories too.
fn ask(options: &[&str]) -> Vec<String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let answer = Command::new(&program)
        .args(options)
        .arg(format!("{} >= {}", PACKAGE, env!("CARGO_PKG_VERSION")))
        .env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1")
        .output();
    match answer {
        Err(error) => fail(&format!("cannot run {:?}: {}", program, error)),
        Ok(answer) if !answer.status.success() => fail(&format!(
            "{:?} does not find the library; install it, or set PKG_CONFIG_PATH:\n{}",
            program,
            String::from_utf8_lossy(&answer.stderr)
        )),
        Ok(answer) => {
            String::from_utf8_lossy(&answer.stdout).split_whitespace().map(str::to_owned).collect()
        }
    }
}

fn find_header(words: &[String]) -> PathBuf {
    let directories = words.iter().filter_map(|word| word.strip_prefix("-I"));
    let mut headers = directories.map(|directory| Path::new(directory).join(HEADER));
    headers
        .find(|path| path.is_file())
        .unwrap_or_else(|| fail(&format!("no {} in {}", HEADER, words.join(" "))))
}

fn fail(what: &str) -> ! {
    eprintln!("qubesstorage-sys: {}", what);
    process::exit(1);
}
