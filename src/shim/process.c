/*
 * process.c
 *		Who a process is: its state, parent and start time, and the boot and pid
 *		namespace in which its pid means something.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

static ssize_t
read_small_file(const char *path, char *text, size_t size)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t		got;

	if (fd < 0)
		return -1;
	got = read(fd, text, size - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got;
}

/* The command's name may hold blanks and parentheses: fields begin after the last ')'. */
bool
process_stat(pid_t pid, ProcessStat *stat)
{
	char		path[64];
	char		text[1024];
	char	   *field;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	if (read_small_file(path, text, sizeof(text)) <= 0 || (field = strrchr(text, ')')) == NULL)
		return false;
	return sscanf(field, ") %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
				  &stat->state, &stat->parent, &stat->group, &stat->start) == 4;
}

bool
process_boot_id(char *boot_id, size_t size)
{
	if (read_small_file("/proc/sys/kernel/random/boot_id", boot_id, size) <= 0)
		return false;
	boot_id[strcspn(boot_id, "\n")] = '\0';
	return true;
}

/* As the kernel writes it, like pid:[4026531836]. */
bool
process_pid_namespace(char *name, size_t size)
{
	ssize_t		length = readlink("/proc/self/ns/pid", name, size - 1);

	name[length > 0 ? length : 0] = '\0';
	return length > 0;
}
