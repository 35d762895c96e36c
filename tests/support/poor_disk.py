"""A disk that lacks what network disks and FAT lack: locks, hard links, syncing, mapping, renames that replace.

A small library, loaded before the C library (LD_PRELOAD), makes calls in one folder fail with the numbers that
`POOR_DISK` gives, such as `flock=37 link=1`. A process may change that variable as it runs.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

C_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAIN(result, name, ...) \
    static result (*plain)(__VA_ARGS__); \
    if (!plain) plain = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int begins(const char *path) {
    const char *folder = getenv("POOR_DISK_FOLDER");
    return folder && *folder && !strncmp(path, folder, strlen(folder));
}

static int inside(const char *path) {
    char copy[PATH_MAX], real[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    return realpath(dirname(copy), real) && begins(real);
}

static int inside_fd(int fd) {
    char link[64], real[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = fd < 0 ? -1 : readlink(link, real, sizeof real - 1);
    if (length < 0) return 0;
    real[length] = 0;
    return begins(real);
}

/* Returns whether a call has to fail, and sets errno. */
static int fails(const char *call) {
    char wanted[32];
    const char *faults = getenv("POOR_DISK"), *found;
    snprintf(wanted, sizeof wanted, " %s=", call);
    if (!faults || !(found = strstr(faults, wanted))) return 0;
    errno = atoi(found + strlen(wanted));
    return 1;
}

int flock(int fd, int operation) {
    PLAIN(int, flock, int, int);
    return inside_fd(fd) && fails("flock") ? -1 : plain(fd, operation);
}

#define FCNTL(name) \
int name(int fd, int command, ...) { \
    PLAIN(int, name, int, int, ...); \
    va_list rest; \
    va_start(rest, command); \
    void *argument = va_arg(rest, void *); \
    va_end(rest); \
    int locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW; \
    return locks && inside_fd(fd) && fails("fcntl") ? -1 : plain(fd, command, argument); \
}
FCNTL(fcntl)
FCNTL(fcntl64)

static int fails_to_sync(int fd) {
    struct stat status;
    if (!inside_fd(fd) || fstat(fd, &status)) return 0;
    return fails(S_ISDIR(status.st_mode) ? "fsync-folder" : "fsync");
}

int fsync(int fd) {
    PLAIN(int, fsync, int);
    return fails_to_sync(fd) ? -1 : plain(fd);
}

int fdatasync(int fd) {
    PLAIN(int, fdatasync, int);
    return fails_to_sync(fd) ? -1 : plain(fd);
}

int link(const char *first, const char *second) {
    PLAIN(int, link, const char *, const char *);
    return inside(second) && fails("link") ? -1 : plain(first, second);
}

int linkat(int from, const char *first, int to, const char *second, int flags) {
    PLAIN(int, linkat, int, const char *, int, const char *, int);
    return inside(second) && fails("link") ? -1 : plain(from, first, to, second, flags);
}

int rename(const char *first, const char *second) {
    PLAIN(int, rename, const char *, const char *);
    if (inside(second) && fails("rename")) return -1;
    if (inside(second) && !access(second, F_OK) && fails("replace")) return -1;
    if (inside(second) && plain(first, second) == 0) return fails("answer") ? -1 : 0;
    return inside(second) ? -1 : plain(first, second);
}

int renameat2(int from, const char *first, int to, const char *second, unsigned flags) {
    PLAIN(int, renameat2, int, const char *, int, const char *, unsigned);
    return inside(second) && fails("renameat2") ? -1 : plain(from, first, to, second, flags);
}

int fchmod(int fd, mode_t mode) {
    PLAIN(int, fchmod, int, mode_t);
    return inside_fd(fd) && fails("chmod") ? -1 : plain(fd, mode);
}

static int fails_to_map(int flags, int fd) { return (flags & MAP_SHARED) && inside_fd(fd) && fails("mmap"); }

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    PLAIN(void *, mmap, void *, size_t, int, int, int, off_t);
    return fails_to_map(flags, fd) ? MAP_FAILED : plain(address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    PLAIN(void *, mmap64, void *, size_t, int, int, int, off64_t);
    return fails_to_map(flags, fd) ? MAP_FAILED : plain(address, length, protection, flags, fd, offset);
}
"""


def compile_poor_disk(folder: Path) -> Path:
    """Compile the library into a folder and return its file. Raises FileNotFoundError without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("building the poor disk needs a C compiler (cc): install gcc.")
    library, source = folder / "poor_disk.so", folder / "poor_disk.c"
    source.write_text(C_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def environment(library: Path, folder: Path, faults: dict[str, int]) -> dict[str, str]:
    """Return the environment in which calls in `folder` fail with these numbers."""
    return {"LD_PRELOAD": str(library), "POOR_DISK_FOLDER": str(folder), "POOR_DISK": describe(faults)}


def describe(faults: dict[str, int]) -> str:
    """Return the value of `POOR_DISK` for faults: the number of the error of each call."""
    return "".join(f" {call}={number}" for call, number in faults.items())
