// SPDX-License-Identifier: LGPL-2.1-or-later
// Any bytes as a file name, as a vid, and as a revision: read as the oracle reads them, put
// together again to the same, and no file belongs to two volumes.
#include "src/fs/error.h"
#include "src/names.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/name_oracle.h"

using namespace qubes::storage;
using fuzz::Bytes;
using fuzz::Meaning;
using fuzz::require;

namespace {

char letter_of(FileName::Role role) {
  switch (role) {
    case FileName::Role::clean:
      return 'C';
    case FileName::Role::dirty:
      return 'D';
    case FileName::Role::precache:
      return 'P';
    case FileName::Role::import:
      return 'I';
    case FileName::Role::revision:
      return 'R';
    case FileName::Role::temporary:
      return 'T';
  }
  return '?';
}

void check_file_name(const std::string& name) {
  if (name.find('\0') != std::string::npos) return;  // no directory has such a name
  const auto parsed = parse_file_name(name);
  const Meaning wanted = fuzz::meaning_of(name);
  require(parsed.has_value() == (wanted.letter != 0),
          name + (parsed ? " is not ours, says the oracle" : " is ours, says the oracle"));
  if (!parsed) return;
  require(letter_of(parsed->role) == wanted.letter, "the meaning of " + name);
  require(parsed->volume == wanted.volume, "the volume of " + name);
  require(is_volume_name(parsed->volume), "the name of the volume of " + name);
  if (parsed->role != FileName::Role::revision) return;
  require(parsed->revision.number == wanted.number, "the number of " + name);
  require(parsed->revision.created_seconds == wanted.seconds, "the time of " + name);
  require(revision_file_name(parsed->volume, parsed->revision) == name, "the same " + name);
}

void check_owner(const std::string& file, char letter, const std::string& volume) {
  const auto parsed = parse_file_name(file);
  require(parsed && letter_of(parsed->role) == letter && parsed->volume == volume,
          file + " is not the file of " + volume);
  require(file.size() <= 255, file + " is too long");
}

void check_vid(const std::string& text) {
  try {
    const Vid vid = parse_vid(text, {"appvms", "vm-templates"});
    require(vid.text() == text, "the same vid " + text);
    for (const std::string& part : {vid.prefix, vid.vm, vid.name}) {
      require(!part.empty() && part != "." && part != "..", "a part that leads away in " + text);
      require(part.find('/') == std::string::npos, "a slash in a part of " + text);
      require(part.find('\0') == std::string::npos, "a NUL in " + text);
      require(part.find('\n') == std::string::npos, "a newline in " + text);
    }
    require(vid.prefix == "appvms" || vid.prefix == "vm-templates", "the prefix of " + text);
    const ImageNames names(vid.name);
    check_owner(names.clean, 'C', vid.name);
    check_owner(names.dirty, 'D', vid.name);
    check_owner(names.precache, 'P', vid.name);
    check_owner(names.import, 'I', vid.name);
    check_owner(names.clean + "~0aZ_0aZ_", 'T', vid.name);
    check_owner(revision_file_name(vid.name, {1, 0}) + "~0aZ_0aZ_", 'T', vid.name);
  } catch (const Error& error) {
    require(error.code() == Code::invalid, std::string("the error: ") + error.what());
    const std::string message = error.what();
    for (const char c : message) {
      require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f,
              "a control character in a message");
    }
  }
}

void check_revision(Bytes input) {
  const std::uint64_t number = 1 + input.number(8) % 999'999'999'999'999'999ull;
  const auto mtime_ns = static_cast<std::int64_t>(input.number(8));
  const std::string name = revision_file_name("root", {number, revision_seconds(mtime_ns)});
  check_file_name(name);
  check_owner(name, 'R', "root");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = Bytes(data, size).rest();
  check_file_name(text);
  check_file_name(text + ".img");
  check_file_name("root" + text);
  check_file_name("root.img." + text);
  check_vid(text);
  check_vid("appvms/" + text);
  check_vid("appvms/work/" + text);
  check_revision(Bytes(data, size));
  return 0;
}
