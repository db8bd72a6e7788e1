/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The browser client's files: all read into memory before the jail, compressed once, served from there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "webmaild/http.h"
#include "webmaild/http_fields.h"

#define FILES_MAX 2000
#define FILES_BYTES_MAX (64u << 20)
#define DEPTH_MAX 8

struct http_file {
	char *path; /* "/assets/app.js"; "/" for index.html */
	const char *type;
	struct buf body, gzip; /* gzip empty: it would not be smaller */
	char etag[40], gzip_etag[40];
	bool immutable;
};

struct http_files {
	struct http_file *files;
	size_t count;
	size_t bytes;
};

static const struct {
	const char *suffix, *type;
	bool compress;
} types[] = {
	{ ".html", "text/html; charset=utf-8", true },
	{ ".js", "text/javascript; charset=utf-8", true },
	{ ".mjs", "text/javascript; charset=utf-8", true },
	{ ".css", "text/css; charset=utf-8", true },
	{ ".json", "application/json", true },
	{ ".webmanifest", "application/manifest+json", true },
	{ ".map", "application/json", true },
	{ ".svg", "image/svg+xml", true },
	{ ".txt", "text/plain; charset=utf-8", true },
	{ ".png", "image/png", false },
	{ ".ico", "image/x-icon", false },
	{ ".webp", "image/webp", false },
	{ ".woff2", "font/woff2", false },
};

/* A name with its content's hash in it: app-3F2K9QZA.js, app.0a1b2c3d.css. */
static bool
is_hashed(struct span name)
{
	ptrdiff_t dot = span_rchr(name, '.');
	size_t run = 0;

	for (ptrdiff_t i = dot - 1; i >= 0; i--) {
		char c = name.ptr[i];

		if (c == '-' || c == '.')
			return run >= 8;
		if (!ascii_is_digit(c) && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'f'))
			return false;
		run++;
	}
	return false;
}

static void
compress_file(struct http_file *file)
{
	z_stream z = { 0 };
	uLong room;
	char *out;

	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	room = deflateBound(&z, file->body.len);
	buf_init(&file->gzip, room);
	out = buf_reserve(&file->gzip, room);
	z.next_in = (Bytef *)file->body.data;
	z.avail_in = (uInt)file->body.len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)room;
	if (deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < file->body.len)
		buf_added(&file->gzip, z.total_out);
	(void)deflateEnd(&z);
}

static void
set_etags(struct http_file *file)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[25];

	memset(digest, 0, sizeof(digest));
	(void)EVP_Digest(file->body.data, file->body.len, digest, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < 12; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	(void)snprintf(file->etag, sizeof(file->etag), "\"%s\"", hex);
	(void)snprintf(file->gzip_etag, sizeof(file->gzip_etag), "\"%s-gz\"", hex);
}

static int
read_whole(int fd, size_t size, struct buf *body)
{
	while (body->len < size) {
		char *room = buf_reserve(body, size - body->len);
		ssize_t got = read(fd, room, size - body->len);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		buf_added(body, (size_t)got);
	}
	return 0;
}

static int
add_file(struct http_files *files, int fd, size_t size, const char *path)
{
	struct http_file *file;
	int r;

	if (files->count == FILES_MAX || size > FILES_BYTES_MAX - files->bytes)
		return -EFBIG;
	files->files = xreallocarray(files->files, files->count + 1, sizeof(*files->files));
	file = &files->files[files->count];
	memset(file, 0, sizeof(*file));
	buf_init(&file->body, size);
	r = read_whole(fd, size, &file->body);
	if (r < 0) {
		buf_free(&file->body);
		return r;
	}
	files->count++;
	files->bytes += size;
	file->path = xstrdup(strcmp(path, "/index.html") == 0 ? "/" : path);
	file->type = "application/octet-stream";
	file->immutable = is_hashed(span_of(strrchr(path, '/')));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!span_ends(span_of(path), span_of(types[i].suffix)))
			continue;
		file->type = types[i].type;
		if (types[i].compress && size > 256)
			compress_file(file);
	}
	set_etags(file);
	return 0;
}

static int load_dir(struct http_files *files, int dir_fd, const char *prefix, unsigned depth);

static int
load_entry(struct http_files *files, int dir_fd, const char *name, const char *prefix, unsigned depth)
{
	_cleanup_(closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_(freep) char *path = xasprintf("%s/%s", prefix, name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return depth < DEPTH_MAX ? load_dir(files, TAKE_FD(fd), path, depth + 1) : -ELOOP;
	return S_ISREG(st.st_mode) ? add_file(files, fd, (size_t)st.st_size, path) : 0;
}

/* Takes over dir_fd. */
static int
load_dir(struct http_files *files, int dir_fd, const char *prefix, unsigned depth)
{
	DIR *dir = fdopendir(dir_fd);
	const struct dirent *entry;
	int r = 0;

	if (dir == NULL) {
		r = -errno;
		(void)close(dir_fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && !span_ends(span_of(entry->d_name), SPAN(".gz")))
			r = load_entry(files, dirfd(dir), entry->d_name, prefix, depth);
	(void)closedir(dir);
	return r;
}

static int
compare_files(const void *a, const void *b)
{
	return strcmp(((const struct http_file *)a)->path, ((const struct http_file *)b)->path);
}

struct http_files *
http_files_load(const char *dir, struct buf *error)
{
	struct http_files *files = xcalloc(1, sizeof(*files));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : load_dir(files, fd, "", 0);

	if (r < 0)
		(void)buf_fmt(error, "%s: %s", dir, strerror(-r));
	if (files->count > 0)
		qsort(files->files, files->count, sizeof(*files->files), compare_files);
	return files;
}

static const struct http_file *
find_file(const struct http_files *files, struct span path)
{
	for (size_t i = 0; i < files->count; i++)
		if (span_eq(span_of(files->files[i].path), path))
			return &files->files[i];
	return NULL;
}

/* --- serving: a file may be larger than the room of a connection --- */

struct serving {
	struct span rest;
};

static void
serve_more(struct exchange *exchange)
{
	struct serving *serving = exchange->context;

	while (serving->rest.len > 0) {
		size_t room = exchange->transport->room(exchange);

		if (room == 0)
			return;
		exchange->transport->write(exchange, span_take(&serving->rest, room));
	}
	free(serving);
	exchange->transport->end(exchange);
}

static size_t
serve_body(struct exchange *exchange, struct span bytes)
{
	(void)exchange; /* a GET's body means nothing; body_max is 0 */
	return bytes.len;
}

static void
serve_body_end(struct exchange *exchange)
{
	(void)exchange;
}

static void
serve_gone(struct exchange *exchange)
{
	free(exchange->context);
}

static const struct exchange_handler serving_handler = { serve_body, serve_body_end, serve_more, serve_gone };

bool
http_files_answer(struct exchange *exchange)
{
	const struct http_file *file = find_file(exchange->http->files, exchange->request->path);
	struct http_response response;
	struct serving *serving;
	const struct buf *body;
	bool gzip;

	if (file == NULL)
		return false;
	gzip = file->gzip.len > 0 && http_accepts_gzip(exchange->request);
	body = gzip ? &file->gzip : &file->body;
	http_response_init(&response, 200, HTTP_POLICY_SHELL);
	http_response_field(&response, "content-type", span_of(file->type));
	http_response_field(&response, "etag", span_of(gzip ? file->gzip_etag : file->etag));
	http_response_field(&response, "cache-control",
	    file->immutable ? SPAN("public, max-age=31536000, immutable") : SPAN("no-cache"));
	if (file->gzip.len > 0)
		http_response_field(&response, "vary", SPAN("accept-encoding"));
	if (http_if_none_match(exchange->request, span_of(file->etag)) ||
	    http_if_none_match(exchange->request, span_of(file->gzip_etag))) {
		response.status = 304;
		exchange->transport->respond(exchange, &response);
		http_response_free(&response);
		return true;
	}
	if (gzip)
		http_response_field(&response, "content-encoding", SPAN("gzip"));
	response.length = (int64_t)body->len;
	exchange->transport->respond(exchange, &response);
	http_response_free(&response);
	if (exchange->over)
		return true;
	serving = xcalloc(1, sizeof(*serving));
	serving->rest = buf_get(body);
	exchange->handler = &serving_handler;
	exchange->context = serving;
	serve_more(exchange);
	return true;
}
