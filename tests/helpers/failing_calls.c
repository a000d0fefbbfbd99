/* A library to be preloaded: makes system calls on the files below a folder fail.

   FAIL_FOLDER   the folder, absolute
   FAIL_PROGRAM  text in the command line of the processes concerned
   FAIL_CALL     write, fsync, close or rename
   FAIL_AT       which of these calls of a process fails, from 1 on
   FAIL_ERRNO    the error that it fails with
   FAIL_FOREVER  1: all later calls of any of the four kinds fail, too
   FAIL_RECORD   file outside the folder that takes a line for each process with a failed call

   A close that fails has closed the file all the same, as on Linux. A write that fails has written
   half of its bytes: what is torn must not be taken for whole. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_MAX], record[PATH_MAX], call[16];
static long at;
static int number, is_forever, is_concerned;
static atomic_long count;
static atomic_int has_failed;

static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int);
static int (*real_close)(int);
static int (*real_rename)(const char *, const char *);

static void copy(char *target, size_t size, const char *name)
{
    const char *value = getenv(name);
    snprintf(target, size, "%s", value ? value : "");
}

static long whole(const char *name)
{
    const char *value = getenv(name);
    return value ? atol(value) : 0;
}

__attribute__((constructor)) static void prepare(void)
{
    char line[8192] = "", program[256];
    real_write = dlsym(RTLD_NEXT, "write");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_close = dlsym(RTLD_NEXT, "close");
    real_rename = dlsym(RTLD_NEXT, "rename");
    copy(folder, sizeof folder, "FAIL_FOLDER");
    copy(record, sizeof record, "FAIL_RECORD");
    copy(call, sizeof call, "FAIL_CALL");
    copy(program, sizeof program, "FAIL_PROGRAM");
    at = whole("FAIL_AT");
    number = (int)whole("FAIL_ERRNO");
    is_forever = (int)whole("FAIL_FOREVER");
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = file < 0 ? 0 : read(file, line, sizeof line - 1);
    if (file >= 0)
        real_close(file);
    for (ssize_t place = 0; place + 1 < length; place++)
        if (!line[place])
            line[place] = ' ';
    is_concerned = *folder && *program && strstr(line, program) != NULL;
}

static int is_below(const char *path)
{
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && path[length] == '/';
}

static const char *path_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static void note(const char *kind, const char *path)
{
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", kind, path);
    int file = open(record, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (file >= 0) {
        if (real_write(file, line, (size_t)length) != length)
            abort();
        real_close(file);
    }
}

/* Whether this call fails; errno is set then. */
static int fails(const char *kind, const char *path)
{
    if (!is_concerned || !is_below(path))
        return 0;
    if (!(is_forever && has_failed)) {
        if (strcmp(kind, call) || atomic_fetch_add(&count, 1) + 1 != at)
            return 0;
        has_failed = 1;
        note(kind, path);
    }
    errno = number;
    return 1;
}

ssize_t write(int file, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    if (is_concerned && fails("write", path_of(file, path))) {
        int error = errno;
        if (real_write(file, bytes, size / 2) < 0)
            abort();
        errno = error;
        return -1;
    }
    return real_write(file, bytes, size);
}

int fsync(int file)
{
    char path[PATH_MAX];
    if (is_concerned && fails("fsync", path_of(file, path)))
        return -1;
    return real_fsync(file);
}

int close(int file)
{
    char path[PATH_MAX] = "";
    if (is_concerned)
        path_of(file, path);
    int result = real_close(file);
    return *path && fails("close", path) ? -1 : result;
}

int rename(const char *from, const char *to)
{
    char path[2 * PATH_MAX], here[PATH_MAX];
    const char *folder_of_it = *to == '/' || !getcwd(here, sizeof here) ? "" : here;
    snprintf(path, sizeof path, "%s%s%s", folder_of_it, *folder_of_it ? "/" : "", to);
    return fails("rename", path) ? -1 : real_rename(from, to);
}
