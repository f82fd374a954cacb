// A disk before the files of a store, preloaded into the process that writes them. It keeps, for each file, what was written and not
// synced, so that a power cut can take it away again; fails the nth write or sync; kills the process at an exact point. Syncs reach no
// real disk: what a cut leaves is decided by what is kept here. disk.rs is the other half and says what is modelled.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES = 4 };
enum { KILL = 1, THEN_KILL = 256 };
enum { WRITE = 1, SYNC = 2, SYNCED = 3, SEND = 4 };
enum { OP_WRITE = 1, OP_TRUNCATE = 2, OP_SYNCED = 3, OP_FAILED = 4 };

static const char *const names[FILES] = {"log.sqlite", "log.sqlite-wal", "content.sqlite", "content.sqlite-wal"};

// Shared with the test, which arms it; the order of the fields is disk.rs's.
struct control {
    uint32_t action;   // KILL, or the errno to answer, and THEN_KILL to be killed before it is
    uint32_t point;    // WRITE, SYNC, SYNCED, SEND
    uint32_t files;    // a bit for each file
    uint32_t count;    // fires when it gets to 0
    uint32_t sticky;   // fires ever after
    uint32_t fired;    // how often it did
    uint32_t lies;     // says that it synced, and does not count it as a sync
    uint32_t waiting;  // at SEND: the sync has been, and the next send is the point
    uint32_t orphans[FILES]; // a sync failed, and what was not synced may never be
};

struct record {
    uint64_t op, offset, length, size_before, old_length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct control *control;
static int journals[FILES];

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_unlink)(const char *);
static int (*real_ftruncate)(int, off64_t);
static int (*real_fsync)(int);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_writev)(int, const struct iovec *, int);

__attribute__((constructor)) static void start(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_send = dlsym(RTLD_NEXT, "send");
    real_writev = dlsym(RTLD_NEXT, "writev");
    const char *folder = getenv("CRASH_DISK");
    if (!folder) return;
    char path[4096];
    snprintf(path, sizeof path, "%s/control", folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    for (int file = 0; file < FILES; file++) {
        snprintf(path, sizeof path, "%s/%s.journal", folder, names[file]);
        journals[file] = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (journals[file] < 0) abort();
    }
    control = mapped;
}

static int file_named(const char *path) {
    const char *name = strrchr(path, '/');
    for (int file = 0; control && name && file < FILES; file++)
        if (!strcmp(name + 1, names[file])) return file;
    return -1;
}

// Which of the files this is, or -1.
static int file_of(int fd) {
    if (!control) return -1;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    return file_named(path);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

// What happens at this point: 0 nothing, else the errno. May not come back.
static int met(uint32_t point, int file) {
    if (control->point != point || !(control->files & (1u << file)) || !control->action) return 0;
    if (control->count > 1) {
        control->count--;
        return 0;
    }
    if (control->count == 0 && !control->sticky) return 0;
    control->count = 0;
    control->fired++;
    if (control->action == KILL) die();
    return (int)control->action;
}

// One write, so that a kill leaves a whole record or one that ends too soon, whose write has not been.
static void keep(int file, struct record record, const void *old, const void *new) {
    struct iovec parts[] = {{&record, sizeof record}, {(void *)old, record.old_length}, {(void *)new, record.op == OP_WRITE ? record.length : 0}};
    if (real_writev(journals[file], parts, 3) < (ssize_t)sizeof record) abort();
}

// Keeps what lies there before `length` bytes from `offset` on are overwritten or cut off.
static void keep_before(int fd, int file, uint64_t op, uint64_t offset, uint64_t length, const void *new) {
    struct stat found;
    if (fstat(fd, &found)) abort();
    uint64_t size = (uint64_t)found.st_size;
    uint64_t end = op == OP_TRUNCATE || offset + length > size ? size : offset + length;
    uint64_t held = end > offset ? end - offset : 0;
    void *old = malloc(held + 1);
    char path[64];
    // Its own descriptor may be open for writing alone.
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    if (!old || reading < 0 || pread(reading, old, held, (off_t)offset) != (ssize_t)held) abort();
    keep(file, (struct record){op, offset, length, size, held}, old, new);
    close(reading);
    free(old);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    int file = file_of(fd);
    if (file < 0) return real_pwrite(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    int failure = met(WRITE, file);
    ssize_t written = -1;
    if (!failure) {
        keep_before(fd, file, OP_WRITE, (uint64_t)offset, length, bytes);
        written = real_pwrite(fd, bytes, length, offset);
    }
    pthread_mutex_unlock(&lock);
    if (failure) errno = failure;
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    int file = file_of(fd);
    if (file < 0) return real_write(fd, bytes, length);
    ssize_t written = pwrite64(fd, bytes, length, lseek(fd, 0, SEEK_CUR));
    if (written > 0) lseek(fd, written, SEEK_CUR);
    return written;
}

// Names are durable at once.
int unlink(const char *path) {
    int file = file_named(path);
    if (file >= 0) {
        pthread_mutex_lock(&lock);
        control->orphans[file] = 0;
        if (real_ftruncate(journals[file], 0)) abort();
        pthread_mutex_unlock(&lock);
    }
    return real_unlink(path);
}

int ftruncate64(int fd, off64_t size) {
    int file = file_of(fd);
    if (file < 0) return real_ftruncate(fd, size);
    pthread_mutex_lock(&lock);
    keep_before(fd, file, OP_TRUNCATE, (uint64_t)size, 0, NULL);
    int answer = real_ftruncate(fd, size);
    pthread_mutex_unlock(&lock);
    return answer;
}

int fsync(int fd) {
    int file = file_of(fd);
    if (file < 0) return real_fsync(fd);
    pthread_mutex_lock(&lock);
    int failure = met(SYNC, file);
    if (failure) {
        // Linux says so once, and forgets that these pages are not on the disk.
        control->orphans[file] = 1;
        keep(file, (struct record){OP_FAILED, 0, 0, 0, 0}, NULL, NULL);
        if (failure & THEN_KILL) die();
    } else if (!control->lies) {
        if (control->orphans[file])
            keep(file, (struct record){OP_SYNCED, 0, 0, 0, 0}, NULL, NULL);
        else if (real_ftruncate(journals[file], 0))
            abort();
        met(SYNCED, file);
        if (control->point == SEND && file == 1 && control->count) control->waiting = --control->count == 0;
    }
    pthread_mutex_unlock(&lock);
    if (failure) errno = failure;
    return failure ? -1 : 0;
}

int fdatasync(int fd) { return fsync(fd); }

static void sending(void) {
    if (control && control->waiting) {
        control->fired++;
        die();
    }
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    sending();
    return real_send(fd, bytes, length, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    sending();
    return real_writev(fd, parts, count);
}
