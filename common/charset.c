/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Charsets to UTF-8 through iconv. */
#include "common/charset.h"

#include <errno.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define NO_ICONV ((iconv_t)-1)
#define CHUNK 4096
#define HELD_MAX (sizeof(((struct charset_decoder *)0)->held))

/* What iconv converts with. NULL: ourselves. Where mail uses the name of a standard for its larger successor, the successor is here
 * (iso-8859-1 is windows-1252, gb2312 is GB18030, ...), as in the WHATWG Encoding Standard. */
enum charset {
	UTF_8, US_ASCII, UTF_16, UTF_16BE, UTF_16LE, UTF_7,
	ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14,
	ISO_8859_15, ISO_8859_16,
	CP1250, CP1251, CP1252, CP1253, CP1254, CP1255, CP1256, CP1257, CP1258, CP874,
	KOI8_R, KOI8_U, IBM437, IBM850, IBM852, IBM866, MACINTOSH, VISCII,
	GB18030, BIG5, BIG5_HKSCS, EUC_TW, CP932, EUC_JP, ISO_2022_JP, UHC, ISO_2022_KR, JOHAB,
	CHARSETS
};

static const char *const names[CHARSETS] = {
	[UTF_8] = "UTF-8", [US_ASCII] = "US-ASCII", [UTF_16] = "UTF-16", [UTF_16BE] = "UTF-16BE", [UTF_16LE] = "UTF-16LE",
	[UTF_7] = "UTF-7", [ISO_8859_2] = "ISO-8859-2", [ISO_8859_3] = "ISO-8859-3", [ISO_8859_4] = "ISO-8859-4",
	[ISO_8859_5] = "ISO-8859-5", [ISO_8859_6] = "ISO-8859-6", [ISO_8859_7] = "ISO-8859-7", [ISO_8859_8] = "ISO-8859-8",
	[ISO_8859_10] = "ISO-8859-10", [ISO_8859_13] = "ISO-8859-13", [ISO_8859_14] = "ISO-8859-14",
	[ISO_8859_15] = "ISO-8859-15", [ISO_8859_16] = "ISO-8859-16", [CP1250] = "CP1250", [CP1251] = "CP1251", [CP1252] = "CP1252",
	[CP1253] = "CP1253", [CP1254] = "CP1254", [CP1255] = "CP1255", [CP1256] = "CP1256", [CP1257] = "CP1257", [CP1258] = "CP1258",
	[CP874] = "CP874", [KOI8_R] = "KOI8-R", [KOI8_U] = "KOI8-U", [IBM437] = "IBM437", [IBM850] = "IBM850", [IBM852] = "IBM852",
	[IBM866] = "IBM866", [MACINTOSH] = "MACINTOSH", [VISCII] = "VISCII", [GB18030] = "GB18030", [BIG5] = "CP950",
	[BIG5_HKSCS] = "BIG5-HKSCS", [EUC_TW] = "EUC-TW", [CP932] = "CP932", [EUC_JP] = "EUC-JP-MS", [ISO_2022_JP] = "ISO-2022-JP",
	[UHC] = "UHC", [ISO_2022_KR] = "ISO-2022-KR", [JOHAB] = "JOHAB",
};

static const struct {
	const char *label; /* lower case, without "-", "_", "." and ":" */
	enum charset charset;
} labels[] = {
	{ "utf8", UTF_8 }, { "unicode11utf8", UTF_8 }, { "utf8mb4", UTF_8 }, { "cp65001", UTF_8 },
	{ "usascii", US_ASCII }, { "ascii", US_ASCII }, { "ansix341968", US_ASCII }, { "iso646us", US_ASCII }, { "646", US_ASCII },
	{ "cp367", US_ASCII }, { "us", US_ASCII },
	{ "utf16", UTF_16 }, { "unicode", UTF_16 }, { "utf16be", UTF_16BE }, { "utf16le", UTF_16LE }, { "utf7", UTF_7 },
	{ "unicode11utf7", UTF_7 },
	{ "iso88591", CP1252 }, { "latin1", CP1252 }, { "l1", CP1252 }, { "iso885911987", CP1252 }, { "cp819", CP1252 },
	{ "iso88592", ISO_8859_2 }, { "latin2", ISO_8859_2 }, { "l2", ISO_8859_2 }, { "iso88593", ISO_8859_3 },
	{ "latin3", ISO_8859_3 }, { "iso88594", ISO_8859_4 }, { "latin4", ISO_8859_4 }, { "iso88595", ISO_8859_5 },
	{ "cyrillic", ISO_8859_5 }, { "iso88596", ISO_8859_6 }, { "iso88596i", ISO_8859_6 }, { "iso88596e", ISO_8859_6 },
	{ "arabic", ISO_8859_6 }, { "iso88597", ISO_8859_7 }, { "greek", ISO_8859_7 }, { "iso88598", ISO_8859_8 },
	{ "iso88598i", ISO_8859_8 }, { "iso88598e", ISO_8859_8 }, { "hebrew", ISO_8859_8 }, { "logical", ISO_8859_8 },
	{ "iso88599", CP1254 }, { "latin5", CP1254 }, { "iso885910", ISO_8859_10 }, { "latin6", ISO_8859_10 }, { "iso885911", CP874 },
	{ "iso885913", ISO_8859_13 }, { "latin7", ISO_8859_13 }, { "iso885914", ISO_8859_14 }, { "latin8", ISO_8859_14 },
	{ "iso885915", ISO_8859_15 }, { "latin9", ISO_8859_15 }, { "iso885916", ISO_8859_16 }, { "latin10", ISO_8859_16 },
	{ "windows1250", CP1250 }, { "cp1250", CP1250 }, { "windows1251", CP1251 }, { "cp1251", CP1251 }, { "windows1252", CP1252 },
	{ "cp1252", CP1252 }, { "windows1253", CP1253 }, { "cp1253", CP1253 }, { "windows1254", CP1254 }, { "cp1254", CP1254 },
	{ "windows1255", CP1255 }, { "cp1255", CP1255 }, { "windows1256", CP1256 }, { "cp1256", CP1256 }, { "windows1257", CP1257 },
	{ "cp1257", CP1257 }, { "windows1258", CP1258 }, { "cp1258", CP1258 }, { "windows874", CP874 }, { "cp874", CP874 },
	{ "tis620", CP874 }, { "tis62025331", CP874 }, { "dos874", CP874 },
	{ "koi8r", KOI8_R }, { "koi8", KOI8_R }, { "koi", KOI8_R }, { "koi8u", KOI8_U }, { "koi8ru", KOI8_U },
	{ "ibm437", IBM437 }, { "cp437", IBM437 }, { "ibm850", IBM850 }, { "cp850", IBM850 }, { "ibm852", IBM852 }, { "cp852", IBM852 },
	{ "ibm866", IBM866 }, { "cp866", IBM866 }, { "macintosh", MACINTOSH }, { "mac", MACINTOSH }, { "macroman", MACINTOSH },
	{ "viscii", VISCII },
	{ "gb2312", GB18030 }, { "gb231280", GB18030 }, { "gbk", GB18030 }, { "gb18030", GB18030 }, { "euccn", GB18030 },
	{ "cp936", GB18030 }, { "ms936", GB18030 }, { "windows936", GB18030 }, { "chinese", GB18030 }, { "isoir58", GB18030 },
	{ "gb", GB18030 }, { "big5", BIG5 }, { "big5eten", BIG5 }, { "cnbig5", BIG5 }, { "cp950", BIG5 }, { "windows950", BIG5 },
	{ "big5hkscs", BIG5_HKSCS }, { "euctw", EUC_TW },
	{ "shiftjis", CP932 }, { "sjis", CP932 }, { "mskanji", CP932 }, { "cp932", CP932 }, { "ms932", CP932 }, { "windows31j", CP932 },
	{ "windows932", CP932 }, { "eucjp", EUC_JP }, { "eucjpms", EUC_JP }, { "ujis", EUC_JP },
	{ "extendedunixcodepackedformatforjapanese", EUC_JP }, { "iso2022jp", ISO_2022_JP }, { "jis", ISO_2022_JP },
	{ "cp50220", ISO_2022_JP }, { "cp50221", ISO_2022_JP }, { "cp50222", ISO_2022_JP },
	{ "euckr", UHC }, { "ksc56011987", UHC }, { "ksc56011989", UHC }, { "ksc5601", UHC }, { "ks56011987", UHC }, { "korean", UHC },
	{ "isoir149", UHC }, { "cp949", UHC }, { "ms949", UHC }, { "windows949", UHC }, { "uhc", UHC }, { "iso2022kr", ISO_2022_KR },
	{ "johab", JOHAB }, { "ksc5601johab", JOHAB },
};

#define LABEL_MAX 48

/* Handles that stay open: the module of a charset cannot be loaded again in a jail. One text at a time uses each; a second opens its own. */
static struct {
	iconv_t iconv;
	bool open, busy;
} kept[CHARSETS];

static enum charset
find(struct span label)
{
	char text[LABEL_MAX];
	size_t len = 0;
	struct span plain;

	for (size_t i = 0; i < label.len; i++) {
		char c = ascii_lower(label.ptr[i]);

		if (!ascii_is_alnum(c))
			continue;
		if (len == LABEL_MAX)
			return CHARSETS;
		text[len++] = c;
	}
	plain = span_make(text, len);
	/* "x-gbk", "x-sjis", "csISO2022JP", "cs..." of the IANA registry. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
			if (span_eq(plain, span_of(labels[i].label)))
				return labels[i].charset;
		if (span_starts(plain, SPAN("cs")))
			plain = span_skip(plain, 2);
		else if (span_starts(plain, SPAN("x")))
			plain = span_skip(plain, 1);
		else
			break;
	}
	return CHARSETS;
}

const char *
charset_find(struct span label)
{
	enum charset charset = find(label);

	return charset != CHARSETS ? names[charset] : NULL;
}

static bool
is_own(enum charset charset)
{
	return charset == UTF_8 || charset == US_ASCII || charset == CHARSETS;
}

static bool
keep(enum charset charset)
{
	if (!kept[charset].open) {
		kept[charset].iconv = iconv_open("UTF-8", names[charset]);
		kept[charset].open = kept[charset].iconv != NO_ICONV;
	}
	return kept[charset].open;
}

unsigned
charset_preload(void)
{
	unsigned missing = 0;

	for (enum charset charset = 0; charset < CHARSETS; charset++)
		missing += !is_own(charset) && !keep(charset);
	return missing;
}

/* Appends UTF-8, U+FFFD for NUL, up to the last whole character that fits. */
static int
put(struct buf *out, const char *bytes, size_t len)
{
	int full = 0;

	while (len != 0) {
		const char *nul = memchr(bytes, '\0', len);
		size_t run = nul != NULL ? (size_t)(nul - bytes) : len, room = out->max - out->len;

		if (run > room) {
			for (run = room; run > 0 && ((unsigned char)bytes[run] & 0xc0) == 0x80;)
				run--;
			full = -EMSGSIZE;
		}
		if (buf_put(out, bytes, run) != 0)
			return -EMSGSIZE;
		if (full == 0 && run < len) {
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
		bytes += run;
		len -= run;
	}
	return 0;
}

static int
put_bad(struct buf *out)
{
	return put(out, REPLACEMENT, strlen(REPLACEMENT));
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
		r = put(out, good, (size_t)(at - good));
		if (r == 0)
			r = put_bad(out);
		good = ++at;
	}
	if (r == 0)
		r = put(out, good, (size_t)(at - good));
	*ret_left = (size_t)(end - at);
	return r;
}

/* Converts at most CHUNK bytes; *ret_left as above. Every byte that means nothing is one U+FFFD. */
static int
convert(iconv_t cd, struct span text, struct buf *out, size_t *ret_left)
{
	char from[CHUNK], *at = from; /* a copy: iconv(3) wants it writable */
	size_t left = text.len;
	int r = 0;

	memcpy(from, text.ptr, text.len);
	while (left != 0 && r == 0) {
		char chunk[CHUNK], *to = chunk;
		size_t room = sizeof(chunk), result = iconv(cd, &at, &left, &to, &room);
		int error = result == (size_t)-1 ? errno : 0;

		r = put(out, chunk, sizeof(chunk) - room);
		if (r != 0 || error == 0)
			continue;
		if (error == EINVAL && left < HELD_MAX)
			break;
		if (error == E2BIG && room < sizeof(chunk))
			continue;
		r = put_bad(out);
		at++;
		left--;
	}
	*ret_left = r == 0 ? left : 0;
	return r;
}

int
charset_decoder_init(struct charset_decoder *decoder, struct span label)
{
	enum charset charset = label.len == 0 ? US_ASCII : find(label);

	*decoder = (struct charset_decoder){ .iconv = NO_ICONV, .kept = -1 };
	if (is_own(charset))
		return charset == CHARSETS;
	if (!keep(charset))
		return 1;
	if (!kept[charset].busy) {
		kept[charset].busy = true;
		decoder->kept = (int)charset;
		decoder->iconv = kept[charset].iconv;
		(void)iconv(decoder->iconv, NULL, NULL, NULL, NULL); /* to the initial state: cannot fail without output */
		return 0;
	}
	decoder->iconv = iconv_open("UTF-8", names[charset]);
	return decoder->iconv == NO_ICONV;
}

static int
decode(struct charset_decoder *decoder, struct span text, struct buf *out, size_t *ret_left)
{
	if (decoder->iconv == NO_ICONV)
		return copy_utf8(text, out, ret_left);
	return convert(decoder->iconv, text, out, ret_left);
}

int
charset_decoder_feed(struct charset_decoder *decoder, struct span piece, struct buf *out)
{
	int r = 0;

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
	int r = decoder->held_len != 0 ? put_bad(out) : 0;

	decoder->held_len = 0;
	if (r == 0 && decoder->iconv != NO_ICONV) {
		char chunk[64], *to = chunk;
		size_t room = sizeof(chunk);

		/* Some keep a character back until they know what follows. */
		if (iconv(decoder->iconv, NULL, NULL, &to, &room) != (size_t)-1)
			r = put(out, chunk, sizeof(chunk) - room);
	}
	return r;
}

void
charset_decoder_free(struct charset_decoder *decoder)
{
	if (decoder->kept >= 0)
		kept[decoder->kept].busy = false;
	else if (decoder->iconv != NO_ICONV)
		(void)iconv_close(decoder->iconv);
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
