/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bare reads of an update cost in C: each file that is named on standard
 * input, one a line, and the names in the directory that is the first argument.
 * The second is how often; prints the nanoseconds of each time.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void read_all(char **paths, size_t count)
{
	char text[4096];

	for (size_t i = 0; i < count; i++) {
		int handle = open(paths[i], O_RDONLY | O_CLOEXEC);

		if (handle < 0 || read(handle, text, sizeof(text)) < 0) {
			perror(paths[i]);
			exit(1);
		}
		close(handle);
	}
}

static size_t list(const char *path)
{
	DIR *directory = opendir(path);
	size_t entries = 0;

	if (directory == NULL) {
		perror(path);
		exit(1);
	}
	while (readdir(directory) != NULL)
		entries++;
	closedir(directory);
	return entries;
}

int main(int argc, char **argv)
{
	char **paths = NULL, *line = NULL;
	size_t count = 0, size = 0;
	ssize_t length;

	if (argc != 3)
		return 2;
	while ((length = getline(&line, &size, stdin)) > 0) {
		line[length - 1] = '\0';
		paths = realloc(paths, (count + 1) * sizeof(*paths));
		paths[count++] = strdup(line);
	}
	for (int left = atoi(argv[2]); left > 0; left--) {
		long begun = now();

		read_all(paths, count);
		list(argv[1]);
		printf("%ld\n", now() - begun);
	}
	return 0;
}
