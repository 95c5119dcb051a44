// SPDX-License-Identifier: LGPL-2.1-or-later
// The first process of the guest: loads modules, mounts what it is told to, runs one program, and
// reports how it ended. Linked statically, as there is nothing else in the guest but what was asked
// for.
//
// /testvm.base and /testvm.job tell what to do: strings that end in NUL, whose first character says
// what they are: M module file, F "DEVICE TYPE DIRECTORY" to mount, D working directory,
// E variable of the environment, P path of the program, A its arguments from the 0th on,
// G file to hand to the host in the end, S path of a shell to offer on the console.
//
// To the host it speaks by a virtio port, in frames: type, length (32 bits, little endian), bytes.
// Types: o standard output, e standard error, g path of a file, b bytes of it, f why the rig
// failed, s the status in decimal, after which it waits for one byte: a write to the port is done
// before the host has read it. The status goes to the console too, and its low seven bits, which is
// all that QEMU can pass on, to isa-debug-exit.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { kRigFailed = 125, kCannotExecute = 126, kNotFound = 127, kMany = 512, kFrame = 16384 };
enum { kDebugExitPort = 0x501, kPortSeconds = 20, kAnswerSeconds = 20, kConsoleOff = 6 };

static int port = -1;
static char *arguments[kMany], *environment[kMany], *filesystems[kMany], *modules[kMany],
    *results[kMany];
static char *directory, *program, *shell;

// ---- To the host --------------------------------------------------------------------------------

static void send_frame(char type, const char* bytes, uint32_t length) {
  static char frame[5 + kFrame];
  frame[0] = type;
  for (int i = 0; i < 4; ++i) frame[1 + i] = (char)(length >> (8 * i));
  memcpy(frame + 5, bytes, length);
  for (size_t done = 0; port != -1 && done < 5 + length;) {
    const ssize_t written = write(port, frame + done, 5 + length - done);
    if (written == -1 && errno != EINTR) return;
    if (written > 0) done += (size_t)written;
  }
}

static _Noreturn void finish(int status) {
  char text[16];
  snprintf(text, sizeof text, "%d", status);
  send_frame('s', text, (uint32_t)strlen(text));
  struct pollfd answer = {.fd = port, .events = POLLIN};
  if (port != -1) poll(&answer, 1, kAnswerSeconds * 1000);
  klogctl(kConsoleOff, NULL, 0);  // no message of the kernel may come in between
  printf("\ntestvm: END %s\n", text);
  tcdrain(STDOUT_FILENO);
  if (iopl(3) == 0) outb(status & 0x7f, kDebugExitPort);
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

static void report(const char* format, ...) {
  char text[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  printf("testvm: %s\n", text);
  send_frame('f', text, (uint32_t)strlen(text));
}

#define REQUIRE(condition, ...) \
  do {                          \
    if (!(condition)) {         \
      report(__VA_ARGS__);      \
      finish(kRigFailed);       \
    }                           \
  } while (0)

// Makes the nodes of devices appear, and the port is set up by the kernel's own thread.
static void open_port(void) {
  for (int attempt = 0; port == -1 && attempt < kPortSeconds * 100; ++attempt) {
    DIR* ports = opendir("/sys/class/virtio-ports");
    const struct dirent* entry = NULL;
    while (port == -1 && ports != NULL && (entry = readdir(ports)) != NULL) {
      char path[300];
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "/dev/%s", entry->d_name);
      port = open(path, O_RDWR | O_CLOEXEC);
    }
    if (ports != NULL) closedir(ports);
    if (port == -1) usleep(10000);
  }
  REQUIRE(port != -1, "no virtio port came up in %d s", kPortSeconds);
}

// ---- The guest ----------------------------------------------------------------------------------

static void make_directories(const char* path) {
  char part[512];
  snprintf(part, sizeof part, "%s", path);
  for (char* slash = part + 1; (slash = strchr(slash, '/')) != NULL; ++slash) {
    *slash = '\0';
    mkdir(part, 0755);
    *slash = '/';
  }
  mkdir(part, 0755);
}

static void mount_at(const char* device, const char* type, const char* path, const char* options) {
  make_directories(path);
  REQUIRE(mount(device, path, type, 0, options) == 0 || errno == EBUSY,
          "cannot mount %s (%s) on '%s': %s", device, type, path, strerror(errno));
}

// Before the job is read: nothing but the console can be told of a failure.
static void mount_basics(void) {
  mount_at("devtmpfs", "devtmpfs", "/dev", NULL);
  const int console = open("/dev/console", O_RDWR);
  for (int fd = 0; console != -1 && fd < 3; ++fd) dup2(console, fd);
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("testvm: INIT\n");
  mount_at("proc", "proc", "/proc", NULL);
  mount_at("sysfs", "sysfs", "/sys", NULL);
  mount_at("devpts", "devpts", "/dev/pts", "mode=0620,ptmxmode=0666");
  mount_at("tmpfs", "tmpfs", "/run", "mode=0755");
  // It takes images of filesystems: what there is of memory.
  mount_at("tmpfs", "tmpfs", "/dev/shm", "mode=1777,size=90%");
  // No mounts here: files may have been put there, and the root is in memory anyway.
  const char* const temporary[] = {"/tmp", "/var/tmp"};
  for (int i = 0; i < 2; ++i) {
    make_directories(temporary[i]);
    chmod(temporary[i], 01777);
  }
  // Shells want these, and devtmpfs does not have them.
  REQUIRE(symlink("/proc/self/fd", "/dev/fd") == 0, "cannot make /dev/fd: %s", strerror(errno));
}

static void add(char** list, char* text) {
  int count = 0;
  while (list[count] != NULL) ++count;
  REQUIRE(count + 1 < kMany, "too many entries of a kind in the job");
  list[count] = text;
}

static void read_job(const char* path) {
  struct stat status;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  REQUIRE(file != -1 && fstat(file, &status) == 0, "no %s: %s", path, strerror(errno));
  char* job = malloc((size_t)status.st_size + 1);
  REQUIRE(job != NULL && read(file, job, (size_t)status.st_size) == status.st_size,
          "cannot read %s", path);
  close(file);
  job[status.st_size] = '\0';
  for (char* entry = job; entry < job + status.st_size; entry += strlen(entry) + 1) {
    switch (entry[0]) {
      case 'M':
        add(modules, entry + 1);
        break;
      case 'F':
        add(filesystems, entry + 1);
        break;
      case 'E':
        add(environment, entry + 1);
        break;
      case 'A':
        add(arguments, entry + 1);
        break;
      case 'G':
        add(results, entry + 1);
        break;
      case 'P':
        program = entry + 1;
        break;
      case 'D':
        directory = entry + 1;
        break;
      case 'S':
        shell = entry + 1;
        break;
      default:
        REQUIRE(0, "unknown entry in the job: %s", entry);
    }
  }
}

static void load_modules(void) {
  for (char** path = modules; *path != NULL; ++path) {
    const int file = open(*path, O_RDONLY | O_CLOEXEC);
    REQUIRE(file != -1, "no module %s", *path);
    REQUIRE(syscall(SYS_finit_module, file, "", 0) == 0 || errno == EEXIST,
            "cannot load the module %s: %s", *path, strerror(errno));
    close(file);
    unlink(*path);  // it is in memory twice otherwise
  }
}

static void mount_filesystems(void) {
  for (char** entry = filesystems; *entry != NULL; ++entry) {
    char device[64], type[32], path[128];
    REQUIRE(sscanf(*entry, "%63s %31s %127s", device, type, path) == 3, "bad mount: %s", *entry);
    mount_at(device, type, path, NULL);
    chmod(path, 01777);
  }
}

static void unmount_filesystems(void) {
  int count = 0;
  while (filesystems[count] != NULL) ++count;
  sync();
  while (count-- > 0) {
    const char* path = strrchr(filesystems[count], ' ') + 1;
    if (umount2(path, 0) == 0) continue;
    const char* reason = strerror(errno);
    report("'%s' cannot be unmounted: %s", path, reason);
    umount2(path, MNT_DETACH);
  }
  sync();
}

// ---- The program --------------------------------------------------------------------------------

static _Noreturn void execute(const char* path, char** command) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  if (directory != NULL && chdir(directory) == -1) {
    dprintf(STDERR_FILENO, "testvm: no directory '%s' in the guest: %s\n", directory,
            strerror(errno));
    _exit(kNotFound);
  }
  execve(path, command, environment);
  dprintf(STDERR_FILENO, "testvm: cannot execute '%s' in the guest: %s\n", path, strerror(errno));
  _exit(errno == ENOENT ? kNotFound : kCannotExecute);
}

static int status_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Everybody's parent is process 1 in the end. True when it was this one.
static int reap(pid_t main_process, int* status) {
  int one, found = 0;
  for (pid_t pid; (pid = waitpid(-1, &one, WNOHANG)) > 0;) {
    if (pid != main_process) continue;
    *status = status_of(one);
    found = 1;
  }
  return found;
}

// False at the end of the file.
static int forward(int file, char type) {
  static char bytes[kFrame];
  const ssize_t count = read(file, bytes, sizeof bytes);
  if (count > 0) send_frame(type, bytes, (uint32_t)count);
  return count > 0 || (count == -1 && errno == EINTR);
}

static void send_results(void) {
  for (char** path = results; *path != NULL; ++path) {
    const int file = open(*path, O_RDONLY | O_CLOEXEC);
    if (file == -1) continue;
    send_frame('g', *path, (uint32_t)strlen(*path));
    while (forward(file, 'b')) continue;
    close(file);
  }
}

// Whoever the program leaves behind ends with it: the filesystems could not be unmounted.
static int run_program(int signals) {
  int out[2], err[2], status = -1;
  REQUIRE(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "no pipes");
  const pid_t child = fork();
  REQUIRE(child != -1, "cannot fork: %s", strerror(errno));
  if (child == 0) {
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    execute(program, arguments);
  }
  close(out[1]);
  close(err[1]);
  struct pollfd sources[] = {{.fd = out[0], .events = POLLIN},
                             {.fd = err[0], .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
  while (status == -1 || sources[0].fd != -1 || sources[1].fd != -1) {
    if (poll(sources, 3, -1) == -1) continue;
    for (int i = 0; i < 2; ++i) {
      if (sources[i].revents != 0 && !forward(sources[i].fd, "oe"[i])) sources[i].fd = -1;
    }
    struct signalfd_siginfo unused;
    if (sources[2].revents != 0 && read(signals, &unused, sizeof unused) > 0 &&
        reap(child, &status)) {
      kill(-1, SIGKILL);
    }
  }
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
  return status;
}

// A session of its own with the serial console as its terminal.
static int run_on_console(const char* path, char** command) {
  int status = 0;
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    const int console = open("/dev/ttyS0", O_RDWR);
    ioctl(console, TIOCSCTTY, 1);
    for (int fd = 0; fd < 3; ++fd) dup2(console, fd);
    execute(path, command);
  }
  while (waitpid(child, &status, 0) == -1 && errno == EINTR) continue;
  return status_of(status);
}

int main(void) {
  mount_basics();
  read_job("/testvm.base");
  read_job("/testvm.job");
  load_modules();
  open_port();
  mount_filesystems();
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  const int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  int status = 0;
  if (shell == NULL && program != NULL) status = run_program(signals);
  if (shell != NULL && program != NULL) {
    status = run_on_console(program, arguments);
    printf("testvm: the program ended with status %d\n", status);
  }
  if (shell != NULL) {
    char* command[] = {shell, NULL};
    printf("testvm: a shell in the guest; its end is the end of the guest\n");
    run_on_console(shell, command);
  }
  send_results();
  unmount_filesystems();
  finish(status);
}
