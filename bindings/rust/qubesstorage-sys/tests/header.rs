// SPDX-License-Identifier: LGPL-2.1-or-later
//! The declarations against the header that is installed: no function, constant, handle or callback
//! is missing on either side, and all have the same types and the same names of arguments.
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;

const SOURCES: [&str; 7] = [
    include_str!("../src/lib.rs"),
    include_str!("../src/config.rs"),
    include_str!("../src/file.rs"),
    include_str!("../src/info.rs"),
    include_str!("../src/job.rs"),
    include_str!("../src/pool.rs"),
    include_str!("../src/volume.rs"),
];

/// Name, and what it is, in words of Rust.
type Names = BTreeMap<String, String>;

fn insert(names: &mut Names, name: &str, what: String) {
    let before = names.insert(name.to_owned(), what);
    assert!(before.is_none(), "{} is declared twice", name);
}

/// One space for any white space.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

// ---- C ------------------------------------------------------------------------------------------

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut code = String::new();
    while let Some(begin) = rest.find("/*") {
        code.push_str(&rest[..begin]);
        let end = rest[begin..].find("*/").expect("a comment without an end");
        rest = &rest[begin + end + 2..];
        code.push(' ');
    }
    code + rest
}

fn rust_name(c_type: &str) -> &str {
    match c_type {
        "int32_t" => "i32",
        "uint32_t" => "u32",
        "int64_t" => "i64",
        "uint64_t" => "u64",
        "size_t" => "usize",
        "int" => "c_int",
        "char" => "c_char",
        "void" => "c_void",
        other if other.starts_with("qubes_storage_") => other,
        other => panic!("a type that the API does not use: {}", other),
    }
}

/// `const char *const *` is `*const *const c_char`: each star takes the const before it.
fn rust_type(c_type: &str) -> String {
    let spaced = c_type.replace('*', " * ");
    let mut words = spaced.split_whitespace().peekable();
    let mut is_const = words.next_if_eq(&"const").is_some();
    let mut found = rust_name(words.next().expect("no type")).to_owned();
    for word in words {
        match word {
            "const" => is_const = true,
            "*" => {
                found = format!("*{} {}", if is_const { "const" } else { "mut" }, found);
                is_const = false;
            }
            other => panic!("{} in the type {}", other, c_type),
        }
    }
    found
}

/// `uint64_t *bytes_done` is `bytes_done: *mut u64`.
fn rust_argument(argument: &str) -> String {
    let argument = argument.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begin = argument.rfind(|c| !is_name(c)).expect("an argument without a name") + 1;
    format!("{}: {}", &argument[begin..], rust_type(&argument[..begin]))
}

fn rust_signature(arguments: &str, returned: &str) -> String {
    let arguments = match arguments.trim() {
        "void" => String::new(),
        list => list.split(',').map(rust_argument).collect::<Vec<_>>().join(", "),
    };
    match returned.trim() {
        "void" => format!("({})", arguments),
        other => format!("({}) -> {}", arguments, rust_type(other)),
    }
}

/// `#define QUBES_STORAGE_BUSY (-4)` is `i32 = -4`; with a `u` it is a bit of flags.
fn constant_of_header(line: &str) -> Option<(String, String)> {
    let mut words = line.strip_prefix("#define ")?.split_whitespace();
    let name = words.next()?.to_owned();
    let value = words.next()?.trim_start_matches('(').trim_end_matches(')');
    let what = match (value, value.strip_suffix('u')) {
        ("UINT64_MAX", _) => "u64 = u64::MAX".to_owned(),
        (_, Some(bits)) => format!("u32 = {}", bits),
        _ => format!("i32 = {}", value),
    };
    Some((name, what))
}

fn declaration_of_header(declaration: &str, names: &mut Names) {
    if let Some(handle) = declaration.strip_prefix("typedef struct ") {
        let (tag, name) = handle.split_once(' ').expect("a handle without a name");
        assert_eq!(tag, name);
        insert(names, name, "handle".to_owned());
        return;
    }
    let arguments = declaration.strip_suffix(')').expect(declaration);
    if let Some(callback) = arguments.strip_prefix("typedef ") {
        let (returned, rest) = callback.split_once("(*").expect(declaration);
        let (name, arguments) = rest.split_once(")(").expect(declaration);
        insert(names, name, format!("callback{}", rust_signature(arguments, returned)));
        return;
    }
    let (head, arguments) = arguments.split_once('(').expect(declaration);
    let begin = head.rfind("qubes_storage_").expect(declaration);
    insert(names, &head[begin..], format!("fn{}", rust_signature(arguments, &head[..begin])));
}

fn header() -> Names {
    let text = fs::read_to_string(env!("QUBES_STORAGE_HEADER")).expect("no header");
    let text = without_comments(&text);
    let mut names = Names::new();
    for line in text.lines() {
        if let Some((name, what)) = constant_of_header(line) {
            insert(&mut names, &name, what);
        }
    }
    let code: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let code = code.join("\n").replace("extern \"C\" {", "").replace("}\n", "");
    for declaration in code.split(';').map(squeezed).filter(|text| !text.is_empty()) {
        declaration_of_header(&declaration, &mut names);
    }
    names
}

// ---- Rust ---------------------------------------------------------------------------------------

/// `( a: i32, b: i32, ) -> i32` as it would be on one line.
fn on_one_line(signature: &str) -> String {
    squeezed(signature).replace("( ", "(").replace(", )", ")").replace(" )", ")")
}

fn item_of_source(item: &str, names: &mut Names) {
    if let Some(constant) = item.strip_prefix("pub const ") {
        let (name, what) = constant.split_once(": ").expect(item);
        insert(names, name, what.to_owned());
    } else if let Some(function) = item.strip_prefix("pub fn ") {
        let begin = function.find('(').expect(item);
        insert(names, &function[..begin], format!("fn{}", on_one_line(&function[begin..])));
    } else if let Some(callback) = item.strip_prefix("pub type ") {
        let (name, what) = callback.split_once(" = ").expect(item);
        let what = squeezed(what).replace("Option< ", "Option<");
        let signature = what
            .strip_prefix("Option<unsafe extern \"C\" fn")
            .and_then(|rest| rest.trim_end_matches([',', ' ']).strip_suffix('>'));
        insert(names, name, format!("callback{}", on_one_line(signature.expect(item))));
    }
}

fn sources() -> Names {
    let mut names = Names::new();
    for source in SOURCES {
        let code: Vec<_> = source.lines().filter(|line| !line.trim().starts_with("//")).collect();
        let code = code.join("\n");
        if let Some(handles) = code.split("\nopaque! {").nth(1) {
            let (handles, _) = handles.split_once('}').expect("opaque! without an end");
            for name in handles.split_whitespace() {
                insert(&mut names, name, "handle".to_owned());
            }
        }
        let code = code.replace("extern \"C\" {\n", ";").replace("\n}\n", "\n;");
        for item in code.split(';').map(squeezed) {
            item_of_source(&item, &mut names);
        }
    }
    names
}

// ---- Tests --------------------------------------------------------------------------------------

#[test]
fn nothing_is_missing_and_all_types_are_the_same() {
    let (wanted, found) = (header(), sources());
    let mut differences = Vec::new();
    for (name, what) in &wanted {
        match found.get(name) {
            None => differences.push(format!("{} is missing: {}", name, what)),
            Some(here) if here != what => {
                differences.push(format!("{}\n  header: {}\n  here:   {}", name, what, here));
            }
            Some(_) => {}
        }
    }
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        differences.push(format!("{} is not in the header", name));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The comparison above would be content with two empty lists.
#[test]
fn both_sides_are_read_whole() {
    let text = fs::read_to_string(env!("QUBES_STORAGE_HEADER")).expect("no header");
    let defines = text.matches("#define QUBES_STORAGE_").count() - 1; // the guard has no value
    let handles = text.matches("typedef struct ").count();
    let callbacks = text.matches("typedef ").count() - handles;
    for names in [header(), sources()] {
        let count = |begin: &str| names.values().filter(|what| what.starts_with(begin)).count();
        assert_eq!(count("handle"), handles);
        assert_eq!(count("callback"), callbacks);
        assert_eq!(count("i32") + count("u32") + count("u64"), defines);
        assert!(count("fn") >= 160, "{} functions", count("fn"));
    }
}

#[test]
fn a_changed_type_is_seen() {
    assert_eq!(rust_argument("const char *const *candidates"), "candidates: *const *const c_char");
    assert_eq!(
        rust_argument(" qubes_storage_error **reterr"),
        "reterr: *mut *mut qubes_storage_error"
    );
    assert_eq!(
        constant_of_header("#define QUBES_STORAGE_BUSY (-4) "),
        Some(("QUBES_STORAGE_BUSY".to_owned(), "i32 = -4".to_owned()))
    );
    assert_ne!(rust_signature("int32_t a", "void"), rust_signature("uint32_t a", "void"));
    assert_ne!(rust_signature("const char *a", "int"), rust_signature("char *a", "int"));
}

#[test]
fn the_library_is_the_one_of_this_version() {
    // SAFETY: the string is static.
    let version = unsafe { CStr::from_ptr(qubesstorage_sys::qubes_storage_version()) };
    assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
}
