/*
 * trusted_file.h
 *		Reading a file that only root or the server can have written.
 */
#ifndef VIBE_TRUSTED_FILE_H
#define VIBE_TRUSTED_FILE_H

extern char *vibe_trusted_file_read(const char *path, char **problem);

#endif							/* VIBE_TRUSTED_FILE_H */
