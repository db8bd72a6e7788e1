/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Feeds every file of the named folders to a fuzz target: with any compiler, in every run of the tests. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL, *exact;
	size_t size = 0, room = 0, got;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	do {
		if (size == room && (data = realloc(data, room = room != 0 ? room * 2 : 65536)) == NULL)
			exit(1);
		got = fread(data + size, 1, room - size, file);
		size += got;
	} while (got != 0);
	(void)fclose(file);
	/* A copy of exactly this size lets the sanitizers see one byte too far. */
	exact = malloc(size != 0 ? size : 1);
	if (exact == NULL)
		exit(1);
	memcpy(exact, data, size);
	free(data);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

int
main(int argc, char **argv)
{
	unsigned files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;

		if (dir == NULL) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(dir)) != NULL) {
			char path[4096];

			if (entry->d_name[0] == '.')
				continue;
			if (snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name) < (int)sizeof(path))
				files += replay_file(path);
		}
		(void)closedir(dir);
	}
	printf("%u files\n", files);
	return files == 0;
}
