/*-------------------------------------------------------------------------
 *
 * run_log.c
 *		Reads a part of what a run has printed.
 *
 * The shim keeps a stream as a row of files, NAME.0 and up, each but the last
 * of the same size: the head stays, of the others the last three.  So a byte
 * has the same number however much has been dropped since, and a reader that
 * follows a stream goes on where it was, or finds that it fell into the gap.
 *
 * This runs in a session of the server, and where agents run as the server's
 * own user they can write what is read here.  So nothing but regular files of
 * the server's user with one name is read, no link is followed, every amount
 * has a bound, and bytes that are no text are replaced and not trusted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/namespace.h"
#include "fmgr.h"
#include "funcapi.h"
#include "json_peek.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "run_directory.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define KEPT_SEGMENTS 3			/* besides the head */
#define MAX_ENTRIES 1000		/* of a run's directory; a run has about ten */
#define MAX_SEGMENT (INT64CONST(1) << 30)
#define MAX_LOOKS 3				/* while files are dropped under our eyes */
#define MAX_RECORD_SIZE (4 * 1024 * 1024)
#define CLOCK_SLACK_S 1
#define LONGEST_CHARACTER 4
#define LOG_COLUMNS 5
#define CONVERSION_ROOM 64		/* more than one character needs in any encoding */

/* One stream; positions count from its first byte, whether that is kept or not. */
typedef struct RunLog
{
	int			fd;				/* the run's directory, -1: text is all there is */
	const char *stream;
	const char *text;			/* in UTF-8, instead of files */
	int64		segment_size;	/* of all files but the last */
	int			last;			/* number of the last file */
	int64		head_end;		/* from here ... */
	int64		tail_begin;		/* ... to here nothing is kept */
	int64		total;
} RunLog;

static int	open_plain(int dir_fd, const char *name, struct stat *st);
static int64 file_size(int dir_fd, const char *name);
static bool is_of_run(int dir_fd, TimestampTz claimed_at);
static int	last_segment(RunLog *log);
static bool measure(RunLog *log);
static ssize_t read_segment(RunLog *log, int64 at, char *bytes, size_t max);
static ssize_t read_range(RunLog *log, int64 from, int64 to, char *bytes);
static int	starts_inside(const char *bytes, int length);
static int	ends_inside(const char *bytes, int length);
static Datum make_text(char *bytes, int length);
static int64 dropped_by_record(RunLog *log);
static ssize_t read_part(RunLog *log, int64 wanted, int max, char *bytes, int64 *from);
static void fill_columns(RunLog *log, int64 wanted, int max, Datum *values, bool *nulls);

PG_FUNCTION_INFO_V1(vibe_read_log);

/* A regular file of the server's own, by one name only; -1 otherwise. */
static int
open_plain(int dir_fd, const char *name, struct stat *st)
{
	int			fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1 && st->st_uid == geteuid())
		return fd;
	close(fd);
	return -1;
}

static int64
file_size(int dir_fd, const char *name)
{
	struct stat st;
	int			fd = open_plain(dir_fd, name, &st);

	if (fd < 0)
		return -1;
	close(fd);
	return st.st_size;
}

/*
 * Numbers of runs begin anew with a new extension, and files of the old one
 * may still be there: what was launched before the run was claimed is not its.
 */
static bool
is_of_run(int dir_fd, TimestampTz claimed_at)
{
	struct stat st;
	int			fd = open_plain(dir_fd, "launch", &st);

	if (fd < 0)
		return false;
	close(fd);
	return st.st_mtime + CLOCK_SLACK_S >= timestamptz_to_time_t(claimed_at);
}

/* The highest number among the stream's files, -1 if there are none. */
static int
last_segment(RunLog *log)
{
	size_t		stem = strlen(log->stream);
	int			copy = openat(log->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR		   *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;
	int			last = -1;

	if (dir == NULL && copy >= 0)
		close(copy);
	for (int i = 0; dir != NULL && i < MAX_ENTRIES && (entry = readdir(dir)) != NULL; i++)
	{
		const char *digits = entry->d_name + stem + 1;
		size_t		length;

		if (strncmp(entry->d_name, log->stream, stem) != 0 || entry->d_name[stem] != '.')
			continue;
		length = strspn(digits, "0123456789");
		if (length > 0 && length <= 8 && digits[length] == '\0')
			last = Max(last, atoi(digits));
	}
	if (dir != NULL)
		closedir(dir);
	return last;
}

/* Find out what there is of the stream; false to look again. */
static bool
measure(RunLog *log)
{
	int64		head;
	int64		end;
	int			first_kept;

	log->last = last_segment(log);
	if (log->last < 0)
		return true;
	head = file_size(log->fd, psprintf("%s.0", log->stream));
	end = file_size(log->fd, psprintf("%s.%d", log->stream, log->last));
	if (head < 0 || end < 0)
		return false;
	/* no limit is larger; what is, an agent made, and sums of it must not overflow */
	end = Min(end, MAX_SEGMENT);
	log->segment_size = Min(Max(head, 1), MAX_SEGMENT);
	log->total = log->last * log->segment_size + end;
	first_kept = Max(1, log->last - KEPT_SEGMENTS + 1);
	log->head_end = log->last == 0 ? log->total : log->segment_size;
	log->tail_begin = first_kept * log->segment_size;
	if (first_kept <= 1)
		log->head_end = log->tail_begin = log->total;
	return true;
}

/* Some bytes of the one file that position at is in; 0 at its end, -1 if it is gone. */
static ssize_t
read_segment(RunLog *log, int64 at, char *bytes, size_t max)
{
	int			number = (int) Min(at / log->segment_size, log->last);
	struct stat st;
	int			fd = open_plain(log->fd, psprintf("%s.%d", log->stream, number), &st);
	ssize_t		got;

	if (fd < 0)
		return -1;
	if (number < log->last)
		max = Min(max, (size_t) (log->segment_size - at % log->segment_size));
	do
		got = pread(fd, bytes, max, at - number * log->segment_size);
	while (got < 0 && errno == EINTR);
	close(fd);
	return got;
}

/* The bytes from one position to another, between which nothing is missing; how many, or -1. */
static ssize_t
read_range(RunLog *log, int64 from, int64 to, char *bytes)
{
	int64		at = from;

	if (log->fd < 0)
	{
		memcpy(bytes, log->text + from, to - from);
		return to - from;
	}
	while (at < to)
	{
		ssize_t		got = read_segment(log, at, bytes + (at - from), to - at);

		CHECK_FOR_INTERRUPTS();
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		at += got;
	}
	return at - from;
}

/* How many bytes at the beginning belong to a character that began before. */
static int
starts_inside(const char *bytes, int length)
{
	int			count = 0;

	while (count < length && count < LONGEST_CHARACTER - 1 && (bytes[count] & 0xc0) == 0x80)
		count++;
	return count;
}

/* How many bytes at the end belong to a character that goes on after. */
static int
ends_inside(const char *bytes, int length)
{
	for (int back = 1; back <= Min(length, LONGEST_CHARACTER - 1); back++)
	{
		unsigned char c = (unsigned char) bytes[length - back];

		if ((c & 0xc0) == 0x80)
			continue;
		return c >= 0xc0 && pg_utf_mblen(&c) > back ? back : 0;
	}
	return 0;
}

/*
 * As text of the database.  What is no UTF-8 (nobody but an agent that writes
 * into the run's directory can have put it there) or has no equivalent in the
 * database's encoding becomes a question mark.
 */
static Datum
make_text(char *bytes, int length)
{
	Oid			conversion = InvalidOid;
	int			encoding = GetDatabaseEncoding();
	unsigned char *out;
	int			done = 0;
	int			filled = 0;

	while (done < length)
	{
		done += pg_encoding_verifymbstr(PG_UTF8, bytes + done, length - done);
		if (done < length)
			bytes[done++] = '?';
	}
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
		conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return PointerGetDatum(cstring_to_text_with_len(bytes, length));

	out = palloc((Size) length * MAX_CONVERSION_GROWTH + CONVERSION_ROOM);
	for (done = 0; done < length;)
	{
		unsigned char *at = (unsigned char *) bytes + done;
		int			character = pg_utf_mblen(at);

		if (pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, at, character,
										  out + filled, CONVERSION_ROOM, true) == character)
			filled += strlen((char *) out + filled);
		else
			out[filled++] = '?';
		done += character;
	}
	return PointerGetDatum(cstring_to_text_with_len((char *) out, filled));
}

/* What a disk that was full did not take is known to the exit record only. */
static int64
dropped_by_record(RunLog *log)
{
	struct stat st;
	int			fd = open_plain(log->fd, "exit", &st);
	int64		dropped = 0;
	char	   *record;
	ssize_t		got;

	if (fd < 0)
		return 0;
	if (st.st_size > MAX_RECORD_SIZE)
	{
		close(fd);
		return 0;
	}
	record = palloc(st.st_size + 1);
	got = pread(fd, record, st.st_size, 0);
	close(fd);
	if (got > 0)
		(void) vibe_json_peek_int64(record, got, psprintf("%s_dropped", log->stream), &dropped);
	pfree(record);
	return Max(dropped, 0);
}

/*
 * Read up to max bytes from a position; negative ones count from the end.  How
 * many there are, beginning at *from.
 */
static ssize_t
read_part(RunLog *log, int64 wanted, int max, char *bytes, int64 *from)
{
	for (int looks = 0; looks < MAX_LOOKS; looks++)
	{
		ssize_t		got;
		int64		end;

		if (log->fd >= 0 && !measure(log))
			continue;
		*from = Min(wanted < 0 ? Max(log->total + wanted, 0) : wanted, log->total);
		if (*from >= log->head_end && *from < log->tail_begin)
			*from = log->tail_begin;
		end = *from < log->head_end ? log->head_end : log->total;
		got = read_range(log, *from, *from + Min(end - *from, max), bytes);
		if (got >= 0)
			return got;
	}
	*from = log->total;
	return 0;
}

/*
 * The columns text, from_byte, next_byte, total_bytes, dropped_bytes.  Bytes of
 * a last character come with the next part, unless the rest of it was dropped.
 */
static void
fill_columns(RunLog *log, int64 wanted, int max, Datum *values, bool *nulls)
{
	char	   *bytes = palloc(max + 1);
	int64		from;
	ssize_t		got = read_part(log, wanted, max, bytes, &from);
	int64		next = from + got;
	int			skip = starts_inside(bytes, (int) got);
	int			rest = ends_inside(bytes + skip, (int) got - skip);

	values[0] = make_text(bytes + skip, (int) got - skip - rest);
	values[1] = Int64GetDatum(from + skip);
	values[2] = Int64GetDatum(next == log->head_end && next < log->tail_begin ? next : next - rest);
	values[3] = Int64GetDatum(log->total);
	nulls[4] = log->fd < 0;
	if (!nulls[4])
		values[4] = Int64GetDatum(Max(log->tail_begin - log->head_end, dropped_by_record(log)));
}

/*
 * vibe._read_log(run_id, claimed_at, stream, from_byte, max_bytes, tail).  The
 * caller has checked the arguments; tail is what to read where the run has no
 * files here.
 */
Datum
vibe_read_log(PG_FUNCTION_ARGS)
{
	RunLog		log = {.fd = -1};
	TupleDesc	columns;
	Datum		values[LOG_COLUMNS] = {0};
	bool		nulls[LOG_COLUMNS] = {false};

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	log.stream = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (vibe_run_directory_locate(MyDatabaseId))
		log.fd = vibe_run_open(PG_GETARG_INT64(0));
	if (log.fd >= 0 && !is_of_run(log.fd, PG_GETARG_TIMESTAMPTZ(1)))
	{
		close(log.fd);
		log.fd = -1;
	}
	if (log.fd < 0)
	{
		char	   *tail = text_to_cstring(PG_GETARG_TEXT_PP(5));

		log.text = pg_server_to_any(tail, strlen(tail), PG_UTF8);
		log.total = log.head_end = log.tail_begin = strlen(log.text);
	}
	/* the directory must not stay open when an interrupt ends this */
	PG_TRY();
	{
		fill_columns(&log, PG_GETARG_INT64(3), PG_GETARG_INT32(4), values, nulls);
	}
	PG_FINALLY();
	{
		if (log.fd >= 0)
			close(log.fd);
	}
	PG_END_TRY();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}
