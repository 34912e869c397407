/*
 * alive.c
 *		Is there still a server?
 *
 * The dispatcher holds an open-file-description lock; the kernel frees it
 * however its holder dies.  It is only queried here, never taken: a shim that
 * held it for a moment could keep a restarting dispatcher out.  The file is
 * opened anew each time, since a restored directory has another one.
 *
 * There is no event for "lock freed" short of waiting for the lock, hence a
 * look every few seconds.
 */
#include <fcntl.h>
#include <unistd.h>

#include "alive.h"
#include "loop.h"

#define LONGEST_INTERVAL 5.0
#define SHORTEST_INTERVAL 0.05

double
alive_interval(const Alive *alive)
{
	double		interval = alive->grace / 4;

	if (interval > LONGEST_INTERVAL)
		return LONGEST_INTERVAL;
	return interval < SHORTEST_INTERVAL ? SHORTEST_INTERVAL : interval;
}

static bool
alive_is_locked(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int			fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool		locked;

	if (fd < 0)
		return false;
	/* a query that fails says nothing: rather go on than end paid work */
	locked = fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
	close(fd);
	return locked;
}

/* True once the lock has been free for longer than the grace. */
bool
alive_is_gone(Alive *alive)
{
	if (alive_is_locked(alive->path))
	{
		alive->free_since = 0;
		return false;
	}
	if (alive->free_since == 0)
		alive->free_since = loop_now();
	return loop_now() - alive->free_since > (int64_t) (alive->grace * 1e6);
}
