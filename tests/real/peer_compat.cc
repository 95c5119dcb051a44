// SPDX-License-Identifier: LGPL-2.1-or-later
// Pools as the peer leaves them are opened and worked with, and what we leave the peer would take
// back.
#include <sys/stat.h>

#include <filesystem>

#include "tests/real/peer_checker.h"
#include "tests/real/peer_session.h"

namespace qubes::storage::test {
namespace {

constexpr char kTemplate[] = "vm-templates/deb/root";
constexpr char kPrivate[] = "appvms/work/private";
constexpr char kRoot[] = "appvms/work/root";
constexpr char kVolatile[] = "appvms/work/volatile";

using Kind = PeerVolume::Kind;

// A template and a VM based on it, as a Qubes system has them.
struct System {
  explicit System(FilesystemKind kind) : pool(mounted(kind)) {
    pool.volume(kTemplate).revision(4, 'R').clean('S').precache();
    pool.volume(kPrivate).revision(1, 'A').revision(2, 'B').clean('C').precache();
    pool.image(".img@" + utc_of('A'), 'A');
    pool.foreign("appvms/work/firewall.xml", 'F');
  }

  void run_as_the_peer() {
    pool.volume(kTemplate).unlink("-precache.img");
    pool.volume(kRoot).link_from(kTemplate).dirty('W');
    pool.volume(kVolatile).dirty('V');
    pool.volume(kPrivate).rename("-precache.img", "-dirty.img").guest_writes('D');
    root.running = scratch.running = own.running = true;
  }

  std::string objections() const {
    return objections_of_the_peer(
        pool.path(), {base, own, root, scratch},
        {"appvms/work/firewall.xml", std::string(kPrivate) + ".img@" + utc_of('A')});
  }

  PoolBuilder pool;
  PeerVolume base{kTemplate, Kind::origin, false, ""};
  PeerVolume own{kPrivate, Kind::origin, false, ""};
  PeerVolume root{kRoot, Kind::snapshot, false, kTemplate};
  PeerVolume scratch{kVolatile, Kind::volatile_volume, false, ""};
};

BOOST_AUTO_TEST_SUITE(peer)

// The checker itself objects to what it is there for.
BOOST_AUTO_TEST_CASE(checker_has_teeth) {
  const auto objections = [](const auto& spoil) {
    System system(FilesystemKind::xfs);
    BOOST_TEST(system.objections() == "");
    spoil(system);
    return system.objections();
  };
  const std::string time = utc_of('A');
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  BOOST_TEST(has(objections([](System& s) { s.pool.unlink(".img"); }), "Missing image file"));
  BOOST_TEST(has(objections([](System& s) { s.pool.dirty('D'); }), "stopped with a dirty"));
  BOOST_TEST(has(objections([](System& s) { s.own.running = true; }), "runs without"));
  BOOST_TEST(has(objections([](System& s) { s.pool.import('I'); }), "has an import"));
  BOOST_TEST(has(objections([](System& s) { s.pool.temporary(".img", 'I'); }), "temporary"));
  BOOST_TEST(has(objections([](System& s) { s.pool.revision(2, 'A'); }), "is taken"));
  BOOST_TEST(has(objections([](System& s) { s.pool.our_revision(3); }), "image itself"));
  BOOST_TEST(has(objections([&](System& s) { s.pool.image(".img.x@" + time, 'A'); }), "no int"));
  BOOST_TEST(has(objections([](System& s) { s.pool.image(".img.3@nowZ", 'A'); }), "not parse"));
  BOOST_TEST(has(objections([](System& s) { s.pool.image("-other.img", 'A'); }), "no volume"));
  BOOST_TEST(has(objections([](System& s) {
                   s.pool.write("-precache.img", 'X');
                   std::filesystem::last_write_time(
                       s.pool.file("-precache.img"),
                       std::filesystem::last_write_time(s.pool.file(".img")));
                 }),
                 "and differs"));
  BOOST_TEST(
      has(objections([](System& s) { ::chmod(s.pool.file(".img").c_str(), 0644); }), "not 0600"));
}

BOOST_DATA_TEST_CASE(stopped_pool_is_listed_and_left_alone, kDiskKinds, kind) {
  System system(kind);
  const std::string before = system.pool.observe();
  Opened opened(system.pool, true);
  const auto vids = opened.pool.list();
  const std::vector<std::string> expected = {kPrivate, kTemplate};
  BOOST_TEST(vids == expected, boost::test_tools::per_element());
  BOOST_TEST(opened.pool.recover().empty());
  for (const char* const vid : {kPrivate, kTemplate}) {
    const auto volume = opened.origin(2, vid);
    volume->verify();
    BOOST_TEST(!volume->info().is_dirty);
    volume->stop();
  }
  const auto revisions = opened.origin(2)->revisions();
  BOOST_REQUIRE(revisions.size() == 2u);
  BOOST_TEST(revisions[0].number == 1u);
  BOOST_TEST(revisions[1].created_ns / 1'000'000'000 == mtime_of('B') / 1'000'000'000);
  opened.pool.drain();
  BOOST_TEST(system.pool.observe() == before);
  BOOST_TEST(system.objections() == "");
}

BOOST_DATA_TEST_CASE(stopped_pool_works_through_a_session, kDiskKinds, kind) {
  System system(kind);
  Opened opened(system.pool, true);
  const auto own = opened.origin(2);
  const auto root = opened.snapshot(kRoot, kTemplate);
  const auto scratch = opened.volatile_volume(kVolatile);
  for (const auto& volume : {own, root, scratch}) volume->start();
  system.own.running = system.root.running = system.scratch.running = true;
  BOOST_TEST(system.objections() == "");
  BOOST_TEST(!root->info().is_outdated);
  system.pool.guest_writes('D');
  for (const auto& volume : {own, root, scratch}) volume->stop();
  system.own.running = system.root.running = system.scratch.running = false;
  BOOST_TEST(system.objections() == "");
  opened.pool.drain();
  BOOST_TEST(system.objections() == "");
  system.pool.unlink(".img@" + utc_of('A'));
  const bool reflinks = kind != FilesystemKind::ext4;
  const std::string precache = reflinks ? "private-precache.img D, " : "";
  // Stale for an origin: it is marked as a snapshot's.
  const std::string of_snapshot = reflinks ? "root-precache.img S (stale), root.img S, " : "";
  const std::string link = reflinks ? " =root.img" : "";
  BOOST_TEST(system.pool.observe() ==
             "firewall.xml F, " + precache +
                 "private.img D, private.img.2@B B, private.img.3@C C, " + of_snapshot +
                 "vm-templates/deb/root-precache.img S, vm-templates/deb/root.img S" + link +
                 ", "
                 "vm-templates/deb/root.img.4@R R");
}

BOOST_DATA_TEST_CASE(precache_of_the_peer_is_used, kDiskKinds, kind) {
  System system(kind);
  const auto fs = real_filesystem();
  const auto directory = fs->open_directory(system.pool / "appvms/work");
  const auto precache = *fs->status(*directory, "private-precache.img");
  Opened(system.pool).origin(2)->start();
  BOOST_TEST(fs->status(*directory, "private-dirty.img")->same_inode(precache));
}

// Size and mtime are what the peer goes by; a second name would let the session write to another
// file.
BOOST_DATA_TEST_CASE(stale_precache_is_not_used, kDiskKinds, kind) {
  PoolBuilder other(mounted(kind));
  other.clean('C').image("-precache.img", 'B');
  Opened(other).origin(1)->start();
  BOOST_TEST(other.observe() == "private-dirty.img C, private.img C");

  PoolBuilder linked(mounted(kind));
  linked.clean('C').link(".img", "-precache.img");
  Opened(linked).origin(1)->start();
  linked.guest_writes('D');
  BOOST_TEST(linked.observe() == "private-dirty.img D, private.img C");
}

BOOST_DATA_TEST_CASE(running_pool_is_stopped, kDiskKinds, kind) {
  System system(kind);
  system.run_as_the_peer();
  BOOST_TEST(system.objections() == "");
  Opened opened(system.pool, true);
  opened.pool.recover();
  BOOST_TEST(system.objections() == "");  // sessions are left
  BOOST_TEST(opened.snapshot(kRoot, kTemplate)->info().is_started);
  opened.origin(2)->stop();
  opened.origin(2, kTemplate)->stop();
  opened.snapshot(kRoot, kTemplate)->stop();
  opened.volatile_volume(kVolatile)->stop();
  opened.pool.drain();
  system.own.running = system.root.running = system.scratch.running = false;
  BOOST_TEST(system.objections() == "");
  BOOST_TEST(read_file(system.pool.file(".img")).front() == 'D');
}

// The driver is changed while VMs run: they keep their files, and their sessions end with us.
BOOST_DATA_TEST_CASE(running_sessions_are_adopted, kDiskKinds, kind) {
  System system(kind);
  system.run_as_the_peer();
  Opened opened(system.pool, true);
  const auto own = opened.origin(2);
  const auto base = opened.origin(2, kTemplate);
  const auto root = opened.snapshot(kRoot, kTemplate);
  own->start();  // resumes
  BOOST_TEST(read_file(system.pool.file("-dirty.img")).front() == 'D');
  BOOST_TEST(own->info().is_dirty);
  BOOST_TEST(!root->info().is_outdated);

  base->start();
  system.pool.volume(kTemplate).guest_writes('T').volume(kPrivate);
  base->stop();
  BOOST_TEST(root->info().is_outdated);
  BOOST_TEST(system.objections() == "");  // its link is a revision of the template by now
  root->start();
  BOOST_TEST(!root->info().is_outdated);
  BOOST_TEST(system.objections() == "");
  own->resize(2 * PoolBuilder::kImageBytes, false);
  own->stop();
  root->stop();
  opened.volatile_volume(kVolatile)->stop();
  opened.pool.drain();
  system.own.running = system.root.running = system.scratch.running = false;
  BOOST_TEST(system.objections() == "");
  BOOST_TEST(own->info().size_bytes.value() == 2 * PoolBuilder::kImageBytes);
}

// Both flags: the peer gives C the source's inode while it runs.
BOOST_DATA_TEST_CASE(running_origin_snapshot_is_stopped, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kTemplate).clean('T');
  pool.volume(kPrivate).revision(1, 'B').link_from(kTemplate).dirty('U');
  Opened opened(pool);
  VolumeConfig config = Opened::saved(2);
  config.snap_on_start = true;
  config.source = kTemplate;
  const auto volume = opened.pool.volume(kPrivate, config);
  volume->stop();
  BOOST_TEST(pool.observe() ==
             "private.img U, private.img.1@B B, private.img.2@T T, "
             "vm-templates/deb/root.img T =private.img.2@T");
  volume->start();
  BOOST_TEST(pool.observe().starts_with("private-dirty.img T, private.img U, "));
}

BOOST_DATA_TEST_CASE(every_verb_leaves_what_the_peer_takes, kDiskKinds, kind) {
  System system(kind);
  Opened opened(system.pool, true);
  const auto own = opened.origin(2);
  const auto check = [&](const char* verb) {
    BOOST_TEST_CONTEXT("after " << verb) {
      BOOST_TEST(system.objections() == "");
      opened.pool.drain();
      BOOST_TEST(system.objections() == "");
    }
  };
  own->revert(0);
  check("revert");
  own->revert(1);
  check("revert by number");
  own->resize(2 * PoolBuilder::kImageBytes, false);
  check("resize");
  own->resize(PoolBuilder::kImageBytes, true);
  check("shrink");
  own->import_volume(*opened.origin(1, kTemplate), nullptr);
  check("import_volume");
  own->import_begin(4096);
  own->import_end(false);
  check("import given up");
  import_letter(system.pool, 2, 'I');
  check("import");
  own->start();
  own->discard();
  check("discard");
  own->prune(0);
  check("prune");
}

// Snapshots disabled and enabled again; the peer reads what is left in between as its own.
BOOST_DATA_TEST_CASE(snapshots_disabled_and_enabled, kDiskKinds, kind) {
  System system(kind);
  write_session(system.pool, -1, 'D');
  BOOST_TEST(system.objections() == "");
  BOOST_TEST(read_file(system.pool.file(".img")).front() == 'D');
  write_session(system.pool, 1, 'E');
  BOOST_TEST(system.objections() == "");
}

BOOST_DATA_TEST_CASE(remove_leaves_a_directory_that_can_go, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  pool.volume(kTemplate).revision(1, 'S').clean('T').precache();
  pool.volume(kRoot).link_from(kTemplate).dirty('W');
  pool.volume(kVolatile).dirty('V');
  pool.volume(kPrivate).revision(1, 'B').clean('C').precache().dirty('D');
  Opened opened(pool, true);
  for (const auto& volume : {opened.snapshot(kRoot, kTemplate), opened.volatile_volume(kVolatile),
                             opened.origin(1), opened.origin(1, kTemplate)}) {
    volume->remove();
  }
  BOOST_TEST(pool.observe() == "");
}

BOOST_DATA_TEST_CASE(new_volume_is_one_of_the_peer, kDiskKinds, kind) {
  PoolBuilder pool(mounted(kind));
  Opened opened(pool, true);
  opened.origin(1)->create();
  opened.pool.drain();
  const PeerVolume own{kPrivate, Kind::origin, false, ""};
  BOOST_TEST(objections_of_the_peer(pool.path(), {own}) == "");
  BOOST_TEST(pool.observe().ends_with("private.img -"));
  write_session(pool, 1, 'D');
  BOOST_TEST(objections_of_the_peer(pool.path(), {own}) == "");
  opened.origin(1)->revert(0);  // to the empty first state
  opened.pool.drain();
  BOOST_TEST(objections_of_the_peer(pool.path(), {own}) == "");
  BOOST_TEST(pool.observe().ends_with("private.img -, private.img.2@D D"));
}

BOOST_AUTO_TEST_CASE(kernels_are_untouched) {
  PoolBuilder pool(mounted(FilesystemKind::xfs));
  pool.foreign("6.1/modules.img", 'M').foreign("6.1/vmlinuz", 'K').foreign("6.12/initramfs", 'I');
  const std::string before = pool.observe();
  const auto fs = real_filesystem();
  const auto directory = fs->open_directory(pool / "6.1");
  const auto modules = *fs->status(*directory, "modules.img");
  PoolConfig config = Opened::config_of(pool, true);
  config.kind = PoolKind::kernels;
  Pool kernels(config, fs, Worker::Mode::on_drain);
  BOOST_TEST((kernels.list() == std::vector<std::string>{"6.1"}));
  const auto volume = kernels.volume("6.1", {});
  volume->verify();
  volume->start();
  volume->stop();
  kernels.recover();
  kernels.drain();
  BOOST_TEST(pool.observe() == before);
  const auto after = *fs->status(*directory, "modules.img");
  BOOST_TEST((after.same_inode(modules) && after.ctime_ns == modules.ctime_ns));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qubes::storage::test
