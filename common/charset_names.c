/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The charsets that mail may name, and by which labels: those of the IANA registry and of the WHATWG Encoding Standard, and what else
 * stands in mail. */
#include "common/charset_internal.h"

#define LABEL_MAX 48

static const char *const names[CHARSETS] = {
	[UTF_8] = "UTF-8", [US_ASCII] = "US-ASCII", [UTF_7] = "UTF-7", [HZ] = "HZ-GB-2312", [ISO_2022_JP] = "ISO-2022-JP",
	[ISO_2022_KR] = "ISO-2022-KR", [UTF_16] = "UTF-16", [UTF_16BE] = "UTF-16BE", [UTF_16LE] = "UTF-16LE", [UTF_32] = "UTF-32",
	[UTF_32BE] = "UTF-32BE", [UTF_32LE] = "UTF-32LE", [ISO_8859_2] = "ISO-8859-2", [ISO_8859_3] = "ISO-8859-3",
	[ISO_8859_4] = "ISO-8859-4", [ISO_8859_5] = "ISO-8859-5", [ISO_8859_6] = "ISO-8859-6", [ISO_8859_7] = "ISO-8859-7",
	[ISO_8859_8] = "ISO-8859-8", [ISO_8859_10] = "ISO-8859-10", [ISO_8859_13] = "ISO-8859-13", [ISO_8859_14] = "ISO-8859-14",
	[ISO_8859_15] = "ISO-8859-15", [ISO_8859_16] = "ISO-8859-16", [CP1250] = "CP1250", [CP1251] = "CP1251", [CP1252] = "CP1252",
	[CP1253] = "CP1253", [CP1254] = "CP1254", [CP1255] = "CP1255", [CP1256] = "CP1256", [CP1257] = "CP1257", [CP1258] = "CP1258",
	[CP874] = "CP874", [KOI8_R] = "KOI8-R", [KOI8_U] = "KOI8-U", [KOI8_T] = "KOI8-T", [IBM437] = "IBM437", [IBM850] = "IBM850",
	[IBM852] = "IBM852", [IBM855] = "IBM855", [IBM857] = "IBM857", [IBM858] = "IBM858", [IBM862] = "IBM862", [IBM864] = "IBM864",
	[IBM866] = "IBM866", [MACINTOSH] = "MACINTOSH", [MAC_CYRILLIC] = "MAC-CYRILLIC", [MAC_CE] = "MAC-CENTRALEUROPE",
	[VISCII] = "VISCII", [TCVN] = "TCVN5712-1", [ARMSCII_8] = "ARMSCII-8", [GEORGIAN_PS] = "GEORGIAN-PS", [GB18030] = "GB18030",
	[BIG5] = "CP950", [BIG5_HKSCS] = "BIG5-HKSCS", [EUC_TW] = "EUC-TW", [CP932] = "CP932", [EUC_JP] = "EUC-JP-MS",
	[SHIFT_JISX0213] = "SHIFT_JISX0213", [EUC_JISX0213] = "EUC-JISX0213", [UHC] = "UHC", [JOHAB] = "JOHAB",
};

static const struct {
	const char *label; /* letters and digits alone, in lower case */
	enum charset charset;
} labels[] = {
	{ "utf8", UTF_8 }, { "unicode11utf8", UTF_8 }, { "utf8mb3", UTF_8 }, { "utf8mb4", UTF_8 }, { "cp65001", UTF_8 },
	{ "usascii", US_ASCII }, { "ascii", US_ASCII }, { "ansix341968", US_ASCII }, { "ansix341986", US_ASCII },
	{ "iso646irv1991", US_ASCII }, { "iso646us", US_ASCII }, { "isoir6", US_ASCII }, { "646", US_ASCII }, { "cp367", US_ASCII },
	{ "ibm367", US_ASCII }, { "us", US_ASCII }, { "usascii7", US_ASCII },
	{ "utf7", UTF_7 }, { "unicode11utf7", UTF_7 }, { "cp65000", UTF_7 },
	{ "hzgb2312", HZ }, { "hz", HZ },
	{ "iso2022jp", ISO_2022_JP }, { "iso2022jp1", ISO_2022_JP }, { "iso2022jp2", ISO_2022_JP }, { "iso2022jp3", ISO_2022_JP },
	{ "iso2022jp2004", ISO_2022_JP }, { "iso2022jpms", ISO_2022_JP }, { "iso2022jpesc", ISO_2022_JP }, { "jis", ISO_2022_JP },
	{ "cp50220", ISO_2022_JP }, { "cp50221", ISO_2022_JP }, { "cp50222", ISO_2022_JP },
	{ "iso2022kr", ISO_2022_KR },
	{ "utf16", UTF_16 }, { "unicode", UTF_16 }, { "ucs2", UTF_16 }, { "iso10646ucs2", UTF_16 },
	{ "utf16be", UTF_16BE },
	{ "utf16le", UTF_16LE }, { "cp1200", UTF_16LE },
	{ "utf32", UTF_32 }, { "ucs4", UTF_32 }, { "iso10646ucs4", UTF_32 },
	{ "utf32be", UTF_32BE },
	{ "utf32le", UTF_32LE },
	{ "iso88592", ISO_8859_2 }, { "iso885921987", ISO_8859_2 }, { "latin2", ISO_8859_2 }, { "isolatin2", ISO_8859_2 },
	{ "l2", ISO_8859_2 }, { "isoir101", ISO_8859_2 }, { "cp912", ISO_8859_2 },
	{ "iso88593", ISO_8859_3 }, { "iso885931988", ISO_8859_3 }, { "latin3", ISO_8859_3 }, { "isolatin3", ISO_8859_3 },
	{ "l3", ISO_8859_3 }, { "isoir109", ISO_8859_3 },
	{ "iso88594", ISO_8859_4 }, { "iso885941988", ISO_8859_4 }, { "latin4", ISO_8859_4 }, { "isolatin4", ISO_8859_4 },
	{ "l4", ISO_8859_4 }, { "isoir110", ISO_8859_4 },
	{ "iso88595", ISO_8859_5 }, { "iso885951988", ISO_8859_5 }, { "cyrillic", ISO_8859_5 }, { "isolatincyrillic", ISO_8859_5 },
	{ "isoir144", ISO_8859_5 },
	{ "iso88596", ISO_8859_6 }, { "iso885961987", ISO_8859_6 }, { "iso88596i", ISO_8859_6 }, { "iso88596e", ISO_8859_6 },
	{ "arabic", ISO_8859_6 }, { "isolatinarabic", ISO_8859_6 }, { "isoir127", ISO_8859_6 }, { "ecma114", ISO_8859_6 },
	{ "asmo708", ISO_8859_6 },
	{ "iso88597", ISO_8859_7 }, { "iso885971987", ISO_8859_7 }, { "greek", ISO_8859_7 }, { "greek8", ISO_8859_7 },
	{ "isolatingreek", ISO_8859_7 }, { "isoir126", ISO_8859_7 }, { "ecma118", ISO_8859_7 }, { "elot928", ISO_8859_7 },
	{ "iso88598", ISO_8859_8 }, { "iso885981988", ISO_8859_8 }, { "iso88598i", ISO_8859_8 }, { "iso88598e", ISO_8859_8 },
	{ "hebrew", ISO_8859_8 }, { "isolatinhebrew", ISO_8859_8 }, { "isoir138", ISO_8859_8 }, { "logical", ISO_8859_8 },
	{ "visual", ISO_8859_8 },
	{ "iso885910", ISO_8859_10 }, { "iso8859101992", ISO_8859_10 }, { "latin6", ISO_8859_10 }, { "isolatin6", ISO_8859_10 },
	{ "l6", ISO_8859_10 }, { "isoir157", ISO_8859_10 },
	{ "iso885913", ISO_8859_13 }, { "latin7", ISO_8859_13 }, { "l7", ISO_8859_13 },
	{ "iso885914", ISO_8859_14 }, { "iso8859141998", ISO_8859_14 }, { "latin8", ISO_8859_14 }, { "l8", ISO_8859_14 },
	{ "iso885915", ISO_8859_15 }, { "iso8859151998", ISO_8859_15 }, { "latin9", ISO_8859_15 }, { "latin0", ISO_8859_15 },
	{ "l9", ISO_8859_15 }, { "cp923", ISO_8859_15 },
	{ "iso885916", ISO_8859_16 }, { "iso8859162001", ISO_8859_16 }, { "latin10", ISO_8859_16 }, { "l10", ISO_8859_16 },
	{ "windows1250", CP1250 }, { "win1250", CP1250 }, { "cp1250", CP1250 }, { "ibm1250", CP1250 },
	{ "windows1251", CP1251 }, { "win1251", CP1251 }, { "cp1251", CP1251 }, { "ibm1251", CP1251 },
	{ "windows1252", CP1252 }, { "win1252", CP1252 }, { "cp1252", CP1252 }, { "ibm1252", CP1252 }, { "ansi", CP1252 },
	{ "iso88591", CP1252 }, { "iso885911987", CP1252 }, { "latin1", CP1252 }, { "isolatin1", CP1252 }, { "l1", CP1252 },
	{ "isoir100", CP1252 }, { "cp819", CP1252 }, { "ibm819", CP1252 },
	{ "windows1253", CP1253 }, { "win1253", CP1253 }, { "cp1253", CP1253 }, { "ibm1253", CP1253 },
	{ "windows1254", CP1254 }, { "win1254", CP1254 }, { "cp1254", CP1254 }, { "ibm1254", CP1254 }, { "iso88599", CP1254 },
	{ "iso885991989", CP1254 }, { "latin5", CP1254 }, { "isolatin5", CP1254 }, { "l5", CP1254 }, { "isoir148", CP1254 },
	{ "windows1255", CP1255 }, { "win1255", CP1255 }, { "cp1255", CP1255 }, { "ibm1255", CP1255 },
	{ "windows1256", CP1256 }, { "win1256", CP1256 }, { "cp1256", CP1256 }, { "ibm1256", CP1256 },
	{ "windows1257", CP1257 }, { "win1257", CP1257 }, { "cp1257", CP1257 }, { "ibm1257", CP1257 },
	{ "windows1258", CP1258 }, { "win1258", CP1258 }, { "cp1258", CP1258 }, { "ibm1258", CP1258 },
	{ "windows874", CP874 }, { "cp874", CP874 }, { "dos874", CP874 }, { "tis620", CP874 }, { "tis6200", CP874 },
	{ "tis62025291", CP874 }, { "tis62025330", CP874 }, { "tis62025331", CP874 }, { "tis6202533", CP874 }, { "iso885911", CP874 },
	{ "isoir166", CP874 },
	{ "koi8r", KOI8_R }, { "koi8", KOI8_R }, { "koi", KOI8_R },
	{ "koi8u", KOI8_U }, { "koi8ru", KOI8_U },
	{ "koi8t", KOI8_T },
	{ "ibm437", IBM437 }, { "cp437", IBM437 }, { "437", IBM437 }, { "dos437", IBM437 },
	{ "ibm850", IBM850 }, { "cp850", IBM850 }, { "850", IBM850 }, { "dos850", IBM850 }, { "pc850multilingual", IBM850 },
	{ "ibm852", IBM852 }, { "cp852", IBM852 }, { "852", IBM852 }, { "dos852", IBM852 }, { "pcp852", IBM852 },
	{ "ibm855", IBM855 }, { "cp855", IBM855 }, { "855", IBM855 }, { "dos855", IBM855 },
	{ "ibm857", IBM857 }, { "cp857", IBM857 }, { "857", IBM857 }, { "dos857", IBM857 },
	{ "ibm00858", IBM858 }, { "ibm858", IBM858 }, { "cp858", IBM858 }, { "dos858", IBM858 }, { "ccsid00858", IBM858 },
	{ "ibm862", IBM862 }, { "cp862", IBM862 }, { "862", IBM862 }, { "dos862", IBM862 }, { "pc862latinhebrew", IBM862 },
	{ "ibm864", IBM864 }, { "cp864", IBM864 }, { "dos864", IBM864 },
	{ "ibm866", IBM866 }, { "cp866", IBM866 }, { "866", IBM866 }, { "dos866", IBM866 },
	{ "macintosh", MACINTOSH }, { "mac", MACINTOSH }, { "macroman", MACINTOSH },
	{ "maccyrillic", MAC_CYRILLIC }, { "macukrainian", MAC_CYRILLIC },
	{ "macce", MAC_CE }, { "maccentraleurope", MAC_CE }, { "maccentraleurroman", MAC_CE },
	{ "viscii", VISCII }, { "viscii111", VISCII },
	{ "tcvn", TCVN }, { "tcvn5712", TCVN }, { "tcvn57121", TCVN }, { "tcvn571211993", TCVN },
	{ "armscii8", ARMSCII_8 },
	{ "georgianps", GEORGIAN_PS },
	{ "gb18030", GB18030 }, { "gb180302000", GB18030 }, { "gb180302005", GB18030 }, { "gb180302022", GB18030 }, { "gbk", GB18030 },
	{ "gb2312", GB18030 }, { "gb231280", GB18030 }, { "iso58gb231280", GB18030 }, { "isoir58", GB18030 }, { "euccn", GB18030 },
	{ "gb", GB18030 }, { "cngb", GB18030 }, { "cp936", GB18030 }, { "ms936", GB18030 }, { "windows936", GB18030 },
	{ "chinese", GB18030 },
	{ "big5", BIG5 }, { "big5eten", BIG5 }, { "big52003", BIG5 }, { "cnbig5", BIG5 }, { "xxbig5", BIG5 }, { "cp950", BIG5 },
	{ "ms950", BIG5 }, { "windows950", BIG5 },
	{ "big5hkscs", BIG5_HKSCS }, { "big5hkscs2004", BIG5_HKSCS }, { "big5hkscs2008", BIG5_HKSCS }, { "cp951", BIG5_HKSCS },
	{ "euctw", EUC_TW },
	{ "shiftjis", CP932 }, { "sjis", CP932 }, { "sjiswin", CP932 }, { "sjisopen", CP932 }, { "mskanji", CP932 }, { "cp932", CP932 },
	{ "ms932", CP932 }, { "ms31j", CP932 }, { "windows31j", CP932 }, { "windows932", CP932 }, { "cp943", CP932 },
	{ "ibm943", CP932 },
	{ "eucjp", EUC_JP }, { "eucjpms", EUC_JP }, { "eucjpwin", EUC_JP }, { "eucjpopen", EUC_JP }, { "ujis", EUC_JP },
	{ "extendedunixcodepackedformatforjapanese", EUC_JP }, { "eucpkdfmtjapanese", EUC_JP }, { "cp51932", EUC_JP },
	{ "shiftjisx0213", SHIFT_JISX0213 }, { "shiftjis2004", SHIFT_JISX0213 }, { "sjis2004", SHIFT_JISX0213 },
	{ "eucjisx0213", EUC_JISX0213 }, { "eucjis2004", EUC_JISX0213 },
	{ "euckr", UHC }, { "ksc56011987", UHC }, { "ksc56011989", UHC }, { "ksc5601", UHC }, { "ks56011987", UHC }, { "ksx1001", UHC },
	{ "ksx10011992", UHC }, { "korean", UHC }, { "isoir149", UHC }, { "cp949", UHC }, { "ms949", UHC }, { "ibm949", UHC },
	{ "windows949", UHC }, { "uhc", UHC }, { "cp51949", UHC },
	{ "johab", JOHAB }, { "ksc5601johab", JOHAB }, { "ksc56011992", JOHAB }, { "cp1361", JOHAB }, { "ms1361", JOHAB },
};

enum charset
charset_of_label(struct span label)
{
	char text[LABEL_MAX];
	size_t len = 0;
	struct span plain;

	for (size_t i = 0; i < label.len; i++) {
		char c = ascii_lower(label.ptr[i]);

		if (!ascii_is_alnum(c))
			continue;
		if (len == LABEL_MAX)
			return CHARSET_UNKNOWN;
		text[len++] = c;
	}
	plain = span_make(text, len);
	/* "x-gbk", "x-sjis", "csISO2022JP", "cs..." of the IANA registry. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
			if (plain.len != 0 && labels[i].label[0] == plain.ptr[0] && span_eq(plain, span_of(labels[i].label)))
				return labels[i].charset;
		if (span_starts(plain, SPAN("cs")))
			plain = span_skip(plain, 2);
		else if (span_starts(plain, SPAN("x")))
			plain = span_skip(plain, 1);
		else
			break;
	}
	return CHARSET_UNKNOWN;
}

const char *
charset_name(enum charset charset)
{
	return names[charset];
}

const char *
charset_find(struct span label)
{
	return names[charset_of_label(label)];
}
