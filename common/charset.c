/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Charsets to UTF-8 through iconv. */
#include <errno.h>

#include "common/charset_internal.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define NO_ICONV ((iconv_t)-1)
#define CHUNK 4096
#define HELD_MAX (sizeof(((struct charset_decoder *)0)->held))

/* Handles that stay open: the module of a charset cannot be loaded again in a jail. One text at a time uses each; a second opens its own. */
static struct {
	iconv_t iconv;
	bool open, busy;
} kept[CHARSETS];

static bool
keep(enum charset charset)
{
	if (!kept[charset].open) {
		kept[charset].iconv = iconv_open("UTF-8", charset_name(charset));
		kept[charset].open = kept[charset].iconv != NO_ICONV;
	}
	return kept[charset].open;
}

unsigned
charset_preload(void)
{
	unsigned missing = 0;

	for (enum charset charset = CHARSET_ICONV; charset < CHARSETS; charset++)
		missing += !keep(charset);
	return missing;
}

int
charset_put(struct buf *out, struct span text)
{
	int full = 0;

	while (text.len != 0) {
		ptrdiff_t nul = span_chr(text, '\0');
		size_t run = nul >= 0 ? (size_t)nul : text.len, room = out->max - out->len;

		if (run > room) {
			for (run = room; run > 0 && ((unsigned char)text.ptr[run] & 0xc0) == 0x80;)
				run--;
			full = -EMSGSIZE;
		}
		if (buf_put(out, text.ptr, run) != 0)
			return -EMSGSIZE;
		if (full == 0 && run < text.len) {
			if (out->max - out->len < strlen(REPLACEMENT))
				full = -EMSGSIZE;
			else
				(void)buf_str(out, REPLACEMENT);
			run++;
		}
		if (full != 0) {
			out->overflow = true;
			return full;
		}
		text = span_skip(text, run);
	}
	return 0;
}

int
charset_put_bad(struct buf *out)
{
	return charset_put(out, SPAN(REPLACEMENT));
}

/* Length of the well-formed character at the front (RFC 3629 section 4): 0 when it is none, -1 when the bytes end inside of one. */
static int
utf8_length(const unsigned char *s, size_t len)
{
	unsigned low = 0x80, high = 0xbf;
	int want;

	if (s[0] < 0x80)
		return 1;
	want = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	for (int i = 1; i < want; i++, low = 0x80, high = 0xbf) {
		if ((size_t)i == len)
			return -1;
		if (s[i] < low || s[i] > high)
			return 0;
	}
	return want;
}

/* Copies UTF-8; *ret_left: bytes of an incomplete character at the end. */
static int
copy_utf8(struct span text, struct buf *out, size_t *ret_left)
{
	const char *good = text.ptr, *at = text.ptr, *end = text.ptr + text.len;
	int length = 0, r = 0;

	while (r == 0) {
		at += span_ascii(span_make(at, (size_t)(end - at)));
		if (at == end)
			break;
		length = utf8_length((const unsigned char *)at, (size_t)(end - at));
		if (length > 0) {
			at += length;
			continue;
		}
		if (length < 0)
			break;
		r = charset_put(out, span_make(good, (size_t)(at - good)));
		if (r == 0)
			r = charset_put_bad(out);
		good = ++at;
	}
	if (r == 0)
		r = charset_put(out, span_make(good, (size_t)(at - good)));
	*ret_left = (size_t)(end - at);
	return r;
}

/* What is skipped where it means nothing. */
static size_t
unit_of(enum charset charset)
{
	return charset == UTF_16BE || charset == UTF_16LE ? 2 : charset == UTF_32BE || charset == UTF_32LE ? 4 : 1;
}

/* glibc's UHC refuses a pair that KS C 5601 has not assigned when it has passed over it already: there are more characters than it gave. */
static bool
has_passed(enum charset charset, struct span taken, struct span given)
{
	ptrdiff_t more = 0;

	if (charset != UHC)
		return false;
	for (size_t i = 0; i < taken.len; more++)
		i += (unsigned char)taken.ptr[i] < 0x81 ? 1 : 2;
	for (size_t i = 0; i < given.len; i++)
		more -= ((unsigned char)given.ptr[i] & 0xc0) != 0x80;
	return more > 0;
}

/* Converts at most CHUNK bytes. What means nothing is one U+FFFD for every `size` bytes. ret_left: as above; NULL: no more will come. */
static int
convert(iconv_t cd, enum charset charset, struct span text, size_t size, struct buf *out, size_t *ret_left)
{
	char from[CHUNK], *at = from; /* a copy: iconv(3) wants it writable */
	size_t left = text.len;
	int r = 0;

	memcpy(from, text.ptr, text.len);
	while (left != 0 && r == 0) {
		char chunk[CHUNK], *to = chunk, *begin = at;
		size_t room = sizeof(chunk), result = iconv(cd, &at, &left, &to, &room);
		int error = result == (size_t)-1 ? errno : 0;
		struct span given = span_make(chunk, sizeof(chunk) - room);

		r = charset_put(out, given);
		if (r != 0 || error == 0)
			continue;
		if (error == EINVAL && ret_left != NULL && left < HELD_MAX)
			break;
		if (error == E2BIG && room < sizeof(chunk))
			continue;
		r = charset_put_bad(out);
		if (error == EILSEQ && has_passed(charset, span_make(begin, (size_t)(at - begin)), given))
			continue;
		size = size < left ? size : left;
		at += size;
		left -= size;
	}
	if (ret_left != NULL)
		*ret_left = r == 0 ? left : 0;
	return r;
}

/* A handle in its initial state: the shared one, or where that has a text already one more. *ret_kept tells release which it is. */
static iconv_t
acquire(enum charset charset, int *ret_kept)
{
	*ret_kept = -1;
	if (!keep(charset))
		return NO_ICONV;
	if (kept[charset].busy)
		return iconv_open("UTF-8", charset_name(charset));
	kept[charset].busy = true;
	*ret_kept = (int)charset;
	(void)iconv(kept[charset].iconv, NULL, NULL, NULL, NULL); /* cannot fail without output */
	return kept[charset].iconv;
}

static void
release(iconv_t cd, int index)
{
	if (index >= 0)
		kept[index].busy = false;
	else if (cd != NO_ICONV)
		(void)iconv_close(cd);
}

/* The end of a text: some keep a character back until they know what follows. */
static int
put_rest(iconv_t cd, struct buf *out)
{
	char chunk[64], *to = chunk;
	size_t room = sizeof(chunk);

	if (iconv(cd, NULL, NULL, &to, &room) == (size_t)-1)
		return 0;
	return charset_put(out, span_make(chunk, sizeof(chunk) - room));
}

int
charset_convert_run(enum charset charset, struct span bytes, size_t size, struct buf *out)
{
	int index, r;
	iconv_t cd = acquire(charset, &index);

	if (cd == NO_ICONV)
		return charset_put_bad(out);
	r = convert(cd, charset, bytes, size, out, NULL);
	if (r == 0)
		r = put_rest(cd, out);
	release(cd, index);
	return r;
}

/* Without the module of what it mostly is, a charset that shifts is unknown. */
static bool
can_shift(enum charset charset)
{
	switch (charset) {
	case UTF_7:
		return keep(UTF_16BE);
	case HZ:
		return keep(GB18030);
	case ISO_2022_KR:
		return keep(UHC);
	default:
		return keep(CP932);
	}
}

static bool
begin(struct charset_decoder *decoder, enum charset charset)
{
	decoder->charset = (uint8_t)charset;
	decoder->iconv = acquire(charset, &decoder->kept);
	return decoder->iconv != NO_ICONV;
}

/* iconv's own UTF-16 keeps the order of one text for the next that its handle is used for. Without a mark a first character of ASCII tells;
 * else the order is that of who leaves marks out. */
static void
take_mark(struct charset_decoder *decoder, struct span *text)
{
	static const char big[] = { 0, 0, '\xfe', '\xff' }, little[] = { '\xff', '\xfe', 0, 0 };
	size_t len = decoder->mark;
	struct span mark = span_make(text->ptr, len);
	bool is_big = span_eq(mark, span_make(big + 4 - len, len)), is_little = span_eq(mark, span_make(little, len));

	if (is_big || is_little)
		*text = span_skip(*text, len);
	else
		is_big = mark.ptr[0] == '\0' && mark.ptr[len - 1] != '\0';
	decoder->mark = 0;
	if (len == 2)
		(void)begin(decoder, is_big ? UTF_16BE : UTF_16LE);
	else
		(void)begin(decoder, is_big ? UTF_32BE : UTF_32LE);
}

int
charset_decoder_init(struct charset_decoder *decoder, struct span label)
{
	enum charset charset = label.len == 0 ? US_ASCII : charset_of_label(label);

	*decoder = (struct charset_decoder){ .iconv = NO_ICONV, .kept = -1 };
	if (charset_shift_is_for(charset)) {
		decoder->shifts = can_shift(charset);
		charset_shift_init(&decoder->shift, charset);
		return !decoder->shifts;
	}
	if (charset == UTF_16 && keep(UTF_16BE) && keep(UTF_16LE))
		decoder->mark = 2;
	else if (charset == UTF_32 && keep(UTF_32BE) && keep(UTF_32LE))
		decoder->mark = 4;
	if (charset < CHARSET_ICONV)
		return decoder->mark == 0 && charset != UTF_8 && charset != US_ASCII;
	return !begin(decoder, charset);
}

bool
charset_decoder_passes_ascii(const struct charset_decoder *decoder)
{
	return decoder->iconv == NO_ICONV && decoder->mark == 0 && !decoder->shifts && decoder->held_len == 0;
}

static int
decode(struct charset_decoder *decoder, struct span text, struct buf *out, size_t *ret_left)
{
	*ret_left = text.len;
	if (text.len < decoder->mark)
		return 0;
	if (decoder->mark != 0)
		take_mark(decoder, &text);
	if (decoder->iconv == NO_ICONV)
		return copy_utf8(text, out, ret_left);
	return convert(decoder->iconv, decoder->charset, text, unit_of(decoder->charset), out, ret_left);
}

int
charset_decoder_feed(struct charset_decoder *decoder, struct span piece, struct buf *out)
{
	int r = 0;

	if (decoder->shifts)
		return charset_shift_feed(&decoder->shift, piece, out);
	while (piece.len != 0 && r == 0) {
		char joint[2 * HELD_MAX];
		size_t held = decoder->held_len, left = 0, used;
		struct span text = span_take(&piece, held != 0 ? sizeof(joint) - held : CHUNK);

		if (held != 0) {
			memcpy(joint, decoder->held, held);
			memcpy(joint + held, text.ptr, text.len);
			used = text.len;
			text = span_make(joint, held + used);
		}
		decoder->held_len = 0;
		r = decode(decoder, text, out, &left);
		if (r != 0 || left == 0)
			continue;
		memcpy(decoder->held, text.ptr + text.len - left, left);
		decoder->held_len = left;
	}
	return r;
}

int
charset_decoder_finish(struct charset_decoder *decoder, struct buf *out)
{
	int r = decoder->held_len != 0 ? charset_put_bad(out) : 0;

	decoder->held_len = 0;
	if (decoder->shifts)
		r = charset_shift_finish(&decoder->shift, out);
	else if (r == 0 && decoder->iconv != NO_ICONV)
		r = put_rest(decoder->iconv, out);
	return r;
}

void
charset_decoder_free(struct charset_decoder *decoder)
{
	release(decoder->iconv, decoder->kept);
	*decoder = (struct charset_decoder){ .iconv = NO_ICONV, .kept = -1 };
}

int
charset_to_utf8(struct span label, struct span bytes, struct buf *out)
{
	struct charset_decoder decoder;
	int unknown = charset_decoder_init(&decoder, label), r;

	r = charset_decoder_feed(&decoder, bytes, out);
	if (r == 0)
		r = charset_decoder_finish(&decoder, out);
	charset_decoder_free(&decoder);
	return r != 0 ? r : unknown;
}

int
charset_repair(struct span text, struct buf *out)
{
	return charset_to_utf8(SPAN("utf-8"), text, out);
}
