/* Preloaded into the daemon: notes, in one file and in the order in which they happen, what is read from sockets, what
 * is about to be written to sockets, and the begin and the end of each sync of a file; holds syncs back on demand.
 *
 *   INTERPOSER_LOG    the file: a line per event, appended with one write() each, so all threads share one order
 *   INTERPOSER_HOLD   while a file of this name exists, no sync is done
 *
 * Lines: "read FD TEXT", "write FD TEXT", "sync-begin N PATH", "sync-held N PATH", "sync-end N PATH",
 * "sync-failed N PATH". N numbers the syncs. In TEXT what is not printable ASCII is a dot.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINE_BYTES_MAX 16384
#define HOLD_POLL_US 1000
#define HOLD_US_MAX 60000000

/* The function that the program would have called. */
#define REAL(name) ({ \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real; })

static int log_fd = -1;

__attribute__((constructor)) static void open_log(void)
{
    const char *path = getenv("INTERPOSER_LOG");

    log_fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (log_fd < 0) {
        perror("INTERPOSER_LOG");
        abort();
    }
}

static int is_socket(int fd)
{
    int saved = errno;
    struct stat status;
    int found = fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);

    errno = saved;
    return found;
}

/* Notes an event; `bytes_max` bounds what counts of the parts. */
static void note(const char *what, long number, const struct iovec *parts, size_t part_count, size_t bytes_max)
{
    char line[LINE_BYTES_MAX];
    int saved = errno;
    size_t used = (size_t)snprintf(line, sizeof line, "%s %ld ", what, number);

    for (size_t part = 0; part < part_count; part++) {
        const char *bytes = parts[part].iov_base;

        for (size_t at = 0; at < parts[part].iov_len && bytes_max && used < sizeof line - 1; at++, bytes_max--)
            line[used++] = bytes[at] >= ' ' && bytes[at] <= '~' ? bytes[at] : '.';
    }
    line[used++] = '\n';
    if (REAL(write)(log_fd, line, used) != (ssize_t)used)
        abort();
    errno = saved;
}

static void note_socket(const char *what, int fd, const struct iovec *parts, size_t part_count, size_t bytes_max)
{
    if (is_socket(fd))
        note(what, fd, parts, part_count, bytes_max);
}

/* Noted before it is done: what is noted earlier happened before. */
static void before_write(int fd, const void *bytes, size_t count)
{
    struct iovec whole = { (void *)bytes, count };

    note_socket("write", fd, &whole, 1, count);
}

/* Noted before the program sees it: what follows from it is noted later. */
static ssize_t after_read(int fd, const void *bytes, ssize_t count)
{
    struct iovec whole = { (void *)bytes, count > 0 ? (size_t)count : 0 };

    if (count > 0)
        note_socket("read", fd, &whole, 1, (size_t)count);
    return count;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    before_write(fd, bytes, count);
    return REAL(write)(fd, bytes, count);
}

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
    before_write(fd, bytes, count);
    return REAL(send)(fd, bytes, count, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t to_bytes)
{
    before_write(fd, bytes, count);
    return REAL(sendto)(fd, bytes, count, flags, to, to_bytes);
}

ssize_t writev(int fd, const struct iovec *parts, int part_count)
{
    note_socket("write", fd, parts, (size_t)part_count, SIZE_MAX);
    return REAL(writev)(fd, parts, part_count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    note_socket("write", fd, message->msg_iov, message->msg_iovlen, SIZE_MAX);
    return REAL(sendmsg)(fd, message, flags);
}

ssize_t read(int fd, void *bytes, size_t count)
{
    return after_read(fd, bytes, REAL(read)(fd, bytes, count));
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
    return after_read(fd, bytes, REAL(recv)(fd, bytes, count, flags));
}

ssize_t recvfrom(int fd, void *bytes, size_t count, int flags, struct sockaddr *from, socklen_t *from_bytes)
{
    return after_read(fd, bytes, REAL(recvfrom)(fd, bytes, count, flags, from, from_bytes));
}

ssize_t readv(int fd, const struct iovec *parts, int part_count)
{
    ssize_t count = REAL(readv)(fd, parts, part_count);

    if (count > 0)
        note_socket("read", fd, parts, (size_t)part_count, (size_t)count);
    return count;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t count = REAL(recvmsg)(fd, message, flags);

    if (count > 0)
        note_socket("read", fd, message->msg_iov, message->msg_iovlen, (size_t)count);
    return count;
}

static void hold_back(long number, const struct iovec *path)
{
    const char *file = getenv("INTERPOSER_HOLD");
    int held_us = 0;

    while (file && access(file, F_OK) == 0 && held_us < HOLD_US_MAX) {
        if (held_us == 0)
            note("sync-held", number, path, 1, path->iov_len);
        usleep(HOLD_POLL_US);
        held_us += HOLD_POLL_US;
    }
}

static int noted_sync(int (*sync_file)(int), int fd)
{
    static long syncs;
    long number = __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    char link[32], target[PATH_MAX];
    struct iovec path = { target, 0 };

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target);
    path.iov_len = length > 0 ? (size_t)length : 0;

    note("sync-begin", number, &path, 1, path.iov_len);
    hold_back(number, &path);
    int status = sync_file(fd);
    note(status == 0 ? "sync-end" : "sync-failed", number, &path, 1, path.iov_len);
    return status;
}

int fsync(int fd)
{
    return noted_sync(REAL(fsync), fd);
}

int fdatasync(int fd)
{
    return noted_sync(REAL(fdatasync), fd);
}
